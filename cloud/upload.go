package cloud

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// uploadParams is an upload's metadata after checking.
type uploadParams struct {
	camio.Upload
	Alternate, NoAnalysis, ParseTimestamp bool
	FTP                                   bool // Camera is a directory, and there is no CameraID
}

// parseUpload checks the path and query of an upload. Everything but camera_id has a default.
func parseUpload(r *http.Request) (*uploadParams, error) {
	q := r.URL.Query()
	p := &uploadParams{Upload: camio.Upload{
		Camera: pathVar(r, "camera"), Name: pathVar(r, "name"), CameraID: q.Get("camera_id"),
		Mode: camio.UploadMode(or(q.Get("upload_mode"), "image")), Type: camio.ImageType(or(q.Get("img_type"), "m")),
		ContentType: r.Header.Get("Content-Type"),
	}}
	if err := checkCameraName(p.Camera); err != nil {
		return nil, badRequest("%v", err)
	}
	if p.CameraID == "" {
		return nil, badRequest("The parameter camera_id is missing")
	}
	if len(p.CameraID) > 255 || len(p.Name) > 255 {
		return nil, badRequest("camera_id and the file name may have at most 255 bytes")
	}
	if p.Mode != camio.UploadImage && p.Mode != camio.UploadVideo {
		return nil, badRequest("upload_mode=%s is neither image nor video", p.Mode)
	}
	if p.Type != camio.Motion && p.Type != camio.Audio && p.Type != camio.Heartbeat {
		return nil, badRequest("img_type=%s is none of m, a, h", p.Type)
	}
	// What a camera says of the motion is of use and no more: a header that can't be read is no reason to lose the recording.
	if track, err := camio.ParseTrack(r.Header); err == nil && p.Type != camio.Heartbeat {
		p.Track = track
	}
	return p, p.parseRest(q)
}

func (p *uploadParams) parseRest(q url.Values) error {
	switch rot := or(q.Get("rotation"), "0"); rot {
	case "0", "90", "180", "270":
		p.Rotation, _ = strconv.Atoi(rot)
	default:
		return badRequest("rotation=%s is none of 0, 90, 180, 270", rot)
	}
	if s := q.Get("video_length"); s != "" {
		sec, err := strconv.ParseFloat(s, 64)
		if err != nil || !(sec > 0) || sec > 24*3600 {
			return badRequest("video_length=%s is not a length in seconds above 0", s)
		}
		p.VideoLength = time.Duration(math.Round(sec * float64(time.Second)))
	}
	for o := range strings.SplitSeq(q.Get("options"), ",") {
		switch strings.TrimSpace(o) {
		case "":
		case "alternate":
			p.Alternate = true
		case "no_analysis":
			p.NoAnalysis, p.Track = true, nil
		case "parse_timestamp":
			p.ParseTimestamp = true
		default:
			return badRequest("options=%s is none of alternate, no_analysis, parse_timestamp", o)
		}
	}
	return nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// upload stores one picture or clip. It answers only after file and index are on disk; repeating it with the same
// camera, name and bytes gives the same answer and stores nothing twice.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.uploadAccount(r)
	if err != nil {
		return err
	}
	p, err := parseUpload(r)
	if err != nil {
		return err
	}
	if !acc.Recording {
		return s.acceptUnrecorded(w, r, acc, p)
	}
	in, err := s.receive(w, r)
	if err != nil {
		return err
	}
	defer in.discard()
	it, err := s.ingest(context.WithoutCancel(r.Context()), acc, p, in)
	if err != nil {
		return err
	}
	camio.SetDigest(w.Header(), in.sha256)
	reply(w, it)
	return nil
}

// ingest makes an item of a received body, however it came.
func (s *Server) ingest(ctx context.Context, acc *account, p *uploadParams, in *incoming) (*camio.Uploaded, error) {
	m, err := identify(in.head, p.ContentType, p.Name)
	if err != nil {
		return nil, err
	}
	if err := m.measure(in.file, in.size); err != nil {
		return nil, err
	}
	return s.keep(ctx, acc, p, in, m)
}

// camera finds or creates the camera of an upload, in the uploading transaction.
func (p *uploadParams) camera(ctx context.Context, tx *sql.Tx, account int64, now time.Time) (*camera, error) {
	if p.FTP {
		return ftpCamera(ctx, tx, account, p.Camera, now)
	}
	return uploadCamera(ctx, tx, account, p.Camera, p.CameraID, now)
}

