package httpauth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The examples of the RFCs.
func TestAnswersAreThoseOfTheSpecifications(t *testing.T) {
	const (
		modern = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
		legacy = `Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`
	)
	mufasa := Request{Method: "GET", Target: "/dir/index.html", User: "Mufasa", Pass: "Circle of Life"}
	tests := []struct {
		name, field, cnonce, want string
		request                   Request
	}{
		{"RFC 7616 3.9.1, SHA-256", fmt.Sprintf(modern, "SHA-256"), "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", `response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`, mufasa},
		{"RFC 7616 3.9.1, MD5", fmt.Sprintf(modern, "MD5"), "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", `response="8ca523f5e9506fed4657c9700eebdbec"`, mufasa},
		{"RFC 2617 3.5", legacy, "0a4f113b", `response="6629fae49393a05397450978507c4ef1"`, Request{Method: "GET", Target: "/dir/index.html", User: "Mufasa", Pass: "Circle Of Life"}},
		{"RFC 7617 2", `Basic realm="WallyWorld"`, "", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Request{User: "Aladdin", Pass: "open sesame"}},
	}
	for _, tt := range tests {
		got, err := Parse([]string{tt.field}).answer(tt.request, tt.cnonce)
		if err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestWhatIsOfferedIsFoundAsFirmwareWritesIt(t *testing.T) {
	tests := []struct {
		name   string
		fields []string
		scheme Scheme
		nonce  string
		stale  bool
	}{
		{"nothing", nil, None, "", false},
		{"Basic", []string{`Basic realm="x"`}, Basic, "", false},
		{"Basic without a realm", []string{`BASIC`}, Basic, "", false},
		{"Digest of RFC 2069", []string{`Digest realm="x", nonce="1"`}, Digest, "1", false},
		{"the first that is understood", []string{`Digest realm="x", nonce="1", algorithm=MD4`, `DIGEST realm="x", nonce="2", algorithm=SHA-256`, `Digest nonce="3"`}, Digest, "2", false},
		{"Basic before Digest in one field", []string{`Basic realm="x", Digest realm="x", nonce="3"`}, Digest, "3", false},
		{"Digest before Basic in one field", []string{`Digest realm="x", nonce="4", Basic realm="x"`}, Digest, "4", false},
		{"names of schemes within quotes", []string{`Digest realm="Basic 1, Digest \"2\"", nonce="5"`}, Digest, "5", false},
		{"bytes that are no text", []string{"Digest realm=\"caf\xe9, Basic 1\", qop=\"auth , auth-int\", nonce=\"6\", algorithm=MD5, Basic realm=\"c\""}, Digest, "6", false},
		{"nothing quoted, commas too many", []string{`Digest realm=x,,nonce=7==,qop=auth,`}, Digest, "7==", false},
		{"an old nonce", []string{`Digest realm="x", stale=TRUE, nonce="8"`}, Digest, "8", true},
		{"a fresh nonce", []string{`Digest realm="x", stale=false, nonce="8"`}, Digest, "8", false},
		{"no nonce", []string{`Digest realm="x"`, "Digest", "Digest ", "digest \xff\"", "\xff\xff\xffDigest x"}, None, "", false},
		{"a qop that nobody knows", []string{`Digest nonce="1", qop="later"`}, None, "", false},
		{"other schemes", []string{"Negotiate abc==", "NTLM"}, None, "", false},
		{"a parameter without a scheme", []string{`nonce="1", realm="x"`}, None, "", false},
		{"a field too long", []string{`Digest nonce="1", realm="` + strings.Repeat("x", maxField) + `"`}, None, "", false},
		{"too many challenges", []string{strings.Repeat("x, ", maxChallenges) + `Basic realm="x"`}, None, "", false},
		{"the first of two nonces", []string{`Digest nonce="1", nonce="2"`}, Digest, "1", false},
	}
	for _, tt := range tests {
		o := Parse(tt.fields)
		if o.Scheme() != tt.scheme || o.Stale() != tt.stale || o.digest != nil && o.digest.Nonce != tt.nonce {
			t.Errorf("%s: %+v %+v", tt.name, o, o.digest)
		}
		got, err := o.Answer(Request{Method: "GET", Target: "/", User: "u", Pass: "p"})
		if (err == nil) != (tt.scheme != None) || err != nil && !errors.Is(err, ErrNone) || tt.nonce != "" && !strings.Contains(got, `nonce="`+tt.nonce+`"`) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

func TestAnErrorNamesWhatIsOfferedInBounds(t *testing.T) {
	_, err := Parse([]string{`Digest nonce="1", algorithm=MD5-sess`, "NTLM\r\n"}).Answer(Request{})
	if want := ErrNone.Error() + `, only ["digest MD5-sess" "ntlm\r\n"]`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Parse([]string{strings.Repeat(strings.Repeat("x", 200)+" ", 30)}).Answer(Request{})
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("%v", err)
	}
}

func TestARepeatedNonceIsCountedAndTheBodyIsProtected(t *testing.T) {
	o := Parse([]string{`Digest realm="r", nonce="n", qop="auth"`})
	for count, want := range map[int]string{0: "nc=00000001", 1: "nc=00000001", 17: "nc=00000011"} {
		if got, err := o.Answer(Request{Method: "GET", Target: "/", Count: count}); err != nil || !strings.Contains(got, want) {
			t.Errorf("%d: %s, %v", count, got, err)
		}
	}
	o = Parse([]string{`Digest realm="r", nonce="n", qop="auth-int"`})
	with, err1 := o.answer(Request{Method: "PUT", Target: "/", Body: "<a/>"}, "c")
	without, err2 := o.answer(Request{Method: "PUT", Target: "/"}, "c")
	// md5(md5(":r:"):n:00000001:c:auth-int:md5(PUT:/:md5(body))), by md5sum
	if err1 != nil || err2 != nil || !strings.Contains(with, `response="06a9f1d64d881eeefedcbf15fe5ab389"`) || !strings.Contains(without, `response="6a917a607b1d4cbd0f4c39fc02fa0020"`) {
		t.Errorf("%s, %v\n%s, %v", with, err1, without, err2)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Basic realm="x, y=z", Digest realm="NC-336PW", nonce="n1==", opaque="o\"1", algorithm=MD5, qop="auth, auth-int", stale=true`)
	f.Add(`Basic realm="x", Digest realm=x, nonce=3, algorithm=SHA-256`)
	f.Add(`Digest realm=x nonce=`)
	f.Add(`Negotiate, ,=,"`)
	f.Fuzz(func(t *testing.T, field string) {
		if n := len(challenges([]string{field})); n > len(field) || n > maxChallenges {
			t.Errorf("%d challenges in %q", n, field)
		}
		got, err := Parse([]string{field}).Answer(Request{Method: "GET", Target: "/", User: "admin", Pass: "hush!"})
		if err == nil && (strings.ContainsAny(got, "\r\n") && !strings.ContainsAny(field, "\r\n") || strings.Contains(got, "hush!") && !strings.Contains(field, "hush!") || got == "") {
			t.Errorf("%q is answered by %q", field, got)
		}
	})
}
