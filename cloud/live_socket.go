package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"

	"camward/camio"
)

// Why a call to a camera has no answer of the camera's own.
var (
	errLiveGone    = errors.New("the camera is not connected")
	errLiveBusy    = errors.New("too many requests wait for the camera")
	errLiveTimeout = errors.New("the camera did not answer in time")
	errLiveLarge   = errors.New("the request is too large for the camera")
)

// liveTiming holds the limits that tests shorten.
type liveTiming struct {
	ping    time.Duration // between pings, and between looks at the token
	silence time.Duration // without a sign of life from the camera: it is gone
	request time.Duration // a request that has no answer by then has none
}

func defaultLiveTiming() liveTiming {
	return liveTiming{ping: 8 * time.Second, silence: 20 * time.Second, request: 10 * time.Second}
}

const (
	maxLiveCalls   = 4  // requests that one camera works on at a time
	maxLiveWaiting = 32 // requests that wait for that
	maxLapsed      = 64
)

// A farewell is why this side closes a camera's socket.
type farewell struct {
	code   websocket.StatusCode
	reason string
}

func (f farewell) Error() string { return f.reason }

var (
	liveReplaced = farewell{websocket.StatusPolicyViolation, "replaced by a newer connection of this camera"}
	liveRevoked  = farewell{websocket.StatusPolicyViolation, "the upload token or the camera is not valid any more"}
	liveClosing  = farewell{websocket.StatusGoingAway, "the server is stopping"}
	liveGarbage  = farewell{websocket.StatusPolicyViolation, "not a message of " + camio.LiveProtocol}
	liveFlood    = farewell{websocket.StatusPolicyViolation, "too many messages"}
)

// A liveSocket is a camera's connection, by which viewers' requests reach it. Its methods are safe for concurrent use.
type liveSocket struct {
	conn    *websocket.Conn
	timing  liveTiming
	log     *zap.Logger
	account int64
	keep    func(context.Context, *camio.CameraState) error // stores what the camera reports
	kick    context.CancelCauseFunc                         // ends it with a farewell
	wake    chan struct{}                                   // look at the token now
	done    chan struct{}                                   // closed when run has returned
	slots   chan struct{}                                   // one entry for each request that the camera works on
	waiting atomic.Int32
	ending  sync.WaitGroup // requests that run sends for itself

	mu    sync.Mutex
	ready bool // what its last hello said
	last  uint64
	calls map[string]*liveCall // nil once the socket is gone
	// lapsed are requests to open a session that had no answer in time; a camera that never answers has maxLapsed of them.
	lapsed map[string]bool
}

// A liveCall waits for an answer.
type liveCall struct {
	kind   camio.LiveType
	answer chan camio.LiveMessage // room for one
	left   bool                   // the viewer has gone
	expiry *time.Timer
}

func newLiveSocket(conn *websocket.Conn, account int64, timing liveTiming, log *zap.Logger, kick context.CancelCauseFunc) *liveSocket {
	conn.SetReadLimit(camio.MaxLiveMessage)
	return &liveSocket{conn: conn, account: account, timing: timing, log: log, kick: kick,
		wake: make(chan struct{}, 1), done: make(chan struct{}), slots: make(chan struct{}, maxLiveCalls), calls: make(map[string]*liveCall), lapsed: make(map[string]bool)}
}

// A pulse remembers the last sign of life, from any goroutine.
type pulse struct {
	began time.Time
	last  atomic.Int64 // since began
}

func newPulse() *pulse { return &pulse{began: time.Now()} }

func (p *pulse) beat() { p.last.Store(int64(time.Since(p.began))) }

// quiet is for how long there was none.
func (p *pulse) quiet() time.Duration { return time.Since(p.began) - time.Duration(p.last.Load()) }

