package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Control packets with the flags that they have to have (MQTT 3.1.1, 2.2).
const (
	connectPacket    = 0x10
	connackPacket    = 0x20
	publishPacket    = 0x30
	pubackPacket     = 0x40
	subscribePacket  = 0x82
	subackPacket     = 0x90
	pingPacket       = 0xc0
	pongPacket       = 0xd0
	disconnectPacket = 0xe0
)

// Flags of a publication (3.3.1).
const (
	retained    = 0x01
	atLeastOnce = 0x02 // QoS 1
	exactlyOnce = 0x04 // QoS 2, which is granted to nobody
	repeated    = 0x08
)

const (
	maxReceived = 64 << 10  // bytes kept of a packet's body
	maxPacket   = 1<<28 - 1 // bytes behind the fixed header (2.2.3)
	maxField    = 1<<16 - 1 // bytes of a string or binary data (1.5.3)
	refused     = 0x80      // return code of SUBACK (3.9.3)
)

// A received is a packet that came.
type received struct {
	kind byte   // with the flags of a publication
	body []byte // of a publication longer than maxReceived only its beginning
}

var errMalformed = errors.New("the broker breaks the rules of MQTT 3.1.1")

// receive reads the next packet. What it takes in memory grows with the bytes that come, not with the length that is
// announced, and ends at maxReceived: the rest of a publication is passed over, since any client of the broker may
// send one; nothing else is that long.
func receive(r *bufio.Reader) (p received, err error) {
	if p.kind, err = r.ReadByte(); err != nil {
		return p, err
	}
	length, err := remaining(r)
	if err != nil {
		return p, err
	}
	kept := min(length, maxReceived)
	if kept < length && p.kind&0xf0 != publishPacket {
		return p, errMalformed
	}
	p.body, err = io.ReadAll(io.LimitReader(r, int64(kept)))
	if err == nil && len(p.body) < kept {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && kept < length {
		_, err = io.CopyN(io.Discard, r, int64(length-kept))
	}
	return p, unexpected(err)
}

// remaining reads the Remaining Length: one to four digits to the base of 128, the lowest first (2.2.3).
func remaining(r *bufio.Reader) (length int, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		length |= int(b&0x7f) << shift
		if b < 0x80 {
			return length, nil
		}
	}
	return 0, errMalformed
}

// unexpected is the end of the stream within a packet.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// acked is the packet identifier of PUBACK or SUBACK (3.4, 3.9), and whether what was asked for is granted.
func (p received) acked() (id uint16, granted bool, err error) {
	granted = true
	if p.kind == subackPacket && len(p.body) == 3 {
		code := p.body[2]
		granted = code < refused
		if code > 2 && code != refused { // 3.9.3-2
			return 0, false, errMalformed
		}
	} else if p.kind != pubackPacket || len(p.body) != 2 {
		return 0, false, errMalformed
	}
	id = binary.BigEndian.Uint16(p.body)
	if id == 0 { // 2.3.1-1
		return 0, false, errMalformed
	}
	return id, granted, nil
}

// publication is what PUBLISH (3.3) says; id is 0 with QoS 0. The payload stays part of the packet's body.
func (p received) publication() (topic string, id uint16, payload []byte, err error) {
	qos1 := p.kind&atLeastOnce != 0
	if p.kind&exactlyOnce != 0 || p.kind&repeated != 0 && !qos1 || len(p.body) < 2 { // 3.3.1-2, 3.3.1-4
		return "", 0, nil, errMalformed
	}
	rest := p.body[2:]
	n := int(binary.BigEndian.Uint16(p.body))
	if n == 0 || n > len(rest) { // 4.7.3-1
		return "", 0, nil, errMalformed
	}
	topic, rest = string(rest[:n]), rest[n:]
	if !legible(topic) || strings.ContainsAny(topic, "+#") { // 3.3.2-1, 3.3.2-2
		return "", 0, nil, errMalformed
	}
	if !qos1 {
		return topic, 0, rest, nil
	}
	if len(rest) < 2 || rest[0]|rest[1] == 0 { // 2.3.1-1
		return "", 0, nil, errMalformed
	}
	return topic, binary.BigEndian.Uint16(rest), rest[2:], nil
}

// legible is whether s may be a string of a packet: UTF-8 without the character U+0000 (1.5.3-1, 1.5.3-2), and not too long.
func legible(s string) bool {
	return len(s) <= maxField && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// header is the fixed header of a packet with that much behind it, at most maxPacket (2.2).
func header(kind byte, length int) []byte {
	b := []byte{kind}
	for length >= 0x80 {
		b = append(b, byte(length)|0x80)
		length >>= 7
	}
	return append(b, byte(length))
}

// field appends a string or binary data with its length (1.5.3), at most maxField.
func field(b []byte, s string) []byte {
	return append(append(b, byte(len(s)>>8), byte(len(s))), s...)
}

// hello is the body of CONNECT (3.1): a clean session with a retained last will of QoS 1.
func hello(clientID, user, password, willTopic, will string) []byte {
	const cleanSession, withWill, willQoS1, willRetain, withPassword, withUser = 0x02, 0x04, 0x08, 0x20, 0x40, 0x80
	flags := byte(cleanSession | withWill | willQoS1 | willRetain)
	fields := []string{clientID, willTopic, will} // and these two, in this order (3.1.3-1)
	if user != "" {
		flags |= withUser
		fields = append(fields, user)
	}
	if password != "" {
		flags |= withPassword
		fields = append(fields, password)
	}
	const level = 4 // 3.1.2-2
	b := append(field(nil, "MQTT"), level, flags, byte(keepAlive/time.Second>>8), byte(keepAlive/time.Second))
	for _, f := range fields {
		b = field(b, f)
	}
	return b
}

// welcome judges CONNACK (3.2.2.3).
func welcome(p received) error {
	if p.kind != connackPacket || len(p.body) != 2 {
		return errMalformed
	}
	switch p.body[1] {
	case 0:
		return nil
	case 1:
		return errors.New("the broker does not speak MQTT 3.1.1")
	case 2:
		return errors.New("the broker refuses the name of this client")
	case 3:
		return errors.New("the broker is not available at the moment")
	case 4, 5: // Mosquitto says 5 to a wrong password
		return errors.New("the broker does not let us in: user or password is wrong, or may not connect (mqtt.user, mqtt.password)")
	}
	return fmt.Errorf("the broker refuses with code %d", p.body[1])
}
