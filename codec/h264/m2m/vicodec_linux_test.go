//go:build vicodec

package m2m

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"camward/video"
)

// fwht is V4L2_PIX_FMT_FWHT, what the kernel's vicodec makes instead of H.264.
const fwht video.FourCC = 'F' | 'W'<<8 | 'H'<<16 | 'T'<<24

// fwhtMagic begins each compressed picture (struct fwht_cframe_hdr of the driver, magic1 and magic2, big-endian).
var fwhtMagic = []byte{0x4f, 0x4f, 0x4f, 0x4f, 0xff, 0xff, 0xff, 0xff}

// This needs a kernel with vicodec loaded with multiplanar=1, and is built with the tag of that name: it is meant for the lab's guest.
func TestVicodecTakesPicturesAndGivesAllBack(t *testing.T) {
	node, err := system().find(fwht)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v, driver %s, given %v", node, node.Driver, node.Input)
	if _, err := Find(); !errors.Is(err, ErrAbsent) {
		t.Errorf("taken for an H.264 encoder: %v", err)
	}
	mappings(t) // the runtime opens what it needs for files
	before := descriptors(t)
	for round := range 4 {
		for _, input := range []video.FourCC{video.YU12, video.NV12} {
			s := openReal(t, node.Path, input, 640, 360)
			pass(t, s, 640, 360, 5)
			s.close()
		}
		if n := descriptors(t); n != before {
			t.Fatalf("round %d: %d descriptors, %d before", round, n, before)
		}
		if n := mappings(t); n != 0 {
			t.Fatalf("round %d: %d mappings of the device", round, n)
		}
	}
	t.Run("size that it cannot do", func(t *testing.T) { // it works on 640 x 360 at least, and crops to no less
		d, err := openNode(node.Path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openSession(d, job{coded: fwht, input: video.YU12, width: 160, height: 96, rate: 15}); !errors.Is(err, ErrUnsupported) {
			t.Error(err)
		}
	})
	t.Run("size that is no multiple of a block", func(t *testing.T) {
		s := openReal(t, node.Path, video.YU12, 646, 362)
		defer s.close()
		t.Logf("layout %+v", s.layout)
		pass(t, s, 646, 362, 3)
	})
	t.Run("stall", func(t *testing.T) {
		s := openReal(t, node.Path, video.YU12, 640, 360)
		defer s.close()
		began := time.Now()
		if _, _, err := s.get(time.Now().Add(StallAfter)); !errors.Is(err, ErrStalled) || time.Since(began) < StallAfter {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
	t.Run("control that is absent", func(t *testing.T) {
		s := openReal(t, node.Path, video.YU12, 640, 360)
		defer s.close()
		if err := s.setControl(ctrlForceKey, 1); optional(err) != nil || err == nil {
			t.Errorf("force key: %v", err)
		}
	})
}

func openReal(t *testing.T, path string, input video.FourCC, w, h int) *session {
	t.Helper()
	d, err := openNode(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSession(d, job{coded: fwht, input: input, width: w, height: h, rate: 15,
		controls: []control{{id: ctrlGOPSize, values: []int32{5}, required: true}, {id: ctrlBitrate, values: []int32{500_000}}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pass sends pictures through and looks at what comes out.
func pass(t *testing.T, s *session, w, h, n int) {
	t.Helper()
	var sizes []string
	for i := range n {
		img := picture(w, h, 3, i%2 == 1)
		deadline := time.Now().Add(20 * StallAfter) // the guest is emulated
		stamp, err := s.put(img, video.Now(), deadline)
		if err != nil {
			t.Fatal(err)
		}
		data, got, err := s.get(deadline)
		if err != nil {
			t.Fatal(err)
		}
		if got != stamp || !bytes.HasPrefix(data, fwhtMagic) {
			t.Errorf("picture %d: stamp %d of %d, begins % x", i, got, stamp, data[:min(len(data), 8)])
		}
		sizes = append(sizes, strconv.Itoa(len(data)))
	}
	t.Logf("%d x %d: %s bytes", w, h, strings.Join(sizes, " "))
	if s.d.ioctl(0, nil) != unix.ENOTTY {
		t.Error("the node is no longer open")
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

func mappings(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("/dev/video"))
}
