package video

// Bins is how many shares the histogram of a Measure has.
const Bins = 32

// A Measure tells how a picture is focused and exposed.
type Measure struct {
	// Focus is how sharp the middle half of the picture is (half its width by half its height); 0 if there is nothing in it. It is the
	// mean squared gradient by the variance of luma, in thousandths: light and contrast do not count, and what the sensor's noise
	// adds is taken off. Figures can be compared for one scene, not between scenes: a wall has less than a hedge.
	Focus float64
	// Mean is the mean of luma, from 0, black, to 1, white.
	Mean float64
	// Dark and Bright are the shares of the picture that are almost black (below 1/32) and almost white (from 31/32 on).
	Dark, Bright float64
	// Histogram are the shares of the picture from black to white, in steps of equal width.
	Histogram [Bins]float64
}

// enoughLines is how many lines of a picture are measured, about; of larger ones some are passed over.
const enoughLines = 480

// Look measures luma in full size. fullRange is as in Format. It does not allocate.
func (m *Measure) Look(luma *Plane, fullRange bool) {
	*m = Measure{}
	if luma.Width < 1 || luma.Height < 1 {
		return
	}
	var levels [256]int
	step, lines := max(1, luma.Height/enoughLines), 0
	for y := 0; y < luma.Height; y += step {
		lines++
		for _, v := range luma.Pix[y*luma.Stride:][:luma.Width] {
			levels[v]++
		}
	}
	all := float64(luma.Width * lines)
	for v, n := range levels {
		if n == 0 {
			continue
		}
		if !fullRange { // 16..235, ITU-R BT.601
			v = max(0, min((v-16)*255/219, 255))
		}
		share := float64(n) / all
		m.Histogram[v*Bins/256] += share
		m.Mean += share * float64(v) / 255
	}
	m.Dark, m.Bright = m.Histogram[0], m.Histogram[Bins-1]
	m.Focus = focus(luma, step)
}

// focus is the Tenengrad (Sobel's gradient, squared) of the middle half, freed of noise, by the variance.
func focus(p *Plane, step int) float64 {
	x0, x1, y0, y1 := max(p.Width/4, 1), p.Width-max(p.Width/4, 1), max(p.Height/4, 1), p.Height-max(p.Height/4, 1)
	if x1 <= x0 || y1 <= y0 {
		return 0
	}
	var energy, sum, squares uint64
	var noise [8*255 + 1]int // magnitudes of the second difference across and along
	for y := y0; y < y1; y += step {
		a, b, c := p.Pix[(y-1)*p.Stride:][:x1+1], p.Pix[y*p.Stride:][:x1+1], p.Pix[(y+1)*p.Stride:][:x1+1]
		for x := x0; x < x1; x++ {
			a0, a1, a2 := int(a[x-1]), int(a[x]), int(a[x+1])
			b0, b1, b2 := int(b[x-1]), int(b[x]), int(b[x+1])
			c0, c1, c2 := int(c[x-1]), int(c[x]), int(c[x+1])
			gx, gy := a2+2*b2+c2-a0-2*b0-c0, c0+2*c1+c2-a0-2*a1-a2
			energy += uint64(gx*gx + gy*gy)
			sum += uint64(b1)
			squares += uint64(b1 * b1)
			n := a0 + a2 + c0 + c2 - 2*(a1+b0+b2+c1) + 4*b1
			noise[max(n, -n)]++
		}
	}
	n := float64((x1 - x0) * ((y1 - y0 + step - 1) / step))
	level := noiseLevel(&noise, n)
	mean := float64(sum) / n
	variance := float64(squares)/n - mean*mean - level*level
	slope := float64(energy)/n - 24*level*level // Sobel's two kernels have 12 squares each
	if variance < 1 || slope <= 0 {
		return 0
	}
	return 1000 * slope / 64 / variance // a slope of one level a pixel gives Sobel 8
}

// noiseLevel estimates the standard deviation of noise (after J. Immerkaer, Fast Noise Variance Estimation, 1996): the second difference
// sees neither edges nor ramps, but noise six times. Its lower quartile is taken, since texture does leave traces.
func noiseLevel(magnitudes *[8*255 + 1]int, n float64) float64 {
	const quartile = 0.3186 // of the magnitude of a normal variable
	below, want := 0.0, n/4
	for v, count := range magnitudes {
		if here := float64(count); below+here >= want {
			return max(0, float64(v)-0.5+(want-below)/here) / quartile / 6
		} else {
			below += here
		}
	}
	return 0
}
