package jpeg

import (
	"bytes"
	"errors"
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

func TestLumaReadsFramesWithoutHuffmanTables(t *testing.T) {
	want := luma(t, readFile(t, "ffmpeg-422-640x480.jpg"))
	var d LumaDecoder
	var got video.Plane
	// A picture with tables of its own before must not leave them behind.
	if err := d.Decode(&got, readFile(t, "cjpeg-optimize.jpg")); err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(&got, bareFrame(t)); err != nil {
		t.Fatal(err)
	}
	if diff := diffPlane(&got, want); diff != "" {
		t.Error(diff)
	}
}

func TestLumaOfEveryQualityEqualsLibjpegTurbo(t *testing.T) {
	ppm := pipe(t, readFile(t, "cjpeg-q100.jpg"), "djpeg", "-pnm")
	var d LumaDecoder
	var got video.Plane
	for q := 1; q <= 100; q += 3 {
		for _, optimize := range []bool{false, true} {
			args := []string{"-quality", fmt.Sprint(q), "-sample", []string{"2x2", "2x1", "1x1"}[q%3]}
			if optimize {
				args = append(args, "-optimize")
			}
			data := pipe(t, ppm, "cjpeg", args...)
			want := djpegLuma(t, data)
			if err := d.Decode(&got, data); err != nil {
				t.Errorf("%v: %v", args, err)
			} else if diff := diffPlane(&got, &want); diff != "" {
				t.Errorf("%v: %s", args, diff)
			}
		}
	}
}

// pipe runs a program of libjpeg-turbo.
func pipe(tb testing.TB, in []byte, name string, args ...string) []byte {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s (Debian package libjpeg-turbo-progs): %v", name, err)
	}
	return out
}

func TestLumaOfATruncatedPictureIsWholeUpToTheCut(t *testing.T) {
	var d LumaDecoder
	for _, name := range baselineFiles {
		data := readFile(t, name)
		head := scanStart(t, data)
		want := luma(t, data)
		for i := range 16 {
			n := len(data) * i / 16
			var got video.Plane
			err := d.Decode(&got, data[:n])
			switch {
			case n < head:
				if !errors.Is(err, ErrFormat) || got.Pix != nil {
					t.Errorf("%s cut at %d, in the header: got %v, want ErrFormat", name, n, err)
				}
				continue
			case err == nil: // all luma is there: the cut is in a later scan, or in what pads the last byte
				if diff := diffPlane(&got, want); diff != "" {
					t.Errorf("%s cut at %d: no error, but %s", name, n, diff)
				}
				continue
			case !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrFormat):
				t.Errorf("%s cut at %d: got %v, want ErrTruncated", name, n, err)
				continue
			}
			if len(got.Pix) == 0 {
				continue // cut before the luma scan
			}
			differ := 0
			for j := range want.Pix {
				if got.Pix[j] != want.Pix[j] && got.Pix[j] != 128 {
					differ++
				}
			}
			if differ > 16 { // at most the MCU that the cut goes through
				t.Errorf("%s cut at %d: %d blocks are neither right nor grey", name, n, differ)
			}
		}
	}
}

func TestLumaRefusesWhatItCannotRead(t *testing.T) {
	inputs := broken(t)
	for _, name := range []string{"cjpeg-arithmetic.jpg", "cjpeg-rgb.jpg", "cjpeg-progressive.jpg"} {
		inputs[name] = readFile(t, name)
	}
	for name, in := range inputs {
		var d LumaDecoder
		p := video.Plane{Width: 1, Height: 1, Stride: 1, Pix: []byte{7}}
		err := d.Decode(&p, in)
		if !errors.Is(err, ErrFormat) || errors.Is(err, ErrTruncated) {
			t.Errorf("%s: got %v, want ErrFormat", name, err)
		}
		if (name == "cjpeg-progressive.jpg") != errors.Is(err, ErrProgressive) {
			t.Errorf("%s: got %v; ErrProgressive is for progressive pictures alone", name, err)
		}
		if p.Width != 1 || p.Pix[0] != 7 {
			t.Errorf("%s: dst was changed", name)
		}
	}
}

