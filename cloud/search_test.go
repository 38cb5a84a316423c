package cloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/camio"
	"camward/cloud/cloudtest"
)

func TestSearchPagesLoseAndRepeatNothing(t *testing.T) {
	c := cloudtest.New(t)
	var want []string
	for i := range 9 { // five cameras see something in the same millisecond, and some a moment later
		cams := 1
		if i%4 == 2 {
			cams = 5
		}
		for cam := range cams {
			u := put(t, c, fmt.Sprint("cam", cam), stamp(float64(i)*20, ".jpeg"), fmt.Sprint("camera_id=", cam), picture(t, 64, 48, i))
			want = append(want, u.EventID)
		}
	}
	slices.Sort(want)
	for _, sort := range []string{"asc", "desc"} {
		for num := 1; num <= 7; num++ {
			date := "2026-01-01T00:00:00Z"
			if sort == "desc" {
				date = "2027-01-01T00:00:00Z"
			}
			var got []string
			for range 100 {
				r := get(t, c, fmt.Sprintf("/api/search/?sort=%s&num_results=%d&date=%s", sort, num, url.QueryEscape(date)))
				var page struct {
					Result struct {
						Buckets  []camio.Bucket
						More     bool   `json:"more_results"`
						Earliest string `json:"earliest_date_considered"`
						Latest   string `json:"latest_date_considered"`
					}
				}
				if err := json.Unmarshal([]byte(r.Body), &page); err != nil || len(page.Result.Buckets) > num {
					t.Fatalf("%v: %s", err, r.Body)
				}
				for _, b := range page.Result.Buckets {
					got = append(got, b.ID)
				}
				if date = page.Result.Earliest; sort == "asc" {
					date = page.Result.Latest
				}
				if !page.Result.More {
					break
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s by %d: %d events, %d different, want %d", sort, num, len(got), len(slices.Compact(got)), len(want))
			}
		}
	}
}

func TestSearchFilters(t *testing.T) {
	now := noon.Add(time.Hour)
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }))
	put(t, c, "Front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 64, 48, 0))
	put(t, c, "yard", stamp(60, ".mp4"), "camera_id=2&upload_mode=video", movie(t, 2))
	put(t, c, "back door", stamp(120, ".jpeg"), "camera_id=3&img_type=h", picture(t, 64, 48, 1))
	put(t, c, "yard", stamp(86400, ".jpeg"), "camera_id=2", picture(t, 64, 48, 2)) // a clock that runs ahead
	tests := []struct{ query, want string }{
		{"", "yard Front"},
		{"sort=asc", "yard"},
		{"sort=asc&date=2026-05-01T12:00:00Z", "Front yard yard"},
		{"date=2026-05-01T12:00:00.000-0000", "Front"},
		{"date=2026-05-01T11:59:59.999Z", ""},
		{"date=2026-05-01T14:00:00+02:00", "Front"}, // the '+' arrives as a space
		{"sources=front", "Front"},
		{"sources=FRONT,yard", "yard Front"},
		{"sources=nobody", ""},
		{"motion_type=all", "back door yard Front"},
		{"motion_type=all&sources=back+door", "back door"},
		{"motion_type=smo", "yard Front"},
		{"motion_type=lmo", ""},
		{"content_type=video", "yard"},
		{"labels=people", ""},
		{"num_results=1", "yard"},
		{"num_results=1000", "yard Front"},
		{"object_type=event", "yard Front"},
		{"object_type=camios", ""},
		{"user=test@example.com", "yard Front"},
		{"sxs=anything&unknown=1", "yard Front"},
	}
	for _, tt := range tests {
		var got []string
		for _, b := range search(t, c, tt.query).Result.Buckets {
			got = append(got, b.Source)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q finds %q, want %q", tt.query, s, tt.want)
		}
	}
}

