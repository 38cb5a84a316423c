package provision

import (
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"camward/camio"
	"camward/internal/markup"
)

const (
	hidden    = "***"
	maxAnswer = 200 // bytes of an answer that is kept and told

	// A value of this length or longer is hidden wherever it occurs, a shorter one only where it stands alone: a password
	// "camio" must not turn www.camio.com into www.***.com. One or two characters are no secret.
	longSecret = 8
	minSecret  = 3

	maxSecrets = 64 // of one command that are looked for elsewhere
)

// secretName finds parameters, elements and members by what makers call them: FTP.UserName, usr, loginPass, WPA_KEY.
var secretName = regexp.MustCompile(`(?i)user|usr|passw|passphrase|pass$|pwd|token|secret|credential|login|psk$|key$|^psw|apikey`)

// A form is one way in which a text gives a name a value. Names are found by a pattern and values by a plain scan, so that
// the work stays in proportion to a text that a stranger wrote.
type form struct {
	name   *regexp.Regexp                // up to the value's first byte; group 1 is the name
	value  func(s string) (from, to int) // where the value lies in the rest of the text; empty: there is none
	always bool                          // whatever the name
}

// until gives what comes before any of the given separators, of which "%26" and the like are found in either case.
func until(seps ...string) func(string) (int, int) {
	re := make([]string, len(seps))
	for i, s := range seps {
		re[i] = regexp.QuoteMeta(s)
	}
	end := regexp.MustCompile("(?i)" + strings.Join(re, "|"))
	return func(s string) (int, int) {
		if at := end.FindStringIndex(s); at != nil {
			return 0, at[0]
		}
		return 0, len(s)
	}
}

var (
	query   = form{name: regexp.MustCompile(`(?:^|[?&])([^=&?]+)=`), value: until("&")}
	pair    = form{name: regexp.MustCompile(`(?:^|[?&\s])([^=&?\s"'<>]+)=`), value: until("&", " ", "\t", "\r", "\n")}
	encoded = form{name: regexp.MustCompile(`(?i)(?:%26|%3F)([^=&?%]+)(?:%3D|=)`), value: until("&", "%26")}
	text    = form{name: regexp.MustCompile(`([\w.\[\]-]+)[ \t]*[=:][ \t]*`), value: quoted(until(" ", "\t", "\r", "\n", "&", "<", ">", ",", ";", `"`, "'"))}
	member  = form{name: regexp.MustCompile(`"((?:[^"\\]|\\.)*)"\s*:\s*`), value: quoted(until(" ", "\t", "\r", "\n", ",", "}", "]"))}
	element = form{name: regexp.MustCompile(`<([\w:.-]+)(?:\s[^<>]*)?>`), value: content}
	upload  = form{name: regexp.MustCompile(`(?i)(?:/|%2F)(users|tokens)(?:/|%2F)`),
		value: until("/", "?", "&", " ", "\t", "\r", "\n", `"`, "'", "<", "%2F", "%3F", "%26"), always: true}
	account = form{name: regexp.MustCompile(`(?i)(:)(?:/|%2F){2}`), value: userInfo, always: true}

	pathForms = []form{query, encoded, upload, account}
	textForms = []form{pair, encoded, element, member, text, upload, account}
)

// quoted gives what stands between quotes, or else what bare gives.
func quoted(bare func(string) (int, int)) func(string) (int, int) {
	return func(s string) (int, int) {
		if s == "" || s[0] != '"' && s[0] != '\'' {
			return bare(s)
		}
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case s[0]:
				return 1, i
			}
		}
		return 1, len(s)
	}
}

// content is the text of an XML element that has no elements in it.
func content(s string) (int, int) {
	if rest, ok := strings.CutPrefix(s, cdata); ok {
		body, _, _ := strings.Cut(rest, "]]>")
		return len(cdata), len(cdata) + len(body)
	}
	body, _, _ := strings.Cut(s, "<")
	return 0, len(body)
}

const cdata = "<![CDATA["

var afterHost = regexp.MustCompile(`(?i)[/?&\s"'<>]|%2F|@|%40`)

// userInfo is what stands before "@" in an address.
func userInfo(s string) (int, int) {
	at := afterHost.FindStringIndex(s)
	if at == nil || s[at[0]] != '@' && s[at[0]:at[1]] != "%40" {
		return 0, 0
	}
	return 0, at[0]
}

// Mask hides the values of parameters that carry a name, a password or a token, and the token in an upload
// address, so that a path may be shown and logged.
func Mask(path string) string { return mask(path, pathForms) }

// mask hides what the given forms find.
func mask(s string, forms []form) string {
	var spans [][2]int
	for _, f := range forms {
		f.each(s, func(from, to int) { spans = append(spans, [2]int{from, to}) })
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i][0] < spans[j][0] })
	var out strings.Builder
	done := 0
	for i, at := range spans {
		if i == 0 || at[0] >= done {
			out.WriteString(s[done:at[0]])
			out.WriteString(hidden)
		} // else it overlaps what was just hidden
		done = max(done, at[1])
	}
	out.WriteString(s[done:])
	return out.String()
}

