package capture

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"camward/camio"
	"camward/internal/transport"
	"camward/video"
)

// Config says where one camera's pictures come from.
type Config struct {
	// Source is one of
	//
	//	/dev/video0, /dev/v4l/by-id/...   a V4L2 capture device
	//	demo:                             a rendered scene that looks like a camera
	//	yard.mjpeg, yard.avi, yard.mp4    a recording, replayed in real time
	//	http://10.0.0.8/snapshot.jpg      a network camera's JPEG, fetched Rate times a second or as often as it can be had,
	//	https://camera.lan/video.mjpg     or its MJPEG stream (multipart/x-mixed-replace), at the rate it comes
	//
	// The query of an http or https address is the camera's own, and never shown; User and Password have their own keys.
	// To other sources options follow a question mark, as in "yard.mjpeg?fps=12.5&loop=1":
	//
	//	demo:       rate (pictures per second, Rate), size (Size), first=8s and every=30s (when a person walks through; every=0s: once)
	//	recordings: loop=1 (begin again at the end), fps (for recordings that do not say, and to override)
	Source string `yaml:"source"`

	// Size asked for, as "640x480". Without one a camera is asked for 640x480 and a recording keeps its own; an MJPEG
	// recording and a network camera always do. The device may grant another.
	Size Size `yaml:"size"`

	// Rate is the pictures per second asked for, 1 to 60, default 15. The device may grant another.
	// A recording keeps its own; concatenated JPEGs have none and get this one. A network camera's stream comes
	// as it comes, and of its snapshots no more are fetched than this; the rate that is reached stands in the Status.
	Rate float64 `yaml:"rate"`

	// Format is "auto" or one of H264, MJPG, YUYV, NV12, YU12, UYVY, GREY. Auto takes H264 where a second node of the same camera gives
	// pictures for detection, then MJPG, then the raw ones in that order, and H264 without a second node last. Only devices heed it.
	Format string `yaml:"format"`

	// DetectSource is where detection gets its pictures while the camera sends H264: "auto" (default; a second node of the same
	// camera, if it has one), "none", or a device such as /dev/video2. Without one detection gets the frames of the camera itself. Only
	// devices heed it.
	DetectSource string `yaml:"detect_source"`

	// Controls are set whenever the camera is opened: by Control.Name, as in exposure_time_absolute: 120. true and false are 1 and 0.
	// What KeepControls and SetControls say is stronger. Only devices heed it.
	Controls ControlValues `yaml:"controls"`

	// Privacy are the parts of the picture that nobody is to see: black before a frame leaves this package. Default: none.
	Privacy []video.Polygon `yaml:"privacy"`

	// User and Password are for an http or https source, sent by Digest or Basic as the camera asks for, and only to
	// the source's own host. Over http Basic shows them to everybody on the way. Default: none.
	User     string       `yaml:"user"`
	Password camio.Secret `yaml:"password"`

	// CAFile is a PEM file with the only authorities that an https source is trusted by; the camera's own
	// certificate will do if it names the host. Default: the system's authorities.
	CAFile string `yaml:"ca_file"`
}

// Default is the configuration of a camera without one: no source, 15 pictures per second, any format.
func Default() Config { return Config{Rate: 15, Format: "auto", DetectSource: "auto"} }

// Validate reports every fault at once, each under its key.
func (c *Config) Validate() error {
	var errs []error
	if _, err := parseSource(c.Source); err != nil {
		errs = append(errs, fmt.Errorf("source: %w", err))
	}
	if c.Size != (Size{}) {
		if err := c.Size.check(); err != nil {
			errs = append(errs, fmt.Errorf("size: %w", err))
		}
	}
	if !(c.Rate >= 1 && c.Rate <= 60) {
		errs = append(errs, fmt.Errorf("rate: %v is outside 1..60 pictures per second", c.Rate))
	}
	if _, err := parseFormat(c.Format); err != nil {
		errs = append(errs, fmt.Errorf("format: %w", err))
	}
	if s := c.DetectSource; s != "" && s != "auto" && s != "none" && !strings.HasPrefix(s, "/dev/") {
		errs = append(errs, fmt.Errorf("detect_source: %q is not auto, none or a device such as /dev/video2", s))
	}
	if err := checkPrivacy(c.Privacy); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.validateHTTP()...)
	return errors.Join(errs...)
}

// validateHTTP checks what only http and https sources heed.
func (c *Config) validateHTTP() (errs []error) {
	network := isHTTP(c.Source)
	for _, o := range []struct{ key, value string }{{"user", c.User}, {"password", c.Password.Reveal()}, {"ca_file", c.CAFile}} {
		if o.value != "" && !network {
			errs = append(errs, fmt.Errorf("%s: only http and https sources take one", o.key))
		}
	}
	if !network {
		return errs
	}
	if c.Password != "" && c.User == "" {
		errs = append(errs, errors.New("user: not set, but password is"))
	}
	if strings.ContainsFunc(c.User, func(r rune) bool { return r == ':' || r < ' ' || r == 0x7f }) {
		errs = append(errs, errors.New("user: colons and control characters cannot be sent")) // RFC 7617 2
	}
	if c.CAFile == "" {
		return errs
	}
	if !hasScheme(c.Source, "https") {
		return append(errs, errors.New("ca_file: only https sources take one"))
	}
	return append(errs, transport.Config{CAFile: c.CAFile, Proxy: transport.Direct}.Validate())
}

