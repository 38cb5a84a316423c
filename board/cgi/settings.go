package cgi

import (
	"net/url"
	"strings"
	"time"

	"camward/camio"
)

// A Setting is what one set form changes: a Period, NTP, FTPAlarm, HTTPAlarm or Zones, each as a value. It is
// complete: what the request left out is filled in, so a Setting replaces the one of its type.
type Setting interface{ setting() }

// Settings is everything that the get forms tell.
type Settings struct {
	Period    Period
	NTP       NTP
	FTPAlarm  FTPAlarm
	HTTPAlarm HTTPAlarm
	Zones     Zones
	Info      Info
}

// Info is what getDeviceInfo tells of the device. Empty fields are shown as empty.
type Info struct {
	MAC      string // 12 upper-case hex digits
	Maker    string
	Model    string
	Serial   string
	Firmware string // version
	LocalIP  string
	Camera   string // the name that the cloud gave the first camera
}

// A Schedule restricts sending to the hours of one of the device's numbered schedules.
type Schedule struct {
	Enabled bool // SCHED; false: always
	ID      int  // SCHEDID, 0..16; kept while Enabled is false
}

// A Period is how often and where the device asks for its configuration.
type Period struct {
	Enabled  bool
	URL      string        // URL: the template as it came, byte for byte, with $(hwaddr) and $(localip); printable ASCII, at most 2 KiB, no user, no fragment
	Every    time.Duration // HOUR, MIN, SEC: 5 s to 24 h
	Schedule Schedule
	Auth     bool // AUTH: User and Password are sent with the poll
	User     string
	Password camio.Secret
}

// Target is the template with the device's MAC address and local address put in, percent-encoded where a query
// needs it. It has a scheme only if the template has one.
func (p Period) Target(mac, ip string) string {
	return strings.NewReplacer("$(hwaddr)", url.QueryEscape(mac), "$(localip)", url.QueryEscape(ip)).Replace(p.URL)
}

// Candidates are the addresses to poll, the one to try first in front: HTTPS, then plain HTTP if allowHTTP, for a
// template without a scheme; otherwise the template's own. It is empty if that is plain HTTP and not allowed.
func (p Period) Candidates(mac, ip string, allowHTTP bool) []string {
	t := p.Target(mac, ip)
	scheme, rest := splitScheme(t)
	switch {
	case t == "" || scheme == "http" && !allowHTTP:
		return nil
	case scheme != "":
		return []string{scheme + "://" + rest}
	case allowHTTP:
		return []string{"https://" + rest, "http://" + rest}
	}
	return []string{"https://" + rest}
}

// splitScheme cuts a leading "http://" or "https://", in any case, off an address; scheme is in lower case.
func splitScheme(s string) (scheme, rest string) {
	for _, scheme := range []string{"http", "https"} {
		n := len(scheme) + len("://")
		if len(s) >= n && strings.EqualFold(s[:n], scheme+"://") {
			return scheme, s[n:]
		}
	}
	return "", s
}

// NTP is where the device takes its time from.
type NTP struct {
	Enabled bool
	Server  string // host name or address
}

// FTPAlarm is the upload of motion by FTP.
type FTPAlarm struct {
	Enabled    bool
	Server     string       // host name or address
	Port       int          // 1..65535; default 21
	Auth       bool         // AUTH; false: anonymous, and User and Password are empty
	User       camio.Secret // the upload token, so a secret too
	Password   camio.Secret
	RemotePath string        // directory on the server; no ".." in it; may be empty
	Stream     int           // STREAMID: 0 primary, 1 secondary, 2 mobile
	After      time.Duration // DURATION: how long to go on after the motion stopped, 0 s to 1 h; default 1 s
	Rate       int           // FRAMERATE: pictures a second, 1..30; default 1
	Quiet      time.Duration // INTERVAL: silence after a set of pictures, 0 s to 24 h
	Schedule   Schedule
}

// HTTPAlarm is the upload of motion by the cloud's own API.
type HTTPAlarm struct {
	Enabled bool
	Mode    camio.UploadMode // MODE; default video
	Base    *url.URL         // the server, for camio.NewClient: what stands before "/api/users/". Not to be changed; nil if never set
	Token   camio.Secret     // the upload token
	Camera  string           // the camera's name, decoded
}

// Zones are the parts of the picture that count, or don't. Empty: all of it.
type Zones struct {
	Zones []camio.Zone // not to be changed
}

func (Period) setting()    {}
func (NTP) setting()       {}
func (FTPAlarm) setting()  {}
func (HTTPAlarm) setting() {}
func (Zones) setting()     {}