// each calls found with the place of every secret value. A value that is none is looked into: it may be an address with pairs of its own.
func (f form) each(s string, found func(from, to int)) {
	for at := 0; at < len(s); {
		m := f.name.FindStringSubmatchIndex(s[at:])
		if m == nil {
			return
		}
		name, rest := s[at+m[2]:at+m[3]], at+m[1]
		next := at + m[3] // the separator may begin the next match
		if f.always || isSecret(name) {
			if from, to := f.value(s[rest:]); to > from {
				found(rest+from, rest+to)
				next = rest + to
			}
		}
		at = next
	}
}

func isSecret(name string) bool {
	if s, err := url.QueryUnescape(name); err == nil {
		name = s
	}
	return secretName.MatchString(name)
}

// secretValues lists the secrets that a command carries, in all the forms in which an answer may repeat them.
func secretValues(c camio.Command) []string {
	var out []string
	add := func(s string) {
		if len(s) >= minSecret && s != hidden && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	collect := func(s string, forms []form) {
		n := 0
		for _, f := range forms {
			f.each(s, func(from, to int) {
				if n++; n > maxSecrets || to-from > maxPath {
					return // the name hides it where it stands
				}
				for _, v := range decoded(s[from:to]) {
					add(v)
					add(url.QueryEscape(v))
					add(url.PathEscape(v))
					add(markup.Escape(v))
				}
			})
		}
	}
	collect(c.Path, pathForms)
	collect(c.Body, textForms)
	return out
}

// decoded gives a value as it is written and as what it means.
func decoded(v string) []string {
	out := []string{v}
	if s, err := url.QueryUnescape(v); err == nil {
		out = append(out, s)
	}
	if s, err := url.PathUnescape(v); err == nil {
		out = append(out, s)
	}
	if s := ""; json.Unmarshal([]byte(`"`+v+`"`), &s) == nil {
		out = append(out, s)
	}
	out = append(out, markup.Unescape(v), strings.TrimSpace(v))
	if user, password, ok := strings.Cut(v, ":"); ok { // of an address
		out = append(out, user, password)
	}
	return out
}

// hide replaces the given secrets in s. The longest come first, so that no part of one stays.
func hide(s string, secrets []string) string {
	for _, v := range secrets {
		if len(v) >= longSecret {
			s = strings.ReplaceAll(s, v, hidden)
		} else {
			s = hideAlone(s, v)
		}
	}
	return s
}

// hideAlone replaces v where it is a word of its own.
func hideAlone(s, v string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, v)
		if i < 0 {
			out.WriteString(s)
			return out.String()
		}
		before, after := s[:i], s[i+len(v):]
		out.WriteString(before)
		if endsInWord(before) || beginsWord(after) {
			out.WriteString(v[:1])
			s = s[i+1:]
			continue
		}
		out.WriteString(hidden)
		s = after
	}
}

func inWord(b byte) bool {
	return b == '.' || b == '-' || b == '_' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}

func endsInWord(s string) bool { return s != "" && inWord(s[len(s)-1]) }

// beginsWord takes a full stop at the end of a sentence for none of the word.
func beginsWord(s string) bool {
	return s != "" && inWord(s[0]) && !(s[0] == '.' && (len(s) == 1 || !inWord(s[1])))
}

// collect gathers the secrets of all commands known and of those given, longest first. It finds those of each command once.
func (b *book) collect(more ...camio.Command) {
	known := b.secretsOf
	b.secretsOf = make(map[camio.Command][]string, len(known))
	var all []string
	add := func(c camio.Command) {
		if _, done := b.secretsOf[c]; done {
			return
		}
		found, ok := known[c]
		if !ok {
			found = secretValues(c)
		}
		b.secretsOf[c] = found
		all = append(all, found...)
	}
	for _, c := range more {
		add(c)
	}
	for _, r := range b.records {
		add(r.Command)
		for _, c := range []*camio.Command{r.Good, r.Trial, r.Undo} {
			if c != nil {
				add(*c)
			}
		}
	}
	b.secrets = ordered(all)
}

func ordered(secrets []string) []string {
	slices.SortFunc(secrets, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	return slices.Compact(secrets)
}

// clean makes a text fit to be shown: every secret of the commands known and of those given is hidden, what is not printable ASCII
// becomes a space or a question mark.
func (b *book) clean(s string, more ...camio.Command) string {
	secrets := b.secrets
	for _, c := range more {
		if _, known := b.secretsOf[c]; !known {
			secrets = ordered(append(slices.Clone(secrets), secretValues(c)...))
		}
	}
	return printable(hide(mask(s, textForms), secrets))
}

// printable keeps printable ASCII: controls and white space become one space, other characters "?".
func printable(s string) string {
	var out strings.Builder
	space := true // none at the begin
	for _, r := range s {
		switch {
		case r <= ' ' || r == 0x7f || unicode.IsSpace(r):
			if !space {
				out.WriteByte(' ')
			}
			space = true
			continue
		case r > unicode.MaxASCII || r == utf8.RuneError:
			out.WriteByte('?')
		default:
			out.WriteRune(r)
		}
		space = false
	}
	return strings.TrimRight(out.String(), " ")
}

// shorten cuts a printable text to n bytes.
func shorten(s string, n int) string {
	if len(s) > n {
		return s[:n-3] + "..."
	}
	return s
}
