package dropfolder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"camward/camio"
	"camward/codec/jpeg"
	"camward/codec/mp4"
)

const (
	// pictureHeader is how far into a picture its frame header is looked for: Exif, thumbnails
	// and colour profiles come before it, each segment up to 64 KiB.
	pictureHeader = 1 << 20
	// padding is how many zero bytes may follow a picture: some firmware fills the last block.
	padding = 4 << 10
	// maxBoxes is enough for a day of fragments of a second.
	maxBoxes = 1 << 18
)

// errNotWhole is wrapped by the reason why a file is no whole recording.
var errNotWhole = errors.New("not a whole recording")

func notWhole(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNotWhole, fmt.Sprintf(format, args...))
}

// content is what a whole file holds.
type content struct {
	kind   camio.Kind
	length time.Duration // of a clip
	open   bool          // it could go on: what was appended would belong to it
}

// inspect tells what a file of size bytes is, by its bytes alone. The error is errNotWhole or r's.
func inspect(r io.ReaderAt, size int64) (content, error) {
	var start [2]byte
	if size < int64(len(start)) {
		return content{}, notWhole("%d bytes", size)
	}
	if _, err := r.ReadAt(start[:], 0); err != nil {
		return content{}, err
	}
	if start == [2]byte{0xff, 0xd8} { // SOI, ITU-T T.81 B.1.1.3
		return inspectPicture(r, size)
	}
	return inspectMovie(r, size)
}

func inspectPicture(r io.ReaderAt, size int64) (content, error) {
	b := make([]byte, min(size, pictureHeader))
	if _, err := r.ReadAt(b, 0); err != nil && err != io.EOF {
		return content{}, err
	}
	if _, _, err := jpeg.Size(b); err != nil {
		return content{}, notWhole("%v", err)
	}
	end := b[:min(size, padding)]
	if _, err := r.ReadAt(end, size-int64(len(end))); err != nil && err != io.EOF {
		return content{}, err
	}
	if !bytes.HasSuffix(bytes.TrimRight(end, "\x00"), []byte{0xff, 0xd9}) {
		return content{}, notWhole("a picture without its end")
	}
	return content{kind: camio.KindSnapshot}, nil
}

func inspectMovie(r io.ReaderAt, size int64) (content, error) {
	open, err := walk(r, size)
	if err != nil {
		return content{}, err
	}
	f, err := mp4.Read(r, size)
	switch {
	case err != nil:
		return content{}, notWhole("%v", err)
	case len(f.Samples) == 0:
		return content{}, notWhole("a movie without a picture")
	case f.Whole != size:
		return content{}, notWhole("a movie of which %d bytes of %d are readable", f.Whole, size)
	}
	return content{kind: camio.KindClip, length: f.Duration, open: open}, nil
}

// walk follows the top-level boxes (ISO/IEC 14496-12 4.2), which must end where the file does. open says
// that more may follow: the movie is fragmented, or its last box has no length of its own.
func walk(r io.ReaderAt, size int64) (open bool, err error) {
	moov := false
	at := int64(0)
	for n := 0; at < size; n++ {
		var h [16]byte
		got, err := r.ReadAt(h[:min(int64(len(h)), size-at)], at)
		if err != nil && err != io.EOF {
			return false, err
		}
		if got < 8 {
			return false, notWhole("it ends within a box's header")
		}
		length, typ := uint64(binary.BigEndian.Uint32(h[:])), string(h[4:8])
		switch {
		case at == 0 && !begins[typ]:
			return false, notWhole("neither a picture nor a movie")
		case n == maxBoxes:
			return false, notWhole("more than %d boxes", maxBoxes)
		case length == 0 && typ == "mdat":
			length, open = uint64(size-at), true
		case length == 1 && got == len(h):
			length = binary.BigEndian.Uint64(h[8:])
			if length < 16 {
				return false, notWhole("box %q of %d bytes at %d", typ, length, at)
			}
		case length < 8:
			return false, notWhole("box %q of %d bytes at %d", typ, length, at)
		}
		if length > uint64(size-at) {
			return false, notWhole("it ends within the box %q that begins at %d", typ, at)
		}
		moov = moov || typ == "moov"
		open = open || typ == "moof"
		at += int64(length)
	}
	if !moov {
		return false, notWhole("a movie without its header")
	}
	return open, nil
}

// begins are the boxes that an MP4 file may begin with.
var begins = map[string]bool{"ftyp": true, "moov": true, "mdat": true, "free": true, "skip": true, "wide": true, "styp": true}
