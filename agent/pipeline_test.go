package agent

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"camward/camio"
	"camward/capture"
	"camward/clip"
)

// noSpool refuses everything: these tests record nothing.
type noSpool struct{}

func (noSpool) Create(camio.Media) (clip.Recording, error) { return nil, os.ErrInvalid }

// badRecordings makes recordings of pictures that a camera might send and that cannot be used, from a real one.
func badRecordings(t *testing.T) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	good := filepath.Join(dir, "good.jpg")
	if out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240", "-frames:v", "1", "-pix_fmt", "yuvj420p", "-f", "mjpeg", good).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	progressive, err := exec.Command("jpegtran", "-progressive", good).Output()
	if err != nil {
		t.Fatal("jpegtran: ", err)
	}
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	garbage := append([]byte{}, b...)
	for i := 20; i < len(garbage)-2; i++ {
		garbage[i] = byte(i * 7)
	}
	repeat := func(p []byte) (out []byte) {
		for range 30 {
			out = append(out, p...)
		}
		return out
	}
	return map[string][]byte{"progressive": repeat(progressive), "garbage": repeat(garbage)}
}

func TestPicturesThatCannotBeReadAreSaidInOneLine(t *testing.T) {
	for name, data := range badRecordings(t) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), name+".mjpeg")
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			core, logs := observer.New(zap.WarnLevel)
			cam := DefaultCamera()
			cam.Name, cam.Source = "front", file+"?fps=30"
			p, err := newPipeline(cam, "000000000001", noSpool{}, zap.New(core))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			p.Run(ctx)
			m, c := p.motionStatus(), p.camera.Status()
			if m.Unreadable == 0 && c.LastError == "" && c.Errored == 0 {
				t.Errorf("nothing noticed: %+v, %+v", m, c)
			}
			var lines []string
			for _, l := range logs.All() {
				lines = append(lines, l.Message)
				for _, v := range l.ContextMap() {
					if s, ok := v.(string); ok && strings.ContainsAny(s, "\n\r") {
						t.Errorf("more than one line: %q", s)
					}
				}
			}
			if len(lines) == 0 || len(lines) > 4 {
				t.Errorf("%d warnings: %q", len(lines), lines)
			}
		})
	}
}

func TestAStateDirectoryThatCannotBeWrittenDoesNotStopTheAgent(t *testing.T) {
	inTheWay := writeFile(t, "not a directory")
	c, err := Load(Layers{File: writeFile(t, smallest+"listen: \":0\"\nstate_dir: "+inTheWay+"/state\n")})
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.ErrorLevel)
	a, err := New(c, "test", zap.New(core))
	if err != nil || a.FreshPassword != "" {
		t.Fatal(err)
	}
	if n := logs.FilterMessageSnippet("no HTTP server").Len(); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// The watchdogs wait for alive: a picture that has just come after a long absence is not one that nobody looked at.
func TestACameraThatComesBackIsNotTakenForADetectorThatHangs(t *testing.T) {
	c := DefaultCamera()
	c.Name, c.Source = "front", "demo:?rate=60&size=64x48"
	p, err := newPipeline(c, "id", noSpool{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.camera.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	for p.camera.Status().Frames < 3 {
		time.Sleep(10 * time.Millisecond)
	}
	now := p.camera.Status().Last
	p.looked.Store(int64(now - time.Hour))
	if err := p.alive(); err != nil {
		t.Errorf("a camera that was just found: %v", err)
	}
	p.since.Store(int64(now - time.Minute))
	if p.alive() == nil {
		t.Error("a camera whose pictures nobody looks at is said to be well")
	}
	p.changed(capture.Change{Err: capture.ErrAbsent})
	if err := p.alive(); err != nil {
		t.Errorf("a camera that was just lost: %v", err)
	}
}
