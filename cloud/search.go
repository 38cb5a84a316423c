package cloud

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"camward/camio"
)

// searchParams are the checked parameters of a search.
type searchParams struct {
	Date       time.Time
	Sort       string // asc or desc
	MotionType string
	ObjectType string
	Video      bool // content_type=video
	Sources    []string
	Labels     []string
	Num        int
	Like       string // event: rank by similarity to it
	Cover, All bool   // thumbnails wanted
	Tokens     bool   // access tokens wanted
	Boxes      bool   // motion boxes wanted
	Size       scale
}

// minLevel is the lowest interest level that a motion_type includes.
var minLevel = map[string]int{"all": 0, "smo": 1, "imo": 2, "lmo": 3}

// parseSearch checks every parameter; unknown ones are ignored. event_as_date is resolved by the caller.
func parseSearch(r *http.Request, now time.Time) (*searchParams, error) {
	q := r.URL.Query()
	p := &searchParams{Date: now, Sort: or(q.Get("sort"), "desc"), MotionType: or(q.Get("motion_type"), "imo"),
		ObjectType: or(q.Get("object_type"), "events"), Sources: splitList(q.Get("sources")), Labels: splitList(q.Get("labels")), Like: q.Get("event")}
	if s := q.Get("date"); s != "" {
		t, err := camio.ParseTime(s)
		if err != nil {
			return nil, badRequest("date: %v", err)
		}
		p.Date = t
	}
	if p.Sort != "asc" && p.Sort != "desc" {
		return nil, badRequest("sort=%s is neither asc nor desc", p.Sort)
	}
	if _, ok := minLevel[p.MotionType]; !ok {
		return nil, badRequest("motion_type=%s is none of all, smo, imo, lmo", p.MotionType)
	}
	switch p.ObjectType {
	case "event", "second", "hour", "camio":
		p.ObjectType += "s"
	case "events", "seconds", "hours", "camios":
	default:
		return nil, badRequest("object_type=%s is none of events, seconds, hours, camios", p.ObjectType)
	}
	switch c := or(q.Get("content_type"), "image"); c {
	case "image", "video":
		p.Video = c == "video"
	default:
		return nil, badRequest("content_type=%s is neither image nor video", c)
	}
	return p, p.parseOutput(r)
}

func (p *searchParams) parseOutput(r *http.Request) (err error) {
	if p.Num, err = intParam(r, "num_results", 10, 1, 0); err != nil {
		return err
	}
	p.Num = min(p.Num, 100)
	if p.Size, err = parseScale(r, 150, 112); err != nil {
		return err
	}
	for name, to := range map[string]*bool{"fetch_cover_thumbnails": &p.Cover, "fetch_all_thumbnails": &p.All,
		"fetch_access_tokens": &p.Tokens, "fetch_motion_boxes": &p.Boxes} {
		if *to, err = boolParam(r, name); err != nil {
			return err
		}
	}
	return nil
}

// splitList splits a comma-separated parameter; empty entries are dropped.
func splitList(s string) []string {
	var out []string
	for f := range strings.SplitSeq(s, ",") {
		if f = strings.TrimSpace(f); f != "" {
			out = append(out, f)
		}
	}
	return out
}

// searchReply is camio.SearchReply with the two bounds as text: a bound between events of one
// millisecond has nine decimals.
type searchReply struct {
	Query  camio.SearchQuery `json:"query"`
	Result searchResult      `json:"result"`
}

type searchResult struct {
	BucketType  string         `json:"bucket_type"`
	Buckets     []camio.Bucket `json:"buckets"`
	Count       int            `json:"count"`
	MoreResults bool           `json:"more_results"`
	Earliest    string         `json:"earliest_date_considered"`
	Latest      string         `json:"latest_date_considered"`
}

func (s *Server) search(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Get("view_tokens") != "" {
		return errUnauthorized // no Camio has been shared
	}
	acc, err := s.oauth(r)
	if err != nil {
		return err
	}
	p, err := parseSearch(r, s.now())
	if err != nil {
		return err
	}
	if err := s.host(r, acc); err != nil {
		return err
	}
	if id := r.URL.Query().Get("event_as_date"); id != "" {
		e, err := s.store.eventByID(r.Context(), acc.ID, id)
		if errors.Is(err, errNotFound) {
			return refuse(http.StatusNotFound, "event_as_date: no such event")
		}
		if err != nil {
			return err
		}
		p.Date = e.Earliest
	}
	found, err := s.find(r, acc, p)
	if err != nil {
		return err
	}
	out := searchReply{Query: camio.SearchQuery{Date: camio.Time{Time: p.Date}, Sort: p.Sort, MotionType: p.MotionType,
		ObjectType: p.ObjectType, ContentType: "image"}}
	if p.Video {
		out.Query.ContentType = "video"
	}
	if out.Result, err = s.result(r, p, found); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, out)
	return nil
}

