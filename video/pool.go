package video

import (
	"math/bits"
	"sync"
)

// A Pool recycles frames so that capture does not allocate in steady state. Buffers come in
// size classes, four to an octave, so a compressed frame that waits in the pre-roll ring wastes at most a
// quarter of its length. The zero value is not usable; see NewPool. Safe for concurrent use.
type Pool struct {
	mu    sync.Mutex
	free  map[int][]*Frame // by capacity
	held  int              // bytes in free
	limit int
}

// NewPool returns a pool that keeps at most limit bytes of idle buffers; what is beyond that
// goes to the garbage collector.
func NewPool(limit int) *Pool {
	return &Pool{free: make(map[int][]*Frame), limit: limit}
}

// Get returns a frame with one reference, owned by the caller, whose Data has length n and
// undefined contents. All other fields are zero.
func (p *Pool) Get(n int) *Frame {
	size := sizeClass(n)
	p.mu.Lock()
	var f *Frame
	if l := p.free[size]; len(l) > 0 {
		f = l[len(l)-1]
		p.free[size] = l[:len(l)-1]
		p.held -= size
	}
	p.mu.Unlock()
	if f == nil {
		f = &Frame{Data: make([]byte, size), pool: p}
	}
	f.Format, f.Seq, f.Mono = Format{}, 0, 0
	f.Data = f.Data[:n]
	f.refs.Store(1)
	return f
}

// put takes back a frame nobody holds.
func (p *Pool) put(f *Frame) {
	size := cap(f.Data)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held+size > p.limit {
		return
	}
	p.free[size] = append(p.free[size], f)
	p.held += size
}

// sizeClass rounds n up to a multiple of a quarter of its power of two, at least 4096.
func sizeClass(n int) int {
	if n <= 4096 {
		return 4096
	}
	step := 1 << (bits.Len(uint(n-1)) - 3)
	return (n + step - 1) &^ (step - 1)
}
