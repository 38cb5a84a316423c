package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/board/cgi"
	"camward/camio"
	"camward/capture"
)

const aZone = `[[0.1,0.1],[0.9,0.1],[0.9,0.9]]`

// detection is a body with all five settings.
func detectionBody(include, exclude string, area, contrast float64, duration int) string {
	return fmt.Sprintf(`{"include":%s,"exclude":%s,"min_area":%g,"min_contrast":%g,"min_duration_ms":%d}`, include, exclude, area, contrast, duration)
}

// zoned is a body with zones too.
func zoned(zones string) string {
	return strings.TrimSuffix(detectionBody("[]", "[]", 0.001, 6, 300), "}") + `,"zones":` + zones + "}"
}

func TestZonesFollowTheConfigurationUntilThePageSetsOthers(t *testing.T) {
	dir := t.TempDir()
	zones := func(name string) string {
		return `[{name: ` + name + `, sensitivity: 2, polygons: [[[0,0],[1,0],[1,1]]]}]`
	}
	v := visit(t, dir, false, "cameras[0].motion.zones="+zones("door"))
	const path = "/api/cameras/front/detection"
	var got pageDetection
	want := func(v *visitor, step string, names ...string) {
		t.Helper()
		v.json("GET", path, "", &got)
		held := []string{}
		for _, z := range got.Zones {
			held = append(held, z.Name)
		}
		if diff := cmp.Diff(append([]string{}, names...), held); diff != "" {
			t.Errorf("%s: -want +got\n%s", step, diff)
		}
		if c := v.a.cameras[0].settings.Load(); c != nil && len(c.Zones) != len(names) {
			t.Errorf("%s: the detector is to take %+v", step, c.Zones)
		}
	}
	want(v, "at first", "door")
	v.json("PUT", path, detectionBody("[]", "[]", 0.02, 6, 300), &got)
	want(v, "the page leaves them alone", "door")
	got.MinArea, got.From = 0.03, ""
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	v.json("PUT", path, strings.Replace(string(b), `,"from":""`, "", 1), &got)
	want(v, "the page says what it was told", "door")
	want(visit(t, dir, false, "cameras[0].motion.zones="+zones("gate")), "the configuration has others", "gate")
	v.json("PUT", path, zoned(`[{"name":"path","polygons":[`+aZone+`],"sensitivity":0.5},{"name":"lawn","polygons":[`+aZone+`],"sensitivity":4}]`), &got)
	want(v, "the page has others", "path", "lawn")
	want(visit(t, dir, false, "cameras[0].motion.zones="+zones("gate")), "after a restart", "path", "lawn")
	v.json("PUT", path, zoned("[]"), &got)
	want(v, "the page has none")
	want(visit(t, dir, false, "cameras[0].motion.zones="+zones("gate")), "after a restart with none")
	v.json("DELETE", path, "", &got)
	want(v, "back to the configuration", "door")
	quiet := visit(t, t.TempDir(), false, "cameras[0].motion.zones="+strings.Replace(zones("door"), ": 2", ": 0.25", 1))
	quiet.refused("PUT", path, detectionBody("[]", "[]", 0.02, 40, 300), 400)
}

