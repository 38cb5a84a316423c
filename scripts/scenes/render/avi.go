package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
)

// An avi writes a Motion JPEG file as the AVI RIFF File Reference has it: one stream, an index at the end.
type avi struct {
	w             io.WriteSeeker
	width, height int
	rate          float64
	index         bytes.Buffer
	frames        uint32
	movi          uint32 // bytes in the list of pictures, its own name included
}

// aviHeader is how many bytes precede the list of pictures' name.
const aviHeader = 12 + 8 + 4 + (8 + 56) + 8 + 4 + (8 + 56) + (8 + 40) + 8

func newAVI(w io.WriteSeeker, width, height int, rate float64) (*avi, error) {
	a := &avi{w: w, width: width, height: height, rate: rate, movi: 4}
	return a, a.header()
}

func (a *avi) header() error {
	var b bytes.Buffer
	put := func(v ...any) {
		for _, x := range v {
			switch x := x.(type) {
			case string:
				b.WriteString(x)
			case int:
				b.Write(binary.LittleEndian.AppendUint32(nil, uint32(x)))
			}
		}
	}
	const scale = 1000
	rate := int(math.Round(a.rate * scale))
	frames, movi := int(a.frames), int(a.movi)
	put("RIFF", aviHeader-8+movi+8+a.index.Len(), "AVI ")
	put("LIST", 4+64+8+4+64+48, "hdrl")
	put("avih", 56, int(1e6/a.rate), 0, 0, 0x10, frames, 0, 1, 1<<20, a.width, a.height, 0, 0, 0, 0)
	put("LIST", 4+64+48, "strl")
	put("strh", 56, "vids", "MJPG", 0, 0, 0, scale, rate, 0, frames, 1<<20, -1, 0, 0, a.width|a.height<<16)
	put("strf", 40, 40, a.width, a.height, 1|24<<16, "MJPG", a.width*a.height*3, 0, 0, 0, 0)
	put("LIST", movi, "movi")
	_, err := a.w.Write(b.Bytes())
	return err
}

func (a *avi) add(jpeg []byte) error {
	head := append([]byte("00dc"), binary.LittleEndian.AppendUint32(nil, uint32(len(jpeg)))...)
	a.index.WriteString("00dc")
	a.index.Write(binary.LittleEndian.AppendUint32(nil, 0x10)) // each is a key picture
	a.index.Write(binary.LittleEndian.AppendUint32(nil, a.movi))
	a.index.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(jpeg))))
	pad := make([]byte, len(jpeg)&1)
	a.frames++
	a.movi += uint32(8 + len(jpeg) + len(pad))
	for _, part := range [][]byte{head, jpeg, pad} {
		if _, err := a.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// finish writes the index, and the header with what is known now.
func (a *avi) finish() error {
	head := append([]byte("idx1"), binary.LittleEndian.AppendUint32(nil, uint32(a.index.Len()))...)
	if _, err := a.w.Write(append(head, a.index.Bytes()...)); err != nil {
		return err
	}
	if _, err := a.w.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return a.header()
}
