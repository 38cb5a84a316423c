//go:build cgo

package h264

/*
#cgo CFLAGS: -O3
#cgo noescape camward_planes422
#cgo nocallback camward_planes422
#cgo noescape camward_split_chroma
#cgo nocallback camward_split_chroma
#include "planes.h"
*/
import "C"

import "camward/video"

// ToI420 is video.ToI420, and faster where there is cgo.
func ToI420(dst *video.I420, f *video.Frame) error {
	format := f.Format
	w, h := format.Width, format.Height
	size, err := format.RawSize()
	if err != nil || len(f.Data) < size || w%2 != 0 {
		return video.ToI420(dst, f) // which says what is wrong
	}
	stride := max(format.Stride, format.TightStride())
	luma := 0
	switch format.FourCC {
	case video.YUYV:
	case video.UYVY:
		luma = 1
	case video.NV12:
		return fromNV12(dst, f, stride)
	default:
		return video.ToI420(dst, f)
	}
	dst.Resize(w, h)
	dst.FullRange = format.FullRange
	C.camward_planes422(bytePtr(dst.Y), bytePtr(dst.U), bytePtr(dst.V), bytePtr(f.Data), C.int(w), C.int(h), C.int(stride), C.int(luma))
	return nil
}

func fromNV12(dst *video.I420, f *video.Frame, stride int) error {
	w, h := f.Format.Width, f.Format.Height
	dst.Resize(w, h)
	dst.FullRange = f.Format.FullRange
	for y := range h {
		copy(dst.Y[y*w:][:w], f.Data[y*stride:])
	}
	C.camward_split_chroma(bytePtr(dst.U), bytePtr(dst.V), bytePtr(f.Data[h*stride:]), C.int(w/2), C.int((h+1)/2), C.int(stride))
	return nil
}
