package cloud

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"camward/camio"
)

// camera is a row of the table, with the last poll of its device.
type camera struct {
	ID            int64
	Account       int64
	Name          string
	CameraID      string
	MAC           string // claimed by, or empty
	Uploaded      time.Time
	Polled        time.Time
	Width, Height int
	State         *camio.CameraChange // that it reported last; nil if it never did
}

// isLost tells that its agent is there and it is not, as far as the agent said.
func (c *camera) isLost() bool { return c.State != nil && !c.State.IsFound }

// seen is the camera's last sign of life.
func (c *camera) seen() time.Time {
	if c.Polled.After(c.Uploaded) {
		return c.Polled
	}
	return c.Uploaded
}

// isBlank tells that nothing but the name is known of the camera: it was introduced.
func (c *camera) isBlank() bool { return c.CameraID == "" && c.MAC == "" && c.Uploaded.IsZero() }

const cameraQuery = `SELECT c.id, c.account, c.name, c.camera_id, coalesce(c.mac, ''), c.uploaded, coalesce(d.last_poll, 0), c.width, c.height,
	coalesce(s.found, -1), coalesce(s.at, 0), coalesce(s.received, 0), coalesce(s.reason, '')
	FROM cameras c LEFT JOIN devices d ON d.mac = coalesce(c.mac, c.poll_mac)
	LEFT JOIN camera_states s ON s.seq = (SELECT max(seq) FROM camera_states WHERE camera = c.id AND scene = '') `

func scanCamera(scan func(...any) error) (*camera, error) {
	var c camera
	var uploaded, polled, state, at, received int64
	var reason string
	err := scan(&c.ID, &c.Account, &c.Name, &c.CameraID, &c.MAC, &uploaded, &polled, &c.Width, &c.Height, &state, &at, &received, &reason)
	c.Uploaded, c.Polled = fromMillis(uploaded), fromMillis(polled)
	if state >= 0 {
		c.State = &camio.CameraChange{IsFound: state == 1, Date: camio.Time{Time: fromMillis(at)}, Received: camio.Time{Time: fromMillis(received)}, Reason: reason}
	}
	return &c, found(err)
}

// cameras lists an account's cameras by name.
func cameras(ctx context.Context, q querier, account int64) ([]*camera, error) {
	var list []*camera
	err := rows(ctx, q, func(r *sql.Rows) error {
		c, err := scanCamera(r.Scan)
		list = append(list, c)
		return err
	}, cameraQuery+`WHERE c.account = ? ORDER BY c.name COLLATE NOCASE, c.id`, account)
	return list, err
}

// named finds a camera by its exact name, else regardless of case.
func named(list []*camera, name string) *camera {
	var folded *camera
	for _, c := range list {
		if c.Name == name {
			return c
		}
		if folded == nil && strings.EqualFold(c.Name, name) {
			folded = c
		}
	}
	return folded
}

// camera finds one of the account's cameras, or errNotFound.
func (s *store) camera(ctx context.Context, account int64, name string) (*camera, error) {
	list, err := cameras(ctx, s.r, account)
	if err != nil {
		return nil, err
	}
	if c := named(list, name); c != nil {
		return c, nil
	}
	return nil, errNotFound
}

// cameraByMAC finds the camera that a device was claimed for.
func cameraByMAC(ctx context.Context, q querier, mac string) (*camera, error) {
	return scanCamera(q.QueryRowContext(ctx, cameraQuery+`WHERE c.mac = ?`, mac).Scan)
}

// errTwoCameras: an upload names one camera and carries the id of another.
var errTwoCameras = errors.New("camera_id belongs to another camera of this account")

