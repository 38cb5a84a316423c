package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os/exec"
	"testing"

	"camward/video"
)

// reference is the picture as djpeg decodes it, without smoothing the chroma it scales up.
func reference(tb testing.TB, data []byte) *image.RGBA {
	tb.Helper()
	cmd := exec.Command("djpeg", "-nosmooth", "-rgb", "-pnm")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("djpeg (Debian package libjpeg-turbo-progs): %v", err)
	}
	var w, h, depth int
	r := bytes.NewReader(out)
	if _, err := fmt.Fscanf(r, "P6\n%d %d\n%d\n", &w, &h, &depth); err != nil {
		tb.Fatal(err)
	}
	pix := out[len(out)-r.Len():]
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		copy(img.Pix[4*i:], []byte{pix[3*i], pix[3*i+1], pix[3*i+2], 255})
	}
	return img
}

// asYCbCr is p as the standard library sees it.
func asYCbCr(p *video.I420) *image.YCbCr {
	return &image.YCbCr{
		Y: p.Y, Cb: p.U, Cr: p.V, YStride: p.YStride, CStride: p.CStride,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, p.Width, p.Height),
	}
}

// psnr compares luma, and chroma averaged over 4x4 pixels so that its subsampling does not count.
func psnr(got, want image.Image) (luma, chroma float64) {
	b := want.Bounds()
	var sum, csum float64
	var n, cn int
	for y := 0; y < b.Dy(); y += 4 {
		for x := 0; x < b.Dx(); x += 4 {
			var g, w [3]float64
			for j := y; j < min(y+4, b.Dy()); j++ {
				for i := x; i < min(x+4, b.Dx()); i++ {
					gc, wc := ycc(got.At(i, j)), ycc(want.At(i, j))
					for k := range 3 {
						g[k] += float64(gc[k]) / 16
						w[k] += float64(wc[k]) / 16
					}
					d := float64(gc[0]) - float64(wc[0])
					sum += d * d
					n++
				}
			}
			csum += (g[1]-w[1])*(g[1]-w[1]) + (g[2]-w[2])*(g[2]-w[2])
			cn += 2
		}
	}
	db := func(s float64, n int) float64 { return 10 * math.Log10(255*255/(s/float64(n)+1e-3)) }
	return db(sum, n), db(csum, cn)
}

func ycc(c color.Color) [3]byte {
	r, g, b, _ := c.RGBA()
	y, cb, cr := color.RGBToYCbCr(byte(r>>8), byte(g>>8), byte(b>>8))
	return [3]byte{y, cb, cr}
}

// refused are pictures that a backend cannot read: TurboJPEG knows no 4:1:0, image/jpeg no restart
// markers in separate scans.
var refused = map[string]string{
	"cjpeg-410-17x9.jpg":       "libjpeg-turbo",
	"cjpeg-separate-scans.jpg": "image/jpeg",
}

func TestI420EqualsDjpegForEverySubsampling(t *testing.T) {
	d := NewDecoder()
	defer d.Close()
	var got video.I420
	for _, name := range append([]string{"cjpeg-progressive.jpg"}, baselineFiles...) {
		data := readFile(t, name)
		err := d.I420(&got, data)
		if refused[name] == Backend {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%s: got %v, want ErrFormat", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !got.FullRange {
			t.Errorf("%s: not marked as full range", name)
		}
		want := reference(t, data)
		if g := asYCbCr(&got).Rect; g != want.Rect {
			t.Errorf("%s: got %v, want %v", name, g, want.Rect)
			continue
		}
		if l, c := psnr(asYCbCr(&got), want); l < 30 || c < 26 {
			t.Errorf("%s: luma %.1f dB, chroma %.1f dB from djpeg's", name, l, c)
		} else {
			t.Logf("%s: luma %.1f dB, chroma %.1f dB", name, l, c)
		}
	}
}

func TestGreyscalePictureHasNeutralChroma(t *testing.T) {
	d := NewDecoder()
	defer d.Close()
	var p video.I420
	if err := d.I420(&p, readFile(t, "cjpeg-grey.jpg")); err != nil {
		t.Fatal(err)
	}
	for i, v := range append(append([]byte{}, p.U...), p.V...) {
		if v != 128 {
			t.Fatalf("chroma sample %d is %d, want 128", i, v)
		}
	}
}

func TestI420RefusesRGB(t *testing.T) {
	d := NewDecoder()
	defer d.Close()
	if err := d.I420(new(video.I420), readFile(t, "cjpeg-rgb.jpg")); !errors.Is(err, ErrFormat) {
		t.Fatalf("got %v, want ErrFormat", err)
	}
}

func TestI420KeepsTheTopOfATruncatedPicture(t *testing.T) {
	d := NewDecoder()
	defer d.Close()
	data := readFile(t, "ffmpeg-422-640x480.jpg")
	var whole, part video.I420
	if err := d.I420(&whole, data); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 16; i++ {
		err := d.I420(&part, data[:len(data)*i/16])
		if !errors.Is(err, ErrTruncated) {
			t.Errorf("%d/16 of the data: got %v, want ErrTruncated", i, err)
			continue
		}
		n := 640 * (480*(i-1)/16*2/3/8*8 - 8) // the picture's data is spread evenly enough
		if n > 0 && !bytes.Equal(part.Y[:n], whole.Y[:n]) {
			t.Errorf("%d/16 of the data: the first %d lines differ from the whole picture's", i, n/640)
		}
	}
}

