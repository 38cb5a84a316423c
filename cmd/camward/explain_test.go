package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"camward/agent"
	"camward/motion"
)

// keptEvent puts the traces of an event into a state directory: something small moved for three seconds, and before that something was too brief.
func keptEvent(t *testing.T, state, id, number string) string {
	t.Helper()
	dir := filepath.Join(state, "traces")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, number+"-"+id+".jsonl.gz")
	w, err := agent.CreateTrace(path)
	if err != nil {
		t.Fatal(err)
	}
	zero := 500 * time.Second
	err = w.Begin(agent.TraceHeader{Camera: "front", Event: id, Mono: zero, Width: 640, Height: 480, Cols: 64, Rows: 48, Settings: agent.SettingsOf(motion.Default()), Last: 3})
	for i := range 100 {
		tr := motion.Trace{Mono: zero + time.Duration(i-50)*100*time.Millisecond, Reason: motion.ReasonStill, Least: 3, Threshold: 7, Gain: 1, Needed: 0.3}
		switch {
		case i == 20:
			tr.Reason, tr.Moved, tr.Largest, tr.Evidence, tr.Box = motion.ReasonBrief, 30, 30, 0.1, [4]uint8{10, 100, 60, 150}
		case i >= 50 && i <= 80:
			tr.Reason, tr.Moved, tr.Largest, tr.Evidence, tr.Box = motion.ReasonMoving, 30, 30, 0.6, [4]uint8{100, 100, 150, 150}
		}
		err = errors.Join(err, w.Add(tr))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// explain runs the verb in a folder of its own, which has the state directory.
func explain(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = dispatch(t.Context(), append([]string{"explain"}, args...), stdio{&o, &e})
	return o.String(), e.String(), code
}

func TestAnEventOfThisDeviceIsExplained(t *testing.T) {
	t.Chdir(t.TempDir())
	state, err := filepath.Abs("state")
	if err != nil {
		t.Fatal(err)
	}
	keptEvent(t, state, "ABCD", "00000001")
	path := keptEvent(t, state, "ABXY", "00000002")
	set := "--set=state_dir=" + state
	out, errs, code := explain(t, set)
	if code != exitOK || !strings.Contains(out, "ABCD") || !strings.Contains(out, "ABXY") || !strings.Contains(out, "3.0 s") {
		t.Errorf("the list: %d\n%s%s", code, out, errs)
	}
	for _, what := range []string{"abc", "last", path} {
		out, errs, code = explain(t, set, what)
		if code != exitOK || !strings.Contains(out, "0.0 s to 3.0 s: motion.") || !strings.Contains(out, "-3.0 s: no motion.") || !strings.Contains(out, "motion.min_duration=") {
			t.Errorf("%s: %d\n%s%s", what, code, out, errs)
		}
	}
	for _, name := range []string{"ABCD.png", "ABXY.png", "00000002-ABXY.png"} {
		if b, err := os.ReadFile(name); err != nil {
			t.Error(err)
		} else if _, err := png.Decode(bytes.NewReader(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	out, errs, code = explain(t, set, "last", "--at", "-3s", "--png", "none")
	if code != exitOK || strings.Contains(out, "to 3.0 s") || !strings.Contains(out, "-3.0 s: Something of 0.98 % of the picture moved on the left.") {
		t.Errorf("one moment: %d\n%s%s", code, out, errs)
	}
	out, errs, code = explain(t, set, "last", "--png", "-")
	if _, err := png.Decode(strings.NewReader(out)); code != exitOK || err != nil || !strings.Contains(errs, "motion.") {
		t.Errorf("the picture to standard output: %d, %v\n%s", code, err, errs)
	}
}

func TestAnExplanationIsJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	state := t.TempDir()
	keptEvent(t, state, "ABCD", "00000001")
	out, errs, code := explain(t, "--set=state_dir="+state, "--json", "last")
	var got struct {
		Event string
		Found []struct {
			Kind, Reason, Text string
			From, To           float64
			Changes            []struct{ Key string }
		}
	}
	if err := json.Unmarshal([]byte(out), &got); code != exitOK || err != nil || got.Event != "ABCD" || len(got.Found) != 2 {
		t.Fatalf("%d, %v\n%s%s", code, err, out, errs)
	}
	if f := got.Found[0]; f.Kind != "miss" || f.Reason != "brief" || f.From != -3 || f.Changes[0].Key != "motion.min_duration" {
		t.Errorf("%+v", f)
	}
	if _, err := os.Stat("ABCD.png"); err == nil {
		t.Error("drawn without being asked")
	}
}

func TestARecordingIsExplainedUnderOtherSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	clip := film(t, "yard.mp4", asMP4...)
	out, errs, code := explain(t, clip)
	if code != exitOK || !strings.Contains(out, ": motion. Something moved") {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	name := strings.TrimSuffix(filepath.Base(clip), filepath.Ext(clip)) + ".explain.png"
	if _, err := os.Stat(name); err != nil {
		t.Error(err)
	}
	out, errs, code = explain(t, clip, "--set", "motion.min_area=30%", "--png", "other.png")
	if code != exitOK || strings.Contains(out, ": motion. Something moved") || !strings.Contains(out, "the smallest that counts is 30 %") || !strings.Contains(out, "tried: motion there") {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat("other.png"); err != nil {
		t.Error(err)
	}
}

func TestWhatDetectTracedIsExplained(t *testing.T) {
	t.Chdir(t.TempDir())
	clip := film(t, "yard.mp4", asMP4...)
	for _, name := range []string{"yard.trace.gz", "yard.trace"} {
		var o, e bytes.Buffer
		if code := dispatch(t.Context(), []string{"detect", "--trace", name, clip}, stdio{&o, &e}); code != exitOK {
			t.Fatalf("%d\n%s", code, e.String())
		}
		out, errs, code := explain(t, name, "--png", "none")
		if code != exitOK || !strings.Contains(out, ": motion. Something moved") {
			t.Errorf("%s: %d\n%s%s", name, code, out, errs)
		}
	}
}

func TestWhatCannotBeExplainedIsSaidPlainly(t *testing.T) {
	t.Chdir(t.TempDir())
	state := t.TempDir()
	keptEvent(t, state, "ABCD", "00000001")
	keptEvent(t, state, "ABXY", "00000002")
	set := "--set=state_dir=" + state
	broken := filepath.Join(t.TempDir(), "broken.jsonl")
	if err := os.WriteFile(broken, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	traced := keptEvent(t, state, "QRST", "00000003")
	tests := []struct {
		args []string
		code int
		says string
	}{
		{[]string{traced, "--set", "motion.min_area=1%"}, exitMisused, "no recording"},
		{[]string{"--set=state_dir=" + t.TempDir()}, exitMisused, "no events are kept"},
		{[]string{set, "AB"}, exitFailed, "2 events begin so"},
		{[]string{set, "nothing"}, exitFailed, "neither a file nor an event"},
		{[]string{set, "last", "ABCD"}, exitMisused, "one event or recording at a time"},
		{[]string{set, "last", "--at", "noon"}, exitMisused, "no time such as 12.5s"},
		{[]string{set, "last", "--at", "1h"}, exitFailed, "not within what is known"},
		{[]string{set, "last", "--set", "motion.min_area=1%"}, exitMisused, "no recording"},
		{[]string{set, "--live"}, exitFailed, "no camward runs"},
		{[]string{set, "--live", "last"}, exitMisused, "either --live or last"},
		{[]string{set, "--live", "--set", "motion.min_area=1%"}, exitMisused, "for recordings"},
		{[]string{broken}, exitFailed, "does not begin with a header"},
		{[]string{set, "last", "--png", filepath.Join(state, "absent", "a.png")}, exitFailed, "no such file"},
	}
	for _, tt := range tests {
		if out, errs, code := explain(t, tt.args...); code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%q: code %d, want %d and %q\n%s%s", tt.args, code, tt.code, tt.says, out, errs)
		}
	}
}
