// Package markup writes and reads the few character references that HTML and XML need. The standard library's package html knows
// thousands of names, which a small device has to carry; here are the five of XML (XML 1.0, 4.6) and the numeric ones.
package markup

import (
	"encoding/xml"
	"strings"
)

// escaper is safe for concurrent use.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// Escape makes text fit for an element's content and for an attribute's value in quotes, of HTML and XML alike.
func Escape(text string) string { return escaper.Replace(text) }

// Unescape gives the text that XML's character references stand for. What is none stays as it is.
func Unescape(s string) string {
	d := xml.NewDecoder(strings.NewReader("<v>" + strings.ReplaceAll(s, "<", "&lt;") + "</v>"))
	d.Strict = false
	for {
		t, err := d.RawToken()
		if err != nil {
			return s
		}
		if text, ok := t.(xml.CharData); ok {
			return string(text)
		}
	}
}
