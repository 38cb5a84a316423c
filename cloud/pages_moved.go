package cloud

// A movedView is the frame of what moved on a picture, in its shown pixels.
type movedView struct {
	Width, Height int // of the picture
	X, Y, W, H    float64
}

// movedOn gives the frame at the moment of a picture; nil if the camera told none.
func movedOn(it *item) *movedView {
	w, h := it.shownWidth(), it.shownHeight()
	if it.Track == nil || len(it.Track.Boxes) == 0 || w == 0 || h == 0 {
		return nil
	}
	b := it.Track.Boxes[0].Motion()
	x, y := float64(w), float64(h)
	return &movedView{Width: w, Height: h, X: b.X0 * x, Y: b.Y0 * y, W: (b.X1 - b.X0) * x, H: (b.Y1 - b.Y0) * y}
}
