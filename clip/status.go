package clip

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
	DropNoKey                     // cannot be decoded: the camera that encodes has sent no key picture before it
)

var reasons = [...]string{"overload", "truncated", "undecodable", "encoder", "spool", "disorder", "empty", "no_key"}

// String is a word for a metric's label.
func (r Reason) String() string { return reasons[r] }

// A Status is what a Recorder is doing and has done since it was made.
type Status struct {
	Recording  bool              `json:"recording"`  // a clip is open
	Images     bool              `json:"images"`     // events become pictures, by configuration or for lack of an encoder
	Pictures   int               `json:"pictures"`   // waiting in the ring
	Bytes      int               `json:"bytes"`      // that they hold
	Seconds    float64           `json:"seconds"`    // from the oldest of them to the newest
	Clips      uint64            `json:"clips"`      // finished
	Snapshots  uint64            `json:"snapshots"`  // written, the pictures of events without clips among them
	Heartbeats uint64            `json:"heartbeats"` // written
	Dropped    map[string]uint64 `json:"dropped"`    // pictures, by Reason.String; every reason is there
	Failures   uint64            `json:"failures"`   // recordings that the spool refused or lost
	LastError  string            `json:"last_error"` // of the spool, the encoder or a picture; empty if there was none
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
		st.Seconds = max(s.waiting.length(), s.packets.length()).Seconds()
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
