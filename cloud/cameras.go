package cloud

import (
	"errors"
	"net/http"
	"os"
	"strconv"

	"camward/camio"
)

// online tells whether a poll or an upload came within the window, or the camera is connected for live view.
func (s *Server) online(c *camera) bool {
	if s.lives.socket(c.ID) != nil {
		return true
	}
	seen := c.seen()
	return !seen.IsZero() && s.now().Sub(seen) <= s.cfg.Online
}

// wire turns a camera into the API's object. web_rtc stands in the capabilities only while the camera can be watched.
func (s *Server) wire(acc *account, c *camera) camio.Camera {
	w := camio.Camera{Name: c.Name, CameraID: c.CameraID, Attribution: map[string]any{}, Tags: []string{},
		IsOnline: s.online(c), Capabilities: []string{"video"}, UserID: acc.UserID, State: c.State}
	if s.lives.ready(c.ID) {
		w.Capabilities = append(w.Capabilities, "web_rtc")
	}
	if c.Width > 0 && c.Height > 0 {
		w.Resolution = &camio.Resolution{AspectRatio: float32(c.Width) / float32(c.Height), Height: c.Height, Width: c.Width}
	}
	return w
}

func (s *Server) listCameras(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	fetch, err := boolParam(r, "fetch_zones")
	if err != nil {
		return err
	}
	list, err := cameras(r.Context(), s.store.r, acc.ID)
	if err != nil {
		return err
	}
	out := make([]camio.Camera, len(list))
	for i, c := range list {
		out[i] = s.wire(acc, c)
	}
	if !fetch {
		reply(w, out)
		return nil
	}
	zoned := make([]cameraWithZones, len(list))
	for i, c := range list {
		zoned[i].Camera = out[i]
		if zoned[i].Zones, err = zonesOf(r.Context(), s.store.r, c.ID); err != nil {
			return err
		}
	}
	reply(w, zoned)
	return nil
}

// cameraWithZones shows the zones also where there are none: they were asked for.
type cameraWithZones struct {
	camio.Camera
	Zones []camio.Zone `json:"zones"`
}

// userCamera authenticates and finds the camera of the path.
func (s *Server) userCamera(r *http.Request) (*account, *camera, error) {
	acc, err := s.user(r)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.store.camera(r.Context(), acc.ID, pathVar(r, "camera"))
	return acc, c, err
}

func (s *Server) getCamera(w http.ResponseWriter, r *http.Request) error {
	acc, c, err := s.userCamera(r)
	if err != nil {
		return err
	}
	reply(w, s.wire(acc, c))
	return nil
}

// deleteCamera forgets the camera and all its content.
func (s *Server) deleteCamera(w http.ResponseWriter, r *http.Request) error {
	acc, c, err := s.userCamera(r)
	if err != nil {
		return err
	}
	if err := s.store.deleteCamera(r.Context(), c.ID); err != nil {
		return err
	}
	s.lives.recheck(acc.ID)
	// What cannot be removed now is not in the index any more: the next start removes it.
	err = os.RemoveAll(s.contentPath(strconv.FormatInt(c.ID, 10)))
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// uploadToken answers with a bare JSON string.
func (s *Server) uploadToken(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	token, err := s.secrets.openToken(acc.UploadSealed, acc.UserID)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, token)
	return nil
}

// hint tells an installer whose upload token it is: the address up to the @.
func (s *Server) hint(w http.ResponseWriter, r *http.Request) error {
	if err := limit(w, r, s.hintLimit); err != nil {
		return err
	}
	acc, err := s.uploader(r.Context(), pathVar(r, "upload_token"))
	if errors.Is(err, errNotFound) {
		return refuse(http.StatusNotFound, "No account has this upload token")
	}
	if err != nil {
		return err
	}
	reply(w, camio.Hint{Email: maskEmail(acc.Email)})
	return nil
}

func maskEmail(email string) string {
	for i := len(email) - 1; i >= 0; i-- {
		if email[i] == '@' {
			return email[:i+1] + "..."
		}
	}
	return "..."
}

// boolParam reads a parameter that may be true, false or absent.
func boolParam(r *http.Request, name string) (bool, error) {
	switch s := r.URL.Query().Get(name); s {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, badRequest("%s=%s is neither true nor false", name, s)
	}
}

// intParam reads a parameter within lo..hi; 0 for hi means no upper bound.
func intParam(r *http.Request, name string, otherwise, lo, hi int) (int, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < lo || (hi > 0 && n > hi) {
		if hi > 0 {
			return 0, badRequest("%s=%s is not a whole number from %d to %d", name, s, lo, hi)
		}
		return 0, badRequest("%s=%s is not a whole number of at least %d", name, s, lo)
	}
	return n, nil
}