func TestDetectionSetOnThePageHoldsAtOnceAndOverARestart(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, false, "cameras[0].motion.min_contrast=9")
	const path = "/api/cameras/front/detection"
	configured := pageDetection{Include: [][][]float64{}, Exclude: [][][]float64{}, Zones: []pageZone{}, MinArea: 0.001, MinContrast: 9, MinDuration: 300, From: "configuration"}
	set := pageDetection{Include: [][][]float64{{{0.1, 0.1}, {0.9, 0.1}, {0.9, 0.9}}}, Exclude: [][][]float64{}, Zones: []pageZone{}, MinArea: 0.02, MinContrast: 12, MinDuration: 500, From: "page"}
	holds := func(v *visitor, want pageDetection) {
		t.Helper()
		var got pageDetection
		v.json("GET", path, "", &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	holds(v, configured)
	var got pageDetection
	v.json("PUT", path, detectionBody("["+aZone+"]", "[]", 0.02, 12, 500), &got)
	if diff := cmp.Diff(set, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if c := v.a.cameras[0].settings.Load(); c == nil || c.MinArea != 0.02 || len(c.Include) != 1 {
		t.Errorf("the detector is to take %+v", c)
	}
	if st := v.a.device.status(); len(st) != 1 || st[0].Form != "detection of front" || st[0].By != "127.0.0.1" || st[0].At.IsZero() {
		t.Errorf("status %+v", st)
	}
	again := visit(t, dir, false)
	holds(again, set)
	if c := again.a.cameras[0].settings.Load(); c == nil || c.MinContrast != 12 {
		t.Errorf("after a restart the detector is to take %+v", c)
	}
	again.json("DELETE", path, "", &got)
	configured.MinContrast = 6
	if diff := cmp.Diff(configured, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if c := again.a.cameras[0].settings.Load(); c == nil || c.MinContrast != 6 || len(c.Include) != 0 {
		t.Errorf("the detector is to take %+v", c)
	}
	holds(visit(t, dir, false), configured)
}

func TestDetectionThatCannotHoldIsRefusedAndChangesNothing(t *testing.T) {
	v := visit(t, t.TempDir(), false)
	const path = "/api/cameras/front/detection"
	all := `[[[0,0],[1,0],[1,1],[0,1]]]`
	tests := map[string]struct {
		body string
		want int
	}{
		"nothing":                    {"", 400},
		"no object":                  {"[]", 400},
		"null":                       {"null", 400},
		"a setting missing":          {`{"include":[],"exclude":[],"min_area":0.001,"min_contrast":6}`, 400},
		"unknown setting":            {`{"include":[],"exclude":[],"min_area":0.001,"min_contrast":6,"min_duration_ms":300,"from":"page"}`, 400},
		"two values":                 {detectionBody("[]", "[]", 0.001, 6, 300) + "{}", 400},
		"NaN":                        {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "0.001", "NaN", 1), 400},
		"infinite":                   {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "0.001", "1e999", 1), 400},
		"text":                       {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "0.001", `"0.001"`, 1), 400},
		"area too large":             {detectionBody("[]", "[]", 0.6, 6, 300), 400},
		"area zero":                  {detectionBody("[]", "[]", 0, 6, 300), 400},
		"contrast too large":         {detectionBody("[]", "[]", 0.001, 65, 300), 400},
		"duration below":             {detectionBody("[]", "[]", 0.001, 6, -1), 400},
		"duration above":             {detectionBody("[]", "[]", 0.001, 6, 10001), 400},
		"duration overflows":         {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "300", "9223372036854775807", 1), 400},
		"half a millisecond":         {strings.Replace(detectionBody("[]", "[]", 0.001, 6, 300), "300", "300.5", 1), 400},
		"two points":                 {detectionBody("[[[0,0],[1,1]]]", "[]", 0.001, 6, 300), 400},
		"three numbers":              {detectionBody("[[[0,0,0],[1,1,1],[0,1,0]]]", "[]", 0.001, 6, 300), 400},
		"one number":                 {detectionBody("[[[0],[1],[0]]]", "[]", 0.001, 6, 300), 400},
		"no polygon":                 {detectionBody("[null]", "[]", 0.001, 6, 300), 400},
		"outside":                    {detectionBody("[[[0,0],[1.1,0],[1,1]]]", "[]", 0.001, 6, 300), 400},
		"many polygons":              {detectionBody("["+strings.Repeat(aZone+",", 64)+aZone+"]", "[]", 0.001, 6, 300), 400},
		"many points":                {detectionBody("[["+strings.Repeat("[0,0],", 256)+"[0,0]]]", "[]", 0.001, 6, 300), 400},
		"all excluded":               {detectionBody("[]", all, 0.001, 6, 300), 400},
		"nothing included":           {detectionBody("[[[0,0],[0.001,0],[0,0.001]]]", "[]", 0.001, 6, 300), 400},
		"less than counts":           {detectionBody("["+aZone+"]", "[]", 0.4, 6, 300), 422},
		"a zone without sensitivity": {zoned(`[{"name":"door","polygons":[` + aZone + `]}]`), 400},
		"a zone without polygons":    {zoned(`[{"name":"door","polygons":[],"sensitivity":2}]`), 400},
		"a zone with three numbers":  {zoned(`[{"polygons":[[[0,0,0],[1,1,1],[0,1,0]]],"sensitivity":2}]`), 400},
		"a zone that hides":          {zoned(`[{"name":"-door","polygons":[` + aZone + `],"sensitivity":2}]`), 400},
		"a zone beyond levels":       {strings.Replace(zoned(`[{"polygons":[`+aZone+`],"sensitivity":0.25}]`), `"min_contrast":6`, `"min_contrast":64`, 1), 400},
		"a zone's unknown setting":   {zoned(`[{"polygons":[` + aZone + `],"sensitivity":2,"min_area":0.1}]`), 400},
		"a zone's long name":         {zoned(`[{"name":"` + strings.Repeat("x", 129) + `","polygons":[` + aZone + `],"sensitivity":2}]`), 400},
		"many zones":                 {zoned("[" + strings.Repeat(`{"polygons":[`+aZone+`],"sensitivity":2},`, 64) + `{"polygons":[` + aZone + `],"sensitivity":2}]`), 400},
		"endless":                    {`{"include":[` + strings.Repeat(aZone+",", 3000), 413},
		"deep":                       {strings.Repeat("[", 60000), 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := &visitor{t, v.a, v.base}
			v.refused("PUT", path, tt.body, tt.want)
		})
	}
	if text := v.refused("PUT", path, detectionBody("["+aZone+"]", "[]", 0.4, 6, 300), 422); !strings.Contains(text, "cells") {
		t.Errorf("no reason in %q", text)
	}
	for _, name := range []string{"back", "%2e%2e%2ffront", "front%00", "FRONT"} {
		v.refused("GET", "/api/cameras/"+name+"/controls", "", 404)
		v.refused("PUT", "/api/cameras/"+name+"/controls", `{"x":1}`, 404)
		v.refused("DELETE", "/api/cameras/"+name+"/detection", "", 404)
	}
	if v.a.cameras[0].settings.Load() != nil || len(v.a.device.status()) > 0 {
		t.Error("something changed")
	}
}

