package ftpstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"camward/uploader"
	"camward/uploader/ftpstore/internal/servers"
	"camward/uploader/storetest"
)

// temporary checks that a fault is one that the uploader tries again, and that it tells no secret.
func temporary(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, uploader.ErrPermanent) || errors.Is(err, uploader.ErrUnauthorized) {
		t.Fatalf("got %v, want a temporary fault", err)
	}
	hidesToken(t, err)
}

func hidesToken(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), token) {
			t.Errorf("the error shows the token: %v", e)
		}
	}
}

func wantFile(t *testing.T, srv *servers.Server, name string, body []byte) {
	t.Helper()
	files := srv.Files()
	if !bytes.Equal(files[name], body) {
		t.Errorf("%s holds %d bytes, want %d (or other ones)", name, len(files[name]), len(body))
	}
	if len(files) != 1 {
		t.Errorf("%d files, want 1", len(files))
	}
}

// throughLink is a store whose way to the server is a link.
func throughLink(t *testing.T, srv *servers.Server, change func(*Config)) (*link, *Store) {
	l := newLink(t, srv.Addr)
	c := config(srv, None)
	c.Address = l.addr
	if change != nil {
		change(&c)
	}
	return l, newStore(t, c)
}

func TestACutTransferIsResumedWhereTheServerLets(t *testing.T) {
	tests := []struct {
		kind    servers.Kind
		extra   []string
		resumes bool
	}{
		{servers.VSFTPD, nil, true},
		{servers.PureFTPD, nil, true},
		{servers.ProFTPD, []string{"AllowStoreRestart on"}, true},
		{servers.ProFTPD, nil, false}, // its default
	}
	for _, tt := range tests {
		t.Run(string(tt.kind)+strings.Join(tt.extra, ""), func(t *testing.T) {
			t.Parallel()
			srv := start(t, tt.kind, None, tt.extra...)
			l, store := throughLink(t, srv, nil)
			const size = 6_000_000
			body := storetest.Body(size, 1)
			it := storetest.Item("front", clipName, body)
			l.cutAfter.Store(4_000_000)
			temporary(t, store.Put(t.Context(), it))
			if files := finished(srv); len(files) != 0 {
				t.Fatalf("a cut transfer left %d files", len(files))
			}
			before := partial(srv)
			l.cutAfter.Store(0)
			first := l.carried.Load()
			if err := store.Put(t.Context(), it); err != nil {
				t.Fatal(err)
			}
			wantFile(t, srv, "front/"+clipName, body)
			second := l.carried.Load() - first
			if tt.resumes && (before == 0 || second >= size) || !tt.resumes && second < size {
				t.Errorf("%d bytes sent of %d after a cut that left %d, resumes: %v", second, size, before, tt.resumes)
			}
		})
	}
}

// partial is the number of bytes in incomplete files.
func partial(srv *servers.Server) (n int) {
	for name, b := range srv.Files() {
		if strings.HasSuffix(name, tempExt) {
			n += len(b)
		}
	}
	return n
}

func TestALinkThatDiesSilentlyIsNoticed(t *testing.T) {
	srv := start(t, servers.VSFTPD, None)
	l, store := throughLink(t, srv, func(c *Config) { c.Idle = 400 * time.Millisecond })
	l.hangAfter.Store(500_000)
	err := store.Put(t.Context(), storetest.Item("front", clipName, storetest.Body(20_000_000, 1)))
	temporary(t, err)
	if !errors.Is(err, errIdle) {
		t.Errorf("got %v, want %v", err, errIdle)
	}
}

func TestCancellingFreesAPutFromADeadLinkAtOnce(t *testing.T) {
	srv := start(t, servers.VSFTPD, None)
	l, store := throughLink(t, srv, nil)
	l.hangAfter.Store(500_000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- store.Put(ctx, storetest.Item("front", clipName, storetest.Body(20_000_000, 1))) }()
	<-l.hung
	cancel()
	select {
	case err := <-done:
		temporary(t, err)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the caller's cause", err)
		}
	case <-time.After(10 * time.Second): // Idle is 30 s
		t.Fatal("Put goes on")
	}
	if len(finished(srv)) != 0 {
		t.Error("a cancelled Put left a file")
	}
}

