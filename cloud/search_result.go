package cloud

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"camward/camio"
)

// result turns a page of events into the API's buckets.
func (s *Server) result(r *http.Request, p *searchParams, pg *page) (searchResult, error) {
	out := searchResult{BucketType: "event", Buckets: make([]camio.Bucket, 0, len(pg.events)), Count: len(pg.events), MoreResults: pg.more}
	for _, e := range pg.events {
		b, err := s.bucket(r, p, e)
		if err != nil {
			return out, err
		}
		out.Buckets = append(out.Buckets, b)
	}
	out.Earliest, out.Latest = bounds(p, pg)
	return out, nil
}

// bounds are the range of starts that the page covers. The next page's date is the earliest when sorted desc, the latest
// when sorted asc, exclusive of what was shown. Between events of one millisecond it carries how many of them
// were shown in its last three of nine decimals.
func bounds(p *searchParams, pg *page) (earliest, latest string) {
	if len(pg.events) == 0 {
		return camio.FormatTime(p.Date), camio.FormatTime(p.Date)
	}
	first, last := pg.events[0], pg.events[len(pg.events)-1]
	step := time.Millisecond
	if p.Sort == "desc" {
		step = -step
	}
	next := camio.FormatTime(last.Earliest.Add(step))
	if pg.skip > 0 && pg.skip < 1000 {
		next = last.Earliest.Add(time.Duration(pg.skip)).Format("2006-01-02T15:04:05.000000000") + "-0000"
	}
	if p.Sort == "asc" {
		return camio.FormatTime(first.Earliest), next
	}
	newest := first.Latest
	for _, e := range pg.events {
		newest = later(newest, e.Latest)
	}
	return next, camio.FormatTime(newest)
}

func (s *Server) bucket(r *http.Request, p *searchParams, e *event) (camio.Bucket, error) {
	items, err := s.store.eventItems(r.Context(), e.ID)
	if err != nil {
		return camio.Bucket{}, err
	}
	b := camio.Bucket{ID: e.ID, Source: e.CameraName, Labels: e.Labels, Earliest: camio.Time{Time: e.Earliest}, Latest: camio.Time{Time: e.Latest},
		MaxInterestLevel: e.Level, Annotations: []camio.Annotation{}, Images: []camio.Item{}}
	cover := coverOf(items)
	if cover != nil {
		b.CoverImageID = cover.ID
		b.Annotations = append(b.Annotations, camio.Annotation{ObjectID: cover.ID, Type: "s"})
	}
	for _, it := range items {
		w := wireItem(it, e.CameraName, min(e.Level, levelOf(it)))
		if p.Boxes && it.Track != nil {
			w.MotionArea = it.Track.Area
			for _, b := range it.Track.Boxes {
				w.MotionBoxes = append(w.MotionBoxes, b.Motion())
			}
		}
		if p.Tokens {
			w.AccessToken = s.secrets.accessToken(it.ID, s.now().Add(accessLife))
		}
		if it.Video {
			b.Videos = append(b.Videos, w)
			continue
		}
		if p.All || (p.Cover && it == cover) {
			// A picture that cannot be scaled has no thumbnail; the search does not fail for it.
			w.ImageBytes, _ = s.picture(it, p.Size)
		}
		b.Images = append(b.Images, w)
	}
	b.Count = len(b.Images)
	return b, nil
}

// coverOf picks an event's picture: the first that motion triggered, which the camera took at the motion's peak, else the
// first. Nil if the event has video only.
func coverOf(items []*item) *item {
	var cover *item
	for _, it := range items {
		if !it.Video && it.Type != camio.Heartbeat {
			return it
		}
		if !it.Video && cover == nil {
			cover = it
		}
	}
	return cover
}

// levelOf is an item's own interest level.
func levelOf(it *item) int {
	if it.Type == camio.Heartbeat {
		return levelStored
	}
	if len(it.labels()) > 0 {
		return levelLabelled
	}
	return levelImportant
}

func wireItem(it *item, source string, level int) camio.Item {
	return camio.Item{ID: it.ID, ContentType: it.ContentType, DateCreated: camio.Time{Time: it.Taken}, Labels: it.labels(),
		InterestLevel: level, InterestScore: float64(level) / levelLabelled, Source: source, VideoLength: it.Length.Seconds()}
}

// findSimilar ranks the account's newest events by what they share with one: labels count most, then the
// camera, then nearness in time.
func (s *Server) findSimilar(r *http.Request, acc *account, p *searchParams) (*page, error) {
	like, err := s.store.eventByID(r.Context(), acc.ID, p.Like)
	if err != nil {
		return nil, err
	}
	all := *p
	all.Like, all.Num = "", 1000
	pg, err := s.find(r, acc, &all)
	if err != nil {
		return nil, err
	}
	events := slices.DeleteFunc(pg.events, func(e *event) bool { return e.ID == like.ID })
	score := func(e *event) (n int) {
		for _, l := range e.Labels {
			if slices.Contains(like.Labels, l) {
				n += 2
			}
		}
		if e.Camera == like.Camera {
			n++
		}
		return n
	}
	slices.SortStableFunc(events, func(a, b *event) int { return score(b) - score(a) })
	return &page{events: events[:min(len(events), p.Num)]}, nil
}

// seconds prints a length for the pages.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	}
	d = d.Round(time.Second)
	if d < time.Minute {
		return strconv.Itoa(int(d.Seconds())) + " s"
	}
	return strconv.Itoa(int(d.Minutes())) + " min " + strconv.Itoa(int(d.Seconds())%60) + " s"
}
