package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"camward/capture"
	"camward/scripts/scenes"
	"camward/video"
)

func TestARecordingPlaysAsTheTruthSays(t *testing.T) {
	dir := t.TempDir()
	o := options{out: dir, rate: 12.5}
	if err := run(o, "160x120", "tune", false, []string{"car-pass-1"}); err != nil {
		t.Fatal(err)
	}
	truth := truthOf(t, filepath.Join(dir, "car-pass-1.json"))
	pictures, last := 0, time.Duration(0)
	err := capture.Play(t.Context(), filepath.Join(dir, truth.Clip), func(f *video.Frame) error {
		if f.Format.FourCC != video.MJPEG || f.Format.Width != 160 || f.Format.Height != 120 {
			t.Errorf("picture %d is %+v", pictures, f.Format)
		}
		pictures++
		last = f.Mono
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := int(truth.Duration * truth.FPS); pictures != want || last.Round(time.Millisecond) != 39920*time.Millisecond {
		t.Errorf("%d pictures, the last at %v; want %d, at 39.92s", pictures, last, want)
	}
}

func TestRawLumaHoldsEveryPicture(t *testing.T) {
	dir := t.TempDir()
	if err := run(options{out: dir, rate: 2, raw: true}, "64x48", "tune", false, []string{"quiet-1"}); err != nil {
		t.Fatal(err)
	}
	truth := truthOf(t, filepath.Join(dir, "quiet-1.json"))
	fi, err := os.Stat(filepath.Join(dir, truth.Clip))
	if err != nil || fi.Size() != 80*64*48 {
		t.Errorf("%v, %v, want %d bytes", fi, err, 80*64*48)
	}
}

func TestWhatCannotBeRenderedIsRefused(t *testing.T) {
	tests := []struct {
		size, split string
		names       []string
	}{{"640", "tune", nil}, {"640x480", "half", nil}, {"640x480", "tune", []string{"no-such-scene"}}, {"4x4", "tune", []string{"quiet-1"}}}
	for _, tt := range tests {
		if err := run(options{out: t.TempDir(), rate: 10}, tt.size, tt.split, false, tt.names); err == nil {
			t.Errorf("%+v is not refused", tt)
		}
	}
}

func truthOf(t *testing.T, file string) (truth scenes.Truth) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	return truth
}
