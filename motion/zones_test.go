package motion

import (
	"math"
	"strings"
	"testing"
	"time"

	"camward/video"
)

// box is a rectangle as a polygon.
func box(x0, y0, x1, y1 float64) Polygon { return Polygon{{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}} }

func TestAZonesFaultsAreToldUnderItsKey(t *testing.T) {
	good := Zone{Name: "door", Polygons: []Polygon{box(0.2, 0.2, 0.6, 0.6)}, Sensitivity: 2}
	tests := map[string]struct {
		change func(*Config, *Zone)
		want   string // part of the only fault; empty: there is none
	}{
		"good":               {func(*Config, *Zone) {}, ""},
		"no name":            {func(_ *Config, z *Zone) { z.Name = "" }, ""},
		"crosses itself":     {func(_ *Config, z *Zone) { z.Polygons = []Polygon{{{0, 0}, {1, 1}, {1, 0}, {0, 1}}} }, ""},
		"a name that hides":  {func(_ *Config, z *Zone) { z.Name = "-door" }, `motion.zones[1].name: "-door"`},
		"no polygon":         {func(_ *Config, z *Zone) { z.Polygons = nil }, "motion.zones[1].polygons: there is none"},
		"two points":         {func(_ *Config, z *Zone) { z.Polygons[0] = Polygon{{0, 0}, {1, 1}} }, "motion.zones[1].polygons[0]: 2 points"},
		"outside":            {func(_ *Config, z *Zone) { z.Polygons[0] = Polygon{{0, 0}, {1.2, 0}, {1, 1}} }, "motion.zones[1].polygons[0][1]: [1.2, 0]"},
		"a line":             {func(_ *Config, z *Zone) { z.Polygons[0] = Polygon{{0.1, 0.1}, {0.5, 0.5}, {0.9, 0.9}} }, "motion.zones[1].polygons[0]: all points are on one line"},
		"a point":            {func(_ *Config, z *Zone) { z.Polygons[0] = Polygon{{0.5, 0.5}, {0.5, 0.5}, {0.5, 0.5}} }, "motion.zones[1].polygons[0]: all points are on one line"},
		"too small":          {func(_ *Config, z *Zone) { z.Polygons[0] = box(0.5, 0.5, 0.507, 0.507) }, "motion.zones[1].polygons: too small"},
		"no sensitivity":     {func(_ *Config, z *Zone) { z.Sensitivity = 0 }, "motion.zones[1].sensitivity: not set"},
		"too sensitive":      {func(_ *Config, z *Zone) { z.Sensitivity = 5 }, "motion.zones[1].sensitivity: 5 is outside 0.25..4"},
		"below zero":         {func(_ *Config, z *Zone) { z.Sensitivity = -1 }, "motion.zones[1].sensitivity: -1 is outside"},
		"no number":          {func(_ *Config, z *Zone) { z.Sensitivity = math.NaN() }, "motion.zones[1].sensitivity: NaN is outside"},
		"beyond all levels":  {func(c *Config, z *Zone) { c.MinContrast, z.Sensitivity = 64, 0.25 }, "makes motion.min_contrast 64 a difference of 256 levels"},
		"beyond medium grey": {func(c *Config, z *Zone) { c.MinContrast, z.Sensitivity = 40, 0.3 }, "makes motion.min_contrast 40 a difference of 133 levels"},
		"just within":        {func(c *Config, z *Zone) { c.MinContrast, z.Sensitivity = 30, 0.25 }, ""},
		"the bounds":         {func(c *Config, z *Zone) { z.Sensitivity = 4 }, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, z := Default(), good
			z.Polygons = []Polygon{good.Polygons[0]}
			tt.change(&c, &z)
			c.Zones = []Zone{good, z}
			err := c.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && err == nil:
				t.Error("accepted")
			case tt.want != "" && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("got %q, want %q", err, tt.want)
			}
		})
	}
}

// contrasts steps a detector through a scene in which a block as bright as the background plus step walks on a row of the picture.
func contrasts(t *testing.T, cfg Config, step uint8, y0 int) (moved bool) {
	t.Helper()
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return walk(d, 0, step, y0)
}

func walk(d *Detector, from time.Duration, step uint8, y0 int) (moved bool) {
	p := video.Plane{Width: 64, Height: 48, Stride: 64, Pix: make([]uint8, 64*48)}
	for i := range 60 {
		for k := range p.Pix {
			p.Pix[k] = 100
		}
		if i > 25 {
			x0 := i - 20
			for y := y0; y < y0+8; y++ {
				for x := x0; x < x0+6; x++ {
					p.Pix[y*64+x] += step
				}
			}
		}
		moved = moved || d.Step(from+time.Duration(i)*100*time.Millisecond, &p).Moving
	}
	return moved
}

