package provision

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"camward/camio"
)

// Bounds of a reply that is believed at all. Real ones carry three to ten commands of a few hundred bytes.
const (
	maxCommands = 64
	maxPath     = 4 << 10 // bytes
	maxRegex    = 1 << 10 // bytes
	maxID       = 64      // bytes
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
	for i, c := range r.Commands {
		if err := checkCommand(c); err != nil {
			return fmt.Errorf("command %d of the reply: %w", i+1, err)
		}
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
	if _, err := regexp.Compile(c.RegexResponse); err != nil {
		return fmt.Errorf("%s: its pattern is not a regular expression", c.ID)
	}
	return nil
}

// plain says that s holds printable ASCII only: no control characters, no bidirectional tricks.
func plain(s string) bool {
	for _, r := range s {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

var (
	secretParam = regexp.MustCompile(`(?i)([?&](?:username|user|usr|password|passwd|pwd|token)=)[^&]+`)
	tokenPath   = regexp.MustCompile(`(/users/|/tokens/)[^/?&]+`)
)

// Mask hides the values of parameters that carry a name, a password or a token, and the token in an upload
// address, so that a path may be shown and logged.
func Mask(path string) string {
	return tokenPath.ReplaceAllString(secretParam.ReplaceAllString(path, "${1}***"), "${1}***")
}
