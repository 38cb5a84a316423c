package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"camward/board"
	"camward/camio"
	"camward/capture"
	"camward/clip"
	"camward/internal/transport"
	"camward/live"
	"camward/motion"
	"camward/provision"
	"camward/uploader"
	"camward/uploader/ftpstore"
	"camward/uploader/httpstore"
	"camward/web"
	"camward/web/mqtt"
)

// DefaultFile is the configuration that is read when no other is named.
const DefaultFile = "/etc/camward/camward.yml"

// Config is everything that can be set, as the sample file camward.sample.yml explains it key by key.
type Config struct {
	Cloud    CloudConfig     `yaml:"cloud"`
	Cameras  []CameraConfig  `yaml:"cameras"`
	Folders  []FolderConfig  `yaml:"folders"` // that other firmware writes recordings to
	Spool    uploader.Config `yaml:"spool"`
	Live     live.Config     `yaml:"live"`
	MQTT     mqtt.Config     `yaml:"mqtt"`
	StateDir string          `yaml:"state_dir"` // what must survive a restart besides recordings
	Listen   string          `yaml:"listen"`    // of the agent's own HTTP server; empty: none
	// ListenHTTPS is for the same with a certificate of the agent's own making: auto is port 8443 beside an address beyond the
	// loopback, empty none.
	ListenHTTPS string `yaml:"listen_https"`
	// FirstPassword is where the first start takes the page's password from: random prints one, serial is the board's serial number
	// (such as a maker prints on the label), an absolute path is a file with it in the first line.
	FirstPassword string `yaml:"first_password"`
	// MDNS announces camward-<last six digits of the MAC>.local and the page in the local network.
	MDNS      bool         `yaml:"mdns"`
	Schedules Schedules    `yaml:"schedules"` // hours that a command may restrict recording to
	Board     BoardConfig  `yaml:"board"`
	Traces    TracesConfig `yaml:"traces"` // of how the detector decided
	// Memory is what the agent may use of it, a goal for the garbage collector: 24MiB and more; 0, the default, is a quarter of what the
	// machine or the control group has, 32MiB to 256MiB.
	Memory uploader.Bytes `yaml:"memory"`
	Log    LogConfig      `yaml:"log"`
}

// CloudConfig says where recordings go and who is asked for commands.
type CloudConfig struct {
	URL         string           `yaml:"url"`
	UploadToken camio.Secret     `yaml:"upload_token"`
	CAFile      string           `yaml:"ca_file"` // PEM; the only authorities to trust; empty: the system's
	Pins        []transport.Pin  `yaml:"pins"`    // keys of which the server must show one; empty: any
	Proxy       camio.Secret     `yaml:"proxy"`   // URL, or none; empty: that of the environment. It may hold a password
	Upload      string           `yaml:"upload"`  // http or ftp
	FTP         FTPConfig        `yaml:"ftp"`     // where to, if upload is ftp
	Poll        provision.Config `yaml:"poll"`
}

// FTPConfig is an FTP server that takes the recordings instead of the cloud's HTTP API.
type FTPConfig struct {
	Address   string       `yaml:"address"`   // host:port
	TLS       ftpstore.TLS `yaml:"tls"`       // explicit, implicit or none
	User      camio.Secret `yaml:"user"`      // empty: the upload token
	Password  camio.Secret `yaml:"password"`  //
	Directory string       `yaml:"directory"` // template, see ftpstore.Config
	File      string       `yaml:"file"`      // template
}

// CameraConfig is one camera and its pipeline.
type CameraConfig struct {
	Name           string `yaml:"name"`
	capture.Config `yaml:",inline"`
	Motion         motion.Config `yaml:"motion"`
	Clip           clip.Config   `yaml:"clip"`
	Scenes         ScenesConfig  `yaml:"scenes"` // changes of the whole picture
}

// BoardConfig is what this device is, and how its own firmware, light and watchdog are driven.
type BoardConfig struct {
	board.Config `yaml:",inline"`
	Profiles     string               `yaml:"profiles"` // YAML file with further makers' dialects
	Time         string               `yaml:"time"`     // follow the time server that a command names, or leave the clock alone
	Firmware     board.FirmwareConfig `yaml:"firmware"`
	LED          board.LEDConfig      `yaml:"led"`
	Watchdog     board.WatchdogConfig `yaml:"watchdog"`
}

// Validate reports every fault, each under its key.
func (c BoardConfig) Validate() error {
	var timeErr error
	if c.Time != followTime && c.Time != leaveTime {
		timeErr = fmt.Errorf("board.time: %q is not %s or %s", c.Time, followTime, leaveTime)
	}
	return errors.Join(c.Config.Validate(), timeErr, c.Firmware.Validate(), c.LED.Validate(), c.Watchdog.Validate())
}

// The values of BoardConfig.Time.
const (
	followTime = "follow"
	leaveTime  = "leave"
)

// LogConfig says how much is logged, and how.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // console or json
}

// DefaultConfig is what holds where nothing is set.
func DefaultConfig() Config {
	ftp := ftpstore.Default()
	return Config{
		Cloud: CloudConfig{
			Upload: "http",
			FTP:    FTPConfig{TLS: ftp.TLS, Password: ftp.Password, Directory: ftp.Directory, File: ftp.File},
			Poll:   provision.Default(),
		},
		Spool:    uploader.Default(),
		Live:     live.Default(),
		Board:    BoardConfig{Time: followTime, Watchdog: board.DefaultWatchdog()},
		MQTT:     mqtt.Default(),
		Traces:   TracesConfig{Last: 5 * time.Minute, MaxBytes: 8 * uploader.MiB},
		StateDir: "/var/lib/camward",
		Listen:   web.Default().Listen,

		ListenHTTPS: autoHTTPS, FirstPassword: randomPassword, MDNS: true,
		Log: LogConfig{Level: "info", Format: "console"},
	}
}

