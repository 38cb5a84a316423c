package agent

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"camward/camio"
	"camward/provision"
	"camward/uploader/ftpstore"
)

// supportBundle answers with what a person who helps wants to see, as a .tar.gz: nothing in it is secret, and every known secret is looked
// for and hidden all the same.
func (a *Agent) supportBundle(ring *logRing) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now()
		name := fmt.Sprintf("camward-support-%s-%s", a.id.MAC, now.UTC().Format("20060102-150405"))
		h := w.Header()
		h.Set("Content-Type", "application/gzip")
		h.Set("Content-Disposition", `attachment; filename="`+name+`.tar.gz"`)
		zip := gzip.NewWriter(w)
		hide := a.newMasker()
		for _, part := range a.bundleParts(ring) {
			text := part.text()
			if strings.HasSuffix(part.name, ".json") {
				text = hide.json(text)
			} else {
				text = hide.text(text)
			}
			if _, err := zip.Write(tarFile(name+"/"+part.name, text, now)); err != nil {
				return // the page has gone
			}
		}
		zip.Write(make([]byte, 2*tarBlock)) //nolint:errcheck // the page has gone
		zip.Close()                         //nolint:errcheck // the page has gone
	})
}

// tarBlock is what everything in a tar archive is filled up to, in bytes. Two empty ones end it.
const tarBlock = 512

// tarFile is a file in a tar archive (POSIX.1-1988, ustar): its header and its text. The name has 100 bytes at most. Package archive/tar
// would be twenty times as large.
func tarFile(name, text string, at time.Time) []byte {
	b := make([]byte, tarBlock, tarBlock+len(text)+tarBlock)
	copy(b, name)
	copy(b[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00%8s0", 0o644, 0, 0, len(text), max(0, at.Unix()), "")) // mode, owner, group; a sum of blanks; a file
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00", sum))
	b = append(b, text...)
	return append(b, make([]byte, (tarBlock-len(text)%tarBlock)%tarBlock)...)
}

// A bundlePart is one file of the bundle.
type bundlePart struct {
	name string
	text func() string
}

func (a *Agent) bundleParts(ring *logRing) []bundlePart {
	asJSON := func(v any) string {
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return "not to be had: " + err.Error()
		}
		return string(b) + "\n"
	}
	return []bundlePart{
		{"version.json", func() string { return asJSON(ThisBuild(a.version)) }},
		{"status.json", func() string { return asJSON(a.Status()) }},
		{"configuration.txt", a.configurationText},
		{"settings.json", func() string { return asJSON(a.device.status()) }},
		{"commands.json", func() string { return asJSON(a.commands()) }},
		{"queue.json", func() string {
			spool, err := a.spool.opened()
			if err != nil {
				return asJSON(map[string]string{"error": err.Error()})
			}
			return asJSON(spool.Items())
		}},
		{"log.json", func() string { return string(ring.since(0)) }},
		{"goroutines.txt", func() string {
			b := make([]byte, 1<<20)
			return string(b[:runtime.Stack(b, true)])
		}},
		{"system.txt", systemText},
	}
}

// configurationText is every value with its origin, as camward check --effective has it.
func (a *Agent) configurationText() string {
	var b strings.Builder
	for _, e := range a.cfg.Effective() {
		fmt.Fprintf(&b, "%s: %s  # %s\n", e.Key, provision.Mask(e.Value), e.Origin)
	}
	return b.String()
}

// systemText is what the kernel tells of the machine. The command line and the environment stay out of it: they may hold secrets.
func systemText() string {
	const most = 16 << 10 // bytes of a file
	files := []string{"/etc/os-release", "/sys/firmware/devicetree/base/model"}
	for _, name := range []string{"version", "uptime", "loadavg", "meminfo", "cpuinfo", "stat", "net/dev", "self/status", "self/limits", "self/io",
		"pressure/cpu", "pressure/io", "pressure/memory"} {
		files = append(files, "/proc/"+name)
	}
	temperatures, _ := filepath.Glob("/sys/class/thermal/thermal_zone*/temp") // only a bad pattern is an error
	var b strings.Builder
	for _, file := range append(files, temperatures...) {
		text, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintf(&b, "== %s\n%v\n", file, err)
			continue
		}
		fmt.Fprintf(&b, "== %s\n%s\n", file, strings.ToValidUTF8(string(text[:min(len(text), most)]), "?"))
	}
	open, _ := os.ReadDir("/proc/self/fd")
	fmt.Fprintf(&b, "== open files\n%d\n", len(open))
	return b.String()
}

