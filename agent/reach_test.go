package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSettingsByWhichNothingCouldCountAreFaults(t *testing.T) {
	const top, whole, sliver = `[[0,0],[1,0],[1,0.5],[0,0.5]]`, `[[0,0],[1,0],[1,1],[0,1]]`, `[[0.5,0],[0.52,0],[0.52,0.015],[0.5,0.015]]`
	tests := map[string]struct {
		camera string // further keys of the camera
		want   string // part of the only fault; empty: there is none
	}{
		"defaults":                         {"", ""},
		"the lower half":                   {"motion: {exclude: [" + top + "]}", ""},
		"everything excluded":              {"motion: {exclude: [" + whole + "]}", "cameras[0].motion: include and exclude together leave no part"},
		"less included than counts":        {"motion: {include: [" + top + "], min_area: 0.5, exclude: [[[0,0],[0.1,0],[0.1,1]]]}", "cameras[0].motion: nothing could count as motion: the largest connected part that the polygons leave"},
		"exactly as much as counts":        {"motion: {include: [" + top + "], min_area: 50%}", ""},
		"less than three cells":            {"motion: {include: [" + sliver + "]}", "and the smallest that counts has 3"},
		"many parts, each too small":       {"motion: {min_area: 5%, include: [[[0,0],[0.2,0],[0.2,0.2],[0,0.2]], [[0.3,0],[0.5,0],[0.5,0.2],[0.3,0.2]], [[0.6,0],[0.8,0],[0.8,0.2],[0.6,0.2]]]}", "cameras[0].motion: nothing could count"},
		"parts that touch":                 {"motion: {min_area: 5%, include: [[[0,0],[0.2,0],[0.2,0.2],[0,0.2]], [[0.2,0],[0.4,0],[0.4,0.2],[0.2,0.2]]]}", ""},
		"all that is left is private":      {"privacy: [" + top + "]\n    motion: {include: [" + top + "]}", "privacy blackens all"},
		"something is left beside privacy": {"privacy: [" + top + "]", ""},
		"a flat polygon":                   {"motion: {exclude: [[[0,0],[0.5,0.5],[1,1]]]}", "cameras[0].motion.exclude[0]: all points are on one line"},
		"polygons that cross themselves":   {"motion: {exclude: [[[0,0],[1,1],[1,0],[0,1]]]}", ""},
		"a zone beyond all levels":         {"motion: {min_contrast: 64, zones: [{sensitivity: 0.25, polygons: [" + top + "]}]}", "cameras[0].motion.zones[0].sensitivity: 0.25 makes"},
		"a zone without polygons":          {"motion: {zones: [{sensitivity: 2}]}", "cameras[0].motion.zones[0].polygons: there is none"},
		"a zone without sensitivity":       {"motion: {zones: [{polygons: [" + top + "]}]}", "cameras[0].motion.zones[0].sensitivity: not set"},
		"a zone with an unknown key":       {"motion: {zones: [{sensitivity: 2, polygon: [" + top + "]}]}", "cameras[0].motion.zones[0].polygon: unknown key; known are name, polygons, sensitivity"},
		"percent":                          {"motion: {min_area: 0.1%}", ""},
		"percent beyond":                   {"motion: {min_area: 60%}", "cameras[0].motion.min_area: 0.6 is outside 0.0001..0.5"},
		"no number":                        {"motion: {min_area: small}", "cameras[0].motion.min_area: small is no number (c.yml:5)"},
		"percent of percent":               {"motion: {min_area: 1%%}", "cameras[0].motion.min_area: 1%% is no number"},
		"a duration without unit":          {"motion: {min_duration: 300}", "cameras[0].motion.min_duration: 300 is no duration: write it with its unit, as in 300ms"},
		"a duration beyond":                {"motion: {min_duration: 11s}", "cameras[0].motion.min_duration: 11s is outside 0s..10s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "c.yml")
			text := "cloud: {url: https://cloud.example.com, upload_token: x}\ncameras:\n  - name: front\n    source: /dev/video0\n    " + tt.camera + "\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load(Layers{File: file, Flags: []string{"state_dir=" + t.TempDir()}})
			faults := Faults(err)
			if err == nil {
				faults = append(faults, Faults(c.Validate())...)
			}
			switch {
			case tt.want == "" && len(faults) > 0:
				t.Errorf("refused: %v", faults)
			case tt.want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Error(), tt.want)):
				t.Errorf("got %v, want %q", faults, tt.want)
			}
		})
	}
}

func TestAListOfSectionsIsSetAsAWhole(t *testing.T) {
	const key, zone = "cameras[0].motion.zones", "[{name: door, sensitivity: 2, polygons: [[[0,0],[1,0],[1,1]]]}]"
	load := func(flags ...string) (*Loaded, error) {
		return Load(Layers{File: "none", Optional: true, Flags: append([]string{"state_dir=" + t.TempDir()}, flags...)})
	}
	c, err := load(key+"="+zone, key+"[0].sensitivity=0.5", "cameras[0].motion.min_area=0.2%")
	if err != nil {
		t.Fatal(err)
	}
	if z := c.Cameras[0].Motion.Zones; len(z) != 1 || z[0].Name != "door" || z[0].Sensitivity != 0.5 || len(z[0].Polygons) != 1 || c.Cameras[0].Motion.MinArea != 0.002 {
		t.Errorf("%+v", c.Cameras[0].Motion)
	}
	c, err = load(key+"="+zone, key+"=[]")
	if err != nil || len(c.Cameras[0].Motion.Zones) != 0 {
		t.Errorf("%+v, %v", c.Cameras[0].Motion.Zones, err)
	}
	for _, bad := range []string{key + "=door", key + "=[", key + "=", key + "=[door]", key + "=[{nam: door}]", key + "[1].name=door", key + "[x].name=door", key + ".name=door", "cameras[7].motion.zones=[]", "cameras[-1].motion.zones=[]"} {
		if _, err := load("cameras[0].motion.min_area=0.2%", bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzPercent(f *testing.F) {
	for _, s := range []string{"0.1%", " 2 %", "1e-3%", "%", "NaN%", "0x1p-2%", "1_0%", "0.1%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := percent(s); ok && (v != v || v-v != 0 || !strings.Contains(s, "%")) {
			t.Errorf("%q is %v", s, v)
		}
	})
}
