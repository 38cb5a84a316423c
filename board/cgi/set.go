package cgi

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"camward/camio"
)

// A setForm reads one Setting.
type setForm struct {
	methods []string
	raw     bool             // takes the body as it is, and no parameters
	urlEnd  func(string) int // where a raw URL ends in what follows the key
	setting func(*input, Settings) (Setting, *fault)
}

var getOrPost = []string{http.MethodGet, http.MethodPost}

var setForms = map[string]setForm{
	"setHttpPeriodSending": {methods: getOrPost, urlEnd: beforeAuth, setting: readPeriod},
	"setNtp":               {methods: getOrPost, urlEnd: toNext, setting: readNTP},
	"setFtpAlarmSending":   {methods: getOrPost, urlEnd: toNext, setting: readFTPAlarm},
	"setHttpAlarmSending":  {methods: getOrPost, urlEnd: beforeKnown, setting: readHTTPAlarm},
	"setMotionZones":       {methods: []string{http.MethodPost}, raw: true, setting: readZones},
}

// A reader takes values out of an input and gathers every fault.
type reader struct {
	*input
	number int // of the first fault
	texts  []string
}

func (r *reader) fail(number int, format string, a ...any) {
	if r.number == 0 {
		r.number = number
	}
	r.texts = append(r.texts, fmt.Sprintf(format, a...))
}

func (r *reader) fault() *fault {
	if r.number == 0 {
		return nil
	}
	return &fault{r.number, http.StatusBadRequest, strings.Join(r.texts, "; ")}
}

func (r *reader) value(key string) (string, bool) {
	r.used[key] = true
	v, ok := r.values[key]
	return v, ok
}

// enabled reads ENABLE, which every form needs.
func (r *reader) enabled() bool {
	if _, ok := r.value("ENABLE"); !ok {
		r.fail(202, "ENABLE: missing; 1 switches on, 0 off")
		return false
	}
	var on bool
	r.flag("ENABLE", &on)
	return on
}

// need reports keys that are absent or empty.
func (r *reader) need(keys ...string) {
	for _, k := range keys {
		if v, _ := r.value(k); v == "" {
			r.fail(202, "%s: missing", k)
		}
	}
}

func (r *reader) flag(key string, dst *bool) {
	switch v, ok := r.value(key); {
	case !ok:
	case v == "0" || v == "1":
		*dst = v == "1"
	default:
		r.fail(203, "%s: %q is neither 0 nor 1", key, printable(v))
	}
}

func (r *reader) integer(key string, lo, hi int, dst *int) {
	v, ok := r.value(key)
	if !ok {
		return
	}
	switch n, err := strconv.Atoi(v); {
	case err != nil && strings.Trim(v, "0123456789") != "" || v == "":
		r.fail(203, "%s: %q is not a whole number", key, printable(v))
	case err != nil || n < lo || n > hi:
		r.fail(203, "%s: %s is outside %d..%d", key, printable(v), lo, hi)
	default:
		*dst = n
	}
}

// seconds reads a number of them.
func (r *reader) seconds(key string, hi int, dst *time.Duration) {
	n := int(*dst / time.Second)
	r.integer(key, 0, hi, &n)
	*dst = time.Duration(n) * time.Second
}

// text reads a value of at most 255 bytes, the limit of most firmware and of the FTP server.
func (r *reader) text(key string, dst *string) {
	switch v, ok := r.value(key); {
	case !ok:
	case len(v) > 255:
		r.fail(203, "%s: longer than 255 bytes", key)
	default:
		*dst = v
	}
}