func TestSearchRefusesWhatItDoesNotUnderstand(t *testing.T) {
	c := cloudtest.New(t)
	tests := map[string]int{
		"date=yesterday": 400, "sort=up": 400, "motion_type=x": 400, "object_type=x": 400, "content_type=audio": 400,
		"num_results=0": 400, "num_results=ten": 400, "num_results=-1": 400, "w=0": 400, "h=x": 400, "quality=0": 400, "quality=101": 400,
		"fetch_cover_thumbnails=yes": 400, "fetch_all_thumbnails=1": 400, "fetch_access_tokens=TRUE": 400, "fetch_motion_boxes=2": 400,
		"event_as_date=nothing": 404, "event=nothing": 404, "user=other@example.com": 404, "view_tokens=abc": 401,
	}
	for query, want := range tests {
		if r := get(t, c, "/api/search?"+query); r.Status != want || !strings.HasPrefix(r.Body, `{"message":"`) {
			t.Errorf("%s: %d %s, want %d", query, r.Status, r.Body, want)
		}
	}
}

func TestSearchReplyIsTheDocuments(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return noon.Add(time.Hour) }))
	snap := put(t, c, "frontDoor", "2014-02-21T04:12:38.911-0000.jpeg", "camera_id=1", picture(t, 300, 200, 1))
	put(t, c, "frontDoor", "2014-02-21T04:12:40.142-0000.mp4", "camera_id=1&upload_mode=video&video_length=8", movie(t, 2))
	r := get(t, c, "/api/search/?date=2014-02-21T04:52:20.911-0000&fetch_cover_thumbnails=true&fetch_access_tokens=true")
	var got map[string]any
	if err := json.Unmarshal([]byte(r.Body), &got); err != nil {
		t.Fatal(err)
	}
	bucket := got["result"].(map[string]any)["buckets"].([]any)[0].(map[string]any)
	image := bucket["images"].([]any)[0].(map[string]any)
	video := bucket["videos"].([]any)[0].(map[string]any)
	for _, k := range []string{"image_bytes", "access_token"} {
		if s, _ := image[k].(string); s == "" {
			t.Errorf("image has no %s", k)
		}
		image[k] = k
	}
	video["access_token"], video["id"] = "access_token", "v"
	want := map[string]any{
		"query": map[string]any{"date": "2014-02-21T04:52:20.911-0000", "sort": "desc", "motion_type": "imo", "object_type": "events", "content_type": "image"},
		"result": map[string]any{"bucket_type": "event", "count": 1.0, "more_results": false,
			"earliest_date_considered": "2014-02-21T04:12:38.910-0000", "latest_date_considered": "2014-02-21T04:12:48.142-0000",
			"buckets": []any{map[string]any{"bucket_id": snap.EventID, "source": "frontDoor", "labels": []any{}, "count": 1.0,
				"earliest_date": "2014-02-21T04:12:38.911-0000", "latest_date": "2014-02-21T04:12:48.142-0000", "max_interest_level": 2.0,
				"cover_image_id": snap.ID, "annotations": []any{map[string]any{"object_id": snap.ID, "type": "s"}},
				"images": []any{map[string]any{"id": snap.ID, "content_type": "image/jpeg", "date_created": "2014-02-21T04:12:38.911-0000", "labels": []any{},
					"interest_level": 2.0, "interest_score": 2.0 / 3, "source": "frontDoor", "image_bytes": "image_bytes", "access_token": "access_token"}},
				"videos": []any{map[string]any{"id": "v", "content_type": "video/mp4", "date_created": "2014-02-21T04:12:40.142-0000", "labels": []any{},
					"interest_level": 2.0, "interest_score": 2.0 / 3, "source": "frontDoor", "access_token": "access_token", "video_length": 8.0}},
			}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	empty := get(t, c, "/api/search/?date=2000-01-01T00:00:00Z")
	if want := `{"query":{"date":"2000-01-01T00:00:00.000-0000","sort":"desc","motion_type":"imo","object_type":"events","content_type":"image"},` +
		`"result":{"bucket_type":"event","buckets":[],"count":0,"more_results":false,` +
		`"earliest_date_considered":"2000-01-01T00:00:00.000-0000","latest_date_considered":"2000-01-01T00:00:00.000-0000"}}`; empty.Body != want {
		t.Errorf("empty result\n%s, want\n%s", empty.Body, want)
	}
}

// size decodes a JPEG.
func size(t testing.TB, b []byte) string {
	t.Helper()
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%dx%d", c.Width, c.Height)
}

func TestThumbnailsFitTheBox(t *testing.T) {
	c := cloudtest.New(t)
	put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 640, 480, 1))
	put(t, c, "front", stamp(1, ".jpeg"), "camera_id=1&rotation=90", picture(t, 640, 480, 2))
	tests := []struct{ query, want string }{
		{"fetch_all_thumbnails=true", "149x112 84x112"},
		{"fetch_all_thumbnails=true&w=320&h=1000", "320x240 320x427"},
		{"fetch_all_thumbnails=true&w=5000&h=5000", "640x480 480x640"},
		{"fetch_cover_thumbnails=true&w=64&h=64", "64x48 -"},
		{"", "- -"},
	}
	for _, tt := range tests {
		var got []string
		for _, im := range search(t, c, tt.query).Result.Buckets[0].Images {
			if im.ImageBytes == nil {
				got = append(got, "-")
			} else {
				got = append(got, size(t, im.ImageBytes))
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q: %s, want %s", tt.query, s, tt.want)
		}
	}
}

func TestContentByAccessToken(t *testing.T) {
	now := noon
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }))
	a, b := picture(t, 640, 480, 1), picture(t, 640, 480, 2)
	put(t, c, "front", stamp(-60, ".jpeg"), "camera_id=1", a)
	put(t, c, "front", stamp(-59, ".jpeg"), "camera_id=1", b)
	ims := search(t, c, "fetch_access_tokens=true").Result.Buckets[0].Images
	entry := func(id, token string) string { return fmt.Sprintf(`{"id":%q,"access_token":%q}`, id, token) }
	good := entry(ims[0].ID, ims[0].AccessToken)
	post := func(query, body string) call { return send(t, "POST", c.URL+"/api/content"+query, body) }

	r := post("", "["+good+","+entry(ims[1].ID, ims[0].AccessToken)+"]")
	type item struct {
		camio.Item
		Error *struct{ Code int }
	}
	got := decode[[]item](t, r.Body)
	if r.Status != 200 || len(got) != 2 || !bytes.Equal(got[0].ImageBytes, a) || got[1].Error == nil || got[1].Error.Code != 401 || got[1].ImageBytes != nil {
		t.Errorf("%d %+v", r.Status, got)
	}
	if got := decode[[]item](t, post("?resize=true", "["+good+"]").Body); size(t, got[0].ImageBytes) != "149x112" {
		t.Errorf("resized to %s", size(t, got[0].ImageBytes))
	}
	now = now.Add(25 * time.Hour)
	for body, want := range map[string]int{"[" + good + "]": 401, "[]": 400, "{}": 400, "": 400, "[" + entry("x", "y") + "]": 401, `[1]`: 400} {
		if r := post("", body); r.Status != want {
			t.Errorf("%s: %d, want %d", body, r.Status, want)
		}
	}
}

