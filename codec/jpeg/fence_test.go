package jpeg

import (
	"syscall"
	"testing"
)

// A fence is memory before a page that nobody may touch. C code that reads beyond the end of what lies there ends the
// process; Go code, which gets no capacity beyond it, panics.
type fence struct{ mem []byte }

func newFence(tb testing.TB, size int) *fence {
	page := syscall.Getpagesize()
	size = (size + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		err = syscall.Mprotect(mem[size:], syscall.PROT_NONE)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { syscall.Munmap(mem) })
	return &fence{mem[:size:size]}
}

// hold copies data to the end of the memory; it is false if there is more than that holds.
func (f *fence) hold(data []byte) ([]byte, bool) {
	if len(data) > len(f.mem) {
		return nil, false
	}
	b := f.mem[len(f.mem)-len(data):]
	copy(b, data)
	return b, true
}

func TestAFenceEndsWhereItsPageEnds(t *testing.T) {
	f := newFence(t, 1)
	b, ok := f.hold([]byte("abc"))
	if !ok || string(b) != "abc" || cap(b) != 3 || &b[2] != &f.mem[len(f.mem)-1] {
		t.Errorf("got %q of capacity %d, %v", b, cap(b), ok)
	}
	if _, ok := f.hold(make([]byte, len(f.mem)+1)); ok {
		t.Error("more than there is room for is held")
	}
}
