package scenes

import (
	"math"
	"slices"
	"time"
)

// A family is a kind of scene; its scenes differ in place, actors and all amounts.
type family struct {
	name   string
	scenes int  // more than variants
	held   bool // all of it
	length time.Duration
	stage  func(*world)
}

// families lists them. New ones go to the end: a scene's seed is its family's place in the list.
var families = slices.Concat(movers, nuisances, faults)

// movers are scenes of what must be found.
var movers = []family{
	{name: "person-near", stage: personNear},
	{name: "person-far", scenes: 4, stage: personFar},
	{name: "person-night", scenes: 4, stage: personNight},
	{name: "person-approach", stage: personApproach},
	{name: "person-stops", stage: personStops},
	{name: "person-low-contrast", scenes: 4, stage: personLowContrast},
	{name: "runner", stage: runner},
	{name: "animal", stage: animalCrosses},
	{name: "car-pass", stage: carPass},
	{name: "car-creep", scenes: 4, length: 60 * time.Second, stage: carCreep},
	{name: "car-leaves", stage: carLeaves},
}

// setting chooses a place of one of the kinds; the light is left as it is.
func (w *world) setting(kinds ...string) {
	w.place = place{seed: w.Uint64(), kind: kinds[w.IntN(len(kinds))]}
	if w.place.kind == "room" {
		w.grain = roomGrain
		w.shutter = 0.02
	}
}

// night turns on the camera's infra-red lamp: a cone of light, all in the dark beside it, long exposure, much noise.
func (w *world) night() {
	w.place.infrared = true
	w.grain, w.shutter = nightGrain, 0.03
	w.grain.read *= w.between(0.7, 1.3)
	cx, cy, wide := w.between(0.4, 0.6), w.between(0.35, 0.5), w.between(0.1, 0.25)
	w.ambient = constant(0.04)
	w.lamps = append(w.lamps, func(x, y, _ float64) float64 {
		x, y = x-cx, y-cy
		return 0.5 * math.Exp(-(x*x+y*y)/(2*wide))
	})
}

// ground is a place for feet: how far down, and how tall a person is there.
func (w *world) ground(height float64) (y float64) {
	h := w.place.horizon()
	return min(h+0.04+height*w.between(0.85, 1.1), worldHeight+0.02)
}

// someone is a person of a height, dressed by chance, on no path yet.
func (w *world) someone() *person {
	p := &person{shirt: w.between(0.03, 0.75), trousers: w.between(0.03, 0.4), skin: w.between(0.15, 0.5), pace: w.between(1.6, 2.1)}
	if w.place.kind != "room" && !w.place.infrared {
		p.shadow = w.between(0, 0.5)
	}
	return p
}

// cross sends someone of a height across the picture at a moment and tells when it is over.
func (w *world) cross(height, at float64) (end float64) {
	p := w.someone()
	y, d := w.ground(height), w.side()
	speed := height * w.between(0.65, 0.9) // 1.2 to 1.6 m/s
	far := 0.5 + 0.2*height
	end = at + 2*far/speed
	p.path = path{{at, 0.5 - d*far, y, height}, {end, 0.5 + d*far, y + w.between(-0.03, 0.03), height}}
	w.put("person", p, 0)
	return end
}

// put adds an actor and what it does to the truth.
func (w *world) put(kind string, a actor, tolerance float64) {
	w.actors = append(w.actors, a)
	w.event(kind, a, tolerance)
}

// visit lets somebody cross in most scenes of a nuisance, so that a detector that went deaf is found out.
func (w *world) visit(from, to float64) {
	if w.Float64() < 0.75 {
		w.cross(w.between(0.22, 0.38), w.between(from, to))
	}
}

func personNear(w *world) {
	w.setting("yard", "room", "lot")
	w.cross(w.between(0.35, 0.6), 6)
	w.cross(w.between(0.3, 0.5), 24)
}

// A person of 5 to 8 % of the picture's width in height: 0.1 to 0.25 % of the picture.
func personFar(w *world) {
	w.setting("lot", "street", "yard")
	for _, at := range []float64{6, 24} {
		w.far(w.between(0.05, 0.08), at, w.someone())
	}
}

// far sends someone along for ten seconds, from behind one thing to behind another. It counts from where a third can be seen.
func (w *world) far(height, at float64, p *person) {
	d, speed := w.side(), height*w.between(0.6, 0.85)
	y := w.place.horizon() + 0.05 + w.between(0, 0.1) + height
	x := 0.5 - d*w.between(0.1, 0.35)
	p.path = path{{at, x, y, height}, {at + 10, x + d*speed*10, y, height}}
	p.shadow = 0
	w.actors = append(w.actors, p)
	for _, end := range []float64{x, x + d*speed*10} {
		w.actors = append(w.actors, &post{end - 0.25*height, y - 1.15*height, end + 0.25*height, y + 0.1*height, w.between(0.06, 0.4)})
	}
	out := 0.2 * height / speed
	w.truth.Events = append(w.truth.Events, Event{Start: hundredths(at + out), End: hundredths(at + 10 - out), Kind: "person"})
}

func personNight(w *world) {
	w.setting("yard", "lot", "street")
	w.night()
	for _, at := range []float64{7, 25} {
		p := w.someone()
		p.shirt, p.trousers = w.between(0.3, 0.8), w.between(0.25, 0.7)
		w.far(w.between(0.06, 0.13), at, p)
	}
}

