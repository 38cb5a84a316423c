package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image/jpeg"
	"testing"

	"camward/video"
)

// fuzzed gives a target's function each input before a fence.
func fuzzed(f *testing.F, target func(t *testing.T, data []byte)) {
	addSeeds(f)
	room := newFence(f, 1<<20)
	f.Fuzz(func(t *testing.T, data []byte) {
		if data, ok := room.hold(data); ok {
			target(t, data)
		}
	})
}

// small keeps the fuzzer from spending its time on large pictures.
func small(data []byte) bool {
	w, h, err := Size(data)
	return err != nil || w*h <= 512*512
}

func FuzzLuma(f *testing.F) {
	compare := turboComparer(f)
	var d LumaDecoder
	n := LumaDecoder{narrow: true}
	var p, q video.Plane
	fuzzed(f, func(t *testing.T, data []byte) {
		if !small(data) {
			return
		}
		err := d.Decode(&p, data)
		compareNarrow(t, &n, &q, data, &d, &p, err)
		if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTruncated) {
			t.Fatalf("error of no known kind: %v", err)
		}
		if errors.Is(err, ErrFormat) {
			return
		}
		w, h, sizeErr := Size(data)
		if sizeErr != nil || p.Width != (w+7)/8 || p.Height != (h+7)/8 {
			t.Fatalf("got %dx%d for a picture of %dx%d, %v", p.Width, p.Height, w, h, sizeErr)
		}
		if err == nil {
			compare(t, &p, data)
		}
	})
}

// compareNarrow holds what a narrow decoder makes of data, and where it stops, against a wide one.
func compareNarrow(t *testing.T, narrow *LumaDecoder, got *video.Plane, data []byte, wide *LumaDecoder, want *video.Plane, wantErr error) {
	t.Helper()
	err := narrow.Decode(got, data)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("by 32 bits: %v, by 64: %v", err, wantErr)
	}
	if errors.Is(err, ErrFormat) {
		return
	}
	if diff := diffPlane(got, want); diff != "" {
		t.Fatalf("by 32 bits: %s", diff)
	}
	if narrow.cut != wide.cut {
		t.Fatalf("by 32 bits it is good up to %+v, by 64 up to %+v", narrow.cut, wide.cut)
	}
}

func FuzzRepair(f *testing.F) {
	fuzzed(f, func(t *testing.T, data []byte) {
		if !small(data) {
			return
		}
		before := bytes.Clone(data)
		out, err := Repair(nil, data)
		if !bytes.Equal(before, data) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		again, err := Repair(nil, out)
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("the repaired picture is repaired again: %d bytes, then %d, %v", len(out), len(again), err)
		}
		var d LumaDecoder
		var a, b video.Plane
		if d.Decode(&a, data) != nil {
			return
		}
		if err := d.Decode(&b, out); err != nil {
			t.Fatalf("reads well before the repair and not after: %v", err)
		}
		if diff := diffPlane(&b, &a); diff != "" {
			t.Fatalf("changed by the repair: %s", diff)
		}
	})
}

func FuzzSize(f *testing.F) {
	fuzzed(f, func(t *testing.T, data []byte) {
		w, h, err := Size(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		if w < 1 || h < 1 || w > MaxSize || h > MaxSize {
			t.Fatalf("size %dx%d", w, h)
		}
		if c, err := jpeg.DecodeConfig(bytes.NewReader(data)); err == nil && (c.Width != w || c.Height != h) {
			t.Fatalf("got %dx%d, image/jpeg says %dx%d", w, h, c.Width, c.Height)
		}
	})
}

// FuzzI420 guards above all what libjpeg-turbo reads and writes: its input ends at a fence, and bytes after the planes must stay.
func FuzzI420(f *testing.F) {
	d := NewDecoder()
	f.Cleanup(d.Close)
	inner := guardInner(d, 600*600)
	mended := newFence(f, 1<<21)
	fuzzed(f, func(t *testing.T, data []byte) {
		w, h, err := Size(data)
		if err != nil || !small(data) {
			return
		}
		dst, check := guarded(w, h)
		found, err := inspect(data)
		if err == nil && !found.whole(len(data)) {
			data, _ = mended.hold(found.mend(nil, data))
		}
		if err == nil {
			err = d.I420(dst, data)
		}
		if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTruncated) {
			t.Fatalf("error of no known kind: %v", err)
		}
		if err == nil && (dst.Width != w || dst.Height != h) {
			t.Fatalf("got %dx%d, want %dx%d", dst.Width, dst.Height, w, h)
		}
		check(t)
		inner(t)
	})
}