func TestLumaGoesOnAtTheNextRestartMarkerAfterDamage(t *testing.T) {
	data := readFile(t, "cjpeg-restart-rows.jpg") // 4:2:2, 99x75: 10 rows of 7 MCUs, a marker after each
	want := luma(t, data)
	head := scanStart(t, data)
	tests := []struct {
		name     string
		damage   func(b []byte) []byte
		from, to int // rows of blocks that may be wrong
	}{
		{"bits of row 3 overwritten", func(b []byte) []byte {
			i := marker(b, head, 2) + 20
			copy(b[i:], bytes.Repeat([]byte{0xA5}, 24))
			return b
		}, 3, 4},
		{"half of row 3 lost", func(b []byte) []byte {
			i, j := marker(b, head, 2), marker(b, head, 3)
			return append(b[:(i+j)/2], b[j:]...)
		}, 3, 4},
		{"rows 4 and 5 lost with their markers", func(b []byte) []byte {
			i, j := marker(b, head, 3), marker(b, head, 5)
			return append(b[:i], b[j:]...)
		}, 4, 6},
		{"row 5 sent twice", func(b []byte) []byte {
			i, j := marker(b, head, 4), marker(b, head, 5)
			return append(append(append([]byte{}, b[:j]...), b[i:j]...), b[j:]...)
		}, 0, 0},
	}
	for _, tt := range tests {
		var d LumaDecoder
		var got video.Plane
		err := d.Decode(&got, tt.damage(append([]byte{}, data...)))
		if tt.to > tt.from && tt.name != tests[0].name && !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: got %v, want ErrTruncated", tt.name, err)
		}
		for i := range want.Pix {
			if y := i / want.Width; got.Pix[i] != want.Pix[i] && (y < tt.from || y >= tt.to) {
				t.Errorf("%s: row %d is wrong too", tt.name, y)
				break
			}
		}
	}
}

// marker finds restart marker n, 0 to 7, for the first time after from.
func marker(b []byte, from, n int) int {
	return from + bytes.Index(b[from:], []byte{0xFF, mRST0 + byte(n)})
}

func TestSizeIsThatOfTheFrameHeader(t *testing.T) {
	tests := []struct {
		file          string
		width, height int
	}{
		{"ffmpeg-422-640x480.jpg", 640, 480},
		{"cjpeg-1x1.jpg", 1, 1},
		{"cjpeg-410-17x9.jpg", 17, 9},
		{"cjpeg-progressive.jpg", 99, 75},
		{"cjpeg-arithmetic.jpg", 99, 75},
	}
	for _, tt := range tests {
		if w, h, err := Size(readFile(t, tt.file)); w != tt.width || h != tt.height || err != nil {
			t.Errorf("%s: got %dx%d, %v, want %dx%d", tt.file, w, h, err, tt.width, tt.height)
		}
	}
	for name, in := range broken(t) {
		if w, h, err := Size(in); err == nil && name != "no quantisation" || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %dx%d, %v, want ErrFormat", name, w, h, err)
		}
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	frames := [][]byte{readFile(t, "ffmpeg-422-640x480.jpg"), bareFrame(t)}
	frames = append(frames, frames[0][:len(frames[0])/2])
	var d LumaDecoder
	var p video.Plane
	var out video.I420
	whole := NewDecoder()
	defer whole.Close()
	buf := make([]byte, 0, 1<<16)
	steps := map[string]func(data []byte){
		"LumaDecoder.Decode": func(data []byte) { d.Decode(&p, data) },
	}
	if Backend == "libjpeg-turbo" { // image/jpeg allocates for each picture
		steps["Decoder.I420"] = func(data []byte) { whole.I420(&out, data) }
	}
	for name, step := range steps {
		for i, data := range frames {
			if name == "Decoder.I420" && i == 2 {
				continue // a truncated frame costs libjpeg's message
			}
			if n := testing.AllocsPerRun(50, func() { step(data) }); n != 0 {
				t.Errorf("%s of frame %d: %v allocations, want 0", name, i, n)
			}
		}
	}
	if n := testing.AllocsPerRun(50, func() { Repair(buf, frames[0]) }); n != 0 {
		t.Errorf("Repair of a good frame: %v allocations, want 0", n)
	}
}
