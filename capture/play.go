package capture

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"camward/codec/mp4"
	"camward/video"
)

// playDefaultRate is for recordings that do not say, as in Default.
const playDefaultRate = 15

// Play gives fn every frame of a recording in order, as fast as fn takes them. Mono is the
// frame's place in the recording, Seq its number. The path may carry options as Config.Source does;
// loop is not heeded. fn does not own the frame: what it keeps beyond the call it must Retain.
// Play stops at fn's first error and returns it, and returns ctx's cause when ctx ends.
func Play(ctx context.Context, path string, fn func(*video.Frame) error) error {
	return Playback{Path: path}.Play(ctx, fn)
}

// A Playback is a recording that is played as fast as its pictures are taken.
type Playback struct {
	// Path is a recording as Play takes it. Of a Stream it is the name in errors, with the same options.
	Path string
	// Stream, if not nil, is read instead of the file, without going back in it. It stays the caller's.
	Stream io.Reader
	// Raw, if not zero, says that there is nothing but raw pictures.
	Raw Raw
	// Progress, if not nil, is told before each frame how much of the recording has been read: 0..1, or -1 if its length is not known.
	Progress func(share float64)
	// Warn, if not nil, is told what is odd about the recording but does not keep it from being played.
	Warn func(text string)
}

// Play is as the function of that name.
func (p Playback) Play(ctx context.Context, fn func(*video.Frame) error) error {
	src, err := parseSource(p.Path)
	switch {
	case p.Raw != (Raw{}) || p.Stream != nil && err == nil && src.kind != kindRecording:
		src, err = source{kind: kindRecording, path: p.Path}, nil
	case err != nil:
		return err
	case src.kind != kindRecording:
		return fmt.Errorf("%s is not a recording", src.shown(p.Path))
	}
	rec, err := p.open(ctx, src)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	before := func(*video.Frame) error { return nil }
	if m, ok := rec.(interface{ share() float64 }); ok && p.Progress != nil {
		before = func(*video.Frame) error { p.Progress(m.share()); return nil }
	}
	_, err = eachFrame(ctx, src, rec, video.NewPool(4<<20), player(fn), before)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (p Playback) open(ctx context.Context, src source) (recording, error) {
	switch {
	case p.Raw != (Raw{}):
		return p.openRaw(src)
	case p.Stream == nil:
		return openRecording(ctx, src, Size{}, playDefaultRate)
	}
	c := &counter{r: p.Stream, size: -1}
	rec, err := readRecording(c, src, playDefaultRate)
	switch {
	case err == nil:
		return rec, nil
	case !errors.Is(err, errForFFmpeg):
		return nil, fmt.Errorf("recording %s: %w", src.path, err)
	}
	if c.lost {
		return nil, fmt.Errorf("recording %s: its header is longer than %d MiB: give the file by its name", src.path, maxKept>>20)
	}
	in := bufio.NewReaderSize(c, mp4Peek)
	if indexLast(in) {
		return nil, fmt.Errorf("recording %s: this MP4 has its index behind the pictures, and a pipe cannot be read backwards: give the file by its name, or move the index with ffmpeg -i IN -c copy -movflags +faststart OUT", src.path)
	}
	child, err := openFFmpeg(ctx, src, Size{}, in)
	if err != nil {
		return nil, err
	}
	return child, nil
}

// mp4Peek is how far the index of an MP4 that is read from a pipe is looked for.
const mp4Peek = 64 << 10

// indexLast reports whether in is an MP4 file (ISO/IEC 14496-12 4.2) whose media data come before the box that says where the pictures are.
func indexLast(in *bufio.Reader) bool {
	for at, first := 0, true; at+8 <= mp4Peek; first = false {
		b, _ := in.Peek(at + 16)
		if len(b) < at+16 {
			return false
		}
		size, kind := uint64(binary.BigEndian.Uint32(b[at:])), string(b[at+4:at+8])
		switch {
		case first && kind != "ftyp", kind == "moov":
			return false
		case kind == "mdat":
			return true
		case size == 1:
			size = binary.BigEndian.Uint64(b[at+8:])
		}
		if size < 8 || size > mp4Peek {
			return false
		}
		at += int(size)
	}
	return false
}

// lengthOf is how long an MP4 file says it is; 0 if it is no such file or does not say.
func lengthOf(f *os.File) time.Duration {
	fi, err := f.Stat()
	if err != nil {
		return 0
	}
	info, err := mp4.Header(f, fi.Size())
	if err != nil {
		return 0
	}
	return info.Duration
}

// A counter counts what is read of r, and can go back to where keeping began.
type counter struct {
	r    io.Reader
	size int64 // of all there is; 0 or less if that is not known
	n    int64 // bytes read
	keep bool
	kept []byte
	at   int  // of kept, what is read next
	lost bool // there was too much to keep
}

// Read reads what is kept, and then r.
func (c *counter) Read(b []byte) (n int, err error) {
	if c.at < len(c.kept) {
		n = copy(b, c.kept[c.at:])
		c.at += n
		return n, nil
	}
	n, err = c.r.Read(b)
	c.n += int64(n)
	if c.keep && len(c.kept)+n > maxKept {
		c.forget()
		c.lost = true
	}
	if c.keep {
		c.kept = append(c.kept, b[:n]...)
		c.at += n
	}
	return n, err
}

// maxKept bounds what is kept: no header is longer.
const maxKept = 1 << 20

// rewind goes back to where keeping began.
func (c *counter) rewind() { c.at, c.keep = 0, false }

// forget gives up the way back.
func (c *counter) forget() { c.at, c.keep, c.kept = 0, false, nil }

// peek gives the next n bytes, or what is left, and leaves them to be read.
func (c *counter) peek(n int) ([]byte, error) {
	head := make([]byte, n)
	c.keep = true
	got, err := io.ReadFull(c, head)
	c.rewind()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:got], err
}

