package agent

import (
	"fmt"
	"io"
	"math"
	"time"

	"camward/internal/canvas"
	"camward/motion"
)

// The drawing of an Explanation: words on top, the picture with what the detector saw and a legend, and what led to the decision over time. Sizes are in
// pixels.
const (
	drawWidth   = 1280
	drawMargin  = 32
	drawLeft    = 96  // of the charts
	drawRight   = 56  // of the charts, for a second scale
	sideWidth   = 320 // of the column beside the picture
	mostHeight  = 640 // of the picture
	smallText   = 9.0 // heights of capitals
	bodyText    = 10.5
	titleText   = 15.0
	mostCorners = 512              // of polygons: a trace file may have any number, and each takes its time
	drawAround  = 30 * time.Second // of a long recording the charts show so much on both sides of the picture's moment
)

// The colors.
const (
	white     canvas.Color = 0xffffffff
	ink       canvas.Color = 0x1d2430ff
	muted     canvas.Color = 0x66717fff
	faint     canvas.Color = 0xe2e6ebff
	panel     canvas.Color = 0xf5f7f9ff
	cellColor canvas.Color = 0xff4fa3ff
	boxColor  canvas.Color = 0xffd60aff
	lessColor canvas.Color = 0xff9f0aff
	inColor   canvas.Color = 0x30d158ff
	outColor  canvas.Color = 0x101418ff
	zoneColor canvas.Color = 0xbf5af2ff
	lineColor canvas.Color = 0x1f6fd0ff
	needColor canvas.Color = 0xd9480fff
	goodColor canvas.Color = 0x2b9348ff
	sceneLine canvas.Color = 0xc92a2aff
)

// reasonColors are those of the band below the charts.
var reasonColors = [...]struct {
	reason motion.Reason
	color  canvas.Color
	text   string
}{
	{motion.ReasonStill, 0xdfe4eaff, "nothing changed"},
	{motion.ReasonAlone, 0xb4bfccff, "single places"},
	{motion.ReasonSmall, 0xf7c948ff, "too small"},
	{motion.ReasonStands, 0x8d6e63ff, "stands still"},
	{motion.ReasonLight, 0xffe8a3ff, "only light"},
	{motion.ReasonBrief, 0xf08c2eff, "too brief yet"},
	{motion.ReasonMoving, 0x2b9348ff, "motion"},
	{motion.ReasonLasting, 0x8fd19eff, "motion a moment ago"},
	{motion.ReasonScene, 0xc92a2aff, "scene change"},
	{motion.ReasonLearning, 0x9b7edeff, "learning"},
	{motion.ReasonStart, 0x6f4fc4ff, "start"},
}

// WritePNG draws the explanation.
func (e *Explanation) WritePNG(w io.Writer) error {
	d := e.newDrawing()
	d.words()
	d.shown()
	d.charts()
	return d.c.WritePNG(w)
}

// A drawing is an Explanation that is being drawn.
type drawing struct {
	e        *Explanation
	c        *canvas.Canvas
	lines    []string // of words
	top      float64  // of the picture
	w, h     float64  // of the picture
	bottom   float64  // of what is drawn so far
	from, to time.Duration
	traces   []motion.Trace // from..to
	titles   []chartTitle
}

const (
	headHeight  = 62
	lineHeight  = 21
	chartHeight = 128
	lowHeight   = 88
	chartGap    = 42
	bandHeight  = 16
	footHeight  = 76
)

func (e *Explanation) newDrawing() *drawing {
	d := &drawing{e: e}
	d.lines = canvas.Wrap(bodyText, drawWidth-2*drawMargin, e.told.Text)
	d.top = headHeight + float64(len(d.lines))*lineHeight + 12
	d.w = drawWidth - 2*drawMargin - sideWidth - 24
	ratio := 0.75
	if e.picture != nil {
		ratio = float64(e.picture.h) / float64(e.picture.w)
	}
	d.h = math.Round(d.w * ratio)
	if d.h > mostHeight {
		d.w, d.h = math.Round(mostHeight/ratio), mostHeight
	}
	if e.picture == nil {
		d.h = 330 // for the column beside it
	}
	d.h = max(d.h, 330)
	d.window()
	height := d.top + d.h + 2*(chartHeight+chartGap) + lowHeight + chartGap + bandHeight + footHeight + 24
	d.c = canvas.New(drawWidth, int(height), white)
	return d
}

// window chooses the part of the time that the charts show.
func (d *drawing) window() {
	all := d.e.traces
	d.from, d.to = all[0].Mono, all[len(all)-1].Mono
	if at := d.e.told.Trace.Mono; d.to-d.from > 3*drawAround {
		d.from, d.to = max(d.from, at-drawAround), min(d.to, at+drawAround)
	}
	d.to = max(d.to, d.from+time.Second)
	for _, t := range all {
		if t.Mono >= d.from && t.Mono <= d.to {
			d.traces = append(d.traces, t)
		}
	}
}