func TestDamagedPictureDataIsNeverAFormatError(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	d := NewDecoder()
	defer d.Close()
	var l LumaDecoder
	var p video.I420
	var small video.Plane
	for _, name := range []string{"cjpeg-420.jpg", "cjpeg-restart-rows.jpg", "cjpeg-grey.jpg", "cjpeg-optimize.jpg"} {
		data := readFile(t, name)
		head := scanStart(t, data)
		found := 0
		for range 200 {
			bad := bytes.Clone(data)
			for i, n := head+random.IntN(len(data)-head-2), random.IntN(20); i < len(data)-2 && n > 0; i, n = i+1, n-1 {
				bad[i] = byte(random.IntN(255)) // never 0xFF: no new markers
			}
			if err := d.I420(&p, bad); err != nil {
				found++
				if !errors.Is(err, ErrTruncated) {
					t.Fatalf("%s: I420: got %v, want ErrTruncated", name, err)
				}
			}
			if err := l.Decode(&small, bad); err != nil && !errors.Is(err, ErrTruncated) {
				t.Fatalf("%s: luma: got %v, want ErrTruncated", name, err)
			}
			if p.Width != 99 || p.Height != 75 || small.Width != 13 || small.Height != 10 {
				t.Fatalf("%s: got %dx%d and %dx%d", name, p.Width, p.Height, small.Width, small.Height)
			}
		}
		if found == 0 {
			t.Errorf("%s: no damage was noticed", name)
		}
	}
}

// gradient is a smooth colour picture.
func gradient(w, h int, full bool) *video.I420 {
	p := &video.I420{FullRange: full}
	p.Resize(w, h)
	for y := range h {
		for x := range w {
			p.Y[y*p.YStride+x] = byte(40 + 100*x/w + 60*y/h)
		}
	}
	for i := range p.U {
		p.U[i], p.V[i] = 100, 160
	}
	return p
}

func TestEncodedPictureIsAJFIFThatOthersRead(t *testing.T) {
	for _, size := range []image.Point{{640, 480}, {99, 75}, {1, 1}, {2, 3}} {
		p := gradient(size.X, size.Y, true)
		data, err := Encode([]byte("dropped"), p, 90)
		if err != nil {
			t.Fatal(err)
		}
		if string(data[:2]) != "\xFF\xD8" || string(data[6:11]) != "JFIF\x00" {
			t.Fatalf("%v: begins with % x", size, data[:12])
		}
		if out, err := Repair(nil, data); err != nil || &out[0] != &data[0] {
			t.Errorf("%v: Repair finds fault with it: %v", size, err)
		}
		img, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []image.Image{img, reference(t, data)} {
			if l, c := psnr(asYCbCr(p), other); l < 33 || c < 36 {
				t.Errorf("%v: read back with luma %.1f dB, chroma %.1f dB", size, l, c)
			}
		}
	}
}

func TestEncodeExpandsLimitedRange(t *testing.T) {
	d := NewDecoder()
	defer d.Close()
	tests := []struct{ y, u, v, wantY, wantU, wantV int }{
		{16, 128, 128, 0, 128, 128},
		{235, 128, 128, 255, 128, 128},
		{126, 16, 240, 128, 0, 255},
		{5, 128, 128, 0, 128, 128},
		{250, 128, 128, 255, 128, 128},
	}
	for _, tt := range tests {
		p := new(video.I420)
		p.Resize(64, 48)
		for i := range p.Y {
			p.Y[i] = byte(tt.y)
		}
		for i := range p.U {
			p.U[i], p.V[i] = byte(tt.u), byte(tt.v)
		}
		data, err := Encode(nil, p, 95)
		if err != nil {
			t.Fatal(err)
		}
		var got video.I420
		if err := d.I420(&got, data); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name      string
			got, want int
		}{
			{"Y", int(got.Y[1000]), tt.wantY},
			{"U", int(got.U[500]), tt.wantU},
			{"V", int(got.V[500]), tt.wantV},
		} {
			if c.got < c.want-2 || c.got > c.want+2 {
				t.Errorf("%+v: %s is %d, want %d", tt, c.name, c.got, c.want)
			}
		}
	}
}

func TestEncodeReadsOnlyThePlanesRectangle(t *testing.T) {
	p := gradient(31, 17, true)
	wide := &video.I420{Width: 31, Height: 17, YStride: 40, CStride: 20, FullRange: true}
	wide.Y, wide.U, wide.V = make([]byte, 40*16+31), make([]byte, 20*8+16), make([]byte, 20*8+16)
	for y := range 17 {
		copy(wide.Y[y*40:], p.Y[y*31:(y+1)*31])
	}
	for y := range 9 {
		copy(wide.U[y*20:], p.U[y*16:(y+1)*16])
		copy(wide.V[y*20:], p.V[y*16:(y+1)*16])
	}
	for _, full := range []bool{true, false} {
		p.FullRange, wide.FullRange = full, full
		a, err := Encode(nil, p, 80)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Encode(nil, wide, 80)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("full range %v: the same picture with wider lines is coded differently", full)
		}
	}
}

func TestEncodeRefusesPlanesThatAreTooSmall(t *testing.T) {
	short := gradient(64, 48, true)
	short.U = short.U[:10]
	narrow := gradient(64, 48, true)
	narrow.YStride = 63
	huge := &video.I420{Width: MaxSize + 1, Height: 1}
	for name, p := range map[string]*video.I420{"short": short, "narrow": narrow, "huge": huge, "empty": {}} {
		if _, err := Encode(nil, p, 80); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCloseTwiceIsHarmless(t *testing.T) {
	d := NewDecoder()
	d.Close()
	d.Close()
}
