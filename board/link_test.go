package board

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"camward/camio"
	"camward/internal/transport"
)

// secure is a camera with a certificate of its own making, and the file that holds it.
func secure(t *testing.T) (host, file string, pin transport.Pin) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, p, ok := r.BasicAuth(); !ok || p != "hush" || r.ProtoMajor != 1 {
			w.Header().Set("WWW-Authenticate", "Basic realm=x")
			w.WriteHeader(401)
			return
		}
		io.WriteString(w, "000 Success "+r.RequestURI)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	file = filepath.Join(t.TempDir(), "board.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.Listener.Addr().String(), file, transport.PinOf(s.Certificate())
}

// plainServer is a camera without TLS. It is never asked for anything but by a command.
func plainServer(t *testing.T) (host string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "000 Success") }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestHTTPSComesFirstAndHTTPOnlyWhereAllowed(t *testing.T) {
	host, file, pin := secure(t)
	plain := plainServer(t)
	tests := []struct {
		name string
		cfg  FirmwareConfig
		want string // in the error; empty: it works
	}{
		{"its certificate is known", FirmwareConfig{Address: host, CAFile: file}, ""},
		{"its key is known", FirmwareConfig{Address: host, Pins: []transport.Pin{pin}}, ""},
		{"both", FirmwareConfig{Address: "https://" + host, CAFile: file, Pins: []transport.Pin{pin}}, ""},
		{"another key", FirmwareConfig{Address: host, Pins: []transport.Pin{{1}}, AllowHTTP: true}, "board.firmware.pins: [" + pin.String() + "]"},
		{"an unknown certificate", FirmwareConfig{Address: "https://" + host}, "board.firmware.pins: [" + pin.String() + "]"},
		{"an unknown certificate does not lead to HTTP", FirmwareConfig{Address: host, AllowHTTP: true}, "board.firmware.pins: [" + pin.String() + "]"},
		{"HTTP only, and not allowed", FirmwareConfig{Address: plain}, "set board.firmware.allow_http"},
		{"HTTP only, and allowed", FirmwareConfig{Address: plain, AllowHTTP: true}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.User, tt.cfg.Password = "admin", "hush"
			f := newFirmware(t, "plain", tt.cfg)
			a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set?a=$(a)", IsAuthRequired: true})
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if tt.want == "" && (err != nil || !strings.HasPrefix(string(a.Body), "000 Success")) {
				t.Error(a, err)
			}
		})
	}
}

func TestHTTPSOnceFoundIsNotGivenUp(t *testing.T) {
	host, _, pin := secure(t)
	f := newFirmware(t, "plain", FirmwareConfig{Address: host, Pins: []transport.Pin{pin}, AllowHTTP: true, User: "admin", Password: "hush"})
	if _, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set", IsAuthRequired: true}); err != nil {
		t.Fatal(err)
	}
	if scheme, _, err := f.link.find(t.Context()); scheme != "https" || err != nil {
		t.Error(scheme, err)
	}
}

func TestTheFirmwaresConfigurationIsChecked(t *testing.T) {
	for in, want := range map[string]address{
		"192.168.1.10": {"", "192.168.1.10", ""}, "camera.lan:8080": {"", "camera.lan", "8080"}, "HTTP://camera": {"http", "camera", ""},
		"https://[fe80::1]:443/": {"https", "fe80::1", "443"}, "[::1]": {"", "::1", ""},
	} {
		if got, err := parseAddress(in); err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"http://", "ftp://x", "http://admin:hush@x", "x/path", "x?y", "x:0", "x:99999", "a b", "http://x#y", ":80"} {
		if got, err := parseAddress(in); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	err := FirmwareConfig{Address: "ftp://x", Password: "hush", CAFile: "/nowhere"}.Validate()
	for _, key := range []string{"board.firmware.address: ", "board.firmware.user: ", "board.firmware.ca_file: "} {
		if err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v lacks %s", err, key)
		}
	}
}

func TestWhatIsWrongIsTold(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	plain := func(text string) func(*testing.T) string {
		return func(t *testing.T) string { return "http://" + newWire(t, always(text)).address }
	}
	tests := []struct {
		name    string
		address func(*testing.T) string
		want    string
	}{
		{"refused", func(*testing.T) string { return "http://" + free.Addr().String() }, "nothing listens there, see board.firmware.address"},
		{"unknown name", func(*testing.T) string { return "http://camera.invalid" }, "board camera.invalid:80: "},
		{"hangs up", plain(""), "hangs up without an answer"},
		{"not HTTP", plain("000 Success\r\n\r\n"), "not HTTP"},
		{"HTTPS to an HTTP port", func(t *testing.T) string { return "https://" + plainServer(t) }, "does not speak HTTPS"},
		{"an error text", plain("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n# Error: no"), "answers with an error text"},
		{"no password set", plain(unauthorized("Basic realm=x")), ErrPassword.Error()},
		{"an unknown sign-in", plain(unauthorized("Negotiate")), "board.firmware.user"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFirmware(t, "plain", FirmwareConfig{Address: tt.address(t)})
			if _, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set?secret=hush", IsAuthRequired: true}); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
