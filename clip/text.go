package clip

import (
	"strings"

	"camward/video"
)

// The text on snapshots is drawn with a bitmap font of this package's own: the characters that a date, a time and "clock not set"
// need, seven samples wide and ten high, with strokes of two, which compression does not wash out.

const (
	glyphWidth, glyphHeight = 7, 10
	glyphStep               = glyphWidth + 1 // to the next, in the bands below and in the picture
	textLines               = 24             // of text would fill a picture's height
)

// A band is a row of glyphs and the characters they stand for.
type band struct{ chars, rows string }

var bands = [...]band{
	{"0123456789", `
.#####. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
##...## ..###.. ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##
##...## .####.. .....## .....## ..####. ##..... ##..... .....## ##...## ##...##
##..### ...##.. .....## .....## .##.##. ######. ##..... ....##. ##...## ##...##
##.#.## ...##.. ....##. ..####. ##..##. .....## ######. ....##. .#####. ##...##
###..## ...##.. ...##.. .....## ##..##. .....## ##...## ...##.. ##...## .######
##...## ...##.. ..##... .....## ####### .....## ##...## ...##.. ##...## .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... ##...## ....##. ##...## ##...## ..##... ##...## ....##.
.#####. .###### ####### .#####. ....##. .#####. .#####. ..##... .#####. .####..
`},
	{"-: clokntse", `
....... ....... ....... ....... .###... ....... ##..... ....... ..##... ....... .......
....... ....... ....... ....... ..##... ....... ##..... ....... ..##... ....... .......
....... ...##.. ....... ....... ..##... ....... ##..... ....... ..##... ....... .......
....... ...##.. ....... .#####. ..##... .#####. ##..##. ##.###. .#####. .#####. .#####.
.#####. ....... ....... ##...## ..##... ##...## ##.##.. ###..## ..##... ##...## ##...##
.#####. ....... ....... ##..... ..##... ##...## ####... ##...## ..##... ##..... ##...##
....... ....... ....... ##..... ..##... ##...## ####... ##...## ..##... .#####. #######
....... ...##.. ....... ##..... ..##... ##...## ##.##.. ##...## ..##... .....## ##.....
....... ...##.. ....... ##...## ..##... ##...## ##..##. ##...## ..##.## ##...## ##...##
....... ....... ....... .#####. ..####. .#####. ##...## ##...## ...###. .#####. .#####.
`},
}

// inked reports whether the character has a dot at (x, y) of its glyph; one that the font lacks has none.
func inked(char byte, x, y int) bool {
	for _, b := range bands {
		if i := strings.IndexByte(b.chars, char); i >= 0 {
			return b.rows[1+y*glyphStep*len(b.chars)+i*glyphStep+x] == '#'
		}
	}
	return false
}

// drawText writes a line of text into the lower left corner that the picture has once it is turned clockwise by rotation degrees: white
// on a darkened box, as high as a 24th of the picture, or lower where it would be too long.
func drawText(img *video.I420, text string, rotation int) {
	c := canvas{img: img, rotation: rotation}
	w, h := c.size()
	scale := max(1, h/(textLines*glyphHeight))
	for scale > 1 && (len(text)*glyphStep+5)*scale > w {
		scale--
	}
	const margin, padding = 2, 2 // around the box, and around the text in it
	boxWidth, boxHeight := len(text)*glyphStep-1+2*padding, glyphHeight+2*padding
	left, top := margin*scale, h-(margin+boxHeight)*scale
	for y := range boxHeight * scale {
		for x := range boxWidth * scale {
			tx, ty := x/scale-padding, y/scale-padding
			ink := tx >= 0 && ty >= 0 && ty < glyphHeight && tx/glyphStep < len(text) && tx%glyphStep < glyphWidth &&
				inked(text[tx/glyphStep], tx%glyphStep, ty)
			c.paint(left+x, top+y, ink)
		}
	}
}

// A canvas is a picture as it is shown, that is turned.
type canvas struct {
	img      *video.I420
	rotation int
}

func (c canvas) size() (width, height int) {
	if c.rotation == 90 || c.rotation == 270 {
		return c.img.Height, c.img.Width
	}
	return c.img.Width, c.img.Height
}

// paint makes the sample at (x, y) as shown white, or darker; outside of the picture it does nothing.
func (c canvas) paint(x, y int, white bool) {
	img := c.img
	switch c.rotation {
	case 90:
		x, y = y, img.Height-1-x
	case 180:
		x, y = img.Width-1-x, img.Height-1-y
	case 270:
		x, y = img.Width-1-y, x
	}
	if x < 0 || y < 0 || x >= img.Width || y >= img.Height {
		return
	}
	luma := &img.Y[y*img.YStride+x]
	*luma = byte(int(*luma)*3/8 + 10) // black in either range
	if white {
		*luma = 235
	}
	img.U[y/2*img.CStride+x/2], img.V[y/2*img.CStride+x/2] = 128, 128
}
