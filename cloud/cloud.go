// Package cloud is the paired server of the Camio API: it takes uploads, groups them into events, answers the
// search, serves content with ranges, tells polling cameras their configuration, and shows all of that on its own
// pages. It carries the signalling of live view to the cameras, and relays their pictures where there is no other way. Storage is embedded: one SQLite database and the uploaded files below one directory.
//
// The specification is Camio's API document of 2015; where it is silent, the doc comments say which reading
// is taken.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"camward/camio/profile"
	"camward/cloud/ftpd"
)

// Config says where a Server keeps its data and how it is reached. Data and Log are required; every zero
// value stands for the default in its comment.
type Config struct {
	Data      string        // directory of the database and the content; made with mode 0700 if absent
	Listen    string        // address for Run; 127.0.0.1:8080
	BaseURL   string        // where browsers and cameras reach the server, e.g. https://cam.example.org; the request's Host if empty
	MaxUpload int64         // bytes of one upload; 512 MiB
	Online    time.Duration // a camera is online this long after its last poll or upload; 120 s, or four poll periods
	FTPHost   string        // told to cameras in the ftpAlarm command; with FTPListen: FTPPublic, or the host of BaseURL. Without either they are told none
	FTPPort   int           // the port of FTPListen, or 21

	Profiles   string        // YAML file of makers' dialects beside or in place of those of profile.Builtin; none if empty
	NTPServer  string        // told to cameras; time.nist.gov
	PollPeriod time.Duration // told to cameras, in whole seconds from 5 s to a day; 30 s

	// TokenToFirstAddress answers a claimed camera's poll with the upload token only where it comes from the address (for
	// IPv6: the /64) that first polled, or that polled last before the claim. Anyone who knows a MAC address can poll; with a camera
	// whose address changes, its owner has to confirm the new one on its page.
	TokenToFirstAddress bool
	ClaimFrom           ClaimFrom // ClaimNearby

	TrustedProxies []netip.Prefix // reverse proxies whose X-Forwarded-For is believed; without, all their clients count as one address

	FTPListen       string // address for uploads by FTP, such as :21; none if empty
	FTPPublic       string // IPv4 address or host name for passive data connections; the one that the client connected to
	FTPPortLow      int    // passive data connections use FTPPortLow to FTPPortHigh; any free port
	FTPPortHigh     int
	FTPCert, FTPKey string         // PEM files for explicit TLS, read again when they change; no TLS if empty
	OnListenFTP     func(net.Addr) // like OnListen

	TURNListen   string         // address for relaying live view, UDP and TCP, such as :3478; none if empty
	TURNPublic   []netip.Addr   // what cameras and viewers are told to reach it at, an IPv4 and an IPv6 address at most; the host of TURNListen
	TURNPortLow  int            // relays use TURNPortLow to TURNPortHigh; 49152 to 65535
	TURNPortHigh int            //
	TURNAllow    []netip.Prefix // networks that may be relayed to although they are private or this host's own; for tests and servers within a LAN
	OnListenTURN func(net.Addr) // like OnListen, with the public address

	// OnListen, if set, is called by Run with the address it listens on, before the first request.
	OnListen func(net.Addr)

	Log *zap.Logger
	Now func() time.Time // time.Now; tests move it
}

// Defaults of Config.
const (
	DefaultListen    = "127.0.0.1:8080"
	DefaultMaxUpload = 512 << 20
	DefaultOnline    = 120 * time.Second

	DefaultNTPServer  = "time.nist.gov"
	DefaultPollPeriod = 30 * time.Second
)

const (
	linkLife    = 24 * time.Hour      // a sign-in link, unless used before
	sessionLife = 30 * 24 * time.Hour // a browser's session
	accessLife  = 24 * time.Hour      // a content access token
)

// A Server answers the API and the pages. Its methods may be called from any goroutine.
type Server struct {
	cfg      Config
	log      *zap.Logger
	store    *store
	secrets  *secrets
	profiles *profile.Set
	router   *router
	thumbs   *thumbCache
	pages    *pages
	ftp      *ftpd.Server // nil: not served
	ftpPort  atomic.Int32 // that it listens on, once it does

	turn       *turnServer // nil: none
	lives      *liveHub
	liveTiming liveTiming
	liveCalls  struct{ answered, failed atomic.Int64 } // viewers' requests to cameras

	pollLimit, hintLimit, signinLimit, claimLimit, watchLimit, signalLimit *limiter

	hashing chan struct{} // one entry for each password being hashed
	scaling chan struct{} // one for each picture being scaled
}

// An Account is what AddUser made. The tokens cannot be read again except the upload token.
type Account struct {
	Email       string `json:"email"`
	OAuthToken  string `json:"oauth_token,omitempty"`
	UploadToken string `json:"upload_token"`
	APIKey      string `json:"api_key,omitempty"`
	SigninURL   string `json:"signin_url,omitempty"` // single use, valid for a day
}

// String keeps the tokens out of logs.
func (a Account) String() string { return a.Email + " (tokens ***)" }

