package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"camward/capture/demo"
	"camward/codec/jpeg"
	"camward/video"
)

const (
	testWidth, testHeight = 320, 240
	testFrames            = 20
)

// scene is testFrames pictures of the demo scene as raw 4:2:0.
var scene = sync.OnceValue(func() []byte {
	s := demo.New(demo.Options{Width: testWidth, Height: testHeight, Rate: 10})
	var raw []byte
	var pic video.I420
	for n := range uint64(testFrames) {
		s.Render(&pic, n, time.Unix(0, 0))
		raw = append(append(append(raw, pic.Y...), pic.U...), pic.V...)
	}
	return raw
})

// ffmpeg makes a recording of the scene, its pictures numbered by their marks, at 10 pictures per second.
func ffmpeg(t testing.TB, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := append([]string{"-v", "error", "-f", "rawvideo", "-pix_fmt", "yuvj420p", "-s", fmt.Sprintf("%dx%d", testWidth, testHeight), "-r", "10", "-i", "-"}, args...)
	cmd := exec.Command("ffmpeg", append(all, path)...)
	cmd.Stdin = bytes.NewReader(scene())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return path
}

var (
	mjpegArgs = []string{"-c:v", "mjpeg", "-q:v", "4"}
	h264Args  = []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-b:v", "1M"}
)

// markOf reads the number in a frame's picture.
func markOf(t testing.TB, f *video.Frame) uint32 {
	t.Helper()
	var pic video.I420
	var err error
	if f.Format.FourCC == video.MJPEG {
		d := jpeg.NewDecoder()
		defer d.Close()
		err = d.I420(&pic, f.Data)
	} else {
		err = video.ToI420(&pic, f)
	}
	if err != nil {
		t.Fatalf("frame %d: %v", f.Seq, err)
	}
	x, y := video.MarkAt(pic.Width, pic.Height)
	n, ok := video.ReadMark(&video.Plane{Pix: pic.Y, Width: pic.Width, Height: pic.Height, Stride: pic.YStride}, x, y)
	if !ok {
		t.Fatalf("frame %d: no mark", f.Seq)
	}
	return n
}

func TestPlayGivesEveryFrameInOrder(t *testing.T) {
	tests := []struct {
		name, options string
		args          []string
		want          video.Format
	}{
		{name: "a.mjpeg", options: "?fps=10", args: mjpegArgs, want: video.Format{FourCC: video.MJPEG, Rate: 10, FullRange: true}},
		{name: "a.avi", args: mjpegArgs, want: video.Format{FourCC: video.MJPEG, Rate: 10, FullRange: true}},
		{name: "a.mp4", args: h264Args, want: video.Format{FourCC: video.YU12, Rate: 10, Stride: testWidth}},
		{name: "h264.avi", args: h264Args, want: video.Format{FourCC: video.YU12, Rate: 10, Stride: testWidth}},
		{name: "mjpeg.mkv", args: mjpegArgs, want: video.Format{FourCC: video.YU12, Rate: 10, Stride: testWidth}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := ffmpeg(t, tt.name, tt.args...)
			tt.want.Width, tt.want.Height = testWidth, testHeight
			n := uint32(0)
			err := Play(t.Context(), path+tt.options, func(f *video.Frame) error {
				got := f.Format
				got.FullRange = tt.want.FullRange
				if got != tt.want {
					t.Fatalf("format %+v, want %+v", f.Format, tt.want)
				}
				if m := markOf(t, f); m != n || f.Seq != uint64(n) || f.Mono != time.Duration(n)*100*time.Millisecond {
					t.Errorf("frame %d: mark %d, Seq %d, at %v", n, m, f.Seq, f.Mono)
				}
				n++
				return nil
			})
			if err != nil || n != testFrames {
				t.Errorf("%d frames, %v; want %d", n, err, testFrames)
			}
		})
	}
}

