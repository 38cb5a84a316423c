package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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

	atLeastOnce = 0x02 // of a publication's flags: QoS 1
	retained    = 0x01
)

const (
	maxReceived = 4 << 10   // bytes of a packet; a broker has nothing longer to tell
	maxPacket   = 1<<28 - 1 // bytes behind the fixed header (2.2.3)
)

// A received is a packet that came.
type received struct {
	kind byte // with the flags of a publication
	body []byte
}

var errMalformed = errors.New("not MQTT 3.1.1")

// receive reads the next packet. The body of one that is too long is passed over and comes empty.
func receive(r *bufio.Reader) (p received, err error) {
	if p.kind, err = r.ReadByte(); err != nil {
		return p, err
	}
	length := 0
	for shift := 0; ; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return p, unexpected(err)
		}
		length |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
		if shift == 21 {
			return p, errMalformed
		}
	}
	if length > maxReceived {
		_, err = io.CopyN(io.Discard, r, int64(length))
		return p, unexpected(err)
	}
	p.body = make([]byte, length)
	_, err = io.ReadFull(r, p.body)
	return p, unexpected(err)
}

// unexpected is the end of the stream within a packet.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// acked is the packet identifier of an acknowledgement, and whether what was asked for is granted.
func (p received) acked() (id uint16, granted bool, err error) {
	if len(p.body) < 2 || p.kind == subackPacket && len(p.body) < 3 {
		return 0, false, errMalformed
	}
	return binary.BigEndian.Uint16(p.body), p.kind != subackPacket || p.body[2] < 0x80, nil
}

// publication is what a publication of QoS 0 says; we subscribe to no other.
func (p received) publication() (topic string, payload []byte, err error) {
	if p.kind&0x06 != 0 || len(p.body) < 2 {
		return "", nil, errMalformed
	}
	n := 2 + int(binary.BigEndian.Uint16(p.body))
	if n > len(p.body) {
		return "", nil, errMalformed
	}
	return string(p.body[2:n]), p.body[n:], nil
}

// header is the fixed header of a packet with that much behind it.
func header(kind byte, length int) []byte {
	b := []byte{kind}
	for {
		digit := byte(length & 0x7f)
		if length >>= 7; length == 0 {
			return append(b, digit)
		}
		b = append(b, digit|0x80)
	}
}

// field appends a string or binary data with its length (1.5.3), which is below 64 KiB for all that is configured.
func field[T string | []byte](b []byte, s T) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// hello is the body of CONNECT (3.1): a clean session with a retained last will of QoS 1.
func hello(clientID, user, password, willTopic, will string) []byte {
	const cleanSession, withWill, willQoS1, willRetain, withPassword, withUser = 0x02, 0x04, 0x08, 0x20, 0x40, 0x80
	flags := byte(cleanSession | withWill | willQoS1 | willRetain)
	if user != "" {
		flags |= withUser
	}
	if password != "" {
		flags |= withPassword
	}
	b := append(field(nil, "MQTT"), 4, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(keepAlive.Seconds()))
	b = field(field(field(b, clientID), willTopic), will)
	if user != "" {
		b = field(b, user)
	}
	if password != "" {
		b = field(b, password)
	}
	return b
}

// welcome judges CONNACK (3.2).
func welcome(p received) error {
	if p.kind != connackPacket || len(p.body) != 2 {
		return errMalformed
	}
	switch code := p.body[1]; code {
	case 0:
		return nil
	case 1:
		return errors.New("the broker does not speak MQTT 3.1.1")
	case 3:
		return errors.New("the broker is not available at the moment")
	case 4, 5:
		return errors.New("the broker does not let us in: user or password is wrong, or may not connect (mqtt.user, mqtt.password)")
	default:
		return fmt.Errorf("the broker refuses with code %d", code)
	}
}
