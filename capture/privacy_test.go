package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/video"
)

var hidden = []video.Polygon{{{0.2, 0.3}, {0.7, 0.25}, {0.6, 0.9}}, {{0.9, 0}, {1, 0}, {1, 0.2}}}

// rawTypes are what is masked in place.
var rawTypes = []video.FourCC{video.YUYV, video.UYVY, video.NV12, video.YU12, video.Grey}

// whiteFrame is a raw frame without a black pixel.
func whiteFrame(t testing.TB, pool *video.Pool, c video.FourCC, w, h int) *video.Frame {
	t.Helper()
	form := video.Format{FourCC: c, Width: w, Height: h}
	form.Stride = form.TightStride()
	n, err := form.RawSize()
	if err != nil {
		t.Fatal(err)
	}
	f := pool.Get(n)
	f.Format = form
	for i := range f.Data {
		f.Data[i] = 200
	}
	return f
}

// jpegFrame is a frame of the given picture.
func jpegFrame(pool *video.Pool, data []byte) *video.Frame {
	w, h, _ := jpeg.Size(data)
	f := pool.Get(len(data))
	copy(f.Data, data)
	f.Format = video.Format{FourCC: video.MJPEG, Width: w, Height: h, FullRange: true}
	return f
}

// whiteJPEG is a picture without a black pixel.
func whiteJPEG(t testing.TB, w, h int) []byte {
	t.Helper()
	var img video.I420
	img.Resize(w, h)
	img.FullRange = true
	for _, plane := range [][]byte{img.Y, img.U, img.V} {
		for i := range plane {
			plane[i] = 200
		}
	}
	data, err := jpeg.Encode(nil, &img, 90)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// planes decodes a frame of any kind but H.264.
func planes(t testing.TB, f *video.Frame) *video.I420 {
	t.Helper()
	img := new(video.I420)
	err := video.ToI420(img, f)
	if f.Format.FourCC == video.MJPEG {
		d := jpeg.NewDecoder()
		defer d.Close()
		err = d.I420(img, f.Data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// seen counts the pixels that the shapes cover and yet are not black, and those that are black elsewhere; those within margin of a shape
// count as neither.
func seen(t testing.TB, f *video.Frame, shapes []video.Polygon, margin int) (inside, outside int) {
	t.Helper()
	img := planes(t, f)
	mask := video.NewMask(shapes, img.Width, img.Height)
	for y := range img.Height {
		for x := range img.Width {
			black := img.Y[y*img.YStride+x] <= 16
			switch {
			case !black && mask.Touches(x, y, x+1, y+1):
				inside++
			case black && !mask.Touches(x-margin, y-margin, x+margin+1, y+margin+1):
				outside++
			}
		}
	}
	return inside, outside
}

func TestPrivacyOfEveryFormatCoversItsPolygonsAndNoMore(t *testing.T) {
	pool := video.NewPool(1 << 20)
	p := privacy{shapes: hidden}
	defer p.close()
	check := func(name string, f *video.Frame, margin int) {
		t.Helper()
		f.Seq, f.Mono = 7, time.Second
		form := f.Format
		g, err := p.apply(f, pool)
		if err != nil || g == nil {
			t.Errorf("%s: got %v, %v", name, g, err)
			return
		}
		if g.Seq != 7 || g.Mono != time.Second || g.Format != form {
			t.Errorf("%s: got %v, Seq %d, %v", name, g.Format, g.Seq, g.Mono)
		}
		if in, out := seen(t, g, hidden, margin); in != 0 || out != 0 {
			t.Errorf("%s: %d pixels are seen, %d are hidden that should not be", name, in, out)
		}
		g.Release()
	}
	for _, size := range [][2]int{{64, 48}, {70, 50}, {640, 480}, {64, 48}} { // the size may change at any time
		for _, c := range rawTypes {
			check(fmt.Sprintf("%v %v", c, size), whiteFrame(t, pool, c, size[0], size[1]), 0)
		}
		check(fmt.Sprintf("MJPG %v", size), jpegFrame(pool, whiteJPEG(t, size[0], size[1])), 15)
	}
	// A camera that says one size and sends another: the picture's own counts.
	f := jpegFrame(pool, whiteJPEG(t, 320, 240))
	f.Format.Width, f.Format.Height = 640, 480
	check("MJPG of another size than its frame says", f, 15)
}

func TestWithoutPrivacyFramesPassUntouched(t *testing.T) {
	pool := video.NewPool(1 << 20)
	var p privacy
	for _, data := range [][]byte{[]byte("no picture at all"), whiteJPEG(t, 64, 48)} {
		f := jpegFrame(pool, data)
		g, err := p.apply(f, pool)
		if g != f || err != nil || !bytes.Equal(g.Data, data) {
			t.Errorf("got %v, %v", g, err)
		}
	}
}

func TestPrivacyWithholdsWhatItCannotMask(t *testing.T) {
	pool := video.NewPool(1 << 20)
	p := privacy{shapes: hidden}
	defer p.close()
	white := whiteJPEG(t, 64, 48)
	frames := map[string]*video.Frame{
		"no JPEG":       jpegFrame(pool, []byte("HTTP/1.1 404 Not Found\r\n\r\n")),
		"no data":       jpegFrame(pool, nil),
		"a header only": jpegFrame(pool, white[:100]),
		"a JPEG whose middle is lost": jpegFrame(pool, append(append([]byte{}, white[:len(white)-60]...),
			white[len(white)-20:]...)),
	}
	odd := func(name string, change func(f *video.Frame)) {
		f := whiteFrame(t, pool, video.YUYV, 64, 48)
		change(f)
		frames[name] = f
	}
	odd("an unknown format", func(f *video.Frame) { f.Format.FourCC = 'H' | 'E'<<8 | 'V'<<16 | 'C'<<24 })
	odd("no format", func(f *video.Frame) { f.Format = video.Format{} })
	odd("a short raw frame", func(f *video.Frame) { f.Data = f.Data[:len(f.Data)-1] })
	odd("a negative size", func(f *video.Frame) { f.Format.Width = -64 })
	odd("an enormous size", func(f *video.Frame) { f.Format.Width, f.Format.Height = 1<<30, 1<<30 })
	odd("a narrow stride", func(f *video.Frame) { f.Format.Stride = 64 })
	odd("H.264 that is none", func(f *video.Frame) { f.Format.FourCC, f.Data = video.H264, append(f.Data[:0], 0, 0, 1, 0x65, 9, 9) })
	odd("H.264 before a key picture", func(f *video.Frame) { f.Format.FourCC, f.Data = video.H264, append(f.Data[:0], 0, 0, 1, 0x41, 9, 9) })
	for name, f := range frames {
		g, err := p.apply(f, pool)
		if g != nil || err == nil && name != "H.264 before a key picture" {
			t.Errorf("%s: got %v, %v", name, g, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "privacy mask: ") {
			t.Errorf("%s: %v does not say whose error it is", name, err)
		}
		if !released(f) {
			t.Errorf("%s: the frame was not released", name)
		}
	}
}

// released reports whether nobody holds f.
func released(f *video.Frame) (yes bool) {
	defer func() { yes = recover() != nil }()
	f.Release()
	return false
}

// units encodes n white pictures of a size to H.264, the first and each every'th a key picture.
func units(t testing.TB, w, h, n, every int) (us [][]byte) {
	t.Helper()
	e, err := h264.NewEncoder(h264.Config{Width: w, Height: h, Rate: 15, Bitrate: 500_000, KeyInterval: every})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var img video.I420
	if err := video.ToI420(&img, whiteFrame(t, video.NewPool(0), video.YU12, w, h)); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p, err := e.Encode(&img, time.Duration(i)*time.Second/15, uint64(i), false)
		if err != nil {
			t.Fatal(err)
		}
		us = append(us, p.Data)
	}
	return us
}

func h264Frame(pool *video.Pool, unit []byte, seq uint64) *video.Frame {
	f := pool.Get(len(unit))
	copy(f.Data, unit)
	f.Format, f.Seq = video.Format{FourCC: video.H264, Width: 64, Height: 48, Rate: 15}, seq
	return f
}

func TestPrivacyDecodesH264FromKeyPicturesOn(t *testing.T) {
	if !h264.Available {
		t.Skip("not run: this build has no decoder")
	}
	pool := video.NewPool(1 << 20)
	p := privacy{shapes: hidden}
	defer p.close()
	us := units(t, 64, 48, 20, 5)
	shown := func(seq uint64, unit []byte) bool {
		t.Helper()
		g, err := p.apply(h264Frame(pool, unit, seq), pool)
		if err != nil {
			t.Errorf("picture %d: %v", seq, err)
		}
		if g == nil {
			return false
		}
		defer g.Release()
		want := video.Format{FourCC: video.YU12, Width: 64, Height: 48, Stride: 64, Rate: 15}
		if g.Format != want || g.Seq != seq {
			t.Errorf("picture %d: got %v, Seq %d", seq, g.Format, g.Seq)
		}
		if in, out := seen(t, g, hidden, 0); in != 0 || out != 0 {
			t.Errorf("picture %d: %d pixels are seen, %d are hidden that should not be", seq, in, out)
		}
		return true
	}
	var got []int
	for i, u := range us {
		if i < 2 || i == 12 { // it begins in the middle, and later a picture is lost
			continue
		}
		if shown(uint64(i), u) {
			got = append(got, i)
		}
	}
	if want := "[5 6 7 8 9 10 11 15 16 17 18 19]"; fmt.Sprint(got) != want {
		t.Errorf("pictures shown: %v, want %v", got, want)
	}
}

func TestH264GoesOnAtAKeyPictureWhenTheMaskIsTakenAway(t *testing.T) {
	if !h264.Available {
		t.Skip("not run: this build has no decoder")
	}
	pool := video.NewPool(1 << 20)
	p := privacy{shapes: hidden}
	defer p.close()
	var got string
	for i, u := range units(t, 64, 48, 15, 5) {
		if i == 3 {
			if err := p.set(nil); err != nil {
				t.Fatal(err)
			}
		}
		g, err := p.apply(h264Frame(pool, u, uint64(i)), pool)
		switch {
		case err != nil:
			t.Fatal(err)
		case g == nil:
			got += "."
			continue
		case g.Format.FourCC == video.H264:
			got += "H"
		default:
			got += "Y"
		}
		g.Release()
	}
	if want := "YYY..HHHHHHHHHH"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(p.veils) != 0 {
		t.Error("the decoder is kept")
	}
}

func TestEveryPictureAfterSetPrivacyIsMasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam, s := newCamera(t, "demo:?rate=10&size=320x240&first=1s")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- cam.Run(ctx) }()
		for n, shapes := range [][]video.Polygon{nil, hidden, {{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}, nil} {
			if err := cam.SetPrivacy(shapes); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for len(s.Frames()) > 0 { // those from before
				(<-s.Frames()).Release()
			}
			for range 3 {
				f := <-s.Frames()
				in, _ := seen(t, f, hidden, 16)
				if (in == 0) != (len(shapes) > 0) {
					t.Errorf("mask %d: %d pixels are seen", n, in)
				}
				f.Release()
			}
		}
		cancel()
		<-done
		if st := cam.Status(); st.Errored != 0 {
			t.Errorf("%d pictures were withheld", st.Errored)
		}
	})
}

func TestPrivacyOfTheConfigurationHoldsFromTheFirstPictureOn(t *testing.T) {
	file := t.TempDir() + "/white.mjpeg"
	good, cut := whiteJPEG(t, 64, 48), whiteJPEG(t, 64, 48)
	cut = append(cut[:len(cut)-40], 0xFF, 0xD9)
	if err := os.WriteFile(file, bytes.Join([][]byte{good, cut, good}, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		cam, s := newCamera(t, file)
		cam.privacy.shapes = hidden
		if err := cam.Run(t.Context()); !errors.Is(err, ErrEnded) {
			t.Fatal(err)
		}
		n := len(s.Frames())
		for range n {
			f := <-s.Frames()
			if in, _ := seen(t, f, hidden, 16); in != 0 {
				t.Errorf("frame %d: %d pixels are seen", f.Seq, in)
			}
			f.Release()
		}
		if st := cam.Status(); n != 2 || st.Errored != 1 || st.Drops != 0 {
			t.Errorf("%d frames, status %+v; want 2, and one withheld", n, st)
		}
	})
}

func TestSetPrivacyWhileFramesAreMasked(t *testing.T) {
	pool := video.NewPool(1 << 20)
	var p privacy
	defer p.close()
	white := whiteJPEG(t, 64, 48)
	var wg sync.WaitGroup
	for _, make := range []func() *video.Frame{
		func() *video.Frame { return jpegFrame(pool, white) },
		func() *video.Frame { return whiteFrame(t, pool, video.YUYV, 64, 48) },
	} {
		wg.Go(func() {
			for range 200 {
				g, err := p.apply(make(), pool)
				if err != nil {
					t.Error(err)
					return
				}
				g.Release()
			}
		})
	}
	for i := range 100 {
		if err := p.set(hidden[:i%3]); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func TestSetPrivacyKeepsAMaskOfItsOwn(t *testing.T) {
	shapes := []video.Polygon{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}
	var p privacy
	if err := p.set(shapes); err != nil {
		t.Fatal(err)
	}
	shapes[0][2] = [2]float64{0, 0}
	if got := p.shapes[0][2]; got != [2]float64{1, 1} {
		t.Errorf("changed by the caller to %v", got)
	}
}

func TestPrivacyFaultsAreReportedUnderTheirKeys(t *testing.T) {
	many := make([]video.Polygon, maxShapes+1)
	for i := range many {
		many[i] = hidden[0]
	}
	tests := []struct {
		shapes []video.Polygon
		want   string
	}{
		{[]video.Polygon{hidden[0], {{0, 0}, {1, 1}}}, "privacy[1]: 2 points"},
		{[]video.Polygon{{{0, 0}, {640, 0}, {0, 480}}}, "privacy[0][1]: [640, 0] is outside 0..1"},
		{[]video.Polygon{{{0, 0}, {math.NaN(), 0}, {0, 1}}}, "privacy[0][1]: [NaN, 0]"},
		{many, "privacy: 33 polygons, at most 32"},
		{[]video.Polygon{make(video.Polygon, maxCorners+1)}, "privacy[0]: 65 points, at most 64"},
	}
	for _, tt := range tests {
		c := Default()
		c.Source, c.Privacy = "demo:", tt.shapes
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
		p := privacy{shapes: hidden}
		if p.set(tt.shapes) == nil || len(p.shapes) != len(hidden) {
			t.Errorf("%q: SetPrivacy took it", tt.want)
		}
	}
}

func TestPrivacyDoesNotAllocateInSteadyState(t *testing.T) {
	pool := video.NewPool(8 << 20)
	p := privacy{shapes: hidden}
	white := whiteJPEG(t, 640, 480)
	kinds := map[string]func() *video.Frame{"MJPG": func() *video.Frame { return jpegFrame(pool, white) }}
	for _, c := range rawTypes {
		kinds[c.String()] = func() *video.Frame { return whiteFrame(t, pool, c, 640, 480) }
	}
	for name, make := range kinds {
		if n := testing.AllocsPerRun(10, func() {
			g, err := p.apply(make(), pool)
			if err != nil {
				t.Fatal(err)
			}
			g.Release()
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}