// acceptUnrecorded answers 200 while the account's recording is off, so that cameras do not retry for ever.
func (s *Server) acceptUnrecorded(w http.ResponseWriter, r *http.Request, acc *account, p *uploadParams) error {
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, s.cfg.MaxUpload)); err != nil {
		return badRequest("The body ended early")
	}
	cam, err := s.touch(r.Context(), acc, p)
	if err != nil {
		return err
	}
	recorded := false
	reply(w, camio.Uploaded{Source: cam.Name, CameraID: p.CameraID, ContentType: p.ContentType,
		DateCreated: camio.Time{Time: s.now()}, Type: p.Type, Recorded: &recorded})
	return nil
}

// touch notes an upload that is not kept.
func (s *Server) touch(ctx context.Context, acc *account, p *uploadParams) (cam *camera, err error) {
	now := s.now()
	err = s.store.write(ctx, func(tx *sql.Tx) (err error) {
		if cam, err = p.camera(ctx, tx, acc.ID, now); err != nil {
			return err
		}
		return touchCamera(ctx, tx, cam.ID, now, 0, 0)
	})
	if err != nil {
		return nil, uploadError(err)
	}
	return cam, nil
}

// keep gives a received body its final name and its place in the index. The file comes first: a crash between the two
// leaves a file that the next start removes, never an entry without its file.
func (s *Server) keep(ctx context.Context, acc *account, p *uploadParams, in *incoming, m media) (*camio.Uploaded, error) {
	now := s.now()
	it := &item{ID: newID(), Name: p.Name, SHA256: in.sha256, Size: in.size, ContentType: m.ContentType, Video: m.Video,
		Type: p.Type, Alternate: p.Alternate, Taken: now, Length: p.VideoLength, Width: m.Width, Height: m.Height,
		Rotation: p.Rotation, Received: now, Track: p.Track}
	if t, ok := nameTime(p.Name, p.ParseTimestamp); ok {
		it.Taken = t.Truncate(time.Millisecond)
	}
	if !it.Video {
		it.Length = 0
	} else if it.Length == 0 {
		it.Length = m.Length
	}
	var cam *camera
	fresh, kept := false, ""
	err := s.store.write(ctx, func(tx *sql.Tx) (err error) {
		if cam, err = p.camera(ctx, tx, acc.ID, now); err != nil {
			return err
		}
		if err := touchCamera(ctx, tx, cam.ID, now, it.shownWidth(), it.shownHeight()); err != nil {
			return err
		}
		old, err := findUpload(ctx, tx, cam.ID, it)
		if err == nil {
			it = old
			return nil
		}
		if !errors.Is(err, errNotFound) {
			return err
		}
		it.Camera, fresh = cam.ID, true
		it.File = filepath.Join(strconv.FormatInt(cam.ID, 10), it.Taken.Format(time.DateOnly), it.ID+m.Ext)
		if err := placeItem(ctx, tx, acc.ID, it, p, now); err != nil {
			return err
		}
		kept = s.contentPath(it.File)
		return in.keep(kept)
	})
	if err != nil {
		if kept != "" {
			_ = os.Remove(kept) // not in the index: the client repeats the upload
		}
		return nil, uploadError(err)
	}
	if fresh {
		s.log.Debug("stored upload", zap.String("camera", cam.Name), zap.String("type", it.ContentType), zap.Int64("bytes", it.Size))
	}
	return &camio.Uploaded{ID: it.ID, EventID: it.Event, Source: cam.Name, CameraID: p.CameraID,
		ContentType: it.ContentType, DateCreated: camio.Time{Time: it.Taken}, Type: it.Type}, nil
}

// uploadError tells the client what is its own fault.
func uploadError(err error) error {
	switch {
	case errors.Is(err, errTwoCameras):
		return badRequest("%v", err)
	case errors.Is(err, errNoEvent):
		return badRequest("options=alternate, but no event covers that time")
	}
	return fmt.Errorf("store upload: %w", err)
}

// contentPath is where a file of the index lies on disk.
func (s *Server) contentPath(file string) string { return filepath.Join(s.cfg.Data, "content", file) }
