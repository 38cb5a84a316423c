package motion

import (
	"math"
	"testing"
	"time"

	"camward/video"
)

// FuzzScript plays a script of operations, four bytes each, to a detector: planes of any size, content and stamp, and between them new
// settings, masks and resets. Whatever comes, what it decides is within its bounds.
func FuzzScript(f *testing.F) {
	f.Add([]byte{20, 15, 0, 9, 20, 15, 1, 9, 20, 15, 2, 200, 20, 15, 3, 255})
	f.Add([]byte{1, 1, 0, 9, 1, 1, 4, 9, 1, 1, 5, 9, 0, 0, 250, 9, 1, 1, 4, 9})
	f.Add([]byte{160, 120, 1, 30, 160, 120, 17, 30, 160, 120, 2, 30, 0, 1, 251, 3, 160, 120, 6, 30, 0, 0, 252, 0, 160, 120, 3, 255})
	f.Add([]byte{255, 0, 5, 90, 255, 0, 5, 90, 0, 255, 5, 90, 0, 255, 4, 90, 0, 255, 53, 90})
	f.Add([]byte{64, 64, 3, 255, 64, 64, 3, 255, 64, 64, 3, 255, 64, 64, 4, 255, 64, 64, 2, 255, 64, 64, 7, 2, 64, 64, 6, 13})
	configs := []Config{
		Default(),
		{MinArea: 0.0001, MinContrast: 2},
		{MinArea: 0.5, MinContrast: 64, MinDuration: 10 * time.Second},
		{MinArea: 0.001, MinContrast: 6, MinDuration: time.Millisecond, Exclude: []Polygon{{{0, 0}, {0.9, 0}, {0.9, 1}, {0, 1}}}},
	}
	steps := []time.Duration{0, 1, time.Millisecond, 55 * time.Millisecond, 67 * time.Millisecond, 200 * time.Millisecond,
		time.Second, 3 * time.Second, 3*time.Second + 1, -time.Second, math.MaxInt64 / 4, -math.MaxInt64 / 4}
	side := func(b byte) int { // 1 to 200, and a few that are large
		if b > 200 {
			return int(b-200) * 73
		}
		return max(int(b), 1)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		d, err := New(Default())
		if err != nil {
			t.Fatal(err)
		}
		var mono time.Duration
		var p video.Plane
		var v View
		seed := uint32(1)
		for work := 1 << 20; len(script) >= 4 && work > 0; { // in samples, so that a script takes milliseconds
			a, b, op, arg := script[0], script[1], script[2], script[3]
			script = script[4:]
			repeat := 1
			switch op {
			case 250:
				d.Reset()
				continue
			case 251:
				if err := d.SetConfig(configs[int(arg)%len(configs)]); err != nil {
					t.Fatal(err)
				}
				continue
			case 252:
				if err := d.SetMasks(configs[int(arg)%len(configs)].Exclude, nil); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if op >= 128 {
				repeat = 30
			}
			w, h := side(a), side(b)
			if w*h > 1<<18 {
				w = max(1<<18/h, 1)
			}
			if w != p.Width || h != p.Height {
				p = video.Plane{Pix: make([]byte, w*h), Stride: w, Width: w, Height: h}
			}
			for k := range repeat {
				work -= w*h + maxCells
				mono += steps[int(op)%16%len(steps)]
				for i := range p.Pix {
					switch op >> 4 % 8 {
					case 0:
						p.Pix[i] = arg
					case 1: // noise
						seed = seed*1664525 + 1013904223
						p.Pix[i] = byte(seed >> 24)
					case 2: // stripes that move
						p.Pix[i] = byte(i%w/4+k) & 1 * 255
					case 3: // the light changes
						p.Pix[i] = byte(min(int(p.Pix[i])*int(arg)/64, 255))
					case 4:
						p.Pix[i] = ^p.Pix[i]
					case 5: // a thing that moves
						p.Pix[i] = 100
						if x := i % w * 64 / w; x >= k && x < k+4 && i/w*64/h > int(arg)/4 {
							p.Pix[i] = arg
						}
					case 6: // a grating that shifts
						p.Pix[i] = byte(i*int(arg) + k)
					}
				}
				dec := d.Step(mono, &p)
				d.View(&v)
				if !(dec.Score >= 0 && dec.Score <= 1) || !(dec.Gain >= 0 && dec.Gain <= maxGain+0.01) || !(dec.Threshold >= 0 && dec.Threshold < 6*256) ||
					dec.Cells < 0 || dec.Cells > maxCells || dec.Largest < 0 || dec.Largest > maxCells || int(dec.Scene) >= len(sceneNames) {
					t.Fatalf("decision %+v", dec)
				}
				for _, r := range append([]Rect{dec.Box}, v.Boxes[:v.N]...) {
					if r != (Rect{}) && !(0 <= r.X0 && r.X0 < r.X1 && r.X1 <= 1 && 0 <= r.Y0 && r.Y0 < r.Y1 && r.Y1 <= 1) {
						t.Fatalf("box %+v of %d x %d", r, w, h)
					}
				}
				if dec.Moving && dec.Box == (Rect{}) {
					t.Fatalf("moves nowhere: %+v", dec)
				}
				for i := range d.scene.cols * d.scene.rows {
					s := &d.scene
					for _, x := range []int32{s.background[i], s.recent[i], s.flicker[i], s.deviation[i], s.base[i] << 4} {
						if x < -64 || x > 6*white<<4 {
							t.Fatalf("cell %d of %d x %d: background %d recent %d flicker %d deviation %d base %d",
								i, s.cols, s.rows, s.background[i], s.recent[i], s.flicker[i], s.deviation[i], s.base[i])
						}
					}
				}
			}
		}
	})
}