// words writes what it is about, and what the picture shows.
func (d *drawing) words() {
	d.c.Bold(drawMargin, 42, titleText, d.e.title(), ink)
	y := float64(headHeight) + 12
	for _, line := range d.lines {
		d.c.Text(drawMargin, y, bodyText, line, ink)
		y += lineHeight
	}
}

// title says what is explained, in a line.
func (e *Explanation) title() string {
	switch {
	case e.Event != "" && !e.Started.IsZero():
		return fmt.Sprintf("Event %s of camera %s, %s", e.Event, e.Camera, e.Started.Local().Format("2006-01-02 15:04:05"))
	case e.Event != "":
		return fmt.Sprintf("Event %s of camera %s", e.Event, e.Camera)
	case e.Clip != "":
		return e.Clip
	case !e.Started.IsZero():
		return fmt.Sprintf("Camera %s until %s", e.Camera, e.Started.Local().Format("2006-01-02 15:04:05"))
	}
	return "Camera " + e.Camera
}

// About says in a line what is explained.
func (e *Explanation) About() string {
	about := e.title()
	if e.live() && !e.Started.IsZero() {
		about = fmt.Sprintf("%s, the last %.0f s", about, e.Length)
	} else if e.live() {
		about = fmt.Sprintf("%s: the last %.0f s", about, e.Length)
	}
	n := 0
	for _, f := range e.Found {
		if f.Kind == motion.FoundMotion {
			n++
		}
	}
	about += fmt.Sprintf(": %.1f s, %d pictures of %dx%d looked at", e.Length, e.Pictures, e.Width, e.Height)
	if e.Thinned > 1 {
		about += fmt.Sprintf(" (one of %d is kept)", e.Thinned)
	}
	if e.Event != "" {
		about += "; times count from the first picture that moved"
	}
	return about
}

// shown draws the picture and what is beside it.
func (d *drawing) shown() {
	p := d.e.picture
	if p == nil {
		d.c.Rect(drawMargin, d.top, drawMargin+d.w, d.top+d.h, panel)
		d.c.Text(drawMargin+20, d.top+36, bodyText, "No picture of this moment is kept.", muted)
	} else {
		d.c.Picture(drawMargin, int(d.top), int(d.w), int(d.h), p.rgb, p.w, p.h, true)
		d.polygons()
		d.cells()
		d.boxes()
		d.c.Frame(drawMargin, d.top, drawMargin+d.w, d.top+d.h, 1, ink.Alpha(0.3))
	}
	d.beside(drawMargin + d.w + 24)
	d.bottom = d.top + d.h
}

// at is a place of the picture on the canvas.
func (d *drawing) at(x, y float64) canvas.Point {
	return canvas.Point{X: drawMargin + x*d.w, Y: d.top + y*d.h}
}

func (d *drawing) polygons() {
	corners := 0
	draw := func(p motion.Polygon, fill, line canvas.Color, name string) {
		if corners += len(p); corners > mostCorners {
			return
		}
		var points []canvas.Point
		for _, q := range p {
			points = append(points, d.at(max(0, min(q[0], 1)), max(0, min(q[1], 1))))
		}
		if len(points) < 3 {
			return
		}
		d.c.Polygon(points, fill)
		d.c.Line(append(points, points[0]), 4, outColor.Alpha(0.5))
		d.c.Line(append(points, points[0]), 2, line)
		if name != "" {
			d.label(points[0].X+8, points[0].Y+22, name, line)
		}
	}
	s := &d.e.Settings
	for _, p := range s.Include {
		draw(p, inColor.Alpha(0.08), inColor, "counts")
	}
	for _, z := range s.Zones {
		for _, p := range z.Polygons {
			draw(p, zoneColor.Alpha(0.08), zoneColor, fmt.Sprintf("%s sensitivity %v", z.Name, z.Sensitivity))
		}
	}
	for _, p := range s.Exclude {
		draw(p, outColor.Alpha(0.55), muted, "does not count")
	}
}

// label writes on the picture.
func (d *drawing) label(x, y float64, text string, back canvas.Color) {
	w := canvas.TextWidth(smallText, text)
	x = max(drawMargin+2, min(x, drawMargin+d.w-w-14))
	y = max(d.top+18, min(y, d.top+d.h-8))
	d.c.Rect(x-6, y-smallText-5, x+w+6, y+6, back.Alpha(0.92))
	c := white
	if light(back) {
		c = ink
	}
	d.c.Text(x, y, smallText, text, c)
}

// light reports whether dark text is read better on a color.
func light(c canvas.Color) bool {
	return 3*int(c>>24)+6*int(c>>16&0xff)+int(c>>8&0xff) > 10*140
}

func (d *drawing) cells() {
	p := d.e.picture
	for y := range p.rows {
		for x := range p.cols {
			if p.cells[y]>>x&1 == 0 {
				continue
			}
			a := d.at(float64(x)/float64(p.cols), float64(y)/float64(p.rows))
			b := d.at(float64(x+1)/float64(p.cols), float64(y+1)/float64(p.rows))
			d.c.Rect(a.X+0.5, a.Y+0.5, b.X-0.5, b.Y-0.5, cellColor.Alpha(0.4))
		}
	}
}

