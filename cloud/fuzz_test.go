package cloud

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// shown fails the test for a text that is not fit to show.
func shown(t *testing.T, s string, limit int) {
	t.Helper()
	if len(s) > limit || !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !isShown(c) }) {
		t.Errorf("%q is not fit to show", s)
	}
}

func FuzzParsePoll(f *testing.F) {
	for _, seed := range [][3]string{
		{"maker=Sharx&ip_address_local=192.168.1.51", "", ""},
		{"", "application/x-www-form-urlencoded", "maker=Sharx&model=SCNC3904&ip_address_local=192.168.1.51"},
		{"", "application/json", `{"maker":"Sharx","results":[{"id":"ping","date_updated":"2015-09-19T21:43:55.794-0000","state":"applied","http_status":200,"answer":"000 Success","at":"2015-09-19T21:44:00.000-0000"}]}`},
		{"maker=%E2%80%AEx%00", "application/json", `[]`},
	} {
		f.Add(seed[0], seed[1], []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, query, contentType string, body []byte) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p, err := parsePoll(q, contentType, body)
		if err != nil {
			return
		}
		shown(t, p.Maker, maxParameter)
		shown(t, p.Model, maxParameter)
		shown(t, p.LocalAddress, maxParameter)
		if len(p.Results) > maxResults {
			t.Errorf("%d results", len(p.Results))
		}
		for _, r := range p.Results {
			shown(t, tame(r.Answer, maxAnswer), maxAnswer)
		}
	})
}

func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"00:E0:4C:C2:7C:C5", "00e0.4cc2.7cc5", "00-E0-4C-C2-7C-C5", "00E04CC27CC5", "00E04CC27CC5.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mac, ok := parseMAC(s)
		if !ok {
			return
		}
		if again, ok := parseMAC(mac); !ok || again != mac || len(mac) != 12 {
			t.Errorf("%q gives %q, that gives %q", s, mac, again)
		}
		if again, ok := parseMAC(pairs(mac)); !ok || again != mac {
			t.Errorf("%q shown as %q gives %q", s, pairs(mac), again)
		}
	})
}

func TestTextOfStrangersIsTamed(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                     "plain",
		"  two\r\n\tlines  ":        "two lines",
		"\x1b[31mred":               "[31mred", // control characters go, as blanks do
		"a\u202egnp.exe":            "a\uFFFDgnp.exe",
		"a\u200fb":                  "a\uFFFDb",
		"\xff\xfeok":                "ok",
		"nähe \u2603":               "nähe \u2603",
		strings.Repeat("\u2603", 9): strings.Repeat("\u2603", 6),
	} {
		if got := tame(in, 20); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
