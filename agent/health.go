package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"camward/board"
	"camward/board/ntp"
)

// newBoard wires what belongs to the hardware. What is missing is normal.
func (a *Agent) newBoard() error {
	root, err := os.OpenRoot("/")
	if err != nil {
		return fmt.Errorf("board: %w", err)
	}
	if a.ntp, err = ntp.New(root, a.log); err != nil {
		return err
	}
	if a.led, err = board.NewLED(a.cfg.Board.LED, root, a.log); err != nil {
		return err
	}
	a.watchdog, err = board.NewWatchdog(a.cfg.Board.Watchdog, a.healthy, a.log)
	return err
}

const (
	lookEvery = time.Second      // at the state that the light shows
	stalled   = 30 * time.Second // without a sign of life from what should be at work
)

// light keeps the light showing the agent's state.
func (a *Agent) light(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- a.led.Run(ctx) }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		a.led.Show(a.shown())
		select {
		case err := <-done:
			if errors.Is(err, board.ErrAbsent) {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return err
		case <-tick.C:
		}
	}
}

// shown is the one state that matters most to who looks at the light.
func (a *Agent) shown() board.State {
	up, spoolErr := a.spool.Status()
	poll := a.poller.Status()
	mayUpload := a.uploads.any()
	switch {
	case time.Since(a.started) > stalled && (spoolErr != nil || a.cameraFault()):
		return board.Fault
	case poll.LastOK.IsZero() && !mayUpload:
		return board.Booting
	case !poll.Claimed && !mayUpload:
		return board.Unclaimed
	}
	for _, p := range a.cameras {
		if p.recorder.Status().Recording {
			return board.Recording
		}
	}
	if up.Queued > up.WaitingForClock && up.Paused == "" {
		return board.Uploading
	}
	return board.Ready
}

// cameraFault reports whether a camera gives no pictures; a recording that has ended is none.
func (a *Agent) cameraFault() bool {
	for _, p := range a.cameras {
		if st := p.camera.Status(); st.LastError != "" && !st.Running {
			return true
		}
	}
	return false
}

// healthy is nil while the agent does its work: a watchdog restarts the board otherwise. A camera that is unplugged, a network that
// is away and a disk that others filled are no reason to restart; what hangs is.
func (a *Agent) healthy() error {
	for _, p := range a.cameras {
		if err := p.alive(); err != nil {
			return err
		}
	}
	return a.spool.alive()
}
