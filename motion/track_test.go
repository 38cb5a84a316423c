package motion

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// seen is a decision on a part with its foot in the middle at x, y, of that height and half as wide.
func seen(x, y, height float64) Decision {
	return Decision{Moving: true, Largest: 9, Box: Rect{x - height/4, y - height, x + height/4, y}, Score: height * height / 2}
}

func TestHeadings(t *testing.T) {
	line := func(a, b, u float64) float64 { return a + (b-a)*u }
	tests := []struct {
		name string
		at   func(u float64) Decision // u from 0 to 1
		fps  float64
		long float64
		want []Direction
	}{
		{"comes nearer", func(u float64) Decision { return seen(0.5, line(0.4, 0.9, u), line(0.1, 0.4, u)) }, 10, 6, []Direction{Approaching}},
		{"comes nearer in two pictures a second", func(u float64) Decision { return seen(0.5, line(0.4, 0.9, u), line(0.1, 0.4, u)) }, 2, 6, []Direction{Approaching}},
		{"goes away", func(u float64) Decision { return seen(0.5, line(0.9, 0.4, u), line(0.4, 0.1, u)) }, 10, 6, []Direction{Departing}},
		{"comes nearer from the left", func(u float64) Decision { return seen(line(0.2, 0.8, u), line(0.6, 0.8, u), line(0.2, 0.4, u)) }, 10, 6, []Direction{Approaching, Right}},
		{"comes and goes", func(u float64) Decision {
			d := 1 - math.Abs(2*u-1)
			return seen(0.5, line(0.4, 0.9, d), line(0.1, 0.4, d))
		}, 10, 9, []Direction{Approaching, Departing}},
		{"crosses to the left", func(u float64) Decision { return seen(line(0.9, 0.1, u), 0.7, 0.3) }, 10, 6, []Direction{Left}},
		{"crosses and comes in at the side", func(u float64) Decision {
			d := seen(line(-0.1, 1.1, u), 0.7, 0.3)
			d.Box.X0, d.Box.X1 = max(d.Box.X0, 0), min(d.Box.X1, 1)
			d.Score = (d.Box.X1 - d.Box.X0) * 0.3
			d.Moving = d.Score > 0
			return d
		}, 10, 6, []Direction{Right}},
		{"crosses, and its legs vanish before the ground", func(u float64) Decision { return seen(line(0.1, 0.9, u), line(0.73, 0.6, u), line(0.2, 0.08, u)) }, 10, 6, []Direction{Right}},
		{"goes down a wall", func(u float64) Decision { return seen(0.5, line(0.3, 0.9, u), 0.1) }, 10, 6, []Direction{Down}},
		{"goes up a wall", func(u float64) Decision { return seen(0.5, line(0.9, 0.3, u), 0.1) }, 10, 6, []Direction{Up}},
		{"stays and grows, as a lamp's cone does", func(u float64) Decision { return seen(0.5, 0.6, line(0.1, 0.4, u)) }, 10, 6, nil},
		{"goes to and fro", func(u float64) Decision { return seen(0.5+0.3*math.Sin(20*u), 0.7, 0.3) }, 10, 9, nil},
		{"is too short", func(u float64) Decision { return seen(0.5, line(0.4, 0.9, u), line(0.1, 0.4, u)) }, 10, 0.5, nil},
		{"fills the picture", func(u float64) Decision { return Decision{Moving: true, Largest: 9, Box: Rect{0, 0, 1, 1}, Score: u} }, 10, 6, nil},
	}
	for _, tt := range tests {
		var track Track
		for i := 0.0; i < tt.fps*tt.long; i++ {
			track.Add(seconds(i/tt.fps), tt.at(i/(tt.fps*tt.long)))
		}
		var got []Direction
		for _, h := range track.Headings() {
			got = append(got, h.Direction)
			if h.Confidence < 0.5 || h.Confidence > 1 {
				t.Errorf("%s: %v with a confidence of %v", tt.name, h.Direction, h.Confidence)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTrackHoldsTheWholeWayInFewBoxes(t *testing.T) {
	for _, fps := range []float64{1, 7, 15, 60} {
		for _, long := range []float64{0.5, 5, 60, 3600} {
			var track Track
			end := time.Duration(0)
			for i := 0.0; i <= fps*long; i++ {
				end = seconds(i / fps)
				track.Add(end, seen(0.5, 0.5+0.4*i/(fps*long), 0.2))
			}
			b := track.Boxes()
			gap := end / (MaxTrack/2 - 1)
			if len(b) > MaxTrack || b[0].Time != 0 || end-b[len(b)-1].Time > max(gap, trackPace) {
				t.Errorf("%v/s for %v s: %d boxes from %v to %v", fps, long, len(b), b[0].Time, b[len(b)-1].Time)
			}
			if want := int(min(fps, 10) * long / 2); len(b) < min(want, MaxTrack/2) {
				t.Errorf("%v/s for %v s: %d boxes", fps, long, len(b))
			}
			for i := range b[1:] {
				if b[i+1].Time <= b[i].Time {
					t.Fatalf("boxes at %v and then %v", b[i].Time, b[i+1].Time)
				}
			}
		}
	}
}

func TestTrackOfAnythingIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var track Track
		f := rapid.Float64Range(0, 1)
		for range rapid.IntRange(0, 300).Draw(t, "pictures") {
			d := Decision{Moving: rapid.Bool().Draw(t, "moving"), Largest: rapid.IntRange(0, 2).Draw(t, "largest"), Score: f.Draw(t, "score")}
			d.Box = Rect{f.Draw(t, "x0"), f.Draw(t, "y0"), f.Draw(t, "x1"), f.Draw(t, "y1")}
			track.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "mono")), d)
		}
		if b := track.Boxes(); len(b) > MaxTrack {
			t.Fatalf("%d boxes", len(b))
		}
		for _, h := range track.Headings() {
			if !(h.Confidence >= 0.5 && h.Confidence <= 1) {
				t.Fatalf("%v with a confidence of %v", h.Direction, h.Confidence)
			}
		}
	})
}

func TestTrackingAllocatesNothingUntilItIsAsked(t *testing.T) {
	var j Joiner
	at := time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		j.Add(at, seen(0.5, 0.5, 0.2))
		at += 70 * time.Millisecond
	}); n != 0 {
		t.Errorf("%v allocations for each picture", n)
	}
}

func TestIntervalSaysWhereItMoved(t *testing.T) {
	var j Joiner
	for i := range 20 {
		j.Add(time.Hour+seconds(float64(i)/10), seen(0.1+0.04*float64(i), 0.5, 0.1+0.001*float64(i)))
	}
	iv, ok := j.Flush()
	if !ok || len(iv.Boxes) != 20 || len(iv.Headings) != 1 || iv.Headings[0].Direction != Right {
		t.Fatalf("got %+v", iv)
	}
	iv = iv.Since(time.Hour)
	if b := iv.Boxes[19]; iv.Peak != 1900*time.Millisecond || b.Time != iv.Peak || b.Rect != seen(0.86, 0.5, 0.119).Box || b.Area != iv.Score {
		t.Errorf("the peak at %v, its box %+v", iv.Peak, b)
	}
	if _, ok := j.Open(); ok {
		t.Error("it is still open")
	}
}
