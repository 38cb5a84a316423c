package clip

import "time"

// A Reason tells why a picture was lost.
type Reason int

// The reasons, in the order of Reasons.
const (
	DropOverload    Reason = iota // the encoder or the spool was slower than the camera
	DropTruncated                 // JPEG data that ends early
	DropUndecodable               // any other fault of the data
	DropEncoder                   // the encoder refused the picture
	DropSpool                     // the spool failed
	DropDisorder                  // not later than the picture before it
	DropEmpty                     // no data at all
)

var reasons = [...]string{"overload", "truncated", "undecodable", "encoder", "spool", "disorder", "empty"}

// String is a word for a metric's label.
func (r Reason) String() string { return reasons[r] }

// A Status is what a Recorder is doing and has done since it was made.
type Status struct {
	Recording  bool // a clip is open
	Images     bool // events become pictures, by configuration or for lack of an encoder
	Pictures   int  // waiting in the ring
	Bytes      int  // that they hold
	Length     time.Duration
	Clips      uint64 // finished
	Snapshots  uint64 // written, the pictures of events without clips among them
	Heartbeats uint64
	Dropped    map[string]uint64 // pictures, by Reason.String; every reason is there
	Failures   uint64            // recordings that the spool refused or lost
	LastError  string            // of the spool, the encoder or a picture; empty if there was none
}

// Status may be called at any time.
func (r *Recorder) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.status
	st.Recording = r.recording
	if s := r.stream; s != nil {
		st.Pictures = s.waiting.n + s.packets.n
		st.Bytes = s.bytes()
		st.Length = max(s.waiting.length(), s.packets.length())
	}
	st.Dropped = make(map[string]uint64, len(reasons))
	for i, n := range r.drops {
		st.Dropped[reasons[i]] = n
	}
	return st
}

// drop counts a lost picture. The caller holds r.mu.
func (r *Recorder) drop(why Reason) { r.drops[why]++ }

// lose counts a lost picture and remembers why.
func (r *Recorder) lose(why Reason, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drops[why]++
	r.status.LastError = err.Error()
}