func TestPlayStopsWhenItsFunctionFailsOrItsContextEnds(t *testing.T) {
	for _, path := range []string{ffmpeg(t, "a.avi", mjpegArgs...), ffmpeg(t, "a.mp4", h264Args...)} {
		broken := errors.New("broken")
		n := 0
		err := Play(t.Context(), path, func(*video.Frame) error {
			if n++; n == 3 {
				return broken
			}
			return nil
		})
		if err != broken || n != 3 {
			t.Errorf("%s: %v after %d frames, want broken after 3", path, err, n)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		if err := Play(ctx, path, func(*video.Frame) error { cancel(enough); return nil }); err != enough {
			t.Errorf("%s: %v, want the context's cause", path, err)
		}
	}
}

func TestRecordingThatIsNoneGivesOneClearLine(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	tests := []struct{ path, want string }{
		{filepath.Join(dir, "absent.avi"), "no such file"},
		{dir, "not a file"},
		{file("empty.mp4", ""), "the file is empty"},
		{file("letter.mp4", "Dear Sir or Madam,\n"), "not a video that ffmpeg can read"},
		{file("cut.jpg", "\xff\xd8\xff\xe0\x00\x10JFIF"), "holds no picture"},
		{file("cut.avi", "RIFF\x00\x00\x00\x00AVI LIST"), "AVI header"},
		{file("-v.mp4", "x"), "not a video that ffmpeg can read"},
		{"demo:", "not a recording"},
		{"/dev/video0", "not a recording"},
	}
	for _, tt := range tests {
		err := Play(t.Context(), tt.path, func(*video.Frame) error { return nil })
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q in one line", tt.path, err, tt.want)
		}
		if err != nil && strings.Count(err.Error(), tt.path) > 1 {
			t.Errorf("%s: the line repeats the name: %v", tt.path, err)
		}
	}
}

func TestWithoutFFmpegAnMP4SaysWhatToInstall(t *testing.T) {
	mp4, avi := ffmpeg(t, "a.mp4", h264Args...), ffmpeg(t, "a.avi", mjpegArgs...)
	t.Setenv("PATH", t.TempDir())
	nothing := func(*video.Frame) error { return nil }
	if err := Play(t.Context(), mp4, nothing); err == nil || !strings.Contains(err.Error(), "apt-get install ffmpeg") {
		t.Errorf("got %v", err)
	}
	if err := Play(t.Context(), avi, nothing); err != nil {
		t.Errorf("an MJPEG AVI needs no ffmpeg, but: %v", err)
	}
}

// newCamera makes a camera and a subscriber that takes all it gives.
func newCamera(t *testing.T, source string) (*Camera, *Subscription) {
	t.Helper()
	c := Default()
	c.Source = source
	hub := NewHub()
	cam, err := New(c, hub, video.NewPool(8<<20), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s := hub.Subscribe("test", 1000)
	t.Cleanup(s.Close)
	return cam, s
}

func TestReplayKeepsRealTimeAndEnds(t *testing.T) {
	path := ffmpeg(t, "a.avi", mjpegArgs...)
	synctest.Test(t, func(t *testing.T) {
		cam, s := newCamera(t, path)
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- cam.Run(t.Context()) }()
		var first time.Duration
		for n := range uint64(testFrames) {
			f := <-s.Frames()
			if n == 0 {
				first = f.Mono
			}
			want := time.Duration(n) * 100 * time.Millisecond
			if at := time.Since(start); at != want || f.Mono-first != want || f.Seq != n {
				t.Errorf("frame %d: Seq %d came at %v, stamped %v, want %v", n, f.Seq, at, f.Mono-first, want)
			}
			f.Release()
		}
		if err := <-done; !errors.Is(err, ErrEnded) {
			t.Errorf("Run = %v, want ErrEnded", err)
		}
		st := cam.Status()
		if st.Running || st.Frames != testFrames || st.Drops != 0 || st.Errored != 0 || st.Format.String() != "MJPG 320x240 10 fps" {
			t.Errorf("status %+v", st)
		}
	})
}

