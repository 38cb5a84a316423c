//go:build cgo

package page_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"camward/live"
	"camward/web/page"
)

// policy is the content security policy that package web sends.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

type obj = map[string]any

// detection is /api/cameras/{camera}/detection.
type detection struct {
	Include     [][][2]float64 `json:"include"`
	Exclude     [][][2]float64 `json:"exclude"`
	MinArea     float64        `json:"min_area"`
	MinContrast float64        `json:"min_contrast"`
	MinDuration float64        `json:"min_duration_ms"`
	From        string         `json:"from,omitempty"`
}

func configured() detection {
	return detection{Include: [][][2]float64{}, Exclude: [][][2]float64{}, MinArea: 0.001, MinContrast: 6, MinDuration: 300, From: "configuration"}
}

// A device implements the page's API in memory: what is set stays set, what is decided changes what is listed.
type device struct {
	t      testing.TB
	url    string
	names  []string
	scenes map[string]*scene
	live   *live.Server

	mu        sync.Mutex
	out       bool // signed out
	noLive    bool // this build has no encoder
	offers    int  // sessions asked for
	detection map[string]detection
	puts      []detection
	hidden    map[string][][][2]float64 // by the page; absent: as configured
	controls  []obj
	queue     []obj
	retried   int
	commands  []obj
	decided   []string
	claimed   bool
	tokens    []string // that were checked
	lines     []obj
	version   string
}

// newDevice serves the page and its API for cameras of 640x480 by these names.
func newDevice(t testing.TB, names ...string) *device {
	t.Helper()
	return newDeviceOf(t, 640, 480, names...)
}

func newDeviceOf(t testing.TB, w, h int, names ...string) *device {
	t.Helper()
	d := &device{t: t, names: names, scenes: map[string]*scene{}, detection: map[string]detection{}, hidden: map[string][][][2]float64{}, version: "1.4.0", claimed: true}
	for _, n := range names {
		d.scenes[n] = newScene(t, w, h)
		d.detection[n] = configured()
	}
	d.controls = []obj{
		{"id": 9963776, "name": "brightness", "label": "Brightness", "type": "integer", "min": 0, "max": 255, "step": 1, "default": 128, "value": 128},
		{"id": 9963788, "name": "white_balance_automatic", "label": "White Balance, Automatic", "type": "boolean", "min": 0, "max": 1, "step": 1, "default": 1, "value": 1},
		{"id": 9963800, "name": "power_line_frequency", "label": "Power Line Frequency", "type": "menu", "min": 0, "max": 2, "step": 1, "default": 1, "value": 1,
			"menu": []obj{{"value": 0, "label": "Disabled"}, {"value": 1, "label": "50 Hz"}, {"value": 2, "label": "60 Hz"}}},
	}
	server := httptest.NewServer(d.handler())
	d.url = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return d
}

