package agent

import (
	_ "embed"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

//go:embed camward.sample.yml
var sample string

func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "camward.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func values(c *Loaded) map[string]string {
	m := map[string]string{}
	for _, e := range c.Effective() {
		m[e.Key] = e.Value
	}
	return m
}

func TestTheSampleFileIsValid(t *testing.T) {
	c, err := Load(Layers{File: writeFile(t, sample)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
}

// The keys that the sample shows behind "#" are brought to life; what they say must be what holds without them, and
// no key may be missing.
func TestTheSampleShowsEveryKeyWithItsDefault(t *testing.T) {
	key := regexp.MustCompile(`(?m)^(\s*)# (\s*)([a-z_]+:)( |$)`)
	full, err := Load(Layers{File: writeFile(t, key.ReplaceAllString(sample, "$1$2$3$4"))})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Load(Layers{File: writeFile(t, sample)})
	if err != nil {
		t.Fatal(err)
	}
	got, want := values(full), values(plain)
	for k, origin := range full.origin {
		if plain.origin[k] != "" || k == "cameras[0].size" || k == "board.maker" {
			continue // set in both; or the default depends on the source, or on the board
		}
		if got[k] != want[k] {
			t.Errorf("%s: the sample shows %s (%s), the default is %s", k, got[k], origin, want[k])
		}
	}
	for k := range want {
		if full.origin[k] == "" {
			t.Errorf("%s is not in the sample", k)
		}
	}
}

const smallest = "cloud: {url: http://127.0.0.1:1, upload_token: abc}\ncameras: [{name: front, source: /dev/video0}]\n"

func TestTheSmallestFileIsEnough(t *testing.T) {
	c, err := Load(Layers{File: writeFile(t, smallest)})
	if err != nil || c.Validate() != nil {
		t.Fatal(err, c.Validate())
	}
	if cam := c.Cameras[0]; cam.Name != "front" || cam.Clip.PreRoll != 5*time.Second || cam.Rate != 15 {
		t.Fatalf("%+v", cam)
	}
}

func TestEveryFaultIsReportedAtOnceWithItsLine(t *testing.T) {
	file := writeFile(t, `cloud:
  url: ftp://x
  uplod_token: abc
cameras:
  - name: front
    source: /dev/video0
    rate: fast
    clip: {pre_roll: 5 minutes}
  - name: front
    source: ""
log: {level: loud}
listen: nowhere
`)
	c, err := Load(Layers{File: file, Flags: []string{"nokey", "spool.dri=/x"}, Environ: []string{"CAMWARD_LOG_FORMAT=xml", "CAMWARD_NO_SUCH=1"}})
	var all []string
	for _, f := range append(Faults(err), Faults(c.Validate())...) {
		all = append(all, f.Error())
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{
		"cloud.uplod_token: unknown key", "(camward.yml:3)", "cameras[0].rate:", "(camward.yml:7)", "cameras[0].clip.pre_roll:", "(camward.yml:8)",
		"cloud.url:", `cameras[1].name: "front"`, "cameras[1].source:", "log.level:", "log.format:", "listen:",
		"--set nokey", "spool.dri: unknown key (flag)", "CAMWARD_NO_SUCH",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no fault says %q in:\n%s", want, text)
		}
	}
}

func TestStrongerLayersWin(t *testing.T) {
	state := t.TempDir()
	file := writeFile(t, smallest+"state_dir: "+state+"\nlog: {level: warn}\nspool: {parallel: 2}\nlisten: 127.0.0.1:1\nboard: {model: file}\n")
	c, err := Load(Layers{File: file})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"log.level", "spool.parallel", "listen"} {
		v := map[string]string{"log.level": "error", "spool.parallel": "3", "listen": "127.0.0.1:2"}[k]
		if _, err := c.Change(k, v); err != nil {
			t.Fatal(err)
		}
	}
	c, err = Load(Layers{File: file, Environ: []string{"CAMWARD_SPOOL_PARALLEL=4", "CAMWARD_LISTEN=127.0.0.1:3", "CAMWARD_CAMERAS_0_RATE=5", "CAMWARD_CAMERAS_1_NAME=back", "CAMWARD_CAMERAS_1_SOURCE=demo:"},
		Flags: []string{"listen=127.0.0.1:4"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][2]string{}
	for _, e := range c.Effective() {
		got[e.Key] = [2]string{e.Value, e.Origin}
	}
	want := map[string][2]string{
		"listen":             {`"127.0.0.1:4"`, "flag"},
		"spool.parallel":     {"4", "CAMWARD_SPOOL_PARALLEL"},
		"log.level":          {"error", "changed at run time"},
		"board.model":        {"file", "camward.yml:7"},
		"cameras[0].rate":    {"5", "CAMWARD_CAMERAS_0_RATE"},
		"cameras[1].name":    {"back", "CAMWARD_CAMERAS_1_NAME"},
		"cloud.poll.period":  {"30s", "default"},
		"cloud.upload_token": {`"***"`, "camward.yml:1"},
	}
	for k, w := range want {
		if diff := cmp.Diff(w, got[k]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", k, diff)
		}
	}
	if b, _ := os.ReadFile(file); !strings.Contains(string(b), "level: warn") {
		t.Error("the file was rewritten")
	}
}

func TestADamagedFileIsOneFaultThatNamesTheLine(t *testing.T) {
	_, err := Load(Layers{File: writeFile(t, "cloud:\n  url: [\n")})
	if err == nil || !strings.Contains(err.Error(), "camward.yml: not YAML") {
		t.Fatal(err)
	}
}

func FuzzReadYAML(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(smallest))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &Loaded{Config: DefaultConfig(), origin: map[string]string{}}
		if c.readYAML("x", b) == nil {
			c.Effective()
			c.Validate()
		}
	})
}

