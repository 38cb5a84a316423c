package video

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// noisy is a grey picture with sensor noise.
func noisy(w, h int, seed uint64) *Plane {
	p := &Plane{}
	p.Resize(w, h)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range p.Pix {
		p.Pix[i] = byte(90 + i%w/8 + r.IntN(9))
	}
	return p
}

func TestMarkReadsBack(t *testing.T) {
	p := noisy(640, 480, 1)
	x, y := MarkAt(640, 480)
	if x != 8 || y != 464 {
		t.Fatalf("MarkAt = %d,%d", x, y)
	}
	for _, n := range []uint32{0, 1, 2, 0x555555, 0xaaaaaa, 0xffffff, 123456} {
		DrawMark(p, x, y, n)
		if got, ok := ReadMark(p, x, y); !ok || got != n {
			t.Errorf("ReadMark = %#x %v, want %#x", got, ok, n)
		}
	}
}

func TestMarkLeavesTheMeanOfItsBlocksAlone(t *testing.T) {
	f := &Frame{Format: Format{FourCC: Grey, Width: 640, Height: 480}, Data: make([]byte, 640*480)}
	luma := &Plane{Pix: f.Data, Width: 640, Height: 480, Stride: 640}
	var first, p Plane
	for n := range uint32(50) {
		DrawMark(luma, 8, 464, n*0x1234f)
		if err := Luma8(&p, f); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = Plane{Pix: append([]byte(nil), p.Pix...)}
		}
		if string(first.Pix) != string(p.Pix) {
			t.Fatalf("number %d changed the mean of a block", n)
		}
	}
}

func TestNoMarkIsReadWhereThereIsNone(t *testing.T) {
	for seed := range uint64(200) {
		if n, ok := ReadMark(noisy(640, 480, seed), 8, 464); ok {
			t.Fatalf("read %d from a picture without a mark", n)
		}
	}
	for _, v := range []byte{0, 125, 255} {
		p := noisy(640, 480, 0)
		fill(p.Pix, v)
		if _, ok := ReadMark(p, 8, 464); ok {
			t.Fatalf("read a number from a picture of all %d", v)
		}
	}
}

func TestDamagedMarkIsRefused(t *testing.T) {
	p := noisy(640, 480, 1)
	DrawMark(p, 8, 464, 4711)
	for r := range 8 { // one bit turned over
		for c := range 8 {
			p.Pix[(464+r)*640+8+8*20+c] = 250 - p.Pix[(464+r)*640+8+8*20+c]
		}
	}
	if n, ok := ReadMark(p, 8, 464); ok {
		t.Fatalf("read %d from a damaged mark", n)
	}
}

func TestMarkOutsideThePictureIsNeitherDrawnNorRead(t *testing.T) {
	for _, at := range [][2]int{{-8, 0}, {0, -8}, {72, 0}, {0, 48}, {1 << 30, 0}} {
		p := noisy(320, 48, 1)
		want := string(p.Pix)
		DrawMark(p, at[0], at[1], 5)
		if string(p.Pix) != want {
			t.Errorf("%v: drawn", at)
		}
		if _, ok := ReadMark(p, at[0], at[1]); ok {
			t.Errorf("%v: read", at)
		}
	}
}

func TestMarkSurvivesJPEG(t *testing.T) {
	const w, h = 640, 480
	for _, n := range []uint32{0, 77, 0xabcdef, 0xffffff} {
		p := noisy(w, h, 3)
		DrawMark(p, 8, 464, n)
		pgm := append(fmt.Appendf(nil, "P5 %d %d 255\n", w, h), p.Pix...)
		jpg := run(t, pgm, "cjpeg", "-quality", "50")
		raw := run(t, jpg, "djpeg", "-grayscale", "-pnm")
		if got, ok := ReadMark(grayPlane(t, raw[len(raw)-w*h:], w, h), 8, 464); !ok || got != n {
			t.Errorf("ReadMark = %#x %v, want %#x", got, ok, n)
		}
	}
}

func TestMarkSurvivesH264(t *testing.T) {
	const w, h, frames = 640, 480, 30
	var in []byte
	for n := range uint32(frames) {
		p := noisy(w, h, uint64(n))
		DrawMark(p, 8, 464, 1000+n*37)
		in = append(in, p.Pix...)
	}
	size := fmt.Sprintf("%dx%d", w, h)
	h264 := run(t, in, "ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", "15", "-i", "-",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-b:v", "1M", "-maxrate", "1M", "-bufsize", "500k", "-f", "h264", "-")
	raw := run(t, h264, "ffmpeg", "-v", "error", "-i", "-", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	if len(raw) != len(in) {
		t.Fatalf("got %d bytes back, want %d", len(raw), len(in))
	}
	for n := range uint32(frames) {
		got, ok := ReadMark(grayPlane(t, raw[int(n)*w*h:][:w*h], w, h), 8, 464)
		if !ok || got != 1000+n*37 {
			t.Errorf("frame %d: ReadMark = %d %v, want %d", n, got, ok, 1000+n*37)
		}
	}
}
