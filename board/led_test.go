package board

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// piTriggers is what Raspberry Pi OS's kernel lists for ACT.
const piTriggers = "none rc-feedback kbd-scrolllock kbd-numlock kbd-capslock timer oneshot heartbeat backlight cpu cpu0 default-on input panic actpwr mmc1 [mmc0] rfkill-any rfkill-none pattern\n"

// sysTree lays files out as sysfs does, the folders of the LED class as links into devices.
func sysTree(t *testing.T, leds map[string]map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	class := filepath.Join(dir, ledClass)
	if err := os.MkdirAll(class, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, files := range leds {
		device := filepath.Join(dir, "sys/devices/platform/leds/leds", name)
		if err := errors.Join(os.MkdirAll(device, 0o755), os.Symlink("../../devices/platform/leds/leds/"+name, filepath.Join(class, name))); err != nil {
			t.Fatal(err)
		}
		for file, text := range files {
			if err := os.WriteFile(filepath.Join(device, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func pi(triggers string) map[string]map[string]string {
	act := map[string]string{"brightness": "0\n", "max_brightness": "255\n", "trigger": triggers}
	for _, f := range []string{"delay_on", "delay_off", "pattern", "repeat"} {
		act[f] = "\n"
	}
	return map[string]map[string]string{
		"ACT": act,
		"PWR": {"brightness": "255\n", "max_brightness": "255\n", "trigger": "none [default-on]\n"},
	}
}

// A light is one under test, with the files that the agent writes.
type light struct {
	t    *testing.T
	root *os.Root
	led  *LED
	log  *observer.ObservedLogs
	stop func() error
}

// runLED runs the light in the bubble of a synctest.
func runLED(t *testing.T, root *os.Root, name string) *light {
	core, log := observer.New(zap.InfoLevel)
	l, err := NewLED(LEDConfig{Name: name}, root, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	synctest.Wait()
	return &light{t, root, l, log, func() error { cancel(errors.New("stop")); return <-done }}
}

func (l *light) want(file, text string) {
	l.t.Helper()
	if got := readLine(l.root.FS(), ledClass+"/"+file); got != text {
		l.t.Errorf("%s is %q, want %q", file, got, text)
	}
}

func (l *light) show(s State) { l.led.Show(s); synctest.Wait() }

func TestTheKernelBlinksWhereItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := runLED(t, sysTree(t, pi(piTriggers)), "")
		l.want("ACT/trigger", "timer")
		l.want("ACT/delay_on", "1000")
		l.want("ACT/delay_off", "1000")
		l.show(Unclaimed)
		l.want("ACT/trigger", "pattern")
		l.want("ACT/pattern", "255 150 255 0 0 150 0 0 255 150 255 0 0 1550 0 0")
		l.want("ACT/repeat", "-1")
		l.show(Recording)
		l.want("ACT/trigger", "none")
		l.want("ACT/brightness", "255")
		l.show(Fault)
		l.want("ACT/trigger", "timer")
		l.want("ACT/delay_on", "80")
		l.want("PWR/trigger", "none [default-on]")
		if err := l.stop(); err == nil || err.Error() != "stop" {
			t.Error(err)
		}
		l.want("ACT/trigger", "mmc0")
		if n := l.log.FilterLevelExact(zap.WarnLevel).Len(); n != 0 {
			t.Errorf("%d warnings", n)
		}
	})
}

// waveform is whether the light is on, every 10 ms for 10 s.
func (l *light) waveform(file string) string {
	var b strings.Builder
	for range 1000 {
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if readLine(l.root.FS(), file) == "0" {
			b.WriteByte('.')
		} else {
			b.WriteByte('#')
		}
	}
	return b.String()
}

func TestWithoutTriggersTheAgentBlinksAndStatesLookDifferent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := sysTree(t, map[string]map[string]string{"vendor:green:status": {"brightness": "1\n", "max_brightness": "1\n"}})
		l := runLED(t, root, "")
		const file = ledClass + "/vendor:green:status/brightness"
		time.Sleep(time.Millisecond) // off the edges
		type look struct{ flashes, lit int }
		looks := map[look]State{}
		for s := Booting; s <= Fault; s++ {
			l.show(s)
			w := l.waveform(file)
			k := look{strings.Count(w, ".#"), strings.Count(w, "#") / 50}
			if other, twice := looks[k]; twice {
				t.Errorf("%v looks like %v: %v", s, other, k)
			}
			looks[k] = s
			want := map[State]look{Booting: {5, 10}, Unclaimed: {10, 3}, Ready: {2, 0}, Recording: {0, 20}, Uploading: {10, 17}, Fault: {62, 10}}[s]
			if d := k.flashes - want.flashes; d < -1 || d > 1 || k.lit-want.lit < -1 || k.lit-want.lit > 1 {
				t.Errorf("%v has %d flashes in 10 s and %d of 20 lit, want %v", s, k.flashes, k.lit, want)
			}
		}
		l.stop() //nolint:errcheck
		l.want("vendor:green:status/brightness", "1")
	})
}

func TestAMissingLightIsNoFailure(t *testing.T) {
	none := sysTree(t, nil)
	tests := []struct {
		name, led string
		root      *os.Root
		warnings  int
	}{
		{"no lights", "", none, 0},
		{"none that is for this", "", sysTree(t, map[string]map[string]string{"input3::capslock": {"brightness": "0\n"}, "red:power": {"brightness": "0\n"}}), 0},
		{"a named one is missing", "ACT", none, 1},
		{"left alone", NoLED, sysTree(t, pi(piTriggers)), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := runLED(t, tt.root, tt.led)
				l.show(Fault)
				time.Sleep(time.Minute)
				if err := l.stop(); err == nil || err.Error() != "stop" {
					t.Error(err)
				}
				if got := l.log.FilterLevelExact(zap.WarnLevel); got.Len() != tt.warnings {
					t.Errorf("%v", got.All())
				}
				if tt.led == NoLED {
					l.want("ACT/trigger", strings.TrimSpace(piTriggers))
				}
			})
		})
	}
}

func TestALightThatGoesAwayIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := sysTree(t, map[string]map[string]string{"status": {"brightness": "0\n", "max_brightness": "255\n"}})
		l := runLED(t, root, "")
		if err := root.RemoveAll("sys/devices/platform/leds/leds/status"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		l.show(Fault)
		time.Sleep(time.Minute)
		if err := l.stop(); err == nil || l.log.FilterMessage("status light lost").Len() != 1 {
			t.Error(err, l.log.All())
		}
	})
}

func TestTheStatusLightIsFoundByItsName(t *testing.T) {
	for want, names := range map[string][]string{
		"ACT": {"ACT", "PWR", "mmc0::"}, "led0": {"led1", "led0"}, "nanopi:green:status": {"nanopi:red:pwr", "nanopi:green:status"},
		"green:activity": {"green:activity", "white:flash"}, "": {"PWR", "input1::numlock", "infrared", "white:flash", "eth0:green:link"},
	} {
		if got := statusLight(names); got != want {
			t.Errorf("%q: got %q", names, got)
		}
	}
	for _, name := range []string{"../ACT", "a/b", ".."} {
		if err := (LEDConfig{Name: name}).Validate(); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}
