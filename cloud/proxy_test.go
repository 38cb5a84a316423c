package cloud_test

import (
	"net/netip"
	"testing"

	"camward/camio"
	"camward/cloud"
	"camward/cloud/cloudtest"
)

func TestTrustedProxyTellsWhoAsks(t *testing.T) {
	c := cloudtest.New(t, func(cfg *cloud.Config) {
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	})
	tests := []struct {
		peer, header, want string
	}{
		{"192.0.2.1", "", "192.0.2.1"},
		{"192.0.2.1", "X-Forwarded-For: 6.6.6.6", "192.0.2.1"}, // not a proxy of ours
		{"10.1.2.3", "", "10.1.2.3"},
		{"10.1.2.3", "X-Forwarded-For: 198.51.100.7", "198.51.100.7"},
		{"10.1.2.3", "X-Forwarded-For: 6.6.6.6, 198.51.100.7", "198.51.100.7"}, // the client's own invention
		{"10.1.2.3", "X-Forwarded-For: 6.6.6.6, 198.51.100.7, 10.9.9.9", "198.51.100.7"},
		{"10.1.2.3", "X-Forwarded-For: 198.51.100.7:4711", "198.51.100.7"},
		{"10.1.2.3", "X-Forwarded-For: [2001:db8::1]:4711", "2001:db8::1"},
		{"::1", "X-Forwarded-For: ::ffff:198.51.100.7", "198.51.100.7"},
		{"10.1.2.3", "X-Forwarded-For: unknown", "10.1.2.3"},
		{"10.1.2.3", "X-Forwarded-For: 6.6.6.6, nonsense", "10.1.2.3"},
		{"10.1.2.3", "X-Forwarded-For: 10.4.4.4", "10.4.4.4"},
	}
	for _, tt := range tests {
		header := []string{"X: x"}
		if tt.header != "" {
			header[0] = tt.header
		}
		r := from(t, c, tt.peer, "GET", "/api/cameras/"+camera+"?maker=x", "", header...)
		if got := decode[camio.PollReply](t, r.Body).IPAddress; got != tt.want {
			t.Errorf("%s with %q: %s, want %s", tt.peer, tt.header, got, tt.want)
		}
	}
}
