// Command camward-cloud is the paired server of camward cameras: it stores what they upload, answers the Camio API, and
// shows events in the browser.
//
// Exit codes: 0 done, 1 the operation failed, 2 the command line is wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"camward/cloud"
)

// version is set by the linker for releases.
var version = ""

type commandLine struct {
	Serve   serveCmd   `cmd:"" help:"Run the server until SIGINT or SIGTERM."`
	User    userCmd    `cmd:"" help:"Add and list accounts."`
	Camera  cameraCmd  `cmd:"" help:"Claim and list cameras."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

const description = `Server for camward cameras: stores uploads, answers the Camio API, shows events in the browser.

Examples:

  camward-cloud serve --data /var/lib/camward-cloud --listen 0.0.0.0:8080 --base-url http://cam.example.org:8080

  camward-cloud user add me@example.org --data /var/lib/camward-cloud

  camward-cloud camera claim 00:E0:4C:C2:7C:C5 --user me@example.org --name front --data /var/lib/camward-cloud`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// stdio is where a verb writes.
type stdio struct{ out, err io.Writer }

func run(args []string, stdout, stderr io.Writer) int {
	var cli commandLine
	code := -1
	parser, err := kong.New(&cli, kong.Name("camward-cloud"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.Vars{"ntp": cloud.DefaultNTPServer},
		kong.Exit(func(c int) { code = c }))
	if err != nil {
		panic(err) // the struct above is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if code >= 0 {
		return code // --help
	}
	if err != nil {
		fmt.Fprintf(stderr, "camward-cloud: %v (see camward-cloud --help)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(&stdio{stdout, stderr}); err != nil {
		fmt.Fprintf(stderr, "camward-cloud: %v\n", err)
		return 1
	}
	return 0
}

// dataFlags are common to all verbs that touch the data. They work while the server runs on the same directory.
type dataFlags struct {
	Data    string `help:"Directory of the database and the content." default:"./var/cloud" type:"path" env:"CAMWARD_CLOUD_DATA"`
	BaseURL string `name:"base-url" help:"Where browsers and cameras reach the server, such as https://cam.example.org. Default: by the listening address." env:"CAMWARD_CLOUD_BASE_URL"`
	Listen  string `help:"Address to listen on." default:"127.0.0.1:8080" env:"CAMWARD_CLOUD_LISTEN"`
}

func (d *dataFlags) open(log *zap.Logger, change func(*cloud.Config)) (*cloud.Server, error) {
	cfg := cloud.Config{Data: d.Data, BaseURL: d.BaseURL, Listen: d.Listen, Log: log}
	if change != nil {
		change(&cfg)
	}
	return cloud.New(cfg)
}

// openExisting refuses to make a new data directory for a verb that expects one with something in it.
func (d *dataFlags) openExisting() (*cloud.Server, error) {
	if _, err := os.Stat(filepath.Join(d.Data, "camward.db")); err != nil {
		return nil, fmt.Errorf("no data in %s: give the server's --data directory", d.Data)
	}
	return d.open(zap.NewNop(), nil)
}

type serveCmd struct {
	dataFlags
	MaxUpload int64  `help:"Largest upload in bytes." default:"536870912"`
	FTP       string `name:"ftp" help:"Address for uploads by FTP, such as :21. Off by default." placeholder:"ADDR"`
	FTPPublic string `name:"ftp-public" help:"IPv4 address or host name that passive FTP clients connect to, for a server behind NAT." placeholder:"HOST"`
	FTPPorts  ports  `name:"ftp-ports" help:"Ports of passive FTP data connections. Default: any." placeholder:"LO-HI"`
	FTPCert   string `name:"ftp-cert" help:"Certificate chain (PEM) for FTP over explicit TLS." placeholder:"FILE" type:"path"`
	FTPKey    string `name:"ftp-key" help:"Its private key (PEM)." placeholder:"FILE" type:"path"`
	FTPHost   string `name:"ftp-host" help:"FTP server that cameras are told to upload to. Default with --ftp: --ftp-public, or the host of the base URL; without, cameras are told of no FTP." placeholder:"HOST"`
	FTPPort   int    `name:"ftp-port" help:"Its port. Default: that of --ftp, or 21."`

	Profiles   string        `help:"More camera makers, or others in place of the built-in ones: a YAML file in the form of camward's own." placeholder:"FILE" type:"path"`
	NTP        string        `name:"ntp" help:"Time server that cameras are told to set their clocks by." default:"${ntp}" placeholder:"HOST"`
	PollPeriod time.Duration `name:"poll-period" help:"How often cameras are told to ask for their configuration." default:"30s"`
	ClaimFrom  string        `name:"claim-from" help:"From where a camera may be claimed on the pages and by the API: nearby, the network that it polls from; anywhere. Behind a reverse proxy nearby refuses nobody unless --trusted-proxy names it." default:"nearby" enum:"nearby,anywhere"`
	FirstOnly  bool          `name:"token-to-first-address" help:"Tell a claimed camera its upload token only at the address that it was claimed at, or that its owner confirms. Whoever knows a camera's MAC address can read the token otherwise."`

	TURN       string       `name:"turn" help:"Address for relaying live view, by UDP and TCP, such as :3478. Off by default: then only viewers who can reach a camera directly see it." placeholder:"ADDR"`
	TURNPublic []netip.Addr `name:"turn-public" help:"IP address that cameras and viewers reach it at, for a server behind NAT or on several addresses; one IPv4 and one IPv6 address at most. Default: the host of --turn." placeholder:"IP"`
	TURNPorts  ports        `name:"turn-ports" help:"UDP ports that media is relayed through. Default: 49152-65535." placeholder:"LO-HI"`
	TURNAllow  []network    `name:"turn-allow" help:"Network that may be relayed to although it is private or this host's own. Only for a server within a LAN: everyone who may watch a camera can then send UDP packets into it." placeholder:"CIDR"`

	Proxies []network `name:"trusted-proxy" help:"Address or network of a reverse proxy whose X-Forwarded-For tells the client's address. May be repeated." placeholder:"CIDR"`

	LogLevel string `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
}

