package mqtt

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Packets as Mosquitto 2.0.11 sent them, read from its socket, to a client that was let in or not, subscribed, pinged and published,
// while mosquitto_pub published "online" with QoS 0, with QoS 1, and retained before the subscription.
var sent = map[string]string{
	"welcome":        "\x20\x02\x00\x00",
	"wrong level":    "\x20\x02\x00\x01",
	"wrong password": "\x20\x02\x00\x05",
	"acknowledged":   "\x40\x02\x00\x07",
	"subscribed":     "\x90\x03\x00\x01\x01",
	"pong":           "\xd0\x00",
	"birth":          "\x30\x1c\x00\x14homeassistant/statusonline",
	"birth, QoS 1":   "\x32\x1e\x00\x14homeassistant/status\x00\x01online",
	"birth of old":   "\x33\x1e\x00\x14homeassistant/status\x00\x03online",
}

func TestLengthsAreAsTheStandardHasThem(t *testing.T) {
	for length, want := range map[int]string{0: "\x00", 127: "\x7f", 128: "\x80\x01", 16383: "\xff\x7f", 16384: "\x80\x80\x01", 2097152: "\x80\x80\x80\x01", maxPacket: "\xff\xff\xff\x7f"} {
		if got := string(header(pingPacket, length)); got != "\xc0"+want {
			t.Errorf("%d: %x", length, got)
		}
	}
}

func TestLongPublicationIsPassedOver(t *testing.T) {
	stream := string(header(publishPacket, maxReceived+1)) + strings.Repeat("x", maxReceived+1) + sent["pong"]
	in := bufio.NewReader(strings.NewReader(stream))
	if p, err := receive(in); err != nil || len(p.body) != maxReceived {
		t.Errorf("got %d bytes, %v", len(p.body), err)
	}
	if p, err := receive(in); err != nil || p.kind != pongPacket {
		t.Errorf("then got %x, %v", p.kind, err)
	}
}

func TestMemoryIsTakenForWhatCameOnly(t *testing.T) {
	stream := string(header(publishPacket, maxPacket)) + "\x00\x01x"
	in, from := bufio.NewReader(nil), strings.NewReader("")
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			from.Reset(stream)
			in.Reset(from)
			if _, err := receive(in); err != io.ErrUnexpectedEOF {
				b.Fatal(err)
			}
		}
	})
	if r.AllocedBytesPerOp() > 1024 {
		t.Errorf("%d bytes for one that announces %d and has three", r.AllocedBytesPerOp(), maxPacket)
	}
}

func TestBrokenPacketIsRefused(t *testing.T) {
	for name, stream := range map[string]string{
		"length of five digits":       "\x30\x80\x80\x80\x80\x01",
		"long PINGRESP":               string(header(pongPacket, maxReceived+1)),
		"short PUBACK":                "\x40\x01\x00",
		"long PUBACK":                 "\x40\x03\x00\x01\x00",
		"PUBACK of 0":                 "\x40\x02\x00\x00",
		"SUBACK without code":         "\x90\x02\x00\x01",
		"SUBACK of two":               "\x90\x04\x00\x01\x00\x00",
		"SUBACK of QoS 3":             "\x90\x03\x00\x01\x03",
		"PUBLISH without topic":       "\x30\x02\x00\x00",
		"topic beyond the packet":     "\x30\x03\x00\x02a",
		"topic with wildcard":         "\x30\x03\x00\x01#",
		"topic with U+0000":           "\x30\x03\x00\x01\x00",
		"topic not in UTF-8":          "\x30\x04\x00\x02\xc0\x80",
		"surrogate in topic":          "\x30\x05\x00\x03\xed\xa0\x80",
		"PUBLISH, QoS 1 without id":   "\x32\x03\x00\x01a",
		"PUBLISH, QoS 1 of 0":         "\x32\x05\x00\x01a\x00\x00",
		"PUBLISH, QoS 2":              "\x34\x05\x00\x01a\x00\x01",
		"PUBLISH, QoS 3":              "\x36\x05\x00\x01a\x00\x01",
		"PUBLISH, QoS 0 said again":   "\x38\x03\x00\x01a",
		"what only a client may send": "\xc0\x00",
		"a second CONNACK":            sent["welcome"],
		"reserved":                    "\x00\x00",
		"PUBACK with a flag":          "\x41\x02\x00\x01",
	} {
		s := &session{Client: &Client{cfg: Default()}}
		p, err := receive(bufio.NewReader(strings.NewReader(stream)))
		if err == nil {
			err = s.take(p)
		}
		if !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusalsAreExplained(t *testing.T) {
	for code, want := range map[byte]string{1: "3.1.1", 2: "name", 3: "moment", 4: "mqtt.password", 5: "mqtt.password", 6: "code 6"} {
		if err := welcome(received{connackPacket, []byte{0, code}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// FuzzReceive reads a stream of anything, as a hostile broker may send it.
func FuzzReceive(f *testing.F) {
	for _, s := range sent {
		f.Add([]byte(s))
	}
	f.Add([]byte(sent["welcome"] + sent["subscribed"] + sent["birth, QoS 1"] + sent["pong"]))
	f.Add([]byte("\x30\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := bufio.NewReader(bytes.NewReader(stream))
		for {
			p, err := receive(in)
			if err != nil {
				return
			}
			if len(p.body) > maxReceived {
				t.Fatalf("%d bytes", len(p.body))
			}
			if welcome(p) == nil && string(p.body[1:]) != "\x00" {
				t.Errorf("welcomed by %q", p.body)
			}
			if id, _, err := p.acked(); err == nil && id == 0 {
				t.Errorf("%x %q acknowledges nothing", p.kind, p.body)
			}
			if p.kind&0xf0 != publishPacket {
				continue
			}
			topic, id, payload, err := p.publication()
			if err != nil {
				continue
			}
			again := field(nil, topic)
			if p.kind&atLeastOnce != 0 {
				again = append(again, byte(id>>8), byte(id))
			}
			if again = append(again, payload...); !bytes.Equal(again, p.body) || !legible(topic) {
				t.Errorf("%q, %d and %q of %q", topic, id, payload, p.body)
			}
		}
	})
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// certificates makes an authority and a key and certificate for 127.0.0.1: ca, crt, key.
func certificates(t *testing.T) map[string]string {
	t.Helper()
	key := func() (*ecdsa.PrivateKey, string) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return k, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	sign := func(c, by *x509.Certificate, pub, priv any) string {
		der, err := x509.CreateCertificate(rand.Reader, c, by, pub, priv)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	caKey, _ := key()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leafKey, leafPEM := key()
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotBefore: from, NotAfter: to, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	return map[string]string{"ca": sign(ca, ca, &caKey.PublicKey, caKey), "crt": sign(leaf, ca, &leafKey.PublicKey, caKey), "key": leafPEM}
}
