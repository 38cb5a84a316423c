package cloud

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"camward/camio"
)

// eventsPerPage is how many events a page shows before "Older events".
const eventsPerPage = 24

// liveData is the part of the home page that renews itself.
type liveData struct {
	Cameras []cameraView
	Events  []eventView
	Older   string // link to the next page; empty if there is none
	Newest  bool   // this is the first page
	Query   homeQuery
}

type homeData struct {
	layout
	liveData
	Waiting []*deviceView // near the person, to be claimed
	Origin  string
}

type cameraView struct {
	Name    string
	Online  bool
	Seen    time.Time
	Lost    time.Time // it is online, without pictures since then; else zero
	Picture string    // id of the newest picture, or empty
	Link    string    // home page with this camera's events only
	Chosen  bool
	Device  string // its page, or that where it can be claimed; empty if it never polled
	Claimed bool
	Live    string // the page where it can be watched; empty while it cannot
}

type eventView struct {
	ID               string
	Camera           string
	Earliest, Latest time.Time
	Length           time.Duration
	Changed          int64
	Level            int
	Cover            string
	Moved            *movedView // what moved on the cover; nil: not known
	Labels           []string   // for the eye
	Clips            []*item
	Pictures         []*item
	MorePictures     int
}

// homeQuery is the filter in the page's address.
type homeQuery struct {
	Camera string
	Day    string // yyyy-mm-dd in the browser's zone
	Zone   string // minutes to add to local time to get UTC, as the page's script found them
	All    bool   // heartbeats and other events without motion too
	Before int64  // ms; for older pages
}

func parseHome(r *http.Request) homeQuery {
	q := r.URL.Query()
	h := homeQuery{Camera: q.Get("camera"), Day: q.Get("day"), Zone: q.Get("zone"), All: q.Get("all") != ""}
	if _, err := time.Parse(time.DateOnly, h.Day); err != nil {
		h.Day = ""
	}
	h.Before, _ = strconv.ParseInt(q.Get("before"), 10, 64)
	return h
}

