// Package agent puts the device together: for each camera a pipeline from capture to the spool, and
// for all of them one uploader, one poll of the cloud and one HTTP server. It is the only package that
// imports its siblings; they meet here through channels and small interfaces.
package agent

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"camward/board"
	"camward/camio"
	"camward/internal/supervise"
	"camward/provision"
	"camward/uploader"
	"camward/uploader/dropfolder"
	"camward/web"
)

// Agent is the whole device. Make one with New and Run it once.
type Agent struct {
	// FreshPassword is the text of a password that New had to make, to be shown to a person once; else empty.
	FreshPassword string

	cfg     *Loaded
	version string
	started time.Time
	id      board.Identity
	clock   *uploader.SystemClock
	spool   *lateSpool
	cameras []*pipeline
	folders []*dropfolder.Watcher
	poller  *provision.Poller
	web     *web.Server
	log     *zap.Logger
}

// New wires the agent; nothing is opened but the state directory, where a password is made if the HTTP
// server is to listen beyond the loopback.
func New(cfg *Loaded, version string, log *zap.Logger) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	base, err := camio.ParseBase(cfg.Cloud.URL)
	if err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg, version: version, started: time.Now(), clock: uploader.NewClock(), log: log}
	if a.id, err = board.Identify(cfg.Board, os.DirFS("/"), board.LocalAddress(base.Hostname())); err != nil {
		return nil, err
	}
	if a.spool, err = newLateSpool(cfg, base, a.clock, log); err != nil {
		return nil, err
	}
	for i, c := range cfg.Cameras {
		p, err := newPipeline(c, a.id.CameraID(i), a.spool, log)
		if err != nil {
			return nil, fmt.Errorf("camera %s: %w", c.Name, err)
		}
		a.cameras = append(a.cameras, p)
	}
	if err := a.newFolders(); err != nil {
		return nil, err
	}
	if err := a.newPoller(base); err != nil {
		return nil, err
	}
	if err := a.newWeb(); err != nil {
		// A damaged file or a disk that cannot be written must not stop the recording.
		log.Error("no HTTP server: it cannot have a password", zap.Error(err))
		a.cfg.Listen = ""
		return a, a.newWeb()
	}
	return a, nil
}

// The poll is short; what takes longer than this is dead.
const (
	pollConnect = 10 * time.Second
	pollIdle    = 30 * time.Second
)

func (a *Agent) newPoller(base *url.URL) error {
	transport, err := a.cfg.Cloud.transport().HTTP(pollConnect, pollIdle)
	if err != nil {
		return err
	}
	client, err := camio.NewClient(a.cfg.Cloud.URL, transport)
	if err != nil {
		return err
	}
	self := func() camio.Poll {
		p := camio.Poll{MAC: a.id.MAC, Maker: a.id.Maker, Model: a.id.Model}
		if ip := board.LocalAddress(base.Hostname()); ip != nil {
			p.LocalAddress = ip.String()
		}
		return p
	}
	a.poller, err = provision.New(a.cfg.Cloud.Poll, provision.Deps{Cloud: client, Self: self, Seen: a.clock.Observe, Log: a.log})
	return err
}

func (a *Agent) newWeb() (err error) {
	cfg := web.Config{Listen: a.cfg.Listen, StateDir: a.cfg.StateDir}
	var password *web.Password
	if cfg.Listen != "" && !cfg.Loopback() {
		if password, a.FreshPassword, err = web.LoadPassword(a.cfg.StateDir); err != nil {
			return err
		}
	}
	a.web, err = a.newServer(cfg, password)
	return err
}

// Run records, uploads and polls until ctx ends; it returns ctx's cause after everything has stopped and the
// clips being written are finished and queued. What may fail alone is restarted, so Run does not return while the
// device can do anything useful.
func (a *Agent) Run(ctx context.Context) error {
	a.log.Info("camward starts", zap.String("version", a.version), zap.String("mac", a.id.MAC),
		zap.String("maker", a.id.Maker), zap.String("model", a.id.Model), zap.Int("cameras", len(a.cameras)))
	warnPlainHTTP(a.cfg.Cloud.URL, a.log)
	g, ctx := errgroup.WithContext(ctx)
	keep := func(name string, run func(context.Context) error) {
		g.Go(func() error { return supervise.Keep(ctx, a.log, name, run) })
	}
	for _, p := range a.cameras {
		g.Go(func() error { return p.Run(ctx) })
	}
	a.watchFolders(keep)
	keep("uploader", a.spool.Run)
	keep("poll", a.poller.Run)
	keep("web", a.web.Run)
	err := g.Wait()
	if err := a.spool.Close(); err != nil {
		a.log.Warn("spool not closed", zap.Error(err))
	}
	if ctx.Err() != nil {
		a.log.Info("camward stopped")
		return context.Cause(ctx)
	}
	return err
}

func warnPlainHTTP(cloudURL string, log *zap.Logger) {
	u, err := url.Parse(cloudURL)
	if err != nil || u.Scheme != "http" {
		return
	}
	if ip := board.LocalAddress(u.Hostname()); ip == nil || !ip.IsLoopback() {
		log.Warn("cloud.url is plain http: recordings and the upload token can be read on the way")
	}
}
