package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/zap"

	"camward/camio"
	"camward/live"
)

const (
	dialTime  = 20 * time.Second // for all of connecting
	pingEvery = 8 * time.Second
	pongTime  = 12 * time.Second // with pingEvery, 20 s: the longest silence of a living link
	lookEvery = 2 * time.Second  // at whether a viewer would get a picture
	writeTime = 10 * time.Second // for one message
	askTime   = 10 * time.Second // for one request at Viewers

	maxRunning  = 4  // requests that are worked on
	maxInFlight = 16 // and those that wait; each holds up to camio.MaxLiveMessage
)

// A link is one connection.
type link struct {
	*Client
	target   Target
	conn     *websocket.Conn
	local    net.Addr               // this side's address; nil if it is not known
	running  chan struct{}          // a place for each request that is worked on
	inFlight chan struct{}          // a place for each request
	answers  chan camio.LiveMessage // to reports
}

// dial connects. Its errors may hold the token.
func (c *Client) dial(ctx context.Context, t Target) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var local net.Addr
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { local = i.Conn.LocalAddr() }})
	conn, resp, err := websocket.Dial(ctx, t.address(), &websocket.DialOptions{
		HTTPClient: c.http, Subprotocols: []string{camio.LiveProtocol},
		HTTPHeader: map[string][]string{"User-Agent": {"camward"}},
	})
	switch {
	case err != nil && resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, statusError(resp.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("connect to %s: %w", t.URL.Host, withoutURL(err))
	case conn.Subprotocol() != camio.LiveProtocol:
		conn.CloseNow() //nolint:errcheck // nobody there speaks with us
		return nil, errProtocol
	}
	conn.SetReadLimit(camio.MaxLiveMessage)
	return &link{
		Client: c, target: t, conn: conn, local: local,
		running: make(chan struct{}, maxRunning), inFlight: make(chan struct{}, maxInFlight), answers: make(chan camio.LiveMessage, 1),
	}, nil
}

// run speaks until the connection breaks or ctx ends, and frees it.
func (l *link) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer l.conn.CloseNow() //nolint:errcheck // whatever it says, the connection is gone
	defer cancel(nil)
	work.Go(func() { cancel(l.read(ctx, &work)) })
	work.Go(func() { cancel(l.ping(ctx)) })
	ready := l.viewers.Ready(l.name) == nil
	err := l.greet(ctx, ready)
	if err == nil {
		l.connected(true)
		l.log.Info("live connection to the cloud", zap.String("cloud", l.target.URL.Host))
		work.Go(func() { cancel(l.tell(ctx)) })
		err = l.look(ctx, ready)
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// greet says hello.
func (l *link) greet(ctx context.Context, ready bool) error {
	return l.write(ctx, camio.LiveMessage{Type: camio.LiveHello, WebRTC: ready})
}

// look says hello again whenever there is another thing to say than what was said. It looks after this side's end of the line as
// well.
func (l *link) look(ctx context.Context, said bool) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
		if moved(l.local) {
			return errMoved
		}
		if ready := l.viewers.Ready(l.name) == nil; ready != said {
			if err := l.greet(ctx, ready); err != nil {
				return err
			}
			said = ready
		}
	}
}

// moved reports whether an address of this machine is so no more.
func moved(local net.Addr) bool {
	a, ok := local.(*net.TCPAddr)
	if !ok {
		return false
	}
	own, err := net.InterfaceAddrs()
	return err == nil && !slices.ContainsFunc(own, func(o net.Addr) bool {
		n, ok := o.(*net.IPNet)
		return ok && n.IP.Equal(a.IP)
	})
}

// errSilent says that the cloud gave no sign of life.
var errSilent = errors.New("the connection is dead: no answer to a ping")

// ping finds out whether the connection is alive.
func (l *link) ping(ctx context.Context) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		wait, cancel := context.WithTimeout(ctx, pongTime)
		err := l.conn.Ping(wait)
		late := wait.Err() != nil
		cancel()
		switch {
		case err != nil && late:
			return errSilent
		case err != nil:
			return fmt.Errorf("ping: %w", err)
		}
	}
}

// write sends one message. A cloud that takes none for so long is given up: the connection is then closed.
func (l *link) write(ctx context.Context, m camio.LiveMessage) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := l.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// read takes messages until the connection breaks. Requests are answered beside it, as part of work.
func (l *link) read(ctx context.Context, work *sync.WaitGroup) error {
	for {
		kind, data, err := l.conn.Read(ctx)
		if err != nil {
			return readError(err)
		}
		if kind != websocket.MessageText {
			return errNoMessage
		}
		m, fault, err := parse(data, l.target.URL.Hostname())
		switch {
		case err != nil:
			return err
		case fault != nil:
			if err := l.write(ctx, answer(m, fault)); err != nil {
				return err
			}
			continue
		case m.Type == "":
			continue
		case m.Type == camio.LiveState:
			l.answered(m)
			continue
		}
		select {
		case l.inFlight <- struct{}{}:
			work.Go(func() {
				l.serve(ctx, m)
				<-l.inFlight
			})
		default:
			if err := l.write(ctx, answer(m, &camio.LiveError{Status: http.StatusServiceUnavailable, Text: "too many requests at a time"})); err != nil {
				return err
			}
		}
	}
}

// serve answers one request when its turn has come.
func (l *link) serve(ctx context.Context, m camio.LiveMessage) {
	select {
	case <-ctx.Done():
		return
	case l.running <- struct{}{}:
	}
	defer func() { <-l.running }()
	reply := l.ask(ctx, m)
	err := context.Cause(ctx) // a dying connection may still take a message
	if err == nil {
		err = l.write(ctx, reply)
	}
	if err != nil {
		l.log.Debug("answer", zap.Error(scrub(err, l.target.Token)))
		if reply.Type == camio.LiveOpen && reply.Error == nil {
			l.viewers.End(l.name, reply.Session) //nolint:errcheck // nobody will ever come for it
		}
	}
}

// ask does what the cloud asks for.
func (l *link) ask(ctx context.Context, m camio.LiveMessage) camio.LiveMessage {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	reply := answer(m, nil)
	var err error
	switch m.Type {
	case camio.LiveOpen:
		a, e := l.viewers.Open(ctx, l.name, m.SDP, servers(m.ICEServers)...)
		reply.Session, reply.ETag, reply.SDP, err = a.Session, a.ETag, a.SDP, e
	case camio.LivePatch:
		a, e := l.viewers.Patch(ctx, l.name, m.Session, m.ETag, m.SDP)
		reply.ETag, reply.SDP, err = a.ETag, a.SDP, e
	case camio.LiveEnd:
		err = l.viewers.End(l.name, m.Session)
	}
	if err != nil {
		reply = answer(m, l.fault(m.Type, err))
	}
	return reply
}

// fault is a failure as it is told to the viewer.
func (l *link) fault(t camio.LiveType, err error) *camio.LiveError {
	status := live.StatusOf(err)
	if status == http.StatusInternalServerError {
		l.log.Warn("live view request of the cloud", zap.String("request", string(t)), zap.Error(err))
		return &camio.LiveError{Status: status, Text: "live view cannot be set up"}
	}
	return &camio.LiveError{Status: status, Text: oneLine(err.Error())}
}
