package agent

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"camward/internal/canvas"
	"camward/motion"
)

// A scale is a chart's vertical axis: values from low to high between two lines of the canvas.
type scale struct {
	low, high   float64
	log         bool
	top, bottom float64
}

func (s scale) y(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(max(v, s.low))
	}
	return s.bottom - (max(low, min(v, high))-low)/(high-low)*(s.bottom-s.top)
}

// x is where a stamp is in the charts.
func (d *drawing) x(mono time.Duration) float64 {
	return drawLeft + float64(mono-d.from)/float64(d.to-d.from)*(drawWidth-drawLeft-drawRight)
}

// charts draws what led to the decisions over time.
func (d *drawing) charts() {
	first := d.bottom + chartGap + 10
	y := first
	d.evidence(scale{top: y, bottom: y + chartHeight})
	y += chartHeight + chartGap
	d.sizes(scale{top: y, bottom: y + chartHeight})
	y += chartHeight + chartGap
	d.levels(scale{top: y, bottom: y + lowHeight})
	y += lowHeight + 12
	d.band(y)
	y += bandHeight
	d.moments(first, y)
	for _, t := range d.titles { // above the lines of moments
		d.c.Rect(drawMargin-2, t.y-smallText-4, drawMargin+canvas.TextWidth(smallText, t.text)+8, t.y+5, white)
		d.c.Bold(drawMargin, t.y, smallText, t.text, ink)
	}
	d.times(y)
	d.key(y + 58)
}

// A chartTitle is written last.
type chartTitle struct {
	y    float64
	text string
}

// chart draws an empty one with its title and marks at some values.
func (d *drawing) chart(s scale, title string, marks []float64, write func(float64) string) {
	right := float64(drawWidth - drawRight)
	d.c.Rect(drawLeft, s.top, right, s.bottom, panel)
	d.titles = append(d.titles, chartTitle{s.top - 15, title})
	for _, m := range marks {
		y := math.Round(s.y(m))
		d.c.Rect(drawLeft, y, right, y+1, faint)
		text := write(m)
		d.c.Text(drawLeft-10-canvas.TextWidth(smallText, text), y+smallText/2, smallText, text, muted)
	}
	for _, f := range d.e.story().Explain(d.traces, 0) {
		if a, b := d.x(f.From), d.x(f.To); f.Kind == motion.FoundMotion {
			d.c.Rect(a, s.top, max(b, a+2), s.bottom, goodColor.Alpha(0.13))
		}
	}
}

// curve draws values as a line, filled below if asked. A pause of more than a second breaks it.
func (d *drawing) curve(s scale, value func(motion.Trace) float64, fill bool, width float64, c canvas.Color) {
	var run []canvas.Point
	flush := func() {
		if fill {
			for i := 1; i < len(run); i++ {
				a, b := run[i-1], run[i]
				for x := math.Floor(a.X); x < b.X; x++ {
					share := 0.0
					if b.X > a.X {
						share = max(0, min((x-a.X)/(b.X-a.X), 1))
					}
					d.c.Rect(max(x, a.X), a.Y+(b.Y-a.Y)*share, min(x+1, b.X), s.bottom, c.Alpha(0.18))
				}
			}
		}
		if len(run) > 0 {
			d.c.Line(run, width, c)
		}
		run = run[:0]
	}
	for i, t := range d.traces {
		if i > 0 && t.Mono-d.traces[i-1].Mono > time.Second {
			flush()
		}
		run = append(run, canvas.Point{X: d.x(t.Mono), Y: s.y(value(t))})
	}
	flush()
}

// limit draws a dashed line with its name at the right end.
func (d *drawing) limit(s scale, v float64, text string) {
	y := s.y(v)
	right := float64(drawWidth - drawRight)
	d.c.Dashed(canvas.Point{X: drawLeft, Y: y}, canvas.Point{X: right, Y: y}, 6, 1.6, needColor)
	w := canvas.TextWidth(smallText, text)
	d.c.Rect(right-w-10, y-smallText-9, right-2, y-3, panel.Alpha(0.8))
	d.c.Text(right-w-6, y-6, smallText, text, needColor)
}

func (d *drawing) most(value func(motion.Trace) float64) (most float64) {
	for _, t := range d.traces {
		most = max(most, value(t))
	}
	return most
}

func (d *drawing) evidence(s scale) {
	evidence := func(t motion.Trace) float64 { return float64(t.Evidence) }
	needed := d.e.Settings.MinDuration
	s.high = max(0.1, 1.35*needed, 1.1*d.most(evidence))
	d.chart(s, "How long something has moved, less how long not, in seconds", steps(0, s.high, 4), numeral)
	d.curve(s, evidence, true, 1.8, lineColor)
	d.limit(s, needed, fmt.Sprintf("needed: %.2f s (motion.min_duration)", needed))
}

