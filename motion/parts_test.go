package motion

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/camio"
	"camward/video"
)

func TestGridAveragesWhatACellCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][2]int{{20, 15}, {64, 48}, {80, 60}, {96, 54}, {120, 67}, {60, 80}, {161, 91}, {640, 480}, {1, 1}, {300, 2}} {
		var p video.Plane
		p.Resize(size[0], size[1])
		for i := range p.Pix {
			p.Pix[i] = uint8(128 + 100*math.Sin(float64(i%size[0])/20)*math.Cos(float64(i/size[0])/30) + 10*rng.Float64())
		}
		var g grid
		var cells [maxCells]int32
		if !g.fit(size[0], size[1]) || g.fit(size[0], size[1]) {
			t.Errorf("%v: fit is to report a change, once", size)
		}
		g.average(&p, &cells)
		for y := range g.rows {
			for x := range g.cols {
				want := covered(&p, x, y, g.cols, g.rows)
				if got := float64(cells[y*g.cols+x]) / levelUnit; math.Abs(got-want) > 4 {
					t.Fatalf("%v: cell %d, %d is %.2f, want %.2f", size, x, y, got, want)
				}
			}
		}
	}
}

// covered is the exact mean of the samples that a cell covers.
func covered(p *video.Plane, x, y, cols, rows int) float64 {
	x0, x1 := float64(x)*float64(p.Width)/float64(cols), float64(x+1)*float64(p.Width)/float64(cols)
	y0, y1 := float64(y)*float64(p.Height)/float64(rows), float64(y+1)*float64(p.Height)/float64(rows)
	sum, area := 0.0, 0.0
	for j := int(y0); j < p.Height && float64(j) < y1; j++ {
		for i := int(x0); i < p.Width && float64(i) < x1; i++ {
			a := (math.Min(x1, float64(i+1)) - math.Max(x0, float64(i))) * (math.Min(y1, float64(j+1)) - math.Max(y0, float64(j)))
			sum += a * float64(p.Pix[j*p.Stride+i])
			area += a
		}
	}
	return sum / area
}

func TestGridKeepsBlackAndWhite(t *testing.T) {
	for _, v := range []uint8{0, 255} {
		var p video.Plane
		p.Resize(120, 67)
		for i := range p.Pix {
			p.Pix[i] = v
		}
		var g grid
		var cells [maxCells]int32
		g.fit(120, 67)
		g.average(&p, &cells)
		for i, c := range cells[:g.cols*g.rows] {
			if c < int32(v)*levelUnit-1 || c > int32(v)*levelUnit {
				t.Fatalf("level %d: cell %d is %d", v, i, c)
			}
		}
	}
}

func TestBlobsAreTheConnectedParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var l labeller
	for round := range 300 {
		var m, fresh mask
		rows := 1 + rng.IntN(maxSide)
		for y := range rows {
			m[y], fresh[y] = rng.Uint64(), rng.Uint64()
			for range round % 4 {
				m[y] &= rng.Uint64()
			}
			if round%7 == 0 {
				m[y] |= rng.Uint64()
			}
		}
		l.label(&m, &fresh, rows)
		got := slices.Collect(l.all())
		want := flood(m, &fresh, rows)
		for _, bs := range [][]blob{got, want} {
			slices.SortFunc(bs, func(a, b blob) int {
				return slices.Compare([]int16{a.cells, a.fresh, int16(a.x0), int16(a.y0), int16(a.x1), int16(a.y1)}, []int16{b.cells, b.fresh, int16(b.x0), int16(b.y0), int16(b.x1), int16(b.y1)})
			})
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d, %d rows: got %v, want %v", round, rows, got, want)
		}
	}
}

// flood finds blobs cell by cell.
func flood(m mask, fresh *mask, rows int) (out []blob) {
	for y := range rows {
		for x := range maxSide {
			if m[y]>>x&1 == 0 {
				continue
			}
			b := blob{x0: uint8(x), y0: uint8(y)}
			todo := [][2]int{{x, y}}
			m[y] &^= 1 << x
			for len(todo) > 0 {
				cx, cy := todo[0][0], todo[0][1]
				todo = todo[1:]
				b.join(blob{1, int16(fresh[cy] >> cx & 1), uint8(cx), uint8(cy), uint8(cx), uint8(cy)})
				for ny := max(cy-1, 0); ny <= min(cy+1, rows-1); ny++ {
					for nx := max(cx-1, 0); nx <= min(cx+1, maxSide-1); nx++ {
						if m[ny]>>nx&1 == 1 {
							m[ny] &^= 1 << nx
							todo = append(todo, [2]int{nx, ny})
						}
					}
				}
			}
			out = append(out, b)
		}
	}
	return out
}