// uploadCamera finds or creates the camera of an upload, in the uploading transaction. A known camera_id under a
// new name renames the camera, unless its name was given by a claim, which is stronger than the camera's own
// configuration; a known name with a new camera_id means that the hardware was replaced.
func uploadCamera(ctx context.Context, tx *sql.Tx, account int64, name, cameraID string, now time.Time) (*camera, error) {
	list, err := cameras(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	byName := named(list, name)
	var byID *camera
	for _, c := range list {
		if c.CameraID == cameraID {
			byID = c
		}
	}
	if byID != nil && byName != nil && byID != byName && byName.isBlank() {
		// The renamed camera has connected for live view before it sent anything.
		if err := moveStates(ctx, tx, byName.ID, byID.ID); err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM cameras WHERE id = ?`, byName.ID); err != nil {
			return nil, err
		}
		byName = nil
	}
	switch {
	case byID != nil && byName != nil && byID != byName:
		if byID.MAC != "" {
			return byID, nil
		}
		return nil, errTwoCameras
	case byID != nil && byName == nil:
		if byID.MAC == "" {
			byID.Name = name
			_, err = tx.ExecContext(ctx, `UPDATE cameras SET name = ? WHERE id = ?`, name, byID.ID)
		}
		return byID, err
	case byID != nil:
		return byID, nil
	case byName != nil:
		byName.CameraID = cameraID
		_, err = tx.ExecContext(ctx, `UPDATE cameras SET camera_id = ?, poll_mac = ? WHERE id = ?`, cameraID, pollMAC(cameraID), byName.ID)
		return byName, err
	}
	c := &camera{Account: account, Name: name, CameraID: cameraID}
	err = tx.QueryRowContext(ctx, `INSERT INTO cameras (account, name, camera_id, poll_mac, created) VALUES (?, ?, ?, ?, ?) RETURNING id`,
		account, name, cameraID, pollMAC(cameraID), millis(now)).Scan(&c.ID)
	return c, err
}

// pollMAC is the device behind a camera_id like "00E04CC27CC5" or "00E04CC27CC5.1", so that its polls count as
// signs of life even before the camera is claimed.
func pollMAC(cameraID string) string {
	id, channel, cut := strings.Cut(cameraID, ".")
	if cut && (channel == "" || strings.Trim(channel, "0123456789") != "") {
		return ""
	}
	if mac, ok := parseMAC(id); ok {
		return mac
	}
	return ""
}

// touchCamera notes an upload; w and h are 0 where they are unknown.
func touchCamera(ctx context.Context, tx *sql.Tx, id int64, now time.Time, w, h int) error {
	_, err := tx.ExecContext(ctx, `UPDATE cameras SET uploaded = max(uploaded, ?2),
		width = CASE WHEN ?3 > 0 THEN ?3 ELSE width END, height = CASE WHEN ?4 > 0 THEN ?4 ELSE height END WHERE id = ?1`,
		id, millis(now), w, h)
	return err
}

// deleteCamera removes the camera with its events and items and returns whether it was there. Its files are the
// caller's to remove.
func (s *store) deleteCamera(ctx context.Context, id int64) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for _, q := range []string{`DELETE FROM items WHERE camera = ?`, `DELETE FROM events WHERE camera = ?`, `DELETE FROM cameras WHERE id = ?`} {
			if _, err := tx.ExecContext(ctx, q, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Claim binds the device with this MAC address to an account as the camera of that name. A camera of that name or with
// that camera_id becomes this device's. Claiming again for the same account renames. It is the operator's word: where and
// whether the device has polled does not matter.
func (s *Server) Claim(ctx context.Context, mac, email, name string) error {
	m, ok := parseMAC(mac)
	if !ok {
		return fmt.Errorf("claim: %q is not a MAC address", mac)
	}
	if err := checkCameraName(name); err != nil {
		return fmt.Errorf("claim %s: %w", m, err)
	}
	acc, err := s.userByEmail(ctx, email)
	if err != nil {
		return fmt.Errorf("claim %s for %s: %w", m, email, err)
	}
	err = s.store.write(ctx, func(tx *sql.Tx) error { return claim(ctx, tx, acc.ID, m, name, s.now()) })
	if err != nil {
		return fmt.Errorf("claim %s for %s: %w", m, email, err)
	}
	return nil
}

// errClaimed: the device belongs to someone else, or the name to another device. errNameTaken: the name is that of
// another camera of the account.
var (
	errClaimed   = errors.New("claimed already; release or delete that camera first")
	errNameTaken = errors.New("another camera has this name")
)

func claim(ctx context.Context, tx *sql.Tx, account int64, mac, name string, now time.Time) error {
	claimed, err := cameraByMAC(ctx, tx, mac)
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	if err == nil && claimed.Account != account {
		return fmt.Errorf("device: %w", errClaimed)
	}
	list, err := cameras(ctx, tx, account)
	if err != nil {
		return err
	}
	var target *camera
	for _, c := range list {
		if c.MAC == mac || (c.MAC == "" && c.CameraID == mac) {
			target = c
		}
	}
	byName := named(list, name)
	switch {
	case target == nil && byName != nil && byName.MAC != "":
		return fmt.Errorf("name %s: %w", name, errClaimed)
	case target != nil && byName != nil && byName.ID != target.ID:
		return fmt.Errorf("name %s: %w", name, errNameTaken)
	case target == nil:
		target = byName
	}
	if target == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO cameras (account, name, camera_id, mac, poll_mac, created) VALUES (?1, ?2, ?3, ?3, ?3, ?4)`,
			account, name, mac, millis(now))
	} else {
		_, err = tx.ExecContext(ctx, `UPDATE cameras SET name = ?2, mac = ?3, poll_mac = ?3 WHERE id = ?1`, target.ID, name, mac)
	}
	if err != nil {
		return err
	}
	return trustLast(ctx, tx, mac)
}

