//go:build cgo

package h264

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"camward/video"
)

var benchSizes = [][2]int{{640, 480}, {1280, 720}}

// BenchmarkEncode's figure is one picture. BenchmarkX264 is its yardstick.
func BenchmarkEncode(b *testing.B) {
	for _, s := range benchSizes {
		b.Run(fmt.Sprintf("res=%dx%d", s[0], s[1]), func(b *testing.B) {
			pics := testPictures(b, s[0], s[1], 30)
			e := newEncoder(b, Config{Width: s[0], Height: s[1], Rate: 15, Bitrate: 5 * s[0] * s[1], KeyInterval: 15})
			b.SetBytes(int64(s[0] * s[1] * 3 / 2))
			b.ReportAllocs()
			size, i := 0, 0
			var d time.Duration
			before := cpuTime(b)
			for b.Loop() {
				p, err := e.Encode(&pics[i%len(pics)], d, uint64(i), false)
				if err != nil {
					b.Fatal(err)
				}
				size += len(p.Data)
				d += frame15
				i++
			}
			b.ReportMetric(float64(size)/float64(i), "B/picture")
			b.ReportMetric(float64(cpuTime(b)-before)/float64(i), "user-ns/picture")
		})
	}
}

// cpuTime is this process's user time, which, unlike wall time, a busy machine leaves alone.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano())
}

// BenchmarkX264 has ffmpeg encode the same pictures by libx264 ultrafast on one thread at the
// same bit rate, and reports its user time per picture.
func BenchmarkX264(b *testing.B) {

	for _, s := range benchSizes {
		b.Run(fmt.Sprintf("res=%dx%d", s[0], s[1]), func(b *testing.B) {
			const rounds = 10
			var raw []byte
			for range rounds {
				for _, p := range testPictures(b, s[0], s[1], 30) {
					raw = append(append(append(raw, p.Y...), p.U...), p.V...)
				}
			}
			run := func(codec ...string) float64 {
				args := []string{"-benchmark", "-v", "info", "-f", "rawvideo", "-s", fmt.Sprintf("%dx%d", s[0], s[1]), "-r", "15", "-pix_fmt", "yuv420p", "-i", "-"}
				cmd := exec.Command("ffmpeg", append(append(args, codec...), "-f", "null", "-")...)
				cmd.Stdin = bytes.NewReader(raw)
				out, err := cmd.CombinedOutput()
				m := userTime.FindSubmatch(out)
				if err != nil || m == nil {
					b.Fatalf("%v: %s", err, out)
				}
				x, _ := strconv.ParseFloat(string(m[1]), 64)
				return x
			}
			var seconds float64
			n := 0
			for b.Loop() {
				seconds += run("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-g", "15", "-b:v", fmt.Sprint(5*s[0]*s[1])) - run("-c:v", "copy")
				n += 30 * rounds
			}
			b.ReportMetric(seconds/float64(n)*1e9, "user-ns/picture")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, s := range benchSizes {
		b.Run(fmt.Sprintf("res=%dx%d", s[0], s[1]), func(b *testing.B) {
			e := newEncoder(b, Config{Width: s[0], Height: s[1], Rate: 15, Bitrate: 5 * s[0] * s[1]})
			packets := encodeAll(b, e, testPictures(b, s[0], s[1], 30))
			d := newDecoder(b)
			var got video.I420
			b.SetBytes(int64(s[0] * s[1] * 3 / 2))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if ok, err := d.Decode(packets[i%len(packets)].Data, &got); err != nil || !ok {
					b.Fatal(ok, err)
				}
				i++
			}
		})
	}
}

// BenchmarkDecodeLuma8 is what detection takes of a camera's H.264. BenchmarkDecode is its yardstick.
func BenchmarkDecodeLuma8(b *testing.B) {
	for _, s := range benchSizes {
		b.Run(fmt.Sprintf("res=%dx%d", s[0], s[1]), func(b *testing.B) {
			e := newEncoder(b, Config{Width: s[0], Height: s[1], Rate: 15, Bitrate: 5 * s[0] * s[1]})
			packets := encodeAll(b, e, testPictures(b, s[0], s[1], 30))
			d := newDecoder(b)
			var got video.Plane
			b.SetBytes(int64(s[0] * s[1] * 3 / 2))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if ok, err := d.DecodeLuma8(packets[i%len(packets)].Data, &got); err != nil || !ok {
					b.Fatal(ok, err)
				}
				i++
			}
		})
	}
}
