package cloud

import (
	"bytes"
	"image"
	_ "image/jpeg" // pictures are measured and scaled
	_ "image/png"
	"io"
	"mime"
	"os"
	"path"
	"strings"
	"time"
)

// media is what a body was found to be.
type media struct {
	ContentType   string
	Video         bool
	Ext           string // of the stored file, with its dot
	Width, Height int    // as displayed without the upload's rotation; 0 if unknown
	Length        time.Duration
}

// kinds are the families that a body's first bytes tell apart.
var kinds = []struct {
	contentType, ext string
	video            bool
	is               func(head []byte) bool
}{
	{"image/jpeg", ".jpg", false, func(b []byte) bool { return bytes.HasPrefix(b, []byte{0xff, 0xd8, 0xff}) }},
	{"image/png", ".png", false, func(b []byte) bool { return bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) }},
	{"video/mp4", ".mp4", true, isBoxed},
	{"video/webm", ".webm", true, func(b []byte) bool { return bytes.HasPrefix(b, []byte{0x1a, 0x45, 0xdf, 0xa3}) }},
	{"video/x-msvideo", ".avi", true, func(b []byte) bool {
		return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "AVI "
	}},
	{"video/mp2t", ".ts", true, func(b []byte) bool { return len(b) > 188 && b[0] == 0x47 && b[188] == 0x47 }},
}

// isBoxed recognizes the ISO base media format (ISO 14496-12 4.2): a size, then the type of a box that may come first.
func isBoxed(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	switch string(b[4:8]) {
	case "ftyp", "styp", "moov", "moof", "mdat", "free", "skip", "wide":
		return true
	}
	return false
}

// headSize is how much of a body identify needs.
const headSize = 512

// identify decides what a body is from its first bytes, its declared type and its name. What it refuses is a bad
// request: an unknown kind, or a body that contradicts its type.
func identify(head []byte, declared, name string) (media, error) {
	base, _, err := mime.ParseMediaType(declared)
	if err != nil {
		base = strings.ToLower(strings.TrimSpace(declared))
	}
	switch base {
	case "image/jpg", "image/pjpeg":
		base = "image/jpeg"
	case "application/octet-stream", "application/x-www-form-urlencoded": // curl's default for --data-binary
		base = ""
	}
	if base != "" && base != "image/jpeg" && base != "image/png" && !strings.HasPrefix(base, "video/") {
		return media{}, badRequest("Content-Type %q is not supported: send image/jpeg or video/mp4", base)
	}
	for _, k := range kinds {
		if !k.is(head) {
			continue
		}
		if base != "" && strings.HasPrefix(base, "video/") != k.video || (base != "" && !k.video && base != k.contentType) {
			return media{}, badRequest("The body is %s, not %s", k.contentType, base)
		}
		m := media{ContentType: k.contentType, Video: k.video, Ext: k.ext}
		if k.contentType == "video/mp4" && base == "video/quicktime" {
			m.ContentType, m.Ext = base, ".mov"
		}
		return m, nil
	}
	if base == "" && strings.EqualFold(path.Ext(name), ".h264") {
		base = "video/h264"
	}
	// Kinds of video without a signature we know are kept as they are; the two that everyone sends must be real.
	if strings.HasPrefix(base, "video/") && base != "video/mp4" && base != "video/webm" {
		return media{ContentType: base, Video: true, Ext: ".video"}, nil
	}
	if base == "" {
		return media{}, badRequest("The body is neither a JPEG picture nor an MP4 video")
	}
	return media{}, badRequest("The body is not %s", base)
}

// measure fills in size, length and rotation from the stored file, as far as they can be read.
func (m *media) measure(f *os.File, size int64) error {
	if m.Video {
		if m.ContentType == "video/mp4" || m.ContentType == "video/quicktime" {
			m.measureMP4(f, size)
		}
		return nil
	}
	c, _, err := image.DecodeConfig(io.NewSectionReader(f, 0, size))
	if err != nil {
		return badRequest("The picture cannot be read: %v", err)
	}
	m.Width, m.Height = c.Width, c.Height
	return nil
}
