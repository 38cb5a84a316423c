package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"camward/agent"
)

func statusVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	asJSON := fs.Bool("json", false, "print everything as JSON")
	return func(_ context.Context, _ []string, std stdio) error {
		cfg, err := c.load()
		if err != nil {
			return fmt.Errorf("%w: %w", errMisused, err)
		}
		s, err := agent.RunningStatus(cfg)
		if err != nil {
			return notRunning(err)
		}
		if *asJSON {
			return printJSON(std.out, s)
		}
		printStatus(cfg, s, std.out)
		return nil
	}
}

// printStatus tells what a person on a ladder wants to know, a line each.
func printStatus(cfg *agent.Loaded, s agent.Status, w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", plainLine(what), plainLine(fmt.Sprintf(format, args...)))
	}
	line("camward", "%s, up %v", s.Version, (time.Duration(s.Uptime) * time.Second).String())
	line("device", "%s %s, MAC %s", s.Identity.Maker, s.Identity.Model, s.Identity.MAC)
	line("cloud", "%s", cloudLine(cfg.Cloud.URL, s))
	if s.Page.Address != "" {
		line("page", "%s", pageLine(s.Page))
	}
	if s.Page.Fingerprint != "" {
		line("certificate", "SHA-256 %s", s.Page.Fingerprint)
	}
	for _, c := range s.Cameras {
		line("camera "+c.Name, "%s", cameraLine(c))
	}
	if len(s.Cameras) > 0 {
		line("live view", "%s", liveLine(s))
	}
	for _, f := range s.Folders {
		line("folder "+f.Dir, "%s", folderLine(f.Present, f.Taken, f.Waiting, f.Refused, f.LastError))
	}
	line("spool", "%s", spoolLine(s))
	line("uploads", "%s", uploadLine(s))
	if s.MQTT != nil && !s.MQTT.Connected {
		line("mqtt", "NOT CONNECTED: %s", s.MQTT.LastError)
	} else if s.MQTT != nil {
		line("mqtt", "connected %s", ago(s.MQTT.Since))
	}
	for _, c := range s.Poll.Commands {
		answer := firstLine(c.Answer)
		if c.Error != "" {
			answer = firstLine(c.Error)
		}
		line("command "+c.ID, "%s; %s", strings.ReplaceAll(c.State, "_", " "), answer)
	}
	for _, f := range s.Settings {
		line("set "+f.Form, "%s (by %s, %s)", f.Value, f.By, ago(f.At))
	}
	t.Flush()
}

func cloudLine(url string, s agent.Status) string {
	switch {
	case s.Poll.Error != "":
		return fmt.Sprintf("%s does not answer as it should: %s; last answer %s", url, s.Poll.Error, ago(s.Poll.LastOK))
	case s.Poll.LastOK.IsZero():
		return url + ", no answer yet"
	case s.Poll.Claimed:
		return fmt.Sprintf("%s answered %s; claimed", url, ago(s.Poll.LastOK))
	}
	return fmt.Sprintf("%s answered %s; not claimed (camward claim)", url, ago(s.Poll.LastOK))
}

func pageLine(p agent.PageStatus) string {
	out := "http://" + reachable(p.Address)
	if p.HTTPS != "" {
		out += ", https://" + reachable(p.HTTPS)
	}
	if p.Name != "" {
		out += ", announced as " + p.Name
	}
	return out
}

// reachable is a listener's address as a browser can use it: one on all of the device's addresses is shown with the first that others can
// reach.
func reachable(listener string) string {
	host, port, _ := net.SplitHostPort(listener)
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		return listener
	}
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return net.JoinHostPort(n.IP.String(), port)
		}
	}
	return listener
}

// liveLine tells who watches, and whether the cloud can hand viewers on.
func liveLine(s agent.Status) string {
	viewers := 0
	for _, c := range s.Live.Cameras {
		viewers += c.Viewers
	}
	out := count(viewers, "viewer", "viewers")
	for _, c := range s.Cameras {
		switch {
		case c.Relay.Connected:
			out += fmt.Sprintf("; %s can be watched through the cloud", c.Name)
		case c.Relay.LastError != "":
			out += fmt.Sprintf("; %s not through the cloud: %s", c.Name, c.Relay.LastError)
		}
	}
	return out
}

func cameraLine(c agent.CameraStatus) string {
	if !c.Capture.Running {
		why := c.Capture.LastError
		if why == "" {
			why = "no pictures"
		}
		return "NOT RUNNING: " + why
	}
	f := c.Capture.Format
	state := "still"
	if c.Motion.Moving {
		state = "motion"
	}
	if c.Clip.Recording {
		state += ", recording"
	}
	out := fmt.Sprintf("%v, %d pictures, %d lost; %s; %s of motion, %s", f, c.Capture.Frames, c.Capture.Drops,
		state, count(int(c.Motion.Events), "stretch", "stretches"), count(int(c.Clip.Clips), "clip", "clips"))
	var scenes []string
	for name, n := range c.Motion.ScenesNamed {
		scenes = append(scenes, fmt.Sprintf("%s %d", name, n))
	}
	if slices.Sort(scenes); len(scenes) > 0 {
		out += "; the whole picture changed: " + strings.Join(scenes, ", ")
	}
	if c.Capture.Reduced != "" {
		out += "; REDUCED: " + c.Capture.Reduced
	}
	return out
}

func folderLine(present bool, taken uint64, waiting, refused int, fault string) string {
	if !present {
		return "NOT THERE " + fault
	}
	return strings.TrimSpace(fmt.Sprintf("%d files taken, %d wait, %d refused %s", taken, waiting, refused, fault))
}

func spoolLine(s agent.Status) string {
	if s.Spool != "" {
		return "NOT USABLE: " + s.Spool
	}
	u := s.Uploader
	out := fmt.Sprintf("%s, %s of %s", count(u.Queued, "item", "items"), size(u.SpoolBytes), size(u.SpoolMaxBytes))
	if u.Queued > 0 {
		out += fmt.Sprintf("; the oldest waits since %v", (time.Duration(u.OldestSeconds) * time.Second).String())
	}
	if u.Quarantined > 0 {
		out += fmt.Sprintf("; %d refused by the cloud for good (camward spool)", u.Quarantined)
	}
	if n := u.Dropped; len(n) > 0 {
		out += fmt.Sprintf("; dropped for want of room: %v", n)
	}
	return out
}

func uploadLine(s agent.Status) string {
	u := s.Uploader
	out := fmt.Sprintf("%s, %s", count(int(u.Sent), "item", "items"), size(u.SentBytes))
	if u.LastSuccess != nil {
		out += "; last " + ago(*u.LastSuccess)
	}
	if u.Paused != "" {
		out += "; PAUSED: " + u.Paused
	}
	if u.LastError != "" {
		out += "; " + u.LastError
	}
	return out
}
