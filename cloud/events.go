package cloud

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"camward/camio"
)

const (
	eventGap = 10 * time.Second // uploads of one camera closer than this are one event
	eventCap = 10 * time.Minute // an event grows no longer than this by what follows it within the gap
	hardCap  = 20 * time.Minute // nor than this by what overlaps it: a clip and its snapshot stay together at the cap
)

// Classes of events. Only events of one class join, except that backing video joins the motion it backs.
const (
	classMotion    = "m" // pictures, and clips of cameras whose upload_mode is video
	classHeartbeat = "h" // signs of life, level 0
	classBacking   = "b" // video of a camera whose events are made of pictures, while no picture has come; level 0
	classAlone     = "n" // options=no_analysis: an event of its own
)

// Interest levels of the API.
const (
	levelStored    = 0
	levelImportant = 2
	levelLabelled  = 3
)

// errNoEvent: an alternate's event does not exist.
var errNoEvent = errors.New("no event covers that time")

// event is a row of the table.
type event struct {
	Seq              int64
	ID               string
	Camera           int64
	CameraName       string
	Class            string
	Level            int
	Earliest, Latest time.Time
	Images, Videos   int
	Labels           []string
	Changed          time.Time
}

const eventColumns = `e.seq, e.id, e.camera, c.name, e.class, e.level, e.earliest, e.latest, e.images, e.videos, e.labels, e.changed`

func scanEvent(scan func(...any) error) (*event, error) {
	var e event
	var earliest, latest, changed int64
	var labels string
	err := scan(&e.Seq, &e.ID, &e.Camera, &e.CameraName, &e.Class, &e.Level, &earliest, &latest, &e.Images, &e.Videos, &labels, &changed)
	if err != nil {
		return nil, found(err)
	}
	e.Earliest, e.Latest, e.Changed = fromMillis(earliest), fromMillis(latest), fromMillis(changed)
	return &e, json.Unmarshal([]byte(labels), &e.Labels)
}

// classify says which events an item may join and the level of one that it makes.
func classify(it *item, p *uploadParams) (class string, level int) {
	switch {
	case it.Type == camio.Heartbeat:
		return classHeartbeat, levelStored
	case p.NoAnalysis:
		return classAlone, levelImportant
	case it.Video && p.Mode == camio.UploadImage:
		return classBacking, levelStored
	}
	return classMotion, levelImportant
}

// placeItem puts a new item into the event that it belongs to, making or joining events as needed. It sets it.Event.
func placeItem(ctx context.Context, tx *sql.Tx, account int64, it *item, p *uploadParams, now time.Time) error {
	class, level := classify(it, p)
	near, err := nearEvents(ctx, tx, it)
	if err != nil {
		return err
	}
	if it.Alternate {
		return placeAlternate(ctx, tx, it, near)
	}
	near = slices.DeleteFunc(near, func(e *event) bool { return !joins(class, e.Class) })
	e := &event{ID: newID(), Camera: it.Camera, Class: class, Level: level, Earliest: it.Taken, Latest: it.end()}
	slices.SortStableFunc(near, func(a, b *event) int { return cmp.Compare(distance(it, a), distance(it, b)) })
	var joined []*event
	for _, n := range near {
		limit := eventCap
		if distance(it, n) == 0 {
			limit = hardCap
		}
		if span(e, n) <= limit {
			joined = append(joined, n)
			e.Earliest, e.Latest = earlier(e.Earliest, n.Earliest), later(e.Latest, n.Latest)
			e.Level = max(e.Level, n.Level)
			if n.Class == classMotion {
				e.Class = classMotion
			}
		}
	}
	if len(joined) == 0 {
		err = insertEvent(ctx, tx, account, e, now)
	} else {
		// The event known longest keeps its id.
		slices.SortFunc(joined, func(a, b *event) int { return int(a.Seq - b.Seq) })
		e.ID = joined[0].ID
		err = mergeEvents(ctx, tx, e, joined[1:])
	}
	if err != nil {
		return err
	}
	it.Event = e.ID
	if err := insertItem(ctx, tx, it); err != nil {
		return err
	}
	if err := e.label(ctx, tx); err != nil {
		return err
	}
	return updateEvent(ctx, tx, e, now)
}

