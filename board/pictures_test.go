package board

import (
	"strings"
	"testing"

	"camward/camio/profile"
	"camward/internal/transport"
)

func TestPicturesOfAVendorsBoardAreWhereItsProfileSays(t *testing.T) {
	signedIn := FirmwareConfig{Address: "10.0.0.8", User: "admin", Password: "s&cret", AllowHTTP: true}
	with := func(change func(*FirmwareConfig)) FirmwareConfig { c := signedIn; change(&c); return c }
	tests := []struct {
		name, maker string
		cfg         FirmwareConfig
		url, user   string
		err         string
	}{
		{name: "stream before snapshot", maker: "Sharx", cfg: signedIn, url: "http://10.0.0.8:80/stream.jpg", user: "admin"},
		{name: "only a snapshot", maker: "Hikvision", cfg: signedIn, url: "http://10.0.0.8:80/ISAPI/Streaming/channels/101/picture", user: "admin"},
		{name: "a query of its own", maker: "Dahua", cfg: signedIn, url: "http://10.0.0.8:80/cgi-bin/mjpg/video.cgi?channel=1&subtype=1", user: "admin"},
		{name: "password in the query", maker: "Foscam", cfg: signedIn, url: "http://10.0.0.8:88/cgi-bin/CGIStream.cgi?cmd=GetMJStream&usr=admin&pwd=s%26cret"},
		{name: "HTTPS unless HTTP is allowed", maker: "Sharx", cfg: with(func(c *FirmwareConfig) { c.AllowHTTP = false }), url: "https://10.0.0.8:443/stream.jpg", user: "admin"},
		{name: "a scheme is taken at its word", maker: "Sharx", cfg: with(func(c *FirmwareConfig) { c.Address, c.AllowHTTP = "http://[fe80::1]:8080", false }), url: "http://[fe80::1]:8080/stream.jpg", user: "admin"},
		{name: "a pin alone", maker: "Sharx", cfg: with(func(c *FirmwareConfig) { c.AllowHTTP, c.Pins = false, []transport.Pin{{}} }), err: "ca_file"},
		{name: "no board", maker: "Sharx", err: "board.firmware.address"},
		{name: "no pictures", maker: "", cfg: signedIn, err: "names neither"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, ok := &profile.Profile{Maker: "Bare"}, true
			if tt.maker != "" {
				p, ok = profile.Builtin().Find(tt.maker, "", "")
			}
			if !ok {
				t.Fatalf("no profile for %s", tt.maker)
			}
			got, err := tt.cfg.Pictures(p)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, want an error with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.URL != tt.url || got.User != tt.user {
				t.Errorf("got %q as %q, want %q as %q", got.URL, got.User, tt.url, tt.user)
			}
			if (got.Password != "") != (tt.user != "") {
				t.Error("the password is not where the user is")
			}
		})
	}
}