func TestTheNewestOfPageAndCloudHolds(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, false)
	const path = "/api/cameras/front/detection"
	zone := func(name string, x float64) camio.Zone {
		return camio.Zone{Name: name, Polygons: []camio.Polygon{{Points: []camio.Point{{X: x, Y: 0}, {X: 1, Y: 0}, {X: x, Y: 0.5}}}}}
	}
	cloud := func(zones ...camio.Zone) {
		t.Helper()
		if err := v.a.device.Apply(t.Context(), cgi.Zones{Zones: zones}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(step, from string, include, exclude int, area float64) {
		t.Helper()
		for _, v := range []*visitor{v, visit(t, dir, false)} { // and after a restart
			var got pageDetection
			v.json("GET", path, "", &got)
			if got.From != from || len(got.Include) != include || len(got.Exclude) != exclude || got.MinArea != area {
				t.Errorf("%s: %+v", step, got)
			}
			if c := v.a.cameras[0].settings.Load(); c != nil && (len(c.Exclude) != exclude || c.MinArea != area) {
				t.Errorf("%s: the detector has %+v", step, c)
			}
		}
	}
	want("at first", "configuration", 0, 0, 0.001)
	cloud(zone("-tree", 0.5), zone("door", 0.2))
	want("zones of the cloud", "cloud", 0, 1, 0.001)
	v.json("PUT", path, detectionBody("["+aZone+"]", "[]", 0.02, 6, 300), &pageDetection{})
	want("set on the page", "page", 1, 0, 0.02)
	cloud(zone("-tree", 0.5), zone("door", 0.3))
	want("the cloud says again what it said", "page", 1, 0, 0.02)
	cloud(zone("-tree", 0.5), zone("-street", 0.7))
	want("another zone of the cloud", "cloud", 0, 2, 0.02)
	v.json("PUT", path, detectionBody("[]", "["+aZone+"]", 0.03, 6, 300), &pageDetection{})
	want("set on the page again", "page", 0, 1, 0.03)
	cloud()
	want("the cloud takes its zones away", "cloud", 0, 0, 0.03)
	cloud(zone("-tree", 0.5), zone("door", 0.2))
	v.json("DELETE", path, "", &pageDetection{})
	want("back to the configuration", "configuration", 0, 0, 0.001)
	if z := v.a.device.Settings().Zones; len(z.Zones) != 1 || z.Zones[0].Name != "door" {
		t.Errorf("zones that silence nothing are %+v", z)
	}
	cloud(zone("-tree", 0.5))
	want("the cloud silences it again", "cloud", 0, 1, 0.001)
	flat := zone("-line", 0.5)
	flat.Polygons[0].Points = []camio.Point{{X: 0, Y: 0}, {X: 0.5, Y: 0.5}, {X: 1, Y: 1}}
	cloud(zone("-tree", 0.5), flat)
	want("a zone of the cloud has nothing inside", "cloud", 0, 1, 0.001)
}

func TestAPageSettingThatCannotBeKeptIsNotInForce(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, false)
	camera := &knobs{value: 5}
	v.a.cameras[0].controls = camera
	v.a.device.file = filepath.Join(dir, "no", "such", "settings.json")
	v.refused("PUT", "/api/cameras/front/detection", detectionBody("["+aZone+"]", "[]", 0.02, 6, 300), 500)
	v.refused("PUT", "/api/cameras/front/controls", `{"brightness":9}`, 500)
	var got pageDetection
	if v.json("GET", "/api/cameras/front/detection", "", &got); got.From != "configuration" {
		t.Errorf("%+v", got)
	}
	if c := v.a.cameras[0].settings.Load(); c == nil || c.MinArea != 0.001 {
		t.Errorf("the detector is to take %+v", c)
	}
	if camera.value != 5 || len(camera.kept) != 0 || len(v.a.device.status()) != 0 {
		t.Errorf("%+v, %+v", camera, v.a.device.status())
	}
}

