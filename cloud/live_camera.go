package cloud

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"

	"camward/camio"
)

// liveSocketOrInfo is GET of a camera's live address: the camera's own WebSocket, or what a viewer has to know first.
func (s *Server) liveSocketOrInfo(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return s.liveConnect(w, r)
	}
	return s.liveInfo(w, r)
}

// maxBlank is how many cameras of an account may be known by their sockets alone: whoever has the upload token can make up names.
const maxBlank = 100

// introduce finds the account's camera of that name, or makes it known before its first upload, so that whoever puts it up sees
// its picture at once. The upload will bring its camera_id.
func (s *store) introduce(ctx context.Context, account int64, name string, now time.Time) (*camera, error) {
	c, err := s.camera(ctx, account, name)
	if !errors.Is(err, errNotFound) {
		return c, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM cameras WHERE account = ? AND camera_id = '' AND mac IS NULL AND uploaded = 0`, account).Scan(&n); err != nil {
			return err
		}
		if n >= maxBlank {
			return refuse(http.StatusForbidden, "The account has %d cameras already that have sent nothing: delete some", n)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO cameras (account, name, created) VALUES (?, ?, ?) ON CONFLICT (account, name) DO NOTHING`, account, name, millis(now))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("new camera: %w", err)
	}
	return s.camera(ctx, account, name)
}

// A liveBond is what a camera's socket hangs on.
type liveBond struct {
	token   string
	account int64
	camera  int64
	mac     string // of the claim; empty: not claimed when it connected
}

// liveConnect serves a camera's socket for as long as it lasts. The upload token proves the camera, as on uploads.
func (s *Server) liveConnect(w http.ResponseWriter, r *http.Request) error {
	token := pathVar(r, "token")
	acc, err := s.uploader(r.Context(), token)
	if errors.Is(err, errNotFound) {
		return errUnauthorized
	}
	if err != nil {
		return err
	}
	name := pathVar(r, "camera")
	if err := checkCameraName(name); err != nil {
		return badRequest("%v", err)
	}
	cam, err := s.store.introduce(r.Context(), acc.ID, name, s.now())
	if err != nil {
		return err
	}
	life := newPulse()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:   []string{camio.LiveProtocol},
		OnPingReceived: func(context.Context, []byte) bool { life.beat(); return true },
		OnPongReceived: func(context.Context, []byte) { life.beat() },
	})
	if err != nil {
		return nil // it has answered
	}
	if conn.Subprotocol() != camio.LiveProtocol {
		_ = conn.Close(websocket.StatusPolicyViolation, "the sub-protocol is "+camio.LiveProtocol)
		return nil
	}
	s.serveLive(r, conn, life, liveBond{token, acc.ID, cam.ID, cam.MAC})
	return nil
}

func (s *Server) serveLive(r *http.Request, conn *websocket.Conn, life *pulse, b liveBond) {
	log := s.log.With(zap.Int64("camera", b.camera), zap.String("address", peer(r).String()))
	// A hijacked connection's request context ends with the server only.
	kicked, kick := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer kick(nil)
	sock := newLiveSocket(conn, b.account, s.liveTiming, log, kick)
	sock.keep = func(ctx context.Context, st *camio.CameraState) error {
		return s.store.keepState(ctx, b.camera, st, s.now())
	}
	if !s.lives.add(b.camera, sock) {
		_ = conn.Close(liveClosing.code, liveClosing.reason)
		return
	}
	defer s.lives.remove(b.camera, sock)
	log.Info("live view connected")
	err := sock.run(kicked, life, func(ctx context.Context) bool { return s.bound(ctx, b) })
	log.Info("live view disconnected", zap.Error(err))
}

// bound tells whether a new socket of the same camera would still be let in. What cannot be looked up now holds.
func (s *Server) bound(ctx context.Context, b liveBond) bool {
	acc, err := s.uploader(ctx, b.token)
	if err != nil {
		return !errors.Is(err, errNotFound)
	}
	cam, err := scanCamera(s.store.r.QueryRowContext(ctx, cameraQuery+`WHERE c.id = ?`, b.camera).Scan)
	if err != nil {
		return !errors.Is(err, errNotFound)
	}
	return acc.ID == b.account && cam.Account == b.account && (b.mac == "" || cam.MAC == b.mac)
}
