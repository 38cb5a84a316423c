package main

import (
	"encoding/binary"
	"slices"
)

// A shape is which camera the device is: USB Video Class 1.0, with one video streaming interface or two, each with an IN endpoint of
// the same number (UVC 1.0 section 2.4).
type shape struct {
	product, serial string
	streams         []streamShape
}

// A streamShape is one video streaming interface, which uvcvideo makes a node of.
type streamShape struct {
	formats []format // bFormatIndex is one more than the index here
	// isochronous has alternate settings of more and more bandwidth, as most webcams have; otherwise it is one bulk endpoint.
	isochronous bool
}

// A format is a coding of pictures with the sizes offered.
type format struct {
	coding coding
	sizes  []size // bFrameIndex is one more than the index here
}

type coding int

const (
	codingMJPEG coding = iota
	codingYUYV
	codingH264
)

type size struct{ width, height int }

// bytes is what an uncompressed picture of the size takes.
func (s size) bytes() int { return s.width * s.height * 2 }

var vga, qvga, qqvga = size{640, 480}, size{320, 240}, size{160, 120}

// The cameras that there are.
var shapes = map[string][]streamShape{
	// MJPEG and YUYV over a bulk endpoint.
	"plain": {{formats: []format{{codingMJPEG, []size{vga}}, {codingYUYV, []size{vga}}}}},
	// Smaller, over an isochronous endpoint.
	"isochronous": {{isochronous: true, formats: []format{{codingYUYV, []size{qvga, qqvga}}}}},
	// A second interface with H.264.
	"h264": {{formats: []format{{codingMJPEG, []size{vga}}}}, {formats: []format{{codingH264, []size{vga}}}}},
}

const (
	controlInterface = 0
	cameraTerminal   = 1
	processingUnit   = 2
	outputTerminal   = 3 // and up, one for each stream

	// maxPayload is the largest USB video payload over a bulk endpoint, header included: one URB of uvcvideo.
	maxPayload = 16384

	payloadHeader = 2  // bytes
	sizeOfProbe   = 26 // UVC 1.0, table 4-47
)

// alternates are the bytes a microframe of an isochronous interface's settings, from setting 1 on. Above 1024 a microframe
// carries two or three packets.
var alternates = []int{192, 512, 1024, 2048, 3072}

// Descriptor types and subtypes: USB 2.0 table 9-5, UVC 1.0 appendix A.
const (
	descDevice      = 1
	descConfig      = 2
	descString      = 3
	descInterface   = 4
	descEndpoint    = 5
	descAssociation = 11
	descClass       = 0x24

	classVideo     = 0x0e
	classControl   = 1
	classStreaming = 2
)

// intervals are the frame intervals offered, in 100 ns: 30, 15, 10 and 5 pictures a second.
var intervals = []uint32{333333, 666666, 1000000, 2000000}

var le = binary.LittleEndian

func u16(v int) []byte    { return le.AppendUint16(nil, uint16(v)) }
func u32(v uint32) []byte { return le.AppendUint32(nil, v) }

// descriptor prefixes its length, as every USB descriptor has it.
func descriptor(parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	return append([]byte{byte(len(body) + 1)}, body...)
}

// deviceDescriptor is USB 2.0 table 9-8: a device whose function spans interfaces.
func deviceDescriptor() []byte {
	const vendor, product, release = 0x1209, 0x0001, 0x0100 // a vendor id set aside for tests
	return descriptor([]byte{descDevice}, u16(0x0200), []byte{0xef, 2, 1, 64},
		u16(vendor), u16(product), u16(release), []byte{1, 2, 3, 1})
}

// config is the configuration with all that hangs below it.
func (s shape) config() []byte {
	const headerSize = 9
	n := byte(len(s.streams))
	body := slices.Concat(
		descriptor([]byte{descAssociation, controlInterface, 1 + n, classVideo, 3, 0, 2}),
		descriptor([]byte{descInterface, controlInterface, 0, 0, classVideo, classControl, 0, 2}),
		s.control())
	for i, stream := range s.streams {
		body = append(body, stream.descriptors(byte(i))...)
	}
	const busPowered, milliamps = 0x80, 500
	header := descriptor([]byte{descConfig}, u16(headerSize+len(body)), []byte{1 + n, 1, 0, busPowered, milliamps / 2})
	return append(header, body...)
}

