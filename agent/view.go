package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"camward/capture"
	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/video"
	"camward/web"
)

const (
	maxStreams    = 8                // motion JPEG viewers at a time, of all cameras; each costs the network its own copy
	pictureWithin = 5 * time.Second  // a camera that gives none by then has none
	viewerWithin  = 10 * time.Second // a viewer that takes none for so long is gone
	viewDepth     = 32               // pictures of a camera that encodes, which must all be seen
	viewQuality   = 85               // of pictures that the camera did not deliver as JPEG
	streamMark    = "camward-picture"
)

// viewRoutes show a camera's pictures to programs: /cameras/NAME/snapshot.jpg and /cameras/NAME/stream.mjpeg; without the prefix it is the first
// camera. An MJPEG camera's pictures pass as they are, with what readers need and webcams leave out put in.
func (a *Agent) viewRoutes(s *web.Server) {
	var streams atomic.Int32
	snapshot := func(w http.ResponseWriter, r *http.Request, p *pipeline) error { return p.snapshot(w, r) }
	stream := func(w http.ResponseWriter, r *http.Request, p *pipeline) error {
		if streams.Add(1) > maxStreams {
			streams.Add(-1)
			w.Header().Set("Retry-After", "10")
			return &viewError{http.StatusServiceUnavailable, fmt.Sprintf("%d viewers are watching already", maxStreams)}
		}
		defer streams.Add(-1)
		return p.stream(w, r)
	}
	for path, show := range map[string]func(http.ResponseWriter, *http.Request, *pipeline) error{"snapshot.jpg": snapshot, "stream.mjpeg": stream} {
		h := a.withCamera(show)
		s.HandleView("GET /cameras/{name}/"+path, h)
		s.HandleView("GET /"+path, h)
	}
}

// A viewError is for the viewer to read.
type viewError struct {
	status int
	text   string
}

func (e *viewError) Error() string { return e.text }

// withCamera finds the camera that a path names, and tells faults.
func (a *Agent) withCamera(show func(http.ResponseWriter, *http.Request, *pipeline) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		for _, p := range a.cameras {
			if p.name != name && name != "" {
				continue
			}
			var fault *viewError
			if err := show(w, r, p); errors.As(err, &fault) {
				http.Error(w, fault.text, fault.status)
			}
			return
		}
		http.Error(w, "there is no camera of this name", http.StatusNotFound)
	})
}

// picture gives the camera's next picture as a JPEG that is the caller's to keep.
func (p *pipeline) picture(ctx context.Context) ([]byte, error) {
	v := p.watch(false)
	defer v.close()
	return v.next(ctx, pictureWithin)
}

// snapshot answers with the camera's next picture.
func (p *pipeline) snapshot(w http.ResponseWriter, r *http.Request) error {
	b, err := p.picture(r.Context())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, err = w.Write(b)
	return err
}

// stream answers with the camera's pictures until the viewer goes: multipart/x-mixed-replace, as browsers and recorders know it.
func (p *pipeline) stream(w http.ResponseWriter, r *http.Request) error {
	v := p.watch(true)
	defer v.close()
	c := http.NewResponseController(w)
	for first := true; ; first = false {
		b, err := v.next(r.Context(), pictureWithin)
		if err != nil && !first {
			return nil // the viewer sees the connection end, and connects again
		}
		if err != nil {
			return err
		}
		if first {
			w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary="+streamMark)
		}
		if err := c.SetWriteDeadline(time.Now().Add(viewerWithin)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", streamMark, len(b)); err != nil {
			return err
		}
		v.buf = append(b, "\r\n"...)
		if _, err := w.Write(v.buf); err != nil {
			return err
		}
		if err := c.Flush(); err != nil {
			return err
		}
	}
}

// A viewer makes JPEGs of a subscription's frames, in buffers that it uses again.
type viewer struct {
	sub  *capture.Subscription
	mask sieve
	img  video.I420
	h264 h264Reader

	buf, mended []byte
}

// watch subscribes to the camera's pictures. Of a camera that encodes, moving ones are those of its second node, if that is open: they need no decoding.
func (p *pipeline) watch(moving bool) *viewer {
	hub, depth := p.hub, 1
	switch st := p.camera.Status(); {
	case st.Format.FourCC != video.H264:
	case moving && st.Detect != "":
		hub = p.small
	default:
		depth = viewDepth
		p.RequestKey()
	}
	return &viewer{sub: hub.Subscribe(queueView, depth), mask: sieve{changed: &p.masked, depth: depth}}
}

func (v *viewer) close() {
	v.sub.Close()
	v.h264.close()
}

// next waits for a picture that can be shown. The bytes hold until the next call.
func (v *viewer) next(ctx context.Context, limit time.Duration) ([]byte, error) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-timeout.C:
			return nil, &viewError{http.StatusServiceUnavailable, "the camera gives no pictures just now"}
		case f := <-v.sub.Frames():
			old, last := v.mask.old(f)
			if old && !last {
				f.Release()
				continue
			}
			b, err := v.jpeg(f)
			f.Release()
			if err == nil {
				v.buf = b
				return b, nil
			}
		}
	}
}

func (v *viewer) jpeg(f *video.Frame) ([]byte, error) {
	switch f.Format.FourCC {
	case video.MJPEG:
		b, err := jpeg.Repair(v.mended, f.Data)
		if err != nil {
			return nil, err
		}
		if &b[0] != &f.Data[0] {
			v.mended = b
		}
		return append(v.buf[:0], b...), nil // what is the frame's own ends with it
	case video.H264:
		img, err := v.h264.read(f)
		if err != nil {
			return nil, err
		}
		return jpeg.Encode(v.buf[:0], img, viewQuality)
	}
	if err := h264.ToI420(&v.img, f); err != nil {
		return nil, err
	}
	return jpeg.Encode(v.buf[:0], &v.img, viewQuality)
}
