package jpeg

import (
	"bytes"
	"errors"
	"image/jpeg"
	"testing"

	"camward/video"
)

// without returns data with all segments of one kind taken out of its header.
func without(tb testing.TB, data []byte, marker byte) []byte {
	tb.Helper()
	out := append([]byte{}, data[:2]...)
	for pos := 2; ; {
		s, err := nextSegment(data, pos)
		if err != nil {
			tb.Fatal(err)
		}
		if s.marker != marker {
			out = append(out, data[s.start:s.end]...)
		}
		if pos = s.end; s.marker == mSOS {
			return append(out, data[pos:]...)
		}
	}
}

// bareFrame is a webcam's frame: standard tables, and those left out.
func bareFrame(tb testing.TB) []byte {
	return without(tb, readFile(tb, "ffmpeg-422-640x480.jpg"), mDHT)
}

// luma decodes with a decoder of its own.
func luma(tb testing.TB, data []byte) *video.Plane {
	tb.Helper()
	var d LumaDecoder
	p := new(video.Plane)
	if err := d.Decode(p, data); err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestRepairLeavesAGoodPictureAlone(t *testing.T) {
	for _, name := range append([]string{"cjpeg-progressive.jpg", "cjpeg-arithmetic.jpg", "cjpeg-rgb.jpg"}, baselineFiles...) {
		data := readFile(t, name)
		out, err := Repair(nil, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if &out[0] != &data[0] || len(out) != len(data) {
			t.Errorf("%s: was changed", name)
		}
	}
}

func TestRepairInsertsStandardTablesBeforeTheScan(t *testing.T) {
	bare := bareFrame(t)
	if _, err := jpeg.Decode(bytes.NewReader(bare)); err == nil {
		t.Fatal("image/jpeg reads the picture without its tables, so this test shows nothing")
	}
	buf := make([]byte, 0, 1<<16)
	out, err := Repair(buf, bare)
	if err != nil {
		t.Fatal(err)
	}
	if &out[0] != &buf[:1][0] {
		t.Error("the room in dst was not used")
	}
	if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
		t.Errorf("image/jpeg refuses the repaired picture: %v", err)
	}
	if diff := diffPlane(luma(t, out), luma(t, readFile(t, "ffmpeg-422-640x480.jpg"))); diff != "" {
		t.Error(diff)
	}
}

func TestRepairInsertsOnlyTheTablesThatAreMissing(t *testing.T) {
	data := readFile(t, "ffmpeg-422-640x480.jpg")
	lumaOnly := []byte{0xFF, mDHT, 0, byte(3 + len(stdDCLuma)), 0x00}
	lumaOnly = append(lumaOnly, stdDCLuma...)
	bare := without(t, data, mDHT)
	part := append(append(append([]byte{}, bare[:2]...), lumaOnly...), bare[2:]...)
	out, err := Repair(nil, part)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(data); len(out) < want || len(out) > want+16 { // the tables once, in several segments
		t.Errorf("got %d bytes, want about %d", len(out), want)
	}
	if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
		t.Error(err)
	}
}

func TestRepairCutsWhatFollowsEOI(t *testing.T) {
	data := readFile(t, "cjpeg-420.jpg")
	for _, tail := range []string{"\x00", "\x00\x00\x00\x00", "\xFF\xD8\xFF", "\xFF\xD9", "garbage"} {
		out, err := Repair(nil, append(append([]byte{}, data...), tail...))
		if err != nil || !bytes.Equal(out, data) {
			t.Errorf("tail %q: got %d bytes and %v, want the %d without it", tail, len(out), err, len(data))
		}
	}
}

func TestRepairAddsAMissingEOI(t *testing.T) {
	for _, name := range []string{"cjpeg-420.jpg", "cjpeg-progressive.jpg", "cjpeg-separate-scans.jpg"} {
		data := readFile(t, name)
		for _, lost := range []int{1, 2} {
			out, err := Repair(nil, data[:len(data)-lost])
			if err != nil || !bytes.Equal(out, data) {
				t.Errorf("%s less %d bytes: got %d bytes and %v, want %d", name, lost, len(out), err, len(data))
			}
		}
	}
}

