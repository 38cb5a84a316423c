package profile

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"camward/camio"
)

// A command is what the cloud tells a camera, with placeholders.
type command struct {
	id, method        string
	path, body        template
	contentType       string
	noAuth            bool
	success           string
	needs, ntpServers []string
}

// A template is text with placeholders between.
type template []piece

type piece struct {
	text string
	name string // of the placeholder behind the text; empty at the end
	raw  bool
}

// Commands writes what a cloud tells the camera, in the profile's order: ping, time, ftpAlarm, upload, zones and what completes
// them. Those that the dialect lacks, or that need a value that v hasn't, are left out; date_updated is the caller's. What this
// firmware can't be told is left out too and named in the error, one line each: the commands returned may be used nevertheless.
func (p *Profile) Commands(v Values) ([]camio.Command, error) {
	known, errs := v.placeholders(p)
	var out []camio.Command
	for _, c := range p.commands {
		made, ok := c.render(p, known)
		if !ok {
			continue
		}
		if err := p.Allows(made.Method, made.Path); err != nil {
			errs = append(errs, fmt.Errorf("%s command %s: %w", p.Maker, c.id, err))
			continue
		}
		out = append(out, made)
	}
	return out, errors.Join(errs...)
}

// render fills in a command; false if a value is missing.
func (c *command) render(p *Profile, known map[string]string) (camio.Command, bool) {
	for _, n := range c.needs {
		if _, ok := known[n]; !ok {
			return camio.Command{}, false
		}
	}
	if server, ok := known["ntp_server"]; ok && len(c.ntpServers) > 0 && !slices.Contains(c.ntpServers, server) {
		known = maps.Clone(known)
		known["ntp_server"] = c.ntpServers[0]
	}
	path, ok := c.path.render(known, escapePath)
	if !ok {
		return camio.Command{}, false
	}
	body, ok := c.body.render(known, escaper(c.contentType))
	if !ok {
		return camio.Command{}, false
	}
	success := c.success
	if success == "" {
		success = p.Success
	}
	return camio.Command{ID: c.id, Method: c.method, Path: path, Body: body, ContentType: c.contentType,
		IsAuthRequired: !c.noAuth, RegexResponse: success}, true
}

func (t template) render(known map[string]string, escape func(string) string) (string, bool) {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(p.text)
		if p.name == "" {
			continue
		}
		v, ok := known[p.name]
		if !ok {
			return "", false
		}
		if !p.raw {
			v = escape(v)
		}
		b.WriteString(v)
	}
	return b.String(), true
}

// placeholderNames are all there are; the package comment explains them.
var placeholderNames = []string{
	"maker", "mac", "camera", "cloud_url", "cloud_host", "upload_token", "period_hours", "period_minutes", "period_seconds",
	"ftp_host", "ftp_port", "ftp_password", "ftp_host_type", "ftp_host_field", "ntp_server", "ntp_server_type", "ntp_server_field", "zones",
}

// placeholders gives the values that are known, by name. One that can't be right counts as unknown, and is told.
func (v Values) placeholders(p *Profile) (known map[string]string, errs []error) {
	known = map[string]string{"maker": p.Maker}
	check := func(what, value string, ok bool) bool {
		if value != "" && !ok {
			errs = append(errs, fmt.Errorf("%s %q cannot be right", what, short(value)))
		}
		return value != "" && ok
	}
	if mac := strings.ToUpper(strings.NewReplacer(":", "", "-", "", ".", "").Replace(v.MAC)); check("MAC address", mac, bareMAC.MatchString(mac)) {
		known["mac"] = mac
	}
	if check("camera name", v.Camera, clean(v.Camera)) {
		known["camera"] = v.Camera
	}
	if check("upload token", camio.Secret(v.UploadToken).String(), clean(v.UploadToken)) {
		known["upload_token"] = v.UploadToken
	}
	if u := v.CloudURL; u != nil && check("cloud address", u.Host, addressable(u)) {
		base := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
		known["cloud_url"] = base.String() // with a slash before a path that lacks one
		known["cloud_host"] = strings.TrimPrefix(known["cloud_url"], u.Scheme+"://")
	}
	password := or(v.FTPPassword, "camio")
	if check("FTP server", v.FTPHost, classes["host"].MatchString(v.FTPHost) && v.FTPPort >= 0 && v.FTPPort < 65536 && clean(password)) {
		known["ftp_host"], known["ftp_port"], known["ftp_password"] = v.FTPHost, strconv.Itoa(or(v.FTPPort, 21)), password
		known["ftp_host_type"], known["ftp_host_field"] = addressing(v.FTPHost)
	}
	if check("time server", v.NTPServer, classes["host"].MatchString(v.NTPServer)) {
		known["ntp_server"] = v.NTPServer
		known["ntp_server_type"], known["ntp_server_field"] = addressing(v.NTPServer)
	}
	if period := or(v.Period, 30*time.Second); check("period", period.String(), period >= time.Second && period < 100*time.Hour) {
		s := int(period / time.Second)
		known["period_hours"], known["period_minutes"], known["period_seconds"] = strconv.Itoa(s/3600), strconv.Itoa(s/60%60), strconv.Itoa(s%60)
	}
	if v.Zones != nil {
		if b, err := json.Marshal(v.Zones); err != nil {
			errs = append(errs, fmt.Errorf("zones: %w", err))
		} else {
			known["zones"] = string(b)
		}
	}
	return known, errs
}

