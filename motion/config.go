package motion

import (
	"errors"
	"fmt"
	"time"

	"camward/camio"
	"camward/video"
)

// A Polygon is a closed part of the picture. What is inside is decided by the even-odd rule.
type Polygon = video.Polygon

// FromWire turns a polygon of the API into one of the configuration.
func FromWire(p camio.Polygon) Polygon {
	out := make(Polygon, len(p.Points))
	for i, q := range p.Points {
		out[i] = [2]float64{q.X, q.Y}
	}
	return out
}

// Config says what counts as motion. Begin with Default; the zero value is not valid.
type Config struct {
	// Include limits detection to these parts of the picture. Empty: the whole picture.
	Include []Polygon `yaml:"include"`
	// Exclude silences these parts; it wins over Include.
	Exclude []Polygon `yaml:"exclude"`
	// Zones are parts that are looked at with another sensitivity. Nil and empty are none.
	Zones []Zone `yaml:"zones"`
	// MinArea is the smallest moving part that counts, as a fraction of the picture: 0.0001 to 0.5, default 0.001.
	// Three cells of the detector's grid (about 64 x 48) are the least whatever is set here, two where it has less than 48 along the longer side.
	MinArea float64 `yaml:"min_area"`
	// MinContrast is how much a place must differ from its background, in levels of 255, where the picture
	// is free of noise: 2 to 64, default 6.
	MinContrast float64 `yaml:"min_contrast"`
	// MinDuration is how long something must move before it counts: 0 to 10s, default 300ms. Two pictures are the least.
	MinDuration time.Duration `yaml:"min_duration"`
}

// Default gives the settings that suit most cameras.
func Default() Config {
	return Config{MinArea: 0.001, MinContrast: 6, MinDuration: 300 * time.Millisecond}
}

// Validate reports every fault at once, each under its key.
func (c Config) Validate() error {
	var errs []error
	inRange := func(key string, v, lo, hi float64) {
		if !(v >= lo && v <= hi) { // NaN is outside too
			errs = append(errs, fmt.Errorf("motion.%s: %v is outside %v..%v", key, v, lo, hi))
		}
	}
	inRange("min_area", c.MinArea, 0.0001, 0.5)
	inRange("min_contrast", c.MinContrast, 2, 64)
	if c.MinDuration < 0 || c.MinDuration > 10*time.Second {
		errs = append(errs, fmt.Errorf("motion.min_duration: %v is outside 0s..10s", c.MinDuration))
	}
	shapes := len(errs)
	errs = append(errs, shapeFaults("motion.include", c.Include)...)
	errs = append(errs, shapeFaults("motion.exclude", c.Exclude)...)
	if len(errs) == shapes && maskOf(c.Include, c.Exclude, maxSide, maxSide).empty() {
		errs = append(errs, errors.New("motion: include and exclude together leave no part of the picture"))
	}
	for i, z := range c.Zones {
		errs = append(errs, z.faults(fmt.Sprintf("motion.zones[%d]", i), c.MinContrast)...)
	}
	return errors.Join(errs...)
}

// coarse is the longer side of a grid, in cells, below which each is so large that fewer of them make a part that counts.
const coarse = maxSide * 3 / 4

// leastCells is the size of the smallest part that counts, in cells.
func (c Config) leastCells(t *tuning, cols, rows int) int {
	least := t.minCells
	if max(cols, rows) < coarse {
		least = t.minCoarse
	}
	return max(least, int(c.MinArea*float64(cols*rows)+0.5))
}

// Reach says why nothing could ever count in pictures of the given size, in pixels or of the planes: no connected part of the picture that
// Include and Exclude leave has as many of the cells that such pictures are divided into as MinArea wants. The settings must be valid.
func (c Config) Reach(width, height int) error {
	var g grid
	g.fit(max(width, 1), max(height, 1))
	t := defaultTuning()
	least := c.leastCells(&t, g.cols, g.rows)
	var parts labeller
	parts.label(maskOf(c.Include, c.Exclude, g.cols, g.rows), &mask{}, g.rows)
	left := 0
	for b := range parts.all() {
		left = max(left, int(b.cells))
	}
	if left < least {
		all := float64(g.cols * g.rows)
		return fmt.Errorf("nothing could count as motion: the largest connected part that the polygons leave has %d of the picture's %.0f cells (%.2g %%), and the smallest that counts has %d (%.2g %%): lower motion.min_area, or let motion.include and motion.exclude leave more",
			left, all, 100*float64(left)/all, least, 100*float64(least)/all)
	}
	return nil
}