// run serves the socket until it or kicked ends, and says why. valid tells now and then whether the token still holds.
func (s *liveSocket) run(kicked context.Context, life *pulse, valid func(context.Context) bool) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(kicked))
	var working sync.WaitGroup
	working.Go(func() { cancel(s.read(ctx, life)) })
	working.Go(func() { s.ping(ctx) })
	err := s.watch(ctx, kicked, life, valid)
	s.hangUp() // no viewer waits for the farewell
	var bye farewell
	if errors.As(err, &bye) {
		_ = s.conn.Close(bye.code, bye.reason) // waits for the camera's own farewell, at most 10 s
	}
	cancel(err)
	_ = s.conn.CloseNow()
	working.Wait()
	close(s.done)
	s.ending.Wait()
	return err
}

// watch returns when the socket is to end.
func (s *liveSocket) watch(ctx, kicked context.Context, life *pulse, valid func(context.Context) bool) error {
	dead := time.NewTimer(s.timing.silence)
	defer dead.Stop()
	look := time.NewTicker(s.timing.ping)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-kicked.Done():
			return context.Cause(kicked)
		case <-dead.C:
			left := s.timing.silence - life.quiet()
			if left <= 0 {
				return fmt.Errorf("no sign of life for %v", s.timing.silence)
			}
			dead.Reset(left)
			continue
		case <-s.wake:
		case <-look.C:
		}
		if !valid(ctx) {
			return liveRevoked
		}
	}
}

// ping asks the camera for signs of life until ctx ends. Whether it is there is judged by what comes from it, in watch.
func (s *liveSocket) ping(ctx context.Context) {
	tick := time.NewTicker(s.timing.ping)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			wait, cancel := context.WithTimeout(ctx, s.timing.ping)
			_ = s.conn.Ping(wait)
			cancel()
		}
	}
}

// Messages of a camera that answer nothing: a burst, and how many a second go on.
const (
	liveBurst = 100
	liveRate  = 20
)

// read takes the camera's messages.
func (s *liveSocket) read(ctx context.Context, life *pulse) error {
	tokens, at := float64(liveBurst), time.Now()
	for {
		kind, data, err := s.conn.Read(ctx)
		if err != nil {
			return err
		}
		life.beat()
		m, err := parseLive(data)
		if err != nil || kind != websocket.MessageText {
			s.log.Info("camera's message refused", zap.Error(err))
			return liveGarbage
		}
		if s.take(m) {
			continue // as many as viewers asked
		}
		if m.Type == camio.LiveState && m.Error == nil {
			if err := s.acknowledge(ctx, m); err != nil {
				return err
			}
		}
		now := time.Now()
		tokens = min(liveBurst, tokens+now.Sub(at).Seconds()*liveRate) - 1
		if at = now; tokens < 0 {
			return liveFlood
		}
	}
}

// acknowledge keeps a report and answers it. Nothing else is read from the camera meanwhile.
func (s *liveSocket) acknowledge(ctx context.Context, m camio.LiveMessage) error {
	wait, cancel := context.WithTimeout(ctx, s.timing.request)
	defer cancel()
	answer := camio.LiveMessage{Type: m.Type, ID: m.ID}
	if text := wrongState(m.State); text != "" {
		answer.Error = &camio.LiveError{Status: http.StatusBadRequest, Text: text}
	} else if err := s.keep(wait, m.State); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		s.log.Error("keep a camera's state", zap.Error(err))
		answer.Error = &camio.LiveError{Status: http.StatusInternalServerError, Text: "the state could not be kept"}
	}
	data, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return s.conn.Write(wait, websocket.MessageText, data)
}

// take acts on a message and tells whether it answers a request. Types that are not known mean nothing; of answers that nobody
// waits for any more, a session that was opened is ended.
func (s *liveSocket) take(m camio.LiveMessage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Type == camio.LiveHello {
		s.ready = m.WebRTC
		return false
	}
	c := s.calls[m.ID]
	asked := c != nil && c.kind == m.Type
	late := m.Type == camio.LiveOpen && s.lapsed[m.ID]
	if asked {
		s.drop(m.ID, c)
		c.answer <- m
		late = c.left
	} else if late {
		delete(s.lapsed, m.ID)
	}
	if late && m.Type == camio.LiveOpen && m.Error == nil && m.Session != "" {
		s.ending.Go(func() { s.end(m.Session) })
	}
	return asked
}

