package profile

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"camward/camio"
)

// Target returns the server that a command points the device to; false if it points to none, because it sets something else or
// switches the sending off. A command that isn't allowed has none. An address that can't be read gives a Target without a
// Host: it can't be confirmed. The command is the cloud's, as it was before a Merge.
func (p *Profile) Target(c camio.Command) (Target, bool) {
	e, params, err := p.endpoint(c.Method, c.Path)
	if err != nil || e.target == nil {
		return Target{}, false
	}
	get := e.reader(c, params)
	t := e.target
	if on := get(t.Enabled); on == "0" || on == "false" {
		return Target{}, false
	}
	out := Target{Kind: t.Kind, User: camio.Secret(get(t.User)), Password: camio.Secret(get(t.Password)), Directory: get(t.Directory)}
	if t.Port != "" {
		if n, err := strconv.Atoi(get(t.Port)); err == nil && n > 0 && n < 65536 {
			out.Port = n
		} else if get(t.Port) != "" {
			return Target{Kind: t.Kind}, true
		}
	}
	var hosts []string
	sure := true
	for _, choice := range t.Host {
		name, condition, conditional := strings.Cut(choice, " if ")
		if h := strings.Trim(get(name), "[]"); h != "" {
			decides, value, _ := strings.Cut(condition, "=")
			sure = sure && (!conditional || get(decides) == value)
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 1 && sure && classes["host"].MatchString(hosts[0]) { // of two the firmware would choose
		out.Host = hosts[0]
	}
	if t.URL != "" {
		out.fromURL(get(t.URL))
	}
	return out, true
}

// fromURL reads host and port from an address that may lack its scheme.
func (t *Target) fromURL(address string) {
	full := address
	if !strings.Contains(full, "://") {
		full = "//" + full
	}
	path, _, _ := strings.Cut(full, "?") // the query may hold what net/url refuses
	u, err := url.Parse(strings.NewReplacer("$(hwaddr)", "", "$(localip)", "").Replace(path))
	if err != nil || u.User != nil || !classes["host"].MatchString(u.Hostname()) {
		return
	}
	port := t.Port
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil || port < 1 || port > 65535 {
			return
		}
	}
	t.Host, t.Port = u.Hostname(), port
	if t.Kind == TargetFTP {
		t.Directory = strings.Trim(u.Path, "/")
		return
	}
	t.URL = address
}

// reader looks up a command's values: parameters of the query, or elements of an XML body by their path below the root. An
// element that is there twice has none.
func (e *endpoint) reader(c camio.Command, params []param) func(string) string {
	var root *element
	if c.Body != "" {
		root, _ = parseXML([]byte(c.Body))
	}
	return func(name string) string {
		if name == "" {
			return ""
		}
		if i := slices.IndexFunc(params, func(p param) bool { return p.name == name }); i >= 0 {
			return params[i].value
		}
		return strings.TrimSpace(root.find(strings.Split(name, "/")))
	}
}

// tokenInPath finds the upload token within an address of the API.
var tokenInPath = regexp.MustCompile(`/api/users/([^/?&]+)/`)

// Secrets lists the parts of a command that must not be shown, as they stand in its path or body and decoded: for masking
// the command and a firmware's answer, which may repeat them.
func (p *Profile) Secrets(c camio.Command) []camio.Secret {
	var out []camio.Secret
	add := func(values ...string) {
		for _, v := range values {
			if v != "" && v != "me" && !slices.Contains(out, camio.Secret(v)) {
				out = append(out, camio.Secret(v))
			}
		}
	}
	for _, m := range tokenInPath.FindAllStringSubmatch(c.Path+" "+c.Body, -1) {
		add(m[1])
	}
	e, params, err := p.endpoint(c.Method, c.Path)
	if err != nil {
		return out
	}
	get := e.reader(c, params)
	for _, name := range e.secrets {
		v := get(name)
		add(v)
		if c.Body != "" {
			add(escapeXML(v))
		}
		for _, q := range params {
			if q.name == name {
				add(q.raw)
			}
		}
	}
	return out
}

func (l *loader) target(key string, t *targetYAML) {
	if t == nil {
		return
	}
	if t.Kind != TargetPoll && t.Kind != TargetFTP && t.Kind != TargetUpload {
		l.fault(key+".target.kind", "%q is none of poll, ftp, upload", short(t.Kind))
	}
	for i, choice := range t.Host {
		name, condition, conditional := strings.Cut(choice, " if ")
		decides, value, equal := strings.Cut(condition, "=")
		if strings.Contains(name, " ") || conditional && (!equal || decides == "" || value == "" || strings.Contains(condition, " ")) {
			l.fault(fmt.Sprintf("%s.target.host[%d]", key, i), "%q is neither NAME nor NAME if OTHER=value", short(choice))
		}
	}
	if (t.URL == "") == (len(t.Host) == 0) {
		l.fault(key+".target", "needs either url or host")
	}
}