func (d *drawing) sizes(s scale) {
	cells := float64(max(1, d.e.Cols*d.e.Rows))
	percent := func(n uint16) float64 { return 100 * float64(n) / cells }
	largest := func(t motion.Trace) float64 { return percent(t.Largest) }
	moved := func(t motion.Trace) float64 { return percent(t.Moved) }
	s.log, s.low, s.high = true, 0.02, 100
	d.chart(s, "Largest part that changed (grey) and that moves (blue), in % of the picture", []float64{0.1, 1, 10, 100}, numeral)
	d.curve(s, largest, false, 1.4, 0x9aa5b1ff)
	d.curve(s, moved, true, 1.8, lineColor)
	least := percent(d.e.told.Trace.Least)
	d.limit(s, least, "smallest that counts: "+d.share(d.e.told.Trace.Least)+" (motion.min_area)")
}

func (d *drawing) levels(s scale) {
	threshold := func(t motion.Trace) float64 { return float64(t.Threshold) }
	s.high = max(10, 1.2*d.most(threshold))
	d.chart(s, "Difference that counts, in levels of 255 (blue), and brightness against usual (green, scale on the right)", steps(0, s.high, 3), numeral)
	d.curve(s, threshold, false, 1.8, lineColor)
	g := s
	g.low, g.high = 0, 2
	for _, m := range []float64{0, 1, 2} {
		d.c.Text(drawWidth-drawRight+10, g.y(m)+smallText/2, smallText, "x "+numeral(m), muted)
	}
	d.curve(g, func(t motion.Trace) float64 { return float64(t.Gain) }, false, 1.4, goodColor)
}

// band draws each picture's reason.
func (d *drawing) band(y float64) {
	for i, t := range d.traces {
		end := t.Mono + 100*time.Millisecond
		if i+1 < len(d.traces) && d.traces[i+1].Mono-t.Mono < time.Second {
			end = d.traces[i+1].Mono
		}
		c := muted
		for _, r := range reasonColors {
			if r.reason == t.Reason {
				c = r.color
			}
		}
		a := math.Floor(d.x(t.Mono))
		d.c.Rect(a, y, max(a+1, math.Floor(min(d.x(end), drawWidth-drawRight))), y+bandHeight, c)
	}
	d.c.Text(drawMargin, y+bandHeight-4, smallText, "why", ink)
}

// key says what the band's colors are, as far as they are there.
func (d *drawing) key(y float64) {
	x := float64(drawLeft)
	for _, r := range reasonColors {
		there := false
		for _, t := range d.traces {
			there = there || t.Reason == r.reason
		}
		if !there {
			continue
		}
		d.c.Rect(x, y-smallText-1, x+14, y+2, r.color)
		x = d.c.Text(x+22, y, smallText, r.text, ink) + 26
	}
}

// moments marks the picture's, and the changes of the scene.
func (d *drawing) moments(top, bottom float64) {
	for _, t := range d.traces {
		if t.Scene == motion.SceneNone {
			continue
		}
		x := d.x(t.Mono)
		d.c.Dashed(canvas.Point{X: x, Y: top}, canvas.Point{X: x, Y: bottom}, 4, 1.4, sceneLine)
		name := "scene: " + t.Scene.String()
		d.c.Text(min(x+6, drawWidth-drawMargin-canvas.TextWidth(smallText, name)), top+14, smallText, name, sceneLine)
	}
	at := d.e.told.Trace.Mono
	if d.e.picture != nil {
		at = d.e.picture.mono
	}
	if at < d.from || at > d.to {
		return
	}
	x := d.x(at)
	d.c.Rect(x-0.75, top, x+0.75, bottom, ink)
	d.c.Polygon([]canvas.Point{{X: x - 6, Y: top - 8}, {X: x + 6, Y: top - 8}, {X: x, Y: top}}, ink)
	if d.e.picture != nil {
		d.c.Text(min(x+10, drawWidth-drawMargin-50), top-4, smallText, "picture", ink)
	}
}

// times writes the time axis below y.
func (d *drawing) times(y float64) {
	from, to := d.e.seconds(d.from), d.e.seconds(d.to)
	for _, v := range steps(from, to, 10) {
		x := d.x(d.e.Mono + time.Duration(v*float64(time.Second)))
		d.c.Rect(x-0.5, y, x+0.5, y+5, muted)
		text := numeral(v)
		d.c.Text(x-canvas.TextWidth(smallText, text)/2, y+20, smallText, text, muted)
	}
	text := "seconds from the beginning of the recording"
	switch {
	case d.e.Event != "":
		text = "seconds from the first picture that moved"
	case d.e.live():
		text = "seconds before the last picture"
	}
	d.c.Text((drawLeft+drawWidth-drawRight-canvas.TextWidth(smallText, text))/2, y+38, smallText, text, muted)
}

// steps gives about n round values from low to high.
func steps(low, high float64, n int) (list []float64) {
	raw := (high - low) / float64(n)
	if !(raw > 0) {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, k := range []float64{1, 2, 5, 10} {
		if step*k >= raw*0.999 {
			step *= k
			break
		}
	}
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9; i++ {
		list = append(list, i*step)
	}
	return list
}

func numeral(v float64) string {
	return strconv.FormatFloat(math.Round(v*1000)/1000+0, 'g', 4, 64)
}
