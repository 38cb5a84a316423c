package video

import "fmt"

// LumaOf makes dst the mean of each 8x8 block of the picture's luma, as Luma8 does of a raw frame: ceil(w/8) x ceil(h/8)
// samples. It fails if the luma plane is too short for the picture's size, and does not allocate once dst has its size.
func LumaOf(dst *Plane, img *I420) error {
	w, h := img.Width, img.Height
	if w <= 0 || h <= 0 || w > maxSide || h > maxSide || img.YStride < w || img.YStride > 4*maxSide || len(img.Y) < img.YStride*(h-1)+w {
		return fmt.Errorf("luma of %dx%d, stride %d, in %d bytes", w, h, img.YStride, len(img.Y))
	}
	dst.Resize((w+7)/8, (h+7)/8)
	l := layout{stride: img.YStride}
	full := w / 8 // blocks of full width
	for by := range dst.Height {
		src := img.Y[by*8*l.stride:]
		out := dst.Pix[by*dst.Stride:][:dst.Width]
		rows := min(8, h-by*8)
		if rows < 8 {
			full = 0
		}
		rowMeansPlanar(out[:full], src, l.stride)
		for bx := full; bx < len(out); bx++ {
			out[bx] = blockMean(src, l, false, bx*8, min(8, w-bx*8), rows)
		}
	}
	return nil
}
