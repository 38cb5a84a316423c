package main

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is the simplest of the cameras.
var plain = shape{"Lab USB Camera", "77", shapes["plain"]}

// Every descriptor begins with its own length, and the chain fills the stated total.
func TestConfigurationIsAChainOfDescriptors(t *testing.T) {
	units := []byte{descConfig, descAssociation, descInterface, descClass, descClass, descClass, descClass}
	bulk := []byte{descInterface, descClass, descClass, descClass, descClass, descClass, descClass, descClass, descEndpoint}
	tests := []struct {
		shape string
		want  []byte
	}{
		{"plain", slices.Concat(units, bulk)},
		{"isochronous", slices.Concat(units, bulk[:6], bytes.Repeat([]byte{descInterface, descEndpoint}, len(alternates)))},
		{"h264", slices.Concat(units, []byte{descClass}, bulk[:5], bulk[8:], bulk[:5], bulk[8:])},
	}
	for _, tt := range tests {
		t.Run(tt.shape, func(t *testing.T) {
			b := shape{"Lab", "1", shapes[tt.shape]}.config()
			if total := int(le.Uint16(b[2:])); total != len(b) {
				t.Fatalf("wTotalLength %d, have %d bytes", total, len(b))
			}
			var kinds []byte
			for len(b) > 0 {
				n := int(b[0])
				if n < 2 || n > len(b) {
					t.Fatalf("descriptor of %d bytes with %d left", n, len(b))
				}
				if b[1] == descClass && (b[2] == 7 || b[2] == 5 && n > 20) { // frame descriptors
					if want := 26 + 4*int(b[25]); n != want {
						t.Errorf("frame descriptor of %d bytes with %d intervals, want %d", n, b[25], want)
					}
				}
				if b[1] == descClass && b[2] == 17 && n != 26+4*int(b[21]) {
					t.Errorf("frame-based descriptor of %d bytes with %d intervals", n, b[21])
				}
				kinds = append(kinds, b[1])
				b = b[n:]
			}
			if diff := cmp.Diff(tt.want, kinds); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestNegotiationGrantsWhatTheCameraHas(t *testing.T) {
	tests := []struct{ asked, want setting }{
		{setting{1, 1, 333333}, setting{1, 1, 333333}},
		{setting{1, 2, 1000000}, setting{1, 2, 1000000}},
		{setting{1, 3, 1000000}, setting{1, 1, 1000000}},
		{setting{2, 1, 1000000}, setting{1, 1, 1000000}},
		{setting{1, 1, 400000}, setting{1, 1, 333333}},
		{setting{1, 1, 1}, setting{1, 1, 333333}},
		{setting{1, 1, 9999999}, setting{1, 1, 2000000}},
	}
	s := shapes["isochronous"][0]
	for _, tt := range tests {
		p := s.probe(setting{1, 1, tt.asked.interval})
		p[2], p[3] = byte(tt.asked.format), byte(tt.asked.frame)
		if got := s.negotiate(p); got != tt.want {
			t.Errorf("negotiate(%+v) = %+v, want %+v", tt.asked, got, tt.want)
		}
	}
	unknown := s.probe(setting{1, 1, 666666})
	if unknown[2] = 9; s.negotiate(unknown) != (setting{1, 1, 666666}) {
		t.Errorf("of an unknown format %+v", s.negotiate(unknown))
	}
}

func TestBandwidthBeyondTheBudgetIsRefused(t *testing.T) {
	c := newCamera(fake{}, shape{"Lab", "1", shapes["isochronous"]}, io.Discard)
	c.budget = 512
	set := func(alternate byte) int32 {
		_, status := c.control([8]byte{1, reqSetInterface, alternate, 0, 1}, nil)
		return status
	}
	if a, b, c := set(0), set(2), set(3); a != 0 || b != 0 || c != errNoSpace {
		t.Errorf("off %d, 512 bytes %d, 1024 bytes %d", a, b, c)
	}
	tests := []struct {
		v    setting
		want int
	}{
		{setting{1, 1, 333333}, 2304}, {setting{1, 1, 2000000}, 384}, {setting{1, 2, 333333}, 576},
	}
	for _, tt := range tests {
		if got := c.shape.streams[0].payload(tt.v) - payloadHeader; got < tt.want || got > tt.want+1 {
			t.Errorf("%+v needs %d bytes a microframe, want %d", tt.v, got, tt.want)
		}
	}
}

func TestAccessUnitsBeginWithTheirDelimiters(t *testing.T) {
	stream := []byte("\x00\x00\x00\x01\x09\xf0\x00\x00\x00\x01\x67sps\x00\x00\x01\x65idr\x00\x00\x00\x01\x09\x30\x00\x00\x01\x41p")
	units, err := cutAccessUnits(stream)
	if err != nil || len(units) != 2 || !bytes.Equal(slices.Concat(units...), stream) || !bytes.HasSuffix(units[0], []byte("idr")) {
		t.Errorf("%q, %v", units, err)
	}
	if _, err := cutAccessUnits(stream[6:]); err == nil {
		t.Error("a stream without a delimiter in front was taken")
	}
}

// fake is a film of short pictures.
type fake struct{}

func (fake) picture(_ coding, _ size, n int) []byte { return bytes.Repeat([]byte{byte(n + 1)}, 20000) }

// host is the kernel's side of the connection.
type host struct {
	t    *testing.T
	conn net.Conn
	seq  uint32
}

// submit asks for a transfer without waiting for it.
func (h *host) submit(endpoint, length int, setup []byte) {
	h.seq++
	b := make([]byte, headerSize)
	be.PutUint32(b[0:], cmdSubmit)
	be.PutUint32(b[4:], h.seq)
	be.PutUint32(b[12:], 1) // IN
	be.PutUint32(b[16:], uint32(endpoint))
	be.PutUint32(b[24:], uint32(length))
	copy(b[40:], setup)
	if _, err := h.conn.Write(b); err != nil {
		h.t.Error(err)
	}
}

// answer reads the next reply.
func (h *host) answer() (status int32, data []byte) {
	b := make([]byte, headerSize)
	if _, err := io.ReadFull(h.conn, b); err != nil {
		h.t.Fatal(err)
	}
	data = make([]byte, be.Uint32(b[24:]))
	if _, err := io.ReadFull(h.conn, data); err != nil {
		h.t.Fatal(err)
	}
	return int32(be.Uint32(b[20:])), data
}

// TestIsochronousTransfersCarryAPayloadInEachPacket plays the host of a transfer with three packets: two are filled, and one is left over.
func TestIsochronousTransfersCarryAPayloadInEachPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		d := newDevice(ours, func([8]byte, []byte) ([]byte, int32) { return nil, 0 })
		served := make(chan struct{})
		go func() { defer close(served); _ = d.serve() }()
		const exdev = ^uint32(17) // what Linux writes before a packet is transferred
		b := make([]byte, headerSize)
		be.PutUint32(b[0:], cmdSubmit)
		be.PutUint32(b[4:], 5)
		be.PutUint32(b[12:], 1)
		be.PutUint32(b[16:], 1)
		be.PutUint32(b[24:], 300)
		be.PutUint32(b[32:], 3)
		for i := range uint32(3) {
			for _, v := range []uint32{i * 100, 100, 0, exdev} {
				b = be.AppendUint32(b, v)
			}
		}
		if _, err := theirs.Write(b); err != nil {
			t.Fatal(err)
		}
		parts := [][]byte{[]byte("first"), []byte("second"), nil}
		go d.send(1, func(space int) []byte {
			if space != 100 {
				t.Errorf("space for %d bytes, want 100", space)
			}
			p := parts[0]
			parts = parts[1:]
			return p
		})
		answer := make([]byte, headerSize+len("firstsecond")+3*packetSize)
		if _, err := io.ReadFull(theirs, answer); err != nil {
			t.Fatal(err)
		}
		want := []byte("firstsecond")
		for i, n := range []uint32{5, 6, 0} {
			for _, v := range []uint32{uint32(i) * 100, 100, n, 0} {
				want = be.AppendUint32(want, v)
			}
		}
		if !bytes.Equal(answer[headerSize:], want) || be.Uint32(answer[24:]) != 11 || be.Uint32(answer[32:]) != 3 {
			t.Errorf("answer % x\nwant % x", answer, want)
		}
		theirs.Close()
		ours.Close()
		<-served
	})
}

func withCamera(t *testing.T, test func(t *testing.T, h *host, c *camera, shown *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		shown := new(bytes.Buffer)
		c := newCamera(fake{}, plain, shown)
		d := newDevice(ours, c.control)
		go func() { _ = d.serve() }()
		done := make(chan struct{})
		go func() { defer close(done); c.stream(d, 0) }()
		test(t, &host{t: t, conn: theirs}, c, shown)
		theirs.Close()
		ours.Close()
		<-done
	})
}