// label gives the event the labels of its items.
func (e *event) label(ctx context.Context, tx *sql.Tx) error {
	e.Labels = []string{}
	err := rows(ctx, tx, func(r *sql.Rows) error {
		var l string
		err := r.Scan(&l)
		e.Labels = append(e.Labels, l)
		return err
	}, `SELECT DISTINCT l.value FROM items i, json_each(i.motion, '$.labels') l WHERE i.event = ? AND i.alternate = 0 ORDER BY 1`, e.ID)
	if len(e.Labels) > 0 && e.Level >= levelImportant {
		e.Level = levelLabelled
	}
	return err
}

// joins tells whether an item of one class may become part of an event of another.
func joins(item, event string) bool {
	switch item {
	case classMotion, classBacking:
		return event == classMotion || event == classBacking
	case classHeartbeat:
		return event == classHeartbeat
	}
	return false
}

// nearEvents lists the camera's events within the gap of an item, by time.
func nearEvents(ctx context.Context, tx *sql.Tx, it *item) ([]*event, error) {
	var near []*event
	from, to := it.Taken.Add(-eventGap), it.end().Add(eventGap)
	err := rows(ctx, tx, func(r *sql.Rows) error {
		e, err := scanEvent(r.Scan)
		near = append(near, e)
		return err
	}, `SELECT `+eventColumns+` FROM events e JOIN cameras c ON c.id = e.camera
		WHERE e.camera = ? AND e.latest >= ? AND e.earliest <= ? ORDER BY e.earliest, e.seq`, it.Camera, millis(from), millis(to))
	return near, err
}

// placeAlternate attaches other media to the event that covers its time, the most important first.
func placeAlternate(ctx context.Context, tx *sql.Tx, it *item, near []*event) error {
	if len(near) == 0 {
		return errNoEvent
	}
	it.Event = slices.MaxFunc(near, func(a, b *event) int { return a.Level - b.Level }).ID
	return insertItem(ctx, tx, it)
}

// distance is the time between an item and an event; 0 if they overlap.
func distance(it *item, e *event) time.Duration {
	return max(0, it.Taken.Sub(e.Latest), e.Earliest.Sub(it.end()))
}

func span(a, b *event) time.Duration {
	return later(a.Latest, b.Latest).Sub(earlier(a.Earliest, b.Earliest))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func insertEvent(ctx context.Context, tx *sql.Tx, account int64, e *event, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO events (id, account, camera, class, level, earliest, latest, changed) VALUES (?,?,?,?,?,?,?,?)`,
		e.ID, account, e.Camera, e.Class, e.Level, millis(e.Earliest), millis(e.Latest), millis(now))
	return err
}

// mergeEvents moves the items of others into e; their ids stay valid as aliases.
func mergeEvents(ctx context.Context, tx *sql.Tx, e *event, others []*event) error {
	for _, o := range others {
		for _, q := range []string{
			`UPDATE items SET event = ?1 WHERE event = ?2`,
			`UPDATE event_aliases SET event = ?1 WHERE event = ?2`,
			`INSERT INTO event_aliases (event, id) VALUES (?1, ?2)`,
		} {
			if _, err := tx.ExecContext(ctx, q, e.ID, o.ID); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM events WHERE id = ?`, o.ID); err != nil {
			return err
		}
	}
	return nil
}

// updateEvent writes what a new item changed and counts the items again.
func updateEvent(ctx context.Context, tx *sql.Tx, e *event, now time.Time) error {
	labels, err := json.Marshal(e.Labels)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE events SET class = ?2, level = ?3, earliest = ?4, latest = ?5, changed = ?6, labels = ?7,
		images = (SELECT count(*) FROM items WHERE event = ?1 AND is_video = 0 AND alternate = 0),
		videos = (SELECT count(*) FROM items WHERE event = ?1 AND is_video = 1 AND alternate = 0) WHERE id = ?1`,
		e.ID, e.Class, e.Level, millis(e.Earliest), millis(e.Latest), millis(now), string(labels))
	return err
}

// eventByID finds an event of an account, also under the id of one that was joined into it.
func (s *store) eventByID(ctx context.Context, account int64, id string) (*event, error) {
	return scanEvent(s.r.QueryRowContext(ctx, `SELECT `+eventColumns+` FROM events e JOIN cameras c ON c.id = e.camera
		WHERE e.account = ?1 AND (e.id = ?2 OR e.id = (SELECT event FROM event_aliases WHERE id = ?2))`, account, id).Scan)
}
