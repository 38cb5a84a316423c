package jpeg

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"camward/video"
)

// readFile reads a file of testdata.
func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// djpegLuma is what djpeg makes of data at scale 1/8.
func djpegLuma(tb testing.TB, data []byte) video.Plane {
	tb.Helper()
	cmd := exec.Command("djpeg", "-scale", "1/8", "-grayscale", "-pnm")
	cmd.Stdin = bytes.NewReader(data)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		tb.Fatalf("djpeg (Debian package libjpeg-turbo-progs): %v: %s", err, errs.Bytes())
	}
	return parsePGM(tb, out)
}

func parsePGM(tb testing.TB, pgm []byte) video.Plane {
	tb.Helper()
	var p video.Plane
	var depth int
	r := bytes.NewReader(pgm)
	if _, err := fmt.Fscanf(r, "P5\n%d %d\n%d\n", &p.Width, &p.Height, &depth); err != nil {
		tb.Fatalf("PGM header: %v", err)
	}
	p.Stride = p.Width
	p.Pix = pgm[len(pgm)-r.Len():]
	if depth != 255 || len(p.Pix) != p.Width*p.Height {
		tb.Fatalf("PGM of %dx%d has %d bytes, depth %d", p.Width, p.Height, len(p.Pix), depth)
	}
	return p
}

// diffPlane describes the first difference, or is empty.
func diffPlane(got, want *video.Plane) string {
	if got.Width != want.Width || got.Height != want.Height {
		return fmt.Sprintf("got %dx%d, want %dx%d", got.Width, got.Height, want.Width, want.Height)
	}
	for y := range got.Height {
		for x := range got.Width {
			if g, w := got.Pix[y*got.Stride+x], want.Pix[y*want.Stride+x]; g != w {
				return fmt.Sprintf("at %d,%d got %d, want %d", x, y, g, w)
			}
		}
	}
	return ""
}

// baselineFiles are the pictures of testdata that LumaDecoder reads.
var baselineFiles = []string{
	"ffmpeg-422-640x480.jpg", "ffmpeg-420-optimal-640x480.jpg", "ffmpeg-444-90x70.jpg",
	"cjpeg-420.jpg", "cjpeg-422.jpg", "cjpeg-440.jpg", "cjpeg-411.jpg", "cjpeg-444.jpg",
	"cjpeg-grey.jpg", "cjpeg-grey-2x2.jpg", "cjpeg-q1.jpg", "cjpeg-q100.jpg", "cjpeg-optimize.jpg",
	"cjpeg-restart-blocks.jpg", "cjpeg-restart-rows.jpg", "cjpeg-16bit-quant.jpg",
	"cjpeg-separate-scans.jpg", "cjpeg-luma-second.jpg", "cjpeg-1x1.jpg", "cjpeg-410-17x9.jpg",
}

func TestLumaEqualsLibjpegTurboAtOneEighth(t *testing.T) {
	var d LumaDecoder // one for all: tables must not leak from one picture into the next
	for _, name := range baselineFiles {
		data := readFile(t, name)
		want := djpegLuma(t, data)
		var got video.Plane
		if err := d.Decode(&got, data); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := diffPlane(&got, &want); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
