// Package cgi is camward's own firmware interface: the forms under /form/ by which a cloud, a script or a person with
// curl sets the device. It speaks the dialect of Sharx cameras, for which the API document has the
// commands, so that what configures those configures a Pi too.
//
// The set forms take their parameters from the query of a GET, or from the query or the form body of a POST:
//
//	setHttpPeriodSending  ENABLE SCHED SCHEDID HOUR MIN SEC URL AUTH USERNAME PASSWORD
//	setNtp                ENABLE SERVER
//	setFtpAlarmSending    ENABLE SCHED SCHEDID STREAMID DURATION FRAMERATE INTERVAL SERVER PORT REMOTEPATH AUTH USERNAME PASSWORD
//	setHttpAlarmSending   ENABLE MODE URL
//	setMotionZones        by POST; the body is the API's JSON array of zones
//
// ENABLE is always needed. With ENABLE=1 what is left out has its default (see the fields of the settings), and what has
// none is missed; with ENABLE=0 what is left out stays as it is, so that ENABLE=0 alone switches off.
// Unknown parameters are ignored, a parameter given twice is refused.
//
// Values are percent-encoded, with '+' for a space, but for URL, which firmware of this dialect gets as it
// is, with its own '&' and '%': the URL of setHttpPeriodSending ends before the last "&AUTH=", and without one it is
// the rest of the query; that of setHttpAlarmSending ends before the next "&ENABLE=" or "&MODE=". A URL
// that is encoded like the other values (it has %2F and no '/', as HTML forms and curl --data-urlencode
// send it) ends at the next '&' and is decoded once.
//
// The get forms (getHttpPeriodSending, getNtp, getFtpAlarmSending, getHttpAlarmSending, getMotionZones, getDeviceInfo) answer
// "000 Success" and a line KEY=value for each parameter, with *** for secrets.
//
// The set forms answer the line "000 Success" with HTTP 200, or a line of a number and what to do about it:
//
//	101  no form of that name                                    HTTP 404
//	102  the form wants another method                           HTTP 405
//	103  the request comes from another site's page              HTTP 403
//	201  the parameters cannot be read                           HTTP 400, 413 if there is too much of them
//	202  a parameter is missing                                  HTTP 400
//	203  a value is wrong, or not possible on this device        HTTP 400
//	301  the device could not apply the setting                  HTTP 500
//
// These numbers are camward's own: nothing public tells those of real firmware, only "000 Success" is known. An error never
// contains the word "success", whatever was sent, since that word is what senders look for.
//
// The package checks no password; whoever serves the Handler does (package web, by digest). But a set form keeps out
// pages of other sites that a signed-in browser, or one on the device itself, has open.
package cgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// Bounds of a request, in bytes.
const (
	maxQuery = 4 << 10
	maxBody  = 64 << 10
)

// ErrValue is what Device.Apply wraps when the setting itself cannot be had on this device, such as a schedule
// that does not exist: the sender is told that its value is wrong, rather than that the device failed.
var ErrValue = errors.New("not possible on this device")

// A Device is what the forms set.
type Device interface {
	// Apply makes s the device's setting of its type, and keeps it over a restart. It is called for a setting that equals
	// the present one too, by one caller at a time, and returns once s is in force; on an error the setting
	// before is. It wraps ErrValue if s itself is at fault. Sender(ctx) tells who asks.
	Apply(ctx context.Context, s Setting) error
	// Settings returns the present settings. It is safe at any time, during Apply too.
	Settings() Settings
}

// Handler answers everything under /form/. One slash more in front, or one behind the form's name, is the same form.
// Safe for concurrent use.
type Handler struct {
	dev Device
	log *zap.Logger
	mu  sync.Mutex // held from reading the present settings to the end of Apply
}

// New returns a handler that sets dev.
func New(dev Device, log *zap.Logger) *Handler {
	return &Handler{dev: dev, log: log.Named("cgi")}
}

type senderKey struct{}

// Sender says who sent the request that led to an Apply: the client's network address, or "" for the agent
// itself, through Transport.
func Sender(ctx context.Context) string {
	s, _ := ctx.Value(senderKey{}).(string)
	return s
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	name, ok := formName(r.URL.Path)
	if get, there := getForms[name]; ok && there {
		h.get(w, r, get)
		return
	}
	set, there := setForms[name]
	if !ok || !there {
		answer(w, &fault{101, http.StatusNotFound, "no such form; there are " + strings.Join(formNames(), ", ")})
		return
	}
	if f := h.set(w, r, name, set); f != nil {
		answer(w, f)
		return
	}
	io.WriteString(w, success) //nolint:errcheck // the client has gone; the setting stands
}

const success = "000 Success\n"

// formName takes the form's name out of a path: "/form/setNtp", "//form/setNtp/".
func formName(path string) (string, bool) {
	if strings.HasPrefix(path, "//") {
		path = path[1:]
	}
	name, ok := strings.CutPrefix(path, "/form/")
	return strings.TrimSuffix(name, "/"), ok
}

func formNames() []string {
	return append(slices.Sorted(maps.Keys(setForms)), slices.Sorted(maps.Keys(getForms))...)
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request, form func(Settings) []field) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, &fault{102, http.StatusMethodNotAllowed, "this form is read by GET"})
		return
	}
	var b strings.Builder
	b.WriteString(success)
	for _, f := range form(h.dev.Settings()) {
		fmt.Fprintf(&b, "%s=%v\n", f.key, f.value)
	}
	io.WriteString(w, b.String()) //nolint:errcheck // the client has gone
}

// set reads a set form's request and applies it. It returns nil when the setting is in force.
func (h *Handler) set(w http.ResponseWriter, r *http.Request, name string, form setForm) *fault {
	if why := crossSite(r); why != "" {
		return &fault{103, http.StatusForbidden, why}
	}
	if !slices.Contains(form.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(form.methods, ", "))
		return &fault{102, http.StatusMethodNotAllowed, "this form is set by " + strings.Join(form.methods, " or ")}
	}
	in, f := read(w, r, form)
	if f != nil {
		return f
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s, f := form.setting(in, h.dev.Settings())
	if f != nil {
		return f
	}
	sender := r.RemoteAddr
	if host, _, err := net.SplitHostPort(sender); err == nil {
		sender = host
	}
	log := h.log.With(zap.String("form", name), zap.String("sender", sender))
	if unknown := in.unused(); len(unknown) > 0 {
		log.Debug("parameters ignored", zap.Strings("keys", unknown))
	}
	if err := h.dev.Apply(context.WithValue(r.Context(), senderKey{}, sender), s); err != nil {
		return applyFault(err, s)
	}
	log.Info("setting taken")
	return nil
}
