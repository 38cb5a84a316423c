package cloud

import (
	"os"
	"time"

	"camward/codec/mp4"
)

// maxLength bounds what a container may claim: the events' times depend on it.
const maxLength = 24 * time.Hour

// measureMP4 reads the movie's header. A file without a readable one is kept; its length is 0 then. Browsers turn a
// movie as its header says, so that rotation shows in the size alone.
func (m *media) measureMP4(f *os.File, size int64) {
	info, err := mp4.Header(f, size)
	if err != nil {
		return
	}
	m.Width, m.Height = info.Width, info.Height
	if info.Rotation%180 != 0 {
		m.Width, m.Height = info.Height, info.Width
	}
	if info.Duration > 0 && info.Duration <= maxLength {
		m.Length = info.Duration
	}
}
