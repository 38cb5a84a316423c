package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zaptest"
)

// scripted is a session with a broker that a test plays at the other end of the connection.
func scripted(t *testing.T, cameras ...Camera) (s *session, theirs net.Conn) {
	t.Helper()
	cfg := Default()
	cfg.URL = "mqtt://broker"
	c, err := New(cfg, device1, cameras, func() (Queue, error) { return Queue{}, nil }, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return &session{Client: c, conn: ours, in: bufio.NewReader(ours), birth: make(chan struct{}, 1), waiting: map[uint16]chan error{}}, theirs
}

// answer acknowledges what is asked for until the connection ends or a packet is longer than most, and counts the packets of each kind.
func answer(theirs net.Conn, most int) map[byte]int {
	seen := map[byte]int{}
	in := bufio.NewReader(theirs)
	for {
		kind, err := in.ReadByte()
		if err != nil {
			return seen
		}
		length, err := remaining(in)
		if err != nil || length > most {
			return seen
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil {
			return seen
		}
		seen[kind]++
		switch kind {
		case subscribePacket:
			theirs.Write([]byte{subackPacket, 3, body[0], body[1], 1})
		case publishPacket | atLeastOnce | retained:
			n := 2 + binary.BigEndian.Uint16(body)
			theirs.Write([]byte{pubackPacket, 2, body[n], body[n+1]})
		case pingPacket:
			theirs.Write([]byte{pongPacket, 0})
		case disconnectPacket:
			theirs.Close()
		}
	}
}

func TestBrokerThatFallsSilentIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, theirs := scripted(t)
		go func() { // it reads for ever and says one thing
			theirs.Write([]byte(sent["birth"]))
			io.Copy(io.Discard, theirs)
		}()
		start := time.Now()
		if err := s.read(); err == nil || time.Since(start) != deadAfter {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if len(s.birth) != 1 {
			t.Error("the birth message was not heard")
		}
	})
}

func TestQuietConnectionIsKeptByPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, theirs := scripted(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Minute+time.Second, cancel)
		var seen map[byte]int
		done := make(chan struct{})
		go func() { seen = answer(theirs, maxPacket); close(done) }()
		if err := s.live(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		<-done
		if seen[pingPacket] != 30 || seen[publishPacket|retained] != 1 || seen[disconnectPacket] != 1 {
			t.Errorf("got %x", seen)
		}
	})
}

func TestBrokerThatAcknowledgesNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, theirs := scripted(t)
		go io.Copy(io.Discard, theirs)
		start := time.Now()
		if err := s.live(t.Context()); err == nil || !strings.Contains(err.Error(), "acknowledge") || time.Since(start) != answerWithin {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestBrokerThatReadsNoFurtherDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := &yard{jpeg: make([]byte, maxImage)}
		s, theirs := scripted(t, y.camera("front"))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { answer(theirs, maxImage/2); cancel() }()
		start := time.Now()
		if err := s.live(ctx); !errors.Is(err, context.Canceled) || time.Since(start) > farewell {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestRefusedSubscriptionIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, theirs := scripted(t)
		go func() {
			theirs.Read(make([]byte, 100))
			theirs.Write([]byte("\x90\x03\x00\x01\x80"))
			io.Copy(io.Discard, theirs)
		}()
		if err := s.live(t.Context()); err == nil || !strings.Contains(err.Error(), "subscribe to homeassistant/status: the broker refuses") {
			t.Error(err)
		}
	})
}

func TestPublicationsAreAcknowledgedAndOnlyNewBirthIsHeard(t *testing.T) {
	tests := map[string]struct {
		packet, answer string
		heard          bool
	}{
		"QoS 0":          {sent["birth"], "", true},
		"QoS 1":          {sent["birth, QoS 1"], "\x40\x02\x00\x01", true},
		"QoS 1 retained": {sent["birth of old"], "\x40\x02\x00\x03", false},
		"death":          {"\x30\x1d\x00\x14homeassistant/statusoffline", "", false},
		"other topic":    {"\x32\x0b\x00\x01a\x00\x05online", "\x40\x02\x00\x05", false},
		"too long":       {string(header(publishPacket|atLeastOnce, 1<<20)) + "\x00\x01a\x00\x09" + strings.Repeat("x", 1<<20-5), "\x40\x02\x00\x09", false},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s, theirs := scripted(t)
			go s.read() //nolint:errcheck // it ends with the connection
			if _, err := theirs.Write([]byte(tt.packet)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(tt.answer))
			if _, err := io.ReadFull(theirs, got); err != nil || string(got) != tt.answer {
				t.Errorf("%s: answered %q, %v", name, got, err)
			}
			synctest.Wait()
			if heard := len(s.birth) == 1; heard != tt.heard {
				t.Errorf("%s: heard %v", name, heard)
			}
			theirs.Close()
		})
	}
}
