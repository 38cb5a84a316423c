package cloud

import (
	"bytes"
	"container/list"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"net/http"
	"os"
	"sync"

	"golang.org/x/image/draw"
)

// scale is a bounding box in pixels and a JPEG quality. A side of 0 is unbounded; the zero scale means the
// original bytes.
type scale struct{ W, H, Quality int }

const defaultQuality = 85

// parseScale reads w, h and quality; w and h are what is taken where they are absent.
func parseScale(r *http.Request, w, h int) (sc scale, err error) {
	if sc.W, err = intParam(r, "w", w, 1, 0); err != nil {
		return sc, err
	}
	if sc.H, err = intParam(r, "h", h, 1, 0); err != nil {
		return sc, err
	}
	if sc.Quality, err = intParam(r, "quality", defaultQuality, 1, 100); err != nil {
		return sc, err
	}
	if sc.W == 0 && sc.H == 0 && r.URL.Query().Get("quality") == "" {
		return scale{}, nil
	}
	return sc, nil
}

// maxPixels refuses pictures that would take more than about 400 MB to decode.
const maxPixels = 100 << 20

// picture is an item's bytes, for pictures within the box and turned upright if a scale is given. It answers
// errNotFound if the file was deleted meanwhile.
func (s *Server) picture(it *item, sc scale) ([]byte, error) {
	if it.Video || sc == (scale{}) {
		b, err := os.ReadFile(s.contentPath(it.File))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errNotFound
		}
		return b, err
	}
	key := thumbKey{it.ID, sc}
	if b := s.thumbs.get(key); b != nil {
		return b, nil
	}
	b, err := s.scaled(it, sc)
	if err == nil {
		s.thumbs.put(key, b)
	}
	return b, err
}

// scaled decodes and scales; few at a time, since a large picture takes hundreds of megabytes.
func (s *Server) scaled(it *item, sc scale) ([]byte, error) {
	s.scaling <- struct{}{}
	defer func() { <-s.scaling }()
	f, err := os.Open(s.contentPath(it.File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if it.Width*it.Height > maxPixels {
		return nil, refuse(http.StatusUnprocessableEntity, "The picture is too large to be scaled")
	}
	src, _, err := image.Decode(f)
	if err != nil { // cut short on its way from the sensor, for one
		return nil, refuse(http.StatusUnprocessableEntity, "The picture is damaged: %v", err)
	}
	src = turn(shrink(src, it.Rotation, sc), it.Rotation)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, src, &jpeg.Options{Quality: sc.Quality}); err != nil {
		return nil, fmt.Errorf("scale picture: %w", err)
	}
	return out.Bytes(), nil
}

// shrink fits the picture into the box as it will be after turning. It never enlarges.
func shrink(src image.Image, rotation int, sc scale) image.Image {
	b := src.Bounds()
	w, h := sc.W, sc.H
	if rotation%180 != 0 {
		w, h = h, w
	}
	f := 1.0
	if w > 0 {
		f = min(f, float64(w)/float64(b.Dx()))
	}
	if h > 0 {
		f = min(f, float64(h)/float64(b.Dy()))
	}
	if f == 1 {
		return src
	}
	dst := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(b.Dx())*f+0.5)), max(1, int(float64(b.Dy())*f+0.5))))
	draw.BiLinear.Scale(dst, dst.Bounds(), src, b, draw.Src, nil) // weighs all source pixels; the approximate one aliases
	return dst
}

// turn rotates clockwise by a multiple of 90 degrees.
func turn(src image.Image, rotation int) image.Image {
	if rotation == 0 {
		return src
	}
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	size := image.Rect(0, 0, w, h)
	if rotation%180 != 0 {
		size = image.Rect(0, 0, h, w)
	}
	dst := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			c := src.At(b.Min.X+x, b.Min.Y+y)
			switch rotation {
			case 90:
				dst.Set(h-1-y, x, c)
			case 180:
				dst.Set(w-1-x, h-1-y, c)
			case 270:
				dst.Set(y, w-1-x, c)
			}
		}
	}
	return dst
}

// thumbCache keeps the scaled pictures used last, up to a number of bytes.
type thumbCache struct {
	limit int

	mu   sync.Mutex
	size int
	byID map[thumbKey]*list.Element
	used list.List // of thumbEntry, the last used in front
}

type thumbKey struct {
	id string
	sc scale
}

type thumbEntry struct {
	key thumbKey
	b   []byte
}

func newThumbCache(limit int) *thumbCache {
	return &thumbCache{limit: limit, byID: make(map[thumbKey]*list.Element)}
}

// get returns the cached bytes, which nobody may change, or nil.
func (c *thumbCache) get(k thumbKey) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[k]
	if e == nil {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(thumbEntry).b
}

func (c *thumbCache) put(k thumbKey, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID[k] != nil || len(b) > c.limit/4 {
		return
	}
	c.byID[k] = c.used.PushFront(thumbEntry{k, b})
	c.size += len(b)
	for c.size > c.limit {
		e := c.used.Remove(c.used.Back()).(thumbEntry)
		delete(c.byID, e.key)
		c.size -= len(e.b)
	}
}
