package video

// A Polygon is a closed part of a picture: its corners in order, each as x and y in fractions 0..1 of the picture's width and
// height, from the top left. The last corner is joined to the first.
type Polygon [][2]float64
