package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"camward/video"
)

// errNotMJPEG says that an AVI file holds something other than Motion JPEG.
var errNotMJPEG = errors.New("AVI without Motion JPEG")

// An aviReader yields the pictures of a Motion JPEG AVI (Microsoft's RIFF container, with the
// OpenDML extension for files beyond 1 GiB) in the order in which they are stored. Lists are
// entered without heeding their length, so that a file whose writer was cut off, and never
// filled the lengths in, plays to its last whole picture. The index is not used.
type aviReader struct {
	r      *bufio.Reader
	format video.Format
	stream [2]byte // the video stream's number as two digits, as data chunks carry it
	buf    []byte
}

// newAVIReader reads the headers. It fails with errNotMJPEG when the first video stream has
// another codec.
func newAVIReader(r io.Reader) (*aviReader, error) {
	a := &aviReader{r: bufio.NewReaderSize(r, 64<<10)}
	if id, _, kind, err := a.chunk(); err != nil || id != "RIFF" || kind != "AVI " {
		return nil, errors.New("not an AVI file")
	}
	if err := a.header(); err != nil {
		return nil, err
	}
	return a, nil
}

// chunk reads a chunk's header; of a RIFF or LIST also the kind of list.
func (a *aviReader) chunk() (id string, size uint32, kind string, err error) {
	var h [8]byte
	if _, err := io.ReadFull(a.r, h[:]); err != nil {
		return "", 0, "", err
	}
	id, size = string(h[:4]), binary.LittleEndian.Uint32(h[4:])
	if id == "RIFF" || id == "LIST" {
		if _, err := io.ReadFull(a.r, h[:4]); err != nil {
			return "", 0, "", err
		}
		kind = string(h[:4])
	}
	return id, size, kind, nil
}

// skip passes over a chunk's body, which is padded to an even length.
func (a *aviReader) skip(size uint32) error {
	_, err := io.CopyN(io.Discard, a.r, int64(size)+int64(size&1))
	return err
}

// enter skips a chunk that is no list, and a list whose contents are of no use.
func (a *aviReader) enter(size uint32, kind string) error {
	switch kind {
	case "AVI ", "AVIX", "hdrl", "strl", "movi", "rec ":
		return nil
	case "":
		return a.skip(size)
	}
	return a.skip(max(size, 4) - 4)
}

// header reads up to the start of the pictures.
func (a *aviReader) header() error {
	streams, current, found := 0, false, false
	for {
		id, size, kind, err := a.chunk()
		if err != nil {
			return fmt.Errorf("AVI header: %w", err)
		}
		switch {
		case kind == "movi" && !found:
			return errNotMJPEG
		case kind == "movi":
			return nil
		case id == "avih":
			err = a.mainHeader(size)
		case id == "strh":
			current = false
			if !found {
				current, err = a.streamHeader(size, streams)
			} else {
				err = a.skip(size)
			}
			streams++
		case id == "strf" && current:
			found = true
			err = a.streamFormat(size)
		default:
			err = a.enter(size, kind)
		}
		if err != nil {
			return err
		}
	}
}

// fixed reads the first n bytes of a chunk and skips the rest.
func (a *aviReader) fixed(size uint32, n int) ([]byte, error) {
	if int64(size) < int64(n) {
		return nil, fmt.Errorf("AVI header chunk of %d bytes, want %d", size, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(a.r, b); err != nil {
		return nil, err
	}
	return b, a.skip(size - uint32(n)) // n is even, so the padding stays right
}

// mainHeader takes the frame interval, used when the stream does not give its own.
func (a *aviReader) mainHeader(size uint32) error {
	b, err := a.fixed(size, 40)
	if err != nil {
		return err
	}
	if us := binary.LittleEndian.Uint32(b); us > 0 {
		a.setRate(1e6, float64(us))
	}
	return nil
}

// streamHeader reports whether the stream is video, and notes its number and rate if so.
func (a *aviReader) streamHeader(size uint32, number int) (bool, error) {
	b, err := a.fixed(size, 48)
	if err != nil || string(b[:4]) != "vids" || number > 99 {
		return false, err
	}
	a.stream = [2]byte{'0' + byte(number/10), '0' + byte(number%10)}
	a.setRate(float64(binary.LittleEndian.Uint32(b[24:])), float64(binary.LittleEndian.Uint32(b[20:])))
	return true, nil
}

// setRate takes rate/scale as pictures per second when that is plausible.
func (a *aviReader) setRate(rate, scale float64) {
	if fps := rate / scale; fps >= 0.1 && fps <= 240 {
		a.format.Rate = fps
	}
}

// streamFormat checks the codec (BITMAPINFOHEADER.biCompression) and takes the size.
func (a *aviReader) streamFormat(size uint32) error {
	b, err := a.fixed(size, 40)
	if err != nil {
		return err
	}
	switch string(b[16:20]) {
	case "MJPG", "mjpg", "JPEG", "jpeg":
	default:
		return errNotMJPEG
	}
	a.format.FourCC, a.format.FullRange = video.MJPEG, true
	a.format.Width = int(int32(binary.LittleEndian.Uint32(b[4:])))
	a.format.Height = int(int32(binary.LittleEndian.Uint32(b[8:])))
	return nil
}

// next returns the next picture, valid until the call after; empty where the file says that the
// picture before stays for one more interval; io.EOF at the end, also of a cut file.
func (a *aviReader) next() ([]byte, error) {
	for {
		id, size, kind, err := a.chunk()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, io.EOF
		} else if err != nil {
			return nil, err
		}
		if kind == "" && [2]byte{id[0], id[1]} == a.stream && (id[2:] == "dc" || id[2:] == "db") {
			return a.picture(size)
		}
		if err := a.enter(size, kind); err != nil {
			return nil, err
		}
	}
}

func (a *aviReader) picture(size uint32) ([]byte, error) {
	if size > maxPicture {
		return nil, fmt.Errorf("AVI picture of %d bytes, at most %d MiB are taken", size, maxPicture>>20)
	}
	n := int(size + size&1)
	if cap(a.buf) < n {
		a.buf = make([]byte, n+n/4)
	}
	b := a.buf[:n]
	got, err := io.ReadFull(a.r, b)
	if errors.Is(err, io.ErrUnexpectedEOF) && got >= int(size) {
		err = nil // only the padding is missing
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF // the picture is cut
	}
	if err != nil {
		return nil, err
	}
	return b[:size], nil
}
