package ftpd_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"camward/cloud/ftpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a ftpd.Backend that knows the users "token" and "other" and keeps files in memory.
type backend struct {
	mu    sync.Mutex
	files map[string][]byte // by user:/directory/name
	order []string          // of Store calls that succeeded
	fail  error             // of the next Store calls
	hold  chan struct{}     // if set, Store sends on it and waits for another send
}

func (b *backend) Login(_ context.Context, user, password string, remote netip.Addr) (ftpd.Session, error) {
	if user == "broken" {
		return nil, errors.New("database is locked")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(b.fail, ftpd.ErrDenied) || (user != "token" && user != "other") || password != "camio" || !remote.IsLoopback() {
		return nil, ftpd.ErrDenied
	}
	return &login{b, user}, nil
}

type login struct {
	b    *backend
	user string
}

func (l *login) Store(_ context.Context, dir []string, name string, f *os.File) error {
	body, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	l.b.mu.Lock()
	hold := l.b.hold
	l.b.mu.Unlock()
	if hold != nil {
		hold <- struct{}{}
		<-hold
	}
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if l.b.fail != nil {
		return l.b.fail
	}
	key := l.user + ":/" + strings.Join(append(dir, name), "/")
	l.b.files[key] = body
	l.b.order = append(l.b.order, key)
	return nil
}

func (b *backend) failWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *backend) stored() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.order...)
}

// want fails unless exactly this file with these bytes was stored, once.
func (b *backend) want(t testing.TB, key string, body []byte) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.order) != 1 || b.order[0] != key || !bytes.Equal(b.files[key], body) {
		t.Errorf("stored %q, of %s %d bytes; want it alone with %d bytes", b.order, key, len(b.files[key]), len(body))
	}
}

func (b *backend) wantNothing(t testing.TB) {
	t.Helper()
	if got := b.stored(); len(got) > 0 {
		t.Errorf("stored %q, want nothing", got)
	}
}

// server is a running ftpd on loopback.
type server struct {
	*backend
	addr string // host:port
	temp string
	pem  string // file with its certificate, for clients
	pool *x509.CertPool
	stop func()
}

// start runs a server until the test ends. change adjusts its configuration.
func start(t testing.TB, change ...func(*ftpd.Config)) *server {
	t.Helper()
	s := &server{backend: &backend{files: make(map[string][]byte)}, temp: t.TempDir()}
	cert := certificate(t)
	s.pool = x509.NewCertPool()
	s.pool.AddCert(cert.Leaf)
	s.pem = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.pem, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := make(chan net.Addr, 1)
	cfg := ftpd.Config{Listen: "127.0.0.1:0", TempDir: s.temp, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		OnListen: func(a net.Addr) { addr <- a }, Backend: s.backend, Log: zaptest.NewLogger(t, zaptest.Level(zap.InfoLevel))}
	for _, c := range change {
		c(&cfg)
	}
	srv, err := ftpd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	select {
	case a := <-addr:
		s.addr = a.String()
	case err := <-done:
		t.Fatal(err)
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		left, err := os.ReadDir(s.temp)
		if err == nil && len(left) > 0 {
			t.Errorf("%d temporary files are left, such as %s", len(left), left[0].Name())
		}
	})
	t.Cleanup(s.stop)
	return s
}

var certificate = func() func(testing.TB) tls.Certificate {
	made := sync.OnceValues(func() (tls.Certificate, error) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return tls.Certificate{}, err
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			return tls.Certificate{}, err
		}
		leaf, err := x509.ParseCertificate(der)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
	})
	return func(t testing.TB) tls.Certificate {
		c, err := made()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}()

// patience bounds waits for what should happen at once.
const patience = 20 * time.Second

// client speaks the protocol by hand.
type client struct {
	t    testing.TB
	s    *server
	raw  *net.TCPConn
	conn net.Conn
	tls  *tls.Config // once secure is on
}

func dial(t testing.TB, s *server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, s: s, raw: conn.(*net.TCPConn), conn: conn}
	t.Cleanup(func() { _ = conn.Close() })
	return c
}

