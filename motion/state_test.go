package motion

import (
	"slices"
	"testing"

	"camward/video"
)

func TestWhatHappenedToTheWholePictureIsNamed(t *testing.T) {
	turned := func(p *video.Plane) {
		q := slices.Clone(p.Pix)
		for y := range p.Height {
			for x := range p.Width {
				p.Pix[y*p.Stride+x] = 255 - q[(p.Height-1-y)*p.Stride+(x*3)%p.Width]
			}
		}
	}
	fill := func(v uint8) func(*video.Plane) {
		return func(p *video.Plane) {
			for i := range p.Pix {
				p.Pix[i] = v + p.Pix[i]&1
			}
		}
	}
	lamp := func(p *video.Plane) {
		for i := range p.Pix {
			p.Pix[i] /= 2
		}
	}
	for want, change := range map[Scene]func(*video.Plane){SceneLight: lamp, SceneMoved: turned, SceneCovered: fill(120), SceneBlack: fill(3)} {
		t.Run(want.String(), func(t *testing.T) {
			d, _ := New(Default())
			w := world{noise: 4}
			var p video.Plane
			p.Resize(80, 60)
			var got []Scene
			for n := range 240 {
				w.render(&p, 1, uint32(n)*7919)
				if n >= 120 {
					change(&p)
				}
				dec := d.Step(seconds(float64(n)/12), &p)
				if dec.Moving {
					t.Fatalf("picture %d: moving", n)
				}
				if dec.Scene != SceneNone {
					got = append(got, dec.Scene)
				}
			}
			if !slices.Equal(got, []Scene{want}) {
				t.Errorf("got %v, want %v once", got, want)
			}
		})
	}
}

func TestAFrozenPictureIsToldOnceAndItsEndIsNoMotion(t *testing.T) {
	d, _ := New(Default())
	w := world{noise: 4, boxes: []func(float64) worldBox{parked(20, 1000)}}
	var p video.Plane
	p.Resize(80, 60)
	told := 0
	for n := range 12 * 40 {
		at := float64(n) / 12
		if at < 5 || at >= 25 {
			w.render(&p, at, uint32(n)*7919)
		}
		dec := d.Step(seconds(at), &p)
		if dec.Moving {
			t.Fatalf("%.2f s: moving", at)
		}
		if dec.Scene == SceneFrozen {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times, want once", told)
	}
}
