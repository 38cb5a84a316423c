//go:build !cgo

package jpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"

	"camward/video"
)

// Backend names what decodes and encodes whole pictures in this build.
const Backend = "image/jpeg"

// A backend holds nothing: image/jpeg allocates for each picture.
type backend struct{ reader bytes.Reader }

func (b *backend) open()  {}
func (b *backend) close() {}

// decode decodes a picture whose framing is in order. image/jpeg gives nothing at all of a picture
// that is cut short or damaged, so such a one is completed first.
func (d *Decoder) decode(dst *video.I420, data []byte, _ bool) error {
	img, err := d.read(data)
	if err == nil {
		return d.planes(dst, img)
	}
	whole, ok := complete(nil, data, tableSet{})
	if !ok {
		return formatError("%v", err)
	}
	if img, err = d.read(whole); err != nil {
		return formatError("%v", err)
	}
	if err := d.planes(dst, img); err != nil {
		return err
	}
	return ErrTruncated
}

// complained reports whether the last picture that was decoded without an error had something wrong with it: image/jpeg does not say.
func (d *Decoder) complained() bool { return false }

func (d *Decoder) read(data []byte) (image.Image, error) {
	d.reader.Reset(data)
	return jpeg.Decode(&d.reader)
}

// planes copies a decoded picture.
func (d *Decoder) planes(dst *video.I420, img image.Image) error {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	dst.FullRange = true
	switch img := img.(type) {
	case *image.Gray:
		dst.Resize(w, h)
		copyPlane(dst.Y, img.Pix, w, h, img.Stride)
		neutral(dst.U)
		neutral(dst.V)
	case *image.YCbCr:
		dst.Resize(w, h)
		copyPlane(dst.Y, img.Y, w, h, img.YStride)
		cw, ch := chromaSize(img.SubsampleRatio, w, h)
		u := video.Plane{Pix: img.Cb, Width: cw, Height: ch, Stride: img.CStride}
		v := video.Plane{Pix: img.Cr, Width: cw, Height: ch, Stride: img.CStride}
		d.halfSize(dst.U, (w+1)/2, (h+1)/2, &u)
		d.halfSize(dst.V, (w+1)/2, (h+1)/2, &v)
	default:
		return formatError("RGB or CMYK, not YCbCr")
	}
	return nil
}

// chromaSize is the size of a chroma plane that covers w x h luma samples.
func chromaSize(r image.YCbCrSubsampleRatio, w, h int) (cw, ch int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return (w + 1) / 2, h
	case image.YCbCrSubsampleRatio420:
		return (w + 1) / 2, (h + 1) / 2
	case image.YCbCrSubsampleRatio440:
		return w, (h + 1) / 2
	case image.YCbCrSubsampleRatio411:
		return (w + 3) / 4, h
	case image.YCbCrSubsampleRatio410:
		return (w + 3) / 4, (h + 1) / 2
	}
	return w, h
}

// encode appends img, which is checked and of full range, to dst.
func encode(dst []byte, img *video.I420, quality int) ([]byte, error) {
	src := image.YCbCr{
		Y: img.Y, Cb: img.U, Cr: img.V, YStride: img.YStride, CStride: img.CStride,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, img.Width, img.Height),
	}
	w := bytes.NewBuffer(dst)
	if err := jpeg.Encode(w, &src, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode JPEG: %w", err)
	}
	// image/jpeg writes no APP0.
	out := append(w.Bytes(), jfif[2:]...)
	copy(out[len(jfif):], out[2:len(out)-(len(jfif)-2)])
	copy(out, jfif)
	return out, nil
}
