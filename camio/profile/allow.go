package profile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a command's path.
const (
	maxPath   = 4 << 10 // bytes, query included
	maxParams = maxList
)

// An endpoint is one call that the firmware may be asked for, with the parameters that it may carry.
type endpoint struct {
	methods       []string
	path          string
	slash         bool // a slash behind the path changes nothing
	query         map[string]*regexp.Regexp
	required      []string
	others        bool // parameters that aren't in query may come too: the endpoint does only one thing
	raw, rawUntil string
	secrets       []string
	target        *targetYAML
	merge         *mergeYAML
}

// A param is one parameter of a query, as it stands and decoded.
type param struct {
	name, raw, value string
}

// Allows tells whether a command may be sent to this firmware: nil, or one line that says why not. Everything that isn't listed in
// the profile is refused, and so is whatever two readers of a query could understand in two ways: encoded names, a name that comes
// twice in any case, a separator or a control character within a value, dot segments, a fragment. One leading "//" counts as "/".
//
// It says nothing of a body. A GET must have none.
func (p *Profile) Allows(method, path string) error {
	_, _, err := p.endpoint(method, path)
	return err
}

// endpoint finds what a command calls, and with which parameters.
func (p *Profile) endpoint(method, path string) (*endpoint, []param, error) {
	if method != "GET" && method != "POST" && method != "PUT" {
		return nil, nil, fmt.Errorf("method %q is none of GET, POST and PUT", short(method))
	}
	file, query, err := splitPath(path)
	if err != nil {
		return nil, nil, err
	}
	err = fmt.Errorf("%s %s is not on the list of %s", method, short(file), p.Maker)
	furthest := -1
	for _, e := range p.endpoints {
		if !e.is(method, file) {
			continue
		}
		params, passed, why := e.check(query)
		if why == nil {
			return e, params, nil
		}
		if passed > furthest { // of several ends of one address the one that was meant says why
			furthest, err = passed, fmt.Errorf("%s: %w", short(file), why)
		}
	}
	return nil, nil, err
}

func (e *endpoint) is(method, file string) bool {
	return slices.Contains(e.methods, method) && (file == e.path || e.slash && file == e.path+"/")
}

// splitPath checks the form of a path, and cuts it into what is before and behind the first question mark.
func splitPath(path string) (file, query string, err error) {
	switch {
	case len(path) > maxPath:
		return "", "", fmt.Errorf("the path has %d bytes, at most %d", len(path), maxPath)
	case !strings.HasPrefix(path, "/"):
		return "", "", errors.New("the path does not begin with a slash")
	case !printable(path):
		return "", "", errors.New("the path has a space, a control character or a letter beyond ASCII")
	}
	if i := strings.IndexAny(path, "#\\;\"<>`|^"); i >= 0 {
		return "", "", fmt.Errorf("the path has a %q", path[i])
	}
	file, query, asked := strings.Cut(path, "?")
	if strings.HasPrefix(file, "//") {
		file = file[1:]
	}
	for _, s := range strings.Split(file, "/")[1:] {
		if s == "." || s == ".." {
			return "", "", errors.New("the path has a dot segment")
		}
	}
	switch {
	case strings.Contains(file, "//"):
		return "", "", errors.New("the path has an empty segment")
	case !plainPath.MatchString(file):
		return "", "", errors.New("the path has an encoded or unusual character before the question mark")
	case asked && query == "":
		return "", "", errors.New("nothing follows the question mark")
	}
	return file, query, nil
}

// check holds a query against the endpoint's parameters. It also tells how many of them passed.
func (e *endpoint) check(query string) (params []param, passed int, err error) {
	if params, err = e.split(query); err != nil {
		return nil, 0, err
	}
	have := map[string]bool{}
	for _, p := range params {
		pattern, listed := e.query[p.name]
		switch {
		case !listed && !e.others:
			return nil, len(have), fmt.Errorf("parameter %s is not on the list", p.name)
		case !listed && e.listedFold(p.name):
			return nil, len(have), fmt.Errorf("parameter %s is spelled in another case", p.name)
		case !listed:
			pattern = classes["text"]
		}
		if !pattern.MatchString(p.value) {
			return nil, len(have), fmt.Errorf("parameter %s has a value that is not allowed", p.name)
		}
		have[p.name] = true
	}
	for _, name := range e.required {
		if !have[name] {
			return nil, len(have), fmt.Errorf("parameter %s is missing", name)
		}
	}
	return params, len(have), nil
}