// handler stands before all routes as package web does.
func (d *device) handler() http.Handler {
	mux := http.NewServeMux()
	d.live = newLive(d.t, d.names, d.scenes)
	view := d.live.Handler()
	open := map[string]bool{"/page/style.css": true, "/page/icon.svg": true, "/signin": true}
	mux.Handle("GET /{$}", page.Index())
	mux.Handle("GET /page/", page.Files())
	mux.HandleFunc("GET /signin", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<!doctype html><html lang="en"><title>Sign in</title><link rel="icon" href="/page/icon.svg"><link rel="stylesheet" href="/page/style.css"><main class="card signin"><h1>camward</h1><form method="post" action="/signin"><input name="username" autocomplete="username" value="admin" hidden><label for="p">Password</label><input id="p" type="password" autocomplete="current-password"><p class="error">This is not the password.</p><p><button>Sign in</button></p></form></main>`)
	})
	mux.HandleFunc("POST /signout", func(w http.ResponseWriter, r *http.Request) {
		d.change(func() { d.out = true })
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
	})
	mux.HandleFunc("/cameras/{camera}/", func(w http.ResponseWriter, r *http.Request) {
		if d.peek(func() bool { return d.noLive }) {
			http.Error(w, "this build has no H.264 encoder and the camera delivers none: use MJPEG", http.StatusNotImplemented)
			return
		}
		if r.Method == http.MethodPost {
			d.change(func() { d.offers++ })
		}
		view.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /cameras/{camera}/stream.mjpeg", func(w http.ResponseWriter, r *http.Request) { d.scenes[r.PathValue("camera")].stream(w, r) })
	d.api(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if d.peek(func() bool { return d.out }) && !open[r.URL.Path] {
			http.Error(w, "sign in", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// change does something while nobody else looks.
func (d *device) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *device) peek(f func() bool) (v bool) {
	d.change(func() { v = f() })
	return v
}

type fault struct {
	status int
	text   string
}

func (f fault) Error() string { return f.text }

// api hangs up the routes of the contract.
func (d *device) api(mux *http.ServeMux) {
	handle := func(pattern string, get func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var v any
			var err error
			d.change(func() { v, err = get(r) })
			w.Header().Set("Content-Type", "application/json")
			if f := (fault{}); errors.As(err, &f) {
				w.WriteHeader(f.status)
				v = obj{"error": f.text}
			}
			json.NewEncoder(w).Encode(v)
		})
	}
	handle("GET /api/status", func(*http.Request) (any, error) { return d.status(), nil })
	handle("GET /api/cameras/{camera}/detection", func(r *http.Request) (any, error) { return d.detection[r.PathValue("camera")], nil })
	handle("PUT /api/cameras/{camera}/detection", d.putDetection)
	handle("DELETE /api/cameras/{camera}/detection", func(r *http.Request) (any, error) {
		d.detection[r.PathValue("camera")] = configured()
		return configured(), nil
	})
	handle("GET /api/cameras/{camera}/privacy", d.privacy)
	handle("PUT /api/cameras/{camera}/privacy", d.putPrivacy)
	handle("DELETE /api/cameras/{camera}/privacy", func(r *http.Request) (any, error) {
		delete(d.hidden, r.PathValue("camera"))
		return d.privacy(r)
	})
	handle("GET /api/cameras/{camera}/controls", func(*http.Request) (any, error) { return d.controls, nil })
	handle("PUT /api/cameras/{camera}/controls", d.putControls)
	handle("GET /api/queue", func(*http.Request) (any, error) { return slices.Clip(append([]obj{}, d.queue...)), nil })
	handle("POST /api/queue/retry", func(*http.Request) (any, error) {
		d.retried++
		for _, it := range d.queue {
			it["state"] = "sending"
			delete(it, "last_error")
		}
		return obj{}, nil
	})
	handle("GET /api/commands", func(*http.Request) (any, error) {
		return obj{"poll": obj{"last_ok": time.Now(), "claimed": d.claimed, "period_s": 30, "commands": d.commands},
			"journal": []obj{{"at": time.Now(), "id": "ntp", "what": "applied", "method": "GET", "path": "/form/setNtp?server=pool.ntp.org", "answer": "OK"}}}, nil
	})
	handle("POST /api/commands/{id}/{verb}", d.decide)
	handle("GET /api/claim", func(*http.Request) (any, error) {
		return obj{"claimed": d.claimed, "url": "https://cloud.example.com/claim/0011223344AA", "pin": "4711", "qr": qr}, nil
	})
	handle("POST /api/token/check", d.checkToken)
	handle("GET /api/logs", d.logs)
	mux.HandleFunc("GET /api/support-bundle", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="camward-support-0011223344AA.tar.gz"`)
		io.WriteString(w, "bundle")
	})
}

// qr stands for a QR code.
const qr = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 21 21"><path d="M1 1h7v7h-7zM13 1h7v7h-7zM1 13h7v7h-7zM10 3h1v2h-1zM9 9h3v1h-3zM13 13h2v2h-2zM17 16h2v3h-2z"/></svg>`

func (d *device) status() any {
	var cameras []obj
	for _, n := range d.names {
		s := d.scenes[n]
		cameras = append(cameras, obj{"name": n,
			"capture": obj{"source": "/dev/video0", "device": "/dev/video0", "card": "USB Camera", "running": true, "format": obj{"format": "MJPG", "width": s.w, "height": s.h, "rate": 15}, "frames": s.number.Load(), "drops": 3, "errored": 0, "last_error": ""},
			"motion":  obj{"moving": true, "score": 0.031, "events": 12, "scene_changes": 1},
			"clip":    obj{"clips": 12, "last_error": ""}})
	}
	size := 0
	for _, it := range d.queue {
		size += it["size"].(int)
	}
	up := obj{"queued": len(d.queue), "spool_bytes": size + 1, "spool_max_bytes": 500_000_000, "sent": 41, "sent_bytes": 81_000_000, "last_success_at": time.Now().Add(-3 * time.Minute)}
	if d.retried == 0 && size > 0 {
		up["last_error"] = "connect cloud.example.com: connection refused"
	}
	return obj{"version": d.version, "identity": obj{"mac": "0011223344AA", "maker": "Raspberry Pi", "model": "4 Model B", "serial": "10000000abcdef"}, "uptime_s": 4711, "cameras": cameras,
		"uploader": up, "live": obj{"running": true, "viewers": []obj{{"camera": d.names[0]}}}, "page": obj{"address": "192.168.1.20:80", "https": "192.168.1.20:443", "name": "camward-3344aa.local", "https_fingerprint": "3A:5F:77:0C:91:D4:E2:18:60:AF:3B:9C:55:07:C1:8E:24:F9:6D:B2:13:48:DE:7A:90:0B:66:AC:F1:85:2D:39"}}
}