// share is how much of all there is has been read; -1 if that is not known.
func (c *counter) share() float64 {
	if c.size <= 0 {
		return -1
	}
	return min(1, float64(c.n)/float64(c.size))
}

// A player is the output of Play.
type player func(*video.Frame) error

func (player) granted(string, string, video.Format) {}
func (player) discard(string)                       {}
func (p player) deliver(f *video.Frame) error {
	defer f.Release()
	return p(f)
}

// Raw says what raw pictures are: 8-bit luma, line by line without gaps, one behind the other. The zero value is none.
type Raw struct {
	Size Size
	Rate float64 // pictures a second
}

// The bounds of Raw. A detector looks at an eighth of a picture's width and height, and takes a pause of 3 s for a new beginning.
const (
	minRawSide = 96
	maxRawSide = 8192
	minRawRate = 0.5
	maxRawRate = 240
)

// ParseRaw reads "640x480@15", also with a fraction as rate: "640x480@30000/1001".
func ParseRaw(text string) (Raw, error) {
	size, rate, ok := strings.Cut(text, "@")
	var r Raw
	if err := r.Size.UnmarshalText([]byte(size)); !ok || err != nil || size == "" {
		return Raw{}, fmt.Errorf("%q is not a size and a rate such as 640x480@15", text)
	}
	if s := r.Size; min(s.Width, s.Height) < minRawSide || max(s.Width, s.Height) > maxRawSide {
		return Raw{}, fmt.Errorf("%v is outside %dx%[2]d..%dx%[3]d pixels", s, minRawSide, maxRawSide)
	}
	over, under, fraction := strings.Cut(rate, "/")
	n, err := strconv.ParseFloat(over, 64)
	if d := 1.0; fraction && err == nil {
		d, err = strconv.ParseFloat(under, 64)
		n /= d
	}
	if err != nil {
		return Raw{}, fmt.Errorf("%q is not a rate in pictures a second such as 15, 12.5 or 30000/1001", rate)
	}
	if !(n >= minRawRate && n <= maxRawRate) {
		return Raw{}, fmt.Errorf("%s is outside %v..%d pictures a second", rate, minRawRate, maxRawRate)
	}
	r.Rate = n
	return r, nil
}

// String reads as "640x480@15".
func (r Raw) String() string { return fmt.Sprintf("%v@%.6g", r.Size, r.Rate) }

// rawPictures is a recording of Raw pictures.
type rawPictures struct {
	*counter
	f    io.Closer // nil: the caller's
	form video.Format
	seq  uint64
	warn func(string)
}

func (p Playback) openRaw(src source) (recording, error) {
	r := &rawPictures{counter: &counter{r: p.Stream, size: -1}, warn: p.Warn, form: video.Format{FourCC: video.Grey, Width: p.Raw.Size.Width, Height: p.Raw.Size.Height,
		Stride: p.Raw.Size.Width, Rate: p.Raw.Rate, FullRange: true}}
	if p.Stream == nil {
		f, err := os.Open(src.path)
		if err != nil {
			return nil, fmt.Errorf("recording: %w", err)
		}
		r.counter.r, r.f = f, f
		if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
			r.counter.size = fi.Size()
		}
	}
	head, err := r.peek(12)
	what := ""
	switch {
	case len(head) == 0 && err != nil && !errors.Is(err, io.EOF):
	case len(head) == 0:
		err = errors.New("the file is empty")
	case isJPEG(head):
		what = "JPEG pictures"
	case isAVI(head):
		what = "an AVI file"
	case len(head) == 12 && string(head[4:8]) == "ftyp":
		what = "an MP4 file"
	}
	if what != "" {
		err = fmt.Errorf("it is %s, not raw pictures: leave --raw out", what)
	} else if len(head) > 0 {
		return r, nil
	}
	_ = r.close()
	return nil, fmt.Errorf("recording %s: %w", src.path, err)
}

func (r *rawPictures) format() video.Format { return r.form }

func (r *rawPictures) next(pool *video.Pool) (*video.Frame, error) {
	size := r.form.Width * r.form.Height
	f := pool.Get(size)
	got, err := io.ReadFull(r, f.Data)
	if err == nil {
		f.Format, f.Seq = r.form, r.seq
		f.Mono = time.Duration(float64(r.seq) / r.form.Rate * float64(time.Second))
		r.seq++
		return f, nil
	}
	f.Release()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	cut := fmt.Sprintf("%d of %d bytes", got, size)
	if r.seq == 0 {
		return nil, fmt.Errorf("not even one picture of %dx%d: there are %s", r.form.Width, r.form.Height, cut)
	}
	if r.warn != nil {
		r.warn(fmt.Sprintf("the last picture is cut and left out: %s; is %dx%d the right size?", cut, r.form.Width, r.form.Height))
	}
	return nil, io.EOF
}

func (r *rawPictures) close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}
