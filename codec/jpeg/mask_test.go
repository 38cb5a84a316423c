package jpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"camward/video"
)

// oneScan are the pictures of testdata that are masked without decoding them.
var oneScan = []string{
	"ffmpeg-422-640x480.jpg", "ffmpeg-444-90x70.jpg",
	"cjpeg-420.jpg", "cjpeg-422.jpg", "cjpeg-440.jpg", "cjpeg-411.jpg", "cjpeg-444.jpg",
	"cjpeg-grey.jpg", "cjpeg-grey-2x2.jpg", "cjpeg-q1.jpg", "cjpeg-q100.jpg",
	"cjpeg-restart-blocks.jpg", "cjpeg-restart-rows.jpg", "cjpeg-16bit-quant.jpg", "cjpeg-1x1.jpg", "cjpeg-410-17x9.jpg",
}

// decoded are those that are not: their tables lack what black needs, they have several scans, or are progressive.
var decoded = []string{"cjpeg-optimize.jpg", "cjpeg-separate-scans.jpg", "cjpeg-luma-second.jpg", "cjpeg-progressive.jpg"}

var maskShapes = map[string][]video.Polygon{
	"none":      nil,
	"all":       {{{0, 0}, {1, 0}, {1, 1}, {0, 1}}},
	"top left":  {{{0, 0}, {0.3, 0}, {0.3, 0.4}, {0, 0.4}}},
	"low right": {{{0.6, 0.7}, {1, 0.7}, {1, 1}, {0.6, 1}}},
	"middle":    {{{0.4, 0.3}, {0.6, 0.3}, {0.7, 0.8}, {0.35, 0.6}}},
	"stripes":   {{{0.1, 0}, {0.2, 0}, {0.2, 1}, {0.1, 1}}, {{0.5, 0}, {0.55, 0}, {0.55, 1}, {0.5, 1}}, {{0, 0.5}, {1, 0.5}, {1, 0.55}}},
}

// mcuSize is that of an MCU in pixels, from the frame header of a picture that Repair has put right.
func mcuSize(tb testing.TB, data []byte) (w, h int) {
	tb.Helper()
	i := bytes.LastIndex(data[:scanStart(tb, data)], []byte{0xFF, mSOF0, 0})
	if i < 0 {
		i = bytes.LastIndex(data[:scanStart(tb, data)], []byte{0xFF, mSOF1, 0})
	}
	n := int(data[i+9])
	if n == 1 {
		return 8, 8
	}
	for c := range n {
		w, h = max(w, 8*int(data[i+11+3*c]>>4)), max(h, 8*int(data[i+11+3*c]&15))
	}
	return w, h
}

// compareMasked checks a masked picture, as djpeg decodes it, against the original: black where an MCU is touched, equal elsewhere.
func compareMasked(tb testing.TB, got, was *image.RGBA, shapes []video.Polygon, mw, mh int) {
	tb.Helper()
	if got.Rect != was.Rect {
		tb.Fatalf("got %v, want %v", got.Rect, was.Rect)
	}
	w, h := was.Rect.Dx(), was.Rect.Dy()
	mask := video.NewMask(shapes, w, h)
	for y := range h {
		for x := range w {
			want := was.RGBAAt(x, y)
			if mx, my := x/mw*mw, y/mh*mh; mask.Touches(mx, my, mx+mw, my+mh) {
				want.R, want.G, want.B = 0, 0, 0
			}
			if g := got.RGBAAt(x, y); g != want {
				tb.Fatalf("at %d,%d got %v, want %v", x, y, g, want)
			}
		}
	}
}

func TestMaskedPictureIsBlackInsideAndBitExactOutside(t *testing.T) {
	for name, shapes := range maskShapes {
		m := NewMasker(shapes) // one for all pictures: nothing of one must get into the next
		for _, file := range oneScan {
			data := readFile(t, file)
			out, err := m.compressed(nil, data)
			if err != nil {
				t.Errorf("%s, %s: %v", file, name, err)
				continue
			}
			mw, mh := mcuSize(t, data)
			compareMasked(t, reference(t, out), reference(t, data), shapes, mw, mh)
			if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
				t.Errorf("%s, %s: image/jpeg: %v", file, name, err)
			}
		}
	}
}

