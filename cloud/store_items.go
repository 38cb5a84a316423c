package cloud

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"camward/camio"
)

// item is one picture or clip of the index.
type item struct {
	ID            string
	Camera        int64
	Event         string
	Name          string
	SHA256        []byte
	Size          int64
	ContentType   string
	Video         bool
	Type          camio.ImageType
	Alternate     bool
	Taken         time.Time     // of a clip: its first picture
	Length        time.Duration // of a clip, if known
	Width, Height int           // stored pixels, before Rotation
	Rotation      int
	Received      time.Time
	Track         *camio.Track // what moved in it; nil: nothing was said
	File          string       // below the content directory
}

// end is when the item's last picture was taken.
func (it *item) end() time.Time { return it.Taken.Add(it.Length).Truncate(time.Millisecond) }

func (it *item) shownWidth() int {
	if it.Rotation%180 != 0 {
		return it.Height
	}
	return it.Width
}

func (it *item) shownHeight() int {
	if it.Rotation%180 != 0 {
		return it.Width
	}
	return it.Height
}

const itemColumns = `i.id, i.camera, i.event, i.name, i.sha256, i.size, i.content_type, i.is_video, i.img_type, i.alternate,
	i.taken, i.length, i.width, i.height, i.rotation, i.received, i.file, i.motion`

func scanItem(scan func(...any) error) (*item, error) {
	var it item
	var taken, received int64
	var length float64
	var motion string
	err := scan(&it.ID, &it.Camera, &it.Event, &it.Name, &it.SHA256, &it.Size, &it.ContentType, &it.Video, &it.Type, &it.Alternate,
		&taken, &length, &it.Width, &it.Height, &it.Rotation, &received, &it.File, &motion)
	it.Taken, it.Received = fromMillis(taken), fromMillis(received)
	it.Length = time.Duration(length * float64(time.Second))
	if err == nil && motion != "{}" {
		it.Track = new(camio.Track)
		err = json.Unmarshal([]byte(motion), it.Track)
	}
	return &it, found(err)
}

// labels are those that the camera gave it.
func (it *item) labels() []string {
	if it.Track == nil || it.Track.Labels == nil {
		return []string{}
	}
	return it.Track.Labels
}

// findUpload finds the item that an upload repeats. An upload without a name repeats nothing: two equal
// pictures of a still scene are two pictures.
func findUpload(ctx context.Context, q querier, camera int64, it *item) (*item, error) {
	if it.Name == "" {
		return nil, errNotFound
	}
	return scanItem(q.QueryRowContext(ctx, `SELECT `+itemColumns+` FROM items i WHERE camera = ? AND name = ? AND sha256 = ?`,
		camera, it.Name, it.SHA256).Scan)
}

func insertItem(ctx context.Context, tx *sql.Tx, it *item) error {
	motion := []byte("{}")
	if it.Track != nil {
		var err error
		if motion, err = json.Marshal(it.Track); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO items (id, camera, event, name, sha256, size, content_type, is_video, img_type, alternate,
		taken, length, width, height, rotation, received, file, motion) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		it.ID, it.Camera, it.Event, it.Name, it.SHA256, it.Size, it.ContentType, it.Video, it.Type, it.Alternate,
		millis(it.Taken), it.Length.Seconds(), it.Width, it.Height, it.Rotation, millis(it.Received), it.File, string(motion))
	return err
}

// itemByID finds an item of an account.
func (s *store) itemByID(ctx context.Context, account int64, id string) (*item, error) {
	return scanItem(s.r.QueryRowContext(ctx,
		`SELECT `+itemColumns+` FROM items i JOIN cameras c ON c.id = i.camera WHERE i.id = ? AND c.account = ?`, id, account).Scan)
}

// anyItem finds an item of any account: the caller holds an access token for it.
func (s *store) anyItem(ctx context.Context, id string) (*item, error) {
	return scanItem(s.r.QueryRowContext(ctx, `SELECT `+itemColumns+` FROM items i WHERE i.id = ?`, id).Scan)
}

// latestImage is the newest picture of a camera.
func (s *store) latestImage(ctx context.Context, camera int64) (*item, error) {
	return scanItem(s.r.QueryRowContext(ctx,
		`SELECT `+itemColumns+` FROM items i WHERE camera = ? AND is_video = 0 ORDER BY taken DESC, seq DESC LIMIT 1`, camera).Scan)
}

// eventItems lists an event's items in the order of their times, without the alternates.
func (s *store) eventItems(ctx context.Context, event string) ([]*item, error) {
	var list []*item
	err := rows(ctx, s.r, func(r *sql.Rows) error {
		it, err := scanItem(r.Scan)
		list = append(list, it)
		return err
	}, `SELECT `+itemColumns+` FROM items i WHERE event = ? AND alternate = 0 ORDER BY taken, seq`, event)
	return list, err
}
