package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkAgent measures the whole process against a stored MJPEG recording: percent of one core and resident memory, while
// nothing moves and while it records. An ffmpeg that records the same pictures to H.264 is the yardstick of the latter.
func BenchmarkAgent(b *testing.B) {
	still, moving := benchRecording(b, "still"), benchRecording(b, "moving")
	b.Run("state=idle", func(b *testing.B) { benchAgent(b, still, false) })
	b.Run("state=recording", func(b *testing.B) { benchAgent(b, moving, true) })
	b.Run("yardstick=ffmpeg-recording", func(b *testing.B) { benchFFmpeg(b, moving) })
}

// benchRecording makes 20 s of 640x480 at 15 fps in 4:2:0: a detailed picture with sensor noise, and a box that wanders in one of them.
func benchRecording(b *testing.B, kind string) string {
	b.Helper()
	return makeRecording(b, kind, 640, 480, "-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj420p", "-f", "mjpeg") + "?fps=15&loop=1"
}

// movingRecording makes the same of a size with a box that wanders, in 4:2:2 and with the standard Huffman tables, as webcams send it. It never
// ends.
func movingRecording(tb testing.TB, width, height int) string {
	tb.Helper()
	return makeRecording(tb, "moving", width, height, "-c:v", "mjpeg", "-huffman", "default", "-q:v", "4", "-pix_fmt", "yuvj422p", "-f", "mjpeg") + "?fps=15&loop=1"
}

// makeRecording makes 20 s at 15 fps in the form that ffmpeg's options say.
func makeRecording(tb testing.TB, kind string, width, height int, form ...string) string {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), fmt.Sprintf("%s-%d", kind, width))
	graph := fmt.Sprintf("mandelbrot=s=%dx%d:r=15,trim=end_frame=1,loop=loop=299:size=1,setpts=N/15/TB,noise=alls=4:allf=t[bg]", width, height)
	if kind == "moving" {
		graph += fmt.Sprintf(";color=c=gray:s=%dx%d:r=15[box];[bg][box]overlay=x='%d*(0.44+0.375*sin(t))':y=%d:shortest=0,trim=end=20[out]",
			width/8, height/3, width, height*5/12)
	} else {
		graph += ";[bg]copy[out]"
	}
	args := append([]string{"-v", "error", "-y", "-filter_complex", graph, "-map", "[out]", "-t", "20"}, form...)
	if text, err := exec.Command("ffmpeg", append(args, out)...).CombinedOutput(); err != nil {
		tb.Fatalf("ffmpeg: %v: %s", err, text)
	}
	return out
}

const benchLength = 20 * time.Second

func benchAgent(b *testing.B, source string, recording bool) {
	dir := b.TempDir()
	file := filepath.Join(dir, "camward.yml")
	text := fmt.Sprintf("cloud: {url: \"http://127.0.0.1:9\", upload_token: none}\ncameras: [{name: bench, source: %q, clip: {heartbeat: 0s}}]\nspool: {dir: %q}\nstate_dir: %q\nlisten: \"\"\n",
		source, filepath.Join(dir, "spool"), dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		cmd := exec.Command(filepath.Join(bin, "camward"), "run", "-c", file)
		cmd.Stderr = os.NewFile(0, os.DevNull)
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		time.Sleep(15 * time.Second) // start-up, the detector's first seconds, the pre-roll burst
		before := cpuTime(b, cmd.Process.Pid)
		time.Sleep(benchLength)
		used := cpuTime(b, cmd.Process.Pid) - before
		b.ReportMetric(100*used.Seconds()/benchLength.Seconds(), "%core")
		b.ReportMetric(resident(b, cmd.Process.Pid), "MB-resident")
		clips, _ := filepath.Glob(filepath.Join(dir, "spool", "*"))
		if recording != (len(clips) > 2) {
			b.Logf("the spool holds %v", clips)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

func benchFFmpeg(b *testing.B, source string) {
	file, _, _ := strings.Cut(source, "?")
	for b.Loop() {
		cmd := exec.Command("ffmpeg", "-v", "error", "-y", "-threads", "1", "-framerate", "15", "-f", "mjpeg", "-i", file, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
			"-threads", "1", "-b:v", "1M", "-f", "mp4", filepath.Join(b.TempDir(), "out.mp4"))
		if text, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("ffmpeg: %v: %s", err, text)
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		b.ReportMetric(100*used.Seconds()/20, "%core")
	}
}

// cpuTime is user and system time of a process, from /proc/PID/stat fields 14 and 15 (proc_pid_stat(5)), in ticks of 10 ms.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident is VmRSS of a process in MB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kb * 1024 / 1e6
}
