package main

import (
	"strings"
	"unicode"
)

// plain makes a text fit for a terminal that others had a part in: servers, files, devices. Escape sequences and what else changes how
// the rest is shown becomes a question mark; a line's end and a tab stay.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// plainLine is plain for a text that must stay on its line, in its column.
func plainLine(s string) string { return strings.NewReplacer("\n", " ", "\t", " ").Replace(plain(s)) }