func TestHostReadsDescriptorsAndUnknownRequestsStall(t *testing.T) {
	withCamera(t, func(t *testing.T, h *host, _ *camera, _ *bytes.Buffer) {
		h.submit(0, 9, []byte{0x80, reqGetDescriptor, 0, descConfig, 0, 0, 9, 0})
		if status, data := h.answer(); status != 0 || !bytes.Equal(data, plain.config()[:9]) {
			t.Errorf("configuration: status %d, % x", status, data)
		}
		h.submit(0, 64, []byte{0x80, reqGetDescriptor, 3, descString, 9, 4, 64, 0})
		if status, data := h.answer(); status != 0 || string(data[2:]) != "7\x007\x00" {
			t.Errorf("serial number: status %d, % x", status, data)
		}
		h.submit(0, 4, []byte{0xa1, getCur, 0, 9, 0, 9, 4, 0})
		if status, _ := h.answer(); status != errPipe {
			t.Errorf("unknown control: status %d, want a stall", status)
		}
	})
}

// readPicture collects payloads up to the end of a frame.
func readPicture(h *host) (pic []byte, flags byte) {
	for {
		h.submit(1, maxPayload, nil)
		_, data := h.answer()
		pic = append(pic, data[2:]...)
		if flags = data[1]; flags&2 != 0 {
			return pic, flags
		}
	}
}

