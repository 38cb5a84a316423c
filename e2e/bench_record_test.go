package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"camward/agent"
	"camward/camio"
	"camward/capture"
	"camward/clip"
	"camward/internal/porttest"
	"camward/motion"
	"camward/uploader"
	"camward/video"
)

// BenchmarkRecord measures the CPU time of a picture while everything is recorded: capture, detection, decoding, encoding, writing and syncing,
// at 15 pictures a second as they come. An ffmpeg child that records the same pictures as they come, at the same bit rate, is the
// yardstick; it detects nothing and syncs nothing.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []capture.Size{{Width: 640, Height: 480}, {Width: 1280, Height: 720}} {
		b.Run(fmt.Sprintf("camera=mjpeg/size=%v", size), func(b *testing.B) {
			source := movingRecording(b, size.Width, size.Height)
			file, _, _ := strings.Cut(source, "?")
			for b.Loop() {
				reportRecording(b, recordMJPEG(b, source), recordFFmpeg(b, size, "-f", "mjpeg", "-framerate", "15", "-i", file))
			}
		})
		b.Run(fmt.Sprintf("camera=yuyv/size=%v", size), func(b *testing.B) {
			file := makeRecording(b, "moving", size.Width, size.Height, "-pix_fmt", "yuyv422", "-f", "rawvideo", "-frames:v", "75")
			for b.Loop() {
				reportRecording(b, recordRaw(b, file, size),
					recordFFmpeg(b, size, "-stream_loop", "-1", "-f", "rawvideo", "-pix_fmt", "yuyv422", "-s", size.String(), "-framerate", "15", "-i", file))
			}
		})
	}
}

// benchPictures come in benchLength.
const benchPictures = 300

func reportRecording(b *testing.B, agent, ffmpeg time.Duration) {
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 / benchPictures }
	b.ReportMetric(ms(agent), "ms/picture")
	b.ReportMetric(ms(ffmpeg), "ms/picture-ffmpeg")
	b.ReportMetric(agent.Seconds()/ffmpeg.Seconds(), "of-ffmpeg")
}

// recordMJPEG gives the CPU time of the real agent over benchLength, once it records.
func recordMJPEG(b *testing.B, source string) time.Duration {
	a := startAlone(b, source)
	eventually(b, time.Minute, func() error {
		s, err := a.status()
		if err == nil && (len(s.Cameras) == 0 || !s.Cameras[0].Clip.Recording) {
			err = fmt.Errorf("not recording")
		}
		return err
	})
	time.Sleep(10 * time.Second) // the pre-roll burst
	before := cpuTime(b, a.cmd.Process.Pid)
	time.Sleep(benchLength)
	used := cpuTime(b, a.cmd.Process.Pid) - before
	s, err := a.status()
	if err != nil || !s.Cameras[0].Clip.Recording {
		b.Errorf("it does not record any more: %v", err)
	}
	b.ReportMetric(resident(b, a.cmd.Process.Pid), "MB-resident")
	a.stop()
	return used
}

