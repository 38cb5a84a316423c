package markup

import (
	"html"
	"testing"
)

func TestWhatIsEscapedReadsAsItWas(t *testing.T) {
	for _, text := range []string{"", "plain", `a&b<c>"d"'e'`, "&amp;", "ü€\u00a0", "a=1&b=2"} {
		escaped := Escape(text)
		if got := html.UnescapeString(escaped); got != text {
			t.Errorf("a browser reads %q as %q, want %q", escaped, got, text)
		}
		if got := Unescape(escaped); got != text {
			t.Errorf("Unescape(%q) = %q, want %q", escaped, got, text)
		}
	}
}

func TestReferencesAreRead(t *testing.T) {
	for _, tt := range [][2]string{
		{"&lt;&gt;&amp;&quot;&apos;", `<>&"'`}, {"&#65;&#x42;", "AB"}, {"&copy;", "&copy;"}, {"a&b", "a&b"}, {"a&", "a&"}, {"a<b", "a<b"},
	} {
		if got := Unescape(tt[0]); got != tt[1] {
			t.Errorf("Unescape(%q) = %q, want %q", tt[0], got, tt[1])
		}
	}
}

func FuzzUnescapeAcceptsAnything(f *testing.F) {
	f.Add("a&amp;b")
	f.Fuzz(func(_ *testing.T, s string) { Unescape(s) })
}