// values is the query's address, with another camera or end if they are given.
func (h homeQuery) link(camera string, before int64) string {
	q := url.Values{}
	for k, v := range map[string]string{"camera": camera, "day": h.Day, "zone": h.Zone} {
		if v != "" && (k != "zone" || h.Day != "") {
			q.Set(k, v)
		}
	}
	if h.All {
		q.Set("all", "1")
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// span is the day asked for; to is exclusive. Without a day, from is zero.
func (h homeQuery) span(now time.Time) (from, to time.Time) {
	to = now.AddDate(100, 0, 0) // a camera's clock may run ahead: what it sent must show all the same
	if day, err := time.Parse(time.DateOnly, h.Day); err == nil {
		minutes, _ := strconv.Atoi(h.Zone)
		from = day.Add(time.Duration(max(-24*60, min(24*60, minutes))) * time.Minute)
		to = from.Add(24 * time.Hour)
	}
	if h.Before > 0 && time.UnixMilli(h.Before).Before(to) {
		to = time.UnixMilli(h.Before)
	}
	return from, to
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	acc, l, err := s.signedIn(r, "Events")
	if err != nil {
		return err
	}
	d := homeData{layout: l, Origin: s.origin(r)}
	if d.liveData, err = s.liveData(r, acc); err != nil {
		return err
	}
	if d.Waiting, err = s.waiting(r, acc); err != nil {
		return err
	}
	return s.pages.render(w, http.StatusOK, "home", d)
}

// eventsFragment is the renewing part alone, for the page's script.
func (s *Server) eventsFragment(w http.ResponseWriter, r *http.Request) error {
	acc, _, err := s.signedIn(r, "")
	if err != nil {
		return err
	}
	d, err := s.liveData(r, acc)
	if err != nil {
		return err
	}
	return s.pages.render(w, http.StatusOK, "events", d)
}

func (s *Server) liveData(r *http.Request, acc *account) (liveData, error) {
	h := parseHome(r)
	d := liveData{Query: h, Newest: h.Before == 0}
	list, err := cameras(r.Context(), s.store.r, acc.ID)
	if err != nil {
		return d, err
	}
	for _, c := range list {
		v := cameraView{Name: c.Name, Online: s.online(c), Seen: c.seen(), Link: h.link(c.Name, 0), Chosen: c.Name == h.Camera}
		if v.Online && c.isLost() {
			v.Lost = c.State.Date.Time
		}
		if v.Chosen {
			v.Link = h.link("", 0)
		}
		if c.MAC != "" {
			v.Device, v.Claimed = "/devices/"+c.MAC, true
		} else if mac := pollMAC(c.CameraID); mac != "" && !c.Polled.IsZero() {
			v.Device = "/claim/" + mac
		}
		if s.lives.ready(c.ID) {
			v.Live = "/live/" + url.PathEscape(c.Name)
		}
		it, err := s.store.latestImage(r.Context(), c.ID)
		if err != nil && !errors.Is(err, errNotFound) {
			return d, err
		}
		if err == nil {
			v.Picture = it.ID
		}
		d.Cameras = append(d.Cameras, v)
	}
	return d, s.addEvents(r, acc, &d)
}

func (s *Server) addEvents(r *http.Request, acc *account, d *liveData) error {
	from, to := d.Query.span(s.now())
	p := &searchParams{Date: to.Add(-time.Millisecond), Sort: "desc", MotionType: "smo", ObjectType: "events", Num: eventsPerPage}
	if d.Query.All {
		p.MotionType = "all"
	}
	if d.Query.Camera != "" {
		p.Sources = []string{d.Query.Camera}
	}
	pg, err := s.find(r, acc, p)
	if err != nil {
		return err
	}
	for _, e := range pg.events {
		if e.Earliest.Before(from) {
			pg.more = false
			break
		}
		v, err := s.eventView(r, e)
		if err != nil {
			return err
		}
		d.Events = append(d.Events, v)
	}
	if n := len(d.Events); pg.more && n > 0 {
		d.Older = d.Query.link(d.Query.Camera, millis(d.Events[n-1].Earliest))
	}
	return nil
}

// maxStrip bounds the small pictures shown under an event.
const maxStrip = 8

func (s *Server) eventView(r *http.Request, e *event) (eventView, error) {
	items, err := s.store.eventItems(r.Context(), e.ID)
	v := eventView{ID: e.ID, Camera: e.CameraName, Earliest: e.Earliest, Latest: e.Latest, Length: e.Latest.Sub(e.Earliest),
		Changed: millis(e.Changed), Level: e.Level}
	if c := coverOf(items); c != nil {
		v.Cover, v.Moved = c.ID, movedOn(c)
	}
	for _, l := range e.Labels {
		v.Labels = append(v.Labels, strings.ReplaceAll(strings.TrimPrefix(l, camio.LabelScene), "_", "-"))
	}
	for _, it := range items {
		if it.Video {
			v.Clips = append(v.Clips, it)
		} else {
			v.Pictures = append(v.Pictures, it)
		}
	}
	if n := len(v.Pictures); n > maxStrip {
		v.Pictures, v.MorePictures = v.Pictures[:maxStrip], n-maxStrip
	}
	return v, err
}

// pageItem finds an item of the signed-in account.
func (s *Server) pageItem(r *http.Request) (*item, error) {
	acc, _, err := s.session(r)
	if err != nil {
		return nil, err
	}
	return s.store.itemByID(r.Context(), acc.ID, pathVar(r, "id"))
}

func (s *Server) pageMedia(w http.ResponseWriter, r *http.Request) error {
	it, err := s.pageItem(r)
	if err != nil {
		return err
	}
	return s.serveItem(w, r, it)
}

// thumbSize fits the cards of the home page on a dense screen.
var thumbSize = scale{W: 640, H: 480, Quality: 80}

func (s *Server) pageThumb(w http.ResponseWriter, r *http.Request) error {
	it, err := s.pageItem(r)
	if err != nil {
		return err
	}
	if it.Video {
		return errNotFound
	}
	b, err := s.picture(it, thumbSize)
	var damaged *camio.Error
	if errors.As(err, &damaged) {
		return s.serveItem(w, r, it) // browsers show what there is of a damaged picture
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Cache-Control", "private, max-age=86400")
	_, _ = w.Write(b)
	return nil
}
