package ftpd

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits on what a client may send.
const (
	maxLine = 4096 // bytes of a command with its end
	maxPath = 1024 // bytes of a path from the root
	maxName = 255  // bytes of one element of it
	maxDeep = 16   // elements
)

var errLineTooLong = errors.New("the line is too long")

// A command is one line of the control connection: the verb in upper case and the rest as it was sent.
type command struct{ verb, arg string }

// Telnet bytes that clients send on the control connection (RFC 854): ABOR comes behind IAC IP IAC DM (RFC 959 4.1.3).
const (
	telnetIAC  = 0xff
	telnetWill = 0xfb // WILL, WONT, DO, DONT carry one option byte
	telnetDont = 0xfe
)

// readLine reads up to the line feed, without the end of line and Telnet commands. Of a line that is too long it consumes
// all and returns errLineTooLong.
func readLine(r *bufio.Reader) (string, error) {
	var b []byte
	long := false
	for total := 0; ; total++ {
		c, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		if total > 16*maxLine {
			return "", fmt.Errorf("no end of line in %d bytes", total)
		}
		if c == telnetIAC {
			if c, err = skipTelnet(r); err != nil {
				return "", err
			}
			if c != telnetIAC {
				continue
			}
		} else if c == '\n' {
			break
		}
		if len(b) >= maxLine {
			long = true
			continue
		}
		b = append(b, c)
	}
	if long {
		return "", errLineTooLong
	}
	return strings.TrimSuffix(string(b), "\r"), nil
}

// skipTelnet reads what follows IAC and returns IAC for the escaped byte 255.
func skipTelnet(r *bufio.Reader) (byte, error) {
	c, err := r.ReadByte()
	if err == nil && c >= telnetWill && c <= telnetDont {
		_, err = r.ReadByte()
	}
	return c, err
}

var errSyntax = errors.New("syntax error")

// parseCommand splits a line into the verb, three or four letters, and its argument (RFC 959 5.3).
func parseCommand(line string) (command, error) {
	verb, arg, _ := strings.Cut(line, " ")
	if len(verb) < 3 || len(verb) > 4 {
		return command{}, errSyntax
	}
	verb = strings.ToUpper(verb)
	for _, c := range []byte(verb) {
		if c < 'A' || c > 'Z' {
			return command{}, errSyntax
		}
	}
	return command{verb, arg}, nil
}

// resolve applies a path to the working directory. "." and ".." mean what they do everywhere; ".." of the root is the root.
// Text that is not UTF-8 is taken as Latin-1, which is what old firmware sends.
func resolve(cwd []string, arg string) ([]string, error) {
	if !utf8.ValidString(arg) {
		r := make([]rune, len(arg))
		for i := range len(arg) {
			r[i] = rune(arg[i])
		}
		arg = string(r)
	}
	if strings.ContainsFunc(arg, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
		return nil, errors.New("the path has control characters")
	}
	dir := slices.Clone(cwd)
	if strings.HasPrefix(arg, "/") {
		dir = nil
	}
	for e := range strings.SplitSeq(arg, "/") {
		switch {
		case e == "" || e == ".":
		case e == "..":
			dir = dir[:max(0, len(dir)-1)]
		case len(e) > maxName:
			return nil, errors.New("a name in the path is too long")
		default:
			dir = append(dir, e)
		}
	}
	if len(dir) > maxDeep || len(pathOf(dir)) > maxPath {
		return nil, errors.New("the path is too long")
	}
	return dir, nil
}

// resolveFile is resolve for the path of a file: it has a name, below a camera's directory.
func resolveFile(cwd []string, arg string) ([]string, error) {
	last := arg[strings.LastIndexByte(arg, '/')+1:]
	if last == "" || last == "." || last == ".." {
		return nil, errors.New("the path names no file")
	}
	p, err := resolve(cwd, arg)
	if err == nil && len(p) < 2 {
		return nil, errors.New("change to a camera's directory first")
	}
	return p, err
}

func pathOf(dir []string) string { return "/" + strings.Join(dir, "/") }

// quoted is a path as 257 shows it: quotes inside are doubled (RFC 959 appendix II).
func quoted(dir []string) string { return `"` + strings.ReplaceAll(pathOf(dir), `"`, `""`) + `"` }

// parsePort reads the argument of PORT, h1,h2,h3,h4,p1,p2 (RFC 959 5.3.2).
func parsePort(arg string) (netip.AddrPort, error) {
	f := strings.Split(strings.TrimSpace(arg), ",")
	if len(f) != 6 {
		return netip.AddrPort{}, errSyntax
	}
	var b [6]byte
	for i, s := range f {
		n, err := parseDecimal(s, 255)
		if err != nil {
			return netip.AddrPort{}, err
		}
		b[i] = byte(n)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5])), nil
}

var errProtocol = errors.New("network protocol not supported")

// parseEPRT reads the argument of EPRT, |1|132.235.1.2|6275| (RFC 2428 2). errProtocol is the family's fault, everything
// else a syntax error.
func parseEPRT(arg string) (netip.AddrPort, error) {
	arg = strings.TrimSpace(arg)
	if arg == "" || arg[0] < 33 || arg[0] > 126 {
		return netip.AddrPort{}, errSyntax
	}
	f := strings.Split(arg, arg[:1])
	if len(f) != 5 || f[0] != "" || f[4] != "" {
		return netip.AddrPort{}, errSyntax
	}
	if f[1] != "1" && f[1] != "2" {
		return netip.AddrPort{}, errProtocol
	}
	a, err := netip.ParseAddr(f[2])
	if err != nil || a.Is4() != (f[1] == "1") || a.Zone() != "" {
		return netip.AddrPort{}, errSyntax
	}
	p, err := parseDecimal(f[3], 65535)
	return netip.AddrPortFrom(a, uint16(p)), err
}

func parseDecimal(s string, limit uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || s[0] == '+' || n > limit {
		return 0, errSyntax
	}
	return n, nil
}

// unfinished are the endings under which clients upload what they rename later.
var unfinished = []string{".tmp", ".temp", ".part", ".partial", ".filepart", ".upload", ".uploading", ".incomplete", "~"}

// isTemporary tells whether a name looks like one that will be renamed once the file is complete.
func isTemporary(name string) bool {
	if strings.HasPrefix(name, ".") {
		return true
	}
	name = strings.ToLower(name)
	return slices.ContainsFunc(unfinished, func(end string) bool { return strings.HasSuffix(name, end) })
}