// addressable tells whether a camera can be given a cloud's address.
func addressable(u *url.URL) bool {
	again, err := url.Parse(u.Scheme + "://" + u.Host)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || again.Host != u.Host {
		return false
	}
	port, err := strconv.ParseUint(or(again.Port(), "80"), 10, 16)
	return err == nil && port > 0 && !strings.HasSuffix(u.Host, ":") && classes["host"].MatchString(again.Hostname())
}

var bareMAC = regexp.MustCompile(`^[0-9A-F]{12}$`)

// clean tells whether a text of people's has nothing in it that no setting of a camera can hold. Space around it is lost in XML.
func clean(s string) bool {
	return strings.TrimSpace(s) == s && len(s) <= 500 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func or[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}

// addressing is how ISAPI spells a host: its addressingFormatType, and the element that holds it.
func addressing(host string) (kind, field string) {
	ip := net.ParseIP(host)
	switch {
	case ip == nil:
		return "hostname", "hostName"
	case ip.To4() != nil:
		return "ipaddress", "ipAddress"
	}
	return "ipaddress", "ipv6Address"
}

// escapePath percent-encodes all but what no reader of a query takes for more than itself (RFC 3986 2.3, with colon and slash).
func escapePath(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~:/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}

// escapeJSON is for a place between two quotation marks.
func escapeJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil || len(b) < 2 {
		return ""
	}
	return string(b[1 : len(b)-1])
}

func escaper(contentType string) func(string) string {
	switch {
	case strings.Contains(contentType, "xml"):
		return escapeXML
	case strings.Contains(contentType, "json"):
		return escapeJSON
	}
	return escapePath
}

// template cuts a text at its placeholders.
func (l *loader) template(key, s string) template {
	var t template
	for {
		before, rest, found := strings.Cut(s, "{{")
		if !found {
			return append(t, piece{text: s})
		}
		name, after, closed := strings.Cut(rest, "}}")
		bare, raw := strings.CutPrefix(name, "raw ")
		if !closed || !slices.Contains(placeholderNames, bare) {
			l.fault(key, "{{%s}} is no placeholder", short(name))
			return t
		}
		t = append(t, piece{text: before, name: bare, raw: raw})
		s = after
	}
}

func (l *loader) command(key string, y *commandYAML, p *Profile) *command {
	c := &command{id: y.ID, method: or(y.Method, "GET"), contentType: y.ContentType, noAuth: y.NoAuth, success: y.Success,
		needs: y.Needs, ntpServers: y.NTPServers, path: l.template(key+".path", y.Path), body: l.template(key+".body", y.Body)}
	if !commandID.MatchString(y.ID) {
		l.fault(key+".id", "%q is not an id: 1 to 40 letters, digits, - and _", short(y.ID))
	}
	if c.method == "GET" && (y.Body != "" || y.ContentType != "") {
		l.fault(key+".body", "a GET has no body")
	}
	if y.Body != "" && !contentType.MatchString(y.ContentType) {
		l.fault(key+".content_type", "%q is not the type of a body, like application/xml", short(y.ContentType))
	}
	if l.pattern(key+".success", or(y.Success, p.Success), "") == nil {
		l.fault(key+".success", "neither the command nor the profile says what success looks like")
	}
	for i, n := range y.Needs {
		if !slices.Contains(placeholderNames, n) {
			l.fault(fmt.Sprintf("%s.needs[%d]", key, i), "%q is no placeholder", short(n))
		}
	}
	return c
}

// rehearse makes every command with ordinary values: one that the profile's own endpoints refuse is a fault of the file.
func (l *loader) rehearse(key string, p *Profile) {
	if len(l.errs) > 0 {
		return
	}
	known, _ := Values{ // all of them right
		CloudURL: &url.URL{Scheme: "https", Host: "www.example.com"}, MAC: "123456789012", Camera: "front", UploadToken: "abc123pdq",
		FTPHost: "ftp.example.com", NTPServer: "time.nist.gov", Zones: []camio.Zone{},
	}.placeholders(p)
	for i, c := range p.commands {
		made, _ := c.render(p, known)
		if err := p.Allows(made.Method, made.Path); err != nil {
			l.fault(fmt.Sprintf("%s.commands[%d].path", key, i), "the endpoints do not allow it: %v", err)
		}
	}
}
