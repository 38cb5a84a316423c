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
	"camward/board/cgi"
	"camward/board/ntp"
	"camward/camio"
	"camward/codec/h264"
	"camward/codec/h264/m2m"
	"camward/internal/supervise"
	"camward/live"
	"camward/live/relay"
	"camward/provision"
	"camward/uploader"
	"camward/uploader/dropfolder"
	"camward/video"
	"camward/web"
	"camward/web/mdns"
	"camward/web/mqtt"
)

// Agent is the whole device. Make one with New and Run it once.
type Agent struct {
	// FreshPassword is the text of a password that New had to make, to be shown to a person once; else empty.
	FreshPassword string

	cfg      *Loaded
	version  string
	started  time.Time
	id       board.Identity
	clock    *uploader.SystemClock
	spool    *lateSpool
	traces   *traceStore
	encode   h264.Factory
	cameras  []*pipeline
	folders  []*dropfolder.Watcher
	base     *url.URL      // of the configured cloud
	cloud    *camio.Client // the configured one
	live     *live.Server
	relays   []*relay.Client // by camera
	mdns     *mdns.Responder // nil: nothing is announced
	mqtt     *mqtt.Client    // nil: no broker
	uploads  *uploads
	poller   *provision.Poller
	device   *device
	forms    *cgi.Handler
	vendor   vendor
	ntp      *ntp.Service
	led      *board.LED
	watchdog *board.Watchdog
	web      *web.Server
	log      *zap.Logger
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
	log = newLogRing().tee(log)
	a := &Agent{cfg: cfg, version: version, started: time.Now(), base: base, clock: uploader.NewClock(), log: log}
	if a.id, err = board.Identify(cfg.Board.Config, os.DirFS("/"), board.LocalAddress(base.Hostname())); err != nil {
		return nil, err
	}
	a.uploads = newUploads(a.id.MAC, log)
	a.spool = newLateSpool(cfg, a.uploads, a.clock, log)
	a.traces = newTraceStore(cfg.Traces, cfg.StateDir, a.clock.Wall, log)
	if err := a.newCameras(); err != nil {
		return nil, err
	}
	if err := a.newFolders(); err != nil {
		return nil, err
	}
	if err := a.newLive(); err != nil {
		return nil, err
	}
	if err := a.newRelays(); err != nil {
		return nil, err
	}
	if err := a.newAnnouncements(); err != nil {
		return nil, err
	}
	if err := a.newPoller(); err != nil {
		return nil, err
	}
	if err := a.newBoard(); err != nil {
		return nil, err
	}
	ways, err := a.configuredWays()
	if err != nil {
		return nil, err
	}
	a.setWays(ways)
	if err := a.newWeb(); err != nil {
		// A damaged file or a disk that cannot be written must not stop the recording.
		log.Error("no HTTP server: it cannot have a password", zap.Error(err))
		a.cfg.Listen, a.cfg.ListenHTTPS, a.mdns = "", "", nil // there is nothing to announce
		return a, a.newWeb()
	}
	return a, nil
}

// newCameras wires the pipelines. They share the board's one hardware encoder, and what is known of it.
func (a *Agent) newCameras() error {
	a.encode = m2m.ForBoard(a.log).NewEncoder
	shared := newMemory(a.cfg.Memory, a.cfg.Cameras, os.DirFS("/"), a.log)
	for i, c := range a.cfg.Cameras {
		c.Clip.RingBytes = shared.ring(c.Clip.RingBytes)
		err := a.boardPictures(&c)
		var p *pipeline
		if err == nil {
			p, err = newPipeline(c, a.id.CameraID(i), a.spool, a.log)
		}
		if err != nil {
			return fmt.Errorf("camera %s: %w", c.Name, err)
		}
		p.traces = newTraceKeeper(c.Name, a.cfg.Traces.Last, a.traces.take)
		p.recorder.SetEncoder(a.encode)
		p.recorder.SetClock(a.clock.Wall)
		p.recorder.SetKeyRequest(p.RequestKey)
		p.granted = func(f video.Format) { shared.granted(i, f) }
		a.cameras = append(a.cameras, p)
	}
	return nil
}

// The poll is short; what takes longer than this is dead.
const (
	pollConnect = 10 * time.Second
	pollIdle    = 30 * time.Second
)

func (a *Agent) newWeb() (err error) {
	cfg := web.Config{Listen: a.cfg.Listen, HTTPS: a.cfg.httpsAddress(), Names: []string{a.hostName() + ".local"}, StateDir: a.cfg.StateDir}
	password, err := a.password(cfg)
	if err != nil {
		return err
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
	a.device.load(ctx)
	g, ctx := errgroup.WithContext(ctx)
	keep := func(name string, run func(context.Context) error) {
		g.Go(func() error { return supervise.Keep(ctx, a.log, name, run) })
	}
	for _, p := range a.cameras {
		g.Go(func() error { return p.Run(ctx) })
	}
	a.watchFolders(keep)
	keep("traces", a.traces.Run)
	keep("uploader", a.spool.Run)
	keep("poll", a.poller.Run)
	keep("release", a.watchRelease)
	keep("live", a.live.Run)
	a.keepRelays(keep)
	a.keepAnnouncements(keep)
	if a.cfg.Board.Time == followTime {
		keep("time", a.ntp.Run)
	}
	keep("light", a.light)
	g.Go(func() error { return a.watchdog.Run(ctx) })
	keep("web", a.web.Run)
	err := g.Wait()
	a.traces.drain()
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
