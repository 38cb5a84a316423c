//go:build cgo

package m2m

import (
	"testing"
	"time"

	"camward/codec/h264"
	"camward/video"
)

// OpenH264 behind the seam stands for the hardware, so that what comes out can be decoded and compared with what
// was put in, through a driver's strides and whole blocks.
func TestStreamDecodesToThePicturesPutIn(t *testing.T) {
	for _, format := range []video.FourCC{video.YU12, nm12} {
		for _, full := range []bool{false, true} {
			const w, h = 198, 102
			d := newDriver(t, w, h)
			d.align, d.pad, d.raw = 16, 64, []video.FourCC{format}
			soft, err := h264.NewEncoder(h264.Config{Width: w, Height: h, Rate: 15, Bitrate: 4_000_000})
			if err != nil {
				t.Fatal(err)
			}
			defer soft.Close()
			d.encode = func(d *driver, memories [][]byte, key bool) []byte {
				p, err := soft.Encode(unpack(d.queues[bufOutput].pix, memories, w, h), time.Duration(d.pictures)*frame15, 0, key)
				if err != nil {
					t.Fatal(err)
				}
				return p.Data
			}
			decodeAndCompare(t, open(t, d, config(w, h)), smooth(w, h, full))
		}
	}
}

// smooth makes a picture that survives compression.
func smooth(w, h int, full bool) *video.I420 {
	p := &video.I420{}
	p.Resize(w, h)
	p.FullRange = full
	for i := range p.Y {
		p.Y[i] = byte(40 + i%w/2 + i/w)
	}
	for i := range p.U {
		p.U[i], p.V[i] = byte(100+i%(w/2)/2), byte(160-i/(w/2))
	}
	return p
}

// unpack takes the picture out of a driver's memory.
func unpack(p v4l2PixFormatMplane, memories [][]byte, w, h int) *video.I420 {
	img := &video.I420{}
	img.Resize(w, h)
	stride, lines := int(p.planes[0].bytesperline), int(p.height)
	for i := range img.Y {
		img.Y[i] = memories[0][i/w*stride+i%w]
	}
	for i := range img.U {
		x, y := i%(w/2), i/(w/2)
		if len(memories) == 2 {
			img.U[i], img.V[i] = memories[1][y*stride+2*x], memories[1][y*stride+2*x+1]
			continue
		}
		at := stride*lines + y*stride/2 + x
		img.U[i], img.V[i] = memories[0][at], memories[0][at+stride/2*lines/2]
	}
	return img
}

func decodeAndCompare(t *testing.T, e *Encoder, img *video.I420) {
	t.Helper()
	dec, err := h264.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var got video.I420
	for i := range 5 {
		p, err := e.EncodeTo(nil, img, time.Duration(i)*frame15, uint64(i), i == 3)
		if err != nil {
			t.Fatal(err)
		}
		if p.Key != (i == 0 || i == 3) {
			t.Errorf("packet %d: key %v", i, p.Key)
		}
		if ok, err := dec.Decode(p.Data, &got); err != nil || !ok {
			t.Fatalf("packet %d: %v, %v", i, ok, err)
		}
		if got.FullRange {
			t.Error("the stream claims full range")
		}
		for _, plane := range []struct {
			name      string
			got, want []byte
			s         scale
		}{{"Y", got.Y, img.Y, lumaScale}, {"U", got.U, img.U, chromaScale}, {"V", got.V, img.V, chromaScale}} {
			want := plane.want
			if img.FullRange {
				want = make([]byte, len(plane.want))
				narrow(want, plane.want, plane.s)
			}
			sum := 0
			for j := range want {
				sum += max(int(plane.got[j])-int(want[j]), int(want[j])-int(plane.got[j]))
			}
			if mean := float64(sum) / float64(len(want)); mean > 1.5 {
				t.Errorf("packet %d: %s differs by %.1f on average", i, plane.name, mean)
			}
		}
	}
}
