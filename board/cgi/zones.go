package cgi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"camward/camio"
)

// Bounds of the zones.
const (
	maxZones  = 64
	maxName   = 100 // bytes
	maxPoints = 256 // of a polygon
)

// The API's zones with what may be absent: a missing coordinate is a fault, not a zero.
type (
	zoneIn struct {
		Name     string      `json:"name"`
		Polygons []polygonIn `json:"polygons"`
	}
	polygonIn struct {
		Points []pointIn `json:"points"`
	}
	pointIn struct {
		X *float64 `json:"x"`
		Y *float64 `json:"y"`
	}
)

// readZones reads a body that is the API's array of zones, whatever its type says it is. An empty array
// takes all zones away. Unknown JSON members are ignored.
func readZones(in *input, _ Settings) (Setting, *fault) {
	var zones []zoneIn
	dec := json.NewDecoder(bytes.NewReader(in.body))
	err := dec.Decode(&zones)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the array")
		}
	}
	if err != nil || zones == nil {
		return nil, unreadable(`the body is not a JSON array of zones, like [{"name":"door","polygons":[{"points":[{"x":0.1,"y":0.2},...]}]}]%s`, jsonReason(err))
	}
	if len(zones) > maxZones {
		return nil, &fault{203, http.StatusBadRequest, fmt.Sprintf("%d zones; at most %d", len(zones), maxZones)}
	}
	s := Zones{Zones: make([]camio.Zone, 0, len(zones))}
	names := map[string]bool{}
	for i, z := range zones {
		out, err := z.check()
		switch key := strings.ToLower(z.Name); {
		case err != nil:
			return nil, &fault{203, http.StatusBadRequest, fmt.Sprintf("zone %d (%q): %v", i+1, printable(z.Name), err)}
		case names[key]:
			return nil, &fault{203, http.StatusBadRequest, fmt.Sprintf("zone %d (%q): the name is taken by another zone", i+1, printable(z.Name))}
		default:
			names[key] = true
		}
		s.Zones = append(s.Zones, out)
	}
	return s, nil
}

// jsonReason tells where the JSON is wrong, without showing any of it.
func jsonReason(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf(": fault at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf(": fault at byte %d, a %s in a wrong place", kind.Offset, kind.Value)
	}
	return ""
}

// check holds the zone against the API's rules: one polygon or more, three points or more each, all within 0..1.
func (z zoneIn) check() (camio.Zone, error) {
	switch {
	case z.Name == "" || len(z.Name) > maxName || !plain(z.Name):
		return camio.Zone{}, fmt.Errorf("needs a name of plain text, at most %d bytes", maxName)
	case len(z.Polygons) == 0:
		return camio.Zone{}, errors.New("needs a polygon")
	}
	out := camio.Zone{Name: z.Name, Polygons: make([]camio.Polygon, 0, len(z.Polygons))}
	for i, p := range z.Polygons {
		if len(p.Points) < 3 || len(p.Points) > maxPoints {
			return out, fmt.Errorf("polygon %d has %d points; 3..%d are possible", i+1, len(p.Points), maxPoints)
		}
		points := make([]camio.Point, 0, len(p.Points))
		for j, pt := range p.Points {
			if !fraction(pt.X) || !fraction(pt.Y) {
				return out, fmt.Errorf("polygon %d, point %d: x and y must both be there, within 0..1", i+1, j+1)
			}
			points = append(points, camio.Point{X: *pt.X, Y: *pt.Y})
		}
		out.Polygons = append(out.Polygons, camio.Polygon{Points: points})
	}
	return out, nil
}

func fraction(v *float64) bool { return v != nil && *v >= 0 && *v <= 1 }
