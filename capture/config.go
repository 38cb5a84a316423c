package capture

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"camward/camio"
	"camward/internal/transport"
	"camward/video"
)

// Config says where one camera's pictures come from.
type Config struct {
	// Source is one of
	//
	//	/dev/video0, /dev/v4l/by-id/...   a V4L2 capture device
	//	auto                              the first camera that can be used, those on USB before others
	//	name:TEXT                         the camera of that name, or the only one whose name contains it; case does not count
	//	serial:TEXT                       the USB camera with that serial number
	//	demo:                             a rendered scene that looks like a camera
	//	yard.mjpeg, yard.avi, yard.mp4    a recording, replayed in real time
	//	http://10.0.0.8/snapshot.jpg      a network camera's JPEG, fetched Rate times a second or as often as it can be had,
	//	https://camera.lan/video.mjpg     or its MJPEG stream (multipart/x-mixed-replace), of which at most Rate pictures a second are kept
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
	// A recording keeps its own; concatenated JPEGs have none and get this one. Of a network camera's
	// faster stream pictures are left out evenly, and of its snapshots no more are fetched; the rate that is reached stands in the Status.
	Rate float64 `yaml:"rate"`

	// Format is "auto" or one of H264, MJPG, YUYV, NV12, YU12, UYVY, GREY. Auto takes H264 where a second node of the same camera gives
	// pictures for detection, then MJPG, then the raw ones in that order, and H264 without a second node last; with a privacy mask
	// H264 comes last in any case. Only devices heed it.
	Format string `yaml:"format"`

	// DetectSource is where detection gets its pictures: "auto" (default; a second node of the same camera if that sends H264 and has
	// one, else the camera itself), "none" (the camera itself), or a device such as /dev/video2. A second node runs at 640x480 or less
	// and at no higher rate than detection needs; when it fails, detection gets the frames of the camera itself. Only devices heed it.
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