// knobs is a camera with one control.
type knobs struct {
	value int32
	kept  map[string]int32
	fault error
}

func (k *knobs) Controls() ([]capture.Control, error) {
	return []capture.Control{{ID: 9963776, Name: "brightness", Label: "Brightness", Type: "integer", Max: 10, Step: 1, Default: 5, Value: k.value}}, k.fault
}

func (k *knobs) SetControls(values map[string]int32) ([]capture.Control, error) {
	for name, v := range values {
		if name != "brightness" || v < 0 || v > 10 {
			return nil, fmt.Errorf("%w: %s", capture.ErrControl, name)
		}
		k.value = v
	}
	if k.kept == nil {
		k.kept = map[string]int32{}
	}
	maps.Copy(k.kept, values)
	return k.Controls()
}

func (k *knobs) KeepControls(values map[string]int32) { k.kept = maps.Clone(values) }

func TestControlsSetOnThePageAreKept(t *testing.T) {
	dir := t.TempDir()
	v := visit(t, dir, false)
	const path = "/api/cameras/front/controls"
	v.a.cameras[0].controls = &knobs{value: 5}
	want := `[{"id":9963776,"name":"brightness","label":"Brightness","type":"integer","min":0,"max":10,"step":1,"default":5,"value":%d}]` + "\n"
	if status, text := v.do("GET", path, ""); status != 200 || text != fmt.Sprintf(want, 5) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := v.do("PUT", path, `{"brightness":8}`); status != 200 || text != fmt.Sprintf(want, 8) {
		t.Errorf("%d %s", status, text)
	}
	for _, bad := range []string{``, `{}`, `[]`, `null`, `{"brightness":11}`, `{"contrast":1}`, `{"brightness":"8"}`, `{"brightness":null}`, `{"brightness":1.5}`,
		`{"brightness":99999999999}`, `{"brightness":7}{}`} {
		v.refused("PUT", path, bad, 400)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "state", "settings.json")); err != nil || !strings.Contains(string(b), `"brightness": 8`) {
		t.Errorf("%s, %v", b, err)
	}
	again := testAgent(t, dir)
	camera := &knobs{value: 5}
	again.cameras[0].controls = camera
	again.device.load(t.Context())
	if camera.kept["brightness"] != 8 {
		t.Errorf("after a restart %v is kept", camera.kept)
	}
	v.a.cameras[0].controls = &knobs{fault: fmt.Errorf("unplugged: %w", capture.ErrAbsent)}
	v.refused("GET", path, "", 503)
	v.refused("PUT", path, `{"brightness":8}`, 503)
}

