package agent

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"camward/board"
	"camward/capture"
	"camward/clip"
	"camward/live"
	"camward/live/relay"
	"camward/provision"
	"camward/uploader"
	"camward/uploader/dropfolder"
	"camward/web"
	"camward/web/mqtt"
	webpage "camward/web/page"
)

// Status is what /api/status answers: everything a person or a script wants to know at a glance. It holds no secret.
type Status struct {
	Version  string              `json:"version"`
	Identity board.Identity      `json:"identity"`
	Uptime   float64             `json:"uptime_s"`
	Cameras  []CameraStatus      `json:"cameras"`
	Folders  []dropfolder.Status `json:"folders"`
	Uploader uploader.Status     `json:"uploader"`
	Spool    string              `json:"spool_error,omitempty"` // why recordings cannot be kept
	Poll     provision.Status    `json:"poll"`
	Live     live.Status         `json:"live"`
	Page     PageStatus          `json:"page"`
	MQTT     *mqtt.Status        `json:"mqtt,omitempty"` // nil: no broker is configured
	Settings []SettingStatus     `json:"settings"`       // made by forms; stronger than the configuration
}

// PageStatus is where the camera's own page is found.
type PageStatus struct {
	Address     string `json:"address,omitempty"`           // host:port of HTTP; empty: nowhere
	HTTPS       string `json:"https,omitempty"`             // host:port
	Fingerprint string `json:"https_fingerprint,omitempty"` // SHA-256 of the certificate
	Name        string `json:"name,omitempty"`              // in the local network, as it is announced
}

// CameraStatus is one camera's pipeline.
type CameraStatus struct {
	Name    string         `json:"name"`
	Capture capture.Status `json:"capture"`
	Motion  MotionStatus   `json:"motion"`
	Clip    clip.Status    `json:"clip"`
	Relay   relay.Status   `json:"relay"` // the line by which viewers elsewhere ask for this camera
}

// controlStatus is the status for camward's own verbs, which know no password.
const controlStatus = "/api/control/status"

// Status says how everything stands now.
func (a *Agent) Status() Status {
	s := Status{Version: a.version, Identity: a.id, Uptime: time.Since(a.started).Seconds(), Poll: a.poller.Status(), Cameras: []CameraStatus{}, Folders: a.foldersStatus(), Settings: a.device.status(), Live: a.live.Status()}
	for i, p := range a.cameras {
		s.Cameras = append(s.Cameras, CameraStatus{Name: p.name, Capture: p.camera.Status(), Motion: p.motionStatus(), Clip: p.recorder.Status(), Relay: a.relays[i].Status()})
	}
	s.Page = a.pageStatus()
	if a.mqtt != nil {
		m := a.mqtt.Status()
		s.MQTT = &m
	}
	s.Poll.LastPoll, s.Poll.LastOK = today(s.Poll.LastPoll), today(s.Poll.LastOK)
	var err error
	if s.Uploader, err = a.spool.Status(); err != nil {
		s.Spool = err.Error()
	}
	return s
}

func (a *Agent) pageStatus() (p PageStatus) {
	if addr := a.web.Address(); addr != nil {
		p.Address = addr.String()
	}
	if addr := a.web.HTTPSAddress(); addr != nil {
		p.HTTPS, p.Fingerprint = addr.String(), a.web.Fingerprint()
	}
	if a.mdns != nil {
		p.Name = a.mdns.Name()
	}
	return p
}

// today dates a moment of this process anew: how long ago it was is known for sure, while the clock may have been set since.
func today(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Now().Add(-time.Since(t)).Round(0)
}

// newServer hangs the agent's routes on its HTTP server.
func (a *Agent) newServer(cfg web.Config, password *web.Password) (*web.Server, error) {
	s, err := web.New(cfg, password, a.log)
	if err != nil {
		return nil, err
	}
	status := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		e.Encode(a.Status())
	})
	s.HandleOpen("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "ok\n")
	}))
	s.Handle("GET /api/status", status)
	s.HandleControl("GET "+controlStatus, status)
	a.spoolRoutes(s)
	a.traceRoutes(s)
	a.commandRoutes(s)
	a.viewRoutes(s)
	a.liveRoutes(s)
	a.pageRoutes(s)
	s.HandlePage("GET /{$}", webpage.Index())
	s.HandleOpen("GET /page/", webpage.Files())
	s.HandleDigest("/form/", a.forms)
	set := a.metrics()
	s.Handle("GET /metrics", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		set.WritePrometheus(w)
		metrics.WriteProcessMetrics(w)
	}))
	return s, nil
}
