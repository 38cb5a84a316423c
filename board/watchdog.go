package board

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// A Watchdog feeds systemd's watchdog (sd_notify(3), WatchdogSec= of the unit) and the board's hardware (Linux's
// Documentation/watchdog/watchdog-api.rst), as long as the agent is healthy. It also tells systemd that the agent is ready,
// how it is, and that it stops.
type Watchdog struct {
	cfg     WatchdogConfig
	healthy func() error
	log     *zap.Logger

	open    func(path string, timeout time.Duration) (feeder, error)
	notify  func(state string) error
	systemd func() (time.Duration, error) // how long systemd waits; 0: it doesn't watch
}

// A feeder is a hardware watchdog, which counts from the moment it was opened.
type feeder interface {
	Feed() error
	Timeout() time.Duration // the real one
	Close() error           // and stop counting, if the hardware can
}

// NewWatchdog opens nothing. healthy says what is wrong, if anything is: it is called a few times within each timeout, from one
// goroutine. What it waits for, the watchdogs wait for; so it must not block, and should look at progress that others make
// rather than make some of its own. A camera that somebody pulled out is not mended by a restart: that is for healthy to know.
func NewWatchdog(cfg WatchdogConfig, healthy func() error, log *zap.Logger) (*Watchdog, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Watchdog{
		cfg: cfg, healthy: healthy, log: log.Named("watchdog"), open: openWatchdog,
		notify:  func(state string) error { _, err := daemon.SdNotify(false, state); return err },
		systemd: func() (time.Duration, error) { return daemon.SdWatchdogEnabled(false) },
	}, nil
}

// Run tells systemd READY=1, feeds until ctx ends, and then stops the hardware: a stop that was asked for is no failure of the agent. A
// process that dies without that leaves the hardware counting, and the board restarts unless the agent is back in time.
//
// Whatever is configured and can't be had is logged and done without, since recording must go on. Without any watchdog Run only waits.
func (w *Watchdog) Run(ctx context.Context) error {
	w.tell(daemon.SdNotifyReady)
	defer w.tell(daemon.SdNotifyStopping)
	limit, err := w.systemd()
	if err != nil {
		w.log.Warn("systemd's watchdog is not fed", zap.Error(err))
	}
	hardware := w.openHardware()
	if hardware != nil {
		defer w.closeHardware(hardware)
		if t := hardware.Timeout(); limit == 0 || t < limit {
			limit = t
		}
	}
	if limit <= 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	w.log.Info("watchdog is fed", zap.Duration("timeout", limit), zap.Bool("hardware", hardware != nil))
	w.feed(ctx, limit/3, hardware)
	return context.Cause(ctx)
}

// feed feeds every period: two feedings may be late before it counts.
func (w *Watchdog) feed(ctx context.Context, period time.Duration, hardware feeder) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	state, fed := health{}, true
	for {
		if state.changed(w.healthy()) {
			w.report(state.err)
		}
		if state.err == nil {
			w.tell(daemon.SdNotifyWatchdog)
			if hardware != nil {
				err := hardware.Feed()
				if err != nil && fed {
					w.log.Error("the hardware watchdog is not fed: the board will restart", zap.Error(err))
				}
				fed = err == nil
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// health is what the agent said of itself last. Whether it is well counts as a change, not in which words it is unwell: those may
// hold a number that grows.
type health struct {
	known bool
	err   error
}

func (h *health) changed(err error) bool {
	changed := !h.known || (h.err == nil) != (err == nil)
	h.known, h.err = true, err
	return changed
}

func (w *Watchdog) report(err error) {
	if err == nil {
		w.log.Info("healthy")
		w.tell("STATUS=healthy")
		return
	}
	w.log.Error("unhealthy: watchdogs are not fed and will restart the board or the agent", zap.Error(err))
	w.tell("STATUS=unhealthy: " + strings.ReplaceAll(err.Error(), "\n", "; "))
}

// tell passes a state to systemd, where it listens.
func (w *Watchdog) tell(state string) {
	if err := w.notify(state); err != nil {
		w.log.Debug("systemd is not told", zap.String("state", state), zap.Error(err))
	}
}

func (w *Watchdog) openHardware() feeder {
	if w.cfg.Device == "" {
		return nil
	}
	f, err := w.open(w.cfg.Device, w.cfg.Timeout)
	if errors.Is(err, ErrAbsent) {
		w.log.Warn("no hardware watchdog", zap.String("device", w.cfg.Device), zap.Error(err))
		return nil
	}
	if err != nil {
		w.log.Error("hardware watchdog cannot be used", zap.Error(err))
		return nil
	}
	if t := f.Timeout(); t != w.cfg.Timeout {
		w.log.Info("the hardware has a timeout of its own", zap.Duration("asked", w.cfg.Timeout), zap.Duration("timeout", t))
	}
	return f
}

func (w *Watchdog) closeHardware(f feeder) {
	if err := f.Close(); err != nil {
		w.log.Warn(fmt.Sprintf("the hardware watchdog goes on counting: the board restarts unless it is fed within %v", f.Timeout()), zap.Error(err))
	}
}
