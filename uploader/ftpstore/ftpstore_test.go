package ftpstore

import (
	"net"
	"path"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"camward/uploader"
	"camward/uploader/ftpstore/internal/servers"
	"camward/uploader/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token    = "51r6kn.dapc_7Q"
	clipName = "2026-11-23T13:05:07.123-0000.mp4"
)

// config is for a server of this test.
func config(s *servers.Server, mode TLS) Config {
	c := Default()
	c.Address, c.TLS, c.User, c.Transport.CAFile = s.Addr, mode, token, s.CAFile
	return c
}

func newStore(t *testing.T, c Config) *Store {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func start(t *testing.T, kind servers.Kind, mode TLS, extra ...string) *servers.Server {
	t.Helper()
	return servers.Start(t, servers.Options{Kind: kind, TLS: string(mode), User: token, Password: defaultPassword, Extra: extra})
}

// everyServer runs a test against each server with each kind of encryption, side by side.
func everyServer(t *testing.T, test func(t *testing.T, kind servers.Kind, mode TLS)) {
	for _, kind := range []servers.Kind{servers.VSFTPD, servers.ProFTPD, servers.PureFTPD} {
		for _, mode := range []TLS{None, Explicit, Implicit} {
			if kind == servers.PureFTPD && mode == Implicit {
				continue // it has none
			}
			t.Run(string(kind)+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				test(t, kind, mode)
			})
		}
	}
}

func TestRealServersAreStores(t *testing.T) {
	everyServer(t, func(t *testing.T, kind servers.Kind, mode TLS) {
		storetest.Run(t, func(t *testing.T) storetest.Target {
			srv := start(t, kind, mode)
			store := newStore(t, config(srv, mode))
			return storetest.Target{
				Store:  store,
				Files:  func() map[string][]byte { return finished(srv) },
				Refuse: refuser(t, srv, store),
			}
		})
	})
}

// finished leaves out what is uploaded in part.
func finished(s *servers.Server) map[string][]byte {
	files := s.Files()
	for name := range files {
		if strings.HasSuffix(name, tempExt) {
			delete(files, name)
		}
	}
	return files
}

// refuser makes a real server refuse: an item whose temporary name is taken by a directory, a login that it does not
// know any more, and every connection as one too many.
func refuser(t *testing.T, srv *servers.Server, store *Store) func(error) {
	stop := func() {}
	return func(kind error) {
		stop()
		stop = func() {}
		switch kind {
		case uploader.ErrPermanent:
			for _, size := range []int{10_000, 3_000_000} {
				to := store.target(storetest.Item("front", clipName, storetest.Body(size, 6)))
				srv.Mkdir(path.Join(append(to.dirs, to.temp)...))
			}
		case uploader.ErrUnauthorized:
			srv.SetLogin("somebody", "else")
			stop = func() { srv.SetLogin(token, defaultPassword) }
		case storetest.ErrBusy:
			srv.Stop()
			end := crowded(t, srv.Addr)
			stop = func() {
				end()
				srv.Run()
			}
		}
	}
}

// crowded tells every client that there are too many.
func crowded(t *testing.T, addr string) (stop func()) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("421 There are too many connected users, please try later.\r\n"))
			c.Close()
		}
	})
	return sync.OnceFunc(func() {
		l.Close()
		wait.Wait()
	})
}
