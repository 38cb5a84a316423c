package agent

import (
	"reflect"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"camward/camio"
)

func TestWhatIsWrittenAsYAMLReadsAsItWas(t *testing.T) {
	type Inner struct {
		Name string        `yaml:"name"`
		Wait time.Duration `yaml:"wait"`
		skip int
	}
	type outer struct {
		Inner `yaml:",inline"`
		List  []Inner            `yaml:"list"`
		Map   map[string]float64 `yaml:"map"`
		On    bool               `yaml:"on"`
	}
	for _, v := range []any{
		"", "plain", "yes", "null", "12", "1e3", ".5", "a: b", "#c", "- d", "{e}", `"f`, "g\nh", "~", "=", "/dev/video0", "http://c:80/d", "a:", ":b", "c:d", "käse", "0x1f", "a#b",
		42, int64(-1), 1.5, true, 90 * time.Second, []string{"a", "b c", ""}, [2]int{1, 2}, map[string]int{"x": 1, "y z": 2},
		outer{Inner{"n", time.Second, 0}, []Inner{{Name: "on"}}, map[string]float64{"k": 2.25}, true},
	} {
		text := flow(reflect.ValueOf(v))
		got := reflect.New(reflect.TypeOf(v))
		if err := yaml.Unmarshal([]byte(text), got.Interface()); err != nil {
			t.Errorf("%v is written %s: %v", v, text, err)
		} else if diff := cmp.Diff(v, got.Elem().Interface(), cmp.AllowUnexported(outer{}, Inner{})); diff != "" {
			t.Errorf("written %s (-want +got):\n%s", text, diff)
		}
	}
	if text := flow(reflect.ValueOf(camio.Secret("sesame"))); text != `"***"` {
		t.Errorf("a secret is written %s", text)
	}
}
