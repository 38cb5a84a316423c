package video

import (
	"testing"
)

func TestFrameReturnsToItsPoolAfterTheLastRelease(t *testing.T) {
	p := NewPool(1 << 20)
	f := p.Get(10_000)
	f.Retain()
	f.Release()
	if g := p.Get(10_000); g == f {
		t.Fatal("a frame still held was handed out again")
	}
	f.Release()
	if g := p.Get(9_000); g != f {
		t.Fatal("a released frame of the same size class was not reused")
	}
}

func TestReleasingTooOftenPanics(t *testing.T) {
	f := NewPool(0).Get(1)
	f.Release()
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	f.Release()
}

func TestPoolKeepsWithinItsLimit(t *testing.T) {
	p := NewPool(8192)
	fs := []*Frame{p.Get(4096), p.Get(4096), p.Get(4096)}
	for _, f := range fs {
		f.Release()
	}
	if p.held > 8192 {
		t.Fatalf("held %d bytes, want at most 8192", p.held)
	}
}

func TestSizeClassWastesAtMostAQuarter(t *testing.T) {
	for n := 4097; n < 3_000_000; n += 997 {
		if c := sizeClass(n); c < n || c > n+n/4 {
			t.Fatalf("sizeClass(%d) = %d", n, c)
		}
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	p := NewPool(1 << 20)
	p.Get(50_000).Release()
	if n := testing.AllocsPerRun(100, func() { p.Get(50_000).Release() }); n != 0 {
		t.Fatalf("%v allocations a frame, want 0", n)
	}
}

func TestFourCCNamesRoundTrip(t *testing.T) {
	for _, c := range []FourCC{MJPEG, YUYV, UYVY, NV12, YU12, Grey, H264} {
		if got, err := ParseFourCC(c.String()); err != nil || got != c {
			t.Errorf("ParseFourCC(%q) = %v, %v", c.String(), got, err)
		}
	}
}
