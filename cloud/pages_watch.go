package cloud

import (
	"errors"
	"net/http"
	"net/url"
)

// watchView is a camera's live view on a page.
type watchView struct {
	Name    string
	Address string // the API's, for the page's script
	Picture string // id of the newest picture, or empty
	Ready   bool
}

func (s *Server) watchView(r *http.Request, c *camera) (watchView, error) {
	v := watchView{Name: c.Name, Address: "/api/users/me/cameras/" + url.PathEscape(c.Name) + "/live", Ready: s.lives.ready(c.ID)}
	it, err := s.store.latestImage(r.Context(), c.ID)
	if errors.Is(err, errNotFound) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Picture = it.ID
	return v, nil
}

type watchPage struct {
	layout
	Camera *camera
	Events string // link to its events
	Watch  watchView

	Changes changesView
}

// watchPage shows a camera live, whether or not it was claimed.
func (s *Server) watchPage(w http.ResponseWriter, r *http.Request) error {
	acc, l, err := s.signedIn(r, "Live")
	if err != nil {
		return err
	}
	d := watchPage{layout: l}
	if d.Camera, err = s.store.camera(r.Context(), acc.ID, pathVar(r, "camera")); err != nil {
		return err
	}
	d.Title, d.Events = d.Camera.Name, homeQuery{}.link(d.Camera.Name, 0)
	if d.Watch, err = s.watchView(r, d.Camera); err != nil {
		return err
	}
	if d.Changes, err = s.changesView(r, d.Camera); err != nil {
		return err
	}
	return s.pages.render(w, http.StatusOK, "camera", d)
}