func TestPicturesComeInPayloadsAndAreLogged(t *testing.T) {
	withCamera(t, func(t *testing.T, h *host, c *camera, shown *bytes.Buffer) {
		a, flagsA := readPicture(h)
		b, flagsB := readPicture(h)
		if !bytes.Equal(a, fake{}.picture(0, vga, 0)) || !bytes.Equal(b, fake{}.picture(0, vga, 1)) {
			t.Errorf("pictures of %d and %d bytes differ from the film's", len(a), len(b))
		}
		if (flagsA^flagsB)&1 != 1 {
			t.Errorf("the frame id did not toggle: %#x, %#x", flagsA, flagsB)
		}
		c.setMode(modeTrunc)
		if p, _ := readPicture(h); len(p) != 10000 {
			t.Errorf("truncated picture has %d bytes, want 10000", len(p))
		}
		c.setMode(modeErr)
		if _, flags := readPicture(h); flags&0x40 == 0 {
			t.Errorf("flags %#x lack the error bit", flags)
		}
		c.setMode(modeEmpty)
		if p, _ := readPicture(h); len(p) != 0 {
			t.Errorf("empty picture has %d bytes", len(p))
		}
		synctest.Wait()
		var numbers []string
		for line := range bytes.Lines(shown.Bytes()) {
			f := bytes.Fields(line)
			numbers = append(numbers, string(f[0])+" "+string(f[1]))
		}
		want := []string{"0 run", "1 run", "2 trunc", "3 err", "4 empty"}
		if diff := cmp.Diff(want, numbers); diff != "" {
			t.Errorf("log: -want +got\n%s", diff)
		}
	})
}
