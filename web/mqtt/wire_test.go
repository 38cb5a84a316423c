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
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest"
)

// Packets as Mosquitto 2.0.11 sends them.
var sent = map[string]string{
	"welcome":        "\x20\x02\x00\x00",
	"wrong password": "\x20\x02\x00\x05",
	"acknowledged":   "\x40\x02\x00\x07",
	"subscribed":     "\x90\x03\x00\x01\x00",
	"refused":        "\x90\x03\x00\x01\x80",
	"pong":           "\xd0\x00",
	"birth":          "\x30\x1c\x00\x14homeassistant/statusonline",
}

func TestLengthsAreAsTheStandardHasThem(t *testing.T) {
	for length, want := range map[int]string{0: "\x00", 127: "\x7f", 128: "\x80\x01", 16383: "\xff\x7f", 16384: "\x80\x80\x01", 2097152: "\x80\x80\x80\x01", maxPacket: "\xff\xff\xff\x7f"} {
		if got := string(header(pingPacket, length)); got != "\xc0"+want {
			t.Errorf("%d: %x", length, got)
		}
	}
}

func TestLongPacketIsPassedOver(t *testing.T) {
	stream := string(header(publishPacket, maxReceived+1)) + strings.Repeat("x", maxReceived+1) + sent["pong"]
	in := bufio.NewReader(strings.NewReader(stream))
	if p, err := receive(in); err != nil || p.body != nil {
		t.Errorf("got %d bytes, %v", len(p.body), err)
	}
	if p, err := receive(in); err != nil || p.kind != pongPacket {
		t.Errorf("then got %x, %v", p.kind, err)
	}
}

func TestBrokerThatFallsSilentIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Default()
		cfg.URL = "mqtt://broker"
		c, err := New(cfg, device1, nil, nil, zaptest.NewLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		go func() { // it reads for ever and says one thing
			theirs.Write([]byte(sent["birth"]))
			bufio.NewReader(theirs).WriteTo(new(bytes.Buffer))
		}()
		s := &session{Client: c, conn: ours, in: bufio.NewReader(ours), birth: make(chan struct{}, 1), waiting: map[uint16]chan error{}}
		start := time.Now()
		if err := s.read(); err == nil || time.Since(start) != deadAfter {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		select {
		case <-s.birth:
		default:
			t.Error("the birth message was not heard")
		}
	})
}

// FuzzReceive reads a stream of anything, as a hostile broker may send it.
func FuzzReceive(f *testing.F) {
	for _, s := range sent {
		f.Add([]byte(s))
	}
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
			welcome(p) //nolint:errcheck // it must not panic
			p.acked()  //nolint:errcheck // nor this
			topic, payload, err := p.publication()
			if err == nil && len(topic)+len(payload)+2 != len(p.body) {
				t.Errorf("%q and %q of %q", topic, payload, p.body)
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
