package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/board"
	"camward/board/cgi"
	"camward/camio"
	"camward/clip"
	"camward/live/relay"
	"camward/uploader/ftpstore"
	"camward/uploader/httpstore"
)

// enforce makes one setting hold now.
func (d *device) enforce(ctx context.Context, s cgi.Setting) error {
	switch s := s.(type) {
	case cgi.Period:
		return d.agent.pollAs(s)
	case cgi.NTP:
		switch {
		case d.agent.cfg.Board.Time == leaveTime:
			d.log.Info("the clock is left alone (board.time)", zap.String("server", s.Server))
			return nil
		case !s.Enabled:
			return d.agent.ntp.Set(ctx, "")
		}
		return d.agent.ntp.Set(ctx, s.Server)
	case cgi.FTPAlarm, cgi.HTTPAlarm:
		return d.agent.uploadAs(d.alarms())
	case cgi.Zones:
		if err := d.detect(0); err != nil {
			return fmt.Errorf("%w: %w", cgi.ErrValue, err)
		}
		return nil
	}
	return fmt.Errorf("%w: a setting of type %T", cgi.ErrValue, s)
}

// revert makes the configuration's value hold instead of a setting that is forgotten or could not be kept.
func (d *device) revert(ctx context.Context, was cgi.Setting) error {
	switch was.(type) {
	case cgi.Period:
		return d.agent.pollAs(cgi.Period{})
	case cgi.FTPAlarm, cgi.HTTPAlarm:
		return d.agent.uploadAs(d.alarms())
	case cgi.NTP:
		return d.enforce(ctx, cgi.NTP{})
	case cgi.Zones:
		return d.detect(0)
	}
	return nil
}

func (d *device) alarms() (cgi.FTPAlarm, cgi.HTTPAlarm) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept.ftp(), d.kept.http()
}

// pollAs moves the poll to where p says, and back to the configured cloud if p is not enabled. If nothing answers there, others are asked.
func (a *Agent) pollAs(p cgi.Period, others ...*camio.Client) error {
	if !p.Enabled {
		a.poller.SetCloud(a.cloud)
		return a.poller.SetPeriod(a.cfg.Cloud.Poll.Period)
	}
	switch {
	case p.Schedule.Enabled:
		return fmt.Errorf("%w: the poll follows no schedule; SCHED must be 0", cgi.ErrValue)
	case p.Every > time.Hour:
		return fmt.Errorf("%w: a poll every %v is too rare for a camera to count as online; at most 1h", cgi.ErrValue, p.Every)
	}
	bases, err := a.pollBases(p)
	if err != nil {
		return err
	}
	if len(bases) == 1 && bases[0] == a.base.String() && !p.Auth {
		a.poller.SetCloud(a.cloud)
		return a.poller.SetPeriod(p.Every)
	}
	cloud := &movedCloud{}
	for _, base := range bases {
		rt, err := a.cfg.Cloud.transport().HTTP(pollConnect, pollIdle)
		if err != nil {
			return err
		}
		var through http.RoundTripper = rt
		if p.Auth {
			through = basicAuth{rt, p.User, p.Password}
		}
		client, err := camio.NewClient(base, through)
		if err != nil {
			return fmt.Errorf("%w: URL: %w", cgi.ErrValue, err)
		}
		cloud.clients = append(cloud.clients, client)
	}
	cloud.clients, cloud.unsure = append(cloud.clients, others...), len(others) > 0
	a.poller.SetCloud(cloud)
	return a.poller.SetPeriod(p.Every)
}

// pollBases are the servers that a poll address means, the one to try first in front: what stands before /api/cameras/. An
// address without a scheme at the configured cloud means exactly that one.
func (a *Agent) pollBases(p cgi.Period) (bases []string, err error) {
	for _, target := range p.Candidates(a.id.MAC, a.localIP(), a.allowsHTTP()) {
		base, _, ok := strings.Cut(target, "/api/cameras/")
		if !ok {
			return nil, fmt.Errorf("%w: URL: there is no /api/cameras/ in it", cgi.ErrValue)
		}
		if u, err := camio.ParseBase(base); err == nil && u.Host == a.base.Host && u.Path == a.base.Path {
			return []string{a.base.String()}, nil
		}
		bases = append(bases, base)
	}
	if len(bases) == 0 {
		return nil, fmt.Errorf("%w: URL: plain http is only for a device whose cloud.url is plain http too", cgi.ErrValue)
	}
	return bases, nil
}

// allowsHTTP reports whether the configuration itself does without TLS.
func (a *Agent) allowsHTTP() bool { return a.base.Scheme == "http" }

func (a *Agent) localIP() string {
	if ip := board.LocalAddress(a.base.Hostname()); ip != nil {
		return ip.String()
	}
	return ""
}

// A movedCloud is polled at the first of its addresses that answers at all, or if it is unsure, as a cloud does; it stays with that one.
type movedCloud struct {
	unsure bool

	mu      sync.Mutex
	clients []*camio.Client
}

// Poll implements provision.Cloud.
func (c *movedCloud) Poll(ctx context.Context, p camio.Poll) (reply *camio.PollReply, date time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, client := range c.clients {
		reply, date, err = client.Poll(ctx, p)
		if !date.IsZero() && !c.unsure || err == nil {
			c.clients = c.clients[i : i+1]
			break
		}
	}
	return reply, date, err
}

// basicAuth sends credentials with each request (RFC 7617).
type basicAuth struct {
	http.RoundTripper
	user     string
	password camio.Secret
}