func TestDilateAddsAllEightNeighbours(t *testing.T) {
	var m mask
	m[0], m[10], m[63] = 1<<63, 1<<5, 1
	m.dilate(1)
	want := mask{0: 3 << 62, 1: 3 << 62, 9: 7 << 4, 10: 7 << 4, 11: 7 << 4, 62: 3, 63: 3}
	if m != want {
		t.Fatalf("got %x", m)
	}
}

func TestPolygonContainsByEvenOdd(t *testing.T) {
	star := Polygon{{0.5, 0}, {0.8, 1}, {0, 0.35}, {1, 0.35}, {0.2, 1}} // its middle is outside by this rule
	triangle := FromWire(camio.Polygon{Points: []camio.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 0, Y: 1}}})
	tests := []struct {
		name string
		p    Polygon
		x, y float64
		want bool
	}{
		{"triangle, inside", triangle, 0.2, 0.2, true},
		{"triangle, beyond its long side", triangle, 0.6, 0.6, false},
		{"star, a point", star, 0.5, 0.2, true},
		{"star, its middle", star, 0.5, 0.5, false},
		{"a line has no inside", Polygon{{0, 0}, {1, 1}, {0, 0}}, 0.5, 0.5, false},
	}
	for _, tt := range tests {
		if got := contains(tt.p, tt.x, tt.y); got != tt.want {
			t.Errorf("%s: contains(%v, %v) = %v", tt.name, tt.x, tt.y, got)
		}
	}
}

func TestJoinerJoinsOverGapsOfASecond(t *testing.T) {
	type at struct {
		s     float64
		score float64 // 0 is still
	}
	tests := []struct {
		name string
		in   []at
		want []Interval
	}{
		{"nothing", []at{{1, 0}, {2, 0}}, nil},
		{"one picture", []at{{1, 0.5}}, []Interval{{Start: 1e9, End: 1e9, Peak: 1e9, Score: 0.5}}},
		{"a gap of a second is joined", []at{{1, 0.1}, {1.5, 0}, {2, 0.3}, {2.5, 0.2}}, []Interval{{Start: 1e9, End: 2.5e9, Peak: 2e9, Score: 0.3}}},
		{"a longer one is not", []at{{1, 0.1}, {1.5, 0}, {2.1, 0.3}}, []Interval{{Start: 1e9, End: 1e9, Peak: 1e9, Score: 0.1}, {Start: 2.1e9, End: 2.1e9, Peak: 2.1e9, Score: 0.3}}},
		{"a still picture ends it", []at{{1, 0.1}, {2.1, 0}, {9, 0}}, []Interval{{Start: 1e9, End: 1e9, Peak: 1e9, Score: 0.1}}},
		{"stamps that go back end it", []at{{5, 0.1}, {1, 0.2}}, []Interval{{Start: 5e9, End: 5e9, Peak: 5e9, Score: 0.1}, {Start: 1e9, End: 1e9, Peak: 1e9, Score: 0.2}}},
	}
	for _, tt := range tests {
		var j Joiner
		var got []Interval
		for _, p := range tt.in {
			if done, ok := j.Add(seconds(p.s), Decision{Moving: p.score > 0, Score: p.score}); ok {
				got = append(got, done)
			}
		}
		if open, ok := j.Open(); ok {
			if done, _ := j.Flush(); !cmp.Equal(done, open) {
				t.Errorf("%s: Flush gave %v, Open %v", tt.name, done, open)
			}
			got = append(got, open)
		}
		if _, ok := j.Flush(); ok {
			t.Errorf("%s: a second Flush gave an interval", tt.name)
		}
		if !cmp.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIntervalOpensWithTheFirstPictureThatMoves(t *testing.T) {
	var j Joiner
	if _, ok := j.Open(); ok {
		t.Fatal("open before motion")
	}
	j.Add(time.Second, Decision{Moving: true, Score: 0.1})
	if got, ok := j.Open(); !ok || got.Start != time.Second {
		t.Fatalf("got %v, %v", got, ok)
	}
}
