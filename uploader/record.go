package uploader

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"camward/camio"
)

// The endings of an item's files beside those of its finished data.
const (
	recordExt = ".json"
	partExt   = ".part"
	tempExt   = ".tmp"
)

// A record is an item's journal entry. Its first part is written before the first byte of data, the
// second when the item is finished; SHA256 tells which state it is in. Fields never change their meaning.
type record struct {
	Seq      uint64           `json:"seq"`              // the item's number, as in the file names
	Order    uint64           `json:"order"`            // the number of the first item of the same event
	Camera   string           `json:"camera"`           //
	CameraID string           `json:"camera_id"`        //
	Kind     camio.Kind       `json:"kind"`             //
	Mode     camio.UploadMode `json:"mode,omitempty"`   //
	Rotation int              `json:"rotation"`         //
	Event    string           `json:"event,omitempty"`  //
	Track    *camio.Track     `json:"track,omitempty"`  // of a clip, it comes with the second part
	Source   string           `json:"source,omitempty"` // the file that this is a copy of
	Boot     string           `json:"boot"`             // the boot whose monotonic clock Mono is on
	Mono     time.Duration    `json:"mono_ns"`          // of the first picture

	Size    int64         `json:"size,omitempty"`
	SHA256  []byte        `json:"sha256,omitempty"`
	Length  time.Duration `json:"length_ns,omitempty"` // of a clip
	Name    string        `json:"name,omitempty"`      // of the upload; never changes once set
	Started *camio.Time   `json:"started,omitempty"`   // wall-clock time of the first picture, if trusted
	Refused string        `json:"refused,omitempty"`   // why the item is quarantined
}

func newRecord(m camio.Media) record {
	return record{
		Camera: m.Camera, CameraID: m.CameraID, Kind: m.Kind, Mode: m.Mode,
		Rotation: m.Rotation, Event: m.Event, Track: m.Track, Mono: m.Mono, Length: m.Length, Source: m.Source,
	}
}

// finished reports whether the second part is there.
func (r *record) finished() bool { return len(r.SHA256) > 0 }

// upload gives the metadata that travels with the item.
func (r *record) upload() camio.Upload {
	u := camio.Upload{
		Camera: r.Camera, Name: r.Name, CameraID: r.CameraID, Mode: r.Mode, Type: camio.Motion,
		Rotation: r.Rotation, ContentType: r.Kind.ContentType(), Size: r.Size, SHA256: r.SHA256, Track: r.Track,
	}
	if r.Kind == camio.KindHeartbeat {
		u.Type = camio.Heartbeat
	}
	if r.Kind == camio.KindClip {
		u.VideoLength = r.Length
	}
	return u
}

// parseRecord reads a record and checks it against the number in its file's name.
func parseRecord(b []byte, seq uint64) (record, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, err
	}
	switch {
	case r.Seq != seq:
		return record{}, fmt.Errorf("record of item %d", r.Seq)
	case !knownKind(r.Kind):
		return record{}, fmt.Errorf("unknown kind %q", r.Kind)
	case r.finished() && (len(r.SHA256) != 32 || r.Size <= 0):
		return record{}, fmt.Errorf("digest of %d bytes for data of %d", len(r.SHA256), r.Size)
	}
	return r, nil
}

func knownKind(k camio.Kind) bool {
	return k == camio.KindClip || k == camio.KindSnapshot || k == camio.KindHeartbeat
}

// fileName is an item's number, in digits that sort, with an ending.
func fileName(seq uint64, ext string) string { return fmt.Sprintf("%012d%s", seq, ext) }

// parseFileName splits what fileName made.
func parseFileName(name string) (seq uint64, ext string, ok bool) {
	digits, ext, ok := strings.Cut(name, ".")
	if !ok || len(digits) < 12 {
		return 0, "", false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, "." + ext, err == nil
}
