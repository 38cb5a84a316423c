package cloud_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"camward/camio"
	"camward/cloud/cloudtest"
)

// sent is one upload: seconds after noon, kind and query.
type sent struct {
	at    float64
	clip  int // length in seconds; 0 is a picture
	query string
}

func TestUploadsJoinIntoEvents(t *testing.T) {
	const video = "&upload_mode=video"
	tests := []struct {
		name  string
		sent  []sent
		want  []string // "level images+videos" of each event, by start
		level string   // motion_type
	}{
		{"snapshot at the peak, then its clip", []sent{{7, 0, video}, {0, 15, video}}, []string{"2 1+1"}, "all"},
		{"clip, then its snapshot", []sent{{0, 15, video}, {7, 0, video}}, []string{"2 1+1"}, "all"},
		{"pictures each second", []sent{{0, 0, ""}, {1, 0, ""}, {2, 0, ""}}, []string{"2 3+0"}, "all"},
		{"ten seconds apart join", []sent{{0, 0, ""}, {10, 0, ""}}, []string{"2 2+0"}, "all"},
		{"more apart do not", []sent{{0, 0, ""}, {10.001, 0, ""}}, []string{"2 1+0", "2 1+0"}, "all"},
		{"a clip counts to its end", []sent{{0, 30, video}, {39, 0, video}}, []string{"2 1+1"}, "all"},
		{"a clip joins what lay apart", []sent{{0, 0, video}, {30, 0, video}, {2, 20, video}}, []string{"2 2+1"}, "all"},
		{"a heartbeat stays out of motion", []sent{{0, 30, video}, {5, 0, "&img_type=h"}}, []string{"2 0+1", "0 1+0"}, "all"},
		{"a heartbeat is no important motion", []sent{{0, 0, "&img_type=h"}}, nil, "imo"},
		{"motion does not join a heartbeat", []sent{{5, 0, "&img_type=h"}, {0, 30, video}}, []string{"2 0+1", "0 1+0"}, "all"},
		{"video that only backs is no motion", []sent{{0, 10, ""}}, []string{"0 0+1"}, "all"},
		{"backing video joins the picture's event", []sent{{0, 10, ""}, {5, 0, ""}}, []string{"2 1+1"}, "all"},
		{"no_analysis stands alone", []sent{{0, 10, video}, {5, 10, video + "&options=no_analysis"}}, []string{"2 0+1", "2 0+1"}, "all"},
		{"an alternate is no part of the count", []sent{{0, 10, video}, {0, 11, video + "&options=alternate"}}, []string{"2 0+1"}, "all"},
		{"an endless event is cut", cut(), []string{"2 0+10", "2 0+2"}, "all"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := cloudtest.New(t)
			for i, s := range tt.sent {
				sendOne(t, c, i, s)
			}
			r := search(t, c, "sort=asc&date=2000-01-01T00:00:00Z&motion_type="+tt.level)
			var got []string
			for _, b := range r.Result.Buckets {
				got = append(got, fmt.Sprintf("%d %d+%d", b.MaxInterestLevel, len(b.Images), len(b.Videos)))
			}
			if !slices.Equal(got, tt.want) {
				t.Fatalf("events %q, want %q", got, tt.want)
			}
		})
	}
}

// cut is twelve clips of a minute without a gap.
func cut() (list []sent) {
	for i := range 12 {
		list = append(list, sent{float64(i * 60), 59, "&upload_mode=video"})
	}
	return list
}

func sendOne(t *testing.T, c *cloudtest.Cloud, i int, s sent) camio.Uploaded {
	query := "camera_id=1" + s.query
	if s.clip > 0 {
		return put(t, c, "front", stamp(s.at, ".mp4"), fmt.Sprintf("%s&video_length=%d", query, s.clip), movie(t, 2))
	}
	return put(t, c, "front", stamp(s.at, ".jpeg"), query, picture(t, 64, 48, i))
}

func TestOrderOfArrivalDoesNotMatterToTheEvents(t *testing.T) {
	base := []sent{{0, 15, "&upload_mode=video"}, {7, 0, "&upload_mode=video"}, {16, 20, "&upload_mode=video"}, {20, 0, "&upload_mode=video"},
		{100, 15, "&upload_mode=video"}, {104, 0, "&upload_mode=video"}, {50, 0, "&img_type=h"}}
	for seed := range uint64(6) {
		c := cloudtest.New(t)
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, i := range rng.Perm(len(base)) {
			sendOne(t, c, i, base[i])
		}
		r := search(t, c, "sort=asc&date=2000-01-01T00:00:00Z")
		if r.Result.Count != 2 || r.Result.Buckets[0].Count != 2 || r.Result.Buckets[1].Count != 1 || len(r.Result.Buckets[0].Videos) != 2 {
			t.Errorf("seed %d: %+v", seed, r.Result.Buckets)
		}
	}
}

func TestTheIDOfAJoinedEventStaysKnown(t *testing.T) {
	c := cloudtest.New(t)
	a := sendOne(t, c, 0, sent{0, 0, ""})
	b := sendOne(t, c, 1, sent{30, 0, ""})
	sendOne(t, c, 2, sent{1, 25, "&upload_mode=video"})
	for _, id := range []string{a.EventID, b.EventID} {
		if r := search(t, c, "event_as_date="+id); camio.FormatTime(r.Query.Date.Time) != camio.FormatTime(noon) || r.Result.Count != 1 {
			t.Errorf("event %s: date %v, %d events", id, r.Query.Date, r.Result.Count)
		}
	}
}