func TestLoopedReplayGoesOnCountingAcrossTheSeam(t *testing.T) {
	path := ffmpeg(t, "a.mjpeg", mjpegArgs...)
	synctest.Test(t, func(t *testing.T) {
		cam, s := newCamera(t, path+"?fps=20&loop=1")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- cam.Run(ctx) }()
		var first time.Duration
		for n := range uint64(3 * testFrames) {
			f := <-s.Frames()
			if n == 0 {
				first = f.Mono
			}
			if m := markOf(t, f); f.Seq != n || m != uint32(n%testFrames) || f.Mono-first != time.Duration(n)*50*time.Millisecond {
				t.Errorf("frame %d: Seq %d, mark %d, at %v", n, f.Seq, m, f.Mono-first)
			}
			f.Release()
		}
		enough := errors.New("enough")
		cancel(enough)
		if err := <-done; err != enough {
			t.Errorf("Run = %v, want the context's cause", err)
		}
		if st := cam.Status(); st.LastError != "" || st.Running || st.Drops != 0 {
			t.Errorf("after being stopped, status %+v", st)
		}
	})
}

func TestReplayCountsBrokenPictures(t *testing.T) {
	path := ffmpeg(t, "a.mjpeg", mjpegArgs...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, "\xff\xd8\xff\xda\x00\x02 not a picture \xff\xd9"...)
	if err := os.WriteFile(path, append(b, b...), 0o644); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		cam, s := newCamera(t, path)
		if err := cam.Run(t.Context()); !errors.Is(err, ErrEnded) {
			t.Fatal(err)
		}
		if st := cam.Status(); st.Frames != 2*testFrames || st.Errored != 2 || st.Drops != 0 || len(s.Frames()) != 2*testFrames {
			t.Errorf("status %+v", st)
		}
	})
}

func TestFFmpegChildIsReapedWhenTheContextEnds(t *testing.T) {
	cam, s := newCamera(t, ffmpeg(t, "a.mp4", h264Args...)+"?loop=1")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cam.Run(ctx) }()
	(<-s.Frames()).Release()
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Run = %v", err)
	}
	if kids := children(t); kids != "" {
		t.Errorf("children left: %s", kids)
	}
}

// children lists the processes whose parent we are, dead ones included.
func children(t *testing.T) string {
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range tasks {
		b, _ := os.ReadFile(p)
		all = append(all, strings.Fields(string(b))...)
	}
	return strings.Join(all, " ")
}

func TestRecordingIsScaledByFFmpegToTheSizeAskedFor(t *testing.T) {
	c := Default()
	c.Source, c.Size = ffmpeg(t, "a.mp4", h264Args...), Size{160, 120}
	hub := NewHub()
	s := hub.Subscribe("test", 100)
	defer s.Close()
	cam, err := New(c, hub, video.NewPool(1<<20), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cam.Run(ctx) }()
	f := <-s.Frames()
	if f.Format.Width != 160 || f.Format.Height != 120 || len(f.Data) != 160*120*3/2 {
		t.Errorf("got %v, %d bytes", f.Format, len(f.Data))
	}
	f.Release()
	cancel()
	<-done
}

func TestCutAVIPlaysToItsLastWholePicture(t *testing.T) {
	path := ffmpeg(t, "a.avi", mjpegArgs...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, percent := range []int{30, 50, 99} {
		cut := filepath.Join(t.TempDir(), strconv.Itoa(percent)+".avi")
		if err := os.WriteFile(cut, b[:len(b)*percent/100], 0o644); err != nil {
			t.Fatal(err)
		}
		n := uint32(0)
		err := Play(t.Context(), cut, func(f *video.Frame) error {
			if m := markOf(t, f); m != n {
				t.Errorf("frame %d: mark %d", n, m)
			}
			n++
			return nil
		})
		if lo, hi := uint32(testFrames*percent/100-3), uint32(testFrames*percent/100+1); err != nil || n < lo || n > hi {
			t.Errorf("cut at %d %%: %d frames, %v", percent, n, err)
		}
	}
}