// DefaultCamera is a camera without name and source.
func DefaultCamera() (c CameraConfig) {
	c.setDefaults()
	return c
}

// Camera finds a camera by its name; without one it is the first.
func (c Config) Camera(name string) (CameraConfig, error) {
	var known []string
	for _, cam := range c.Cameras {
		if cam.Name == name || name == "" {
			return cam, nil
		}
		known = append(known, cam.Name)
	}
	if len(known) == 0 {
		return CameraConfig{}, errors.New("the configuration has no camera")
	}
	return CameraConfig{}, fmt.Errorf("there is no camera %q; known are %s", name, strings.Join(known, ", "))
}

// setDefaults prepares one entry of the cameras list before it is read.
func (c *CameraConfig) setDefaults() {
	*c = CameraConfig{Config: capture.Default(), Motion: motion.Default(), Clip: clip.Default(), Scenes: defaultScenes()}
}

var cameraName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,62}$`)

// Validate reports every fault, each under its key.
func (c Config) Validate() error {
	errs := []error{
		c.Cloud.validate(),
		c.Spool.Validate(),
		c.Live.Validate(),
		c.MQTT.Validate(),
		c.Traces.Validate(),
		c.validateListen(),
		c.Schedules.validate(),
		c.Board.Validate(),
		validateMemory(c.Memory),
		c.Log.validate(),
	}
	if !filepath.IsAbs(c.StateDir) {
		errs = append(errs, fmt.Errorf("state_dir: %q is not an absolute path", c.StateDir))
	}
	errs = append(errs, c.validateFolders()...)
	if len(c.Cameras) == 0 && len(c.Folders) == 0 {
		errs = append(errs, errors.New("cameras: there is none; the smallest entry is: - {name: front, source: /dev/video0}"))
	}
	names := map[string]int{}
	for i, cam := range c.Cameras {
		key := fmt.Sprintf("cameras[%d]", i)
		if j, twice := names[cam.Name]; twice {
			errs = append(errs, fmt.Errorf("%s.name: %q is the name of cameras[%d] already", key, cam.Name, j))
		}
		names[cam.Name] = i
		if !cameraName.MatchString(cam.Name) {
			errs = append(errs, fmt.Errorf("%s.name: %q is not a name of 1..63 letters, digits, spaces or . _ -", key, cam.Name))
		}
		errs = append(errs, under(key, errors.Join(cam.Config.Validate(), cam.Motion.Validate(), cam.Clip.Validate(), errors.Join(cam.Scenes.validate()...), cam.reach())))
	}
	return errors.Join(errs...)
}

func (c CloudConfig) validate() error {
	var errs []error
	if c.URL == "" {
		errs = append(errs, errors.New("cloud.url: not set; where do recordings go? For instance https://cloud.example.com"))
	} else if _, err := camio.ParseBase(c.URL); err != nil {
		errs = append(errs, fmt.Errorf("cloud.url: %w", err))
	}
	errs = append(errs, under("cloud", c.transport().Validate()))
	switch c.Upload {
	case "http":
	case "ftp":
		ftp := c.ftpStore()
		errs = append(errs, under("cloud", ftp.Validate()))
	default:
		errs = append(errs, fmt.Errorf("cloud.upload: %q is not http or ftp", c.Upload))
	}
	return errors.Join(append(errs, c.Poll.Validate())...)
}

// transport is how the cloud is reached, for the poll and all uploads.
func (c CloudConfig) transport() transport.Config {
	return transport.Config{CAFile: c.CAFile, Pins: c.Pins, Proxy: c.Proxy.Reveal()}
}

// ftpStore is what the uploader needs of an FTP server.
func (c CloudConfig) ftpStore() ftpstore.Config {
	s := ftpstore.Default()
	s.Address, s.TLS, s.User, s.Password, s.Transport = c.FTP.Address, c.FTP.TLS, c.FTP.User, c.FTP.Password, c.transport()
	s.Directory, s.File = c.FTP.Directory, c.FTP.File
	if s.User.Reveal() == "" {
		s.User = c.UploadToken
	}
	return s
}

// httpStore is what the uploader needs of the cloud.
func (c CloudConfig) httpStore(base string, date func(time.Time)) httpstore.Config {
	s := httpstore.Default()
	s.BaseURL, s.Token, s.Transport, s.Date = base, c.UploadToken, c.transport(), date
	return s
}

func (c LogConfig) validate() error {
	var errs []error
	switch c.Level {
	case "debug", "info", "warn", "error":
	default:
		errs = append(errs, fmt.Errorf("log.level: %q is not debug, info, warn or error", c.Level))
	}
	if c.Format != "console" && c.Format != "json" {
		errs = append(errs, fmt.Errorf("log.format: %q is not console or json", c.Format))
	}
	return errors.Join(errs...)
}

// under puts key before each of the faults that a part's Validate joined.
func under(key string, err error) error {
	if err == nil {
		return nil
	}
	var errs []error
	for _, e := range Faults(err) {
		errs = append(errs, fmt.Errorf("%s.%w", key, e))
	}
	return errors.Join(errs...)
}

// Faults takes joined errors apart, so that each can stand on its own line. An error that merely wraps several
// others is one fault: only errors.Join writes its parts a line each.
func Faults(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	var lines []string
	for _, e := range joined.Unwrap() {
		out = append(out, Faults(e)...)
		lines = append(lines, e.Error())
	}
	if err.Error() != strings.Join(lines, "\n") {
		return []error{err}
	}
	return out
}
