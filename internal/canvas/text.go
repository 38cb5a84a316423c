package canvas

import "strings"

// The letters are drawn with strokes, so that they are smooth at any size and their data is small. Each letter is some strokes of
// points, two digits each: columns from 0, and lines from 0 at the top of capitals over 2, the top of small letters, and 6, where they stand, to 8.
// "(" makes the stroke a smooth curve of which the points between the ends are the corners it avoids; ")" a closed one. One point alone is a dot.
const glyphs = `A 062046 1434|B 0006 (00404303 (03434606|C (414000064645|D 0006 (001040461606|E 40000646 0333|F 400006 0333|G (414000064644 4424
H 0006 4046 0343|I 0020 1016 0626|J (303436060504|K 0006 4004 1346|L 000646|M 0600244046|N 06004640|O )00404606|P 0006 (00404303
Q )00404606 2546|R 0006 (00404303 2346|S (4140000343460605|T 0040 2026|U (000306464340|V 002640|W 0016223640|X 0046 4006|Y 002340 2326|Z 00400646
a )02424606 4246|b 0006 )02424606|c (434202064645|d 4046 )02424606|e 0444 (4442020646 4645|f (30101316 0232|g )02424606 (42454808|h 0006 (0402424446
i 0206 00|j (12151808 10|k 0006 3204 1336|l (00050616|m 0206 (0402323436 (3432626466|n 0206 (0402424446|o )02424606|p 0208 )02424606|q 4248 )02424606
r 0206 (04022232|s (4342020444460605|t (10151636 0232|u (020406464442 4246|v 022642|w 0216233642|x 0246 4206|y 0226 4218|z 02420646
0 )00404606|1 012026 0646|2 (0100404306 0646|3 (0100404323 (2343460605|4 36300444|5 400003 (03224246260605|6 (300004 )02424606|7 004016
8 )00404303 )03434606|9 )00404404 (424616|. 16|, 1607|: 03 06|; 03 1607|- 0333|+ 2125 0343|% )00202202 )24444626 4006|/ 4006|( (20010526|) (00212506
= 0242 0444|< 410345|> 014305|' 0001|" 0001 2021|! 0004 06|? (0100404224 26|_ 0747|[ 20000626|] 00202606|# 1006 3026 0242 0444|& (4603003003054644|* 1014 0032 0230`

const (
	glyphLines = 6    // of the height of a capital
	glyphGap   = 1.9  // between letters, in columns
	spaceWidth = 2    // in columns
	narrow     = 0.86 // a column by a line
)

// strokesOf gives a letter's strokes; a small cross for one that is not known.
func strokesOf(r rune) []string {
	for _, entry := range strings.FieldsFunc(glyphs, func(r rune) bool { return r == '|' || r == '\n' }) {
		name, strokes, ok := strings.Cut(entry, " ")
		if ok && name == string(r) {
			return strings.Fields(strokes)
		}
	}
	return []string{"0345", "4305"}
}

// A letter is one that is ready to be drawn: its strokes in the unit of glyphs, and its width.
type letter struct {
	strokes [][]Point
	width   float64
}

func letterOf(r rune) (l letter) {
	if r == ' ' {
		return letter{width: spaceWidth}
	}
	for _, s := range strokesOf(r) {
		kind := s[0]
		digits := strings.TrimLeft(s, "()")
		var points []Point
		for ; len(digits) > 1; digits = digits[2:] {
			p := Point{float64(digits[0] - '0'), float64(digits[1] - '0')}
			points = append(points, p)
			l.width = max(l.width, p.X)
		}
		switch kind {
		case '(':
			points = smooth(points, false)
		case ')':
			points = smooth(points, true)
		}
		l.strokes = append(l.strokes, points)
	}
	return l
}

// smooth cuts corners until none is left: the curve goes through the middle of each side (a quadratic B-spline, by Chaikin's rule).
func smooth(p []Point, closed bool) []Point {
	for range 3 {
		var out []Point
		n := len(p)
		for i, a := range p {
			if !closed && i == n-1 {
				break
			}
			b := p[(i+1)%n]
			near, far := Point{a.X*0.75 + b.X*0.25, a.Y*0.75 + b.Y*0.25}, Point{a.X*0.25 + b.X*0.75, a.Y*0.25 + b.Y*0.75}
			if !closed && i == 0 {
				near = a
			}
			if !closed && i == n-2 {
				far = b
			}
			out = append(out, near, far)
		}
		p = out
	}
	if closed {
		p = append(p, p[0])
	}
	return p
}

// Text writes a line of text that begins at x and stands on y; size is the height of a capital. It gives where the text ends.
func (c *Canvas) Text(x, y, size float64, text string, col Color) float64 {
	return c.text(x, y, size, 0.13, text, col)
}

// Bold is Text with thicker strokes.
func (c *Canvas) Bold(x, y, size float64, text string, col Color) float64 {
	return c.text(x, y, size, 0.19, text, col)
}

func (c *Canvas) text(x, y, size, weight float64, text string, col Color) float64 {
	unit, end := size/glyphLines, x
	for _, r := range text {
		l := letterOf(r)
		all := area{c.Width, c.Height, 0, 0}
		for _, s := range l.strokes {
			points := make([]Point, len(s))
			for i, p := range s {
				points[i] = Point{x + p.X*unit*narrow, y + (p.Y-glyphLines)*unit}
			}
			width := max(1, size*weight)
			if len(points) == 1 {
				width *= 1.3
			}
			in := c.stroke(points, width)
			all = area{min(all.x0, in.x0), min(all.y0, in.y0), max(all.x1, in.x1), max(all.y1, in.y1)}
		}
		c.fillCover(all, col)
		end = x + l.width*unit*narrow
		x = end + glyphGap*unit*narrow
	}
	return end
}

// TextWidth is how long a line of text is, in pixels.
func TextWidth(size float64, text string) float64 {
	n := 0.0
	for _, r := range text {
		n += letterOf(r).width + glyphGap
	}
	return max(0, n-glyphGap) * size / glyphLines * narrow
}

// Wrap breaks text into lines of at most the given width, between words; a word that is longer has a line of its own.
func Wrap(size, width float64, text string) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && TextWidth(size, longer) > width {
			lines = append(lines, line)
			longer = word
		}
		line = longer
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
