package scenes

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"camward/codec/jpeg"
	"camward/video"
)

func TestThereAreScenesOfEachHalfWithSoundTruth(t *testing.T) {
	seen, halves := map[string]bool{}, map[Split]int{}
	events := map[Split]int{}
	for _, s := range All() {
		if seen[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		seen[s.Name] = true
		halves[s.Split]++
		truth := s.Truth(640, 480, 10)
		events[s.Split] += len(truth.Events)
		last := 0.0
		for _, e := range truth.Events {
			if e.Start < 2 || e.End <= e.Start || e.End > truth.Duration || e.Start < last {
				t.Errorf("%s: event %+v of %g s, the one before ended at %g", s.Name, e, truth.Duration, last)
			}
			last = e.End
		}
		for _, i := range truth.Ignore {
			if i.End <= i.Start {
				t.Errorf("%s: ignored %+v", s.Name, i)
			}
		}
		if len(truth.Events)+len(truth.Nuisance) == 0 && s.Family != "quiet" {
			t.Errorf("%s: nothing happens", s.Name)
		}
	}
	for _, half := range []Split{Tune, Held} {
		if halves[half] < 40 || events[half] < 40 {
			t.Errorf("%s: %d scenes with %d events, want 40 of each", half, halves[half], events[half])
		}
	}
}

func TestDrawnScenesAreOthers(t *testing.T) {
	seeds := map[uint64]string{}
	for _, list := range [][]Scene{All(), Draw(1), Draw(2), Draw(1e6)} {
		for _, s := range list {
			if other := seeds[s.seed]; other != "" {
				t.Errorf("%s is %s", s.Name, other)
			}
			seeds[s.seed] = s.Name
		}
	}
	if n := len(Draw(1)); n != 2*len(families) {
		t.Errorf("%d scenes, want two of each of %d families", n, len(families))
	}
}

func TestEveryFamilyIsInTheHeldHalf(t *testing.T) {
	held := map[string]bool{}
	for _, s := range Of(Held) {
		held[s.Family] = true
	}
	for _, f := range families {
		if !held[f.name] {
			t.Errorf("%s has no held scene", f.name)
		}
	}
}

// planes renders a scene's first pictures, of which it keeps the luma at the given width and height.
func planes(t *testing.T, name string, width, height int, rate float64, n int) [][]byte {
	t.Helper()
	s, ok := Named(name)
	if !ok {
		t.Fatalf("no scene %s", name)
	}
	r, err := s.Renderer(width, height, rate)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for range n {
		p, ok := r.Next()
		if !ok {
			t.Fatalf("%s ends after %d pictures, want %d", name, len(out), n)
		}
		out = append(out, bytes.Clone(p.Luma.Pix))
	}
	return out
}

func TestASceneIsTheSameEachTime(t *testing.T) {
	for _, name := range []string{"person-night-1", "tree-1", "insects-1", "mains-flicker-1"} {
		a, b := planes(t, name, 160, 120, 10, 5), planes(t, name, 160, 120, 10, 5)
		for i := range a {
			if !bytes.Equal(a[i], b[i]) {
				t.Errorf("%s: picture %d differs between two renderings", name, i)
			}
		}
		if bytes.Equal(a[0], a[1]) {
			t.Errorf("%s: two pictures are equal to the last bit", name)
		}
	}
}

// means averages a picture into 16 x 12 places.
func means(pix []byte, width, height int) []float64 {
	out := make([]float64, 16*12)
	for y := range height {
		for x := range width {
			out[y*12/height*16+x*16/width] += float64(pix[y*width+x]) * 192 / float64(width*height)
		}
	}
	return out
}

func TestASceneLooksTheSameAtAnySizeAndRate(t *testing.T) {
	for _, name := range []string{"car-pass-1", "sun-patch-1", "ir-cut-1"} {
		base := planes(t, name, 320, 240, 5, 90)
		for _, other := range []struct {
			width, height int
			rate          float64
		}{{160, 120, 10}, {640, 360, 1}} {
			got := planes(t, name, other.width, other.height, other.rate, int(18*other.rate))
			for _, at := range []float64{2, 9, 17} {
				a := means(base[int(at*5)], 320, 240)
				b := means(got[int(at*other.rate)], other.width, other.height)
				for i := range a {
					if math.Abs(a[i]-b[i]) > 8 {
						t.Errorf("%s at %g s: place %d is %.1f at 320x240 and %.1f at %dx%d", name, at, i, a[i], b[i], other.width, other.height)
						break
					}
				}
			}
		}
	}
}

func TestWhatMovesIsSeenWhereTheTruthHasIt(t *testing.T) {
	s, _ := Named("car-pass-1")
	truth := s.Truth(320, 240, 10)
	pix := planes(t, s.Name, 320, 240, 10, 400)
	differ := func(a, b []byte) (n int) {
		for i := range a {
			if d := int(a[i]) - int(b[i]); d > 20 || d < -20 {
				n++
			}
		}
		return n
	}
	for _, e := range truth.Events {
		mid := int((e.Start + e.End) / 2 * 10)
		if n := differ(pix[mid], pix[30]); n < 300 {
			t.Errorf("only %d pixels differ at %d, in the middle of %+v", n, mid, e)
		}
		if n := differ(pix[int(e.Start*10)-12], pix[30]); n > 50 {
			t.Errorf("%d pixels differ more than a second before %+v", n, e)
		}
	}
}

func TestNoiseGrowsWithThePictureSoThatACellHasTheSame(t *testing.T) {
	deviation := func(width, height int) float64 {
		pix := planes(t, "noise-1", width, height, 10, 14)
		var sum float64
		for i := 4; i < 14; i++ {
			a, b := means(pix[i], width, height), means(pix[i-1], width, height)
			for k := range a {
				sum += (a[k] - b[k]) * (a[k] - b[k])
			}
		}
		return math.Sqrt(sum / (10 * 192))
	}
	small, large := deviation(320, 240), deviation(1280, 960)
	if small < 0.02 || large < 0.4*small || large > 2.5*small {
		t.Errorf("a place of the picture varies by %.3f levels at 320x240 and by %.3f at 1280x960, want about the same", small, large)
	}
}

func TestAFrozenPictureRepeatsToTheLastBit(t *testing.T) {
	s, _ := Named("frozen-1")
	c := s.Truth(160, 120, 10).Changes[0]
	pix := planes(t, s.Name, 160, 120, 10, 400)
	a, b := int(c.Start*10)+2, int(c.End*10)-2
	if !bytes.Equal(pix[a], pix[b]) {
		t.Errorf("pictures %d and %d differ though the camera hangs", a, b)
	}
	if bytes.Equal(pix[a], pix[b+5]) {
		t.Errorf("picture %d is still that of %d", b+5, a)
	}
}

func TestJPEGsCanBeReadByTheDetectorsDecoder(t *testing.T) {
	s, _ := Named("jpeg-pulse-1")
	r, err := s.Renderer(320, 240, 10)
	if err != nil {
		t.Fatal(err)
	}
	var dec jpeg.LumaDecoder
	var luma video.Plane
	sizes := map[bool]int{}
	for range 20 {
		p, _ := r.Next()
		data, err := r.JPEG(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := dec.Decode(&luma, data); err != nil || luma.Width != 40 || luma.Height != 30 {
			t.Fatalf("%dx%d, %v", luma.Width, luma.Height, err)
		}
		sizes[p.Quality > 50] = len(data)
	}
	if sizes[false] == 0 || sizes[true] < sizes[false]*3/2 {
		t.Errorf("pictures of low and high quality have %d and %d bytes", sizes[false], sizes[true])
	}
}

func TestTruthIsWhatScorersRead(t *testing.T) {
	s, _ := Named("car-creep-1")
	b, err := json.Marshal(s.Truth(640, 480, 10))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"clip":"car-creep-1"`, `"duration_s":60`, `"onset_tol_s":4`, `"ignore":[]`, `"split":"tune"`} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}

func TestSizesThatCannotBeRenderedAreRefused(t *testing.T) {
	s := All()[0]
	for _, tt := range []struct {
		width, height int
		rate          float64
	}{{0, 0, 10}, {640, 480, 0}, {640, 480, math.NaN()}, {5000, 480, 10}, {640, 480, 1000}} {
		if _, err := s.Renderer(tt.width, tt.height, tt.rate); err == nil {
			t.Errorf("%+v is not refused", tt)
		}
	}
}

func BenchmarkScene(b *testing.B) {
	for _, name := range []string{"car-pass-1", "sun-patch-1", "snow-1", "tree-1"} {
		b.Run("scene="+name, func(b *testing.B) {
			b.ReportAllocs()
			s, _ := Named(name)
			for b.Loop() {
				r, err := s.Renderer(320, 240, 10)
				if err != nil {
					b.Fatal(err)
				}
				for p, ok := r.Next(); ok; p, ok = r.Next() {
					if _, err := r.JPEG(p); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