// enter logs in and changes to the directory "front".
func enter(t testing.TB, s *server) *client {
	t.Helper()
	c := dial(t, s)
	c.expect("220")
	c.do("USER token", "331")
	c.do("PASS camio", "230")
	c.do("CWD front", "250")
	return c
}

// enterTLS is enter with TLS on both connections.
func enterTLS(t testing.TB, s *server) *client {
	t.Helper()
	c := dial(t, s)
	c.expect("220")
	c.do("AUTH TLS", "234")
	c.tls = &tls.Config{RootCAs: s.pool, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	c.conn = tls.Client(c.raw, c.tls)
	for _, x := range [][2]string{{"USER token", "331"}, {"PASS camio", "230"}, {"PBSZ 0", "200"}, {"PROT P", "200"}, {"CWD front", "250"}} {
		c.do(x[0], x[1])
	}
	return c
}

// do sends a command and expects a reply that begins so.
func (c *client) do(cmd, want string) string {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, cmd+"\r\n"); err != nil {
		c.t.Fatalf("%s: %v", cmd, err)
	}
	got := c.reply()
	if !strings.HasPrefix(got, want) {
		c.t.Fatalf("%s: got %q, want %s", cmd, got, want)
	}
	return got
}

func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.reply(); !strings.HasPrefix(got, want) {
		c.t.Fatalf("got %q, want %s", got, want)
	}
}

// reply reads one reply, of several lines if need be; "" at the end of the connection.
func (c *client) reply() string {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	var all string
	for {
		line := c.line()
		all += line
		if len(line) < 4 || (line[3] == ' ' && strings.Trim(line[:3], "0123456789") == "") {
			return all
		}
	}
}

func (c *client) line() string {
	var line []byte
	var b [1]byte
	for len(line) == 0 || line[len(line)-1] != '\n' {
		if n, err := c.conn.Read(b[:]); n == 0 || err != nil {
			return string(line)
		}
		line = append(line, b[0])
	}
	return string(line)
}

// passive opens a data connection by EPSV.
func (c *client) passive() *net.TCPConn {
	c.t.Helper()
	return c.connect(c.epsv(), "")
}

func (c *client) epsv() int {
	c.t.Helper()
	var port int
	r := c.do("EPSV", "229")
	if _, err := fmt.Sscanf(r[strings.Index(r, "("):], "(|||%d|)", &port); err != nil {
		c.t.Fatalf("%q: %v", r, err)
	}
	return port
}

func (c *client) connect(port int, from string) *net.TCPConn {
	c.t.Helper()
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	host, _, _ := net.SplitHostPort(c.s.addr)
	conn, err := d.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// begin sends an upload command over a new passive connection and some bytes, and leaves it open. With TLS it returns after
// the handshake.
func (c *client) begin(cmd, body string) (data net.Conn, raw *net.TCPConn) {
	c.t.Helper()
	raw = c.passive()
	data = raw
	c.do(cmd, "150")
	if c.tls != nil {
		data = tls.Client(raw, c.tls)
	}
	if _, err := io.WriteString(data, body); err != nil {
		c.t.Fatal(err)
	}
	return data, raw
}

// upload sends a whole file and expects this reply.
func (c *client) upload(cmd, body, want string) {
	c.t.Helper()
	data, _ := c.begin(cmd, body)
	if err := data.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.expect(want)
}

// cut ends a connection with a reset.
func cut(t testing.TB, conn *net.TCPConn) {
	t.Helper()
	if err := errors.Join(conn.SetLinger(0), conn.Close()); err != nil {
		t.Fatal(err)
	}
}

// blob is n bytes that do not repeat, with all that text conversion would change.
func blob(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// waitTemp waits until so many bytes have arrived in a temporary file.
func (s *server) waitTemp(t testing.TB, n int64) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		list, err := os.ReadDir(s.temp)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if info, err := e.Info(); err == nil && info.Size() == n {
				return
			}
		}
	}
	t.Fatalf("no temporary file of %d bytes appeared", n)
}
