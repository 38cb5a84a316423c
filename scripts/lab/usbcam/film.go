package main

import (
	"bytes"
	"errors"

	"camward/scripts/lab/scene"
)

// A film is the scene as the camera shows it: JPEGs and H.264 made beforehand, since compressing them in an
// emulated guest would be too slow, and raw pictures drawn as they are due. What is compressed repeats.
type film struct {
	jpegs [][]byte
	h264  [][]byte // access units
	times scene.Times
	raw   map[size]*scene.Scene
}

// newFilm cuts the JPEGs, and the H.264 unless that is nil.
func newFilm(jpegs, h264 []byte, times scene.Times) (*film, error) {
	f := &film{times: times, raw: map[size]*scene.Scene{}}
	var err error
	if f.jpegs, err = scene.Cut(jpegs); err != nil {
		return nil, err
	}
	if h264 != nil {
		f.h264, err = cutAccessUnits(h264)
	}
	return f, err
}

func (f *film) picture(c coding, s size, n int) []byte {
	switch c {
	case codingMJPEG:
		return f.jpegs[n%len(f.jpegs)]
	case codingH264:
		return f.h264[n%len(f.h264)]
	}
	if f.raw[s] == nil {
		f.raw[s] = scene.New(s.width, s.height, f.times)
	}
	return f.raw[s].YUYV(n)
}

// cutAccessUnits takes a byte stream (H.264 annex B) apart before each access unit delimiter, which must be there.
func cutAccessUnits(b []byte) (units [][]byte, err error) {
	delimiter := []byte{0, 0, 0, 1, 9}
	if !bytes.HasPrefix(b, delimiter) {
		return nil, errors.New("H.264 without access unit delimiters in front")
	}
	for {
		i := bytes.Index(b[1:], delimiter)
		if i < 0 {
			return append(units, b), nil
		}
		units, b = append(units, b[:i+1]), b[i+1:]
	}
}
