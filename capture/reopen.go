package capture

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"camward/video"
)

const (
	leastPause   = 100 * time.Millisecond // whatever wakes us: an attempt that fails at once must not spin
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second        // also the slow poll for a camera that is not there
	barrenPause  = 30 * time.Second       // for one that is there and of no use
	gather       = 100 * time.Millisecond // in which all the nodes of a camera come, once one has
	blindPause   = time.Second            // for one that is not there, where /dev cannot be watched

	// A camera that ends each run after a picture or two is no new one each time: whoever is told of cameras lost and found would hear
	// of nothing else.
	steadyAfter = 2 * time.Second
	briefPause  = 2 * time.Second

	// The kernel makes a node before udev lets anybody open it, so being refused is no fault for as long as that may take.
	grantedWithin = 3 * time.Second

	// A run that was good for so long makes an old fault news again.
	newsAfter = 10 * time.Second

	// A fault that took turns with another one is no news when it comes back so soon.
	turnsWithin = time.Minute
)

// A faultKind is what decides how a failed attempt is followed by the next.
type faultKind int

const (
	faultOther  faultKind = iota
	faultAbsent           // it is not there
	faultDenied           // it may not be opened
	faultBarren           // it is held by another program, offers no format of ours, or the bus has no room for it
)

// keep attempts again and again until ctx ends, whose cause it returns.
func (c *Camera) keep(ctx context.Context) error {
	defer c.unwatch()
	for {
		began := time.Now()
		err := c.attempt(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		kind := faultOther
		if c.src.kind == kindDevice {
			kind = classify(err)
		}
		pause := c.pacer.next(kind, c.good, time.Since(c.firstAt))
		switch fresh, seeing := c.watch(); {
		case kind == faultAbsent && fresh:
			pause = leastPause // it may have come before we watched
		case kind == faultAbsent && !seeing:
			pause = blindPause
		}
		if c.src.kind == kindHTTP && errors.Is(err, errPassword) {
			pause = max(pause, c.lockout.until-video.Now())
		}
		c.say(err, kind, c.good && time.Since(began) >= newsAfter, pause)
		if err := c.rest(ctx, pause); err != nil {
			return err
		}
	}
}

// A pacer says how long to wait before a source is opened anew.
type pacer struct {
	failures int       // in a row, without a picture
	brief    int       // runs in a row that ended soon after their first picture
	denied   time.Time // since when it may not be opened
}

// next gives the pause after a failure; good: there had been pictures, for a time of lasted.
func (p *pacer) next(kind faultKind, good bool, lasted time.Duration) time.Duration {
	switch {
	case good && lasted < steadyAfter:
		p.failures = 0
		p.brief++
	case good:
		*p = pacer{}
	}
	if kind != faultDenied {
		p.denied = time.Time{}
	}
	switch kind {
	case faultAbsent: // what was before it went says nothing about what comes back
		*p = pacer{}
		return longestPause
	case faultDenied:
		if p.denied.IsZero() {
			p.denied = time.Now()
		}
		if time.Since(p.denied) < grantedWithin {
			return leastPause
		}
	}
	if good && p.brief > 0 {
		return min(firstPause<<min(p.brief-1, 10), briefPause)
	}
	longest := longestPause
	if kind == faultBarren {
		longest = barrenPause
	}
	pause := min(firstPause<<min(p.failures, 10), longest)
	p.failures++
	return pause
}

// A report is the fault last logged.
type report struct {
	fault    string
	before   string    // the one that it took turns with
	turned   time.Time // when that was last seen
	repeated int       // since then
	silent   bool      // what was found since is no news either
}

// say logs a fault that has appeared or changed. A refusal that udev will soon lift is none.
func (c *Camera) say(err error, kind faultKind, news bool, pause time.Duration) {
	r := &c.report
	fault := err.Error()
	switch {
	case kind == faultAbsent:
		fault = ErrAbsent.Error() // being gone and not being there are one
	case kind == faultDenied && time.Since(c.pacer.denied) < grantedWithin:
		return
	}
	if fault == r.before && time.Since(r.turned) < turnsWithin { // two faults in turn, as a connection that is reset sooner or later
		r.fault, r.before, r.turned = fault, r.fault, time.Now()
	}
	if r.silent = fault == r.fault && !news; r.silent {
		r.repeated++
		return
	}
	fields := []zap.Field{zap.Error(err), zap.Duration("retry_in", pause)}
	if r.repeated > 0 {
		fields = append(fields, zap.Int("previous_fault_repeated", r.repeated))
	}
	c.log.Warn("camera failed", fields...)
	r.fault, r.before, r.turned, r.repeated = fault, r.fault, time.Now(), 0
}

// watch begins to watch /dev if that is of use and not done yet. fresh says that it has just begun, seeing that it is done.
func (c *Camera) watch() (fresh, seeing bool) {
	if c.src.kind != kindDevice || c.host.watch == nil {
		return false, false
	}
	if c.plugs != nil {
		return false, true
	}
	plugs, stop, err := c.host.watch(c.src.path)
	if err != nil {
		c.log.Debug("devices cannot be watched", zap.Error(err))
		return false, false
	}
	c.plugs, c.unplug = plugs, stop
	return true, true
}

// unwatch ends watch: while pictures flow the camera itself tells when it goes.
func (c *Camera) unwatch() {
	if c.plugs != nil {
		c.unplug()
		c.plugs, c.unplug = nil, nil
	}
}

// rest waits for d to pass, or a change in /dev, which makes a new beginning of the pauses. It fails with the cause of ctx's end.
func (c *Camera) rest(ctx context.Context, d time.Duration) error {
	end := time.Now().Add(d)
	if err := sleepUntil(ctx, time.Now().Add(min(d, leastPause))); err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.plugs: // nil: never
		c.pacer = pacer{}
		return sleepUntil(ctx, time.Now().Add(gather))
	case <-timer.C:
	}
	return nil
}
