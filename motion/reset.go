package motion

// Reset forgets what is known of the picture: the next one begins anew, as the first of a camera that was away for a moment and has come back with
// another exposure. Nothing moves for the next 1.5 s. The settings stay.
func (d *Detector) Reset() { d.begun = false }
