package ntp

import (
	"strings"
	"testing"
)

func TestATimeServerIsAHostNameOrAnAddress(t *testing.T) {
	for _, s := range []string{"time.nist.gov", "192.168.1.1", "2001:db8::1", "[2001:db8::1]:123", "pool.ntp.org:1123", "a", "ntp_1.lan.", strings.Repeat("a.", 126) + "a"} {
		if err := Validate(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", " ", "a b", "a\nNTP=b", "a;b", "$(hwaddr)", "http://a", "a/b", "-a", "a-.b", "a..b", "1.2.3", "1.2.3.4.5", "0.0.0.0", "224.0.0.1", "fe80::1%eth0", "a:0", "a:b", "a:70000",
		"ä.de", "a\x00", strings.Repeat("a.", 127) + "a", strings.Repeat("a", 64) + ".b", "[::1", "%61"} {
		if err := Validate(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

func FuzzNothingButAServerGetsIntoAConfiguration(f *testing.F) {
	for _, s := range []string{"time.nist.gov", "[::1]:123", "a b", "a\nserver b", "::ffff:1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if Validate(s) != nil {
			return
		}
		host, port := split(s)
		for _, r := range host + port {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:", r) {
				t.Errorf("%q has %q", s, r)
			}
		}
		if host == "" || strings.HasPrefix(host, "-") {
			t.Errorf("%q has host %q", s, host)
		}
	})
}
