package cloud

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"camward/camio"
	"camward/cloud/ftpd"
)

// ftpPassword is the document's: the upload token, sent as the user, is the only secret.
const ftpPassword = "camio"

// newFTP wires the FTP server, which puts files where HTTP uploads go.
func (s *Server) newFTP() (*ftpd.Server, error) {
	cfg := ftpd.Config{
		Listen: s.cfg.FTPListen, PublicHost: s.cfg.FTPPublic, PortLow: s.cfg.FTPPortLow, PortHigh: s.cfg.FTPPortHigh,
		TempDir: filepath.Join(s.cfg.Data, "tmp"), MaxFile: s.cfg.MaxUpload, MaxPartial: max(1<<30, 2*s.cfg.MaxUpload),
		OnListen: s.ftpListens, Backend: ftpBackend{s}, Log: s.log,
	}
	if s.cfg.FTPCert != "" {
		c := &certificate{cert: s.cfg.FTPCert, key: s.cfg.FTPKey}
		if _, err := c.get(nil); err != nil {
			return nil, err
		}
		cfg.TLS = &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12}
	}
	return ftpd.New(cfg)
}

// ftpListens remembers the port for the cameras' commands: FTPListen may leave the choice to the system.
func (s *Server) ftpListens(a net.Addr) {
	if tcp, ok := a.(*net.TCPAddr); ok {
		s.ftpPort.Store(int32(tcp.Port))
	}
	if s.cfg.OnListenFTP != nil {
		s.cfg.OnListenFTP(a)
	}
}

// certificate reads a certificate's files again when they were renewed.
type certificate struct {
	cert, key string

	mu     sync.Mutex
	loaded time.Time // modification time of cert
	pair   *tls.Certificate
}

// get keeps the last certificate that worked: files may be half replaced.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.cert)
	if err == nil && c.pair != nil && info.ModTime().Equal(c.loaded) {
		return c.pair, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.cert, c.key); err == nil {
			c.pair, c.loaded = &pair, info.ModTime()
		}
	}
	if c.pair == nil {
		return nil, fmt.Errorf("FTP certificate: %w", err)
	}
	return c.pair, nil
}

type ftpBackend struct{ s *Server }

// Login takes an upload token as the user.
func (b ftpBackend) Login(ctx context.Context, user, password string, _ netip.Addr) (ftpd.Session, error) {
	if password != ftpPassword {
		return nil, ftpd.ErrDenied
	}
	if _, err := b.s.uploader(ctx, user); errors.Is(err, errNotFound) {
		return nil, ftpd.ErrDenied
	} else if err != nil {
		return nil, err
	}
	return &ftpSession{b.s, user}, nil
}

type ftpSession struct {
	s     *Server
	token string
}

// Store keeps a file as the camera's that the first directory names. Deeper directories are not looked at. The time is
// that of the file's name if all of it is a timestamp, as for HTTP, else that of receipt.
func (f *ftpSession) Store(ctx context.Context, directory []string, name string, file *os.File) error {
	acc, err := f.s.uploader(ctx, f.token) // again: a session may last for days
	if errors.Is(err, errNotFound) {
		return ftpd.ErrDenied
	}
	if err != nil {
		return err
	}
	p := &uploadParams{Upload: camio.Upload{Camera: directory[0], Name: name, Type: camio.Motion}, FTP: true}
	if err := checkCameraName(p.Camera); err != nil {
		return fmt.Errorf("%w: %w", ftpd.ErrRefused, err)
	}
	if !acc.Recording {
		_, err := f.s.touch(ctx, acc, p)
		return err
	}
	in, err := readIncoming(file)
	if err == nil {
		_, err = f.s.ingest(ctx, acc, p, in)
	}
	var told *camio.Error
	if errors.As(err, &told) {
		return fmt.Errorf("%w: %s", ftpd.ErrRefused, told.Message)
	}
	return err
}

// readIncoming takes a whole file for an upload's body and syncs it.
func readIncoming(f *os.File) (*incoming, error) {
	h, head := sha256.New(), &headWriter{}
	n, err := io.Copy(io.MultiWriter(h, head), f)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, fmt.Errorf("receive upload: %w", err)
	}
	if n == 0 {
		return nil, badRequest("The file is empty")
	}
	return &incoming{file: f, size: n, sha256: h.Sum(nil), head: head.b}, nil
}

// ftpCamera finds or creates the camera of a directory: the device with this MAC address in any spelling, claimed or known by
// its uploads, else the camera of that name.
func ftpCamera(ctx context.Context, tx *sql.Tx, account int64, directory string, now time.Time) (*camera, error) {
	list, err := cameras(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	mac, isMAC := parseMAC(directory)
	for _, same := range []func(*camera) bool{
		func(c *camera) bool { return c.MAC == mac },
		func(c *camera) bool { return pollMAC(c.CameraID) == mac },
	} {
		for _, c := range list {
			if isMAC && same(c) {
				return c, nil
			}
		}
	}
	if c := named(list, directory); c != nil {
		return c, nil
	}
	c := &camera{Account: account, Name: directory, CameraID: mac}
	err = tx.QueryRowContext(ctx, `INSERT INTO cameras (account, name, camera_id, poll_mac, created) VALUES (?, ?, ?, ?, ?) RETURNING id`,
		account, c.Name, c.CameraID, mac, millis(now)).Scan(&c.ID)
	return c, err
}