func TestRepairedTruncatedPictureIsReadByStrictReaders(t *testing.T) {
	files := []string{
		"ffmpeg-422-640x480.jpg", "ffmpeg-420-optimal-640x480.jpg", "cjpeg-restart-blocks.jpg",
		"cjpeg-restart-rows.jpg", "cjpeg-grey.jpg", "cjpeg-444.jpg", "cjpeg-q100.jpg", "cjpeg-optimize.jpg",
	}
	var d LumaDecoder
	var cut, mended video.Plane
	for _, name := range files {
		data := readFile(t, name)
		head := scanStart(t, data)
		for i := range 16 {
			n := head + (len(data)-head)*i/16
			out, err := Repair(nil, data[:n])
			if err != nil {
				t.Errorf("%s at %d bytes: %v", name, n, err)
				continue
			}
			if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
				t.Errorf("%s at %d bytes: image/jpeg: %v", name, n, err)
			}
			if err := d.Decode(&cut, data[:n]); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s at %d bytes: got %v, want ErrTruncated", name, n, err)
			}
			if err := d.Decode(&mended, out); err != nil {
				t.Errorf("%s at %d bytes: repaired: %v", name, n, err)
			}
			for j, v := range cut.Pix {
				if v != 128 && mended.Pix[j] != v {
					t.Errorf("%s at %d bytes: block %d was %d, is %d when repaired", name, n, j, v, mended.Pix[j])
					break
				}
			}
		}
	}
}

// scanStart is the offset of the first scan's data.
func scanStart(tb testing.TB, data []byte) int {
	tb.Helper()
	for pos := 2; ; {
		s, err := nextSegment(data, pos)
		if err != nil {
			tb.Fatal(err)
		}
		if pos = s.end; s.marker == mSOS {
			return pos
		}
	}
}

func TestRepairTakesBareAndTruncatedFramesToo(t *testing.T) {
	bare := bareFrame(t)
	out, err := Repair(nil, bare[:len(bare)/2])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
		t.Error(err)
	}
	d := NewDecoder()
	defer d.Close()
	if err := d.I420(new(video.I420), bare); err != nil {
		t.Errorf("I420 of a frame without tables: %v", err)
	}
}

func TestRepairRefusesWhatHoldsNoPicture(t *testing.T) {
	data := readFile(t, "cjpeg-420.jpg")
	for name, in := range broken(t) {
		if _, err := Repair(nil, in); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, want ErrFormat", name, err)
		}
	}
	for n := range scanStart(t, data) {
		if _, err := Repair(nil, data[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("header cut at %d: got %v, want ErrFormat", n, err)
		}
	}
}

// broken are inputs without a picture that anybody could decode.
func broken(tb testing.TB) map[string][]byte {
	data := readFile(tb, "cjpeg-420.jpg")
	resized := func(w, h uint16) []byte {
		b := append([]byte{}, data...)
		i := bytes.Index(b, []byte{0xFF, mSOF0})
		b[i+5], b[i+6], b[i+7], b[i+8] = byte(h>>8), byte(h), byte(w>>8), byte(w)
		return b
	}
	twelve := append([]byte{}, data...)
	twelve[bytes.Index(twelve, []byte{0xFF, mSOF0})+4] = 12
	return map[string][]byte{
		"nothing":              {},
		"one byte":             {0xFF},
		"SOI alone":            {0xFF, mSOI},
		"SOI and EOI":          {0xFF, mSOI, 0xFF, mEOI},
		"zeros":                make([]byte, 4096),
		"ones":                 bytes.Repeat([]byte{0xFF}, 4096),
		"SOI and zeros":        append([]byte{0xFF, mSOI}, make([]byte, 4096)...),
		"text":                 []byte("HTTP/1.1 404 Not Found\r\n\r\n"),
		"H.264":                {0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1F, 0, 0, 0, 1, 0x68},
		"zero width":           resized(0, 75),
		"zero height":          resized(99, 0),
		"too wide":             resized(MaxSize+1, 75),
		"too high":             resized(99, 65535),
		"12-bit":               twelve,
		"no frame header":      without(tb, data, mSOF0),
		"no quantisation":      without(tb, data, mDQT),
		"segment length 1":     {0xFF, mSOI, 0xFF, mDQT, 0, 1, 0, 0},
		"frame header of 0":    {0xFF, mSOI, 0xFF, mSOF0, 0, 2, 0xFF, mSOS, 0, 2},
		"scan before a header": {0xFF, mSOI, 0xFF, mSOS, 0, 8, 1, 1, 0, 0, 63, 0},
	}
}
