package agent

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"camward/video"
	"camward/web"
)

// controlTraces are the last minutes' traces for camward's own verbs.
const controlTraces = "/api/control/traces"

// traceRoutes lets camward explain ask how the running agent decided lately.
func (a *Agent) traceRoutes(s *web.Server) {
	s.HandleControl("GET "+controlTraces, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query() // r.FormValue would bring in what reads forms of all kinds
		name := q.Get("camera")
		last, err := time.ParseDuration(q.Get("last"))
		if err != nil || last <= 0 {
			http.Error(w, "last is no duration such as 2m", http.StatusBadRequest)
			return
		}
		for _, p := range a.cameras {
			if p.name == name || name == "" {
				a.answerTraces(w, p, last)
				return
			}
		}
		http.Error(w, fmt.Sprintf("there is no camera %q", name), http.StatusNotFound)
	}))
}

// answerTraces answers with a trace file.
func (a *Agent) answerTraces(w http.ResponseWriter, p *pipeline, last time.Duration) {
	t := p.traces.recent(video.Now() - last)
	if at, ok := a.clock.Wall(t.Mono); ok {
		t.Started = at.UTC()
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := NewTraceWriter(w, false)
	if out.Begin(t.TraceHeader) != nil {
		return // the asker has gone
	}
	for _, trace := range t.Traces {
		out.Add(trace) //nolint:errcheck // the asker has gone
	}
	for i := range t.Pictures {
		out.Picture(&t.Pictures[i]) //nolint:errcheck // the asker has gone
	}
	out.Close() //nolint:errcheck // the asker has gone
}

// RunningTraces asks the running agent how it decided on a camera's last pictures, by default the first camera's. The error is ErrNotRunning if there is
// no agent.
func RunningTraces(cfg *Loaded, camera string, last time.Duration) (t Traced, err error) {
	control, err := web.FindControl(cfg.StateDir)
	if err != nil {
		return t, err
	}
	resp, err := control.Do(http.MethodGet, controlTraces+"?"+url.Values{"camera": {camera}, "last": {last.String()}}.Encode())
	if err != nil {
		return t, err
	}
	defer resp.Body.Close()
	all, err := ReadTraces(resp.Body)
	if err != nil {
		return t, fmt.Errorf("traces of the running camward: %w", err)
	}
	return all[0], nil
}