// Somebody comes towards the camera, so grows more than moves.
func personApproach(w *world) {
	w.setting("yard", "lot", "room")
	p, x := w.someone(), w.between(0.35, 0.65)
	h := w.place.horizon()
	p.path = path{{8, x, h + 0.14, 0.1}, {14, x + 0.02, h + 0.23, 0.18}, {18, x + 0.03, h + 0.42, 0.36}, {20, x + 0.12, h + 0.62, 0.6}, {22, x + 0.9, h + 0.62, 0.65}}
	w.put("person", p, 0)
	if w.coin() {
		w.cross(w.between(0.2, 0.3), 28)
	}
}

// Somebody comes in, stands and goes. A person stands never quite still, so that counts neither way.
func personStops(w *world) {
	w.setting("room", "yard")
	p, height, d := w.someone(), w.between(0.3, 0.45), w.side()
	y, x := w.ground(height), w.between(0.35, 0.65)
	speed := 0.75 * height
	come := 6 + (0.65+d*(x-0.5))/speed
	leave := come + w.between(8, 12)
	p.path = path{{6, 0.5 - d*0.65, y, height}, {come, x, y, height}, {leave, x + 0.002, y, height}, {leave + 0.7/speed, x - d*0.7, y, height}}
	w.put("person", p, 0)
	w.truth.Events = slices.DeleteFunc(w.truth.Events, func(e Event) bool { return e.Start > come-0.1 && e.End < leave+0.1 })
	for i := range w.truth.Events {
		if e := &w.truth.Events[i]; e.Start < come && e.End > leave {
			w.truth.Events = append(w.truth.Events, Event{Start: hundredths(leave), End: e.End, Kind: e.Kind})
			w.truth.Events[i].End = hundredths(come)
		}
	}
	w.ignore(come, leave, "stands")
}

// Somebody dressed like the background, in heavy noise.
func personLowContrast(w *world) {
	w.setting("yard", "lot", "room")
	w.grain, w.shutter = heavyGrain, 0.03
	w.grain.read *= w.between(0.4, 1)
	w.ambient = constant(w.between(0.4, 0.8))
	p, height, d := w.someone(), w.between(0.2, 0.4), w.side()
	ground := w.place.patches()[1].reflectance
	p.shirt, p.trousers, p.skin, p.shadow = ground*w.between(1.2, 1.5), ground*w.between(0.6, 0.8), ground*1.5, 0
	y, speed := w.ground(height), 0.75*height
	p.path = path{{12, 0.5 - d*0.6, y, height}, {12 + 1.2/speed, 0.5 + d*0.6, y, height}}
	w.put("person", p, 0)
}

func runner(w *world) {
	w.setting("yard", "lot", "street")
	for _, at := range []float64{9, 19, 30} {
		p, height, d := w.someone(), w.between(0.2, 0.4), w.side()
		y := w.ground(height)
		p.pace = 3
		p.path = path{{at, 0.5 - d*0.6, y, height}, {at + 1.2/(height*w.between(1.8, 3)), 0.5 + d*0.6, y, height}}
		w.put("runner", p, 0)
	}
}

func animalCrosses(w *world) {
	w.setting("yard", "lot")
	if w.coin() {
		w.night()
	}
	for _, at := range []float64{8, 24} {
		size, d := w.between(0.06, 0.14), w.side()
		a := &animal{fur: w.between(0.03, 0.6), pace: 3}
		y, speed := w.ground(2*size), size*w.between(1, 2.5)
		a.path = path{{at, 0.5 - d*0.6, y, size}, {at + 1.2/speed, 0.5 + d*0.6, y, size}}
		w.put("animal", a, 0)
	}
}

func (w *world) vehicle() *car {
	return &car{body: w.between(0.03, 0.8), glass: w.between(0.02, 0.12), shadow: w.between(0.2, 0.6)}
}

func carPass(w *world) {
	w.setting("street", "lot")
	for _, at := range []float64{7, 17, 28} {
		v, size, d := w.vehicle(), w.between(0.12, 0.4), w.side()
		y := w.ground(1.2 * size)
		v.path = path{{at, 0.5 - d*(0.52+size/2), y, size}, {at + 1.2/w.between(0.2, 0.8), 0.5 + d*(0.52+size/2), y, size}}
		w.put("car", v, 0)
	}
}

// A car that creeps at 1.6 to 2.9 px/s in a picture 640 wide, then stands.
func carCreep(w *world) {
	w.setting("lot", "street")
	v, size, d := w.vehicle(), w.between(0.2, 0.35), w.side()
	if w.coin() { // grey as the road
		v.body = w.place.patches()[1].reflectance * w.between(0.75, 1.3)
	}
	speed := w.between(1.6, 2.9) / 640
	y, x := w.ground(size), 0.5-d*w.between(0.05, 0.2)
	v.path = path{{0, x, y, size}, {14, x, y, size}, {44, x + d*speed*30, y, size}, {61, x + d*speed*30, y, size}}
	w.put("slow car", v, 4)
}

// A parked car drives off, and what it stood on comes to light.
func carLeaves(w *world) {
	w.setting("lot", "street")
	v, size, d := w.vehicle(), w.between(0.2, 0.4), w.side()
	y, x := w.ground(size), w.between(0.35, 0.65)
	v.path = path{{0, x, y, size}, {15, x, y, size}, {16.5, x + d*0.06, y, size}, {20, x + d*(0.6+size), y, size}}
	w.put("car", v, 0)
}
