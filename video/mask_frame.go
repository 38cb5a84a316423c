package video

import "fmt"

// Black blackens what m covers of a raw frame (YUYV, UYVY, NV12, YU12, GREY), in place: luma 16, or 0 in a picture of full range,
// and no colour for every chroma sample that a covered pixel has a part in. Nobody else may hold the frame. Data after the picture is
// cut off. It fails, and changes nothing, when the frame is of another size than the mask, compressed, or too short.
func (m *Mask) Black(f *Frame) error {
	l, err := f.rawLayout()
	if err != nil {
		return err
	}
	if f.Format.Width != m.width || f.Format.Height != m.height {
		return fmt.Errorf("mask of %dx%d does not fit a frame of %dx%d", m.width, m.height, f.Format.Width, f.Format.Height)
	}
	f.Data = f.Data[:l.size]
	luma := blackLuma(f.Format.FullRange)
	packed := f.Format.FourCC == YUYV || f.Format.FourCC == UYVY
	for y := range m.height {
		line := f.Data[y*l.stride:]
		for _, s := range m.row(y) {
			from, to := int(s.from), int(s.to)
			if packed {
				blackPacked(line, from, to, l.lumaOffset, luma)
				continue
			}
			flood(line[from:to], luma)
			at := y / 2 * l.cstride
			switch f.Format.FourCC {
			case NV12:
				flood(f.Data[l.u+at:][from/2*2:(to+1)/2*2], 128)
			case YU12:
				flood(f.Data[l.u+at:][from/2:(to+1)/2], 128)
				flood(f.Data[l.v+at:][from/2:(to+1)/2], 128)
			}
		}
	}
	return nil
}

// blackPacked blackens the pixels [from, to) of a line of packed 4:2:2 whose luma bytes begin at yo.
func blackPacked(line []byte, from, to, yo int, luma byte) {
	pairs := line[from/2*4 : (to+1)/2*4]
	first, last := pairs[yo], pairs[len(pairs)-2+yo]
	pairs[yo], pairs[1-yo], pairs[2+yo], pairs[3-yo] = luma, 128, luma, 128
	repeat(pairs, 4)
	if from&1 == 1 {
		pairs[yo] = first
	}
	if to&1 == 1 {
		pairs[len(pairs)-2+yo] = last
	}
}

// flood sets all of b to v.
func flood(b []byte, v byte) {
	if len(b) > 0 {
		b[0] = v
		repeat(b, 1)
	}
}

// repeat fills b with its first n bytes, by copies that double: the fastest that Go has.
func repeat(b []byte, n int) {
	for ; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// BlackI420 is Black for planes.
func (m *Mask) BlackI420(img *I420) error {
	if img.Width != m.width || img.Height != m.height {
		return fmt.Errorf("mask of %dx%d does not fit a picture of %dx%d", m.width, m.height, img.Width, img.Height)
	}
	luma := blackLuma(img.FullRange)
	for y := range m.height {
		at := y / 2 * img.CStride
		for _, s := range m.row(y) {
			from, to := int(s.from), int(s.to)
			flood(img.Y[y*img.YStride:][from:to], luma)
			flood(img.U[at:][from/2:(to+1)/2], 128)
			flood(img.V[at:][from/2:(to+1)/2], 128)
		}
	}
	return nil
}

func blackLuma(fullRange bool) byte {
	if fullRange {
		return 0
	}
	return 16
}
