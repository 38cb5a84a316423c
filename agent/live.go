package agent

import (
	"net/http"

	"camward/live"
	"camward/video"
	"camward/web"
)

// queueLive is the live view's name on a camera's hub.
const queueLive = "live"

// newLive wires the live view of all cameras. Where everybody on the device may watch without a password, pages of other sites may not.
func (a *Agent) newLive() (err error) {
	cfg := a.cfg.Live
	if (web.Config{Listen: a.cfg.Listen}).Loopback() && !web.HasPassword(a.cfg.StateDir) {
		cfg.AllowOrigin = ""
	}
	if a.live, err = live.New(cfg, a.cfg.StateDir, a.log); err != nil {
		return err
	}
	a.live.SetEncoder(a.encode)
	for _, p := range a.cameras {
		a.live.AddCamera(p.name, liveSource{p})
	}
	return nil
}

// A liveSource gives viewers a camera's pictures.
type liveSource struct{ *pipeline }

// Subscribe implements live.Source.
func (s liveSource) Subscribe(depth int) (frames <-chan *video.Frame, stop func()) {
	sub := s.hub.Subscribe(queueLive, depth)
	return sub.Frames(), sub.Close
}

// Format implements live.Teller.
func (s liveSource) Format() (f video.Format, ok bool) {
	status := s.camera.Status()
	return status.Format, status.Running && status.Last > 0
}

// RequestKey implements live.KeyRequester: the camera encodes, and somebody waits for a picture that can be decoded alone. A driver may take
// seconds to answer, which nobody waits for.
func (p *pipeline) RequestKey() { go p.camera.RequestKey() }

// liveRoutes serve WHEP. A browser asks for permission (OPTIONS) without credentials.
func (a *Agent) liveRoutes(s *web.Server) {
	h := a.live.Handler()
	for _, path := range []string{"/whep", "/whep/{session}", "/cameras/{camera}/whep", "/cameras/{camera}/whep/{session}"} {
		s.HandleOpen("OPTIONS "+path, h)
		for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
			s.HandleView(method+" "+path, h)
		}
	}
}
