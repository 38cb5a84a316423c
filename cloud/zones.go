package cloud

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"camward/camio"
)

// Bounds of a camera's zones. They travel in one command, and small firmware keeps them in memory.
const (
	maxZones     = 32
	maxZoneBytes = 24 << 10 // of all polygons as JSON, some 400 points
)

// zonesOf lists a camera's zones by name; never nil.
func zonesOf(ctx context.Context, q querier, camera int64) ([]camio.Zone, error) {
	list := []camio.Zone{}
	err := rows(ctx, q, func(r *sql.Rows) error {
		var z camio.Zone
		var polygons string
		if err := r.Scan(&z.Name, &polygons); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(polygons), &z.Polygons); err != nil {
			return err
		}
		list = append(list, z)
		return nil
	}, `SELECT name, polygons FROM zones WHERE camera = ? ORDER BY name COLLATE NOCASE, name`, camera)
	return list, err
}

// zoneNamed finds a zone by its exact name, else regardless of case.
func zoneNamed(list []camio.Zone, name string) *camio.Zone {
	var folded *camio.Zone
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
		if folded == nil && strings.EqualFold(list[i].Name, name) {
			folded = &list[i]
		}
	}
	return folded
}

func (s *Server) listZones(w http.ResponseWriter, r *http.Request) error {
	_, c, err := s.userCamera(r)
	if err != nil {
		return err
	}
	list, err := zonesOf(r.Context(), s.store.r, c.ID)
	if err != nil {
		return err
	}
	reply(w, list)
	return nil
}

func (s *Server) getZone(w http.ResponseWriter, r *http.Request) error {
	_, c, err := s.userCamera(r)
	if err != nil {
		return err
	}
	list, err := zonesOf(r.Context(), s.store.r, c.ID)
	if err != nil {
		return err
	}
	z := zoneNamed(list, pathVar(r, "zone"))
	if z == nil {
		return errNotFound
	}
	reply(w, z)
	return nil
}

// setZone creates or replaces the zone of the path. Another name in the body renames it. A name that begins with "-"
// makes a negative zone: motion wholly inside it is of no interest.
func (s *Server) setZone(w http.ResponseWriter, r *http.Request) error {
	_, c, err := s.userCamera(r)
	if err != nil {
		return err
	}
	z, err := readZone(w, r)
	if err != nil {
		return err
	}
	if err := s.store.write(r.Context(), func(tx *sql.Tx) error { return putZone(r.Context(), tx, c.ID, pathVar(r, "zone"), z) }); err != nil {
		return err
	}
	reply(w, z)
	return nil
}

// putZone stores z in place of the zone called key, and completes its name.
func putZone(ctx context.Context, tx *sql.Tx, camera int64, key string, z *camio.Zone) error {
	list, err := zonesOf(ctx, tx, camera)
	if err != nil {
		return err
	}
	old := zoneNamed(list, key)
	if z.Name == "" {
		z.Name = key
		if old != nil {
			z.Name = old.Name
		}
	}
	if err := checkName("zone", z.Name); err != nil {
		return badRequest("%v", err)
	}
	if same := zoneNamed(list, z.Name); same != nil && same != old {
		return badRequest("There is another zone called %s", same.Name)
	}
	if old == nil && len(list) >= maxZones {
		return badRequest("A camera has at most %d zones", maxZones)
	}
	polygons, err := json.Marshal(z.Polygons)
	if err != nil {
		return err
	}
	var others int
	var replaced string
	if old != nil {
		replaced = old.Name
	}
	err = tx.QueryRowContext(ctx, `SELECT coalesce(sum(length(polygons)), 0) FROM zones WHERE camera = ? AND name != ?`, camera, replaced).Scan(&others)
	if err != nil {
		return err
	}
	if len(polygons)+others > maxZoneBytes {
		return badRequest("The camera's zones have too many points: %d bytes, at most %d are kept", len(polygons)+others, maxZoneBytes)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM zones WHERE camera = ? AND name = ?`, camera, replaced); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO zones VALUES (?, ?, ?)`, camera, z.Name, string(polygons))
	return err
}

// readZone checks a zone's body: at least one polygon, each of at least three points within the picture. Unknown
// fields are ignored.
func readZone(w http.ResponseWriter, r *http.Request) (*camio.Zone, error) {
	var in struct {
		Name     string `json:"name"`
		Polygons []struct {
			Points []struct{ X, Y *float64 } `json:"points"`
		} `json:"polygons"`
	}
	if err := readJSON(w, r, &in); err != nil {
		return nil, err
	}
	z := &camio.Zone{Name: in.Name}
	if len(in.Polygons) == 0 {
		return nil, badRequest("polygons is missing or empty")
	}
	for i, p := range in.Polygons {
		if len(p.Points) < 3 {
			return nil, badRequest("polygons[%d] has fewer than three points", i)
		}
		var poly camio.Polygon
		for j, pt := range p.Points {
			if pt.X == nil || pt.Y == nil || *pt.X < 0 || *pt.X > 1 || *pt.Y < 0 || *pt.Y > 1 {
				return nil, badRequest("polygons[%d].points[%d] needs x and y from 0 to 1", i, j)
			}
			poly.Points = append(poly.Points, camio.Point{X: *pt.X, Y: *pt.Y})
		}
		z.Polygons = append(z.Polygons, poly)
	}
	return z, nil
}

func (s *Server) deleteZone(w http.ResponseWriter, r *http.Request) error {
	_, c, err := s.userCamera(r)
	if err != nil {
		return err
	}
	err = s.store.write(r.Context(), func(tx *sql.Tx) error {
		list, err := zonesOf(r.Context(), tx, c.ID)
		if err != nil {
			return err
		}
		z := zoneNamed(list, pathVar(r, "zone"))
		if z == nil {
			return errNotFound
		}
		_, err = tx.ExecContext(r.Context(), `DELETE FROM zones WHERE camera = ? AND name = ?`, c.ID, z.Name)
		return err
	})
	if errors.Is(err, errNotFound) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
