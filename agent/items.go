package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"go.uber.org/zap"

	"camward/uploader"
	"camward/web"
)

// SpoolItem is one recording that waits for its upload.
type SpoolItem = uploader.ItemStatus

// Items is the spool as a person handles it: that of the running agent, or its directory if none is running.
type Items interface {
	// List gives the items in the order of sending, those in quarantine last.
	List() ([]SpoolItem, error)
	// Retry makes an item's next try due now; a quarantined one goes back to the queue.
	Retry(id uint64) error
	// Drop deletes an item. It is lost.
	Drop(id uint64) error
	// Open reads an item's data and gives the name it has as a file.
	Open(id uint64) (data io.ReadCloser, name string, err error)
	Close() error
}

// OpenItems finds the spool of a configuration.
func OpenItems(cfg *Loaded) (Items, error) {
	control, err := web.FindControl(cfg.StateDir)
	if err == nil {
		remote := remoteItems{control}
		if _, err = remote.List(); err == nil {
			return remote, nil
		}
	}
	if !errors.Is(err, web.ErrNotRunning) {
		return nil, err
	}
	if _, err := os.Stat(cfg.Spool.Dir); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	spool, err := uploader.OpenSpool(cfg.Spool, uploader.NewClock(), zap.NewNop())
	if err != nil {
		return nil, err
	}
	return localItems{spool}, nil
}

type localItems struct{ *uploader.Spool }

func (l localItems) List() ([]SpoolItem, error) { return l.Items(), nil }

// remoteItems asks the running agent, by the routes that spoolRoutes hangs up.
type remoteItems struct{ *web.Control }

func (r remoteItems) List() (list []SpoolItem, err error) {
	resp, err := r.Do(http.MethodGet, "/api/spool")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return list, json.NewDecoder(resp.Body).Decode(&list)
}

func (r remoteItems) Retry(id uint64) error {
	return r.done(http.MethodPost, fmt.Sprintf("/api/spool/%d/retry", id))
}

func (r remoteItems) Drop(id uint64) error {
	return r.done(http.MethodDelete, fmt.Sprintf("/api/spool/%d", id))
}

func (r remoteItems) done(method, path string) error {
	resp, err := r.Do(method, path)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (r remoteItems) Open(id uint64) (io.ReadCloser, string, error) {
	resp, err := r.Do(http.MethodGet, fmt.Sprintf("/api/spool/%d/data", id))
	if err != nil {
		return nil, "", err
	}
	name, err := url.PathUnescape(resp.Header.Get("X-Name"))
	return resp.Body, filepath.Base(name), err
}

func (remoteItems) Close() error { return nil }

// spoolRoutes lets camward's own verbs handle the running agent's spool.
func (a *Agent) spoolRoutes(s *web.Server) {
	s.HandleControl("GET /api/spool", a.withSpool(func(w http.ResponseWriter, _ *http.Request, spool *uploader.Spool) error {
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(spool.Items())
	}))
	s.HandleControl("POST /api/spool/{id}/retry", a.withItem(func(_ http.ResponseWriter, spool *uploader.Spool, id uint64) error {
		err := spool.Retry(id)
		if err == nil {
			a.spool.resume()
		}
		return err
	}))
	s.HandleControl("DELETE /api/spool/{id}", a.withItem(func(_ http.ResponseWriter, spool *uploader.Spool, id uint64) error {
		return spool.Drop(id)
	}))
	s.HandleControl("GET /api/spool/{id}/data", a.withItem(func(w http.ResponseWriter, spool *uploader.Spool, id uint64) error {
		data, name, err := spool.Open(id)
		if err != nil {
			return err
		}
		defer data.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("X-Name", url.PathEscape(name))
		_, err = io.Copy(w, data)
		return err
	}))
}

// withSpool answers with the fault if there is no spool or the work fails.
func (a *Agent) withSpool(do func(http.ResponseWriter, *http.Request, *uploader.Spool) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spool, err := a.spool.opened()
		if err == nil {
			err = do(w, r, spool)
		}
		switch {
		case err == nil:
		case errors.Is(err, uploader.ErrNoItem):
			http.Error(w, err.Error(), http.StatusNotFound)
		case errors.Is(err, uploader.ErrBusy):
			http.Error(w, err.Error(), http.StatusConflict)
		default:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

func (a *Agent) withItem(do func(http.ResponseWriter, *uploader.Spool, uint64) error) http.Handler {
	return a.withSpool(func(w http.ResponseWriter, r *http.Request, spool *uploader.Spool) error {
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
		if err != nil {
			return uploader.ErrNoItem
		}
		return do(w, spool, id)
	})
}
