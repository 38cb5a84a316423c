package cloud

import (
	"fmt"
	"net/http"
	"strings"
)

// A Status is what the server is doing for live view.
type Status struct {
	Status    string `json:"status"`        // ok
	Connected int    `json:"live_cameras"`  // cameras whose socket is open
	Ready     int    `json:"live_ready"`    // of these, those that could be watched now
	Answered  int64  `json:"live_answered"` // viewers' requests that a camera granted, since the start
	Failed    int64  `json:"live_failed"`   // and the others
	Relays    int    `json:"turn_relays"`   // open relays
	Relayed   int64  `json:"turn_bytes"`    // bytes relayed since the start, as they came in and as they went out
	TURN      bool   `json:"turn"`          // whether relaying is offered
}

// Status tells what the server is doing now. Another process that works on the same data knows nothing of it.
func (s *Server) Status() Status {
	st := Status{Status: "ok", Answered: s.liveCalls.answered.Load(), Failed: s.liveCalls.failed.Load()}
	st.Connected, st.Ready = s.lives.count()
	if s.turn != nil {
		st.TURN = s.turn.bound.Load() != nil
		st.Relays, st.Relayed = s.turn.relays.count(), s.turn.relays.bytes.Load()
	}
	return st
}

// healthz says ok, or as JSON, if that is asked for, what Status says.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		reply(w, s.Status())
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// metrics are for Prometheus, in its text format 0.0.4. They are counts without names, as healthz's.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	st := s.Status()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	for _, m := range []struct {
		name, kind, help string
		value            int64
	}{
		{"live_cameras", "gauge", "Cameras connected for live view.", int64(st.Connected)},
		{"live_cameras_ready", "gauge", "Cameras that could be watched now.", int64(st.Ready)},
		{"live_requests_answered_total", "counter", "Viewers' requests that a camera granted.", st.Answered},
		{"live_requests_failed_total", "counter", "Viewers' requests that failed.", st.Failed},
		{"turn_relays", "gauge", "Open TURN relays.", int64(st.Relays)},
		{"turn_relayed_bytes_total", "counter", "Bytes relayed.", st.Relayed},
	} {
		name := "camward_cloud_" + m.name
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", name, m.help, name, m.kind, name, m.value)
	}
}
