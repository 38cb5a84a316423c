package camio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// TrackHeader is the header of an upload that carries its Track: JSON on one line. The API knows nothing like it; a server that doesn't know
// the header either takes the item all the same. FTP has no place for it.
const TrackHeader = "Camward-Motion"

// Bounds of a Track.
const (
	MaxTrackBoxes = 64
	maxTrackBytes = 4096          // of the header's value
	maxTrackTime  = 24 * 3600_000 // ms
	trackUnit     = 1000
)

// The labels that a camera may give. The API has the first two (section 7.1 of what is known of it).
const (
	LabelApproaching = "approaching"
	LabelDeparting   = "departing"
	LabelLeft        = "left"
	LabelRight       = "right"
	LabelUp          = "up"
	LabelDown        = "down"
	// LabelScene and the name of a change of the whole picture, as in scene_covered.
	LabelScene = "scene_"
)

var trackLabels = []string{
	LabelApproaching, LabelDeparting, LabelLeft, LabelRight, LabelUp, LabelDown, LabelScene + "light", LabelScene + "infra_red",
	LabelScene + "moved", LabelScene + "covered", LabelScene + "black", LabelScene + "frozen", LabelScene + "focus",
}

// A Track says what moved in a picture or clip, as the camera's own detector saw it.
type Track struct {
	Area   float64    `json:"area,omitempty"`   // of the largest part that moved: percent of the picture, 0..100
	Labels []string   `json:"labels,omitempty"` // sorted, none twice
	Boxes  []TrackBox `json:"boxes,omitempty"`  // in the order of time, at most MaxTrackBoxes
}

// A TrackBox is the frame of the largest part that moved at a moment: milliseconds from the first picture of the item, then left, top, right and
// bottom in 1/1000 of the picture as it is shown, turned by the item's rotation.
type TrackBox [5]int

// SetTrack puts a track into an upload's header; nil leaves that as it is.
func SetTrack(h http.Header, t *Track) {
	if t == nil {
		return
	}
	if b, err := json.Marshal(t); err == nil && len(b) <= maxTrackBytes { // of plain numbers and words it is
		h.Set(TrackHeader, string(b))
	}
}

// ParseTrack reads what SetTrack wrote, or somebody else: boxes that are none, labels that no camera gives and what is too much are left
// out. Without the header it is nil.
func ParseTrack(h http.Header) (*Track, error) {
	s := h.Get(TrackHeader)
	if s == "" {
		return nil, nil
	}
	if len(s) > maxTrackBytes {
		return nil, fmt.Errorf("%s of %d bytes", TrackHeader, len(s))
	}
	t := new(Track)
	if err := json.Unmarshal([]byte(s), t); err != nil {
		return nil, fmt.Errorf("%s: %w", TrackHeader, err)
	}
	t.tame()
	return t, nil
}

// tame makes of anything a track as it should be.
func (t *Track) tame() {
	t.Area = min(max(t.Area, 0), 100)
	t.Labels = slices.DeleteFunc(t.Labels, func(l string) bool { return !slices.Contains(trackLabels, l) })
	slices.Sort(t.Labels)
	t.Labels = slices.Compact(t.Labels)
	t.Boxes = slices.DeleteFunc(t.Boxes, func(b TrackBox) bool {
		return b[0] < 0 || b[0] > maxTrackTime || b[1] < 0 || b[2] < 0 || b[3] <= b[1] || b[4] <= b[2] || b[3] > trackUnit || b[4] > trackUnit
	})
	t.Boxes = t.Boxes[:min(len(t.Boxes), MaxTrackBoxes)]
	slices.SortStableFunc(t.Boxes, func(a, b TrackBox) int { return a[0] - b[0] })
}

// A MotionBox is a TrackBox as a search gives it: the document names the parameter for it and leaves its shape open.
type MotionBox struct {
	Time float64 `json:"t"`  // seconds from the item's date_created
	X0   float64 `json:"x0"` // left, as a fraction 0..1 of the picture as it is shown
	Y0   float64 `json:"y0"` // top
	X1   float64 `json:"x1"` // right
	Y1   float64 `json:"y1"` // bottom
}

// Motion is the box in other units.
func (b TrackBox) Motion() MotionBox {
	of := func(v int) float64 { return float64(v) / trackUnit }
	return MotionBox{Time: float64(b[0]) / 1000, X0: of(b[1]), Y0: of(b[2]), X1: of(b[3]), Y1: of(b[4])}
}
