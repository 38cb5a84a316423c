package cloud_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"camward/camio"
	"camward/cloud/cloudtest"
)

// putMoved uploads with what the camera says of the motion.
func putMoved(t *testing.T, c *cloudtest.Cloud, name, query, motion string, body []byte) camio.Uploaded {
	t.Helper()
	r := send(t, "PUT", uploadURL(c, "front", name, query), string(body), "Camward-Motion: "+motion)
	if r.Status != 200 {
		t.Fatalf("upload %s: %d %s", name, r.Status, r.Body)
	}
	return decode[camio.Uploaded](t, r.Body)
}

func TestWhatTheCameraSaysOfTheMotionIsFound(t *testing.T) {
	c := cloudtest.New(t)
	still := picture(t, 640, 480, 1)
	came := putMoved(t, c, stamp(0, ".jpeg"), "camera_id=1&upload_mode=video", `{"area":2.5,"boxes":[[0,100,200,300,1000]]}`, still)
	film := putMoved(t, c, stamp(0.5, ".mp4"), "camera_id=1&upload_mode=video&rotation=90", `{"area":7.25,"labels":["approaching","left"],"boxes":[[0,100,200,300,1000],[1500,0,0,500,250]]}`, movie(t, 2))
	if came.EventID != film.EventID {
		t.Fatal("picture and clip are two events")
	}
	went := putMoved(t, c, stamp(60, ".jpeg"), "camera_id=1", `{"labels":["departing"]}`, still)
	put(t, c, "front", stamp(120, ".jpeg"), "camera_id=1", still)
	putMoved(t, c, stamp(180, ".jpeg"), "camera_id=1&img_type=h", `{"labels":["approaching"]}`, still)
	putMoved(t, c, stamp(240, ".jpeg"), "camera_id=1&options=no_analysis", `{"labels":["approaching"]}`, still)

	for query, want := range map[string][]string{
		"labels=approaching": {came.EventID}, "labels=departing": {went.EventID}, "labels=APPROACHING,left": {came.EventID},
		"labels=approaching,departing": nil, "labels=up": nil, "motion_type=lmo": {went.EventID, came.EventID},
	} {
		var got []string
		for _, b := range search(t, c, query+"&date=2027-01-01T00:00:00Z").Result.Buckets {
			got = append(got, b.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	for _, boxes := range []bool{false, true} {
		r := search(t, c, fmt.Sprintf("labels=approaching&fetch_motion_boxes=%v&date=2027-01-01T00:00:00Z", boxes))
		b := r.Result.Buckets[0]
		if !slices.Equal(b.Labels, []string{"approaching", "left"}) || b.MaxInterestLevel != 3 || len(b.Images[0].Labels) != 0 || len(b.Videos[0].Labels) != 2 || b.Images[0].InterestLevel != 2 || b.Videos[0].InterestLevel != 3 {
			t.Errorf("%+v", b)
		}
		image, video := b.Images[0], b.Videos[0]
		if !boxes {
			if image.MotionBoxes != nil || video.MotionBoxes != nil || image.MotionArea != 0 {
				t.Errorf("boxes that nobody asked for: %+v", b)
			}
			continue
		}
		if image.MotionArea != 2.5 || !slices.Equal(image.MotionBoxes, []camio.MotionBox{{X0: 0.1, Y0: 0.2, X1: 0.3, Y1: 1}}) {
			t.Errorf("picture: %+v", image)
		}
		if video.MotionArea != 7.25 || !slices.Equal(video.MotionBoxes, []camio.MotionBox{{X0: 0.1, Y0: 0.2, X1: 0.3, Y1: 1}, {Time: 1.5, X0: 0, Y0: 0, X1: 0.5, Y1: 0.25}}) {
			t.Errorf("clip turned by 90 degrees: %+v", video)
		}
	}
	// A repetition changes nothing, whatever it says.
	if again := putMoved(t, c, stamp(60, ".jpeg"), "camera_id=1", `{"labels":["approaching"]}`, still); again.ID != went.ID {
		t.Error("stored twice")
	}
	if n := len(search(t, c, "labels=approaching&date=2027-01-01T00:00:00Z").Result.Buckets); n != 1 {
		t.Errorf("%d events have the label after a repetition", n)
	}
}

func TestNonsenseAboutTheMotionCostsNoRecording(t *testing.T) {
	c := cloudtest.New(t)
	many := strings.TrimSuffix(strings.Repeat("[1,0,0,9,9],", 300), ",")
	for i, motion := range []string{"{", "null", "[]", `{"boxes":[["x"]]}`, `{"labels":["<script>alert(1)</script>","admin"]}`, `{"boxes":[[0,-5,0,2000,9]]}`,
		`{"area":1e308,"boxes":[` + many + `]}`, strings.Repeat("x", 100_000), `{"labels":[` + strings.Repeat(`"approaching",`, 200) + `"up"]}`} {
		u := putMoved(t, c, stamp(float64(60*i), ".jpeg"), "camera_id=1", motion, picture(t, 64, 48, i))
		b := search(t, c, "fetch_motion_boxes=true&sort=asc&num_results=1&date="+stamp(float64(60*i), "")).Result.Buckets[0]
		if b.ID != u.EventID || len(b.Labels) > 2 || len(b.Images[0].MotionBoxes) > camio.MaxTrackBoxes || b.Images[0].MotionArea > 100 {
			t.Errorf("%.40s: %+v", motion, b)
		}
		for _, l := range b.Labels {
			if l != "approaching" && l != "up" {
				t.Errorf("%.40s: label %q", motion, l)
			}
		}
	}
}