// A masker hides the secrets that the agent knows.
type masker struct {
	long  *strings.Replacer // wherever they occur
	short []string          // where they stand alone: a password "back" must leave "fallback" alone
}

// Secrets shorter than this are hidden only where they stand alone, and those that are shorter still are none.
const (
	longSecret  = 8
	shortSecret = 3
)

// newMasker collects the secrets of the configuration and of what forms have set.
func (a *Agent) newMasker() *masker {
	m := &masker{}
	var long []string
	for _, s := range a.secrets() {
		if len(s) < shortSecret || s == ftpstore.Default().Password.Reveal() { // that one is in the manual
			continue
		}
		for _, form := range []string{s, url.PathEscape(s), url.QueryEscape(s), inJSON(s, true), inJSON(s, false)} {
			if len(form) >= longSecret {
				long = append(long, form)
			} else {
				m.short = append(m.short, form)
			}
		}
	}
	slices.SortFunc(long, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) }) // no part of one stays
	var pairs []string
	for _, s := range slices.Compact(long) {
		pairs = append(pairs, s, "***")
	}
	m.long = strings.NewReplacer(pairs...)
	slices.Sort(m.short)
	m.short = slices.Compact(m.short)
	return m
}

// inJSON is a text as it stands in JSON, without quotes.
func inJSON(s string, escapeHTML bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	e.Encode(s) //nolint:errcheck // of a string it does not fail
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `"`), "\"\n")
}

// json masks the strings of a JSON text that are values. Names and numbers stay: "1234" may be somebody's password.
func (m *masker) json(text string) string {
	var out strings.Builder
	for {
		open := strings.IndexByte(text, '"')
		if open < 0 {
			out.WriteString(text)
			return out.String()
		}
		end := open + 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(text))
		out.WriteString(text[:open+1])
		if value := text[open+1 : end]; strings.HasPrefix(text[end:], `":`) {
			out.WriteString(value)
		} else {
			out.WriteString(m.inside(value))
		}
		text = text[end:]
		if text != "" {
			out.WriteByte('"')
			text = text[1:]
		}
	}
}

// inside masks a JSON string without its quotes. It is decoded for that: "\nopassword" has no "nopassword" in it.
func (m *masker) inside(value string) string {
	var plain string
	if json.Unmarshal([]byte(`"`+value+`"`), &plain) != nil {
		return m.text(value)
	}
	if masked := m.text(plain); masked != plain {
		return inJSON(masked, false)
	}
	return value
}

func (m *masker) text(text string) string {
	text = m.long.Replace(text)
	for _, s := range m.short {
		text = maskWord(text, s)
	}
	return text
}

// maskWord hides word where neither a letter nor a digit is beside it.
func maskWord(text, word string) string {
	var out strings.Builder
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			out.WriteString(text[from:])
			return out.String()
		}
		at, end := from+i, from+i+len(word)
		alone := (at == 0 || !alphanumeric(text[at-1])) && (end == len(text) || !alphanumeric(text[end]))
		out.WriteString(text[from:at])
		if alone {
			out.WriteString("***")
		} else {
			out.WriteString(word)
		}
		from = end
	}
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
}

// secrets lists every secret that the agent was given.
func (a *Agent) secrets() (list []string) {
	add := func(s camio.Secret) {
		list = append(list, s.Reveal())
		if u, err := url.Parse(s.Reveal()); err == nil && u.User != nil { // a proxy's
			password, _ := u.User.Password()
			list = append(list, password)
		}
	}
	for _, l := range a.cfg.leaves() {
		if s, ok := reflect.TypeAssert[camio.Secret](l.v); ok {
			add(s)
		}
	}
	if first, err := a.cfg.firstPassword(a.id); err == nil {
		add(first)
	}
	list = append(list, a.FreshPassword)
	d := a.device
	d.mu.Lock()
	k := d.kept
	d.mu.Unlock()
	if k.Period != nil {
		list = append(list, k.Period.User, k.Period.Secret)
		if u, err := url.Parse(k.Period.URL); err == nil {
			for name, values := range u.Query() {
				if masked := provision.Mask("?" + name + "=x"); !strings.HasSuffix(masked, "=x") { // by its name it is one
					list = append(list, values...)
				}
			}
		}
	}
	f, h := k.ftp(), k.http()
	add(f.User)
	add(f.Password)
	add(h.Token)
	return list
}