// FuzzMask holds what is masked against what two decoders make of it: black inside, and equal outside.
func FuzzMask(f *testing.F) {
	shapes := maskShapes["stripes"]
	m, again := NewMasker(shapes), NewMasker(shapes)
	d := NewDecoder()
	f.Cleanup(d.Close)
	var got, was video.Plane
	var img video.I420
	var luma LumaDecoder
	fuzzed(f, func(t *testing.T, data []byte) {
		if !small(data) {
			return
		}
		out, err := m.Mask(nil, data)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTruncated) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		if err := d.I420(&img, out); err != nil {
			if errors.Is(d.I420(&img, data), ErrFormat) {
				return // a subsampling that the backend does not know, or tables it has none for
			}
			t.Fatalf("the masked picture: %v", err)
		}
		if _, err := m.compressed(nil, data); err != nil {
			return // encoded anew
		}
		mask := video.NewMask(shapes, img.Width, img.Height)
		for y := range img.Height {
			for x := range img.Width {
				if v := img.Y[y*img.YStride+x]; v != 0 && mask.Touches(x, y, x+1, y+1) {
					t.Fatalf("at %d,%d: luma is %d, want black", x, y, v)
				}
			}
		}
		if twice, err := again.compressed(nil, out); err != nil || !bytes.Equal(twice, out) {
			t.Fatalf("masked twice: got %d bytes and %v, want the same %d", len(twice), err, len(out))
		}
		if err := luma.Decode(&got, out); err != nil {
			t.Fatalf("the luma of the masked picture: %v", err)
		}
		if luma.Decode(&was, data) != nil {
			return
		}
		for i, v := range got.Pix {
			x, y := i%got.Width*8, i/got.Width*8
			mw, mh := 8*luma.plan.stepX, 8*luma.plan.stepY
			x, y = x/mw*mw, y/mh*mh
			if mask.Touches(x, y, x+mw, y+mh) {
				continue
			}
			if v != was.Pix[i] {
				t.Fatalf("block %d: got %d, want %d", i, v, was.Pix[i])
			}
		}
	})
}

// guard is what lies in memory that is not to be written to.
const guard = 0xA5

// guarded is a picture with room for w x h and a guard after each plane.
func guarded(w, h int) (*video.I420, func(*testing.T)) {
	const more = 64
	plane := func(n int) []byte { return bytes.Repeat([]byte{guard}, n+more)[: 0 : n+more] }
	luma, chroma := w*h, (w+1)/2*((h+1)/2)
	dst := &video.I420{Y: plane(luma), U: plane(chroma), V: plane(chroma)}
	all := [][]byte{dst.Y[luma : luma+more], dst.U[chroma : chroma+more], dst.V[chroma : chroma+more]}
	return dst, func(t *testing.T) {
		t.Helper()
		for i, b := range all {
			if !untouched(b) {
				t.Fatalf("%dx%d: written beyond the end of plane %d", w, h, i)
			}
		}
	}
}

func untouched(b []byte) bool { return len(bytes.TrimLeft(b, "\xA5")) == 0 }

func TestI420WritesNothingBeyondThePlanes(t *testing.T) {
	d := NewDecoder()
	defer d.Close()
	ppm := pipe(t, readFile(t, "cjpeg-q100.jpg"), "djpeg", "-pnm")
	for _, sampling := range []string{"1x1", "2x1", "1x2", "2x2", "4x1"} {
		for w := 33; w < 42; w++ {
			h := 60 - w
			scaled := pipe(t, pipe(t, ppm, "cjpeg", "-sample", sampling, "-quality", "100"), "jpegtran", "-crop", fmt.Sprintf("%dx%d+0+0", w, h))
			dst, check := guarded(w, h)
			if err := d.I420(dst, scaled); err != nil {
				t.Fatalf("%s, %dx%d: %v", sampling, w, h, err)
			}
			if dst.Width != w || dst.Height != h {
				t.Fatalf("%s: got %dx%d, want %dx%d", sampling, dst.Width, dst.Height, w, h)
			}
			check(t)
		}
	}
}
