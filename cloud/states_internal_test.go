package cloud

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"camward/camio"
)

func TestOfAThousandFlapsTheLast200AreKept(t *testing.T) {
	st, err := openStore(filepath.Join(t.TempDir(), "camward.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.w.Exec(`PRAGMA synchronous = OFF; INSERT INTO accounts (user_id, email, created, upload_sealed, upload_lookup) VALUES ('u', 'e', 0, '', '')`); err != nil {
		t.Fatal(err)
	}
	a, err := st.introduce(t.Context(), 1, "a", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := st.introduce(t.Context(), 1, "b", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i := range int64(1000) {
		for _, c := range []*camera{a, b} {
			if c == b && i >= 3 {
				continue // the other camera's flaps cost this one nothing
			}
			if err := st.keepState(t.Context(), c.ID, &camio.CameraState{Boot: "x", Seq: i + 1, Found: i%2 == 1}, now.Add(time.Duration(i)*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := st.states(t.Context(), a.ID)
	if err != nil || len(list) != maxStates || !list[0].IsFound || !list[0].Date.Equal(now.Add(999*time.Second)) || !list[maxStates-1].Date.Equal(now.Add(800*time.Second)) {
		t.Errorf("%v %d %v", err, len(list), list[0])
	}
	if list, err = st.states(t.Context(), b.ID); err != nil || len(list) != 3 {
		t.Errorf("%v %d", err, len(list))
	}
	// A picture that flaps for a night does not push that out, nor grow without bounds.
	for i := range int64(300) {
		if err := st.keepState(t.Context(), a.ID, &camio.CameraState{Boot: "x", Seq: 1001 + i, Found: true, Scene: "moved"}, now); err != nil {
			t.Fatal(err)
		}
	}
	if list, err = st.states(t.Context(), a.ID); err != nil || len(list) != 2*maxStates || list[maxStates-1].Scene != "moved" || list[maxStates].Scene != "" {
		t.Errorf("%v %d", err, len(list))
	}
	if a, err = st.camera(t.Context(), 1, "a"); err != nil || a.isLost() || !a.State.Date.Equal(now.Add(999*time.Second)) {
		t.Errorf("%v %+v", err, a.State)
	}
	if b, err = st.camera(t.Context(), 1, "b"); err != nil || !b.isLost() {
		t.Errorf("%v %+v", err, b.State)
	}
}

func TestLossesAreShownWithTheirEnds(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 11, 23, 12, 0, s, 0, time.UTC) }
	change := func(found bool, s int) camio.CameraChange {
		return camio.CameraChange{IsFound: found, Date: camio.Time{Time: at(s)}, Reason: fmt.Sprint(s)}
	}
	tests := []struct {
		name string
		told []camio.CameraChange // the newest first
		want []outage
	}{
		{"nothing", nil, nil},
		{"a change of the picture is none", []camio.CameraChange{change(true, 4), {IsFound: true, Scene: "covered"}, change(false, 2)}, []outage{{Lost: at(2), Why: "2", Found: at(4), Again: "4", Lasted: 2 * time.Second}}},
		{"found at the start", []camio.CameraChange{change(true, 1)}, []outage{{Found: at(1), Again: "1"}}},
		{"lost", []camio.CameraChange{change(false, 2), change(true, 1)}, []outage{{Lost: at(2), Why: "2", Open: true}, {Found: at(1), Again: "1"}}},
		{"found again", []camio.CameraChange{change(true, 4), change(false, 2)}, []outage{{Lost: at(2), Why: "2", Found: at(4), Again: "4", Lasted: 2 * time.Second}}},
		{"another camera in its place", []camio.CameraChange{change(true, 5), change(true, 4), change(false, 2)},
			[]outage{{Found: at(5), Again: "5"}, {Lost: at(2), Why: "2", Found: at(4), Again: "4", Lasted: 2 * time.Second}}},
		{"what was found is told when it is news", []camio.CameraChange{{IsFound: true, Date: camio.Time{Time: at(9)}, Reason: "4"}, change(false, 8), change(true, 4), change(false, 2), change(true, 1)},
			[]outage{{Lost: at(8), Why: "8", Found: at(9), Lasted: time.Second}, {Lost: at(2), Why: "2", Found: at(4), Again: "4", Lasted: 2 * time.Second}, {Found: at(1), Again: "1"}}},
		{"the agent restarted without it", []camio.CameraChange{change(false, 7), change(false, 2)}, []outage{{Lost: at(7), Why: "7", Open: true}, {Lost: at(2), Why: "2"}}},
		{"the clock was set back", []camio.CameraChange{change(true, 1), change(false, 2)}, []outage{{Lost: at(2), Why: "2", Found: at(1), Again: "1"}}},
	}
	for _, tt := range tests {
		if got := outages(tt.told); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s:\ngot  %v\nwant %v", tt.name, got, tt.want)
		}
	}
}
