package provision

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"camward/camio"
)

// Bounds of a reply that is believed at all. Real ones carry three to ten commands of a few hundred bytes.
const (
	maxCommands = 64
	maxPath     = 4 << 10   // bytes
	maxRegex    = 1 << 10   // bytes
	maxID       = 64        // bytes
	maxBody     = 64 << 10  // bytes, of a command and of the firmware's answer
	maxType     = 128       // bytes
	maxSteps    = 4 << 10   // of a pattern, see steps
	maxReply    = 256 << 10 // bytes of paths and bodies together
)

// Check refuses a reply that no honest server sends, with one line that says why. It does not
// decide whether a command may be applied.
func Check(r *camio.PollReply) error {
	if r == nil {
		return errors.New("the reply is empty")
	}
	if len(r.Commands) > maxCommands {
		return fmt.Errorf("the reply has %d commands, at most %d are taken", len(r.Commands), maxCommands)
	}
	size, keys := 0, make(map[string]bool, len(r.Commands))
	for i, c := range r.Commands {
		if err := checkCommand(c); err != nil {
			return fmt.Errorf("command %d of the reply: %w", i+1, err)
		}
		if keys[c.Key()] {
			return fmt.Errorf("command %d of the reply: %s comes twice", i+1, c.ID)
		}
		keys[c.Key()] = true
		size += len(c.Path) + len(c.Body)
	}
	if size > maxReply {
		return fmt.Errorf("the reply's paths and bodies have %d bytes, at most %d are taken", size, maxReply)
	}
	return nil
}

func checkCommand(c camio.Command) error {
	switch {
	case c.ID == "" || len(c.ID) > maxID || !plain(c.ID):
		return fmt.Errorf("its id is not 1..%d plain characters", maxID)
	case len(c.Path) > maxPath:
		return fmt.Errorf("%s: its path has %d bytes, at most %d are taken", c.ID, len(c.Path), maxPath)
	case !strings.HasPrefix(c.Path, "/") || !plain(c.Path):
		return fmt.Errorf("%s: its path is not an absolute path of plain characters", c.ID)
	case c.Method != "GET" && c.Method != "POST" && c.Method != "PUT":
		return fmt.Errorf("%s: its method is not GET, POST or PUT", c.ID)
	case len(c.RegexResponse) > maxRegex:
		return fmt.Errorf("%s: its pattern has %d bytes, at most %d are taken", c.ID, len(c.RegexResponse), maxRegex)
	case len(c.DateUpdated) > maxID || !plain(c.DateUpdated):
		return fmt.Errorf("%s: its date_updated is not a date", c.ID)
	}
	if err := checkBody(c); err != nil {
		return err
	}
	re, err := syntax.Parse(c.RegexResponse, syntax.Perl)
	if err == nil && steps(re) > maxSteps {
		return fmt.Errorf("%s: its pattern takes too long", c.ID)
	}
	if err != nil || strings.ContainsFunc(c.RegexResponse, hides) {
		return fmt.Errorf("%s: its pattern is not a regular expression", c.ID)
	}
	return nil
}

// steps estimates how many instructions a pattern compiles to, and so how much work each byte of an answer makes. The parser alone
// bears patterns of 1 kB that take hundreds of megabytes and minutes.
func steps(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	if re.Op == syntax.OpCharClass {
		n = 1
	}
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n = min(n, 1<<20) * max(re.Min, re.Max, 1) // the parser bears at most a thousand times: no overflow of 32 bits
	}
	return min(n, 1<<20)
}

func checkBody(c camio.Command) error {
	switch {
	case len(c.Body) > maxBody:
		return fmt.Errorf("%s: its body has %d bytes, at most %d are taken", c.ID, len(c.Body), maxBody)
	case c.Method == "GET" && (c.Body != "" || c.ContentType != ""):
		return fmt.Errorf("%s: a GET has no body", c.ID)
	case len(c.ContentType) > maxType || !plain(c.ContentType):
		return fmt.Errorf("%s: its content type is not 1..%d plain characters", c.ID, maxType)
	case !utf8.ValidString(c.Body):
		return fmt.Errorf("%s: its body is not text", c.ID)
	}
	return nil
}

// checkPath keeps a command within the firmware's own address, whatever the profile allows: dot segments, also encoded ones, and
// backslashes before "?" could leave the folder that a profile means. One leading "//" is taken as "/" (real firmware bears it);
// more of them would name a host.
func checkPath(path string) error {
	p, _, _ := strings.Cut(path, "?")
	p = strings.ToLower(p)
	if strings.Contains(path, " ") {
		return errors.New("its path has a space")
	}
	if strings.HasPrefix(p, "///") || strings.ContainsAny(p, "\\#") || strings.Contains(p, "%5c") || strings.Contains(p, "%0") {
		return errors.New("its path is not an absolute path on the firmware")
	}
	for s := range strings.SplitSeq(strings.ReplaceAll(p, "%2f", "/"), "/") {
		if s, _, _ = strings.Cut(strings.ReplaceAll(s, "%2e", "."), ";"); s == "." || s == ".." {
			return errors.New("its path has dot segments")
		}
	}
	return nil
}

// hides finds characters that change how a text looks: controls and those without a picture.
func hides(r rune) bool { return !unicode.IsPrint(r) }

// plain says that s holds printable ASCII only: no control characters, no bidirectional tricks.
func plain(s string) bool {
	for _, r := range s {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
