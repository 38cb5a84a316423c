package mp4

import (
	"errors"
	"fmt"
	"time"

	"camward/codec/h264"
)

// timescale is ticks per second of the movie and of its track: the usual one for video,
// exact for all common rates.
const timescale = 90000

// A Track describes the one H.264 track of a file.
type Track struct {
	Width, Height int       // pixels as coded, before rotation
	SPS, PPS      []byte    // NAL units without start codes
	Rotation      int       // degrees clockwise that players turn the picture by: 0, 90, 180 or 270
	Created       time.Time // of the first picture; zero if unknown
}

func (t Track) validate() error {
	var errs []error
	if t.Width < 1 || t.Width > 65535 || t.Height < 1 || t.Height > 65535 {
		errs = append(errs, fmt.Errorf("picture size %d x %d", t.Width, t.Height))
	}
	if _, err := h264.ParseSPS(t.SPS); err != nil {
		errs = append(errs, err)
	}
	if len(t.PPS) < 2 || len(t.PPS) > 65535 || t.PPS[0]&0x9f != 8 {
		errs = append(errs, fmt.Errorf("picture parameter set of %d bytes", len(t.PPS)))
	}
	if _, ok := rotations[t.Rotation]; !ok {
		errs = append(errs, fmt.Errorf("rotation %d is not 0, 90, 180 or 270", t.Rotation))
	}
	return errors.Join(errs...)
}

// rotations gives the matrix entries a, b, c, d of tkhd (ISO/IEC 14496-12 8.3.2) for a
// clockwise turn; a point (x, y) moves to (ax+cy, bx+dy), y pointing down.
var rotations = map[int][4]int32{
	0:   {1, 0, 0, 1},
	90:  {0, 1, -1, 0},
	180: {-1, 0, 0, -1},
	270: {0, -1, 1, 0},
}

// header builds ftyp and moov. duration is in ticks; 0 while it is unknown. The length of
// the result does not depend on it.
func header(t Track, duration uint64) []byte {
	w := &builder{b: make([]byte, 0, 1024)}
	ftyp := w.begin("ftyp")
	w.str("isom")
	w.u32(0x200)
	w.str("isomiso5iso6avc1mp41") // iso5: offsets relative to moof; iso6: tfdt
	w.end(ftyp)

	moov := w.begin("moov")
	created := seconds1904(t.Created)
	mvhd := w.full("mvhd", 1, 0)
	w.u64(created)
	w.u64(created)
	w.u32(timescale)
	w.u64(duration)
	w.u32(1 << 16) // rate 1.0
	w.u16(1 << 8)  // volume 1.0
	w.zeros(10)
	matrix(w, Track{})
	w.zeros(24)
	w.u32(2) // next_track_ID
	w.end(mvhd)
	trak(w, t, duration)
	mvex := w.begin("mvex")
	mehd := w.full("mehd", 1, 0)
	w.u64(duration)
	w.end(mehd)
	trex := w.full("trex", 0, 0)
	w.u32(1) // track_ID
	w.u32(1) // default_sample_description_index
	w.zeros(12)
	w.end(trex)
	w.end(mvex)
	w.end(moov)
	return w.b
}

func trak(w *builder, t Track, duration uint64) {
	created := seconds1904(t.Created)
	trak := w.begin("trak")
	tkhd := w.full("tkhd", 1, 3) // enabled, in movie
	w.u64(created)
	w.u64(created)
	w.u32(1) // track_ID
	w.u32(0)
	w.u64(duration)
	w.zeros(16) // reserved, layer, alternate_group, volume
	matrix(w, t)
	w.u32(uint32(t.Width) << 16)
	w.u32(uint32(t.Height) << 16)
	w.end(tkhd)

	mdia := w.begin("mdia")
	mdhd := w.full("mdhd", 1, 0)
	w.u64(created)
	w.u64(created)
	w.u32(timescale)
	w.u64(0)      // the media of moov itself, which has no samples
	w.u16(0x55c4) // language "und"
	w.u16(0)
	w.end(mdhd)
	hdlr := w.full("hdlr", 0, 0)
	w.u32(0)
	w.str("vide")
	w.zeros(12)
	w.str("video\x00")
	w.end(hdlr)
	minf := w.begin("minf")
	vmhd := w.full("vmhd", 0, 1)
	w.zeros(8)
	w.end(vmhd)
	dinf := w.begin("dinf")
	dref := w.full("dref", 0, 0)
	w.u32(1)
	w.end(w.full("url ", 0, 1)) // the data is in this file
	w.end(dref)
	w.end(dinf)
	stbl(w, t)
	w.end(minf)
	w.end(mdia)
	w.end(trak)
}

// stbl has the sample description and empty tables: all samples are in fragments.
func stbl(w *builder, t Track) {
	stbl := w.begin("stbl")
	stsd := w.full("stsd", 0, 0)
	w.u32(1)
	avc1 := w.begin("avc1") // ISO/IEC 14496-12 12.1.3
	w.zeros(6)
	w.u16(1) // data_reference_index
	w.zeros(16)
	w.u16(uint16(t.Width))
	w.u16(uint16(t.Height))
	w.u32(72 << 16) // horizresolution, vertresolution
	w.u32(72 << 16)
	w.u32(0)
	w.u16(1) // frame_count
	w.zeros(32)
	w.u16(0x18)
	w.u16(0xffff)
	avcC(w, t.SPS, t.PPS)
	w.end(avc1)
	w.end(stsd)
	for _, typ := range []string{"stts", "stsc", "stco"} {
		at := w.full(typ, 0, 0)
		w.u32(0)
		w.end(at)
	}
	stsz := w.full("stsz", 0, 0)
	w.zeros(8)
	w.end(stsz)
	w.end(stbl)
}

// avcC builds the AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1) with 4-byte lengths.
func avcC(w *builder, sps, pps []byte) {
	at := w.begin("avcC")
	w.u8(1, sps[1], sps[2], sps[3], 0xff)
	w.u8(0xe1) // one SPS
	w.u16(uint16(len(sps)))
	w.bytes(sps)
	w.u8(1)
	w.u16(uint16(len(pps)))
	w.bytes(pps)
	if sps[1] == 100 { // high profile: 4:2:0, 8 bits, no SPS extensions
		w.u8(0xfd, 0xf8, 0xf8, 0)
	}
	w.end(at)
}

// matrix writes t's rotation, with the shift that brings the turned picture back to the
// origin; the zero Track gives the identity.
func matrix(w *builder, t Track) {
	m := rotations[t.Rotation]
	var x, y int
	switch t.Rotation {
	case 90:
		x = t.Height
	case 180:
		x, y = t.Width, t.Height
	case 270:
		y = t.Width
	}
	for _, v := range []uint32{
		uint32(m[0]) << 16, uint32(m[1]) << 16, 0,
		uint32(m[2]) << 16, uint32(m[3]) << 16, 0,
		uint32(x) << 16, uint32(y) << 16, 1 << 30,
	} {
		w.u32(v)
	}
}

// seconds1904 is the format's time: seconds since 1904-01-01 UTC, 0 if unknown.
func seconds1904(t time.Time) uint64 {
	const unixEpoch = 2082844800
	if t.IsZero() || t.Unix() < -unixEpoch {
		return 0
	}
	return uint64(t.Unix() + unixEpoch)
}
