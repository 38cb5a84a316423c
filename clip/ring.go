package clip

import (
	"bytes"
	"time"

	"camward/video"
)

// A picture is one entry of a ring: a frame that was captured, or encoded here, with a reference of the ring's own.
type picture struct {
	frame *video.Frame
	mono  time.Duration
	size  int   // bytes of memory that it holds
	key   bool  // decoding can start here; only of H.264
	sets  *sets // those in force where an H.264 camera made the picture; nil if the picture was encoded here
}

func (p *picture) release() {
	if p.frame != nil {
		p.frame.Release()
	}
	*p = picture{}
}

// sets are an SPS and a PPS, without start codes. They never change once made.
type sets struct{ sps, pps []byte }

func (s *sets) equal(sps, pps []byte) bool {
	return s != nil && bytes.Equal(s.sps, sps) && bytes.Equal(s.pps, pps)
}

// A ring is a queue of pictures in the order of their time. A picture that a clip has taken may stay: it is the
// pre-roll of an event that begins soon after. The ring grows to what it needs and then no longer allocates. The zero
// value is empty. Not safe for concurrent use.
type ring struct {
	buf   []picture // its length is a power of two
	head  int
	n     int
	next  int // the first picture that was not taken
	bytes int
	taken time.Duration // time of the last picture taken
}

// left is how many pictures wait to be taken.
func (q *ring) left() int { return q.n - q.next }

// take gives the next picture, retained for the caller. The ring keeps its own reference.
func (q *ring) take() picture {
	p := *q.at(q.next)
	p.frame.Retain()
	q.next++
	q.taken = p.mono
	return p
}

// rewind makes the first picture at or after start the next to be taken.
func (q *ring) rewind(start time.Duration) {
	for q.next = 0; q.next < q.n && q.at(q.next).mono < start; {
		q.next++
	}
}

// at gives the i-th picture, 0 being the oldest.
func (q *ring) at(i int) *picture { return &q.buf[(q.head+i)&(len(q.buf)-1)] }

// push adds a picture at the tail.
func (q *ring) push(p picture) {
	if q.n == len(q.buf) {
		grown := make([]picture, max(64, 2*len(q.buf)))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.buf, q.head = grown, 0
	}
	q.n++
	q.bytes += p.size
	*q.at(q.n - 1) = p
}

// pop removes the oldest picture; its reference is now the caller's.
func (q *ring) pop() picture {
	p := *q.at(0)
	*q.at(0) = picture{}
	q.head = (q.head + 1) & (len(q.buf) - 1)
	q.n--
	q.next = max(q.next-1, 0)
	q.bytes -= p.size
	q.taken = max(q.taken, p.mono)
	return p
}

// drop removes the n oldest pictures.
func (q *ring) drop(n int) {
	for range n {
		p := q.pop()
		p.release()
	}
}

// remove drops the i-th picture.
func (q *ring) remove(i int) {
	q.bytes -= q.at(i).size
	q.at(i).release()
	for ; i < q.n-1; i++ {
		*q.at(i) = *q.at(i + 1)
	}
	*q.at(q.n - 1) = picture{}
	q.n--
}

// clear drops everything, the memory too.
func (q *ring) clear() {
	q.drop(q.n)
	*q = ring{taken: q.taken}
}

// length is the time from the oldest picture to the newest.
func (q *ring) length() time.Duration {
	if q.n == 0 {
		return 0
	}
	return q.at(q.n-1).mono - q.at(0).mono
}

// thin drops the picture that is missed least: the one whose neighbours are closest to each
// other, the oldest of those, and none whose absence leaves a gap above maxGap. It considers pictures
// not taken and before the given time only, and keeps the newest. It reports whether it found one.
func (q *ring) thin(before, maxGap time.Duration) bool {
	best, bestGap := -1, maxGap+1
	prev := q.taken
	for i := q.next; i < q.n-1 && q.at(i).mono < before; i++ {
		if gap := q.at(i+1).mono - prev; gap < bestGap {
			best, bestGap = i, gap
		}
		prev = q.at(i).mono
	}
	if best < 0 {
		return false
	}
	q.remove(best)
	return true
}

// A packetRing is a ring of H.264 pictures that begins with a key picture, so that all of it can be
// decoded.
type packetRing struct{ ring }

// push adds a picture, unless it would be the first and is no key picture.
func (q *packetRing) push(p picture) bool {
	if q.n == 0 && !p.key {
		return false
	}
	q.ring.push(p)
	return true
}

// rewind makes the last key picture at or before start the next to be taken, or the first
// key picture if there is none.
func (q *packetRing) rewind(start time.Duration) {
	q.next = 0
	for i := 1; i < q.n && q.at(i).mono <= start; i++ {
		if q.at(i).key {
			q.next = i
		}
	}
}

// group gives the number of pictures from the head to the second key picture; all if there
// is none.
func (q *packetRing) group() int {
	for i := 1; i < q.n; i++ {
		if q.at(i).key {
			return i
		}
	}
	return q.n
}

// trim drops every group of pictures that ends before the time; only those taken, if a clip is being written.
func (q *packetRing) trim(before time.Duration, writing bool) {
	for {
		g := q.group()
		if g == q.n || q.at(g).mono > before || writing && g > q.next {
			return
		}
		q.dropGroup(g)
	}
}

// dropGroup drops the n oldest pictures and returns how many of them no clip had taken.
func (q *packetRing) dropGroup(n int) (lost int) {
	lost = max(n-q.next, 0)
	q.drop(n)
	return lost
}
