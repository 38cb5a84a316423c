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

// named lets a detector see a world, changed by what lies before the lens, and gives the names it tells and whether it moves after last.
func named(t *testing.T, w *world, length, last float64, change func(at float64, p *video.Plane)) (names []Scene, moved bool) {
	t.Helper()
	d, _ := New(Default())
	var p video.Plane
	p.Resize(80, 60)
	for n := range int(length * 12) {
		at := float64(n) / 12
		w.render(&p, at, uint32(n)*7919)
		change(at, &p)
		dec := d.Step(seconds(at), &p)
		if dec.Scene != SceneNone {
			names = append(names, dec.Scene)
		}
		moved = moved || dec.Moving && at > last
	}
	return names, moved
}

func TestSlowChangesOfThePictureAreNamedAndSilenceNothing(t *testing.T) {
	blur := func(from, pace float64) func(float64, *video.Plane) { // from then on each sample is a mean over more and more of those beside it
		return func(at float64, p *video.Plane) {
			was := slices.Clone(p.Pix)
			r := int(min(1, max(0, 1.5*(at-from)/pace)))
			for y := range p.Height {
				for x := range p.Width {
					sum, n := 0, 0
					for j := max(0, y-r); j <= min(p.Height-1, y+r); j++ {
						for i := max(0, x-r); i <= min(p.Width-1, x+r); i++ {
							sum += int(was[j*p.Stride+i])
							n++
						}
					}
					p.Pix[y*p.Stride+x] = uint8(sum / n)
				}
			}
		}
	}
	fade := func(from, pace float64, to uint8) func(float64, *video.Plane) {
		return func(at float64, p *video.Plane) {
			k := min(1, max(0, (at-from)/pace))
			for i, v := range p.Pix {
				p.Pix[i] = uint8(float64(v)*(1-k) + float64(int(to)+(i*7+int(at*12)*13)%5%3)*k)
			}
		}
	}
	person := []func(float64) worldBox{across(45, 5, 210)}
	tests := []struct {
		name   string
		change func(float64, *video.Plane)
		want   []Scene
		seen   bool // a person after it
	}{
		{"focus lost within a second", blur(15, 1), []Scene{SceneFocus}, true},
		{"focus lost within three seconds", blur(15, 3), []Scene{SceneFocus}, true},
		{"covered within fifteen seconds", fade(12, 15, 120), []Scene{SceneFocus, SceneCovered}, false},
		{"black from the start", func(at float64, p *video.Plane) { fade(-1, 0.1, 3)(at, p) }, []Scene{SceneBlack}, false},
		{"black at the start, then the picture comes", func(at float64, p *video.Plane) {
			if at < 15 {
				fade(-1, 0.1, 3)(at, p)
			}
		}, []Scene{SceneBlack, SceneMoved}, true},
		{"covered for a while", func(at float64, p *video.Plane) {
			if at >= 15 && at < 25 {
				fade(0, 0.1, 120)(at, p)
			}
		}, []Scene{SceneCovered}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names, moved := named(t, &world{noise: 4, rough: 25, boxes: person}, 60, 44, tt.change)
			if !slices.Equal(names, tt.want) {
				t.Errorf("got %v, want %v", names, tt.want)
			}
			if moved != tt.seen {
				t.Errorf("a person after it is seen: %t, want %t", moved, tt.seen)
			}
		})
	}
}

func TestAPictureFrozenFromTheStartIsNamed(t *testing.T) {
	w := &world{noise: 4}
	var first video.Plane
	names, _ := named(t, w, 15, 0, func(at float64, p *video.Plane) {
		if at == 0 {
			first.Resize(p.Width, p.Height)
			copy(first.Pix, p.Pix)
		}
		copy(p.Pix, first.Pix)
	})
	if !slices.Equal(names, []Scene{SceneFrozen}) {
		t.Errorf("got %v, want frozen", names)
	}
}

func TestWhatCameOutOfTheDarkSlowlyIsWatchedAgain(t *testing.T) {
	const dawn, length, covered = 5.0, 90.0, 120.0
	w := &world{noise: 4, rough: 25}
	names, _ := named(t, w, 130, 0, func(at float64, p *video.Plane) {
		light := min(1, max(0, (at-dawn)/length))
		for i, v := range p.Pix {
			grain := uint8((i*7 + int(at*12)*13) % 5 % 3)
			if p.Pix[i] = 3 + grain + uint8(light*0.9*float64(v)); at >= covered {
				p.Pix[i] = 120 + grain
			}
		}
	})
	if want := []Scene{SceneBlack, SceneCovered}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestWhatWasSeenAtAnotherSizeIsNotComparedWith(t *testing.T) {
	d, _ := New(Default())
	w := &world{noise: 4, rough: 60}
	var p video.Plane
	var names []Scene
	for n := range 12 * 45 {
		at := float64(n) / 12
		p.Resize(80, 60)
		if at >= 15 {
			p.Resize(60, 80)
		}
		w.render(&p, at, uint32(n)*7919)
		for i, v := range p.Pix {
			switch {
			case at >= 30:
				p.Pix[i] = 80 + v/16
			case at >= 15:
				p.Pix[i] = 3 + v&1
			}
		}
		if s := d.Step(seconds(at), &p).Scene; s != SceneNone {
			names = append(names, s)
		}
	}
	if want := []Scene{SceneBlack, SceneMoved}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
