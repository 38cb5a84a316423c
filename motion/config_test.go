package motion

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func TestDefaultIsValid(t *testing.T) {
	if _, err := New(Default()); err != nil {
		t.Fatal(err)
	}
}

func TestValidateReportsEveryFaultUnderItsKey(t *testing.T) {
	whole := Polygon{{0, 0}, {1, 0}, {1, 1}, {0, 1}}
	tests := []struct {
		name   string
		change func(*Config)
		want   []string // parts of the message, one for each fault
	}{
		{"area", func(c *Config) { c.MinArea = 0 }, []string{"motion.min_area: 0 "}},
		{"area that is no number", func(c *Config) { c.MinArea = math.NaN() }, []string{"motion.min_area: NaN"}},
		{"contrast", func(c *Config) { c.MinContrast = 300 }, []string{"motion.min_contrast: 300"}},
		{"duration", func(c *Config) { c.MinDuration = -1 }, []string{"motion.min_duration: -1ns"}},
		{"line", func(c *Config) { c.Include = []Polygon{whole, {{0, 0}, {1, 1}}} }, []string{"motion.include[1]: 2 points"}},
		{"empty polygon", func(c *Config) { c.Exclude = []Polygon{{}} }, []string{"motion.exclude[0]: 0 points"}},
		{"pixels", func(c *Config) { c.Exclude = []Polygon{{{0, 0}, {640, 0}, {640, 480}}} }, []string{"motion.exclude[0][1]: [640, 0]", "motion.exclude[0][2]: [640, 480]"}},
		{"no number", func(c *Config) { c.Include = []Polygon{{{0, 0}, {1, 0}, {1, math.NaN()}}} }, []string{"motion.include[0][2]: [1, NaN]"}},
		{"all excluded", func(c *Config) { c.Exclude = []Polygon{whole} }, []string{"leave no part of the picture"}},
		{"include and exclude meet", func(c *Config) { c.Include, c.Exclude = []Polygon{whole}, []Polygon{whole} }, []string{"leave no part of the picture"}},
		{"several", func(c *Config) { *c = Config{Include: []Polygon{{{2, 0}}}} }, []string{"motion.min_area", "motion.min_contrast", "motion.include[0]: 1 points", "motion.include[0][0]: [2, 0]"}},
	}
	for _, tt := range tests {
		c := Default()
		tt.change(&c)
		err := c.Validate()
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(tt.want) {
			t.Errorf("%s: got %d faults, want %d:\n%v", tt.name, len(lines), len(tt.want), err)
		}
		for _, w := range tt.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %q, want %q in it", tt.name, err, w)
			}
		}
		if _, err := New(c); err == nil {
			t.Errorf("%s: New accepts it", tt.name)
		}
	}
}

func TestConfigIsReadFromYAML(t *testing.T) {
	const file = `
include: [[[0, 0], [1, 0], [1, 1]], [[0, 0.5], [0.5, 1], [0, 1]]]
exclude:
  - [[0, 0], [0.3, 0], [0.3, 0.1], [0, 0.1]]
min_area: 0.002
min_duration: 500ms
`
	got := Default()
	if err := yaml.UnmarshalWithOptions([]byte(file), &got, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Include: []Polygon{{{0, 0}, {1, 0}, {1, 1}}, {{0, 0.5}, {0.5, 1}, {0, 1}}},
		Exclude: []Polygon{{{0, 0}, {0.3, 0}, {0.3, 0.1}, {0, 0.1}}},
		MinArea: 0.002, MinContrast: Default().MinContrast, MinDuration: 500 * time.Millisecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
}