// boxes draws what moves and is large enough, or else the largest part.
func (d *drawing) boxes() {
	for _, r := range d.e.picture.boxes {
		d.box(r, boxColor)
	}
	t, ok := d.trace()
	if len(d.e.picture.boxes) > 0 || !ok || t.Box == [4]uint8{} {
		return
	}
	r := motion.Rect{X0: float64(t.Box[0]) / 255, Y0: float64(t.Box[1]) / 255, X1: float64(t.Box[2]) / 255, Y1: float64(t.Box[3]) / 255}
	d.box(r, lessColor)
	a := d.at(r.X0, r.Y0)
	d.label(a.X, a.Y-10, d.share(t.Largest)+", "+reasonText(t.Reason), lessColor)
}

func (d *drawing) box(r motion.Rect, c canvas.Color) {
	a, b := d.at(r.X0, r.Y0), d.at(r.X1, r.Y1)
	frame := func(by, width float64, c canvas.Color) {
		d.c.Frame(max(a.X-by, drawMargin), max(a.Y-by, d.top), min(b.X+by, drawMargin+d.w), min(b.Y+by, d.top+d.h), width, c)
	}
	frame(3, 5, outColor.Alpha(0.45))
	frame(2, 3, c)
}

// trace is the picture's.
func (d *drawing) trace() (t motion.Trace, ok bool) {
	if d.e.picture == nil {
		return d.e.told.Trace, true
	}
	for _, t := range d.e.traces {
		if (t.Mono - d.e.picture.mono).Abs() < 2*time.Millisecond { // files have milliseconds
			return t, true
		}
	}
	return t, false
}

func reasonText(r motion.Reason) string {
	for _, c := range reasonColors {
		if c.reason == r {
			return c.text
		}
	}
	return r.String()
}

func (d *drawing) share(cells uint16) string {
	return motion.Percent(float64(cells) / float64(max(1, d.e.Cols*d.e.Rows)))
}

// beside writes the moment's figures, the settings and the legend.
func (d *drawing) beside(x float64) {
	y := d.top
	head := func(text string) {
		d.c.Bold(x, y+12, bodyText, text, ink)
		d.c.Rect(x, y+20, drawWidth-drawMargin, y+21, faint)
		y += 40
	}
	row := func(name, value string) {
		d.c.Text(x, y, smallText, name, muted)
		d.c.Text(drawWidth-drawMargin-canvas.TextWidth(smallText, value), y, smallText, value, ink)
		y += 20
	}
	if t, ok := d.trace(); ok {
		head("This moment: " + d.e.when(t.Mono))
		row("decision", reasonText(t.Reason))
		row("largest part that changed", d.share(t.Largest))
		row("largest part that moves", d.share(t.Moved))
		row("smallest that counts", d.share(t.Least))
		row("evidence of motion", fmt.Sprintf("%.2f s of %.2f s", t.Evidence, t.Needed))
		row("difference that counts", fmt.Sprintf("%.1f levels of 255", t.Threshold))
		row("brightness against usual", fmt.Sprintf("x %.2f", t.Gain))
		y += 12
	}
	s := d.e.Settings
	head("Settings")
	row("motion.min_area", motion.Percent(s.MinArea))
	row("motion.min_contrast", fmt.Sprintf("%.3g levels", s.MinContrast))
	row("motion.min_duration", time.Duration(s.MinDuration*float64(time.Second)).String())
	y += 12
	if d.e.picture != nil {
		d.legend(x, y, head, &y)
	}
}

func (d *drawing) legend(x, y0 float64, head func(string), y *float64) {
	head("In the picture")
	entry := func(text string, draw func(x, y float64)) {
		draw(x, *y-smallText-2)
		d.c.Text(x+32, *y, smallText, text, ink)
		*y += 22
	}
	entry("places that changed", func(x, y float64) { d.c.Rect(x, y, x+20, y+14, cellColor.Alpha(0.5)) })
	if len(d.e.picture.boxes) > 0 {
		entry("moves, and is large enough", func(x, y float64) {
			d.c.Rect(x, y, x+20, y+14, muted)
			d.c.Frame(x, y, x+20, y+14, 3, boxColor)
		})
	} else if t, ok := d.trace(); ok && t.Box != [4]uint8{} {
		entry("largest part, does not count", func(x, y float64) {
			d.c.Rect(x, y, x+20, y+14, muted)
			d.c.Frame(x, y, x+20, y+14, 3, lessColor)
		})
	}
	s := d.e.Settings
	frame := func(c canvas.Color) func(x, y float64) {
		return func(x, y float64) {
			d.c.Rect(x, y, x+20, y+14, c.Alpha(0.2))
			d.c.Frame(x, y, x+20, y+14, 2, c)
		}
	}
	if len(s.Include) > 0 {
		entry("motion.include", frame(inColor))
	}
	if len(s.Zones) > 0 {
		entry("motion.zones", frame(zoneColor))
	}
	if len(s.Exclude) > 0 {
		entry("motion.exclude", func(x, y float64) { d.c.Rect(x, y, x+20, y+14, outColor.Alpha(0.6)) })
	}
}
