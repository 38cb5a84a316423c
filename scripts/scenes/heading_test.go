package scenes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"camward/motion"
)

// A walker goes straight over the ground before a camera that looks down on it.
type walker int

const (
	approaching walker = iota
	departing
	across
	thereAndBack
)

var walkers = [...]string{"approaching", "departing", "across", "there and back"}

// walk stages one, by day or at night, and tells for which way it must be taken: -1 left, 1 right, 0 neither.
func walk(seed uint64, kind walker) (w *world, who actor, side int) {
	w = newWorld(rand.New(rand.NewPCG(seed, 77)), 40)
	w.seed = seed
	w.setting("yard", "lot", "room", "street")
	if w.IntN(4) == 0 && w.place.kind != "room" {
		w.night()
	}
	h := w.place.horizon()
	focal, above := w.between(0.7, 1.2), w.between(2, 3.5) // in picture widths; in m
	far, near := w.between(9, 20), w.between(3.2, 6)       // m
	from, to := [2]float64{w.between(-0.25, 0.25) * far / focal, far}, [2]float64{w.between(-0.3, 0.3) * near / focal, near}
	if kind == across {
		z := w.between(4, 12)
		from, to = [2]float64{-(0.5*z/focal + 1), z}, [2]float64{0.5*z/focal + 1, z * w.between(0.93, 1.07)}
		side = 1
		if w.coin() {
			from, to, side = to, from, -1
		}
	}
	if kind == departing {
		from, to = to, from
	}
	ways := [][2][2]float64{{from, to}}
	if kind == thereAndBack {
		ways = append(ways, [2][2]float64{to, from})
	}
	p, size, speed, t := w.someone(), w.between(1.6, 1.85), w.between(0.9, 1.6), 6.0 // m, m/s, s
	if w.place.infrared {
		p.shirt, p.trousers = w.between(0.3, 0.8), w.between(0.25, 0.7)
	}
	for _, way := range ways {
		a, b := way[0], way[1]
		long := math.Hypot(b[0]-a[0], b[1]-a[1]) / speed
		for i := range 41 {
			u := float64(i) / 40
			x, z := a[0]+(b[0]-a[0])*u, a[1]+(b[1]-a[1])*u
			p.path = append(p.path, stop{t + u*long, 0.5 + focal*x/z, h + focal*above/z, focal * size / z})
		}
		t += long
	}
	w.length = t + 4
	w.actors = append(w.actors, p)
	return w, p, side
}

// watched gives what the detector finds in a world that is rendered at the size of an eighth of the camera's picture.
func watched(t *testing.T, w *world, see func(at time.Duration, d motion.Decision)) (found []motion.Interval) {
	t.Helper()
	const width, height = 80, 60
	r := &Renderer{scene: Scene{Name: "walk"}, world: w, rate: 10}
	r.base = newBackdrop(w.place.draw(w.trees), width, height)
	r.canvas = canvas{pix: make([]uint16, width*height), width: width, height: height, sx: width, sy: height / worldHeight}
	r.lamp = lamplight{width: width, height: height}
	r.sensor = newSensor(w.grain, w.seed, width, height)
	r.luma.Resize(width, height)
	det, err := motion.New(motion.Default())
	if err != nil {
		t.Fatal(err)
	}
	var j motion.Joiner
	for p, ok := r.Next(); ok; p, ok = r.Next() {
		d := det.Step(p.At, p.Luma)
		if see != nil {
			see(p.At, d)
		}
		if iv, ok := j.Add(p.At, d); ok {
			found = append(found, iv)
		}
	}
	if iv, ok := j.Flush(); ok {
		found = append(found, iv)
	}
	return found
}

// told sums up which of approaching, departing, left and right are said of a world.
func told(found []motion.Interval) (out [4]bool) {
	for _, iv := range found {
		for _, h := range iv.Headings {
			if h.Direction <= motion.Right {
				out[h.Direction] = true
			}
		}
	}
	return out
}

// Which way people go is told for most, and hardly ever wrong.
func TestTheWayPeopleGoIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: people on their way take ten seconds of processor time, -short was given")
	}
	const each = 20
	for kind, name := range walkers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			right, wrong, silent, inside, boxes := 0, 0, 0, 0, 0
			for seed := range uint64(each) {
				w, a, side := walk(1000+seed, walker(kind))
				found := watched(t, w, nil)
				got := told(found)
				for _, iv := range found {
					for _, b := range iv.Boxes {
						x0, x1, y0, y1, ok := a.extent(b.Time.Seconds())
						boxes++
						const slack = 0.06 // a cell and a half, the limbs, the shadow
						if cx, cy := (b.X0+b.X1)/2, (b.Y0+b.Y1)/2*worldHeight; ok && cx > x0-slack && cx < x1+slack && cy > y0-slack && cy < y1+slack {
							inside++
						}
					}
				}
				want := [4]bool{}
				switch walker(kind) {
				case approaching, departing:
					want[kind] = true
					got[motion.Left], got[motion.Right] = false, false // they may go aslant
				case thereAndBack:
					want = [4]bool{true, true}
					got[motion.Left], got[motion.Right] = false, false
				default:
					want[motion.Left], want[motion.Right] = side < 0, side > 0
				}
				switch {
				case got == want:
					right++
				case got[0] && !want[0] || got[1] && !want[1] || got[2] && !want[2] || got[3] && !want[3]:
					wrong++
					t.Logf("seed %d: told %v, want %v", seed, got, want)
				default:
					silent++
				}
			}
			fmt.Printf("%-15s right %d, wrong %d, not or not all told %d of %d; the path lies on the person in %.1f %% of its boxes\n", name, right, wrong, silent, each, 100*float64(inside)/float64(boxes))
			if right < each/2 || wrong > each/20 {
				t.Errorf("right %d and wrong %d of %d", right, wrong, each)
			}
			if inside < boxes*95/100 {
				t.Errorf("%d of %d boxes lie on who walks", inside, boxes)
			}
		})
	}
}
