package main

import (
	"encoding/binary"
	"slices"
)

// The camera's shape: USB Video Class 1.0, one bulk endpoint, two formats of one size each.
const (
	width, height = 640, 480

	formatMJPEG = 1 // bFormatIndex
	formatYUYV  = 2

	controlInterface = 0
	streamInterface  = 1
	streamEndpoint   = 1 // IN, so its address is 0x81
	processingUnit   = 2

	// maxPayload is the largest USB video payload, header included: one URB of uvcvideo.
	maxPayload = 16384

	sizeOfProbe = 26 // UVC 1.0, table 4-47
)

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

// configDescriptor is the configuration with all that hangs below it.
func configDescriptor() []byte {
	const headerSize = 9
	body := slices.Concat(
		descriptor([]byte{descAssociation, controlInterface, 2, classVideo, 3, 0, 2}),
		descriptor([]byte{descInterface, controlInterface, 0, 0, classVideo, classControl, 0, 2}),
		controlDescriptors(),
		descriptor([]byte{descInterface, streamInterface, 0, 1, classVideo, classStreaming, 0, 0}),
		streamDescriptors(),
		descriptor([]byte{descEndpoint, 0x80 | streamEndpoint, 2}, u16(512), []byte{0}))
	const busPowered, milliamps = 0x80, 500
	header := descriptor([]byte{descConfig}, u16(headerSize+len(body)), []byte{2, 1, 0, busPowered, milliamps / 2})
	return append(header, body...)
}

// controlDescriptors are the units of the video function, UVC 1.0 section 3.7.2: camera ->
// processing unit with brightness -> USB.
func controlDescriptors() []byte {
	const cameraTerminal, outputTerminal = 1, 3
	units := slices.Concat(
		descriptor([]byte{descClass, 2, cameraTerminal}, u16(0x0201), []byte{0, 0}, u16(0), u16(0), u16(0), []byte{3, 0, 0, 0}),
		descriptor([]byte{descClass, 5, processingUnit, cameraTerminal}, u16(0), []byte{2, 1, 0, 0}),
		descriptor([]byte{descClass, 3, outputTerminal}, u16(0x0101), []byte{0, processingUnit, 0}))
	const headerSize = 13
	header := descriptor([]byte{descClass, 1}, u16(0x0100), u16(headerSize+len(units)), u32(48_000_000), []byte{1, streamInterface})
	return append(header, units...)
}

// streamDescriptors are the formats, UVC 1.0 section 3.9.2 and the MJPEG and uncompressed
// payload specifications.
func streamDescriptors() []byte {
	yuy2 := []byte{'Y', 'U', 'Y', '2', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71}
	color := descriptor([]byte{descClass, 13, 1, 1, 4}) // BT.709 primaries, BT.601 matrix
	formats := slices.Concat(
		descriptor([]byte{descClass, 6, formatMJPEG, 1, 1, 1, 0, 0, 0, 0}), frameDescriptor(7), color,
		descriptor([]byte{descClass, 4, formatYUYV, 1}, yuy2, []byte{16, 1, 0, 0, 0, 0}), frameDescriptor(5), color)
	const headerSize, numFormats = 13 + numFormatControls, 2
	header := descriptor([]byte{descClass, 1, numFormats}, u16(headerSize+len(formats)),
		[]byte{0x80 | streamEndpoint, 0, outputLink, 0, 0, 0, 1}, make([]byte, numFormatControls))
	return append(header, formats...)
}

const (
	numFormatControls = 2 // one byte of controls for each format
	outputLink        = 3 // the terminal that the stream comes from
)

// frameDescriptor is the one size of a format, with its intervals.
func frameDescriptor(subtype byte) []byte {
	var list []byte
	for _, i := range intervals {
		list = append(list, u32(i)...)
	}
	slowest, fastest := uint32(width*height*16*5), uint32(width*height*16*30) // bit rates
	return descriptor([]byte{descClass, subtype, 1, 0}, u16(width), u16(height), u32(slowest), u32(fastest),
		u32(maxFrame), u32(intervals[0]), []byte{byte(len(intervals))}, list)
}

// maxFrame is the size of the largest picture, an uncompressed one.
const maxFrame = width * height * 2

// stringDescriptor gives one of the camera's names; index 0 lists the languages.
func stringDescriptor(index int, serial string) []byte {
	names := []string{"", "camward lab", "Lab USB Camera", serial}
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

// A setting is what driver and camera agree on before streaming.
type setting struct {
	format   int
	interval uint32 // 100 ns
}

// negotiate reads a probe control (UVC 1.0 table 4-47) and gives the nearest setting the
// camera has: a known format, and the slowest offered rate that isn't slower than asked.
func negotiate(probe []byte) setting {
	s := setting{format: int(probe[2]), interval: intervals[0]}
	if s.format != formatYUYV {
		s.format = formatMJPEG
	}
	asked := le.Uint32(probe[4:])
	for _, i := range intervals {
		if i <= asked {
			s.interval = i
		}
	}
	return s
}

// probe is the setting as a control's value.
func (s setting) probe() []byte {
	const frameIndex = 1
	return slices.Concat(u16(1), []byte{byte(s.format), frameIndex}, u32(s.interval), make([]byte, 10), u32(maxFrame), u32(maxPayload))
}
