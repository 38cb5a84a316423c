package board

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"camward/camio"
)

// answers a Digest challenge the way a server does, with nothing of the client's library.
func digestIsRight(request, algorithm, password string) error {
	line, _, _ := strings.Cut(request, " HTTP/1.1\r\n")
	method, target, _ := strings.Cut(line, " ")
	field := regexp.MustCompile(`(?m)^Authorization: Digest (.*)\r$`).FindStringSubmatch(request)
	if field == nil {
		return errors.New("no Digest")
	}
	p := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^, ]*))`).FindAllStringSubmatch(field[1], -1) {
		p[m[1]] = m[2] + m[3]
	}
	hash := func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }
	if algorithm == "SHA-256" {
		hash = func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	}
	ha1, ha2 := hash(p["username"]+":"+p["realm"]+":"+password), hash(method+":"+target)
	want := hash(ha1 + ":" + p["nonce"] + ":" + ha2) // RFC 2069
	if p["qop"] != "" {
		want = hash(strings.Join([]string{ha1, p["nonce"], p["nc"], p["cnonce"], p["qop"], ha2}, ":"))
	}
	if p["uri"] != target || p["response"] != want || p["realm"] != "NC-336PW, v5" || p["algorithm"] != algorithm || p["opaque"] != "o/1==" {
		return fmt.Errorf("%v: want uri %s and response %s", p, target, want)
	}
	return nil
}

func TestTheWaySignInIsOfferedIsTaken(t *testing.T) {
	const realm = `realm="NC-336PW, v5", `
	tests := []struct {
		name       string
		challenges []string
		want       string // MD5, SHA-256, "" (no algorithm) or basic
	}{
		{"Digest of RFC 2069", []string{"Digest " + realm + `nonce="n1", opaque="o/1=="`}, ""},
		{"MD5 with qop", []string{"Digest " + realm + `nonce="n1", opaque="o/1==", algorithm=MD5, qop="auth"`}, "MD5"},
		{"SHA-256", []string{"Digest " + realm + `nonce="n1", opaque="o/1==", algorithm=SHA-256, qop="auth"`}, "SHA-256"},
		{"the list of qop has spaces", []string{"digest " + realm + `nonce="n1", opaque="o/1==", algorithm=MD5, qop="auth-int, auth"`}, "MD5"},
		{"nothing quoted, a comma too many", []string{"Digest " + realm + `nonce=n1==,,opaque="o/1==",algorithm=MD5,qop=auth,`}, "MD5"},
		{"Basic alone", []string{`Basic realm="NC-336PW, v5"`}, "basic"},
		{"Basic before Digest", []string{`Basic realm="x"`, "Digest " + realm + `nonce="n1", opaque="o/1==", algorithm=MD5, qop="auth"`}, "MD5"},
		{"both in one field", []string{`Basic realm="x, y=z", Digest ` + realm + `nonce="n1", opaque="o/1==", algorithm=MD5, qop="auth"`}, "MD5"},
		{"the first that is understood", []string{"Digest " + realm + `nonce="n1", algorithm=SHA-3`, "Digest " + realm + `nonce="n2", opaque="o/1==", algorithm=SHA-256, qop="auth"`}, "SHA-256"},
		{"Basic where Digest is not understood", []string{"Digest " + realm + `nonce="n1", algorithm=MD5-sess`, `basic realm=x`}, "basic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t, func(n int, request string) string {
				if !strings.Contains(request, "Authorization: ") {
					return unauthorized(tt.challenges...)
				}
				if tt.want == "basic" {
					if strings.Contains(request, "\r\nAuthorization: Basic YWRtaW46aHVzaA==\r\n") {
						return success
					}
					return unauthorized()
				}
				if err := digestIsRight(request, tt.want, "hush"); err != nil {
					t.Error(err)
				}
				return success
			})
			f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address, User: "admin", Password: "hush"})
			a, err := f.Apply(t.Context(), camio.Command{Method: "PUT", Path: "/set?URL=a/$(hwaddr)/x&c=%2f", Body: "<again/>", IsAuthRequired: true})
			if err != nil || a.Status != 200 {
				t.Fatal(a, err)
			}
			got := w.requests()
			if len(got) != 2 || strings.Contains(got[0], "Authorization") || !strings.HasSuffix(got[1], "\r\n\r\n<again/>") {
				t.Errorf("sent %q", got)
			}
		})
	}
}

func TestAStaleNonceIsReplacedOnceAndNoneIsUsedTwice(t *testing.T) {
	w := newWire(t, func(n int, request string) string {
		stale := ""
		if n == 2 {
			stale = ", stale=TRUE"
		}
		if n == 3 || n == 5 {
			return success
		}
		return unauthorized(fmt.Sprintf(`Digest realm="r", qop="auth", nonce="n%d"%s`, n, stale))
	})
	f := newFirmware(t, "plain", FirmwareConfig{Address: "http://" + w.address, User: "admin", Password: "hush"})
	for range 2 {
		if a, err := f.Apply(t.Context(), camio.Command{Method: "GET", Path: "/set", IsAuthRequired: true}); err != nil || a.Status != 200 {
			t.Fatal(a, err)
		}
	}
	var nonces []string
	for _, r := range w.requests() {
		if m := regexp.MustCompile(`nonce="(\w+)", .*nc=(\d+)`).FindStringSubmatch(r); m != nil {
			nonces = append(nonces, m[1]+" "+m[2])
		}
	}
	if got := strings.Join(nonces, ", "); got != "n1 00000001, n2 00000001, n4 00000001" {
		t.Error(got)
	}
}
