package capture

import "errors"

// ErrAbsent is wrapped by errors that mean: there is no such camera, now. It may come back.
var ErrAbsent = errors.New("no such camera")

// A Device is a V4L2 node that captures pictures.
type Device struct {
	Path     string         `json:"path"`              // /dev/video0
	ByID     string         `json:"by_id,omitempty"`   // /dev/v4l/by-id/..., which stays the same at another port
	Card     string         `json:"card"`              // the camera's name
	Driver   string         `json:"driver,omitempty"`  // the kernel's driver, as uvcvideo
	Bus      string         `json:"bus,omitempty"`     // where it is plugged in
	USB      string         `json:"usb,omitempty"`     // vendor:product
	Serial   string         `json:"serial,omitempty"`  // the USB serial number
	Stable   []string       `json:"stable"`            // values of Config.Source that mean it whatever its number is, best first
	Formats  []DeviceFormat `json:"formats"`           // what camward can use first
	Controls []Control      `json:"controls"`          // with their values now
	Problem  string         `json:"problem,omitempty"` // why it cannot be used, in one line; empty if it can
}

// A DeviceFormat is a pixel format that a device offers.
type DeviceFormat struct {
	FourCC string       `json:"fourcc"`
	Name   string       `json:"name"` // the driver's description
	Usable bool         `json:"usable"`
	Sizes  []DeviceSize `json:"sizes"`
}

// A DeviceSize is a picture size, or where Max is given every size from Size to Max in steps of Step.
type DeviceSize struct {
	Size  Size      `json:"size"`
	Max   Size      `json:"max,omitzero"`
	Step  Size      `json:"step,omitzero"`
	Rates []float64 `json:"rates"` // pictures per second, highest first; of a range its ends
}

// Devices lists the capture nodes of this machine by number: those with a picture format, not the metadata,
// output and codec nodes beside them. A device that cannot be opened is listed with its Problem. Without any the
// list is empty.
func Devices() ([]Device, error) { return thisHost().devices() }
