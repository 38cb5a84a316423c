package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"camward/codec/jpeg"
	"camward/video"
)

// A recording yields the pictures of a file in order. A frame's Mono is its place in the
// recording, its Seq its number.
type recording interface {
	// next returns a frame that the caller releases, io.EOF at the end, or errBadPicture
	// for one that cannot be used; then the next may be asked for.
	next(pool *video.Pool) (*video.Frame, error)
	format() video.Format // size and rate as the file states them
	close() error
}

var errBadPicture = errors.New("not a JPEG picture")

// openRecording looks at what the file holds, not at its name. rate is for files that do not say;
// src.rate overrides what they say.
func openRecording(ctx context.Context, src source, size Size, rate float64) (recording, error) {
	fault := func(err error) error {
		if pe := (*os.PathError)(nil); errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("recording %s: %w", src.path, err)
	}
	// A named pipe would make Open wait for its writer, deaf to ctx.
	if fi, err := os.Stat(src.path); err != nil {
		return nil, fault(err)
	} else if !fi.Mode().IsRegular() {
		return nil, fault(errors.New("not a file"))
	}
	f, err := os.Open(src.path)
	if err != nil {
		return nil, fault(err)
	}
	c := &counter{r: f}
	if fi, err := f.Stat(); err == nil {
		c.size = fi.Size()
	}
	rec, err := readRecording(c, src, rate)
	switch {
	case err == nil:
		rec.f = f
		return rec, nil
	case errors.Is(err, errForFFmpeg):
		defer f.Close()
		child, err := openFFmpeg(ctx, src, size, nil)
		if err != nil {
			return nil, err
		}
		child.length = lengthOf(f)
		return child, nil
	}
	f.Close()
	return nil, fault(err)
}

// errForFFmpeg says that a recording is none of those that this package reads itself.
var errForFFmpeg = errors.New("neither JPEGs nor Motion JPEG in an AVI file")

// readRecording looks at the recording's first bytes and reads it if it holds JPEGs. What it read of another one is still in c.
func readRecording(c *counter, src source, rate float64) (*pictureFile, error) {
	head, err := c.peek(12)
	switch {
	case len(head) == 0 && !errors.Is(err, io.EOF):
		return nil, err
	case len(head) == 0:
		return nil, errors.New("the file is empty")
	case isJPEG(head):
		return &pictureFile{counter: c, pictures: newMJPEGReader(c).next, form: jpegFormat(or(src.rate, rate))}, nil
	case !isAVI(head):
		return nil, errForFFmpeg
	}
	c.keep = true
	a, err := newAVIReader(c)
	if errors.Is(err, errNotMJPEG) {
		c.rewind()
		return nil, errForFFmpeg
	} else if err != nil {
		return nil, err
	}
	c.forget()
	a.format.Rate = or(src.rate, or(a.format.Rate, rate))
	return &pictureFile{counter: c, pictures: a.next, form: a.format}, nil
}

func isAVI(head []byte) bool {
	return len(head) == 12 && string(head[:4]) == "RIFF" && string(head[8:]) == "AVI "
}

func jpegFormat(rate float64) video.Format {
	return video.Format{FourCC: video.MJPEG, Rate: rate, FullRange: true}
}

func or(v, def float64) float64 {
	if v == 0 {
		return def
	}
	return v
}

// pictureFile is a recording of JPEGs that this package reads itself.
type pictureFile struct {
	*counter
	f        io.Closer // nil: the caller's
	pictures func() ([]byte, error)
	form     video.Format
	slot     uint64 // intervals passed
	seq      uint64
}

func (p *pictureFile) format() video.Format { return p.form }

func (p *pictureFile) close() error {
	if p.f == nil {
		return nil
	}
	return p.f.Close()
}

func (p *pictureFile) next(pool *video.Pool) (*video.Frame, error) {
	for {
		b, err := p.pictures()
		if err != nil {
			return nil, err
		}
		slot := p.slot
		p.slot++
		if len(b) == 0 {
			continue // the picture before stays
		}
		seq := p.seq
		p.seq++
		w, h, err := jpeg.Size(b)
		if err != nil {
			return nil, errBadPicture
		}
		f := pool.Get(len(b))
		copy(f.Data, b)
		f.Format = p.form
		f.Format.Width, f.Format.Height = w, h
		f.Seq, f.Mono = seq, time.Duration(float64(slot)/p.form.Rate*float64(time.Second))
		return f, nil
	}
}

// replay delivers a recording in real time: each frame when its time has come, by a clock that
// started with the first. A frame that is late is delivered at once. With loop the
// recording begins again, times and numbers going on.
func replay(ctx context.Context, src source, cfg Config, pool *video.Pool, out output) error {
	start, mono := time.Now(), video.Now()
	var base time.Duration // place of this round's first frame
	var seq uint64
	for round := 0; ; round++ {
		rec, err := openRecording(ctx, src, cfg.Size, cfg.Rate)
		if err != nil {
			return err
		}
		if round == 0 {
			start, mono = time.Now(), video.Now() // an ffmpeg child takes its time to start
			out.granted(src.path, "recording", rec.format())
		}
		interval := time.Duration(float64(time.Second) / rec.format().Rate)
		end := base
		n, err := eachFrame(ctx, src, rec, pool, out, func(f *video.Frame) error {
			at := base + f.Mono
			end = at + interval
			f.Seq += seq
			f.Mono = mono + at
			return sleepUntil(ctx, start.Add(at))
		})
		if err != nil {
			return err
		}
		if !src.loop {
			return fmt.Errorf("recording %s: %w", src.path, ErrEnded)
		}
		base, seq = end, seq+n
	}
}

// eachFrame delivers all frames of a recording, before being called with each, and closes the
// recording. It returns how many numbers the frames took.
func eachFrame(ctx context.Context, src source, rec recording, pool *video.Pool, out output, before func(*video.Frame) error) (numbers uint64, err error) {
	defer func() {
		if e := rec.close(); err == nil && e != nil {
			err = fmt.Errorf("recording %s: %w", src.path, e)
		}
	}()
	delivered := false
	for {
		if ctx.Err() != nil {
			return numbers, context.Cause(ctx)
		}
		f, err := rec.next(pool)
		if errors.Is(err, errBadPicture) {
			numbers++
			out.discard(err.Error())
			continue
		}
		if errors.Is(err, io.EOF) && delivered {
			return numbers, nil
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("holds no picture")
		}
		if err != nil {
			return numbers, fmt.Errorf("recording %s: %w", src.path, err)
		}
		numbers = f.Seq + 1
		if err := before(f); err != nil {
			f.Release()
			return numbers, err
		}
		delivered = true
		if err := out.deliver(f); err != nil {
			return numbers, err
		}
	}
}

// sleepUntil waits for t or the end of ctx, whose cause it returns.
func sleepUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
