package live

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
	"go.uber.org/zap"

	"camward/internal/atomicfile"
)

// certificateFile is where the certificate is kept, in the state directory.
const certificateFile = "live-certificate.pem"

// A network is what all viewers of one Run share.
type network struct {
	done        chan struct{} // closed when Run ends
	certificate webrtc.Certificate
	settings    webrtc.SettingEngine
	udp         *udpMux
	tcp         ice.TCPMux
	logs        logging.LoggerFactory
}

// open makes the certificate ready and opens the ports.
func (s *Server) open() (n *network, err error) {
	n = &network{done: make(chan struct{}), logs: logFactory{s.log}}
	if n.certificate, err = certificate(s.stateDir, s.log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if s.cfg.UDPPort != 0 {
		if n.udp, err = newUDPMux(s.cfg.UDPPort, s.cfg.Loopback, n.logs.NewLogger("udp"), s.log); err != nil {
			return n, err
		}
		n.settings.SetICEUDPMux(n.udp)
	}
	if s.cfg.TCPPort != 0 {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", fmt.Sprintf(":%d", s.cfg.TCPPort))
		if err != nil {
			return n, err
		}
		n.tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Listener: limit(l, 16+4*s.cfg.MaxViewers), Logger: n.logs.NewLogger("tcp"), ReadBufferSize: 16,
			WriteBufferSize: 1 << 20, FirstStunBindTimeout: 5 * time.Second, AliveDurationForConnFromStun: 10 * time.Second,
		})
		n.settings.SetICETCPMux(n.tcp)
	}
	n.set(s.cfg, s.timing)
	return n, nil
}

func (n *network) set(cfg Config, t timing) {
	e := &n.settings
	e.LoggerFactory = n.logs
	types := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if n.tcp != nil {
		types = append(types, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	e.SetNetworkTypes(types)
	e.DisableActiveTCP(true)                                // a viewer must not make the camera connect to whatever it names
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeQueryOnly) // browsers hide their addresses behind .local names
	e.SetICETimeouts(t.disconnected, t.failed, t.keepalive)
	e.SetSTUNGatherTimeout(2 * time.Second)
	e.SetIncludeLoopbackCandidate(cfg.Loopback)
	e.SetSCTPMaxReceiveBufferSize(128 << 10) // nothing that a viewer sends there is used
	e.SetSCTPMaxMessageSize(16 << 10)
}

// close frees the ports.
func (n *network) close() error {
	var errs []error
	if n.udp != nil {
		errs = append(errs, n.udp.Close())
	}
	if n.tcp != nil {
		errs = append(errs, n.tcp.Close())
	}
	return errors.Join(errs...)
}

// certificate reads the certificate that viewers see, or makes one and keeps it. Browsers hold its fingerprint against the
// answer and ignore its dates, so it never expires: a camera without a clock would be locked out. On a disk that is full or cannot be written
// it is another one at the next start.
func certificate(dir string, log *zap.Logger) (webrtc.Certificate, error) {
	path := filepath.Join(dir, certificateFile)
	if data, err := os.ReadFile(path); err == nil {
		if c, err := webrtc.CertificateFromPEM(string(data)); err == nil {
			return *c, nil
		} // what a power cut or a hand has damaged is made anew
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("make certificate's key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("make certificate's number: %w", err)
	}
	c, err := webrtc.NewCertificate(key, x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "camward"}, Version: 2,
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	text, err := c.PEM()
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("encode certificate: %w", err)
	}
	if err = os.MkdirAll(dir, 0o700); err == nil {
		err = atomicfile.Write(path, []byte(text), 0o600)
	}
	if err != nil {
		log.Warn("the certificate is not kept: the next start makes another", zap.Error(err))
	}
	return *c, nil
}

// limit makes a listener that closes connections beyond n open ones at once.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, slots: make(chan struct{}, n)}
}

type limited struct {
	net.Listener
	slots chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			c.Close() //nolint:errcheck // it is refused
		}
	}
}

type limitedConn struct {
	net.Conn
	free func()
}

func (c *limitedConn) Close() error {
	c.free()
	return c.Conn.Close()
}

// logFactory gives WebRTC's own messages to our log. What goes wrong with one viewer is no one's business but a
// developer's, so all of it is Debug.
type logFactory struct{ log *zap.Logger }

func (f logFactory) NewLogger(scope string) logging.LeveledLogger {
	return leveled{f.log.Named(scope).WithOptions(zap.AddCallerSkip(1)).Sugar()}
}

type leveled struct{ log *zap.SugaredLogger }

func (l leveled) Trace(string)                  {}
func (l leveled) Tracef(string, ...any)         {}
func (l leveled) Debug(string)                  {}
func (l leveled) Debugf(string, ...any)         {}
func (l leveled) Info(msg string)               { l.log.Debug(msg) }
func (l leveled) Infof(format string, a ...any) { l.log.Debugf(format, a...) }
func (l leveled) Warn(msg string)               { l.log.Debug(msg) }
func (l leveled) Warnf(format string, a ...any) { l.log.Debugf(format, a...) }
func (l leveled) Error(msg string)              { l.log.Debug(msg) }
func (l leveled) Errorf(format string, a ...any) {
	l.log.Debugf(format, a...)
}
