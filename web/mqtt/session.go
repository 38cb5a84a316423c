package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"camward/internal/transport"
)

const (
	dialWithin   = 10 * time.Second
	answerWithin = 10 * time.Second // to each packet; also what writing one may take
	farewell     = 2 * time.Second
	keepAlive    = 20 * time.Second
	deadAfter    = keepAlive + answerWithin // without a packet; the broker waits as long (3.1.2.10)
)

// A session is one connection to the broker.
type session struct {
	*Client
	conn  net.Conn
	in    *bufio.Reader
	birth chan struct{} // Home Assistant has come up
	told  Queue         // the last that was published

	writing sync.Mutex
	mu      sync.Mutex
	last    uint16                // packet identifier
	waiting map[uint16]chan error // for the acknowledgement of a packet
}

// connect dials, and says who is there and what the broker is to say when the line breaks.
func (c *Client) connect(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{Client: c, conn: conn, in: bufio.NewReader(conn), birth: make(chan struct{}, 1), waiting: map[uint16]chan error{}}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = s.greet()
	if !stop() {
		err = fmt.Errorf("no answer within %v: %w", dialWithin, ctx.Err())
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("MQTT at %s: %w", conn.RemoteAddr(), err)
	}
	return s, nil
}

func (s *session) greet() error {
	err := s.write(answerWithin, connectPacket, hello("camward"+s.info.MAC, s.cfg.User, s.cfg.Password.Reveal(), s.availability(), offline), nil)
	if err != nil {
		return err
	}
	p, err := receive(s.in)
	if err != nil {
		return err
	}
	return welcome(p)
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	address, secure, err := c.cfg.broker()
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Control: transport.Control(deadAfter)}
	if !secure {
		return d.DialContext(ctx, "tcp", address)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.cfg.CAFile != "" {
		pem, err := os.ReadFile(c.cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt.ca_file: %s holds no certificate in PEM", c.cfg.CAFile)
		}
	}
	return (&tls.Dialer{NetDialer: &d, Config: cfg}).DialContext(ctx, "tcp", address)
}

// read takes what the broker sends until the connection ends, and says why it did.
func (s *session) read() error {
	for {
		s.conn.SetReadDeadline(time.Now().Add(deadAfter))
		p, err := receive(s.in)
		if err != nil {
			return fmt.Errorf("the connection was lost: %w", err)
		}
		if err := s.take(p); err != nil {
			return err
		}
	}
}

// take does what a packet asks for. It waits for nothing but its turn to write.
func (s *session) take(p received) error {
	switch p.kind {
	case pongPacket:
		return nil // that something came is all there is to it
	case pubackPacket, subackPacket:
		id, granted, err := p.acked()
		if err == nil {
			s.answered(id, granted)
		}
		return err
	}
	if p.kind&0xf0 != publishPacket {
		return fmt.Errorf("%w: packet 0x%02x", errMalformed, p.kind)
	}
	topic, id, payload, err := p.publication()
	if err != nil {
		return err
	}
	// What is retained was said before we came (3.3.1.3).
	if p.kind&retained == 0 && topic == s.homeStatus() && string(payload) == online {
		select {
		case s.birth <- struct{}{}:
		default: // it has been heard
		}
	}
	if id == 0 {
		return nil
	}
	return s.write(answerWithin, pubackPacket, []byte{byte(id >> 8), byte(id)}, nil) // 4.3.2-2
}

func (s *session) answered(id uint16, granted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := s.waiting[id]; answer != nil {
		if granted {
			answer <- nil
		} else {
			answer <- errors.New("the broker refuses it")
		}
		delete(s.waiting, id)
	}
}

// ask sends PUBLISH (3.3) or SUBSCRIBE (3.8), in which the packet identifier stands behind or before the topic, and waits for the
// acknowledgement.
func (s *session) ask(ctx context.Context, kind byte, topic string, payload []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	id, came := s.expect()
	defer s.forget(id)
	var head []byte
	if kind == subscribePacket {
		head = field([]byte{byte(id >> 8), byte(id)}, topic)
	} else {
		head = append(field(nil, topic), byte(id>>8), byte(id))
	}
	if err := s.write(answerWithin, kind, head, payload); err != nil {
		return err
	}
	late := time.NewTimer(answerWithin)
	defer late.Stop()
	select {
	case err := <-came:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-late.C:
		return fmt.Errorf("the broker does not acknowledge within %v", answerWithin)
	}
}

// expect takes a packet identifier that is not in use (2.3.1). A handful is at a time.
func (s *session) expect() (id uint16, came <-chan error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.last++; s.last != 0 && s.waiting[s.last] == nil {
			came := make(chan error, 1)
			s.waiting[s.last] = came
			return s.last, came
		}
	}
}

func (s *session) forget(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
}

// publish has the broker keep payload, and waits until it has it.
func (s *session) publish(ctx context.Context, topic string, payload []byte) error {
	if err := s.ask(ctx, publishPacket|atLeastOnce|retained, topic, payload); err != nil {
		return fmt.Errorf("publish %s: %w", topic, err)
	}
	return nil
}

// subscribe asks to be told of Home Assistant's start.
func (s *session) subscribe(ctx context.Context) error {
	const qos = 1
	if err := s.ask(ctx, subscribePacket, s.homeStatus(), []byte{qos}); err != nil {
		return fmt.Errorf("subscribe to %s: %w", s.homeStatus(), err)
	}
	return nil
}

// ping shows the broker that we live, and makes it show that it does.
func (s *session) ping(ctx context.Context) error {
	t := time.NewTicker(keepAlive)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := s.write(answerWithin, pingPacket, nil, nil); err != nil {
				return err
			}
		}
	}
}

// leave says that the device is gone, by what the last will would say, and hangs up. The broker then closes.
func (s *session) leave() {
	err := s.write(farewell, publishPacket|retained, field(nil, s.availability()), []byte(offline))
	if err == nil {
		err = s.write(farewell, disconnectPacket, nil, nil)
	}
	if err != nil {
		s.conn.Close()
	}
}

// write sends one packet, undivided. The payload may be large and is not copied.
func (s *session) write(within time.Duration, kind byte, head, payload []byte) error {
	length := len(head) + len(payload)
	if length > maxPacket {
		return errors.New("too many bytes for a packet")
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(within))
	_, err := s.conn.Write(append(header(kind, length), head...))
	if err == nil && len(payload) > 0 {
		_, err = s.conn.Write(payload)
	}
	return err
}