func TestASourceThatIsNoDeviceHasNoControls(t *testing.T) {
	v := visit(t, t.TempDir(), false, "cameras[0].source=demo:")
	if status, text := v.do("GET", "/api/cameras/front/controls", ""); status != 200 || text != "[]\n" {
		t.Errorf("%d %s", status, text)
	}
	v.refused("PUT", "/api/cameras/front/controls", `{"brightness":8}`, 400)
	absent := visit(t, t.TempDir(), false, "cameras[0].source=/dev/video99")
	absent.refused("GET", "/api/cameras/front/controls", "", 503)
}

func TestAQuarantinedSettingsFileOfThePageIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{"detection":{"front":{}}}`,
		`{"detection":{"front":{"Include":[[[0,0]]],"MinArea":0.001,"MinContrast":6}}}`,
		`{"detection":{"other":{"MinArea":0.1,"MinContrast":6}},"controls":{"other":{"x":1}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, "state", "settings.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c := testAgent(t, dir).cameras[0].settings.Load(); c != nil {
			t.Errorf("%s: the detector is to take %+v", text, c)
		}
	}
}

func TestTheDetectorTakesThePagesSettingsWhileItRuns(t *testing.T) {
	v := visit(t, t.TempDir(), true, "cameras[0].source=demo:?rate=15&size=320x240&first=2s&every=4s")
	p := v.a.cameras[0]
	messages, stop := p.Narrate(64)
	defer stop()
	await := func(what string, ok func(m map[string]any) bool) {
		t.Helper()
		for end := time.After(30 * time.Second); ; {
			select {
			case b := <-messages:
				m := map[string]any{}
				if err := json.Unmarshal(b, &m); err != nil {
					t.Fatalf("%v: %s", err, b)
				}
				if m["type"] == "detector" && ok(m) {
					return
				}
			case <-end:
				t.Fatalf("not in time: %s", what)
			}
		}
	}
	await("motion", func(m map[string]any) bool { return m["moving"] == true && len(m["boxes"].([]any)) > 0 })
	v.json("PUT", "/api/cameras/front/detection", detectionBody("[]", "[]", 0.5, 6, 300), &pageDetection{})
	await("the new setting", func(m map[string]any) bool {
		if m["learning"] == true {
			t.Fatal("it learns anew")
		}
		return m["min_area"] == 0.5
	})
	v.json("DELETE", "/api/cameras/front/detection", "", &pageDetection{})
	await("motion again", func(m map[string]any) bool { return m["moving"] == true && m["min_area"] == 0.001 })
}

func FuzzDetection(f *testing.F) {
	f.Add(detectionBody("["+aZone+"]", "[]", 0.02, 12, 500))
	f.Add(detectionBody("[]", "["+aZone+","+aZone+"]", 0.0001, 2, 0))
	f.Add(zoned(`[{"name":"door","polygons":[` + aZone + `],"sensitivity":2},{"polygons":[[[0,0],[1,1],[1,0],[0,1]]],"sensitivity":0.25}]`))
	f.Add(`{"include":[[[1e-300,0],[1,1],[0,-0]]],"exclude":[[]],"min_area":0.5,"min_contrast":64,"min_duration_ms":10000}`)
	f.Fuzz(func(t *testing.T, body string) {
		cfg, err := readDetection(httptest.NewRequest("PUT", "/", strings.NewReader(body)))
		if err != nil {
			return
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("%v is taken: %s", err, body)
		}
		if b, err := json.Marshal(keptDetection{Config: cfg}); err != nil {
			t.Errorf("%v cannot be kept: %s", err, b)
		}
		cfg.Reach(80, 60)
	})
}
