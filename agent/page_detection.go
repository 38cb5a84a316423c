package agent

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"camward/motion"
)

// Bounds of what the page may draw.
const (
	maxPolygons = 64
	maxCorners  = 256
	maxZoneName = 128 // bytes
)

// pageDetection is a camera's detector as the page sees it.
type pageDetection struct {
	Include     [][][]float64 `json:"include"`
	Exclude     [][][]float64 `json:"exclude"`
	Zones       []pageZone    `json:"zones"`
	MinArea     float64       `json:"min_area"`
	MinContrast float64       `json:"min_contrast"`
	MinDuration int64         `json:"min_duration_ms"`
	From        string        `json:"from"`
}

// pageZone is a part of the picture that is looked at with another sensitivity, as the page sees it.
type pageZone struct {
	Name        string        `json:"name"`
	Polygons    [][][]float64 `json:"polygons"`
	Sensitivity float64       `json:"sensitivity"`
}

// detectionRoutes show and set what counts as motion.
func (a *Agent) detectionRoutes(s pages) {
	const path = "/api/cameras/{camera}/detection"
	s.HandlePage("GET "+path, page(a.forCamera(func(_ *http.Request, i int) (any, error) { return a.pageDetection(i), nil })))
	s.HandlePage("PUT "+path, page(a.forCamera(func(r *http.Request, i int) (any, error) {
		cfg, err := readDetection(r)
		if err != nil {
			return nil, err
		}
		if cfg.Zones, err = a.ownZones(i, cfg); err != nil {
			return nil, err
		}
		if err := a.reaches(i, cfg); err != nil {
			return nil, err
		}
		if err := a.device.setDetection(i, cfg, pageSender(r)); err != nil {
			return nil, err
		}
		return a.pageDetection(i), nil
	})))
	s.HandlePage("DELETE "+path, page(a.forCamera(func(r *http.Request, i int) (any, error) {
		if err := a.device.resetDetection(i, pageSender(r)); err != nil {
			return nil, err
		}
		return a.pageDetection(i), nil
	})))
}

// forCamera finds the camera that the path names.
func (a *Agent) forCamera(get func(r *http.Request, i int) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		for i, p := range a.cameras {
			if p.name == r.PathValue("camera") {
				return get(r, i)
			}
		}
		return nil, refuse(http.StatusNotFound, "there is no camera of this name")
	}
}

// pageSender is who asks, for the list of settings.
func pageSender(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "page"
	}
	return host
}

func (a *Agent) pageDetection(i int) pageDetection {
	cfg, from := a.device.detection(i)
	zones := []pageZone{}
	for _, z := range cfg.Zones {
		zones = append(zones, pageZone{z.Name, corners(z.Polygons), z.Sensitivity})
	}
	return pageDetection{corners(cfg.Include), corners(cfg.Exclude), zones, cfg.MinArea, cfg.MinContrast, cfg.MinDuration.Milliseconds(), from}
}

func corners(list []motion.Polygon) [][][]float64 {
	out := [][][]float64{}
	for _, p := range list {
		points := [][]float64{}
		for _, q := range p {
			points = append(points, q[:])
		}
		out = append(out, points)
	}
	return out
}