// formatOrder is the order in which "auto" takes what a camera offers: compressed pictures cost
// least to keep, and of the raw formats the camera makes most, those that lose least.
var formatOrder = [...]video.FourCC{video.MJPEG, video.YUYV, video.NV12, video.YU12, video.UYVY, video.Grey}

// parseFormat gives the formats to try, best first.
func parseFormat(s string) ([]video.FourCC, error) {
	if s == "" || strings.EqualFold(s, "auto") {
		return formatOrder[:], nil
	}
	for _, c := range formatOrder {
		if strings.EqualFold(s, c.String()) {
			return []video.FourCC{c}, nil
		}
	}
	return nil, fmt.Errorf("%q is not auto, MJPG, YUYV, UYVY, NV12, YU12 or GREY", s)
}

// A Size is a picture's width and height in pixels, written "640x480". The zero value means
// "not given".
type Size struct{ Width, Height int }

// String reads as "640x480".
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }

// MarshalText gives "640x480", and nothing for the zero value.
func (s Size) MarshalText() ([]byte, error) {
	if s == (Size{}) {
		return []byte{}, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads "640x480"; empty text is the zero value.
func (s *Size) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*s = Size{}
		return nil
	}
	w, h, _ := strings.Cut(string(b), "x")
	width, err1 := strconv.ParseUint(w, 10, 16)
	height, err2 := strconv.ParseUint(h, 10, 16)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("%q is not a size such as 640x480", b)
	}
	*s = Size{int(width), int(height)}
	return nil
}

func (s Size) check() error {
	if s.Width < 16 || s.Height < 16 || s.Width > 8192 || s.Height > 8192 {
		return fmt.Errorf("%v is outside 16x16..8192x8192", s)
	}
	if s.Width%2 != 0 || s.Height%2 != 0 {
		return fmt.Errorf("%v: width and height must be even", s)
	}
	return nil
}

// defaultSize is what a camera is asked for, and the demo scene has.
var defaultSize = Size{640, 480}

func (s Size) or(def Size) Size {
	if s == (Size{}) {
		return def
	}
	return s
}

// sourceKind is what a Config.Source names.
type sourceKind int

const (
	kindDevice sourceKind = iota
	kindDemo
	kindRecording
	kindHTTP
)

// source is a parsed Config.Source. Options that were not given are zero.
type source struct {
	kind         sourceKind
	path         string
	loop         bool
	rate         float64 // fps or rate
	size         Size
	first, every time.Duration
}

// shown is the source for logs and status: of an address, without what may be secret in it.
func (s *source) shown(configured string) string {
	if s.kind != kindHTTP {
		return configured
	}
	return showURL(s.path)
}

// parseSource reads Config.Source. It does not look whether what it names exists.
func parseSource(s string) (source, error) {
	path, query, _ := strings.Cut(s, "?")
	src := source{kind: kindRecording, path: path}
	var allowed string
	switch {
	case path == "":
		return src, errors.New("missing: give a device such as /dev/video0, demo:, a recording or a camera's http address")
	case path == "demo:" || path == "demo":
		src.kind, allowed = kindDemo, "rate size first every"
		src.first, src.every = 8*time.Second, 30*time.Second
	case strings.HasPrefix(path, "/dev/"):
		src.kind = kindDevice
	case isHTTP(s):
		src.kind, src.path = kindHTTP, s // all of it is the camera's
		_, err := parseHTTP(s)
		return src, err
	case strings.Contains(path, "://"):
		return src, fmt.Errorf("%s is a network address; only devices, recordings, demo:, http:// and https:// can be captured", redactURL(path))
	default:
		allowed = "loop fps"
	}
	return src, src.parseOptions(query, allowed)
}

// parseOptions reads "key=value&..."; allowed lists the keys, separated by blanks.
func (s *source) parseOptions(query, allowed string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("options %q: %w", query, err)
	}
	var errs []error
	for key := range values {
		v := values.Get(key)
		if !strings.Contains(" "+allowed+" ", " "+key+" ") {
			errs = append(errs, fmt.Errorf("unknown option %q (there are: %s)", key, strings.ReplaceAll(allowed, " ", ", ")))
			continue
		}
		if err := s.setOption(key, v); err != nil {
			errs = append(errs, fmt.Errorf("option %s=%s: %w", key, v, err))
		}
	}
	return errors.Join(errs...)
}

func (s *source) setOption(key, v string) (err error) {
	switch key {
	case "loop":
		s.loop, err = strconv.ParseBool(v)
	case "fps", "rate":
		s.rate, err = strconv.ParseFloat(v, 64)
		if err == nil && !(s.rate >= 0.1 && s.rate <= 240) {
			err = errors.New("outside 0.1..240 pictures per second")
		}
	case "size":
		if err = s.size.UnmarshalText([]byte(v)); err == nil {
			err = s.size.check()
		}
	case "first":
		s.first, err = positive(v)
	case "every":
		s.every, err = positive(v)
	}
	return err
}

func positive(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err == nil && d < 0 {
		err = errors.New("below zero")
	}
	return d, err
}

// redactURL hides the credentials an address may carry.
func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil && u.User != nil {
		u.User = url.User("***")
		return strings.ReplaceAll(u.String(), "%2A", "*")
	}
	return s
}
