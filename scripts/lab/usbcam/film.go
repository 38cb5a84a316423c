package main

import "camward/scripts/lab/scene"

// A film is the scene as the camera shows it: JPEGs made beforehand, since compressing them in an
// emulated guest would be too slow, and raw pictures drawn as they are due. The JPEGs repeat.
type film struct {
	jpegs [][]byte
	raw   *scene.Scene
}

func newFilm(data []byte, raw *scene.Scene) (*film, error) {
	jpegs, err := scene.Cut(data)
	if err != nil {
		return nil, err
	}
	return &film{jpegs, raw}, nil
}

func (f *film) mjpeg(n int) []byte { return f.jpegs[n%len(f.jpegs)] }
func (f *film) yuyv(n int) []byte  { return f.raw.YUYV(n) }