func (e *endpoint) listedFold(name string) bool {
	for n := range e.query {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// split cuts a query into parameters. The raw one takes all up to the parameter that ends it, ampersands included; firmware that cuts
// at each of them must not find there what the endpoint means.
func (e *endpoint) split(query string) ([]param, error) {
	if query == "" {
		return nil, nil
	}
	pieces := strings.Split(query, "&")
	if len(pieces) > maxParams {
		return nil, fmt.Errorf("%d parameters, at most %d", len(pieces), maxParams)
	}
	var out []param
	seen := map[string]bool{}
	inRaw := false
	for _, piece := range pieces {
		name, value, ok := strings.Cut(piece, "=")
		switch {
		case !ok || !paramName.MatchString(name):
			return nil, fmt.Errorf("%q is not a parameter", short(piece))
		case seen[strings.ToLower(name)]:
			return nil, fmt.Errorf("parameter %s comes twice", name)
		}
		seen[strings.ToLower(name)] = true
		if inRaw = inRaw && name != e.rawUntil; inRaw {
			if e.listedFold(name) {
				return nil, fmt.Errorf("parameter %s is within the value of %s", name, e.raw)
			}
			if _, err := decode(value); err != nil {
				return nil, fmt.Errorf("parameter %s within the value of %s %w", name, e.raw, err)
			}
			last := &out[len(out)-1]
			last.raw, last.value = last.raw+"&"+piece, last.value+"&"+piece
			continue
		}
		p := param{name: name, raw: value, value: value}
		if inRaw = e.raw != "" && name == e.raw; !inRaw {
			var err error
			if p.value, err = decode(value); err != nil {
				return nil, fmt.Errorf("parameter %s %w", name, err)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// decode takes the percent-encoding off a value, and refuses what would be cut or decoded once more by a careless reader.
func decode(s string) (string, error) {
	if strings.ContainsAny(s, "+") {
		return "", errors.New("has a plus sign: some firmware reads it as a space")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
			return "", errors.New("has a broken percent-encoding")
		}
		b.WriteByte(byte(unhex(s[i+1])<<4 | unhex(s[i+2])))
		i += 2
	}
	v := b.String()
	if !utf8.ValidString(v) {
		return "", errors.New("is not UTF-8")
	}
	for _, r := range v {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '&' || r == ';' || r == '#' || r == '%' {
			return "", fmt.Errorf("has a %q, plain or encoded", r)
		}
	}
	return v, nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// printable tells whether s is visible ASCII without spaces.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// classes are the named patterns of parameter values, "@host" and the like in the file. Text leaves out what a shell
// could take for more than a word: much firmware hands its settings to one. A url has no percent-encoding, since firmware that decodes a
// query before it cuts it would find ampersands in it; encodedurl is for firmware that is known to take it raw.
var classes = map[string]*regexp.Regexp{
	"host":       regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?$|^[0-9A-Fa-f:.]{2,45}$|^\[[0-9A-Fa-f:.]{2,45}\]$`),
	"number":     regexp.MustCompile(`^[0-9]{1,9}$`),
	"text":       regexp.MustCompile(`^[A-Za-z0-9 ._~:/@!*,=()\[\]{}-]{0,1000}$`),
	"url":        regexp.MustCompile(`^(https?://)?[A-Za-z0-9._:\[\]-]{1,270}(/([A-Za-z0-9._~:/?&=@!*,-]|\$\((hwaddr|localip)\))*)?$`),
	"encodedurl": regexp.MustCompile(`^(https?://)?[A-Za-z0-9._:\[\]-]{1,270}(/([A-Za-z0-9._~:/?&=@!*,-]|%[2-9A-Fa-f][0-9A-Fa-f]|\$\((hwaddr|localip)\))*)?$`),
}

// valuePattern compiles the pattern of a parameter's value: a class or an expression for all of it.
func (l *loader) valuePattern(key, s string) *regexp.Regexp {
	if name, ok := strings.CutPrefix(s, "@"); ok {
		re := classes[name]
		if re == nil {
			l.fault(key, "%q is none of @host, @number, @text, @url, @encodedurl", short(s))
		}
		return re
	}
	if s == "" {
		l.fault(key, "needs a pattern, for instance @text")
		return nil
	}
	if l.pattern(key, s, "") == nil { // by itself first: "a)(b" must not become valid within the group
		return nil
	}
	re, err := regexp.Compile(`\A(?:` + s + `)\z`)
	if err != nil {
		l.fault(key, "%s", oneLine(err.Error()))
	}
	return re
}

func (l *loader) endpoint(key string, y *endpointYAML) *endpoint {
	e := &endpoint{methods: y.Methods, path: y.Path, slash: y.Slash, required: y.Required, others: y.Others, raw: y.Raw, rawUntil: y.RawUntil,
		secrets: y.Secrets, target: y.Target, merge: y.Merge, query: map[string]*regexp.Regexp{}}
	if len(e.methods) == 0 {
		e.methods = []string{"GET"}
	}
	for i, m := range e.methods {
		if m != "GET" && m != "POST" && m != "PUT" {
			l.fault(fmt.Sprintf("%s.methods[%d]", key, i), "%q is none of GET, POST and PUT", short(m))
		}
	}
	if file, query, err := splitPath(y.Path); err != nil || query != "" || file != y.Path || len(file) > 1 && strings.HasSuffix(file, "/") {
		l.fault(key+".path", "%q is not a plain absolute path without a slash at its end", short(y.Path))
	}
	folded := map[string]bool{}
	for name, pattern := range y.Query {
		k := join(key+".query", name)
		if !paramName.MatchString(name) || folded[strings.ToLower(name)] {
			l.fault(k, "%q is not the name of a parameter, or comes twice", short(name))
		}
		folded[strings.ToLower(name)] = true
		e.query[name] = l.valuePattern(k, pattern)
	}
	for field, names := range map[string][]string{"required": y.Required, "raw": {y.Raw}, "raw_until": {y.RawUntil}} {
		for _, name := range names {
			if _, ok := y.Query[name]; !ok && name != "" {
				l.fault(key+"."+field, "%q is not among the parameters of query", short(name))
			}
		}
	}
	l.target(key, y.Target)
	l.merge(key, y.Merge)
	return e
}
