package h264

import (
	"errors"
	"fmt"
	"math/bits"
)

// An SPS is what this module wants to know of a sequence parameter set (7.3.2.1.1).
type SPS struct {
	Profile     byte // profile_idc: 66 baseline, 77 main, 100 high
	Constraints byte // the constraint_set flags, set0 in the highest bit
	Level       byte // level_idc: 31 is level 3.1
	Width       int  // displayed luma samples, cropping applied
	Height      int
	FullRange   bool // luma spans 0..255; false when the stream does not say
}

// maxSPS is the longest NAL unit ParseSPS looks at. A real one is below 100 bytes; the syntax
// with all scaling lists and HRD parameters stays below 2 KiB.
const maxSPS = 4096

// The largest picture of any level, in macroblocks (table A-1, level 6.2; A.3.1 for the side).
const (
	maxMBs    = 139264
	maxSideMB = 1055 // the root of 8 x maxMBs
)

var errSPSBits = errors.New("ends too early")

// ParseSPS reads a sequence parameter set NAL unit, without start code. It reads up to the
// video signal type and refuses values outside the ranges of 7.4.2.1.1, so that a size it
// returns is at least 2 x 2 and no larger than level 6.2 allows.
func ParseSPS(nal []byte) (SPS, error) {
	s, err := parseSPS(nal)
	if err != nil {
		return SPS{}, fmt.Errorf("sequence parameter set: %w", err)
	}
	return s, nil
}

func parseSPS(nal []byte) (s SPS, err error) {
	switch {
	case len(nal) < 5 || len(nal) > maxSPS:
		return s, fmt.Errorf("is %d bytes long", len(nal))
	case nal[0]&0x9f != nalSPS:
		return s, fmt.Errorf("has NAL header %#02x", nal[0])
	}
	r := bitReader{b: unescape(nal[1:])}
	s.Profile = byte(r.bits(8))
	s.Constraints = byte(r.bits(8))
	s.Level = byte(r.bits(8))
	r.ueMax(31, "seq_parameter_set_id")
	chroma := chroma420
	if highProfile(s.Profile) {
		chroma = parseChroma(&r)
	}
	parseOrder(&r)
	parseSize(&r, &s, chroma)
	if r.flag() { // vui_parameters_present_flag
		s.FullRange = parseFullRange(&r)
	}
	if r.err == nil && r.left() < 1 {
		r.err = errSPSBits // rbsp_stop_one_bit is missing
	}
	return s, r.err
}

// highProfile tells the profiles whose SPS has the chroma format and scaling lists.
func highProfile(profile byte) bool {
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		return true
	}
	return false
}

// A chromaFormat is chroma_format_idc, or chromaSeparate for three planes coded as luma.
type chromaFormat int

const (
	chroma420      chromaFormat = 1
	chroma422      chromaFormat = 2
	chromaSeparate chromaFormat = 4
)

// parseChroma reads from chroma_format_idc to the scaling lists.
func parseChroma(r *bitReader) chromaFormat {
	format := chromaFormat(r.ueMax(3, "chroma_format_idc"))
	lists := 8
	if format == 3 {
		lists = 12
		if r.flag() { // separate_colour_plane_flag
			format = chromaSeparate
		}
	}
	r.ueMax(6, "bit_depth_luma_minus8")
	r.ueMax(6, "bit_depth_chroma_minus8")
	r.bits(1)     // qpprime_y_zero_transform_bypass_flag
	if r.flag() { // seq_scaling_matrix_present_flag
		for i := range lists {
			if !r.flag() {
				continue
			}
			if i < 6 {
				skipScalingList(r, 16)
			} else {
				skipScalingList(r, 64)
			}
		}
	}
	return format
}

// skipScalingList follows 7.3.2.1.1.1.
func skipScalingList(r *bitReader, size int) {
	last, next := 8, 8
	for range size {
		if next != 0 {
			next = (last + r.seRange(-128, 127, "delta_scale") + 256) % 256
		}
		if next != 0 {
			last = next
		}
	}
}

// parseOrder reads from log2_max_frame_num_minus4 to gaps_in_frame_num_value_allowed_flag.
func parseOrder(r *bitReader) {
	r.ueMax(12, "log2_max_frame_num_minus4")
	switch r.ueMax(2, "pic_order_cnt_type") {
	case 0:
		r.ueMax(12, "log2_max_pic_order_cnt_lsb_minus4")
	case 1:
		r.bits(1) // delta_pic_order_always_zero_flag
		r.ue()    // offset_for_non_ref_pic
		r.ue()    // offset_for_top_to_bottom_field
		for range r.ueMax(255, "num_ref_frames_in_pic_order_cnt_cycle") {
			r.ue() // offset_for_ref_frame
		}
	}
	r.ueMax(16, "max_num_ref_frames")
	r.bits(1) // gaps_in_frame_num_value_allowed_flag
}