// Release takes the device with this MAC address from whoever claimed it. The camera and its events stay.
func (s *Server) Release(ctx context.Context, mac string) error {
	m, ok := parseMAC(mac)
	if !ok {
		return fmt.Errorf("release: %q is not a MAC address", mac)
	}
	var owner int64
	err := s.store.write(ctx, func(tx *sql.Tx) error {
		cam, err := cameraByMAC(ctx, tx, m)
		if err != nil {
			return err
		}
		owner = cam.Account
		return release(ctx, tx, cam.Account, m)
	})
	if errors.Is(err, errNotFound) {
		return fmt.Errorf("release %s: nobody has claimed it", m)
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", m, err)
	}
	s.lives.recheck(owner)
	return nil
}

// release takes the device from its camera, which keeps its events. From its next poll the device is told what any
// unclaimed one is, and may be claimed again by anyone.
func release(ctx context.Context, tx *sql.Tx, account int64, mac string) error {
	res, err := tx.ExecContext(ctx, `UPDATE cameras SET mac = NULL, poll_mac = '' WHERE account = ? AND mac = ?`, account, mac)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errNotFound)
	}
	return forgetCommands(ctx, tx, mac)
}

// checkCameraName refuses what could not be shown or put into a path.
func checkCameraName(name string) error { return checkName("camera", name) }

// checkName judges the name of a camera or a zone.
func checkName(of, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fmt.Errorf("the %s's name is empty", of)
	case utf8.RuneCountInString(name) > 100:
		return fmt.Errorf("the %s's name has more than 100 characters", of)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(c rune) bool { return unicode.IsControl(c) || reorders(c) }):
		return fmt.Errorf("the %s's name has unprintable characters", of)
	}
	return nil
}

// reorders tells the embeddings, overrides and isolates of UAX 9, with which a text can look like another. The plain marks for
// right-to-left scripts are not among them.
func reorders(c rune) bool { return c >= 0x202A && c <= 0x202E || c >= 0x2066 && c <= 0x2069 }

// A ClaimedCamera is one line of Cameras.
type ClaimedCamera struct {
	User     string    `json:"user"`
	Name     string    `json:"name"`
	CameraID string    `json:"camera_id"`
	MAC      string    `json:"mac,omitempty"` // empty: not claimed, known by its uploads
	Online   bool      `json:"is_online"`
	Seen     time.Time `json:"last_seen,omitzero"`
}

// Cameras lists every account's cameras.
func (s *Server) Cameras(ctx context.Context) ([]ClaimedCamera, error) {
	users, err := s.Users(ctx)
	if err != nil {
		return nil, err
	}
	list := []ClaimedCamera{}
	for _, u := range users {
		acc, err := s.store.accountByEmail(ctx, u.Email)
		if err != nil {
			return nil, err
		}
		cams, err := cameras(ctx, s.store.r, acc.ID)
		if err != nil {
			return nil, fmt.Errorf("list cameras: %w", err)
		}
		for _, c := range cams {
			list = append(list, ClaimedCamera{u.Email, c.Name, c.CameraID, c.MAC, s.online(c), c.seen()})
		}
	}
	return list, nil
}

// A Device is a camera that polls and belongs to nobody yet.
type Device struct {
	MAC      string    `json:"mac"`
	Maker    string    `json:"maker"`
	Model    string    `json:"model"`
	Address  string    `json:"address"`
	LastPoll time.Time `json:"last_poll"`
}

// Unclaimed lists the devices that wait to be claimed, the last to poll first.
func (s *Server) Unclaimed(ctx context.Context) ([]Device, error) {
	list := []Device{}
	err := rows(ctx, s.store.r, func(r *sql.Rows) error {
		var d Device
		var at int64
		err := r.Scan(&d.MAC, &d.Maker, &d.Model, &d.Address, &at)
		d.LastPoll = fromMillis(at)
		list = append(list, d)
		return err
	}, `SELECT mac, maker, model, ip, last_poll FROM devices d
		WHERE NOT EXISTS (SELECT 1 FROM cameras c WHERE c.mac = d.mac) ORDER BY last_poll DESC LIMIT 200`)
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	return list, nil
}