// page is one page of events and where it ends.
type page struct {
	events []*event
	more   bool
	skip   int // events of the last millisecond that pages up to this one have shown; 0 if that millisecond is done
}

// find runs the query. Sub-millisecond digits 1 to 999 in the date come from our own bounds: so many events
// of that millisecond were shown already.
func (s *Server) find(r *http.Request, acc *account, p *searchParams) (*page, error) {
	switch p.ObjectType {
	case "camios":
		return &page{}, nil // none has been made
	case "seconds", "hours":
		return nil, badRequest("object_type=%s is not supported yet: use events", p.ObjectType)
	}
	if p.Like != "" {
		return s.findSimilar(r, acc, p)
	}
	ids, none, err := s.sourceIDs(r, acc, p.Sources)
	if err != nil || none {
		return &page{}, err
	}
	ms, skip := p.Date.UnixMilli(), p.Date.Nanosecond()%1e6
	if skip >= 1000 {
		skip = 0
	}
	query, args := p.sql(acc.ID, ids, ms)
	pg := &page{}
	err = rows(r.Context(), s.store.r, func(rs *sql.Rows) error {
		e, err := scanEvent(rs.Scan)
		if err != nil {
			return err
		}
		pg.events = append(pg.events, e)
		return nil
	}, query, append(args, p.Num+1, skip)...)
	if err != nil {
		return nil, err
	}
	if len(pg.events) > p.Num {
		next := pg.events[p.Num].Earliest
		pg.events, pg.more = pg.events[:p.Num], true
		if next.Equal(pg.events[p.Num-1].Earliest) {
			for _, e := range pg.events {
				if e.Earliest.Equal(next) {
					pg.skip++
				}
			}
			if next.UnixMilli() == ms {
				pg.skip += skip
			}
		}
	}
	return pg, nil
}

// sql builds the query for events in the order of their starts; ties in the order of their making.
func (p *searchParams) sql(account int64, ids []int64, ms int64) (string, []any) {
	var b strings.Builder
	b.WriteString(`SELECT ` + eventColumns + ` FROM events e JOIN cameras c ON c.id = e.camera WHERE e.account = ? AND e.level >= ?`)
	args := []any{account, minLevel[p.MotionType]}
	if p.Sort == "desc" {
		b.WriteString(` AND e.earliest <= ?`)
	} else {
		b.WriteString(` AND e.earliest >= ?`)
	}
	args = append(args, ms)
	if p.Video {
		b.WriteString(` AND e.videos > 0`)
	}
	if len(ids) > 0 {
		b.WriteString(` AND e.camera IN (SELECT value FROM json_each(?))`)
		j, _ := json.Marshal(ids)
		args = append(args, string(j))
	}
	for _, l := range p.Labels { // all required; colours and classes are stored with a prefix
		b.WriteString(` AND EXISTS (SELECT 1 FROM json_each(e.labels) l WHERE lower(l.value) IN (?, ?, ?))`)
		l = strings.ToLower(l)
		args = append(args, l, "_color_"+l, "_ml_"+l)
	}
	b.WriteString(` ORDER BY e.earliest ` + p.Sort + `, e.seq ` + p.Sort + ` LIMIT ? OFFSET ?`)
	return b.String(), args
}

// sourceIDs resolves camera names. none: names were given and no camera has one of them.
func (s *Server) sourceIDs(r *http.Request, acc *account, names []string) (ids []int64, none bool, err error) {
	if len(names) == 0 {
		return nil, false, nil
	}
	list, err := cameras(r.Context(), s.store.r, acc.ID)
	if err != nil {
		return nil, false, err
	}
	for _, n := range names {
		for _, c := range list {
			if strings.EqualFold(c.Name, n) && !slices.Contains(ids, c.ID) {
				ids = append(ids, c.ID)
			}
		}
	}
	return ids, len(ids) == 0, nil
}
