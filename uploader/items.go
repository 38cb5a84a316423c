package uploader

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"camward/camio"
)

// ErrNoItem says that the spool has no item of that number, or no longer.
var ErrNoItem = errors.New("the spool has no such item; it may have been sent meanwhile")

// ErrBusy says that an item is in transfer just now.
var ErrBusy = errors.New("the item is being sent just now")

// The states of an item.
const (
	StateWaiting     = "waiting"
	StateSending     = "sending"
	StateQuarantined = "quarantined" // the store refuses it for good
)

// ItemStatus is one item of the spool as a person sees it.
type ItemStatus struct {
	ID        uint64     `json:"id"`
	State     string     `json:"state"`
	Kind      camio.Kind `json:"kind"`
	Camera    string     `json:"camera"`
	Name      string     `json:"name"` // of the upload; empty while its time is not known
	Size      int64      `json:"size"` // bytes
	Age       float64    `json:"age_seconds"`
	Tries     int        `json:"tries"` // failed ones, since the start of the process
	LastError string     `json:"last_error,omitempty"`
	NextTry   *time.Time `json:"next_try_at,omitempty"` // nil: as soon as its turn comes
}

// Items lists the queue in the order of sending, quarantined items last.
func (s *Spool) Items() []ItemStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	list := make([]ItemStatus, 0, len(s.queue)+len(s.quarantined))
	for _, e := range slices.Backward(s.queue) {
		list = append(list, e.describe(StateWaiting, now))
	}
	for _, e := range s.quarantined {
		list = append(list, e.describe(StateQuarantined, now))
	}
	return list
}

func (e *entry) describe(state string, now time.Time) ItemStatus {
	it := ItemStatus{
		ID: e.seq, State: state, Kind: e.kind, Camera: e.camera, Name: e.name, Size: e.size,
		Age: max(now.Sub(e.queued).Seconds(), float64(now.Unix()-e.modified)), Tries: e.tries, LastError: e.fault,
	}
	if e.sending {
		it.State = StateSending
	}
	if e.notBefore.After(now) && !e.sending {
		at := e.notBefore
		it.NextTry = &at
	}
	return it
}

// Retry makes an item's next try due now; a quarantined one goes back to the queue.
func (s *Spool) Retry(id uint64) error {
	s.mu.Lock()
	if e := find(s.queue, id); e != nil {
		e.notBefore = time.Time{}
		s.signal()
		s.mu.Unlock()
		return nil
	}
	e := find(s.quarantined, id)
	s.quarantined = slices.DeleteFunc(s.quarantined, func(o *entry) bool { return o == e })
	s.mu.Unlock()
	if e == nil {
		return ErrNoItem
	}
	// It is in neither list while its record is written, which takes s.mu itself to make room on a full disk.
	rec, err := s.readRecord(id)
	if err == nil {
		err = s.markRefused(&rec, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.setAside(e)
		return fmt.Errorf("item %d: %w", id, err)
	}
	e.notBefore = time.Time{}
	i, _ := slices.BinarySearchFunc(s.queue, e, (*entry).compare)
	s.queue = slices.Insert(s.queue, i, e)
	if e.name == "" {
		s.unnamed++
	}
	s.signal()
	return nil
}

// Drop deletes an item that is not in transfer. It counts as dropped.
func (s *Spool) Drop(id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := find(s.queue, id); e != nil {
		if e.sending {
			return ErrBusy
		}
		s.take(e)
		s.forget(e)
		return nil
	}
	e := find(s.quarantined, id)
	if e == nil {
		return ErrNoItem
	}
	s.quarantined = slices.DeleteFunc(s.quarantined, func(o *entry) bool { return o == e })
	s.forget(e)
	return nil
}

// Open reads an item's data, and gives the name it has or would have as a file.
func (s *Spool) Open(id uint64) (r io.ReadCloser, name string, err error) {
	s.mu.Lock()
	e := find(s.queue, id)
	if e == nil {
		e = find(s.quarantined, id)
	}
	s.mu.Unlock()
	if e == nil {
		return nil, "", ErrNoItem
	}
	file := fileName(e.seq, e.kind.Extension())
	if name = e.name; name == "" {
		name = file
	}
	r, err = openerOf(s.files.path(file))(0)
	return r, name, err
}

func find(list []*entry, id uint64) *entry {
	for _, e := range list {
		if e.seq == id {
			return e
		}
	}
	return nil
}
