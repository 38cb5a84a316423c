package capture

import (
	"errors"
	"fmt"
	"sync"

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

// privacy blackens parts of the pictures. The zero value passes them through. Safe for concurrent use.
type privacy struct {
	mu     sync.Mutex
	shapes []video.Polygon
}

// SetPrivacy changes the parts of the picture that nobody is to see, for every picture that arrives from now on; none for no parts.
// An error leaves all as it was. Safe for concurrent use.
func (c *Camera) SetPrivacy(shapes []video.Polygon) error { return c.privacy.set(shapes) }

func (p *privacy) set(shapes []video.Polygon) error {
	if err := checkPrivacy(shapes); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shapes = shapes
	return nil
}

// on reports whether there is a mask.
func (p *privacy) on() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.shapes) > 0
}

// apply takes over the caller's reference to f, which nobody else may hold, and returns the frame to publish in its place: f
// itself, changed or not, or another of pool. Without an error it may also be nil: a decoder waits for its first key picture. A picture that cannot be
// masked is an error, and must not be shown.
func (p *privacy) apply(f *video.Frame, pool *video.Pool) (*video.Frame, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.shapes) == 0 {
		return f, nil
	}
	f.Release()
	return nil, errors.New("not maskable")
}

// close releases what is held outside of Go's memory. The privacy mask stays, and apply may be called again.
func (p *privacy) close() {}
