package board

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// ErrAbsent means that the board lacks the hardware asked for, which is normal.
var ErrAbsent = errors.New("this board has none")

// A State is what the light shows. Seen from a ladder, they differ in rhythm:
//
//	Booting    on and off, a second each
//	Unclaimed  two short flashes, then a pause
//	Ready      a wink every five seconds: watching, nothing moves
//	Recording  steadily on
//	Uploading  on, with a short gap every second
//	Fault      fast flicker
//
// The zero value is Booting.
type State int

// The states.
const (
	Booting   State = iota
	Unclaimed       // no account owns the camera yet
	Ready
	Recording // an event is being recorded
	Uploading // nothing is recorded, and something is on its way to the cloud
	Fault     // someone must act
)

// String names the state.
func (s State) String() string {
	if name, ok := map[State]string{Booting: "booting", Unclaimed: "unclaimed", Ready: "ready", Recording: "recording", Uploading: "uploading", Fault: "fault"}[s]; ok {
		return name
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// pattern is how long the light is on and off in turn, beginning with on, for ever. A single entry is always on.
func (s State) pattern() []time.Duration {
	const ms = time.Millisecond
	switch s {
	case Booting:
		return []time.Duration{1000 * ms, 1000 * ms}
	case Unclaimed:
		return []time.Duration{150 * ms, 150 * ms, 150 * ms, 1550 * ms}
	case Ready:
		return []time.Duration{60 * ms, 4940 * ms}
	case Recording:
		return []time.Duration{0}
	case Uploading:
		return []time.Duration{850 * ms, 150 * ms}
	}
	return []time.Duration{80 * ms, 80 * ms}
}

// LED is the board's status light, driven by the kernel's LED class (Documentation/leds/leds-class.rst). The kernel blinks by
// itself where it can, so that a steady state costs nothing. Show may be called from any goroutine.
type LED struct {
	cfg  LEDConfig
	root *os.Root
	log  *zap.Logger

	mu      sync.Mutex
	state   State
	changed chan struct{} // one place: a wake-up, not a queue
}

// NewLED touches nothing yet. root is the file system "/": the folders of /sys/class/leds are links to elsewhere in /sys.
func NewLED(cfg LEDConfig, root *os.Root, log *zap.Logger) (*LED, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &LED{cfg: cfg, root: root, log: log.Named("led"), changed: make(chan struct{}, 1)}, nil
}

// Show sets the state, which Run brings to the light. It does not wait.
func (l *LED) Show(s State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s == l.state {
		return
	}
	l.state = s
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *LED) shown() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Run shows the state until ctx ends, and then makes the light what it was before. A board without a light is no failure: Run
// waits for ctx in silence, or with one line in the log if the configuration names a light that is missing or can't be written.
func (l *LED) Run(ctx context.Context) error {
	d, err := l.open()
	if err != nil {
		if named := l.cfg.Name != "" && l.cfg.Name != NoLED; named || !errors.Is(err, ErrAbsent) {
			l.log.Warn("no status light", zap.Error(err))
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	defer d.restore()
	l.log.Info("status light", zap.String("led", path.Base(d.dir)))
	for ctx.Err() == nil {
		pattern := l.shown().pattern()
		if d.byKernel(pattern) {
			l.wait(ctx, 0)
		} else {
			l.blink(ctx, d, pattern)
		}
	}
	return context.Cause(ctx)
}

// wait returns when the state changed or ctx ended, or after d if that is not 0; it tells whether it was d.
func (l *LED) wait(ctx context.Context, d time.Duration) bool {
	var after <-chan time.Time
	if d > 0 {
		after = time.After(d)
	}
	select {
	case <-ctx.Done():
	case <-l.changed:
	case <-after:
		return true
	}
	return false
}

// blink shows pattern by hand until the state changes.
func (l *LED) blink(ctx context.Context, d *led, pattern []time.Duration) {
	for i := 0; ; i = (i + 1) % len(pattern) {
		if err := d.light(i%2 == 0); err != nil {
			l.log.Warn("status light lost", zap.Error(err))
			<-ctx.Done() // its driver is gone
			return
		}
		if !l.wait(ctx, pattern[i]) {
			return
		}
	}
}

// open finds the light and keeps what it shows now.
func (l *LED) open() (*led, error) {
	name := l.cfg.Name
	if name == NoLED {
		return nil, fmt.Errorf("light %q: %w", NoLED, ErrAbsent)
	}
	entries, err := fs.ReadDir(l.root.FS(), ledClass)
	if err != nil {
		return nil, fmt.Errorf("lights: %w", ErrAbsent)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if name == "" {
		name = statusLight(names)
	}
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("light %q: %w; it has %q", name, ErrAbsent, names)
	}
	return openLED(l.root, path.Join(ledClass, name))
}

// statusLight is the light whose name says that it is for this, empty if there is none. Names are free, or made of
// device, colour and function (leds-class.rst, "LED Device Naming"), of which only the function counts.
func statusLight(names []string) string {
	for _, function := range []string{"status", "act", "activity", "led0", "system", "sys", "run", "user", "heartbeat", "indicator"} {
		for _, n := range names {
			last := n[strings.LastIndexByte(n, ':')+1:]
			if strings.EqualFold(last, function) {
				return n
			}
		}
	}
	return ""
}
