package cloud

import (
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

type devicePage struct {
	layout
	Camera   *camera
	Watch    watchView
	MAC      string // canonical
	Device   *deviceView
	Online   bool
	Verdict  verdict
	Commands []commandView
	Uploaded time.Duration // since the last upload
	Stranger string        // address that polls with this MAC address and is not given the token, or that takes turns with the camera's
	Refused  bool          // it is not given the token
	Changes  changesView
}

// verdict is what a person sees at a glance. Class is one of the style sheet's: good, bad, wait or off.
type verdict struct{ Class, Title, Text string }

// commandView is a command for the eye.
type commandView struct {
	told
	Title, Purpose string
	Verdict        verdict
	Reported       bool
	When           time.Time // of the answer
}

var commandTitles = map[string][2]string{
	"ping":     {"Poll", "Where and how often the camera asks for its configuration."},
	"time":     {"Clock", "The time server that the camera sets its clock by."},
	"ftpAlarm": {"Upload by FTP", "Where the camera sends pictures when something moves."},
	"upload":   {"Upload by HTTP", "Where the camera sends clips and pictures when something moves."},
	"zones":    {"Motion zones", "Where in the picture motion counts."},

	"timeMode":     {"Clock by network", "That the camera sets its clock by a time server at all."},
	"motion":       {"Motion detection", "That the camera's own firmware looks for motion."},
	"motionUpload": {"Pictures on motion", "That the camera sends pictures when its firmware sees motion."},
}

// devicePage shows what a camera was told and what it made of it.
func (s *Server) devicePage(w http.ResponseWriter, r *http.Request) error {
	acc, l, err := s.signedIn(r, "Camera")
	if err != nil {
		return err
	}
	cam, mac, err := s.ownDevice(r, acc)
	if err != nil {
		return err
	}
	d := devicePage{layout: l, Camera: cam, MAC: mac, Online: s.online(cam)}
	d.Title = cam.Name
	if d.Watch, err = s.watchView(r, cam); err != nil {
		return err
	}
	if d.Changes, err = s.changesView(r, cam); err != nil {
		return err
	}
	dev, err := optional(deviceByMAC(r.Context(), s.store.r, mac))
	if err != nil {
		return err
	}
	list, err := toldCommands(r.Context(), s.store.r, mac)
	if err != nil {
		return err
	}
	for _, t := range list {
		d.Commands = append(d.Commands, viewCommand(t))
	}
	if !cam.Uploaded.IsZero() {
		d.Uploaded = s.now().Sub(cam.Uploaded)
	}
	if dev != nil {
		d.Device = s.deviceView(dev)
		if s.now().Sub(dev.OtherPoll) <= claimWindow {
			d.Stranger, d.Refused = addrText(dev.Other), s.cfg.TokenToFirstAddress && !sameSource(dev.Trusted, dev.Other)
		}
	}
	d.Verdict = s.judge(&d)
	return s.pages.render(w, http.StatusOK, "device", d)
}

// ownDevice finds the camera that the path's device was claimed for, if that is the account's. Whose other devices are is not
// told: they are as absent as those that never were.
func (s *Server) ownDevice(r *http.Request, acc *account) (*camera, string, error) {
	mac, err := pathMAC(r)
	if err != nil {
		return nil, "", err
	}
	cam, err := cameraByMAC(r.Context(), s.store.r, mac)
	if err == nil && cam.Account != acc.ID {
		err = errNotFound
	}
	return cam, mac, err
}

// judge sums the page up in one line.
func (s *Server) judge(d *devicePage) verdict {
	by := map[string][]string{} // titles of commands by the class of their state
	for _, c := range d.Commands {
		by[c.Verdict.Class] = append(by[c.Verdict.Class], c.Title)
	}
	n, good := len(d.Commands), len(by["good"])
	switch {
	case d.Device == nil:
		return verdict{"wait", "Waiting for its first poll", "Plug the camera in. It is told its configuration as soon as it asks; this page renews itself."}
	case d.Device.Ago > s.cfg.Online:
		return verdict{"bad", "Silent", "It asked " + ago(d.Device.Ago) + " for the last time. Is it switched on and in the network?"}
	case d.Camera.isLost():
		return verdict{"bad", "Camera lost", "The agent is there and gets no pictures. Is the camera plugged in? It is looked for all the time, and found by itself."}
	case by["bad"] != nil:
		return verdict{"bad", "Set-up failed", "Did not work: " + strings.Join(by["bad"], ", ") + ". See below what the camera answered."}
	case by["wait"] != nil:
		return verdict{"wait", "Setting up", "Not in force yet: " + strings.Join(by["wait"], ", ") + "."}
	case good == 0 && strings.HasPrefix(d.Device.UserAgent, "camward"):
		return verdict{"wait", "Told", "The camera was told its configuration and has not said yet what became of it."}
	case good == 0:
		return verdict{"off", "Told", "The camera asks for its configuration. Its firmware does not report what it made of it: " + uploadEvidence(d)}
	case good < n:
		return verdict{"wait", "Setting up", "Not heard of yet: " + strings.Join(by["off"], ", ") + "."}
	}
	return verdict{"good", "Set up", fmt.Sprintf("All %d settings are in force.", n)}
}

func uploadEvidence(d *devicePage) string {
	if d.Camera.Uploaded.IsZero() {
		return "the first picture will show that it works."
	}
	return "its last picture came " + ago(d.Uploaded) + "."
}

// viewCommand words a command's state.
func viewCommand(t told) commandView {
	v := commandView{told: t}
	title := commandTitles[t.ID]
	v.Title, v.Purpose = or(title[0], t.ID), title[1]
	if t.Result == nil {
		v.Verdict = verdict{"off", "told", ""}
		return v
	}
	v.Reported, v.When = true, t.Result.At.Time
	if v.When.IsZero() || v.When.After(t.Received) {
		v.When = t.Received
	}
	switch t.Result.State {
	case camio.StateApplied:
		v.Verdict = verdict{"good", "in force", ""}
	case camio.StateRolledBack:
		v.Verdict = verdict{"bad", "rolled back", "The camera could not reach the new server and went back to what worked before."}
	case camio.StateRefused:
		v.Verdict = verdict{"bad", "refused", "The camera's policy or its list of allowed calls refuses it."}
	case camio.StateWaiting:
		v.Verdict = verdict{"wait", "waits for approval", "Somebody has to approve it on the camera: camward commands approve " + t.ID}
	case camio.StateConfirming:
		v.Verdict = verdict{"wait", "being confirmed", "It is applied; the camera has still to reach the new server."}
	case camio.StatePending:
		v.Verdict = verdict{"wait", "pending", "It is not applied yet."}
		if t.Result.HTTPStatus != 0 || t.Result.Answer != "" {
			v.Verdict = verdict{"bad", "failed", "It did not work; the camera tries again."}
		}
	default:
		v.Verdict = verdict{"wait", t.Result.State, ""}
	}
	return v
}

// ago words how long something is past.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}

// releaseDevice gives the device up. The camera and its events stay.
func (s *Server) releaseDevice(w http.ResponseWriter, r *http.Request) error {
	acc, _, err := s.signedIn(r, "Camera")
	if err != nil {
		return err
	}
	_, mac, err := s.ownDevice(r, acc)
	if err != nil {
		return err
	}
	if err := s.store.write(r.Context(), func(tx *sql.Tx) error { return release(r.Context(), tx, acc.ID, mac) }); err != nil {
		return err
	}
	s.lives.recheck(acc.ID)
	s.log.Info("released", zap.String("mac", mac), zap.String("user", acc.UserID))
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// trustAddress gives the token to the address that polled last.
func (s *Server) trustAddress(w http.ResponseWriter, r *http.Request) error {
	acc, _, err := s.signedIn(r, "Camera")
	if err != nil {
		return err
	}
	_, mac, err := s.ownDevice(r, acc)
	if err != nil {
		return err
	}
	// The address that the person saw, not another that has polled since.
	want := r.PostFormValue("address")
	err = s.store.write(r.Context(), func(tx *sql.Tx) error {
		d, err := deviceByMAC(r.Context(), tx, mac)
		if err != nil {
			return err
		}
		if addrText(d.Other) != want {
			return refuse(http.StatusConflict, "Meanwhile another address has asked. Go back and look again.")
		}
		return trust(r.Context(), tx, mac, d.Other)
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/devices/"+mac, http.StatusSeeOther)
	return nil
}
