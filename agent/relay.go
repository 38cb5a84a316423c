package agent

import (
	"context"
	"net/http"

	"camward/live/relay"
)

// newRelays makes each camera's line to the cloud, by which viewers elsewhere reach its live view.
func (a *Agent) newRelays() error {
	through, err := a.cfg.Cloud.transport().HTTP(pollConnect, pollIdle)
	if err != nil {
		return err
	}
	for _, p := range a.cameras {
		r := relay.New(p.name, a.live, &http.Client{Transport: through}, p.log)
		p.report, p.reportScene, p.wall = r.Report, r.ReportScene, a.clock.Wall
		a.relays = append(a.relays, r)
	}
	return nil
}

// setWays sends recordings there, and has the cameras be reached from the first cloud among them.
func (a *Agent) setWays(ways []way) {
	a.uploads.set(ways...)
	var target relay.Target
	first := ""
	for _, w := range ways {
		if w.live.URL != nil {
			target, first = w.live, w.camera
			break
		}
	}
	for i, r := range a.relays {
		t := target
		if t.URL != nil {
			t.Camera = a.cameras[i].name
			if i == 0 && first != "" {
				t.Camera = first
			}
		}
		r.SetTarget(t)
	}
}

// keepRelays runs them.
func (a *Agent) keepRelays(keep func(string, func(context.Context) error)) {
	for _, r := range a.relays {
		keep("live line", r.Run)
	}
}
