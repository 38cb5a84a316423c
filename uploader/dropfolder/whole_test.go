package dropfolder

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"camward/camio"
)

var samples = []string{"picture.jpg", "progressive.jpg", "ordinary.mp4", "faststart.mp4", "fragmented.mp4", "hevc-sound.mp4"}

func inspectBytes(b []byte) (content, error) { return inspect(bytes.NewReader(b), int64(len(b))) }

func TestACutFileIsNotWhole(t *testing.T) {
	for _, name := range samples {
		b := sample(t, name)
		whole := map[int]bool{len(b): true}
		if name == "fragmented.mp4" {
			for _, at := range append(indexes(b, "moof"), indexes(b, "mfra")...) {
				whole[at-4] = true
			}
			delete(whole, indexes(b, "moof")[0]-4) // a header without pictures
		}
		for n := range len(b) + 1 {
			what, err := inspectBytes(b[:n])
			if got := err == nil; got != whole[n] {
				t.Errorf("%s cut at %d of %d: %v", name, n, len(b), err)
			}
			if err != nil && !errors.Is(err, errNotWhole) {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
			if err == nil && what.open != (name == "fragmented.mp4") {
				t.Errorf("%s cut at %d: open is %v", name, n, what.open)
			}
		}
	}
}

func TestPaddingBehindAPictureIsAllowed(t *testing.T) {
	b := sample(t, "picture.jpg")
	for n, want := range map[int]bool{0: true, 1: true, 512: true, padding - 2: true, padding: false} {
		if _, err := inspectBytes(append(bytes.Clone(b), make([]byte, n)...)); (err == nil) != want {
			t.Errorf("%d zero bytes: %v", n, err)
		}
	}
	if _, err := inspectBytes(append(bytes.Clone(b), "text"...)); err == nil {
		t.Error("text behind a picture was accepted")
	}
}

func TestAPictureWithALargeHeaderIsWhole(t *testing.T) {
	b := sample(t, "picture.jpg")
	large := bytes.Clone(b[:2])
	for range 8 {
		large = append(large, 0xff, 0xe1, 0xff, 0xff)
		large = append(large, bytes.Repeat([]byte{0xff, 0xd9}, 0xfffd/2+1)[:0xfffd]...)
	}
	for at := 0; at < len(large); at += 4099 {
		if _, err := inspectBytes(large[:at]); err == nil {
			t.Fatalf("cut at %d: whole", at)
		}
	}
	if what, err := inspectBytes(append(large, b[2:]...)); err != nil || what.kind != camio.KindSnapshot {
		t.Errorf("%+v, %v", what, err)
	}
}

func TestAFaultOfTheDiskIsNotTheFilesFault(t *testing.T) {
	broken := errors.New("input/output error")
	if _, err := inspect(failing{broken}, 5000); !errors.Is(err, broken) || errors.Is(err, errNotWhole) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func FuzzInspect(f *testing.F) {
	for _, name := range samples {
		b := sample(f, name)
		f.Add(b)
		f.Add(b[:len(b)*2/3])
	}
	f.Add([]byte("\x00\x00\x00\x08moov\x00\x00\x00\x00mdat"))
	f.Add([]byte("\x00\x00\x00\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		what, err := inspectBytes(b)
		if err != nil {
			if !errors.Is(err, errNotWhole) && !errors.Is(err, io.EOF) {
				t.Fatalf("%v", err)
			}
			return
		}
		if what.length < 0 || what.length > 101*365*24*time.Hour {
			t.Fatalf("length %v", what.length)
		}
		if what.kind == camio.KindClip && !what.open {
			if _, err := inspectBytes(b[:len(b)-1]); err == nil {
				t.Fatal("whole without its last byte")
			}
		}
	})
}