// parseSize reads from pic_width_in_mbs_minus1 to the cropping rectangle.
func parseSize(r *bitReader, s *SPS, chroma chromaFormat) {
	w := int(r.ueMax(maxSideMB-1, "pic_width_in_mbs_minus1")) + 1
	h := int(r.ueMax(maxSideMB-1, "pic_height_in_map_units_minus1")) + 1
	fieldFactor := 1 // 2 - frame_mbs_only_flag
	if !r.flag() {
		fieldFactor = 2
		r.bits(1) // mb_adaptive_frame_field_flag
	}
	r.bits(1) // direct_8x8_inference_flag
	h *= fieldFactor
	if r.err == nil && w*h > maxMBs {
		r.err = fmt.Errorf("has %d x %d macroblocks", w, h)
	}
	s.Width, s.Height = 16*w, 16*h
	if !r.flag() { // frame_cropping_flag
		return
	}
	unitX, unitY := 1, fieldFactor // equations 7-19 to 7-22
	switch chroma {
	case chroma420:
		unitX, unitY = 2, 2*fieldFactor
	case chroma422:
		unitX = 2
	}
	cropX := unitX * int(r.ueMax(1<<16, "frame_crop_left_offset")+r.ueMax(1<<16, "frame_crop_right_offset"))
	cropY := unitY * int(r.ueMax(1<<16, "frame_crop_top_offset")+r.ueMax(1<<16, "frame_crop_bottom_offset"))
	s.Width -= cropX
	s.Height -= cropY
	if r.err == nil && (s.Width < 2 || s.Height < 2) {
		r.err = fmt.Errorf("is cropped to %d x %d", s.Width, s.Height)
	}
}

// parseFullRange reads the VUI parameters (E.1.1) up to video_full_range_flag.
func parseFullRange(r *bitReader) bool {
	if r.flag() && r.bits(8) == 255 { // aspect_ratio_info, Extended_SAR
		r.bits(32)
	}
	if r.flag() { // overscan_info_present_flag
		r.bits(1)
	}
	if !r.flag() { // video_signal_type_present_flag
		return false
	}
	r.bits(3) // video_format
	return r.flag()
}

// unescape removes the emulation prevention bytes of a NAL unit's payload (7.3.1).
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	zeros := 0
	for _, x := range b {
		if zeros >= 2 && x == 3 {
			zeros = 0
			continue
		}
		if x == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, x)
	}
	return out
}

// A bitReader reads the descriptors of 7.2 and 9.1. After the first error all reads give 0,
// and the error stays.
type bitReader struct {
	b   []byte
	pos int // in bits
	err error
}

func (r *bitReader) left() int { return 8*len(r.b) - r.pos }

// bits reads n bits, at most 32: u(n).
func (r *bitReader) bits(n int) uint32 {
	if r.err == nil && n > r.left() {
		r.err = errSPSBits
	}
	if r.err != nil {
		return 0
	}
	var v uint64
	for range n {
		v = v<<1 | uint64(r.b[r.pos/8]>>(7-r.pos%8)&1)
		r.pos++
	}
	return uint32(v)
}

func (r *bitReader) flag() bool { return r.bits(1) == 1 }

// ue reads an unsigned Exp-Golomb code: ue(v), at most 2^32-2. It also skips an se(v).
func (r *bitReader) ue() uint32 {
	zeros := 0
	for r.err == nil && r.bits(1) == 0 {
		if zeros++; zeros > 32 {
			r.err = errors.New("has an Exp-Golomb code longer than 32 bits")
		}
	}
	if r.err != nil {
		return 0
	}
	v := uint64(1)<<zeros - 1 + uint64(r.bits(zeros))
	if bits.Len64(v) > 32 {
		r.err = errors.New("has an Exp-Golomb code beyond 32 bits")
		return 0
	}
	return uint32(v)
}

func (r *bitReader) ueMax(limit uint32, name string) uint32 {
	v := r.ue()
	if r.err == nil && v > limit {
		r.err = fmt.Errorf("has %s %d", name, v)
	}
	if r.err != nil {
		return 0
	}
	return v
}

// seRange reads a signed Exp-Golomb code (9.1.1) within lo..hi.
func (r *bitReader) seRange(lo, hi int, name string) int {
	k := int64(r.ue())
	v := (k + 1) / 2
	if k%2 == 0 {
		v = -v
	}
	if r.err == nil && (v < int64(lo) || v > int64(hi)) {
		r.err = fmt.Errorf("has %s %d", name, v)
	}
	if r.err != nil {
		return 0
	}
	return int(v)
}
