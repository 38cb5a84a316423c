package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinesAboutCamerasAreShortenedAndOthersLeftOut(t *testing.T) {
	tests := []struct{ line, want string }{
		{`{"level":"warn","ts":"2026-11-23T22:53:29.251Z","msg":"camera failed","camera":"vivid","error":"start streaming: invalid argument","retry_in":0.5}`,
			"warn: camera failed, start streaming: invalid argument"},
		{`{"level":"info","msg":"camera found","camera":"usb","device":"/dev/video2","card":"Lab USB Camera","format":"MJPG 640x480 5 fps"}`,
			"info: camera found, /dev/video2, Lab USB Camera, MJPG 640x480 5 fps"},
		{`{"level":"info","logger":"relay","msg":"live connection to the cloud","camera":"usb"}`, ""},
		{`{"level":"info","msg":"camward starts"}`, ""},
		{`The password of this camera`, ""},
	}
	for _, tt := range tests {
		if got := shorten([]byte(tt.line)); got != tt.want {
			t.Errorf("%s\ngot  %q\nwant %q", tt.line, got, tt.want)
		}
	}
}

func TestLogGivesEachLineOnceFromThenOn(t *testing.T) {
	a := &agent{lines: []string{"before", "a", "b", "a", "before"}}
	if diff := cmp.Diff([]string{"a", "b", "before"}, a.linesSince(1)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestJPEGWithoutItsEndIsCut(t *testing.T) {
	tests := []struct {
		name, data string
		want       bool
	}{
		{"whole", "\xff\xd8data\xff\xd9", false},
		{"padded", "\xff\xd8data\xff\xd9\x00\x00", false},
		{"cut", "\xff\xd8da", true},
		{"raw", "\x10\x80\x10\x80", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		if got := cutJPEG([]byte(tt.data)); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

// The numbers are those of drivers/media/test-drivers/vivid/vivid-ctrls.c.
func TestVividsFaultsHaveTheDriversNumbers(t *testing.T) {
	got := []uint32{vividDropped, vividDisconnect, vividDequeue, vividRequest, vividPrepare, vividStart, vividFatal}
	want := []uint32{0xf0f040, 0xf0f041, 0xf0f042, 0xf0f043, 0xf0f044, 0xf0f045, 0xf0f046}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
