//go:build !cgo

package h264

import "camward/video"

// ToI420 is video.ToI420, and faster where there is cgo.
func ToI420(dst *video.I420, f *video.Frame) error { return video.ToI420(dst, f) }