// readDetection reads all settings. Zones may be left out: then those of the configuration hold.
func readDetection(r *http.Request) (cfg motion.Config, err error) {
	var in struct {
		Include     *[][][]float64 `json:"include"`
		Exclude     *[][][]float64 `json:"exclude"`
		Zones       *[]pageZone    `json:"zones"`
		MinArea     *float64       `json:"min_area"`
		MinContrast *float64       `json:"min_contrast"`
		MinDuration *int64         `json:"min_duration_ms"`
	}
	if err := readPage(r, &in); err != nil {
		return cfg, err
	}
	if in.Include == nil || in.Exclude == nil || in.MinArea == nil || in.MinContrast == nil || in.MinDuration == nil {
		return cfg, refuse(http.StatusBadRequest, "include, exclude, min_area, min_contrast and min_duration_ms are all needed")
	}
	if *in.MinDuration < 0 || *in.MinDuration > 10_000 { // before it is multiplied
		return cfg, refuse(http.StatusBadRequest, "min_duration_ms is within 0..10000")
	}
	cfg = motion.Config{MinArea: *in.MinArea, MinContrast: *in.MinContrast, MinDuration: time.Duration(*in.MinDuration) * time.Millisecond}
	if cfg.Include, err = polygons("include", *in.Include); err != nil {
		return cfg, err
	}
	if cfg.Exclude, err = polygons("exclude", *in.Exclude); err != nil {
		return cfg, err
	}
	if in.Zones != nil {
		if cfg.Zones, err = readZones(*in.Zones); err != nil {
			return cfg, err
		}
	}
	if faults := Faults(cfg.Validate()); len(faults) > 0 {
		return cfg, refuse(http.StatusBadRequest, "%v", faults[0])
	}
	return cfg, nil
}

// readZones gives an empty list, not nil, if there is none.
func readZones(list []pageZone) ([]motion.Zone, error) {
	if len(list) > maxPolygons {
		return nil, refuse(http.StatusBadRequest, "zones: there are %d; at most %d", len(list), maxPolygons)
	}
	out := []motion.Zone{}
	for i, z := range list {
		key := fmt.Sprintf("zones[%d]", i)
		if len(z.Name) > maxZoneName {
			return nil, refuse(http.StatusBadRequest, "%s.name: %d bytes; at most %d", key, len(z.Name), maxZoneName)
		}
		shapes, err := polygons(key+".polygons", z.Polygons)
		if err != nil {
			return nil, err
		}
		out = append(out, motion.Zone{Name: z.Name, Polygons: shapes, Sensitivity: z.Sensitivity})
	}
	return out, nil
}

func polygons(key string, list [][][]float64) (out []motion.Polygon, err error) {
	if len(list) > maxPolygons {
		return nil, refuse(http.StatusBadRequest, "%s: %d polygons; at most %d", key, len(list), maxPolygons)
	}
	for i, points := range list {
		if len(points) > maxCorners {
			return nil, refuse(http.StatusBadRequest, "%s[%d]: %d points; at most %d", key, i, len(points), maxCorners)
		}
		p := make(motion.Polygon, len(points))
		for j, q := range points {
			if len(q) != 2 {
				return nil, refuse(http.StatusBadRequest, "%s[%d][%d]: a point is [x, y]", key, i, j)
			}
			p[j] = [2]float64(q)
		}
		out = append(out, p)
	}
	return out, nil
}

// ownZones gives zones that are not those of the configuration, and nil for those: then they follow it. It refuses settings that do not go with them.
func (a *Agent) ownZones(i int, cfg motion.Config) ([]motion.Zone, error) {
	configured := a.cfg.Cameras[i].Motion.Zones
	same := cfg.Zones == nil || slices.EqualFunc(cfg.Zones, configured, func(x, y motion.Zone) bool {
		return x.Name == y.Name && x.Sensitivity == y.Sensitivity &&
			slices.EqualFunc(x.Polygons, y.Polygons, func(p, q motion.Polygon) bool { return slices.Equal(p, q) })
	})
	if !same {
		return cfg.Zones, nil
	}
	cfg.Zones = configured
	if faults := Faults(cfg.Validate()); len(faults) > 0 {
		return nil, refuse(http.StatusBadRequest, "%v", faults[0])
	}
	return nil, nil
}

// reaches refuses settings by which nothing could count in the pictures that the camera gives, or is asked for.
func (a *Agent) reaches(i int, cfg motion.Config) error {
	f, size := a.cameras[i].camera.Status().Format, a.cfg.Cameras[i].Size
	width, height := cmp.Or(f.Width, size.Width, 640), cmp.Or(f.Height, size.Height, 480)
	if err := cfg.Reach((width+7)/8, (height+7)/8); err != nil {
		return refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	return nil
}
