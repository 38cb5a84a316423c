package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"camward/capture"
)

// controlsRoutes show and set light and exposure where the camera lets itself be set.
func (a *Agent) controlsRoutes(s pages) {
	const path = "/api/cameras/{camera}/controls"
	s.HandlePage("GET "+path, page(a.forCamera(func(_ *http.Request, i int) (any, error) {
		list, err := a.cameras[i].controls.Controls()
		return list, controlFault(err)
	})))
	s.HandlePage("PUT "+path, page(a.forCamera(func(r *http.Request, i int) (any, error) {
		var in map[string]controlValue
		if err := readPage(r, &in); err != nil {
			return nil, err
		}
		if len(in) == 0 {
			return nil, refuse(http.StatusBadRequest, "the body names no control")
		}
		values := make(map[string]int32, len(in))
		for name, v := range in {
			values[name] = int32(v)
		}
		list, err := a.device.setControls(i, values, pageSender(r))
		return list, controlFault(err)
	})))
}

// A controlValue is a whole number; true is 1 and false 0.
type controlValue int32

// UnmarshalJSON implements json.Unmarshaler.
func (v *controlValue) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("true")):
		*v = 1
	case bytes.Equal(b, []byte("false")):
		*v = 0
	case bytes.Equal(b, []byte("null")):
		return errors.New("null is no value of a control")
	default:
		return json.Unmarshal(b, (*int32)(v))
	}
	return nil
}

func controlFault(err error) error {
	switch {
	case errors.Is(err, capture.ErrControl):
		return refuse(http.StatusBadRequest, "%v", err)
	case errors.Is(err, capture.ErrAbsent):
		return refuse(http.StatusServiceUnavailable, "%v", err)
	}
	return err
}
