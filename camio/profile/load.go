package profile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Bounds of a profile file: what a person writes stays far below them.
const (
	maxFile     = 128 << 10 // bytes
	maxLine     = 5 << 10   // bytes of any line
	maxNesting  = 2000      // brackets and braces that open something, in the whole file
	maxInLine   = 100       // indicators of YAML ("- ", "? ", ": ") within one line, each of which may open a level
	maxProfiles = 64
	maxList     = 64      // entries of any list or map within a profile
	maxText     = 4 << 10 // bytes of any value
	maxPattern  = 1 << 10 // bytes of a regular expression
)

// fileYAML and the types below are the file's form; the head of profiles.yml explains them.
type fileYAML struct {
	Profiles []profileYAML `yaml:"profiles"`
}

type profileYAML struct {
	Maker         string         `yaml:"maker"`
	Aliases       []string       `yaml:"aliases"`
	Model         string         `yaml:"model"`
	Firmware      string         `yaml:"firmware"`
	Auth          string         `yaml:"auth"`
	UserParam     string         `yaml:"user_param"`
	PasswordParam string         `yaml:"password_param"`
	Port          int            `yaml:"port"`
	Snapshot      string         `yaml:"snapshot"`
	MJPEG         string         `yaml:"mjpeg"`
	Stream        string         `yaml:"stream"`
	StreamPort    int            `yaml:"stream_port"`
	Success       string         `yaml:"success"`
	Failure       string         `yaml:"failure"`
	Endpoints     []endpointYAML `yaml:"endpoints"`
	Commands      []commandYAML  `yaml:"commands"`
}

type endpointYAML struct {
	Methods  []string          `yaml:"methods"`
	Path     string            `yaml:"path"`
	Slash    bool              `yaml:"slash"`
	Query    map[string]string `yaml:"query"`
	Required []string          `yaml:"required"`
	Others   bool              `yaml:"others"`
	Raw      string            `yaml:"raw"`
	RawUntil string            `yaml:"raw_until"`
	Secrets  []string          `yaml:"secrets"`
	Target   *targetYAML       `yaml:"target"`
	Merge    *mergeYAML        `yaml:"merge"`
}

type targetYAML struct {
	Kind      string   `yaml:"kind"`
	Enabled   string   `yaml:"enabled"`
	URL       string   `yaml:"url"`
	Host      []string `yaml:"host"`
	Port      string   `yaml:"port"`
	User      string   `yaml:"user"`
	Password  string   `yaml:"password"`
	Directory string   `yaml:"directory"`
}

type mergeYAML struct {
	Read string   `yaml:"read"`
	Drop []string `yaml:"drop"`
}

type commandYAML struct {
	ID          string   `yaml:"id"`
	Method      string   `yaml:"method"`
	Path        string   `yaml:"path"`
	ContentType string   `yaml:"content_type"`
	Body        string   `yaml:"body"`
	NoAuth      bool     `yaml:"no_auth"`
	Success     string   `yaml:"success"`
	Needs       []string `yaml:"needs"`
	NTPServers  []string `yaml:"ntp_servers"`
}

// load reads a file of profiles and reports every fault in it.
func load(name string, text []byte) ([]*Profile, error) {
	if err := readable(name, text); err != nil {
		return nil, err
	}
	l := &loader{name: name, lines: map[string]int{}}
	var f fileYAML
	l.decode(text, &f)
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	if len(f.Profiles) == 0 {
		l.fault("profiles", "none in the file")
	}
	var out []*Profile
	for i := range f.Profiles {
		key := fmt.Sprintf("profiles[%d]", i)
		p := l.profile(key, &f.Profiles[i])
		if slices.ContainsFunc(out, func(o *Profile) bool {
			return strings.EqualFold(o.Maker, p.Maker) && o.model == nil && o.firmware == nil
		}) {
			l.fault(key+".maker", "%q has an entry above that matches every model and firmware: this one is never reached", p.Maker)
		}
		out = append(out, p)
	}
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	return out, nil
}

// readable refuses what no person writes and the YAML library takes minutes for: its time grows with the square of the depth.
func readable(name string, text []byte) error {
	if len(text) > maxFile {
		return fmt.Errorf("the file: %d bytes, at most %d (%s)", len(text), maxFile, name)
	}
	if n := bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); n > maxNesting {
		return fmt.Errorf("the file: %d brackets and braces, at most %d (%s)", n, maxNesting, name)
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		indicators := 0
		for i := 1; i < len(line); i++ {
			blank := line[i] == ' ' || line[i] == '\t' || line[i] == '\n' || line[i] == '\r'
			if c := line[i-1]; blank && (c == '-' || c == '?' || c == ':') || c == '&' || c == '!' || c == '*' {
				indicators++
			}
		}
		if len(line) > maxLine || indicators > maxInLine {
			return fmt.Errorf("the file: a line of %d bytes with %d levels, at most %d and %d (%s:%d)", len(line), indicators, maxLine, maxInLine, name, n)
		}
	}
	return nil
}