func TestMaskOfEveryQualityAndSamplingIsBitExactOutside(t *testing.T) {
	ppm := pipe(t, readFile(t, "cjpeg-q100.jpg"), "djpeg", "-pnm")
	r := rand.New(rand.NewPCG(3, 4))
	for q := 1; q <= 100; q += 3 {
		var p video.Polygon
		for range 3 + r.IntN(3) {
			p = append(p, [2]float64{r.Float64(), r.Float64()})
		}
		m := NewMasker([]video.Polygon{p})
		args := []string{"-quality", fmt.Sprint(q), "-sample", []string{"2x2", "2x1", "1x1"}[q%3]}
		if q%2 == 0 {
			args = append(args, "-restart", fmt.Sprintf("%dB", 1+r.IntN(9)))
		}
		data := pipe(t, ppm, "cjpeg", args...)
		out, err := m.compressed(nil, data)
		if err != nil {
			t.Errorf("%v: %v", args, err)
			continue
		}
		mw, mh := mcuSize(t, data)
		compareMasked(t, reference(t, out), reference(t, data), m.shapes, mw, mh)
	}
}

func TestMaskedPictureThatHadToBeDecodedIsBlackInside(t *testing.T) {
	shapes := maskShapes["middle"]
	m := NewMasker(shapes)
	d := NewDecoder()
	defer d.Close()
	var got, was video.I420
	for _, file := range decoded {
		if refused[file] == Backend {
			continue
		}
		data := readFile(t, file)
		if _, err := m.compressed(nil, data); err == nil {
			t.Errorf("%s: was not decoded, so this test shows nothing", file)
		}
		out, err := m.Mask(nil, data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if err := d.I420(&was, data); err != nil {
			t.Fatal(err)
		}
		if err := d.I420(&got, out); err != nil {
			t.Fatal(err)
		}
		mask := video.NewMask(shapes, was.Width, was.Height)
		var inside, outside, n int
		for y := range was.Height {
			for x := range was.Width {
				g, w := int(got.Y[y*got.YStride+x]), int(was.Y[y*was.YStride+x])
				switch {
				case mask.Touches(x, y, x+1, y+1):
					inside = max(inside, g)
				case !mask.Touches(x-8, y-8, x+9, y+9):
					outside += (g - w) * (g - w)
					n++
				}
			}
		}
		if inside > 80 { // what coding does along the border
			t.Errorf("%s: luma up to %d inside", file, inside)
		}
		if mean := outside / n; mean > 60 {
			t.Errorf("%s: luma outside is off by %d squared", file, mean)
		}
	}
}

// withSegment puts a segment behind SOI.
func withSegment(data []byte, marker byte, body string) []byte {
	n := len(body) + 2
	return append(append([]byte{0xFF, mSOI, 0xFF, marker, byte(n >> 8), byte(n)}, body...), data[2:]...)
}

func TestMaskedPictureHoldsNothingElseOfTheInput(t *testing.T) {
	data := readFile(t, "cjpeg-420.jpg")
	thumb := string(readFile(t, "cjpeg-grey.jpg"))
	m := NewMasker(maskShapes["top left"])
	want, err := m.Mask(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	want = bytes.Clone(want)
	sos := bytes.Index(data, []byte{0xFF, mSOS})
	longSOF, longSOS := withLongHeader(data, mSOF0, thumb), withLongHeader(data, mSOS, thumb)
	for name, in := range map[string][]byte{
		"JFIF thumbnail":                append(append([]byte{}, data[:2]...), jfifWithThumbnail(data[2:])...),
		"JFXX thumbnail":                withSegment(data, mAPP0, "JFXX\x00\x10"+thumb),
		"EXIF thumbnail":                withSegment(data, 0xE1, "Exif\x00\x00"+thumb),
		"MPF index":                     withSegment(data, 0xE2, "MPF\x00"+thumb),
		"Adobe segment with more":       withSegment(data, mAPP14, "Adobe\x00\x64\x00\x00\x00\x00\x01"+thumb),
		"comment":                       withSegment(data, 0xFE, thumb),
		"a marker nobody knows":         withSegment(data, 0xF7, thumb),
		"a second picture":              append(append([]byte{}, data...), data...),
		"a second picture after noise":  append(append(append([]byte{}, data...), "noise"...), data...),
		"no EOI but a second picture":   append(append([]byte{}, data[:len(data)-2]...), data...),
		"bytes between segments":        append(append(append([]byte{}, data[:sos]...), "bytes without a marker"...), data[sos:]...),
		"SOI twice":                     append([]byte{0xFF, mSOI}, data...),
		"a thumbnail behind SOF's end":  longSOF,
		"a thumbnail behind SOS's end":  longSOS,
		"padding":                       append(append(append([]byte{}, data[:len(data)-2]...), make([]byte, 300)...), 0xFF, mEOI),
		"what aligns the data":          append(append(append([]byte{}, data[:len(data)-2]...), 1, 2, 3), 0xFF, mEOI),
		"a progressive picture after":   append(append([]byte{}, data...), readFile(t, "cjpeg-progressive.jpg")...),
		"fill bytes before the markers": bytes.ReplaceAll(data, []byte{0xFF, mDHT}, []byte{0xFF, 0xFF, 0xFF, mDHT}),
	} {
		out, err := m.Mask(nil, in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(out, want) {
			t.Errorf("%s: got %d bytes, want the %d of the picture without it", name, len(out), len(want))
		}
	}
}

// jfifWithThumbnail makes the APP0 at the head of b one with a thumbnail of 4x4.
func jfifWithThumbnail(b []byte) []byte {
	out := append([]byte{0xFF, mAPP0, 0, 16 + 48}, b[4:16]...)
	out = append(append(out, 4, 4), bytes.Repeat([]byte{0x5A}, 48)...)
	return append(out, b[18:]...)
}

// withLongHeader appends bytes to the first segment of a kind.
func withLongHeader(data []byte, marker byte, more string) []byte {
	i := bytes.Index(data, []byte{0xFF, marker})
	n := int(data[i+2])<<8 | int(data[i+3])
	out := append(append([]byte{}, data[:i+2+n]...), more...)
	out[i+2], out[i+3] = byte((n+len(more))>>8), byte(n+len(more))
	return append(out, data[i+2+n:]...)
}

func TestMaskRepairsFramesAsWebcamsSendThem(t *testing.T) {
	m := NewMasker(maskShapes["middle"])
	data := readFile(t, "ffmpeg-422-640x480.jpg")
	want := reference(t, data)
	mw, mh := mcuSize(t, data)
	for name, in := range map[string][]byte{"without tables": bareFrame(t), "without EOI": data[:len(data)-2], "without half of EOI": data[:len(data)-1]} {
		out, err := m.compressed(nil, in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compareMasked(t, reference(t, out), want, m.shapes, mw, mh)
		if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
			t.Errorf("%s: image/jpeg: %v", name, err)
		}
	}
}

func TestMaskCompletesAPictureThatIsCutAndKeepsItBlackInside(t *testing.T) {
	for _, file := range []string{"ffmpeg-422-640x480.jpg", "cjpeg-restart-blocks.jpg", "cjpeg-restart-rows.jpg", "cjpeg-grey.jpg", "cjpeg-q100.jpg", "cjpeg-420.jpg"} {
		data := readFile(t, file)
		head := scanStart(t, data)
		was := luma(t, data)
		w, h, err := Size(data)
		if err != nil {
			t.Fatal(err)
		}
		m := NewMasker(maskShapes["stripes"])
		mw, mh := mcuSize(t, data)
		mask := video.NewMask(m.shapes, w, h)
		for i := range 32 {
			n := head + (len(data)-2-head)*i/32
			out, err := m.Mask(nil, data[:n])
			if err != nil {
				t.Errorf("%s cut at %d: %v", file, n, err)
				continue
			}
			if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
				t.Errorf("%s cut at %d: image/jpeg: %v", file, n, err)
			}
			var d LumaDecoder
			var cut video.Plane
			if err := d.Decode(&cut, data[:n]); err == nil {
				continue // too near to the end
			}
			got := luma(t, out)
			right := 0
			for j, v := range got.Pix {
				x, y := j%got.Width*8, j/got.Width*8
				x0, y0 := x/mw*mw, y/mh*mh
				switch {
				case mask.Touches(x0, y0, x0+mw, y0+mh):
					if v != 0 {
						t.Fatalf("%s cut at %d: block %d is %d, want black", file, n, j, v)
					}
				case v == was.Pix[j]:
					right++
				case cut.Pix[j] != 128 && cut.Pix[j] == was.Pix[j]:
					t.Fatalf("%s cut at %d: block %d is %d, want %d", file, n, j, v, was.Pix[j])
				}
			}
			if i > 24 && right*4 < len(got.Pix) {
				t.Errorf("%s cut at %d: only %d of %d blocks are as they were", file, n, right, len(got.Pix))
			}
		}
	}
}

// TestMaskRefusesAPictureWhoseBlocksAreElsewhere takes bytes out of the middle, as a lost USB packet does: what the mask is to cover
// then lies beside it.
func TestMaskRefusesAPictureWhoseBlocksAreElsewhere(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, file := range []string{"ffmpeg-422-640x480.jpg", "ffmpeg-420-optimal-640x480.jpg", "cjpeg-q100.jpg", "cjpeg-restart-rows.jpg", "cjpeg-444.jpg"} {
		data := readFile(t, file)
		head := scanStart(t, data)
		m := NewMasker(maskShapes["middle"])
		for range 200 {
			size := min(192+r.IntN(1500), (len(data)-head)/4)
			at := head + r.IntN(len(data)-2-head-size)
			holed := append(append([]byte{}, data[:at]...), data[at+size:]...)
			if out, err := m.Mask(nil, holed); err == nil {
				t.Errorf("%s, %d bytes lost at %d of %d: got %d bytes", file, size, at, len(data), len(out))
			}
		}
	}
}

func TestMaskRefusesDamage(t *testing.T) {
	data := readFile(t, "cjpeg-restart-rows.jpg") // 4:2:2, 99x75: 10 rows of 7 MCUs, a marker after each
	head := scanStart(t, data)
	clone := func() []byte { return append([]byte{}, data...) }
	i, j := marker(data, head, 3), marker(data, head, 5)
	swapped := clone()
	swapped[i+1], swapped[j+1] = swapped[j+1], swapped[i+1]
	inputs := map[string][]byte{
		"intervals lost":           append(clone()[:i], data[j:]...),
		"an interval sent twice":   append(append(clone()[:j], data[i:j]...), data[j:]...),
		"markers swapped":          swapped,
		"ends before its last row": append(clone()[:i], 0xFF, mEOI),
		"another picture begins":   append(clone()[:i+9], data...),
		"bytes behind the last":    append(append(clone()[:len(data)-2], "some of another picture"...), 0xFF, mEOI),
		"a marker behind the last": append(append(clone()[:len(data)-2], 0xFF, mRST0+2), "more"...),
		"bits overwritten":         append(append(clone()[:i-60], bytes.Repeat([]byte{0xA5}, 40)...), data[i-20:]...),
	}
	m := NewMasker(maskShapes["middle"])
	for name, in := range inputs {
		if out, err := m.Mask(nil, in); err != ErrTruncated {
			t.Errorf("%s: got %d bytes and %v, want ErrTruncated", name, len(out), err)
		}
	}
	for _, name := range []string{"cjpeg-separate-scans.jpg", "cjpeg-luma-second.jpg"} {
		whole := readFile(t, name)
		if out, err := m.Mask(nil, whole[:len(whole)*2/3]); err == nil {
			t.Errorf("%s, cut: got %d bytes", name, len(out))
		}
	}
	for name, in := range broken(t) {
		if out, err := m.Mask(nil, in); err == nil {
			t.Errorf("%s: got %d bytes", name, len(out))
		}
	}
	for _, name := range []string{"cjpeg-rgb.jpg"} {
		if out, err := m.Mask(nil, readFile(t, name)); err == nil {
			t.Errorf("%s: got %d bytes", name, len(out))
		}
	}
}

func TestMaskFollowsThePicturesSize(t *testing.T) {
	shapes := maskShapes["low right"]
	m := NewMasker(shapes)
	for range 2 {
		for _, file := range []string{"ffmpeg-422-640x480.jpg", "cjpeg-420.jpg", "cjpeg-444.jpg", "ffmpeg-444-90x70.jpg", "cjpeg-grey.jpg"} {
			data := readFile(t, file)
			out, err := m.Mask(nil, data)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			mw, mh := mcuSize(t, data)
			compareMasked(t, reference(t, out), reference(t, data), shapes, mw, mh)
		}
	}
}

func TestMaskDoesNotAllocateInSteadyState(t *testing.T) {
	m := NewMasker(maskShapes["stripes"])
	var buf []byte
	for _, data := range [][]byte{readFile(t, "ffmpeg-422-640x480.jpg"), bareFrame(t)} {
		if n := testing.AllocsPerRun(20, func() {
			out, err := m.Mask(buf, data)
			if err != nil {
				t.Fatal(err)
			}
			buf = out
		}); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
	}
}