func TestWithoutEPSVTheAddressInPASVIsIgnored(t *testing.T) {
	srv := start(t, servers.VSFTPD, None)
	l, store := throughLink(t, srv, nil)
	l.noEPSV.Store(true)
	body := storetest.Body(100_000, 1)
	if err := store.Put(t.Context(), storetest.Item("front", clipName, body)); err != nil {
		t.Fatal(err)
	}
	wantFile(t, srv, "front/"+clipName, body)
	if l.pasv.Load() == 0 {
		t.Error("PASV was not asked for")
	}
}

func TestPASVIsTriedWhenPortsOfEPSVAreBlocked(t *testing.T) {
	srv := start(t, servers.VSFTPD, None)
	l, store := throughLink(t, srv, nil)
	l.deadEPSV.Store(true)
	it := storetest.Item("front", clipName, storetest.Body(100_000, 1))
	temporary(t, store.Put(t.Context(), it))
	if err := store.Put(t.Context(), it); err != nil {
		t.Fatal(err)
	}
}

func TestAConnectionIsKeptAndAStaleOneReplaced(t *testing.T) {
	everyServer(t, func(t *testing.T, kind servers.Kind, mode TLS) {
		srv := start(t, kind, mode)
		store := newStore(t, config(srv, mode))
		put := func(name string) {
			t.Helper()
			if err := store.Put(t.Context(), storetest.Item("front", name, storetest.Body(100_000, 1))); err != nil {
				t.Fatal(err)
			}
		}
		put("1.mp4")
		kept := store.kept[0].session
		put("2.mp4")
		if len(store.kept) != 1 || store.kept[0].session != kept {
			t.Error("the connection was not used again")
		}
		srv.Stop()
		srv.Run()
		put("3.mp4")
		if len(store.kept) != 1 || store.kept[0].session == kept {
			t.Error("the stale connection was not replaced")
		}
		if n := len(srv.Files()); n != 3 {
			t.Errorf("%d files, want 3", n)
		}
	})
}

// With TLS 1.2 proftpd resumes by session id alone unless it is told otherwise, and crypto/tls by ticket alone.
func TestEncryptedTransfersInARowAllResumeTheSession(t *testing.T) {
	tests := []struct {
		kind  servers.Kind
		mode  TLS
		extra []string
	}{
		{servers.VSFTPD, Explicit, nil},
		{servers.VSFTPD, Implicit, nil},
		{servers.ProFTPD, Explicit, []string{"TLSProtocol TLSv1.2", "TLSSessionTickets on"}},
		{servers.ProFTPD, Explicit, []string{"TLSProtocol TLSv1.3"}},
		{servers.PureFTPD, Explicit, nil},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.kind, tt.mode, tt.extra), func(t *testing.T) {
			t.Parallel()
			srv := start(t, tt.kind, tt.mode, tt.extra...)
			store := newStore(t, config(srv, tt.mode))
			for i := range 20 {
				size := []int{0, 1, 1000, 65_536, 300_001}[i%5]
				if err := store.Put(t.Context(), storetest.Item("front", fmt.Sprint(i, ".mp4"), storetest.Body(size, 1))); err != nil {
					t.Fatalf("transfer %d of %d bytes: %v", i, size, err)
				}
			}
			if n := len(srv.Files()); n != 20 {
				t.Errorf("%d files, want 20", n)
			}
		})
	}
}

