package capture

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"camward/video"
)

func TestConfigReadsFromYAML(t *testing.T) {
	c := Default()
	in := "source: https://cam/x?y=1\nsize: 1280x720\nrate: 12.5\nformat: MJPG\nuser: u\npassword: p\ndetect_source: /dev/video2\n" +
		"controls: {auto_exposure: 1, gain: -3, flip: true, dim: false}\nprivacy: [[[0, 0], [0.5, 0], [0.5, 0.25]]]\n"
	if err := yaml.UnmarshalWithOptions([]byte(in), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := Config{Source: "https://cam/x?y=1", Size: Size{1280, 720}, Rate: 12.5, Format: "MJPG", User: "u", Password: "p", DetectSource: "/dev/video2",
		Controls: ControlValues{"auto_exposure": 1, "gain": -3, "flip": 1, "dim": 0}, Privacy: []video.Polygon{{{0, 0}, {0.5, 0}, {0.5, 0.25}}}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if err := yaml.Unmarshal([]byte("size: big"), &c); err == nil || !strings.Contains(err.Error(), "640x480") {
		t.Errorf("size: big gave %v, want an example of a size", err)
	}
}

func TestConfigWritesYAMLThatItReads(t *testing.T) {
	for _, want := range []Config{Default(), {Source: "demo:", Size: Size{320, 240}, Rate: 10, Format: "YUYV", DetectSource: "none", Controls: ControlValues{"gain": 7}}} {
		b, err := yaml.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Config
		if err := yaml.Unmarshal(b, &got); err != nil || !cmp.Equal(got, want, cmpopts.EquateEmpty()) {
			t.Errorf("%s: got %+v (%v), want %+v", b, got, err, want)
		}
	}
}

func TestValidateReportsEveryFaultUnderItsKey(t *testing.T) {
	c := Config{Source: "yard.mjpeg?speed=2", Size: Size{3, 5}, Rate: 1000, Format: "HEVC", DetectSource: "video2"}
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, key := range []string{"source: ", "size: ", "rate: ", "format: ", "detect_source: "} {
		if !strings.Contains("\n"+err.Error(), "\n"+key) {
			t.Errorf("nothing about %q in:\n%v", key, err)
		}
	}
}

func TestParseSource(t *testing.T) {
	tests := []struct {
		in   string
		want source
		err  string // part of the error
	}{
		{in: "/dev/video0", want: source{kind: kindDevice, path: "/dev/video0"}},
		{in: "/dev/v4l/by-id/usb-Cam-video-index0", want: source{kind: kindDevice, path: "/dev/v4l/by-id/usb-Cam-video-index0"}},
		{in: "auto", want: source{kind: kindDevice, by: byOrder, path: "auto"}},
		{in: "name: HD Webcam? (1)", want: source{kind: kindDevice, by: byName, text: "HD Webcam? (1)", path: "name: HD Webcam? (1)"}},
		{in: "serial:A1B2", want: source{kind: kindDevice, by: bySerial, text: "A1B2", path: "serial:A1B2"}},
		{in: "name: ", err: "names no camera"},
		{in: "serial:", err: "names no camera"},
		{in: "demo:", want: source{kind: kindDemo, path: "demo:", first: 8 * time.Second, every: 30 * time.Second}},
		{in: "demo:?rate=10&size=320x240&first=2s&every=0s", want: source{kind: kindDemo, path: "demo:", rate: 10, size: Size{320, 240}, first: 2 * time.Second}},
		{in: "a/b.mjpeg?fps=12.5&loop=1", want: source{kind: kindRecording, path: "a/b.mjpeg", rate: 12.5, loop: true}},
		{in: "http://cam.lan/snapshot.jpg?pwd=x&loop=1", want: source{kind: kindHTTP, path: "http://cam.lan/snapshot.jpg?pwd=x&loop=1"}},
		{in: "HTTPS://10.0.0.8:8443/", want: source{kind: kindHTTP, path: "HTTPS://10.0.0.8:8443/"}},
		{in: "http://user:secret@cam/x", err: "their own keys"},
		{in: "http://user:secret@[::1/x", err: "not an address"},
		{in: "http:///snapshot.jpg?secret", err: "no host"},
		{in: "http://cam:70000/?secret", err: "port"},
		{in: "http://cam/#secret", err: "#"},
		{in: "", err: "missing"},
		{in: "rtsp://user:secret@host/x", err: "network address"},
		{in: "demo:?loop=1", err: `unknown option "loop" (there are: rate, size, first, every)`},
		{in: "/dev/video0?fps=5", err: "unknown option"},
		{in: "a.avi?fps=0", err: "outside 0.1..240"},
		{in: "a.avi?fps=NaN", err: "outside 0.1..240"},
		{in: "a.avi?loop=maybe", err: "loop=maybe"},
		{in: "demo:?size=641x480", err: "even"},
		{in: "demo:?first=-1s", err: "below zero"},
	}
	for _, tt := range tests {
		got, err := parseSource(tt.in)
		if tt.err == "" && (err != nil || got != tt.want) {
			t.Errorf("%q: got %+v, %v, want %+v", tt.in, got, err, tt.want)
		}
		if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: got error %v, want %q in it", tt.in, err, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", tt.in, err)
		}
	}
}

func TestWhatANetworkCameraNeedsIsChecked(t *testing.T) {
	tests := []struct {
		cfg  Config
		want []string // lines that begin so; none: valid
	}{
		{Config{Source: "http://cam/"}, nil},
		{Config{Source: "http://cam/", User: "u", Password: "secret"}, nil},
		{Config{Source: "http://cam/", Password: "secret"}, []string{"user: not set"}},
		{Config{Source: "http://cam/", User: "a:b"}, []string{"user: colons"}},
		{Config{Source: "http://cam/", CAFile: "x.pem"}, []string{"ca_file: only https"}},
		{Config{Source: "https://cam/", CAFile: "x.pem"}, []string{"ca_file: open x.pem"}},
		{Config{Source: "/dev/video0", User: "u", Password: "secret", CAFile: "x.pem"}, []string{"user: only http", "password: only http", "ca_file: only http"}},
	}
	for _, tt := range tests {
		tt.cfg.Rate = 5
		err := tt.cfg.Validate()
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%+v: %v", tt.cfg, err)
		}
		for _, w := range tt.want {
			if !strings.Contains("\n"+err.Error(), "\n"+w) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%+v: got %v, want %q", tt.cfg, err, w)
			}
		}
	}
}

func TestNewRefusesABadConfigurationAndOpensNothing(t *testing.T) {
	if _, err := New(Config{Source: "x.avi", Rate: 0}, NewHub(), nil, nil); err == nil {
		t.Error("rate 0 was taken")
	}
	if _, err := New(Config{Source: "/dev/video99", Rate: 15}, NewHub(), nil, nil); err != nil {
		t.Errorf("New looked at the device: %v", err)
	}
}