// ports is a range like 40000-40100, or one port.
type ports struct{ low, high int }

// UnmarshalText is how the command line reads it.
func (p *ports) UnmarshalText(b []byte) error {
	low, high, isRange := strings.Cut(string(b), "-")
	if !isRange {
		high = low
	}
	l, err1 := strconv.ParseUint(low, 10, 16)
	h, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || l == 0 || l > h {
		return fmt.Errorf("%q is not a range of ports like 40000-40100", b)
	}
	p.low, p.high = int(l), int(h)
	return nil
}

// network is an address range like 10.0.0.0/8, or one address.
type network struct{ netip.Prefix }

// UnmarshalText is how the command line reads it.
func (n *network) UnmarshalText(b []byte) error {
	if a, err := netip.ParseAddr(string(b)); err == nil {
		n.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(string(b))
	if err != nil {
		return fmt.Errorf("%q is neither an address nor a network like 10.0.0.0/8", b)
	}
	n.Prefix = p.Masked()
	return nil
}

func (c *serveCmd) Run(ctx context.Context, std *stdio) (err error) {
	level, err := zapcore.ParseLevel(c.LogLevel)
	if err != nil {
		return err
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	log := zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(zapcore.AddSync(std.err)), level))
	s, err := c.open(log, func(cfg *cloud.Config) {
		cfg.Profiles, cfg.NTPServer, cfg.PollPeriod = c.Profiles, c.NTP, c.PollPeriod
		for _, p := range c.Proxies {
			cfg.TrustedProxies = append(cfg.TrustedProxies, p.Prefix)
		}
		cfg.ClaimFrom, cfg.TokenToFirstAddress = cloud.ClaimFrom(c.ClaimFrom), c.FirstOnly
		cfg.MaxUpload, cfg.FTPHost, cfg.FTPPort = c.MaxUpload, c.FTPHost, c.FTPPort
		cfg.FTPListen, cfg.FTPPublic, cfg.FTPPortLow, cfg.FTPPortHigh = c.FTP, c.FTPPublic, c.FTPPorts.low, c.FTPPorts.high
		cfg.FTPCert, cfg.FTPKey = c.FTPCert, c.FTPKey
		cfg.TURNListen, cfg.TURNPublic, cfg.TURNPortLow, cfg.TURNPortHigh = c.TURN, c.TURNPublic, c.TURNPorts.low, c.TURNPorts.high
		for _, n := range c.TURNAllow {
			cfg.TURNAllow = append(cfg.TURNAllow, n.Prefix)
		}
		cfg.OnListenTURN = func(a net.Addr) { log.Info("TURN", zap.Stringer("address", a)) }
		cfg.OnListenFTP = func(a net.Addr) { log.Info("FTP", zap.Stringer("address", a)) }
		cfg.OnListen = func(a net.Addr) { fmt.Fprintf(std.out, "camward-cloud listens on http://%s\n", a) }
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.Run(ctx)
	if ctx.Err() != nil {
		log.Info("stopped")
		return nil
	}
	return err
}

type userCmd struct {
	Add   userAddCmd   `cmd:"" help:"Create an account and print its tokens, once."`
	Link  userLinkCmd  `cmd:"" help:"Print a new sign-in link for an account."`
	Token userTokenCmd `cmd:"" help:"Print an account's upload token, or replace it."`
	List  userListCmd  `cmd:"" help:"List accounts."`
}

type userAddCmd struct {
	dataFlags
	Email string `arg:"" help:"E-mail address of the account."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (c *userAddCmd) Run(ctx context.Context, std *stdio) (err error) {
	s, err := c.open(zap.NewNop(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a, err := s.AddUser(ctx, c.Email)
	if errors.Is(err, cloud.ErrExists) {
		return fmt.Errorf("%w; for a new sign-in link: camward-cloud user link %s", err, c.Email)
	}
	if err != nil {
		return err
	}
	return printAccount(std.out, a, c.JSON)
}

type userLinkCmd struct {
	dataFlags
	Email string `arg:"" help:"E-mail address of the account."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (c *userLinkCmd) Run(ctx context.Context, std *stdio) (err error) {
	s, err := c.openExisting()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a, err := s.SigninLink(ctx, c.Email)
	if err != nil {
		return err
	}
	return printAccount(std.out, a, c.JSON)
}

type userTokenCmd struct {
	dataFlags
	Email  string `arg:"" help:"E-mail address of the account."`
	Rotate bool   `help:"Make a new token first. The old one is worth nothing from then on; cameras that poll get the new one."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (c *userTokenCmd) Run(ctx context.Context, std *stdio) (err error) {
	s, err := c.openExisting()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	get := s.UploadToken
	if c.Rotate {
		get = s.RotateUploadToken
	}
	a, err := get(ctx, c.Email)
	if err != nil {
		return err
	}
	return printAccount(std.out, a, c.JSON)
}

// printAccount shows secrets: that is what these verbs are for.
func printAccount(w io.Writer, a cloud.Account, asJSON bool) error {
	if asJSON {
		return printJSON(w, a)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{{"e-mail", a.Email}, {"upload token", a.UploadToken}, {"OAuth token", a.OAuthToken},
		{"API key", a.APIKey}, {"sign in (once, within a day)", a.SigninURL}} {
		if line[1] != "" {
			fmt.Fprintf(t, "%s:\t%s\n", line[0], line[1])
		}
	}
	return t.Flush()
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

type userListCmd struct {
	dataFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *userListCmd) Run(ctx context.Context, std *stdio) (err error) {
	s, err := c.openExisting()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	users, err := s.Users(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(std.out, users)
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "E-MAIL\tCREATED\tCAMERAS")
	for _, u := range users {
		fmt.Fprintf(t, "%s\t%s\t%d\n", u.Email, u.Created.Local().Format("2006-01-02 15:04"), u.Cameras)
	}
	return t.Flush()
}

type versionCmd struct{}

func (versionCmd) Run(std *stdio) error {
	v := version
	if v == "" {
		v = "development"
		if b, ok := debug.ReadBuildInfo(); ok {
			for _, s := range b.Settings {
				if s.Key == "vcs.revision" {
					v = s.Value[:min(12, len(s.Value))]
				}
			}
		}
	}
	_, err := fmt.Fprintln(std.out, "camward-cloud "+v)
	return err
}
