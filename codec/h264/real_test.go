//go:build cgo

package h264

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"camward/video"
)

// clips of real cameras, with what becomes of them: MJPEG as a webcam makes it, decoded again.
var realClips = []struct{ name, file, filter string }{
	{"dogs", "real_driveway_dogs.mp4", ""},
	{"dogs-noise", "real_driveway_dogs.mp4", ",noise=alls=5:allf=t"},
	{"cars", "real_cars_lot.mp4", ""},
	{"room-noise", "real_room_people.mp4", ",noise=alls=3:allf=t"},
}

// realPictures are pictures of the shared recordings.
func realPictures(b *testing.B, file, filter string, width, height, n int) (pics []video.I420, raw []byte) {
	b.Helper()
	dir := os.Getenv("CAMWARD_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(dir, "motion-clips", file)
	if _, err := os.Stat(path); err != nil {
		b.Skip("not run: ../shared is absent")
	}
	avi := filepath.Join(b.TempDir(), "camera.avi")
	ffmpeg(b, nil, "-ss", "3", "-i", path, "-vf", fmt.Sprintf("fps=15,scale=%d:%d%s", width, height, filter), "-frames:v", fmt.Sprint(n),
		"-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj422p", avi)
	raw = ffmpeg(b, nil, "-i", avi, "-pix_fmt", "yuvj420p", "-f", "rawvideo", "-")
	size := width * height * 3 / 2
	for i := 0; i+size <= len(raw); i += size {
		y, c := width*height, width*height/4
		p := raw[i:]
		pics = append(pics, video.I420{Y: p[:y], U: p[y : y+c], V: p[y+c : y+2*c], Width: width, Height: height, YStride: width, CStride: width / 2})
	}
	return pics, raw
}

func ffmpeg(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-v", "error"}, args...)...)
	var fault bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &fault
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %q: %v\n%s", args, err, fault.Bytes())
	}
	return out
}

// BenchmarkRealPictures encodes pictures of real cameras at the bit rate of clips, with a key picture each second, and has
// libx264 ultrafast on one thread encode the same at the bit rate that came out. It reports user time a picture, that of the best round for
// both, which a busy machine disturbs least, and the luma's mean PSNR.
func BenchmarkRealPictures(b *testing.B) {
	for _, s := range []struct{ width, height, bitrate int }{{640, 480, 800_000}, {1280, 720, 1_800_000}} {
		for _, c := range realClips {
			b.Run(fmt.Sprintf("res=%dx%d/clip=%s", s.width, s.height, c.name), func(b *testing.B) {
				pics, raw := realPictures(b, c.file, c.filter, s.width, s.height, 150)
				var own, yard round
				for b.Loop() {
					for range 3 {
						own.better(encodeReal(b, pics, s.bitrate))
						yard.better(x264Real(b, pics, raw, own.bitrate))
					}
				}
				b.ReportMetric(own.ms, "ms/picture")
				b.ReportMetric(yard.ms, "x264-ms/picture")
				b.ReportMetric(own.psnr, "dB")
				b.ReportMetric(yard.psnr, "x264-dB")
				b.ReportMetric(own.bitrate/1000, "kbit/s")
				b.ReportMetric(yard.bitrate/1000, "x264-kbit/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// A round is what an encoder did once.
type round struct{ ms, psnr, bitrate float64 }

func (r *round) better(o round) {
	if r.ms == 0 || o.ms < r.ms {
		*r = o
	}
}

func encodeReal(b *testing.B, pics []video.I420, bitrate int) (r round) {
	w, h := pics[0].Width, pics[0].Height
	e := newEncoder(b, Config{Width: w, Height: h, Rate: 15, Bitrate: bitrate, KeyInterval: 15})
	defer e.Close()
	var stream []byte
	var buf []byte
	before := cpuTime(b)
	for i := range pics {
		p, err := e.EncodeTo(buf, &pics[i], time.Duration(i)*frame15, uint64(i), false)
		if err != nil {
			b.Fatal(err)
		}
		buf = p.Data
		stream = append(stream, p.Data...)
	}
	r.ms = float64(cpuTime(b)-before) / float64(len(pics)) / 1e6
	return r.judge(b, stream, pics)
}

// judge adds the stream's quality and bit rate.
func (r round) judge(b *testing.B, stream []byte, pics []video.I420) round {
	w, h := pics[0].Width, pics[0].Height
	got := ffmpeg(b, stream, "-f", "h264", "-i", "-", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-")
	size := w * h * 3 / 2
	if len(got) != size*len(pics) {
		b.Fatalf("%d bytes of decoded pictures, want %d", len(got), size*len(pics))
	}
	for i := range pics {
		r.psnr += psnr(&pics[i], &video.I420{Y: got[i*size:], Width: w, Height: h, YStride: w}) / float64(len(pics))
	}
	r.bitrate = float64(len(stream)) * 8 * 15 / float64(len(pics))
	return r
}

var userTime = regexp.MustCompile(`bench: utime=([0-9.]+)s`)

func x264Real(b *testing.B, pics []video.I420, raw []byte, bitrate float64) (r round) {
	w, h := pics[0].Width, pics[0].Height
	run := func(codec ...string) (stream []byte, seconds float64) {
		args := []string{"-benchmark", "-v", "info", "-f", "rawvideo", "-s", fmt.Sprintf("%dx%d", w, h), "-r", "15", "-pix_fmt", "yuv420p", "-i", "-"}
		cmd := exec.Command("ffmpeg", append(append(args, codec...), "-")...)
		var log bytes.Buffer
		cmd.Stdin, cmd.Stderr = bytes.NewReader(raw), &log
		stream, err := cmd.Output()
		m := userTime.FindSubmatch(log.Bytes())
		if err != nil || m == nil {
			b.Fatalf("%v: %s", err, log.Bytes())
		}
		seconds, _ = strconv.ParseFloat(string(m[1]), 64)
		return stream, seconds
	}
	stream, with := run("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-g", "15", "-sc_threshold", "0", "-b:v", fmt.Sprint(int(bitrate)), "-f", "h264")
	_, without := run("-c:v", "copy", "-f", "null")
	r.ms = (with - without) / float64(len(pics)) * 1000
	return r.judge(b, stream, pics)
}