var (
	makerName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}$`)
	paramName   = regexp.MustCompile(`^[A-Za-z0-9_.\[\]-]{1,64}$`)
	plainPath   = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*$`)
	commandID   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`)
	contentType = regexp.MustCompile(`^[a-z]+/[a-z0-9.+-]+(; ?charset=[A-Za-z0-9-]+)?$`)
)

func (l *loader) profile(key string, y *profileYAML) *Profile {
	p := &Profile{
		Maker: y.Maker, Aliases: y.Aliases, Auth: Auth(y.Auth), UserParam: y.UserParam, PasswordParam: y.PasswordParam, Port: y.Port,
		Snapshot: y.Snapshot, MJPEG: y.MJPEG, Stream: y.Stream, StreamPort: y.StreamPort, Success: y.Success, Failure: y.Failure,
		model: l.pattern(key+".model", y.Model, "(?i)"), firmware: l.pattern(key+".firmware", y.Firmware, "(?i)"),
		failure: l.pattern(key+".failure", y.Failure, ""),
	}
	l.pattern(key+".success", y.Success, "")
	for i, n := range append([]string{y.Maker}, y.Aliases...) {
		if !makerName.MatchString(n) {
			k := key + ".maker"
			if i > 0 {
				k = fmt.Sprintf("%s.aliases[%d]", key, i-1)
			}
			l.fault(k, "%q is not a maker's name: 1 to 40 letters, digits, spaces, dots and dashes", short(n))
		}
	}
	l.auth(key, p)
	l.ports(key, p)
	for i, path := range []string{y.Snapshot, y.MJPEG, y.Stream} {
		if path != "" && (path[0] != '/' || len(path) > maxPath || !printable(path)) {
			l.fault(key+[]string{".snapshot", ".mjpeg", ".stream"}[i], "%q is not an absolute path", short(path))
		}
	}
	for i := range y.Endpoints {
		p.endpoints = append(p.endpoints, l.endpoint(fmt.Sprintf("%s.endpoints[%d]", key, i), &y.Endpoints[i]))
	}
	for i := range y.Commands {
		k := fmt.Sprintf("%s.commands[%d]", key, i)
		c := l.command(k, &y.Commands[i], p)
		if slices.ContainsFunc(p.commands, func(o *command) bool { return o.id == c.id }) {
			l.fault(k+".id", "%q is there twice", short(c.id))
		}
		p.commands = append(p.commands, c)
	}
	l.rehearse(key, p)
	return p
}

func (l *loader) auth(key string, p *Profile) {
	switch p.Auth {
	case AuthNone, AuthBasic, AuthDigest, AuthAny:
		if p.UserParam != "" || p.PasswordParam != "" {
			l.fault(key+".auth", "user_param and password_param are for auth: query")
		}
	case AuthQuery:
		if !paramName.MatchString(p.UserParam) || !paramName.MatchString(p.PasswordParam) || strings.EqualFold(p.UserParam, p.PasswordParam) {
			l.fault(key+".auth", "query needs user_param and password_param, two names of parameters")
		}
	case "":
		p.Auth = AuthAny
	default:
		l.fault(key+".auth", "%q is none of none, basic, digest, any, query", short(string(p.Auth)))
	}
}

func (l *loader) ports(key string, p *Profile) {
	if p.Port == 0 {
		p.Port = 80
	}
	if p.StreamPort == 0 {
		p.StreamPort = 554
	}
	for k, n := range map[string]int{".port": p.Port, ".stream_port": p.StreamPort} {
		if n < 1 || n > 65535 {
			l.fault(key+k, "%d is outside 1..65535", n)
		}
	}
}

// pattern compiles an expression; nil for none.
func (l *loader) pattern(key, s, flags string) *regexp.Regexp {
	if s == "" {
		return nil
	}
	if len(s) > maxPattern {
		l.fault(key, "an expression of %d bytes, at most %d", len(s), maxPattern)
		return nil
	}
	re, err := regexp.Compile(flags + s)
	if err != nil {
		l.fault(key, "%s", oneLine(err.Error()))
	}
	return re
}

// short is a foreign text made fit for an error of one line.
func short(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return oneLine(s)
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' || r >= 0x80 {
			return ' '
		}
		return r
	}, s)
}