func TestAnUnusedConnectionIsClosed(t *testing.T) {
	srv := start(t, servers.VSFTPD, None)
	l, store := throughLink(t, srv, func(c *Config) { c.Keep = 20 * time.Millisecond })
	for i := range 2 {
		if err := store.Put(t.Context(), storetest.Item("front", clipName, []byte("x"))); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			store.mu.Lock()
			n := len(store.kept)
			store.mu.Unlock()
			if n == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it is still there")
			}
		}
		if n := l.logins.Load(); n != int64(i)+1 {
			t.Errorf("%d logins after %d uploads", n, i+1)
		}
	}
}

func TestAFullDiskIsATemporaryFault(t *testing.T) {
	for _, kind := range []servers.Kind{servers.VSFTPD, servers.ProFTPD, servers.PureFTPD} {
		t.Run(string(kind), func(t *testing.T) {
			srv := start(t, kind, Explicit)
			srv.Stop()
			if err := syscall.Mount("tmpfs", srv.Root, "tmpfs", 0, "size=1m,mode=755,uid=65534,gid=65534"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(srv.Root, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			srv.Run()
			store := newStore(t, config(srv, Explicit))
			body := storetest.Body(3_000_000, 1)
			it := storetest.Item("front", clipName, body)
			for range 2 {
				temporary(t, store.Put(t.Context(), it))
			}
			if len(finished(srv)) != 0 {
				t.Error("a file that did not fit is there")
			}
			if err := syscall.Mount("tmpfs", srv.Root, "", syscall.MS_REMOUNT, "size=8m"); err != nil {
				t.Fatal(err)
			}
			if err := store.Put(t.Context(), it); err != nil {
				t.Fatal(err)
			}
			wantFile(t, srv, "front/"+clipName, body)
		})
	}
}

func TestADirectoryThatTakesNothingIsTheServersFault(t *testing.T) {
	everyServer(t, func(t *testing.T, kind servers.Kind, mode TLS) {
		srv := start(t, kind, mode)
		srv.Mkdir("front")
		if err := os.Chmod(srv.Root+"/front", 0o555); err != nil {
			t.Fatal(err)
		}
		store := newStore(t, config(srv, mode))
		it := storetest.Item("front", clipName, storetest.Body(1000, 1))
		temporary(t, store.Put(t.Context(), it))
		if err := os.Chmod(srv.Root+"/front", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := store.Put(t.Context(), it); err != nil {
			t.Error(err)
		}
	})
}

func TestACertificateOfAnUnknownAuthorityIsRefused(t *testing.T) {
	srv := start(t, servers.VSFTPD, Explicit)
	c := config(srv, Explicit)
	c.Transport.CAFile = ""
	err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, []byte("x")))
	temporary(t, err)
	if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

func TestBrokenServersAreTemporaryFaults(t *testing.T) {
	type done = <-chan struct{}
	tests := []struct {
		name  string
		serve func(net.Conn, done)
		want  error
	}{
		{"ClosedAtOnce", func(net.Conn, done) {}, io.EOF},
		{"Silent", func(_ net.Conn, ended done) { <-ended }, errIdle},
		{"SilentAfterTheGreeting", func(c net.Conn, ended done) {
			io.WriteString(c, "220 hello\r\n")
			<-ended
		}, errIdle},
		{"NotFTP", func(c net.Conn, _ done) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n") }, nil},
		{"NeverEnding", func(c net.Conn, _ done) {
			for {
				if _, err := io.WriteString(c, "220-"+strings.Repeat("x", 1000)+"\r\n"); err != nil {
					return
				}
			}
		}, errChatter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Default()
			c.Address, c.User, c.Idle = storetest.RawServer(t, tt.serve), token, 300*time.Millisecond
			err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, []byte("x")))
			temporary(t, err)
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTheWholeAttemptHasADeadline(t *testing.T) {
	c := Default()
	c.Address, c.User, c.Total = storetest.RawServer(t, func(_ net.Conn, ended <-chan struct{}) { <-ended }), token, 200*time.Millisecond
	if err := newStore(t, c).Put(t.Context(), storetest.Item("front", clipName, []byte("x"))); !errors.Is(err, errTotal) {
		t.Errorf("got %v, want %v", err, errTotal)
	}
}