func TestLiveImageIsTheLatest(t *testing.T) {
	c := cloudtest.New(t)
	put(t, c, "front", stamp(60, ".jpeg"), "camera_id=1&img_type=h", picture(t, 640, 480, 2))
	put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 320, 240, 1))
	put(t, c, "front", stamp(90, ".mp4"), "camera_id=1&upload_mode=video", movie(t, 2))
	r := get(t, c, "/api/content/live/FRONT/?output=jpeg")
	if r.Body != string(picture(t, 640, 480, 2)) || r.Header.Get("Content-Type") != "image/jpeg" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", r.Status, r.Header)
	}
	if got := size(t, []byte(get(t, c, "/api/content/live/front?output=jpeg&w=320&h=180").Body)); got != "240x180" {
		t.Errorf("within 320x180: %s", got)
	}
	if it := decode[camio.Item](t, get(t, c, "/api/content/live/front?w=64").Body); size(t, it.ImageBytes) != "64x48" || it.Source != "front" || it.ID == "" {
		t.Errorf("as JSON: %+v", it)
	}
	for path, want := range map[string]int{"front?output=png": 400, "front?quality=0": 400, "front?w=-1": 400, "nobody": 404, "front?view_tokens=x": 401, "front?user=x@example.com": 404} {
		if r := get(t, c, "/api/content/live/"+path); r.Status != want {
			t.Errorf("%s: %d, want %d", path, r.Status, want)
		}
	}
}
