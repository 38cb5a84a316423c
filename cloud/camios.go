package cloud

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"camward/camio"
)

// A camioQuery says which content a Camio shares. Its dates are kept as they were given.
type camioQuery struct {
	Cameras   []string `json:"cameras,omitempty"`
	Labels    []string `json:"labels,omitempty"`
	Events    []string `json:"events,omitempty"`
	StartDate string   `json:"start_date,omitempty"`
	EndDate   string   `json:"end_date,omitempty"`
	Sort      string   `json:"sort,omitempty"`
}

// A sharedCamio is a Camio as the API shows it: a part of an account's content that whoever has the view token may see.
// So far the token serves the live picture and live view; a search by it is refused.
type sharedCamio struct {
	ViewToken   string     `json:"view_token"`
	Name        string     `json:"name"`
	DateCreated camio.Time `json:"date_created"`
	Type        string     `json:"type"` // public or private
}

// Limits of Camios.
const (
	maxCamios    = 1000 // of an account
	maxCamioName = 200  // bytes
	maxCamioList = 200  // cameras, labels or events
)

type camioRequest struct {
	Name  string      `json:"name"`
	Type  string      `json:"type"`
	Query *camioQuery `json:"query"`
}

// check fills in the defaults and refuses what cannot be.
func (c *camioRequest) check() error {
	if c.Query == nil {
		return badRequest("query is missing")
	}
	if c.Type = or(c.Type, "public"); c.Type != "public" && c.Type != "private" {
		return badRequest("type=%s is neither public nor private", c.Type)
	}
	q := c.Query
	if q.Sort != "" && q.Sort != "asc" && q.Sort != "desc" {
		return badRequest("sort=%s is neither asc nor desc", q.Sort)
	}
	for name, list := range map[string][]string{"cameras": q.Cameras, "labels": q.Labels, "events": q.Events} {
		if len(list) > maxCamioList || slices.ContainsFunc(list, func(s string) bool { return s == "" || len(s) > 400 }) {
			return badRequest("%s is no list of at most %d names", name, maxCamioList)
		}
	}
	for name, date := range map[string]string{"start_date": q.StartDate, "end_date": q.EndDate} {
		if date == "" {
			continue
		}
		if _, err := camio.ParseTime(date); err != nil {
			return badRequest("%s: %v", name, err)
		}
	}
	c.Name = tame(c.Name, maxCamioName)
	if c.Name == "" {
		c.Name = tame(or(strings.Join(append(slices.Clone(q.Cameras), q.Labels...), " "), "everything"), maxCamioName)
	}
	return nil
}

// covers tells whether the query shares what a camera shows now: it has begun and has no end, it names the camera, and
// nothing narrows it to what a live picture cannot be told to be.
func (q *camioQuery) covers(c *camera, now time.Time) bool {
	if q.EndDate != "" || len(q.Labels)+len(q.Events) > 0 {
		return false
	}
	if q.StartDate != "" {
		if start, err := camio.ParseTime(q.StartDate); err != nil || start.After(now) {
			return false
		}
	}
	return slices.ContainsFunc(q.Cameras, func(s string) bool { return strings.EqualFold(s, c.Name) })
}

func (s *Server) listCamios(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	list := []sharedCamio{}
	err = rows(r.Context(), s.store.r, func(row *sql.Rows) error {
		var c sharedCamio
		var sealed []byte
		var created int64
		err := row.Scan(&sealed, &c.Name, &c.Type, &created)
		if err != nil {
			return err
		}
		c.DateCreated = camio.Time{Time: fromMillis(created)}
		c.ViewToken, err = s.secrets.openToken(sealed, acc.UserID)
		list = append(list, c)
		return err
	}, `SELECT token_sealed, name, type, created FROM camios WHERE account = ? ORDER BY created, id`, acc.ID)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, list)
	return nil
}

func (s *Server) createCamio(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	var req camioRequest
	if err := readJSON(w, r, &req); err != nil {
		return err
	}
	if err := req.check(); err != nil {
		return err
	}
	query, err := json.Marshal(req.Query)
	if err != nil {
		return fmt.Errorf("encode query: %w", err)
	}
	c := sharedCamio{ViewToken: newToken(), Name: req.Name, DateCreated: camio.Time{Time: s.now()}, Type: req.Type}
	err = s.store.write(r.Context(), func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(r.Context(), `SELECT count(*) FROM camios WHERE account = ?`, acc.ID).Scan(&n); err != nil {
			return err
		}
		if n >= maxCamios {
			return badRequest("The account has %d Camios already: delete some", n)
		}
		_, err := tx.ExecContext(r.Context(), `INSERT INTO camios (account, token_sealed, token_lookup, name, type, query, created) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			acc.ID, s.secrets.sealToken(c.ViewToken, acc.UserID), hash(c.ViewToken), c.Name, c.Type, query, millis(c.DateCreated.Time))
		return err
	})
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, c)
	return nil
}

// deleteCamio ends the sharing. Who watches at that moment goes on to watch until the connection ends.
func (s *Server) deleteCamio(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	token := r.URL.Query().Get("view_token")
	if token == "" {
		return badRequest("The parameter view_token is missing")
	}
	err = s.store.write(r.Context(), func(tx *sql.Tx) error {
		res, err := tx.ExecContext(r.Context(), `DELETE FROM camios WHERE account = ? AND token_lookup = ?`, acc.ID, hash(token))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNotFound)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// viewTokenCamera finds the camera that one of the view tokens covers. A private Camio's token is for users it is shared with;
// nothing can be shared with users yet, so it lets nobody in.
func (s *Server) viewTokenCamera(ctx context.Context, tokens []string, name string) (*account, *camera, error) {
	for _, t := range tokens[:min(len(tokens), 20)] {
		var q camioQuery
		var text []byte
		var acc account
		err := s.store.r.QueryRowContext(ctx, `SELECT a.id, a.user_id, c.query FROM camios c JOIN accounts a ON a.id = c.account
			WHERE c.token_lookup = ? AND c.type = 'public'`, hash(t)).Scan(&acc.ID, &acc.UserID, &text)
		if errors.Is(found(err), errNotFound) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if err := json.Unmarshal(text, &q); err != nil {
			return nil, nil, fmt.Errorf("stored query: %w", err)
		}
		cam, err := s.store.camera(ctx, acc.ID, name)
		if err == nil && q.covers(cam, s.now()) {
			return &acc, cam, nil
		}
		if err != nil && !errors.Is(err, errNotFound) {
			return nil, nil, err
		}
	}
	return nil, nil, errUnauthorized
}
