package m2m

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"camward/codec/h264"
)

func TestSamplesAreNarrowedWithinOneOfTheExactValue(t *testing.T) {
	src := make([]byte, 256+5) // some beyond whole words
	for i := range src {
		src[i] = byte(i)
	}
	tests := []struct {
		name  string
		s     scale
		exact func(x float64) float64
	}{
		{"luma", lumaScale, func(x float64) float64 { return 16 + x*219/255 }},
		{"chroma", chromaScale, func(x float64) float64 { return 128 + (x-128)*224/255 }},
	}
	for _, tt := range tests {
		dst := make([]byte, len(src))
		narrow(dst, src, tt.s)
		for i, got := range dst {
			if want := tt.exact(float64(src[i])); math.Abs(float64(got)-want) >= 1 {
				t.Errorf("%s of %d: got %d, want %.2f", tt.name, src[i], got, want)
			}
		}
		woven := make([]byte, 2*len(src))
		weave(woven, src, src, &tt.s)
		for i, got := range woven {
			if got != dst[i/2] {
				t.Errorf("%s: woven byte %d is %d, want %d", tt.name, i, got, dst[i/2])
			}
		}
	}
	if grey := []byte{128}; true {
		narrow(grey, grey, chromaScale)
		if grey[0] != 128 {
			t.Errorf("neutral chroma became %d", grey[0])
		}
	}
}

func readStream(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "baseline.h264"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRealStreamIsUnderstood(t *testing.T) {
	stream := readStream(t)
	h := headers{wantWidth: 70, wantHeight: 50}
	if err := h.note(stream); err != nil || !h.complete() {
		t.Fatalf("complete %v, %v", h.complete(), err)
	}
	if c := inspect(stream); c != (content{slices: true, key: true, sps: true, pps: true}) {
		t.Errorf("got %+v", c)
	}
	for nal := range h264.NALs(stream) {
		if nal[0]&0x1f != nalIDR {
			continue
		}
		bare := append(bytes.Clone(startCode), nal...)
		out := h.unit(nil, bare, inspect(bare))
		if sps, pps := h264.ParameterSets(out); !bytes.Equal(sps, h.sps) || !bytes.Equal(pps, h.pps) || !bytes.HasSuffix(out, bare) {
			t.Errorf("got % x", out[:40])
		}
	}
}

func FuzzUnit(f *testing.F) {
	stream := readStream(f)
	f.Add(stream)
	f.Add(stream[:60])
	f.Add([]byte{0, 0, 1, 0x65, 0, 0, 1, 0x67})
	f.Fuzz(func(t *testing.T, data []byte) {
		h := headers{wantWidth: 70, wantHeight: 50, sps: []byte{0x67, 1}, pps: []byte{0x68, 1}}
		c := inspect(data)
		err := h.note(data)
		if len(h.sps)+len(h.pps) > 2*maxHeaders {
			t.Fatalf("keeps %d bytes", len(h.sps)+len(h.pps))
		}
		if err != nil {
			return
		}
		out := h.unit(nil, data, c)
		if !bytes.HasSuffix(out, data) {
			t.Fatal("the access unit was changed")
		}
		again := inspect(out)
		if again.key != c.key || c.key && !(again.sps && again.pps) {
			t.Fatalf("%+v became %+v", c, again)
		}
	})
}
