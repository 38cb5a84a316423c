package camio

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrackTravelsInAHeader(t *testing.T) {
	want := &Track{Area: 3.42, Labels: []string{"approaching", "left"}, Boxes: []TrackBox{{0, 100, 200, 300, 1000}, {60000, 0, 0, 1000, 1000}}}
	h := http.Header{}
	SetTrack(h, want)
	if got, want := h.Get(TrackHeader), `{"area":3.42,"labels":["approaching","left"],"boxes":[[0,100,200,300,1000],[60000,0,0,1000,1000]]}`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	got, err := ParseTrack(h)
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	none := http.Header{}
	SetTrack(none, nil)
	if got, err := ParseTrack(none); len(none) > 0 || got != nil || err != nil {
		t.Errorf("no track is sent as %v and read as %v, %v", none, got, err)
	}
}

func TestLargestTrackFitsItsHeader(t *testing.T) {
	track := &Track{Area: 99.123456789, Labels: slices.Clone(trackLabels)}
	for range MaxTrackBoxes {
		track.Boxes = append(track.Boxes, TrackBox{maxTrackTime, 999, 999, 1000, 1000})
	}
	h := http.Header{}
	SetTrack(h, track)
	got, err := ParseTrack(h)
	if err != nil || got == nil || len(got.Boxes) != MaxTrackBoxes || len(got.Labels) != len(trackLabels) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTracksOfStrangersAreTamed(t *testing.T) {
	tests := []struct {
		in   string
		want *Track // nil: an error
	}{
		{`{}`, &Track{}},
		{`{"area":-4,"labels":["<script>","approaching","approaching","_ml_human"]}`, &Track{Labels: []string{"approaching"}}},
		{`{"area":1e300}`, &Track{Area: 100}},
		{`{"boxes":[[5,1,2,3,4],[-1,1,2,3,4],[99999999999,1,2,3,4],[0,3,2,3,4],[0,1,2,3,1001],[0,-1,2,3,4],[1,0,0,1000,1000]]}`,
			&Track{Boxes: []TrackBox{{1, 0, 0, 1000, 1000}, {5, 1, 2, 3, 4}}}},
		{`{"boxes":[[1]]}`, &Track{}},
		{`{"boxes":[[1,2,3,4,5,6,7]]}`, &Track{Boxes: []TrackBox{{1, 2, 3, 4, 5}}}},
		{`{"boxes":[["a"]]}`, nil},
		{`{"boxes":` + strings.Repeat("[", 3000), nil},
		{`null`, &Track{}},
		{`"approaching"`, nil},
		{`{"labels":["` + strings.Repeat("a", 5000) + `"]}`, nil},
	}
	for _, tt := range tests {
		got, err := ParseTrack(http.Header{TrackHeader: {tt.in}})
		if (err != nil) != (tt.want == nil) {
			t.Errorf("%.60s: %v", tt.in, err)
		}
		if tt.want != nil && (got == nil || got.Area != tt.want.Area || !slices.Equal(got.Labels, tt.want.Labels) || !slices.Equal(got.Boxes, tt.want.Boxes)) {
			t.Errorf("%.60s: got %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

func FuzzParseTrack(f *testing.F) {
	f.Add(`{"area":3.42,"labels":["approaching","left"],"boxes":[[0,100,200,300,1000],[60000,0,0,1000,1000]]}`)
	f.Add(`{"boxes":[[1e9,1,2,3,4],[0,0,0,1,1]],"labels":["scene_covered"]}`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTrack(http.Header{TrackHeader: {s}})
		if err != nil || got == nil {
			return
		}
		if !(got.Area >= 0 && got.Area <= 100) || len(got.Boxes) > MaxTrackBoxes || len(got.Labels) > len(trackLabels) {
			t.Fatalf("got %+v", got)
		}
		h := http.Header{}
		SetTrack(h, got)
		again, err := ParseTrack(h)
		if err != nil || !slices.Equal(again.Boxes, got.Boxes) || !slices.Equal(again.Labels, got.Labels) {
			t.Fatalf("%+v is read back as %+v, %v", got, again, err)
		}
	})
}
