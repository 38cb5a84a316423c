//go:build cgo

package h264

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"camward/video"
)

func TestPacketsLieInTheMemoryHandedIn(t *testing.T) {
	pics := testPictures(t, 320, 240, 6)
	cfg := Config{Width: 320, Height: 240, Rate: 15, Bitrate: 500_000}
	want := encodeAll(t, newEncoder(t, cfg), pics)
	e := newEncoder(t, cfg)
	buf := make([]byte, 3, 1<<16)
	for i := range pics {
		p, err := e.EncodeTo(buf, &pics[i], want[i].Mono, uint64(i), false)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Data, want[i].Data) || p.Key != want[i].Key || p.Seq != want[i].Seq || p.Mono != want[i].Mono {
			t.Errorf("picture %d: %d bytes, key %v; want %d, %v", i, len(p.Data), p.Key, len(want[i].Data), want[i].Key)
		}
		if &p.Data[0] != &buf[0] {
			t.Errorf("picture %d was put elsewhere", i)
		}
	}
	p, err := e.EncodeTo(make([]byte, 0, 4), &pics[0], time.Hour+time.Minute, 9, true)
	if err != nil || len(p.Data) < 100 || !p.Key {
		t.Errorf("into memory that is too short: %d bytes, key %v, %v", len(p.Data), p.Key, err)
	}
}

func TestEncodingAndDecodingAllocateNothing(t *testing.T) {
	pics := testPictures(t, 320, 240, 20)
	cfg := Config{Width: 320, Height: 240, Rate: 15, Bitrate: 500_000, KeyInterval: 5}
	packets := encodeAll(t, newEncoder(t, cfg), pics)
	e := newEncoder(t, cfg)
	buf, n := make([]byte, 0, 1<<16), 0
	encode := func() {
		p, err := e.EncodeTo(buf, &pics[n%len(pics)], time.Duration(n)*frame15, uint64(n), n%7 == 0)
		if err != nil {
			t.Fatal(err)
		}
		buf = p.Data
		n++
	}
	var img video.I420
	d := newDecoder(t)
	at := 0
	decode := func() {
		if ok, err := d.Decode(packets[at%len(packets)].Data, &img); err != nil || !ok {
			t.Fatal(ok, err)
		}
		at++
	}
	var luma video.Plane
	small := newDecoder(t)
	seen := 0
	look := func() {
		if ok, err := small.DecodeLuma8(packets[seen%len(packets)].Data, &luma); err != nil || !ok {
			t.Fatal(ok, err)
		}
		seen++
	}
	for name, f := range map[string]func(){"EncodeTo": encode, "Decode": decode, "DecodeLuma8": look} {
		f()
		if n := testing.AllocsPerRun(60, f); n != 0 {
			t.Errorf("%s: %v allocations a picture", name, n)
		}
	}
}

func TestLumaOfAStreamIsThatOfItsPictures(t *testing.T) {
	for _, size := range [][2]int{{320, 240}, {162, 98}} {
		w, h := size[0], size[1]
		packets := encodeAll(t, newEncoder(t, Config{Width: w, Height: h, Rate: 15, Bitrate: 500_000}), testPictures(t, w, h, 8))
		whole, small := newDecoder(t), newDecoder(t)
		var img video.I420
		var got, want video.Plane
		for i, p := range packets {
			if ok, err := whole.Decode(p.Data, &img); err != nil || !ok {
				t.Fatal(ok, err)
			}
			if err := video.LumaOf(&want, &img); err != nil {
				t.Fatal(err)
			}
			ok, err := small.DecodeLuma8(p.Data, &got)
			if err != nil || !ok || got.Width != want.Width || got.Height != want.Height || !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%dx%d, picture %d: ok %v, %v, %d x %d", w, h, i, ok, err, got.Width, got.Height)
			}
		}
		if ok, err := small.DecodeLuma8(nil, &got); ok || err == nil {
			t.Error("an empty access unit was accepted")
		}
		small.Close()
		if ok, err := small.DecodeLuma8(packets[0].Data, &got); ok || err == nil {
			t.Error("a closed decoder gave a picture")
		}
	}
}

// After a picture that the encoder failed at nobody knows what it takes for the last one, so nothing may refer to it.
func TestThePictureAfterAFailureIsAKeyPicture(t *testing.T) {
	pics := testPictures(t, 160, 120, 4)
	e := newEncoder(t, Config{Width: 160, Height: 120, Rate: 15, Bitrate: 300_000})
	for i := range pics {
		e.broken = i == 2
		p, err := e.Encode(&pics[i], time.Duration(i)*frame15, uint64(i), false)
		if err != nil {
			t.Fatal(err)
		}
		if want := i == 0 || i == 2; p.Key != want {
			t.Errorf("picture %d: key %v, want %v", i, p.Key, want)
		}
	}
	if e.broken {
		t.Error("the failure is remembered after a good picture")
	}
}

func TestPicturesAreNoFinerThanIsSeenUnlessTheBitrateAsksForIt(t *testing.T) {
	for _, test := range []struct{ width, height, bitrate, want int }{
		{640, 480, 100_000, 26}, {640, 480, 800_000, 26}, {640, 480, 1_200_000, 26}, {1280, 720, 2_700_000, 26},
		{640, 480, 3_200_000, 22}, {640, 480, 6_400_000, 18}, {640, 480, 200_000_000, 12},
	} {
		if got := (Config{Width: test.width, Height: test.height, Rate: 15, Bitrate: test.bitrate}).finest(); got < test.want-1 || got > test.want {
			t.Errorf("%d x %d, %d bit/s: QP %d, want %d", test.width, test.height, test.bitrate, got, test.want)
		}
	}
	var still video.I420
	still.Resize(640, 480)
	for i := range still.Y {
		still.Y[i] = byte(i%640/4 + i/640/8)
	}
	for i := range still.U {
		still.U[i], still.V[i] = 128, 128
	}
	size := 0
	for _, p := range encodeAll(t, newEncoder(t, Config{Width: 640, Height: 480, Rate: 15, Bitrate: 800_000}), slices.Repeat([]video.I420{still}, 30)) {
		size += len(p.Data)
	}
	if size > 800_000/8*2/4 {
		t.Errorf("a still scene takes %d bytes for 2 s, more than a quarter of the bit rate", size)
	}
}
