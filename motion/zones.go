package motion

import (
	"fmt"
	"math"
	"strings"

	"camward/video"
)

// A Zone is a part of the picture that is looked at with another sensitivity than the rest. It neither adds to what Config.Include
// lets count nor takes from what Config.Exclude silences. Where zones overlap, the most sensitive holds.
type Zone struct {
	// Name is for people. May be empty.
	Name string `yaml:"name" json:"name"`
	// Polygons are what the zone covers, at least one.
	Polygons []Polygon `yaml:"polygons" json:"polygons"`
	// Sensitivity divides the difference from the background that counts here: 0.25 to 4. 2 finds what differs half as much as
	// it must elsewhere, 0.5 only what differs twice as much.
	Sensitivity float64 `yaml:"sensitivity" json:"sensitivity"`
}

// The bounds of Zone.Sensitivity.
const (
	minSensitivity = 0.25
	maxSensitivity = 4
)

// mostContrast is how far, in levels, anything can differ from a background of medium grey.
const mostContrast = 128

// faults says what is wrong with the zone, under the given key.
func (z Zone) faults(key string, minContrast float64) (errs []error) {
	if strings.HasPrefix(z.Name, "-") {
		errs = append(errs, fmt.Errorf("%s.name: %q begins with a minus, as what silences does; that is what motion.exclude is for", key, z.Name))
	}
	errs = append(errs, shapeFaults(key+".polygons", z.Polygons)...)
	switch {
	case len(z.Polygons) == 0:
		errs = append(errs, fmt.Errorf("%s.polygons: there is none; one is a list of points [x, y] in fractions 0..1", key))
	case len(errs) == 0 && maskOf(z.Polygons, nil, maxSide, maxSide).empty():
		errs = append(errs, fmt.Errorf("%s.polygons: too small to cover the centre of any of the detector's cells; they are a %dth of the picture's longer side", key, maxSide))
	}
	switch s := z.Sensitivity; {
	case s == 0:
		errs = append(errs, fmt.Errorf("%s.sensitivity: not set; 2 lets half the difference count, 0.5 wants twice as much", key))
	case !(s >= minSensitivity && s <= maxSensitivity): // NaN is outside too
		errs = append(errs, fmt.Errorf("%s.sensitivity: %v is outside %v..%v", key, s, minSensitivity, float64(maxSensitivity)))
	case minContrast/s >= mostContrast:
		errs = append(errs, fmt.Errorf("%s.sensitivity: %v makes motion.min_contrast %v a difference of %.0f levels, which nothing before medium grey has; to silence a part of the picture, use motion.exclude",
			key, s, minContrast, minContrast/s))
	}
	return errs
}

// shapeFaults says what is wrong with polygons, each fault under key and the index of what it concerns.
func shapeFaults(key string, shapes []Polygon) []error {
	errs := video.Faults(key, shapes)
	for i, p := range shapes {
		if len(video.Faults(key, shapes[i:i+1])) == 0 && Flat(p) {
			errs = append(errs, fmt.Errorf("%s[%d]: all points are on one line, there is nothing inside", key, i))
		}
	}
	return errs
}

// Flat reports whether a polygon has nothing inside because all its points are on one line. One that crosses itself is not flat.
func Flat(p Polygon) bool {
	if len(p) < 3 {
		return true
	}
	const least = 1e-9 // of the picture: rounding, not area
	a, b := p[0], p[0] // b is the point farthest from a
	far := 0.0
	for _, q := range p {
		if d := math.Hypot(q[0]-a[0], q[1]-a[1]); d > far {
			b, far = q, d
		}
	}
	for _, q := range p {
		if math.Abs((b[0]-a[0])*(q[1]-a[1])-(b[1]-a[1])*(q[0]-a[0])) > least {
			return false
		}
	}
	return true
}

// weighOne is the weight of a threshold outside of all zones.
const weighOne = 256

// weigh says by how much zones change each cell's threshold.
func (s *scene) weigh(zones []Zone) {
	for i := range s.weights[:s.cols*s.rows] {
		s.weights[i] = weighOne
	}
	var done mask // cells that a zone has already
	for _, z := range zones {
		covers := maskOf(z.Polygons, nil, s.cols, s.rows)
		weight := uint16(weighOne/z.Sensitivity + 0.5)
		for y := range s.rows {
			for x := range s.cols {
				if covers[y]>>x&1 == 0 {
					continue
				}
				if at := &s.weights[y*s.cols+x]; done[y]>>x&1 == 0 || weight < *at {
					*at = weight
				}
			}
			done[y] |= covers[y]
		}
	}
}
