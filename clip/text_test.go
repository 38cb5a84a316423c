//go:build cgo

package clip

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"camward/camio"
	"camward/video"
)

// readText reads the text in the lower left corner of a picture as shown, of which it knows the size and nothing else.
func readText(img image.Image, length int) string {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	scale := max(1, h/240)
	for scale > 1 && (length*8+5)*scale > w {
		scale--
	}
	luma := func(x, y int) int { // mean of the dot at (x, y) of the text
		sum := 0
		for dy := range scale {
			for dx := range scale {
				r, g, b, _ := img.At(4*scale+x*scale+dx, h-14*scale+y*scale+dy).RGBA()
				sum += int(r+g+b) / 3 >> 8
			}
		}
		return sum / (scale * scale)
	}
	var text strings.Builder
	for i := range length {
		best, least := byte('?'), 1<<30
		for _, char := range []byte("0123456789-: clokntse") {
			miss := 0
			for y := range 10 {
				for x := range 7 {
					want := 40
					if inked(char, x, y) {
						want = 245
					}
					miss += (luma(i*8+x, y) - want) * (luma(i*8+x, y) - want)
				}
			}
			if miss < least {
				best, least = char, miss
			}
		}
		text.WriteByte(best)
	}
	return text.String()
}

// turn gives the picture as shown.
func turn(img image.Image, rotation int) image.Image {
	if rotation == 0 {
		return img
	}
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dy(), b.Dx()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			out.Set(b.Dy()-1-y, x, img.At(x, y))
		}
	}
	return turn(out, rotation-90)
}

// keepPictures, if set, is a folder that the stamped pictures of these tests are left in, to be looked at.
var keepPictures = os.Getenv("CAMWARD_PICTURES")

func shownText(t *testing.T, s recorded, length int) string {
	t.Helper()
	data, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if keepPictures != "" {
		name := strings.ReplaceAll(t.Name(), "/", "_") + ".jpg"
		if err := os.WriteFile(filepath.Join(keepPictures, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return readText(turn(img, s.Rotation), length)
}

func TestTimestampIsReadableAtAnySizeOfAnyFormatAndTurnedWithThePicture(t *testing.T) {
	h264Format := video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15}
	yuyv := func(w, h int) video.Format { return video.Format{FourCC: video.YUYV, Width: w, Height: h, Rate: 15} }
	tests := []struct {
		format   video.Format
		data     func() [][]byte
		rotation int
	}{
		{mjpeg(160, 120), func() [][]byte { return jpegs(t, 160, 120, 60) }, 0},
		{mjpeg(320, 240), func() [][]byte { return jpegs(t, 320, 240, 60) }, 0},
		{mjpeg(320, 240), func() [][]byte { return jpegs(t, 320, 240, 60) }, 90},
		{mjpeg(640, 480), func() [][]byte { return jpegs(t, 640, 480, 60) }, 180},
		{mjpeg(640, 480), func() [][]byte { return jpegs(t, 640, 480, 60) }, 270},
		{mjpeg(1280, 720), func() [][]byte { return jpegs(t, 1280, 720, 2) }, 0},
		{mjpeg(1920, 1080), func() [][]byte { return jpegs(t, 1920, 1080, 2) }, 90},
		{mjpeg(3840, 2160), func() [][]byte { return jpegs(t, 3840, 2160, 1) }, 0},
		{yuyv(322, 242), func() [][]byte { return raw(t, "yuyv422", 322, 242, 322*242*2, 30) }, 0},
		{h264Format, func() [][]byte { return accessUnits(t, 60, 15) }, 0},
	}
	taken := time.Date(2026, 7, 4, 23, 58, 19, 990_000_000, time.UTC)
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v/%d", tt.format, tt.rotation), func(t *testing.T) {
			cfg := Default()
			cfg.Timestamp, cfg.Rotation = true, tt.rotation
			g := bubble(t, cfg, tt.format, tt.data(), func(g *rig) {
				g.r.SetClock(func(mono time.Duration) (time.Time, bool) { return taken.Add(mono - origin - firstHeartbeat), true })
				g.run(func() { g.play(shot{frames: 40}) })
			})
			beat := g.media(camio.KindHeartbeat, 1)[0]
			want := taken.Add(beat.Mono - origin - firstHeartbeat).Local().Format("2006-01-02 15:04:05")
			if got := shownText(t, beat, len(want)); got != want {
				t.Errorf("the picture says %q, want %q", got, want)
			}
		})
	}
}

func TestATimeThatIsNotTrustedIsNotShown(t *testing.T) {
	format, data := small(t)
	wrong := time.Date(1970, 1, 1, 0, 0, 7, 0, time.UTC)
	for name, clock := range map[string]func(time.Duration) (time.Time, bool){
		"no clock":  nil,
		"untrusted": func(time.Duration) (time.Time, bool) { return wrong, false },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := quiet()
			cfg.Timestamp = true
			g := bubble(t, cfg, format, data, func(g *rig) {
				g.r.SetClock(clock)
				g.run(func() { g.play(shot{frames: 10}, shot{10, true}, shot{frames: 20}) })
			})
			const want = "clock not set"
			if got := shownText(t, g.media(camio.KindSnapshot, 1)[0], len(want)); got != want {
				t.Errorf("the picture says %q, want %q", got, want)
			}
		})
	}
}

func TestWithoutTimestampACamerasJPEGIsNotTouched(t *testing.T) {
	format, data := small(t)
	g := record(t, Default(), format, data, func(g *rig) { g.play(shot{frames: 40}) })
	got, err := os.ReadFile(g.media(camio.KindHeartbeat, 1)[0].path)
	if err != nil || !bytes.Equal(got, data[30]) && !bytes.Equal(got, data[31]) && !bytes.Equal(got, data[32]) {
		t.Errorf("the heartbeat is none of the camera's pictures, %v", err)
	}
}