func TestDamagedRuntimeChangesAreAFaultThatDoesNotStopTheCamera(t *testing.T) {
	for name, text := range map[string]string{
		"not YAML":            "log.level: [\n",
		"unknown key":         "log.levle: debug\n",
		"wrong value":         "spool.parallel: many\n",
		"impossible value":    "log.level: loud\n",
		"camera that is gone": "cameras[3].rate: 5\n",
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			if err := os.WriteFile(filepath.Join(state, "changes.yml"), []byte("spool.max_percent: 70\n"+text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load(Layers{File: writeFile(t, smallest+"state_dir: "+state+"\n")})
			if err != nil || c.Validate() != nil {
				t.Fatalf("the camera does not start: %v, %v", err, c.Validate())
			}
			if c.Ignored == nil {
				t.Error("the fault is not told")
			}
			if name != "not YAML" && c.Spool.MaxPercent != 70 {
				t.Error("the change beside it is lost")
			}
		})
	}
}

func TestAChangeThatCannotHoldIsRefused(t *testing.T) {
	c, err := Load(Layers{File: writeFile(t, smallest+"state_dir: "+t.TempDir()+"\n")})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"log.level": "loud", "cameras[0].clip.pre_roll": "2h", "cameras[1].rate": "5", "no.such": "1"} {
		if _, err := c.Change(key, value); err == nil {
			t.Errorf("%s = %s: no error", key, value)
		}
	}
	if _, err := os.Stat(c.changesFile()); err == nil {
		t.Error("a refused change was kept")
	}
}

func TestTheServersVariablesAreNoFault(t *testing.T) {
	if _, err := Load(Layers{File: writeFile(t, smallest), Environ: []string{"CAMWARD_CLOUD_DATA=/x", "CAMWARD_CLOUD_LISTEN=:1", "CAMWARD_CLOUD_BASE_URL=http://x"}}); err != nil {
		t.Error(err)
	}
}

func TestAMissingCertificateFileIsAFaultOfTheConfiguration(t *testing.T) {
	c, err := Load(Layers{File: writeFile(t, smallest), Flags: []string{"cloud.ca_file=/nowhere.pem"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "cloud.ca_file: open /nowhere.pem") {
		t.Error(err)
	}
}
