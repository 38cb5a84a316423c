package cloud

import "strings"

// parseMAC reads a MAC address as 12 hexadecimal digits, bare, in pairs or in groups of four, separated by one of ':',
// '-' and '.', in any case. The canonical form is bare and upper case.
func parseMAC(s string) (string, bool) {
	if len(s) > 17 {
		return "", false
	}
	group := 12
	if i := strings.IndexAny(s, ":-."); i >= 0 {
		group = i
		if group != 2 && group != 4 {
			return "", false
		}
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if group < 12 && i%(group+1) == group {
			if c != s[group] {
				return "", false
			}
			continue
		}
		switch {
		case c >= '0' && c <= '9' || c >= 'A' && c <= 'F':
		case c >= 'a' && c <= 'f':
			c -= 'a' - 'A'
		default:
			return "", false
		}
		b.WriteByte(c)
	}
	// A trailing separator would make the text longer than digits and separators between groups.
	if b.Len() != 12 || len(s) != 12+(12/group-1) {
		return "", false
	}
	return b.String(), true
}
