// Package demotest gives tests and benchmarks the demo scene as cameras send it: MJPEG of both usual samplings, and YUYV.
package demotest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"camward/capture/demo"
	"camward/video"
)

// A Camera is what a camera sends: a format, and for MJPEG the sampling of its chroma.
type Camera string

// The cameras.
const (
	MJPEG420 Camera = "mjpeg-420"
	MJPEG422 Camera = "mjpeg-422"
	YUYV     Camera = "yuyv"
)

// Cameras are all of them.
var Cameras = []Camera{MJPEG420, MJPEG422, YUYV}

// Rate is that of the pictures, a second.
const Rate = 15

// length is how many pictures a film has: a second of an empty yard, two of somebody in the middle of it.
const length = 3 * Rate

// Film gives the pictures that a camera sends, to be shown over and over at Rate; their stamps are zero. It is made by ffmpeg, unless dir, which may be
// empty, holds what Write left there.
func Film(tb testing.TB, dir string, c Camera, width, height int) []*video.Frame {
	tb.Helper()
	var data []byte
	var err error
	if dir != "" {
		data, err = os.ReadFile(filepath.Join(dir, file(c, width, height)))
	} else {
		data, err = film(c, width, height)
	}
	if err != nil {
		tb.Fatal(err)
	}
	frames, err := split(data, c, width, height)
	if err != nil {
		tb.Fatal(err)
	}
	return frames
}

// Write leaves a film in dir, for Film on a machine without ffmpeg.
func Write(tb testing.TB, dir string, c Camera, width, height int) {
	tb.Helper()
	data, err := film(c, width, height)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, file(c, width, height)), data, 0o644)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func file(c Camera, width, height int) string { return fmt.Sprintf("%s-%dx%d", c, width, height) }

// film renders the scene and has ffmpeg code it as UVC webcams do, with the standard Huffman tables.
func film(c Camera, width, height int) ([]byte, error) {
	var raw bytes.Buffer
	scene := demo.New(demo.Options{Width: width, Height: height, Rate: Rate})
	var img video.I420
	for i := range length {
		at := Rate + i // from the third second on somebody is in the middle
		if i < Rate {
			at += 10 * Rate // gone by then
		}
		scene.Render(&img, uint64(at), time.Unix(int64(at/Rate), 0).UTC())
		raw.Write(img.Y)
		raw.Write(img.U)
		raw.Write(img.V)
	}
	out := map[Camera][]string{
		MJPEG420: {"-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-huffman", "default", "-q:v", "4", "-f", "mjpeg"},
		MJPEG422: {"-pix_fmt", "yuvj422p", "-c:v", "mjpeg", "-huffman", "default", "-q:v", "4", "-f", "mjpeg"},
		YUYV:     {"-pix_fmt", "yuyv422", "-f", "rawvideo"},
	}[c]
	args := append([]string{"-v", "error", "-threads", "1", "-f", "rawvideo", "-pix_fmt", "yuvj420p", "-s", fmt.Sprintf("%dx%d", width, height), "-i", "-"}, out...)
	cmd := exec.Command("ffmpeg", append(args, "-flags", "+bitexact", "-")...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = &raw, &stderr
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ffmpeg: %w: %s", err, &stderr)
	}
	return data, nil
}

// split cuts a film into its pictures.
func split(data []byte, c Camera, width, height int) (frames []*video.Frame, err error) {
	format := video.Format{FourCC: video.MJPEG, Width: width, Height: height}
	if c == YUYV {
		format.FourCC = video.YUYV
	}
	for len(data) > 0 {
		size := width * height * 2
		if c != YUYV {
			if size, err = picture(data); err != nil {
				return nil, err
			}
		}
		if size > len(data) {
			return nil, fmt.Errorf("%s %dx%d: the last picture has %d bytes, want %d", c, width, height, len(data), size)
		}
		frames = append(frames, &video.Frame{Format: format, Data: data[:size:size]})
		data = data[size:]
	}
	if len(frames) != length {
		return nil, fmt.Errorf("%s %dx%d: %d pictures, want %d", c, width, height, len(frames), length)
	}
	return frames, nil
}

// picture is the length of the JPEG that data begins with; ffmpeg's have no thumbnails.
func picture(data []byte) (int, error) {
	end := bytes.Index(data, binary.BigEndian.AppendUint16(nil, 0xFFD9))
	if end < 0 {
		return 0, fmt.Errorf("no EOI in %d bytes", len(data))
	}
	return end + 2, nil
}
