package capture

import (
	"errors"
	"fmt"
	"sort"

	"golang.org/x/sys/unix"
)

const (
	leastRate = 5  // pictures per second; below it a smaller picture is the better bargain
	maxSteps  = 40 // tried one after the other
)

// A step is a size and rate to try.
type step struct {
	size Size
	rate float64
}

// stepDown looks for what the USB bus has room for, after it had none for what was asked: ever lower rates, then the same for the next
// smaller size of the format. If nothing fits it returns the op and error it was given.
func (d *device) stepDown(rate float64, op string, refused error) (string, error) {
	asked := d.form
	for _, s := range d.steps(rate) {
		d.release()
		ok, err := d.tryFormat(d.code, s.size)
		if err != nil {
			return "set format", err
		}
		if !ok {
			continue
		}
		op, err := d.begin(s.rate)
		if err == nil {
			d.reduced = fmt.Sprintf("%v was asked for, the USB bus has room for %v", asked, d.form)
			return "", nil
		}
		if op != opStream || !errors.Is(err, unix.ENOSPC) {
			return op, err
		}
	}
	d.form = asked // what the error is about
	return op, refused
}

// steps lists what may be tried after what was granted, in order.
func (d *device) steps(rate float64) (list []step) {
	granted := Size{d.form.Width, d.form.Height}
	if d.form.Rate > 0 {
		rate = d.form.Rate
	}
	for i, size := range append([]Size{granted}, d.smaller(granted)...) {
		for _, r := range d.lower(size, rate, i > 0) {
			if list = append(list, step{size, r}); len(list) == maxSteps {
				return list
			}
		}
	}
	return list
}

// smaller lists the sizes of the format that have fewer pixels than z, largest first. Of a range they are halves.
func (d *device) smaller(z Size) (list []Size) {
	for _, o := range d.sizes(d.code) {
		if o.Max == (Size{}) {
			if o.Size.area() < z.area() {
				list = append(list, o.Size)
			}
			continue
		}
		for w, h := z.Width/2, z.Height/2; w >= max(o.Size.Width, 160) && h >= max(o.Size.Height, 120); w, h = w/2, h/2 {
			list = append(list, Size{fit(w, o.Size.Width, o.Max.Width, o.Step.Width), fit(h, o.Size.Height, o.Max.Height, o.Step.Height)})
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].area() > list[j].area() })
	return list
}

// lower lists the rates of a size that are below rate, or with same also that one, highest first. Of a range they are halves.
func (d *device) lower(z Size, rate float64, same bool) (list []float64) {
	if same {
		list = append(list, rate)
	}
	offered := d.rates(d.code, z)
	if len(offered) <= 2 { // the ends of a range, or none
		for r := rate / 2; r >= leastRate; r /= 2 {
			offered = append(offered, r)
		}
		sort.Sort(sort.Reverse(sort.Float64Slice(offered)))
	}
	for _, r := range offered {
		if r < rate*0.99 && r >= leastRate {
			list = append(list, r)
		}
	}
	return list
}
