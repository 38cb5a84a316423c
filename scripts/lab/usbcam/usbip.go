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

	dirOut = 0

	errPipe  = -32  // a stalled control request
	errReset = -104 // an unlinked URB
)

var be = binary.BigEndian

// A urb is a transfer the host waits for.
type urb struct {
	seq    uint32
	length int
}

// A device answers the host: control requests at once, bulk reads as the camera has data.
type device struct {
	conn    io.ReadWriter
	control func(setup [8]byte, out []byte) (in []byte, ok bool)

	mu      sync.Mutex // guards pending and writes to conn
	pending []urb
	wake    chan struct{} // 1 deep: pending has grown, or the host is gone
	gone    bool
}

func newDevice(conn io.ReadWriter, control func([8]byte, []byte) ([]byte, bool)) *device {
	return &device{conn: conn, control: control, wake: make(chan struct{}, 1)}
}

// serve answers the host until the connection ends.
func (d *device) serve() error {
	defer func() {
		d.mu.Lock()
		d.gone = true
		d.mu.Unlock()
		d.signal()
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

// submit takes one transfer. What the host sends (OUT) follows the header.
func (d *device) submit(h [headerSize]byte, r io.Reader) error {
	seq, out, endpoint, length := be.Uint32(h[4:]), be.Uint32(h[12:]) == dirOut, be.Uint32(h[16:]), int(be.Uint32(h[24:]))
	if endpoint != 0 {
		d.mu.Lock()
		d.pending = append(d.pending, urb{seq, length})
		d.mu.Unlock()
		d.signal()
		return nil
	}
	var data []byte
	if out {
		data = make([]byte, length)
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
	}
	in, ok := d.control([8]byte(h[40:48]), data)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !ok:
		return d.reply(retSubmit, seq, errPipe, 0, nil)
	case out:
		return d.reply(retSubmit, seq, 0, length, nil)
	}
	in = in[:min(len(in), length)]
	return d.reply(retSubmit, seq, 0, len(in), in)
}

// unlink forgets a pending transfer; one already answered is confirmed with 0.
func (d *device) unlink(seq, victim uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, u := range d.pending {
		if u.seq == victim {
			d.pending = append(d.pending[:i], d.pending[i+1:]...)
			return d.reply(retUnlink, seq, errReset, 0, nil)
		}
	}
	return d.reply(retUnlink, seq, 0, 0, nil)
}

// send fills the oldest bulk transfer the host waits for. It blocks until there is one and
// reports false once the host is gone. Data longer than the transfer is cut.
func (d *device) send(fill func(space int) []byte) bool {
	for {
		d.mu.Lock()
		if d.gone {
			d.mu.Unlock()
			return false
		}
		if len(d.pending) > 0 {
			u := d.pending[0]
			d.pending = d.pending[1:]
			data := fill(u.length)
			err := d.reply(retSubmit, u.seq, 0, len(data), data)
			d.mu.Unlock()
			return err == nil
		}
		d.mu.Unlock()
		<-d.wake
	}
}

// waiting tells whether the host reads the stream now.
func (d *device) waiting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending) > 0
}

func (d *device) isGone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone
}

func (d *device) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// reply writes one answer whole. The caller holds mu.
func (d *device) reply(cmd, seq uint32, status int32, actual int, data []byte) error {
	b := make([]byte, headerSize, headerSize+len(data))
	be.PutUint32(b[0:], cmd)
	be.PutUint32(b[4:], seq)
	be.PutUint32(b[20:], uint32(status))
	be.PutUint32(b[24:], uint32(actual))
	_, err := d.conn.Write(append(b, data...))
	return err
}