// control are the units of the video function, UVC 1.0 section 3.7.2: camera -> processing unit with brightness -> USB, once for
// each stream.
func (s shape) control() []byte {
	units := slices.Concat(
		descriptor([]byte{descClass, 2, cameraTerminal}, u16(0x0201), []byte{0, 0}, u16(0), u16(0), u16(0), []byte{3, 0, 0, 0}),
		descriptor([]byte{descClass, 5, processingUnit, cameraTerminal}, u16(0), []byte{2, 1, 0, 0}))
	interfaces := []byte{byte(len(s.streams))}
	for i := range s.streams {
		units = append(units, descriptor([]byte{descClass, 3, outputTerminal + byte(i)}, u16(0x0101), []byte{0, processingUnit, 0})...)
		interfaces = append(interfaces, streamInterface(i))
	}
	const headerSize = 12
	header := descriptor([]byte{descClass, 1}, u16(0x0100), u16(headerSize+len(s.streams)+len(units)), u32(48_000_000), interfaces)
	return append(header, units...)
}

// streamInterface is the interface's number of stream i, and its endpoint's too.
func streamInterface(i int) byte { return byte(i) + 1 }

// descriptors are an interface with its formats, UVC 1.0 section 3.9.2 and the specifications of each payload.
func (s streamShape) descriptors(i byte) []byte {
	at := func(alternate, endpoints byte) []byte {
		return descriptor([]byte{descInterface, streamInterface(int(i)), alternate, endpoints, classVideo, classStreaming, 0, 0})
	}
	endpoint := 0x80 | streamInterface(int(i))
	var formats []byte
	for k, f := range s.formats {
		formats = append(formats, f.descriptors(byte(k+1))...)
	}
	n := byte(len(s.formats))
	const headerSize = 13
	header := descriptor([]byte{descClass, 1, n}, u16(headerSize+int(n)+len(formats)),
		[]byte{endpoint, 0, outputTerminal + i, 0, 0, 0, 1}, make([]byte, n))
	class := append(header, formats...)
	if !s.isochronous {
		return slices.Concat(at(0, 1), class, descriptor([]byte{descEndpoint, endpoint, 2}, u16(512), []byte{0}))
	}
	out := append(at(0, 0), class...)
	for a, bytes := range alternates {
		const isochronousAsync = 5
		packets := (bytes + 1023) / 1024
		out = append(out, at(byte(a+1), 1)...)
		out = append(out, descriptor([]byte{descEndpoint, endpoint, isochronousAsync}, u16(bytes/packets|(packets-1)<<11), []byte{1})...)
	}
	return out
}

// guid is how a coding is named in descriptors: its FourCC and a fixed tail.
func guid(fourcc string) []byte {
	return append([]byte(fourcc), 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71)
}

// descriptors are the format's own, one for each size, and its colours.
func (f format) descriptors(index byte) []byte {
	n := byte(len(f.sizes))
	color := descriptor([]byte{descClass, 13, 1, 1, 4}) // BT.709 primaries, BT.601 matrix
	var head []byte
	var frame byte
	switch f.coding {
	case codingMJPEG:
		head, frame = descriptor([]byte{descClass, 6, index, n, 1, 1, 0, 0, 0, 0}), 7
	case codingYUYV:
		head, frame = descriptor([]byte{descClass, 4, index, n}, guid("YUY2"), []byte{16, 1, 0, 0, 0, 0}), 5
	case codingH264: // Frame Based Payload specification, tables 3-1 and 3-2
		const variableSize = 1
		head, frame = descriptor([]byte{descClass, 16, index, n}, guid("H264"), []byte{12, 1, 0, 0, 0, 0, variableSize}), 17
	}
	for i, s := range f.sizes {
		head = append(head, s.descriptor(frame, byte(i+1))...)
	}
	return append(head, color...)
}

// descriptor is one size of a format, with its intervals.
func (s size) descriptor(subtype, index byte) []byte {
	var list []byte
	for _, i := range intervals {
		list = append(list, u32(i)...)
	}
	bits := uint32(s.bytes() * 8)
	begin := slices.Concat([]byte{descClass, subtype, index, 0}, u16(s.width), u16(s.height), u32(bits*5), u32(bits*30))
	count := []byte{byte(len(intervals))}
	const frameBased = 17
	if subtype == frameBased { // has no largest size, but bytes per line, of which there are none
		return descriptor(begin, u32(intervals[0]), count, u32(0), list)
	}
	return descriptor(begin, u32(uint32(s.bytes())), u32(intervals[0]), count, list)
}

// stringDescriptor gives one of the camera's names; index 0 lists the languages.
func (s shape) stringDescriptor(index int) []byte {
	names := []string{"", "camward lab", s.product, s.serial}
	if index == 0 {
		return descriptor([]byte{descString}, u16(0x0409))
	}
	if index >= len(names) {
		return nil
	}
	var utf16 []byte
	for _, r := range names[index] {
		utf16 = append(utf16, u16(int(r))...)
	}
	return descriptor([]byte{descString}, utf16)
}