func (r *reader) secret(key string, dst *camio.Secret) {
	text := dst.Reveal()
	r.text(key, &text)
	*dst = camio.Secret(text)
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// isHost says whether s is a host name (RFC 1123 2.1, and underscores, which local networks have) or an IP address.
func isHost(s string) bool {
	return len(s) <= 253 && hostName.MatchString(s) || net.ParseIP(s) != nil
}

func (r *reader) host(key string, dst *string) {
	switch v, ok := r.value(key); {
	case !ok || v == "": // need reports it where it matters
	case isHost(v):
		*dst = v
	default:
		r.fail(203, "%s: %q is not a host name or address alone", key, printable(v))
	}
}

func (r *reader) schedule(dst *Schedule) {
	r.flag("SCHED", &dst.Enabled)
	r.integer("SCHEDID", 0, 16, &dst.ID)
}

func readNTP(in *input, now Settings) (Setting, *fault) {
	r := &reader{input: in}
	s := now.NTP
	if s.Enabled = r.enabled(); s.Enabled {
		s = NTP{Enabled: true}
		r.need("SERVER")
	}
	r.host("SERVER", &s.Server)
	return s, r.fault()
}

func readPeriod(in *input, now Settings) (Setting, *fault) {
	r := &reader{input: in}
	s := now.Period
	if s.Enabled = r.enabled(); s.Enabled {
		s = Period{Enabled: true}
		r.need("URL")
	}
	r.schedule(&s.Schedule)
	r.every(&s)
	if v, _ := r.value("URL"); v != "" {
		if why := checkTemplate(v); why != "" {
			r.fail(203, "URL: %s", why)
		}
		s.URL = v
	}
	r.flag("AUTH", &s.Auth)
	r.text("USERNAME", &s.User)
	r.secret("PASSWORD", &s.Password)
	if !s.Auth {
		s.User, s.Password = "", ""
	}
	return s, r.fault()
}

// every reads HOUR, MIN and SEC, of which any one is enough.
func (r *reader) every(s *Period) {
	var h, m, sec int
	_, h0 := r.value("HOUR")
	_, m0 := r.value("MIN")
	_, s0 := r.value("SEC")
	if !h0 && !m0 && !s0 {
		if s.Enabled {
			r.fail(202, "HOUR, MIN, SEC: missing; what stands behind URL belongs to it, unless AUTH comes first")
		}
		return
	}
	before := len(r.texts)
	r.integer("HOUR", 0, 24, &h)
	r.integer("MIN", 0, 24*60, &m)
	r.integer("SEC", 0, 24*60*60, &sec)
	s.Every = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second
	if len(r.texts) == before && (s.Every < 5*time.Second || s.Every > 24*time.Hour) {
		r.fail(203, "HOUR, MIN, SEC: %v is outside 5 s..24 h", s.Every)
	}
}

var variable = regexp.MustCompile(`\$\([^)]*\)?`)

// checkTemplate says what is wrong with a poll address. It shows nothing of it, since it may hold a secret.
func checkTemplate(t string) string {
	for _, v := range variable.FindAllString(t, -1) {
		if v != "$(hwaddr)" && v != "$(localip)" {
			return "only $(hwaddr) and $(localip) are put in by this device"
		}
	}
	scheme, rest := splitScheme(t)
	authority, _, _ := strings.Cut(rest, "/")
	beforeQuery, _, _ := strings.Cut(t, "?")
	u, err := url.Parse(Period{URL: t}.Candidates("00AA11BB22CC", "192.0.2.1", true)[0])
	switch {
	case err != nil:
		return "cannot be read; write it like https://cloud.example.com/api/cameras/$(hwaddr)/?maker=camward"
	case scheme == "" && strings.Contains(beforeQuery, "://"), !isHost(u.Hostname()), strings.Contains(authority, "$"):
		return "has no host, or a scheme other than http and https"
	case u.User != nil:
		return "must hold no user and password; give them as USERNAME and PASSWORD"
	case strings.Contains(t, "#"):
		return "must have no fragment (#)"
	case !validPort(u.Port()):
		return "its port is outside 1..65535"
	}
	return ""
}

// validPort says whether p, from a URL, is none or a port.
func validPort(p string) bool {
	n, err := strconv.Atoi(p)
	return p == "" || err == nil && n >= 1 && n <= 65535
}

func readFTPAlarm(in *input, now Settings) (Setting, *fault) {
	r := &reader{input: in}
	s := now.FTPAlarm
	if s.Enabled = r.enabled(); s.Enabled {
		s = FTPAlarm{Enabled: true, Port: 21, After: time.Second, Rate: 1}
		r.need("SERVER")
	}
	r.schedule(&s.Schedule)
	r.integer("STREAMID", 0, 2, &s.Stream)
	r.seconds("DURATION", 60*60, &s.After)
	r.integer("FRAMERATE", 1, 30, &s.Rate)
	r.seconds("INTERVAL", 24*60*60, &s.Quiet)
	r.host("SERVER", &s.Server)
	r.integer("PORT", 1, 65535, &s.Port)
	r.text("REMOTEPATH", &s.RemotePath)
	if slices.Contains(strings.FieldsFunc(s.RemotePath, func(c rune) bool { return c == '/' || c == '\\' }), "..") {
		r.fail(203, `REMOTEPATH: must not have ".." in it`)
	}
	r.flag("AUTH", &s.Auth)
	r.secret("USERNAME", &s.User)
	r.secret("PASSWORD", &s.Password)
	switch {
	case !s.Auth:
		s.User, s.Password = "", ""
	case s.Enabled && s.User == "":
		r.fail(202, "USERNAME: missing; the upload token, or AUTH=0 for an anonymous upload")
	}
	return s, r.fault()
}

func readHTTPAlarm(in *input, now Settings) (Setting, *fault) {
	r := &reader{input: in}
	s := now.HTTPAlarm
	if s.Enabled = r.enabled(); s.Enabled {
		s = HTTPAlarm{Enabled: true, Mode: camio.UploadVideo}
		r.need("URL")
	}
	switch v, ok := r.value("MODE"); {
	case !ok:
	case v == string(camio.UploadVideo) || v == string(camio.UploadImage):
		s.Mode = camio.UploadMode(v)
	default:
		r.fail(203, "MODE: %q is neither video nor image", printable(v))
	}
	if v, _ := r.value("URL"); v != "" {
		if why := s.take(v); why != "" {
			r.fail(203, "URL: %s", why)
		}
	}
	return s, r.fault()
}

var uploadPath = regexp.MustCompile(`^(.*)/api/users/([^/]+)/cameras/([^/]+)/content/?$`)

// take reads the address of the upload call, or says what is wrong with it without showing the token in it.
func (s *HTTPAlarm) take(address string) string {
	const like = "write it like https://cloud.example.com/api/users/TOKEN/cameras/NAME/content/"
	u, err := url.Parse(address)
	if err != nil {
		return "cannot be read; " + like
	}
	parts := uploadPath.FindStringSubmatch(u.EscapedPath())
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Hostname()) || !validPort(u.Port()):
		return "needs https:// (or http://) and a host; " + like
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(address, "#"):
		return "must have no user, query or fragment; " + like
	case parts == nil:
		return "its path is not that of an upload; " + like
	}
	prefix, err0 := url.PathUnescape(parts[1])
	token, err1 := url.PathUnescape(parts[2])
	camera, err2 := url.PathUnescape(parts[3])
	switch {
	case err0 != nil || err1 != nil || err2 != nil || !printableASCII(token) || len(token) > 255 || dots(token) || !plain(prefix) || strings.Contains(prefix+"/", "/../"):
		return "its token cannot be read; " + like
	case !plain(camera) || len(camera) > 255 || strings.ContainsAny(camera, `/\`) || dots(camera):
		return "its camera's name must be plain text of at most 255 bytes without slashes"
	}
	s.Base = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: prefix}
	s.Token, s.Camera = camio.Secret(token), camera
	return ""
}

// dots says whether a path segment means another directory.
func dots(segment string) bool { return segment == "." || segment == ".." }