func TestAZoneChangesHowMuchDifferenceCounts(t *testing.T) {
	const upper, lower = 4, 34 // rows
	zone := func(s float64, shapes ...Polygon) Zone { return Zone{Polygons: shapes, Sensitivity: s} }
	whole, top := box(0, 0, 1, 1), box(0, 0, 1, 0.5)
	tests := map[string]struct {
		zones   []Zone
		exclude []Polygon
		step    uint8 // the smallest of the levels tried that is to be seen
		y       int
	}{
		"none":                              {step: 8, y: upper},
		"twice as sensitive":                {zones: []Zone{zone(2, top)}, step: 4, y: upper},
		"twice as sensitive elsewhere":      {zones: []Zone{zone(2, top)}, step: 8, y: lower},
		"four times":                        {zones: []Zone{zone(4, top)}, step: 2, y: upper},
		"half as sensitive":                 {zones: []Zone{zone(0.5, top)}, step: 16, y: upper},
		"a quarter":                         {zones: []Zone{zone(0.25, whole)}, step: 32, y: lower},
		"the most sensitive of two":         {zones: []Zone{zone(0.5, whole), zone(2, top)}, step: 4, y: upper},
		"the most sensitive, listed first":  {zones: []Zone{zone(2, top), zone(0.5, whole)}, step: 4, y: upper},
		"less sensitive where only one is":  {zones: []Zone{zone(2, top), zone(0.5, whole)}, step: 16, y: lower},
		"of two polygons":                   {zones: []Zone{zone(2, box(0, 0, 0.1, 0.1), top)}, step: 4, y: upper},
		"exclude wins over any sensitivity": {zones: []Zone{zone(4, whole)}, exclude: []Polygon{top}, step: 0, y: upper},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := Default()
			cfg.Zones, cfg.Exclude = tt.zones, tt.exclude
			for _, step := range []uint8{2, 4, 8, 16, 32} {
				if got, want := contrasts(t, cfg, step, tt.y), tt.step > 0 && step >= tt.step; got != want {
					t.Errorf("%d levels: motion is %v, want %v", step, got, want)
				}
			}
		})
	}
}

func TestZonesHoldFromTheNextPictureOn(t *testing.T) {
	d, err := New(Default())
	if err != nil {
		t.Fatal(err)
	}
	if walk(d, 0, 4, 4) {
		t.Fatal("4 levels are seen without a zone")
	}
	cfg := Default()
	cfg.Zones = []Zone{{Polygons: []Polygon{box(0, 0, 1, 0.5)}, Sensitivity: 2}}
	if err := d.SetConfig(cfg); err != nil {
		t.Fatal(err)
	}
	if !walk(d, 7*time.Second, 4, 4) {
		t.Error("4 levels are not seen in a zone that is twice as sensitive")
	}
	cfg.Zones[0].Sensitivity = 9
	if d.SetConfig(cfg) == nil {
		t.Error("a fault is accepted")
	}
	if err := d.SetConfig(Default()); err != nil {
		t.Fatal(err)
	}
	if walk(d, 20*time.Second, 4, 4) {
		t.Error("4 levels are still seen after the zone was taken away")
	}
	if err := d.SetMasks(nil, []Polygon{box(0, 0, 0.2, 0.2)}); err != nil {
		t.Fatal(err)
	}
}

func TestZonesAllocateNothingForAPicture(t *testing.T) {
	cfg := Default()
	cfg.Zones = []Zone{{Polygons: []Polygon{box(0, 0, 1, 0.5)}, Sensitivity: 2}, {Polygons: []Polygon{box(0, 0.2, 0.7, 0.8)}, Sensitivity: 0.5}}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := video.Plane{Width: 80, Height: 60, Stride: 80, Pix: make([]uint8, 80*60)}
	at := time.Duration(0)
	d.Step(at, &p)
	if n := testing.AllocsPerRun(50, func() { at += 100 * time.Millisecond; d.Step(at, &p) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkZones is what zones cost beside the same detector without.
func BenchmarkZones(b *testing.B) {
	with := Default()
	with.Zones = []Zone{{Polygons: []Polygon{box(0, 0, 1, 0.5)}, Sensitivity: 2}, {Polygons: []Polygon{box(0, 0.2, 0.7, 0.8)}, Sensitivity: 0.5}}
	for _, tt := range []struct {
		name string
		cfg  Config
	}{{"zones=0", Default()}, {"zones=2", with}} {
		b.Run(tt.name, func(b *testing.B) {
			d, err := New(tt.cfg)
			if err != nil {
				b.Fatal(err)
			}
			p := video.Plane{Width: 80, Height: 60, Stride: 80, Pix: make([]uint8, 80*60)}
			for i := range p.Pix {
				p.Pix[i] = uint8(60 + i%97)
			}
			at := time.Duration(0)
			for range 30 {
				d.Step(at, &p)
				at += 100 * time.Millisecond
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(p.Pix)))
			for b.Loop() {
				d.Step(at, &p)
				at += 100 * time.Millisecond
			}
		})
	}
}
