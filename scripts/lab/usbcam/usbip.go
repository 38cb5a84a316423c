package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// The USB/IP messages that vhci_hcd exchanges over its socket once a device is attached
// (Documentation/usb/usbip_protocol.rst). All fields are big-endian; every header is 48 bytes.
const (
	cmdSubmit = 1
	cmdUnlink = 2
	retSubmit = 3
	retUnlink = 4

	headerSize = 48
	packetSize = 16 // of an isochronous packet's descriptor: offset, length, actual length, status

	dirOut = 0

	errNoSpace = -28
	errPipe    = -32  // a stalled control request
	errReset   = -104 // an unlinked URB
)

var be = binary.BigEndian

// A urb is a transfer the host waits for.
type urb struct {
	seq     uint32
	length  int
	packets []byte // descriptors of an isochronous transfer; none of others
}

// A device answers the host: control requests at once, reads of a stream as the camera has data.
type device struct {
	conn    io.ReadWriter
	control func(setup [8]byte, out []byte) (in []byte, status int32)

	mu      sync.Mutex // guards pending, gone and writes to conn
	wake    *sync.Cond // pending has grown, or the host is gone
	pending map[int][]urb
	gone    bool
}

func newDevice(conn io.ReadWriter, control func([8]byte, []byte) ([]byte, int32)) *device {
	d := &device{conn: conn, control: control, pending: map[int][]urb{}}
	d.wake = sync.NewCond(&d.mu)
	return d
}

// serve answers the host until the connection ends.
func (d *device) serve() error {
	defer func() {
		d.mu.Lock()
		d.gone = true
		d.wake.Broadcast()
		d.mu.Unlock()
	}()
	r := bufio.NewReader(d.conn)
	var h [headerSize]byte
	for {
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return err
		}
		switch cmd := be.Uint32(h[0:]); cmd {
		case cmdSubmit:
			if err := d.submit(h, r); err != nil {
				return err
			}
		case cmdUnlink:
			if err := d.unlink(be.Uint32(h[4:]), be.Uint32(h[20:])); err != nil {
				return err
			}
		default:
			return fmt.Errorf("USB/IP command %d", cmd)
		}
	}
}

// submit takes one transfer. What the host sends (OUT) follows the header; then come the descriptors of isochronous packets.
func (d *device) submit(h [headerSize]byte, r io.Reader) error {
	seq, out, endpoint, length := be.Uint32(h[4:]), be.Uint32(h[12:]) == dirOut, int(be.Uint32(h[16:])), int(be.Uint32(h[24:]))
	if endpoint != 0 {
		u := urb{seq: seq, length: length}
		const most = 1024 // of uvcvideo there are 32; of a bulk transfer the field is 0 or -1
		if n := int(be.Uint32(h[32:])); n > 0 && n <= most {
			u.packets = make([]byte, n*packetSize)
			if _, err := io.ReadFull(r, u.packets); err != nil {
				return err
			}
		}
		d.mu.Lock()
		d.pending[endpoint] = append(d.pending[endpoint], u)
		d.wake.Broadcast()
		d.mu.Unlock()
		return nil
	}
	var data []byte
	if out {
		data = make([]byte, length)
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
	}
	in, status := d.control([8]byte(h[40:48]), data)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case status != 0:
		return d.reply(retSubmit, urb{seq: seq}, status, 0, nil)
	case out:
		return d.reply(retSubmit, urb{seq: seq}, 0, length, nil)
	}
	in = in[:min(len(in), length)]
	return d.reply(retSubmit, urb{seq: seq}, 0, len(in), in)
}

// unlink forgets a pending transfer; one already answered is confirmed with 0.
func (d *device) unlink(seq, victim uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for endpoint, urbs := range d.pending {
		for i, u := range urbs {
			if u.seq == victim {
				d.pending[endpoint] = append(urbs[:i], urbs[i+1:]...)
				return d.reply(retUnlink, urb{seq: seq}, errReset, 0, nil)
			}
		}
	}
	return d.reply(retUnlink, urb{seq: seq}, 0, 0, nil)
}

// send fills the oldest transfer the host waits for on an endpoint. It blocks until there is one and
// reports false once the host is gone. An isochronous transfer takes one payload for each packet.
func (d *device) send(endpoint int, fill func(space int) []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.pending[endpoint]) == 0 {
		if d.gone {
			return false
		}
		d.wake.Wait()
	}
	if d.gone {
		return false
	}
	u := d.pending[endpoint][0]
	d.pending[endpoint] = d.pending[endpoint][1:]
	var data []byte
	if u.packets == nil {
		data = fill(u.length)
	}
	for p := u.packets; len(p) > 0; p = p[packetSize:] {
		payload := fill(int(be.Uint32(p[4:])))
		be.PutUint32(p[8:], uint32(len(payload)))
		be.PutUint32(p[12:], 0)         // the host's is an error: not transferred yet
		data = append(data, payload...) // packed: the host puts each where it belongs
	}
	return d.reply(retSubmit, u, 0, len(data), data) == nil
}

// waiting tells whether the host reads the endpoint now.
func (d *device) waiting(endpoint int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending[endpoint]) > 0
}

func (d *device) isGone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone
}

// reply writes one answer whole. The caller holds mu.
func (d *device) reply(cmd uint32, u urb, status int32, actual int, data []byte) error {
	b := make([]byte, headerSize, headerSize+len(data)+len(u.packets))
	be.PutUint32(b[0:], cmd)
	be.PutUint32(b[4:], u.seq)
	be.PutUint32(b[20:], uint32(status))
	be.PutUint32(b[24:], uint32(actual))
	be.PutUint32(b[32:], uint32(len(u.packets)/packetSize))
	_, err := d.conn.Write(append(append(b, data...), u.packets...))
	return err
}
