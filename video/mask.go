package video

import (
	"fmt"
	"math"
)

// A Polygon is a closed part of a picture: its corners in order, each as x and y in fractions 0..1 of the picture's width and
// height from the top left; the last corner joins the first. At least three corners.
type Polygon [][2]float64

// Faults says what is wrong with polygons, each fault under key and the index of what it concerns.
func Faults(key string, shapes []Polygon) (errs []error) {
	for i, p := range shapes {
		if len(p) < 3 {
			errs = append(errs, fmt.Errorf("%s[%d]: %d points, a polygon has at least 3", key, i, len(p)))
		}
		for j, q := range p {
			for _, v := range q {
				if math.IsNaN(v) || v < 0 || v > 1 {
					errs = append(errs, fmt.Errorf("%s[%d][%d]: [%v, %v] is outside 0..1", key, i, j, q[0], q[1]))
					break
				}
			}
		}
	}
	return errs
}
