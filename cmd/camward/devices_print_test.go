package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"camward/agent"
)

func TestDevicesFitATerminalAndSayWhatToWriteAsASource(t *testing.T) {
	var d agent.Device
	d.Path, d.Card, d.Driver, d.USB, d.Serial = "/dev/video0", "HD Pro Webcam C920 mit Übertragung", "uvcvideo", "046d:0825", "A1B2"
	d.Stable = []string{"/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_A1B2C3D4-video-index0", "serial:A1B2", "name:HD Pro Webcam C920"}
	d.Problem = strings.Repeat("it is held by pid 4711 (motion) ", 6)
	if err := json.Unmarshal([]byte(`[{"fourcc": "MJPG", "name": "Motion-JPEG", "usable": true, "sizes": [
		{"size": "640x480", "rates": [30, 29.97002997, 25, 24, 20, 15, 12.5, 10, 7.5, 5, 4, 3, 2.5, 2, 1, 0.5]},
		{"size": "16x16", "max": "1920x1080", "step": "8x8", "rates": []}]},
		{"fourcc": "HEVC", "usable": false}]`), &d.Formats); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`[{"name": "brightness", "type": "integer", "min": -64, "max": 64, "step": 8, "value": -8},
		{"name": "auto_exposure", "type": "menu", "menu": [{"value": 1, "label": "Manual Mode"}, {"value": 3, "label": "Aperture Priority Mode"}], "value": 3},
		{"name": "exposure_time_absolute", "type": "integer", "min": 3, "max": 2047, "step": 1, "value": 250, "inactive": true},
		{"name": "flip", "type": "boolean", "max": 1, "value": 1}]`), &d.Controls); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	printDevice(stdio{out: &out}, d)
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		"/dev/video0  HD Pro Webcam C920 mit Übertragung (uvcvideo, 046d:0825)\n",
		"\n  source: serial:A1B2\n", "\n  source: name:HD Pro Webcam C920\n",
		"\n    640x480 at 30, 29.97, 25, ", "\n    16x16 to 1920x1080\n", "and 1 format that camward does not use",
		"\n    brightness: -64 to 64 in steps of 8; now -8\n", "auto_exposure: 1 Manual Mode, 3 Aperture Priority Mode; now 3\n",
		"flip: true or false; now true\n", "of no effect",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
