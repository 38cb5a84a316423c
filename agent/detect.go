package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"camward/capture"
	"camward/motion"
	"camward/video"
)

// Interval is a stretch of motion in a recording.
type Interval = motion.Interval

// Detection is what the detector found in one recording.
type Detection struct {
	Intervals  []motion.Interval // from the first picture on
	Pictures   int
	Unreadable int           // pictures that could not be decoded
	Length     time.Duration // from the first picture to the last
	Warnings   []string      // what is odd about the recording
}

// Detect runs the agent's own detector, with a camera's motion settings, over a recording, as fast as it can be read. Gaps of up to 1 s are
// joined; neither pre-roll nor post-roll is added. progress, which may be nil, is told the position in the recording.
func Detect(ctx context.Context, camera CameraConfig, clip string, progress func(time.Duration)) (*Detection, error) {
	r := Replay{Settings: []motion.Config{camera.Motion}}
	if progress != nil {
		r.Progress = func(at time.Duration, _ float64) { progress(at) }
	}
	found, err := r.Run(ctx, clip)
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// A Replay runs the agent's own detector over recordings, as fast as they can be read.
type Replay struct {
	// Settings are the detectors' that look at each recording side by side; at least one.
	Settings []motion.Config
	// Raw, if not zero, says that the recordings are raw pictures.
	Raw RawPictures
	// Stdin is read for the recording "-".
	Stdin io.Reader
	// Progress, if not nil, is told with each picture its place and how much of the recording has been read: 0..1, or -1 if its length is not known.
	Progress func(at time.Duration, share float64)
	// Trace, if not nil, gets what led the last of the detectors to its decisions.
	Trace *TraceWriter
	// Camera is the name of the camera whose settings are meant, for traces. May be empty.
	Camera string
}

// RawPictures says what raw pictures are.
type RawPictures = capture.Raw

// ParseRawPictures reads "640x480@15".
func ParseRawPictures(text string) (RawPictures, error) { return capture.ParseRaw(text) }

// Run looks at one recording, and gives what each of the Settings found in it.
func (r *Replay) Run(ctx context.Context, clip string) ([]Detection, error) {
	run, err := r.begin(clip)
	if err != nil {
		return nil, err
	}
	defer run.luma.close()
	p := capture.Playback{Path: clip, Raw: r.Raw, Progress: func(share float64) { run.share = share }, Warn: run.warn}
	if clip == "-" || strings.HasPrefix(clip, "-?") {
		if p.Stream = r.Stdin; p.Stream == nil {
			return nil, errors.New("there is no standard input")
		}
	}
	if err := p.Play(ctx, run.frame); err != nil {
		return nil, err
	}
	return run.end()
}

// A replaying is a recording that is being looked at.
type replaying struct {
	*Replay
	clip    string
	luma    lumaReader
	looks   []look
	first   time.Duration
	share   float64
	decided bool // something other than learning was done
	unread  error
}

// A look is one detector's at a recording.
type look struct {
	det  *motion.Detector
	join motion.Joiner
	Detection
}

func (r *Replay) begin(clip string) (*replaying, error) {
	run := &replaying{Replay: r, clip: clip, share: -1}
	for _, s := range r.Settings {
		det, err := motion.New(s)
		if err != nil {
			return nil, err
		}
		run.looks = append(run.looks, look{det: det})
	}
	return run, nil
}

func (r *replaying) warn(text string) {
	for i := range r.looks {
		r.looks[i].Warnings = append(r.looks[i].Warnings, text)
	}
}

func (r *replaying) frame(f *video.Frame) error {
	if r.looks[0].Pictures == 0 {
		r.first = f.Mono
	}
	plane, err := r.luma.read(f)
	if err == nil && r.looks[0].Pictures == r.looks[0].Unreadable {
		err = r.reach(plane)
		if err != nil {
			return err
		}
	}
	for i := range r.looks {
		l := &r.looks[i]
		l.Pictures++
		l.Length = f.Mono - r.first
		if err != nil {
			l.Unreadable++
			r.unread = err
			continue
		}
		iv, ok := l.join.Add(f.Mono, l.det.Step(f.Mono, plane))
		l.keep(iv, ok, r.first)
	}
	if err == nil {
		err = r.trace(f)
	} else {
		err = nil
	}
	if r.Progress != nil {
		r.Progress(f.Mono-r.first, r.share)
	}
	return err
}

// reach refuses settings by which nothing could count in pictures of this size.
func (r *replaying) reach(plane *video.Plane) error {
	for _, s := range r.Settings {
		if err := s.Reach(plane.Width, plane.Height); err != nil {
			return fmt.Errorf("recording %s: %w", r.clip, err)
		}
	}
	return nil
}

// trace notes how the last of the detectors came to its decision.
func (r *replaying) trace(f *video.Frame) error {
	last := r.looks[len(r.looks)-1]
	t := last.det.Trace()
	starts := !r.decided && last.Pictures == last.Unreadable+1
	if t.Reason != motion.ReasonStart && t.Reason != motion.ReasonLearning && t.Reason != motion.ReasonSkipped {
		r.decided = true
	}
	if r.Trace == nil {
		return nil
	}
	if starts {
		var v motion.View
		last.det.View(&v)
		h := TraceHeader{Camera: r.Camera, Clip: clipName(r.clip), Mono: r.first, Width: f.Format.Width, Height: f.Format.Height, Cols: v.Cols, Rows: v.Rows,
			Settings: SettingsOf(r.Settings[len(r.Settings)-1])}
		if err := r.Trace.Begin(h); err != nil {
			return err
		}
	}
	return r.Trace.Add(t)
}

// clipName is a recording's base name, without options.
func clipName(clip string) string {
	path, _, _ := strings.Cut(clip, "?")
	return filepath.Base(path)
}

func (l *look) keep(iv motion.Interval, ok bool, first time.Duration) {
	if ok {
		l.Intervals = append(l.Intervals, iv.Since(first))
	}
}

func (r *replaying) end() ([]Detection, error) {
	if l := &r.looks[0]; l.Pictures > 0 && l.Unreadable == l.Pictures {
		return nil, fmt.Errorf("%s: none of its %d pictures can be decoded: %w", r.clip, l.Pictures, r.unread)
	}
	if !r.decided {
		r.warn("nothing could be found: the detector was still learning what is usual there when the recording ended, or its pictures are too far apart")
	}
	var found []Detection
	for i := range r.looks {
		l := &r.looks[i]
		iv, ok := l.join.Flush()
		l.keep(iv, ok, r.first)
		found = append(found, l.Detection)
	}
	return found, nil
}

// A Pairing is a stretch of time in which one of two detections, or both, found something: intervals that overlap, those of either in their order.
type Pairing struct{ A, B []motion.Interval }

// Pair holds two detections side by side, each in the order of time.
func Pair(a, b []motion.Interval) (out []Pairing) {
	var end time.Duration
	for len(a)+len(b) > 0 {
		next, ofB := &a, len(a) == 0 || len(b) > 0 && b[0].Start < a[0].Start
		if ofB {
			next = &b
		}
		iv := (*next)[0]
		*next = (*next)[1:]
		if len(out) == 0 || iv.Start > end {
			out = append(out, Pairing{})
			end = iv.End
		}
		end = max(end, iv.End)
		if p := &out[len(out)-1]; ofB {
			p.B = append(p.B, iv)
		} else {
			p.A = append(p.A, iv)
		}
	}
	return out
}