// recordFFmpeg gives the CPU time of an ffmpeg that records 20 s of the input as they come.
func recordFFmpeg(b *testing.B, size capture.Size, input ...string) time.Duration {
	bitrate := strconv.Itoa(map[int]int{640: 800_000, 1280: 1_800_000}[size.Width]) // as the agent chooses it
	args := append([]string{"-v", "error", "-y", "-re", "-threads", "1"}, input...)
	args = append(args, "-t", "20", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1", "-b:v", bitrate,
		"-f", "mp4", filepath.Join(b.TempDir(), "out.mp4"))
	cmd := exec.Command("ffmpeg", args...)
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("ffmpeg: %v: %s", err, text)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// recordRaw gives the CPU time of this process over benchLength while the agent's parts record YUYV pictures, which are copied once
// from memory as from a driver's buffers.
func recordRaw(b *testing.B, file string, size capture.Size) time.Duration {
	ctx, stop := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	defer g.Wait()
	defer stop()
	hub, spool := capture.NewHub(), emptySpool(b)
	recorder, err := clip.New(clip.Default(), "bench", "000000000000", spool, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	detector, err := motion.New(motion.Default())
	if err != nil {
		b.Fatal(err)
	}
	record, look := hub.Subscribe("record", 32), hub.Subscribe("motion", 2)
	g.Go(func() error { return recorder.Run(ctx, record.Frames()) })
	g.Go(func() error { return detect(ctx, look.Frames(), detector, recorder) })
	g.Go(func() error { return feedRaw(ctx, file, size, hub) })
	time.Sleep(15 * time.Second)
	before := ownCPU(b)
	time.Sleep(benchLength)
	used := ownCPU(b) - before
	if s := recorder.Status(); !s.Recording {
		b.Errorf("it does not record: %+v", s)
	}
	return used
}

// A rawSpool is the real one, as the agent hands it to the recorder.
type rawSpool struct{ *uploader.Spool }

func (s rawSpool) Create(m camio.Media) (clip.Recording, error) { return s.Spool.Create(m) }

func emptySpool(b *testing.B) clip.Spool {
	cfg := uploader.Default()
	cfg.Dir = b.TempDir()
	spool, err := uploader.OpenSpool(cfg, uploader.NewClock(), zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { spool.Close() })
	return rawSpool{spool}
}

// detect is what the agent's pipeline does with a raw picture.
func detect(ctx context.Context, frames <-chan *video.Frame, detector *motion.Detector, recorder *clip.Recorder) error {
	var luma video.Plane
	for {
		select {
		case <-ctx.Done():
			return nil
		case f := <-frames:
			if err := video.Luma8(&luma, f); err != nil {
				return err
			}
			d := detector.Step(f.Mono, &luma)
			recorder.Observe(f, d.Moving, d.Score)
			f.Release()
		}
	}
}

// feedRaw publishes the pictures of a file, 15 a second, again and again.
func feedRaw(ctx context.Context, file string, size capture.Size, hub *capture.Hub) error {
	form := video.Format{FourCC: video.YUYV, Width: size.Width, Height: size.Height, Stride: 2 * size.Width, Rate: 15}
	bytes, err := form.RawSize()
	if err != nil {
		return err
	}
	film, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	pool := video.NewPool(4 << 20)
	tick := time.NewTicker(time.Second / 15)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		f := pool.Get(bytes)
		copy(f.Data, film[n%(len(film)/bytes)*bytes:])
		f.Format, f.Seq, f.Mono = form, uint64(n), video.Now()
		hub.Publish(f)
		f.Release()
	}
}

// ownCPU is user and system time of this process.
func ownCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStart measures the time from the start of the process until the first picture has been handed on.
func BenchmarkStart(b *testing.B) {
	source := movingRecording(b, 640, 480)
	for b.Loop() {
		began := time.Now()
		a := startAlone(b, source)
		for {
			if s, err := a.status(); err == nil && len(s.Cameras) > 0 && s.Cameras[0].Capture.Frames > 0 {
				break
			}
			if time.Since(began) > 20*time.Second {
				b.Fatalf("no picture within 20 s")
			}
			time.Sleep(2 * time.Millisecond)
		}
		b.ReportMetric(time.Since(began).Seconds()*1000, "ms-to-first-picture")
		b.StopTimer()
		a.stop()
		b.StartTimer()
	}
}

// An alone is an agent without a cloud.
type alone struct {
	*process
	addr string
}

func startAlone(b *testing.B, source string) *alone {
	b.Helper()
	dir, a := b.TempDir(), &alone{addr: porttest.Address(b)}
	file := filepath.Join(dir, "camward.yml")
	text := fmt.Sprintf("cloud: {url: \"http://127.0.0.1:9\", upload_token: none}\ncameras: [{name: bench, source: %q, clip: {heartbeat: 0s}}]\nspool: {dir: %q}\nstate_dir: %q\nlisten: %q\n",
		source, filepath.Join(dir, "spool"), dir, a.addr)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	a.process = launch(b, "camward", "run", "-c", file)
	return a
}

func (a *alone) status() (s agent.Status, err error) {
	resp, err := http.Get("http://" + a.addr + "/api/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}
