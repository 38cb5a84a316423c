package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A condition is how a camera takes what happens. Scenes are rendered so. A recording's planes are averaged or drawn out to the width, its aspect kept,
// and pictures are dropped down to the rate; it is left as it is where a value is 0, or the rate higher than its own.
type condition struct {
	name          string
	width, height int     // of the camera's pictures
	rate          float64 // pictures a second
	quality       int     // of JPEG, for scenes; 0 is what the scene has
	each          int     // of the pictures only every so many are seen
	cut           int     // so many pictures at the start aren't seen
}

// conditions lists the base and what differs from it in one respect; with cross, in size and rate at once.
func (o *options) conditions() (list []condition, err error) {
	base := condition{name: "base"}
	list = append(list, base)
	sizes, err := parseList(o.sizes, parseSize)
	if err != nil {
		return nil, fmt.Errorf("-sizes: %w", err)
	}
	rates, err := parseList(o.rates, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	if err != nil {
		return nil, fmt.Errorf("-rates: %w", err)
	}
	qualities, err := parseList(o.qualities, strconv.Atoi)
	if err != nil {
		return nil, fmt.Errorf("-qualities: %w", err)
	}
	if o.cross {
		for _, s := range sizes {
			for _, r := range rates {
				list = append(list, condition{name: fmt.Sprintf("%dx%d, %g/s", s[0], s[1], r), width: s[0], height: s[1], rate: r})
			}
		}
		return list, nil
	}
	for _, s := range sizes {
		list = append(list, condition{name: fmt.Sprintf("%dx%d", s[0], s[1]), width: s[0], height: s[1]})
	}
	for _, r := range rates {
		list = append(list, condition{name: fmt.Sprintf("%g/s", r), rate: r})
	}
	for _, q := range qualities {
		list = append(list, condition{name: fmt.Sprintf("JPEG quality %d", q), quality: q})
	}
	for _, n := range []int{2, 3} {
		list = append(list, condition{name: fmt.Sprintf("one picture of %d", n), each: n})
	}
	for _, n := range []int{3, 7, 20} {
		list = append(list, condition{name: fmt.Sprintf("first %d pictures cut", n), cut: n})
	}
	return list, nil
}

// under gives the options by which scenes are rendered under a condition.
func (o options) under(c condition) options {
	if c.width > 0 {
		o.width, o.height = c.width, c.height
	}
	if c.rate > 0 {
		o.rate = c.rate
	}
	o.quality, o.condition = c.quality, c
	return o
}

// parseList reads values between commas.
func parseList[T any](s string, parse func(string) (T, error)) (list []T, err error) {
	for _, one := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) {
		v, err := parse(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func parseSize(s string) (size [2]int, err error) {
	if n, err := fmt.Sscanf(s, "%dx%d", &size[0], &size[1]); n != 2 || err != nil {
		return size, fmt.Errorf("%s is not WIDTHxHEIGHT", s)
	}
	return size, nil
}

// thin drops pictures: those cut at the start, all but every so many, and what exceeds a rate. Stamps stay.
func (f *film) thin(cut, each int, rate float64) *film {
	keep := func(i int) bool { return i >= cut && (i-cut)%max(each, 1) == 0 }
	if n := len(f.stamps); rate > 0 && n > 1 {
		interval := (f.stamps[n-1] - f.stamps[0]) / time.Duration(n-1)
		slot := func(i int) int64 {
			return int64(float64(f.stamps[i]-f.stamps[0]+interval/2) * rate / float64(time.Second))
		}
		all := keep
		keep = func(i int) bool { return all(i) && (i == 0 || slot(i) != slot(i-1)) }
	}
	out := &film{width: f.width, height: f.height}
	for i, at := range f.stamps {
		if keep(i) {
			p := f.plane(i)
			out.add(at, &p)
		}
	}
	return out
}

// resize gives planes of another width, of the same aspect: means over areas, or straight lines between samples.
func (f *film) resize(width int) *film {
	if width <= 0 || width == f.width {
		return f
	}
	height := max(1, (f.height*width+f.width/2)/f.width)
	out := &film{stamps: slices.Clone(f.stamps), width: width, height: height, pix: make([]byte, 0, len(f.stamps)*width*height)}
	xs, ys := taps(f.width, width), taps(f.height, height)
	rows := make([]float64, f.height*width)
	for n := range f.stamps {
		p := f.plane(n)
		for y := range f.height {
			for x, t := range xs {
				sum := 0.0
				for k, w := range t.weights {
					sum += w * float64(p.Pix[y*p.Stride+t.at+k])
				}
				rows[y*width+x] = sum
			}
		}
		for _, t := range ys {
			for x := range width {
				sum := 0.5
				for k, w := range t.weights {
					sum += w * rows[(t.at+k)*width+x]
				}
				out.pix = append(out.pix, uint8(min(sum, 255)))
			}
		}
	}
	return out
}

// A tap is the samples that make one of another spacing, and what each weighs; the weights' sum is 1.
type tap struct {
	at      int
	weights []float64
}

// taps turns n samples into m.
func taps(n, m int) []tap {
	out := make([]tap, m)
	scale := float64(n) / float64(m)
	for i := range out {
		if m >= n { // between the two nearest
			c := min(max((float64(i)+0.5)*scale-0.5, 0), float64(n-1))
			at := min(int(c), max(n-2, 0))
			out[i] = tap{at, []float64{1 - (c - float64(at)), c - float64(at)}[:min(n, 2)]}
			continue
		}
		from, to := float64(i)*scale, float64(i+1)*scale
		t := tap{at: int(from)}
		for k := t.at; k < n && float64(k) < to-1e-9; k++ {
			t.weights = append(t.weights, (min(to, float64(k+1))-max(from, float64(k)))/scale)
		}
		out[i] = t
	}
	return out
}

// as gives a recording's film as it would be under a condition.
func (f *film) as(c condition) *film {
	return f.thin(c.cut, c.each, c.rate).resize((c.width + 7) / 8)
}
