package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"camward/agent"
	"camward/codec/jpeg"
	"camward/internal/atomicfile"
	"camward/scripts/scenes"
	"camward/video"
)

// A film is all that the detector sees of a clip: luma at an eighth of its size, one plane after the other, and when each was taken.
type film struct {
	width, height int
	stamps        []time.Duration
	pix           []byte
}

// add copies a plane.
func (f *film) add(at time.Duration, p *video.Plane) {
	f.width, f.height = p.Width, p.Height
	f.stamps = append(f.stamps, at)
	for y := range p.Height {
		f.pix = append(f.pix, p.Pix[y*p.Stride:][:p.Width]...)
	}
}

// plane gives the n-th one, not copied.
func (f *film) plane(n int) video.Plane {
	size := f.width * f.height
	return video.Plane{Width: f.width, Height: f.height, Stride: f.width, Pix: f.pix[n*size:][:size]}
}

// recording gives the film of a clip, by way of the agent's own decoders.
func (o *options) recording(ctx context.Context, clip string) (*film, error) {
	load := func() (*film, error) {
		f := &film{}
		err := agent.EachPlane(ctx, clip, func(at time.Duration, p *video.Plane) error {
			f.add(at, p)
			return nil
		})
		return f, err
	}
	if o.planes == "" {
		return load()
	}
	info, err := os.Stat(clip)
	if err != nil {
		return nil, err
	}
	kept := filepath.Join(o.planes, fmt.Sprintf("%s-%d-%d.film", filepath.Base(clip), info.Size(), info.ModTime().Unix()))
	b, err := os.ReadFile(kept)
	if err == nil {
		return unpack(b)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	f, err := load()
	if err != nil {
		return nil, err
	}
	return f, atomicfile.Write(kept, f.pack(), 0o644)
}

// pack writes a film: width, height and number of planes, the stamps, the planes.
func (f *film) pack() []byte {
	b := make([]byte, 0, 12+8*len(f.stamps)+len(f.pix))
	for _, v := range []int{f.width, f.height, len(f.stamps)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	for _, s := range f.stamps {
		b = binary.LittleEndian.AppendUint64(b, uint64(s))
	}
	return append(b, f.pix...)
}

func unpack(b []byte) (*film, error) {
	errCut := errors.New("kept planes are cut off")
	if len(b) < 12 {
		return nil, errCut
	}
	word := func(i int) int { return int(binary.LittleEndian.Uint32(b[4*i:])) }
	f := &film{width: word(0), height: word(1), stamps: make([]time.Duration, word(2))}
	if len(b) != 12+len(f.stamps)*(8+f.width*f.height) {
		return nil, errCut
	}
	for i := range f.stamps {
		f.stamps[i] = time.Duration(binary.LittleEndian.Uint64(b[12+8*i:]))
	}
	f.pix = b[12+8*len(f.stamps):]
	return f, nil
}

// scene gives the film of a scene, by way of JPEG and the decoder that the agent has.
func (o *options) scene(ctx context.Context, s scenes.Scene) (*film, error) {
	f := &film{width: (o.width + 7) / 8, height: (o.height + 7) / 8}
	var err error
	if f.pix, err = o.watch(ctx, s); err != nil {
		return nil, err
	}
	for i := range len(f.pix) / (f.width * f.height) {
		f.stamps = append(f.stamps, time.Duration(float64(i)/o.rate*float64(time.Second)))
	}
	return f, nil
}

// watch gives the planes of a scene, one after the other.
func (o *options) watch(ctx context.Context, s scenes.Scene) ([]byte, error) {
	if o.planes == "" {
		return o.render(ctx, s)
	}
	planes, err := os.ReadFile(o.kept(s, o.rate))
	if !errors.Is(err, os.ErrNotExist) {
		return planes, err
	}
	for _, more := range []int{60, 30} { // pictures don't depend on each other
		n := more / max(int(o.rate), 1)
		if n < 2 || float64(n)*o.rate != float64(more) {
			continue
		}
		if planes, err = os.ReadFile(o.kept(s, float64(more))); err == nil {
			return every(planes, n, (o.width+7)/8*((o.height+7)/8)), nil
		}
	}
	if planes, err = o.render(ctx, s); err != nil {
		return nil, err
	}
	return planes, atomicfile.Write(o.kept(s, o.rate), planes, 0o644)
}

// kept is the file with the planes of a scene at a rate.
func (o *options) kept(s scenes.Scene, rate float64) string {
	quality := ""
	if o.quality > 0 {
		quality = fmt.Sprintf("-q%d", o.quality)
	}
	return filepath.Join(o.planes, fmt.Sprintf("%s-%dx%d-%g%s.v%d", s.Name, o.width, o.height, rate, quality, scenes.Version))
}

// every takes each n-th plane of a size, from the first on.
func every(planes []byte, n, size int) (out []byte) {
	for i := 0; i+size <= len(planes); i += n * size {
		out = append(out, planes[i:][:size]...)
	}
	return out
}

// renderWhole is the width up to which scenes are rendered in full and taken through JPEG. Larger ones, which would take minutes each, are
// rendered at an eighth: a sample of it has the mean and the noise of 8x8 pixels, as the decoder gives it.
const renderWhole = 640

func (o *options) render(ctx context.Context, s scenes.Scene) ([]byte, error) {
	width, height, whole := o.width, o.height, o.width <= renderWhole
	if !whole {
		width, height = (width+7)/8, (height+7)/8
	}
	r, err := s.Renderer(width, height, o.rate)
	if err != nil {
		return nil, err
	}
	var (
		dec    jpeg.LumaDecoder
		luma   video.Plane
		planes []byte
	)
	for p, ok := r.Next(); ok; p, ok = r.Next() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !whole {
			planes = append(planes, p.Luma.Pix...)
			continue
		}
		if o.quality > 0 {
			p.Quality = o.quality
		}
		data, err := r.JPEG(p)
		if err != nil {
			return nil, err
		}
		if err := dec.Decode(&luma, data); err != nil {
			return nil, fmt.Errorf("scene %s: %w", s.Name, err)
		}
		for y := range luma.Height {
			planes = append(planes, luma.Pix[y*luma.Stride:][:luma.Width]...)
		}
	}
	return planes, nil
}