// RoundTrip implements http.RoundTripper.
func (b basicAuth) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(b.user, b.password.Reveal())
	return b.RoundTripper.RoundTrip(r)
}

// uploadAs sends recordings where the forms say: by HTTP, by FTP, by HTTP with FTP behind it, or as configured if neither is
// enabled.
func (a *Agent) uploadAs(f cgi.FTPAlarm, h cgi.HTTPAlarm) error {
	var ways []way
	var alarm clip.Alarm
	if h.Enabled {
		w, err := a.httpWay(h)
		if err != nil {
			return err
		}
		ways = append(ways, w)
	}
	if f.Enabled {
		w, err := a.ftpWay(f)
		if err != nil {
			return err
		}
		ways = append(ways, w)
		alarm = clip.Alarm{After: f.After, Every: time.Second / time.Duration(max(f.Rate, 1)), Quiet: f.Quiet}
	}
	if len(ways) == 0 {
		var err error
		if ways, err = a.configuredWays(); err != nil {
			return err
		}
	}
	for _, p := range a.cameras {
		p.recorder.SetAlarm(alarm)
		p.setSchedule(a.cfg.Schedules.find(f))
	}
	a.setWays(ways)
	a.spool.resume()
	return nil
}

func (a *Agent) httpWay(h cgi.HTTPAlarm) (way, error) {
	if h.Base == nil || h.Base.Host == "" {
		return way{}, fmt.Errorf("%w: URL: there is no server in it", cgi.ErrValue)
	}
	if h.Base.Scheme == "http" && !a.allowsHTTP() {
		return way{}, fmt.Errorf("%w: URL: plain http is only for a device whose cloud.url is plain http too", cgi.ErrValue)
	}
	if h.Mode == camio.UploadImage && len(a.cfg.Cameras) > 0 && a.cfg.Cameras[0].Clip.Mode != camio.UploadImage {
		return way{}, fmt.Errorf("%w: MODE=image: the camera records clips; set cameras[0].clip.mode to image", cgi.ErrValue)
	}
	cfg := a.cfg.Cloud.httpStore(h.Base.String(), a.clock.Observe)
	cfg.Token = h.Token
	store, err := httpstore.New(cfg)
	return way{store, h.Camera, relay.Target{URL: h.Base, Token: h.Token}}, err
}

// ftpWay uploads into the directory that the form names: its last element stands for the first camera, and the others have theirs
// beside it.
func (a *Agent) ftpWay(f cgi.FTPAlarm) (way, error) {
	if f.Stream != 0 {
		return way{}, fmt.Errorf("%w: STREAMID=%d: there is one stream, 0", cgi.ErrValue, f.Stream)
	}
	if f.Schedule.Enabled && a.cfg.Schedules.find(f) == nil {
		return way{}, fmt.Errorf("%w: SCHEDID=%d: schedules has none of this number", cgi.ErrValue, f.Schedule.ID)
	}
	dir, camera := path.Split(strings.Trim(f.RemotePath, "/"))
	if strings.ContainsAny(dir, "{}") {
		return way{}, fmt.Errorf("%w: REMOTEPATH: braces in a directory's name", cgi.ErrValue)
	}
	cfg := a.ftpTarget(f.Server, f.Port, f.User, f.Password)
	cfg.Directory = path.Join(dir, "{camera}")
	store, err := ftpstore.New(cfg)
	if err != nil {
		return way{}, fmt.Errorf("%w: %w", cgi.ErrValue, err)
	}
	return way{store: store, camera: camera}, nil
}

// ftpTarget is an FTP server that a command names. It is spoken to as the configuration says: with TLS, unless that is switched off.
func (a *Agent) ftpTarget(host string, port int, user, password camio.Secret) ftpstore.Config {
	if port == 0 {
		port = 21
	}
	cfg := a.cfg.Cloud.ftpStore()
	cfg.Address, cfg.User, cfg.Password = net.JoinHostPort(host, fmt.Sprint(port)), user, password
	if user == "" {
		cfg.User = "anonymous"
	}
	return cfg
}

// configuredWays is what the file says; a camera without an upload token has none.
func (a *Agent) configuredWays() ([]way, error) {
	if a.cfg.Cloud.UploadToken.Reveal() == "" && (a.cfg.Cloud.Upload != "ftp" || a.cfg.Cloud.FTP.User.Reveal() == "") {
		return nil, nil
	}
	store, err := newStore(a.cfg.Cloud, a.base, a.clock)
	if err != nil {
		return nil, err
	}
	w := way{store: store}
	if a.cfg.Cloud.UploadToken.Reveal() != "" {
		w.live = relay.Target{URL: a.base, Token: a.cfg.Cloud.UploadToken}
	}
	return []way{w}, nil
}

// errNotReached is why a change is not confirmed yet.
var errNotReached = errors.New("the new server has not answered yet")

// checkUpload asks a server whether it knows the token that it is to take uploads with, both as an upload address has them.
func (a *Agent) checkUpload(ctx context.Context, target string) error {
	base, rest, ok := strings.Cut(target, "/api/users/")
	segment, _, _ := strings.Cut(rest, "/")
	text, err := url.PathUnescape(segment)
	if !ok || err != nil || text == "" {
		return errors.New("URL is no upload address")
	}
	c := a.cfg.Cloud
	c.URL = base
	client, _, err := c.client()
	if err != nil {
		return err
	}
	_, err = client.TokenHint(ctx, camio.Secret(text))
	return err
}

// checkFTP logs in.
func checkFTP(ctx context.Context, cfg ftpstore.Config) error {
	store, err := ftpstore.New(cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	return store.Check(ctx)
}
