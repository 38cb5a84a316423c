package ftpd_test

import (
	"strings"
	"syscall"
	"testing"

	"camward/camio"
	"camward/cloud/ftpd"
	"camward/uploader"
	"camward/uploader/ftpstore"
	"camward/uploader/storetest"
)

// The agent's uploader keeps its contract with this server as its far end.
func TestTheAgentsStoreWorks(t *testing.T) {
	for _, mode := range []ftpstore.TLS{ftpstore.None, ftpstore.Explicit} {
		t.Run(string(mode), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Target {
				s := start(t)
				c := ftpstore.Default()
				c.Address, c.TLS, c.User, c.Transport.CAFile = s.addr, mode, camio.Secret("token"), s.pem
				store, err := ftpstore.New(c)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(store.Close)
				return storetest.Target{Store: store, Files: s.finished, Refuse: func(kind error) {
					s.failWith(map[error]error{nil: nil, uploader.ErrPermanent: ftpd.ErrRefused, uploader.ErrUnauthorized: ftpd.ErrDenied,
						storetest.ErrBusy: syscall.ENOSPC}[kind])
				}}
			})
		})
	}
}

// finished is what the user "token" has stored, by camera/name.
func (s *server) finished() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string][]byte)
	for key, body := range s.files {
		out[strings.TrimPrefix(key, "token:/")] = body
	}
	return out
}