// end frees the place of a viewer that went away before it had its answer.
func (s *liveSocket) end(session string) {
	_, err := s.call(context.Background(), camio.LiveMessage{Type: camio.LiveEnd, Session: session})
	if err != nil {
		s.log.Debug("end of an abandoned session", zap.Error(err))
	}
}

// drop forgets a call and lets the next one go; mu is held.
func (s *liveSocket) drop(id string, c *liveCall) {
	delete(s.calls, id)
	c.expiry.Stop()
	<-s.slots
}

// watchable tells whether a viewer would get a picture now, as far as the camera said.
func (s *liveSocket) watchable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls != nil && s.ready
}

// hangUp fails all calls, those to come as well.
func (s *liveSocket) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.calls {
		s.drop(id, c)
		close(c.answer)
	}
	s.calls = nil
}

// call sends a request and waits for its answer, which may be the camera's refusal in Error. A ctx that ends leaves the
// request with the camera; a session that it opens then is ended.
func (s *liveSocket) call(ctx context.Context, m camio.LiveMessage) (camio.LiveMessage, error) {
	if s.waiting.Add(1) > maxLiveWaiting+maxLiveCalls {
		s.waiting.Add(-1)
		return m, errLiveBusy
	}
	defer s.waiting.Add(-1)
	limit := time.NewTimer(s.timing.request)
	defer limit.Stop()
	select {
	case s.slots <- struct{}{}:
	case <-s.done:
		return m, errLiveGone
	case <-limit.C:
		return m, errLiveTimeout
	case <-ctx.Done():
		return m, context.Cause(ctx)
	}
	c, err := s.send(m)
	if err != nil {
		return m, err
	}
	select {
	case answer, ok := <-c.answer:
		if !ok {
			return m, errLiveGone
		}
		return answer, nil
	case <-limit.C:
		s.leave(c)
		return m, errLiveTimeout
	case <-ctx.Done():
		s.leave(c)
		return m, context.Cause(ctx)
	}
}

// leave notes that nobody waits for the answer.
func (s *liveSocket) leave(c *liveCall) {
	s.mu.Lock()
	c.left = true
	s.mu.Unlock()
	select {
	case m := <-c.answer: // it came just now
		if m.Type == camio.LiveOpen && m.Error == nil && m.Session != "" {
			s.end(m.Session)
		}
	default:
	}
}

// send writes a request; the caller holds a slot, which goes with the call.
func (s *liveSocket) send(m camio.LiveMessage) (*liveCall, error) {
	c := &liveCall{kind: m.Type, answer: make(chan camio.LiveMessage, 1)}
	s.mu.Lock()
	if s.calls == nil {
		s.mu.Unlock()
		<-s.slots
		return nil, errLiveGone
	}
	s.last++
	m.ID = strconv.FormatUint(s.last, 10)
	c.expiry = time.AfterFunc(s.timing.request, func() { s.expire(m.ID, c) })
	s.calls[m.ID] = c
	s.mu.Unlock()
	data, err := json.Marshal(m)
	if err == nil && len(data) > camio.MaxLiveMessage {
		err = errLiveLarge
	}
	if err == nil {
		// Not the viewer's context: a write that is cut ends the socket.
		ctx, cancel := context.WithTimeout(context.Background(), s.timing.request)
		defer cancel()
		if s.conn.Write(ctx, websocket.MessageText, data) != nil {
			err = errLiveGone
		}
	}
	if err != nil {
		s.expire(m.ID, c)
		return nil, err
	}
	return c, nil
}

func (s *liveSocket) expire(id string, c *liveCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[id] != c {
		return
	}
	s.drop(id, c)
	if c.kind == camio.LiveOpen {
		if len(s.lapsed) >= maxLapsed {
			clear(s.lapsed)
		}
		s.lapsed[id] = true
	}
}
