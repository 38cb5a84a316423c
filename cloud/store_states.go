package cloud

import (
	"context"
	"database/sql"
	"math"
	"time"

	"camward/camio"
)

const (
	// maxStates is how many of a camera's reports are kept: those of a plug that comes loose thrice a day for a month. As many are kept of
	// changes of its picture.
	maxStates = 200
	// maxStateAge is the longest time for which a report can have waited.
	maxStateAge = 30 * 24 * time.Hour
	// maxStateSkew is how far the camera's clock and this one may be apart before the camera's counts for nothing.
	maxStateSkew = 5 * time.Minute
)

// keepState stores that a camera was lost or found, or that its picture changed. What was told before is not stored again.
func (s *store) keepState(ctx context.Context, camera int64, st *camio.CameraState, now time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		var last int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(boot_seq), 0) FROM camera_states WHERE camera = ? AND boot = ?`, camera, st.Boot).Scan(&last); err != nil {
			return err
		}
		if st.Seq <= last {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO camera_states (camera, boot, boot_seq, found, at, received, reason, scene) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			camera, st.Boot, st.Seq, st.Found, millis(stateTime(st, now)), millis(now), st.Reason, st.Scene)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM camera_states WHERE camera = ?1 AND (scene = '') = ?3 AND seq <=
			(SELECT seq FROM camera_states WHERE camera = ?1 AND (scene = '') = ?3 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`, camera, maxStates, st.Scene == "")
		return err
	})
}

// stateTime is when it happened. This server's clock knows it from the report's age; the camera's own time, which the names of its
// clips go by, is preferred if it is about the same.
func stateTime(st *camio.CameraState, now time.Time) time.Time {
	ago := time.Duration(math.Max(0, math.Min(st.Ago, maxStateAge.Seconds())) * float64(time.Second))
	at := now.Add(-ago)
	if st.At.Sub(at).Abs() > maxStateSkew { // of years, the longest Duration
		return at
	}
	if st.At.After(now) {
		return now
	}
	return st.At
}

// states lists what a camera reported, the newest first.
func (s *store) states(ctx context.Context, camera int64) ([]camio.CameraChange, error) {
	list := []camio.CameraChange{}
	err := rows(ctx, s.r, func(r *sql.Rows) error {
		var c camio.CameraChange
		var at, received int64
		err := r.Scan(&c.IsFound, &at, &received, &c.Reason, &c.Scene)
		c.Date.Time, c.Received.Time = fromMillis(at), fromMillis(received)
		list = append(list, c)
		return err
	}, `SELECT found, at, received, reason, scene FROM camera_states WHERE camera = ? ORDER BY seq DESC`, camera)
	return list, err
}

// moveStates makes one camera's reports those of another.
func moveStates(ctx context.Context, tx *sql.Tx, from, to int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE OR REPLACE camera_states SET camera = ? WHERE camera = ?`, to, from)
	return err
}