// New checks cfg and opens the data directory, creating it or bringing its schema up to date. It
// listens on nothing; Close releases the database.
func New(cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	profiles, err := loadProfiles(cfg.Profiles)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(cfg.Data, "tmp"), 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.Chmod(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	sec, err := openSecrets(filepath.Join(cfg.Data, "secret.key"))
	if err != nil {
		return nil, err
	}
	st, err := openStore(filepath.Join(cfg.Data, "camward.db"))
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Log.Named("cloud"), store: st, secrets: sec, profiles: profiles,
		thumbs: newThumbCache(32 << 20), lives: newLiveHub(), liveTiming: defaultLiveTiming(),
		// As many as 150 cameras behind one address make, or that restart at once.
		pollLimit:   newLimiter(max(5, 150/cfg.PollPeriod.Seconds()), 300, cfg.Now),
		claimLimit:  newLimiter(0.5, 60, cfg.Now),
		hintLimit:   newLimiter(0.5, 30, cfg.Now),
		signinLimit: newLimiter(0.1, 10, cfg.Now),
		watchLimit:  newLimiter(1, 60, cfg.Now),
		signalLimit: newLimiter(10, 200, cfg.Now), // what follows an offer
		hashing:     make(chan struct{}, 2),
		scaling:     make(chan struct{}, max(2, runtime.NumCPU())),
	}
	if s.pages, err = newPages(); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	if s.turn, err = newTURN(cfg, sec.turn, s.log); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	s.router = s.routes()
	if cfg.FTPListen != "" {
		if s.ftp, err = s.newFTP(); err != nil {
			return nil, errors.Join(err, st.Close())
		}
	}
	return s, nil
}

// setDefaults fills in what was left zero and refuses what cannot work.
func (c *Config) setDefaults() error {
	var errs []error
	if c.Data == "" {
		errs = append(errs, errors.New("data: no directory given"))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("log: no logger given"))
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.MaxUpload == 0 {
		c.MaxUpload = DefaultMaxUpload
	}
	if c.MaxUpload < 0 {
		errs = append(errs, fmt.Errorf("max upload: %d is below zero", c.MaxUpload))
	}
	if _, port, err := net.SplitHostPort(c.FTPListen); err == nil && c.FTPPort == 0 {
		c.FTPPort, _ = strconv.Atoi(port) // 0, as of a named port: the default
	}
	c.NTPServer = or(c.NTPServer, DefaultNTPServer)
	if err := checkHost("NTP server", c.NTPServer); err != nil {
		errs = append(errs, err)
	}
	if c.FTPHost != "" {
		if err := checkHost("FTP host", c.FTPHost); err != nil {
			errs = append(errs, err)
		}
	}
	if c.PollPeriod == 0 {
		c.PollPeriod = DefaultPollPeriod
	}
	if c.Online == 0 {
		c.Online = max(DefaultOnline, 4*c.PollPeriod)
	}
	if c.PollPeriod < 5*time.Second || c.PollPeriod > 24*time.Hour || c.PollPeriod%time.Second != 0 {
		errs = append(errs, fmt.Errorf("poll period: %v is not in whole seconds from 5s to 24h", c.PollPeriod))
	}
	if c.ClaimFrom == "" {
		c.ClaimFrom = ClaimNearby
	}
	if c.ClaimFrom != ClaimNearby && c.ClaimFrom != ClaimAnywhere {
		errs = append(errs, fmt.Errorf("claim from: %q is neither %s nor %s", c.ClaimFrom, ClaimNearby, ClaimAnywhere))
	}
	if (c.FTPCert == "") != (c.FTPKey == "") {
		errs = append(errs, errors.New("FTP certificate: certificate and key go together"))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.BaseURL != "" {
		u, err := url.Parse(c.BaseURL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			errs = append(errs, fmt.Errorf("base URL: %q is not like https://cam.example.org", c.BaseURL))
		}
		c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	}
	return errors.Join(errs...)
}

// Handler answers every request of the server: the API under /api, and the pages.
func (s *Server) Handler() http.Handler { return s.forwarded(s.router) }

// Run listens on cfg.Listen and serves until ctx ends, then lets running requests finish for up to
// 10 s. It returns ctx's cause, or why it could not listen or serve.
func (s *Server) Run(ctx context.Context) error {
	ln, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.cfg.Listen, err)
	}
	if s.cfg.OnListen != nil {
		s.cfg.OnListen(ln.Addr())
	}
	return s.serve(ctx, ln)
}

func (s *Server) serve(ctx context.Context, ln net.Listener) error {
	errorLog, err := zap.NewStdLogAt(s.log, zap.DebugLevel)
	if err != nil {
		return fmt.Errorf("logger: %w", err)
	}
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          errorLog,
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.housekeeping(ctx) })
	if s.ftp != nil {
		g.Go(func() error { return s.ftp.Run(ctx) })
	}
	if s.turn != nil {
		g.Go(func() error { return s.turn.Run(ctx) })
	}
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		var farewells sync.WaitGroup
		farewells.Go(s.lives.close) // Shutdown knows nothing of cameras' sockets
		defer farewells.Wait()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close() // what is still running is cut; a cut upload leaves nothing behind
		}
		return context.Cause(ctx)
	})
	return g.Wait()
}

// Close ends the cameras' sockets and releases the database. Other requests must have ended.
func (s *Server) Close() error {
	s.lives.close()
	return s.store.Close()
}

// now is the wall clock in the precision that the API shows.
func (s *Server) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }
