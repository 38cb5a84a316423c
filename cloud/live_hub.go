package cloud

import "sync"

// liveHub knows the cameras that are connected for live view, one socket each. Its methods are safe for concurrent use.
type liveHub struct {
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	sockets map[int64]*liveSocket // by camera
}

func newLiveHub() *liveHub { return &liveHub{sockets: make(map[int64]*liveSocket)} }

// add makes the camera's socket the one that counts and ends the one before. It is false once the hub is closed. After true,
// the caller calls remove.
func (h *liveHub) add(camera int64, s *liveSocket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	if old := h.sockets[camera]; old != nil {
		old.kick(liveReplaced)
	}
	h.sockets[camera] = s
	h.running.Add(1)
	return true
}

func (h *liveHub) remove(camera int64, s *liveSocket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sockets[camera] == s {
		delete(h.sockets, camera)
	}
	h.running.Done()
}

// socket is the camera's, or nil.
func (h *liveHub) socket(camera int64) *liveSocket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sockets[camera]
}

// ready tells whether a viewer of the camera would get a picture now, as far as it said.
func (h *liveHub) ready(camera int64) bool {
	s := h.socket(camera)
	return s != nil && s.watchable()
}

// recheck has the account's sockets look at once whether their token still holds.
func (h *liveHub) recheck(account int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sockets {
		if s.account != account {
			continue
		}
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// count tells how many cameras are connected, and how many of them could be watched.
func (h *liveHub) count() (connected, ready int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sockets {
		if s.watchable() {
			ready++
		}
	}
	return len(h.sockets), ready
}

// close ends all sockets, takes no more, and returns when they are gone, which takes at most 10 s.
func (h *liveHub) close() {
	h.mu.Lock()
	h.closed = true
	for _, s := range h.sockets {
		s.kick(liveClosing)
	}
	h.mu.Unlock()
	h.running.Wait()
}