func strict(r *http.Request, v any) error {
	j := json.NewDecoder(r.Body)
	j.DisallowUnknownFields()
	if err := j.Decode(v); err != nil {
		return fault{http.StatusBadRequest, err.Error()}
	}
	return nil
}

func (d *device) putDetection(r *http.Request) (any, error) {
	var set detection
	if err := strict(r, &set); err != nil {
		return nil, err
	}
	if set.From != "" {
		return nil, fault{http.StatusBadRequest, "from is not for you to say"}
	}
	for _, p := range set.Exclude {
		if p[0] == [2]float64{0, 0} && slices.Contains(p, [2]float64{1, 1}) {
			return nil, fault{http.StatusUnprocessableEntity, "include and exclude together leave no part of the picture"}
		}
	}
	set.From = "page"
	d.puts = append(d.puts, set)
	d.detection[r.PathValue("camera")] = set
	return set, nil
}

func (d *device) privacy(r *http.Request) (any, error) {
	if areas, set := d.hidden[r.PathValue("camera")]; set {
		return obj{"areas": areas, "from": "page"}, nil
	}
	return obj{"areas": [][][2]float64{}, "from": "configuration"}, nil
}

func (d *device) putPrivacy(r *http.Request) (any, error) {
	var set struct {
		Areas [][][2]float64 `json:"areas"`
	}
	if err := strict(r, &set); err != nil {
		return nil, err
	}
	if len(set.Areas) > 2 {
		return nil, fault{http.StatusBadRequest, "privacy: 3 polygons, at most 2"}
	}
	d.hidden[r.PathValue("camera")] = set.Areas
	return d.privacy(r)
}

func (d *device) putControls(r *http.Request) (any, error) {
	var set map[string]int
	if err := strict(r, &set); err != nil {
		return nil, err
	}
	for name, v := range set {
		i := slices.IndexFunc(d.controls, func(c obj) bool { return c["name"] == name })
		if i < 0 {
			return nil, fault{http.StatusBadRequest, "there is no control " + name}
		}
		if name == "power_line_frequency" && v == 2 {
			return nil, fault{http.StatusUnprocessableEntity, "the camera refuses 60 Hz"}
		}
		d.controls[i]["value"] = v
	}
	return d.controls, nil
}

func (d *device) decide(r *http.Request) (any, error) {
	id, verb := r.PathValue("id"), r.PathValue("verb")
	i := slices.IndexFunc(d.commands, func(c obj) bool { return c["id"] == id })
	state := map[string]string{"approve": "applied", "refuse": "refused"}[verb]
	if i < 0 || state == "" {
		return nil, fault{http.StatusNotFound, "no such command"}
	}
	c := d.commands[i]
	c["state"], c["needs_approval"] = state, false
	d.decided = append(d.decided, verb+" "+id)
	return obj{}, nil
}

func (d *device) checkToken(r *http.Request) (any, error) {
	var q struct {
		Token string `json:"token"`
	}
	if err := strict(r, &q); err != nil {
		return nil, err
	}
	d.tokens = append(d.tokens, q.Token)
	if q.Token == "wrong" {
		return obj{"problem": "wrong token", "advice": "The server is right, but knows no such upload token: copy it again from the account's page."}, nil
	}
	return obj{"email": "te...@example.com"}, nil
}

// log adds a line.
func (d *device) log(level, text string, fields obj) {
	d.change(func() {
		d.lines = append(d.lines, obj{"seq": len(d.lines) + 1, "time": time.Now().Format(time.RFC3339Nano), "level": level, "from": "uploader", "text": text, "fields": fields})
	})
}

func (d *device) logs(r *http.Request) (any, error) {
	after, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		return nil, fault{http.StatusBadRequest, fmt.Sprint("after: ", err)}
	}
	if after > len(d.lines) {
		after = 0
	}
	return obj{"lines": append([]obj{}, d.lines[after:]...), "next": len(d.lines)}, nil
}
