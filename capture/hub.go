package capture

import (
	"sync"

	"camward/video"
)

// A Hub hands each captured frame to every subscriber. It never waits for one: a subscriber whose
// queue is full loses that frame, its neighbours do not, and the loss is counted. Safe for
// concurrent use; one goroutine at a time should publish, or the order is theirs to explain.
type Hub struct {
	mu    sync.Mutex
	subs  []*Subscription
	drops map[string]uint64 // by name, of all subscriptions there have been
}

// NewHub returns a hub without subscribers.
func NewHub() *Hub { return &Hub{drops: make(map[string]uint64)} }

// maxQueued bounds what waits in a queue, in bytes, if its frames are about as large as the last: with large raw pictures a queue holds
// fewer than its depth, but always leastQueued.
const maxQueued, leastQueued = 16 << 20, 2

// Publish gives every subscriber with room in its queue a reference to f. The caller keeps its
// own and releases it as always. Publish never blocks and does not allocate.
func (h *Hub) Publish(f *video.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.subs {
		if n := len(s.frames); n < cap(s.frames) && (n < leastQueued || (n+1)*len(f.Data) <= maxQueued) {
			f.Retain()
			s.frames <- f // nobody else sends
			continue
		}
		s.dropped++
		h.drops[s.name]++
	}
}

// Subscribe adds a subscriber whose queue holds depth frames (at least 1), or fewer large ones: 16 MiB. The name appears in
// Drops; several subscribers may share one. The subscriber must call Close in the end.
func (h *Hub) Subscribe(name string, depth int) *Subscription {
	s := &Subscription{hub: h, name: name, frames: make(chan *video.Frame, max(depth, 1))}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs = append(h.subs, s)
	h.drops[name] += 0
	return s
}

// Drops gives the number of frames lost under each name since the hub was made, subscriptions
// already closed included.
func (h *Hub) Drops() map[string]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := make(map[string]uint64, len(h.drops))
	for name, n := range h.drops {
		m[name] = n
	}
	return m
}

// A Subscription is one reader's queue on a hub.
type Subscription struct {
	hub     *Hub
	name    string
	frames  chan *video.Frame
	dropped uint64 // under hub.mu
}

// Frames is the queue. Whoever receives a frame owns one reference and releases it. The channel
// is never closed: the reader's context ends the stream.
func (s *Subscription) Frames() <-chan *video.Frame { return s.frames }

// Dropped is the number of frames this subscription has lost to a full queue.
func (s *Subscription) Dropped() uint64 {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.dropped
}

// Close ends the subscription and releases what is still queued. Nothing is queued afterwards; a second
// Close does nothing.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for i, other := range s.hub.subs {
		if other == s {
			s.hub.subs = append(s.hub.subs[:i:i], s.hub.subs[i+1:]...)
			break
		}
	}
	for {
		select {
		case f := <-s.frames:
			f.Release()
		default:
			return
		}
	}
}
