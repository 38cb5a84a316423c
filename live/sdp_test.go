package live

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// browserFragment has the shape that browsers' WHEP clients send (RFC 9725 4.3.2).
const browserFragment = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n" +
	"a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n" +
	"a=candidate:3471623853 1 udp 2122194687 0b5a5f6e-6f5b-4b51-9a2c-0f1f4d3c2b1a.local 61765 typ host\r\na=end-of-candidates\r\n"

func TestFragmentsAreReadAndRubbishIsRefused(t *testing.T) {
	good := fragment{ufrag: "EsAw", pwd: "P2uYro0UCOQ4zxjKXaWCBui1", candidates: []string{
		"candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1",
		"candidate:3471623853 1 udp 2122194687 0b5a5f6e-6f5b-4b51-9a2c-0f1f4d3c2b1a.local 61765 typ host",
	}}
	tests := []struct {
		text string
		want fragment
		ok   bool
	}{
		{text: browserFragment, want: good, ok: true},
		{text: strings.ReplaceAll(browserFragment, "\r\n", "\n"), want: good, ok: true},
		{text: "a=ice-ufrag:abcd\r\na=future:1\r\nz=1\r\n", want: fragment{ufrag: "abcd"}, ok: true},
		{text: ""},
		{text: "a=mid:0\r\n"},
		{text: "hello\r\n"},
		{text: "a\r\n"},
		{text: "a=ice-ufrag:abc\r\n"},
		{text: "a=ice-ufrag:ab cd\r\n"},
		{text: "a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n"},
		{text: strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", maxCandidates+1)},
		{text: strings.Repeat("a=x\r\n", maxSDP)},
	}
	for _, tt := range tests {
		got, err := parseFragment(tt.text)
		if (err == nil) != tt.ok || tt.ok && !cmp.Equal(got, tt.want, cmp.AllowUnexported(fragment{})) {
			t.Errorf("%.60q: got %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
		if err != nil && !errors.Is(err, ErrOffer) {
			t.Errorf("%.60q: %v is no ErrOffer", tt.text, err)
		}
	}
}

// browserOffer is an offer cut down to what is looked at here.
const browserOffer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n" +
	"a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=mid:0\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n" +
	"a=fmtp:97 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"

func TestARestartKeepsTheOfferButForTheICESession(t *testing.T) {
	f := fragment{ufrag: "newu", pwd: "newpasswordnewpasswordnew", candidates: []string{"candidate:2 1 udp 2 192.0.2.2 2 typ host"}}
	got, err := restartOffer(browserOffer, f)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("EsAw", "newu", "P2uYro0UCOQ4zxjKXaWCBui1", f.pwd, "o=- 1 2", "o=- 1 3",
		"a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", "").Replace(browserOffer) + "a=candidate:2 1 udp 2 192.0.2.2 2 typ host\r\n"
	if got != want {
		t.Error(cmp.Diff(got, want))
	}
	if _, err := restartOffer(browserOffer, fragment{ufrag: "newu"}); !errors.Is(err, ErrOffer) {
		t.Errorf("a restart without password: %v", err)
	}
}

func TestOffersAreJudgedBeforeAPeerConnectionIsMade(t *testing.T) {
	tests := []struct {
		offer string
		want  error
	}{
		{browserOffer, nil},
		{strings.ReplaceAll(browserOffer, "recvonly", "sendrecv"), nil},
		{strings.ReplaceAll(browserOffer, "recvonly", "inactive"), ErrNoVideo},
		{strings.ReplaceAll(browserOffer, "m=video", "m=audio"), ErrNoVideo},
		{strings.ReplaceAll(browserOffer, "fmtp:97", "fmtp:96"), ErrNoVideo},
		{strings.ReplaceAll(browserOffer, "a=ice-ufrag:EsAw\r\n", ""), ErrOffer},
		{browserOffer + strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", maxCandidates), ErrOffer},
		{browserOffer + strings.Repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", maxMedia), ErrOffer},
		{"v=0\r\n", ErrOffer},
	}
	for _, tt := range tests {
		if err := checkOffer(tt.offer); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%.400q: got %v, want %v", tt.offer, err, tt.want)
		}
	}
}

// FuzzFragment holds that whatever is accepted is bounded and makes a readable offer.
func FuzzFragment(f *testing.F) {
	f.Add(browserFragment)
	f.Add("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=candidate:\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseFragment(text)
		if err != nil {
			if !errors.Is(err, ErrOffer) {
				t.Fatalf("%v is no ErrOffer", err)
			}
			return
		}
		if len(got.candidates) > maxCandidates || strings.ContainsAny(strings.Join(got.candidates, "")+got.ufrag+got.pwd, "\n") {
			t.Fatalf("got %+v", got)
		}
		offer, err := restartOffer(browserOffer, got)
		if err != nil {
			return
		}
		if id, err := iceUfrag(offer); err != nil || got.ufrag != "" && id != got.ufrag {
			t.Fatalf("offer %q: %q, %v", offer, id, err)
		}
	})
}

// FuzzOffer holds that no offer brings the look at it down, and that an accepted one can be restarted.
func FuzzOffer(f *testing.F) {
	f.Add(browserOffer)
	f.Fuzz(func(t *testing.T, offer string) {
		if checkOffer(offer) != nil {
			return
		}
		next, err := restartOffer(offer, fragment{ufrag: "newu", pwd: "newpasswordnewpasswordnew"})
		if err != nil {
			t.Fatalf("restart: %v", err)
		}
		if id, err := iceUfrag(next); err != nil || id != "newu" {
			t.Fatalf("%q: %q, %v", next, id, err)
		}
	})
}
