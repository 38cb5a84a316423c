package capture

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"camward/codec/jpeg"
	"camward/video"
)

// What a privacy mask may have, so that rasterising it for a picture takes no noticeable time.
const (
	maxShapes  = 32
	maxCorners = 64 // of one shape
)

// checkPrivacy reports every fault of a mask, each under its key.
func checkPrivacy(shapes []video.Polygon) error {
	errs := video.Faults("privacy", shapes)
	if len(shapes) > maxShapes {
		errs = append(errs, fmt.Errorf("privacy: %d polygons, at most %d", len(shapes), maxShapes))
	}
	for i, p := range shapes {
		if len(p) > maxCorners {
			errs = append(errs, fmt.Errorf("privacy[%d]: %d points, at most %d", i, len(p), maxCorners))
		}
	}
	return errors.Join(errs...)
}

// privacy blackens parts of the pictures. The zero value passes them through. Safe for concurrent use; the frames of one
// stream must come in order.
type privacy struct {
	mu     sync.Mutex
	shapes []video.Polygon
	veils  []*veil // least recently made first
}

// maxVeils is how many kinds of frames are told apart: those of the camera, those of its second node, and one that a camera which
// changes its mind had before.
const maxVeils = 3

// A veil is what masks the frames of one format and size.
type veil struct {
	form  video.Format  // the fields that tell frames apart
	mask  *video.Mask   // of raw frames, for the size of the last
	jpegs *jpeg.Masker  // of MJPEG
	buf   []byte        // the last picture of jpegs
	h264  *videoDecoder // of H.264
}

// SetPrivacy changes the parts of the picture that nobody is to see, for every picture that arrives from now on; none for no parts.
// An error leaves all as it was. Pictures that were published before are not called back. Safe for concurrent use.
func (c *Camera) SetPrivacy(shapes []video.Polygon) error { return c.privacy.set(shapes) }

func (p *privacy) set(shapes []video.Polygon) error {
	if err := checkPrivacy(shapes); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shapes = cloneShapes(shapes)
	for _, v := range p.veils {
		v.mask, v.jpegs = nil, nil
	}
	return nil
}

func cloneShapes(shapes []video.Polygon) []video.Polygon {
	shapes = slices.Clone(shapes)
	for i := range shapes {
		shapes[i] = slices.Clone(shapes[i])
	}
	return shapes
}

// apply takes over the caller's reference to f, which nobody else may hold, and returns the frame to publish in its place: f
// itself, changed or not, or another of pool. Without an error it may also be nil: a decoder waits for a key picture. A picture that
// cannot be masked is an error, and is not to be shown.
func (p *privacy) apply(f *video.Frame, pool *video.Pool) (*video.Frame, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(f.Format)
	if len(p.shapes) == 0 {
		return p.pass(f, i), nil
	}
	if i < 0 {
		i = p.add(f.Format)
	}
	g, err := p.veils[i].apply(f, pool, p.shapes)
	if err != nil {
		return nil, fmt.Errorf("privacy mask: %w", err)
	}
	return g, nil
}

// pass lets a frame through unchanged. After a time with a mask, H.264 goes on at a key picture: those before had no predecessors.
func (p *privacy) pass(f *video.Frame, i int) *video.Frame {
	if i < 0 {
		return f
	}
	if f.Format.FourCC == video.H264 {
		if _, key := content(f.Data); !key {
			f.Release()
			return nil
		}
	}
	p.veils[i].close()
	p.veils = slices.Delete(p.veils, i, i+1)
	return f
}

// find gives the index of the veil for frames of a format, -1 if there is none.
func (p *privacy) find(form video.Format) int {
	for i, v := range p.veils {
		if v.form.FourCC == form.FourCC && v.form.Width == form.Width && v.form.Height == form.Height {
			return i
		}
	}
	return -1
}

func (p *privacy) add(form video.Format) int {
	if len(p.veils) == maxVeils {
		p.veils[0].close()
		p.veils = slices.Delete(p.veils, 0, 1)
	}
	p.veils = append(p.veils, &veil{form: form})
	return len(p.veils) - 1
}

// close releases what is held outside of Go's memory. The mask stays, and apply may be called again.
func (p *privacy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.veils {
		v.close()
	}
	p.veils = nil
}

// apply is privacy's. Formats are named one by one: what is new here is not shown until somebody has thought about it.
func (v *veil) apply(f *video.Frame, pool *video.Pool, shapes []video.Polygon) (_ *video.Frame, err error) {
	switch f.Format.FourCC {
	case video.MJPEG:
		return v.maskJPEG(f, pool, shapes)
	case video.H264:
		if f, err = v.decode(f, pool); f == nil || err != nil {
			return nil, err
		}
	case video.YUYV, video.UYVY, video.NV12, video.YU12, video.Grey:
	default:
		err = fmt.Errorf("format %v is not known", f.Format.FourCC)
	}
	if err == nil {
		_, err = f.Format.RawSize() // before a mask is made for a size that cannot be
	}
	if err == nil {
		err = v.fit(f.Format.Width, f.Format.Height, shapes).Black(f)
	}
	if err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// fit gives the mask for raw pictures of a size.
func (v *veil) fit(width, height int, shapes []video.Polygon) *video.Mask {
	if v.mask != nil {
		if w, h := v.mask.Size(); w == width && h == height {
			return v.mask
		}
	}
	v.mask = video.NewMask(shapes, width, height)
	return v.mask
}

// maskJPEG returns f if the masked picture fits into its memory.
func (v *veil) maskJPEG(f *video.Frame, pool *video.Pool, shapes []video.Polygon) (*video.Frame, error) {
	if v.jpegs == nil {
		v.jpegs = jpeg.NewMasker(shapes)
	}
	out, err := v.jpegs.Mask(v.buf, f.Data)
	if err != nil {
		f.Release()
		return nil, err
	}
	v.buf = out
	g := f
	if len(out) <= cap(f.Data) {
		f.Data = f.Data[:len(out)]
	} else {
		g = pool.Get(len(out))
		g.Format, g.Seq, g.Mono = f.Format, f.Seq, f.Mono
		f.Release()
	}
	copy(g.Data, out)
	return g, nil
}
