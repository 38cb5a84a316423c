package capture

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode"

	"go.uber.org/zap"
)

// ErrControl is wrapped by errors that mean: the camera has no such control, or not this value of it.
var ErrControl = errors.New("not possible with this camera")

// The types of a Control.
const (
	ControlInteger = "integer"
	ControlBoolean = "boolean" // 0 or 1
	ControlMenu    = "menu"    // the values of Control.Menu
)

// A Control is something about a camera that can be set while it runs: brightness, exposure, white balance.
type Control struct {
	ID       uint32     `json:"id"`    // V4L2_CID_...
	Name     string     `json:"name"`  // the label in lower case with "_" between words, unique
	Label    string     `json:"label"` // the driver's
	Type     string     `json:"type"`
	Min      int32      `json:"min"`
	Max      int32      `json:"max"`
	Step     int32      `json:"step"`
	Default  int32      `json:"default"`
	Value    int32      `json:"value"`
	Menu     []MenuItem `json:"menu,omitempty"`
	Inactive bool       `json:"inactive,omitempty"` // of no effect while another control is as it is, as exposure time while it is automatic
}

// A MenuItem is one value of a menu.
type MenuItem struct {
	Value int32  `json:"value"`
	Label string `json:"label"`
}

// A controller is an open camera that can be set.
type controller interface {
	controls() ([]Control, error)
	setControl(id uint32, value int32) error
}

// settings are what is wanted of a camera's controls, and the camera while it is open. The mutex is held while the driver is asked, so
// that a camera is not closed meanwhile.
type settings struct {
	mu   sync.Mutex
	open controller       // nil while the camera is not open, and for sources without controls
	want map[string]int32 // by name
}

// Controls lists what can be set, with its values now. For sources that are no device it is empty, never nil; ErrAbsent says that the
// camera is not open now. Safe for concurrent use.
func (c *Camera) Controls() ([]Control, error) {
	c.settings.mu.Lock()
	defer c.settings.mu.Unlock()
	return c.controls()
}

// controls is Controls with the mutex held.
func (c *Camera) controls() ([]Control, error) {
	if c.src.kind != kindDevice {
		return []Control{}, nil
	}
	if c.settings.open == nil {
		return nil, fmt.Errorf("camera %s is not open: %w", c.src.path, ErrAbsent)
	}
	list, err := c.settings.open.controls()
	if err != nil {
		return nil, fmt.Errorf("camera %s: list controls: %w", c.src.path, err)
	}
	return list, nil
}

// SetControls sets controls by their names, all or none, and again whenever the camera is opened. It gives all controls as they are then:
// a driver may round a value. ErrControl says that a name or a value is wrong, ErrAbsent that the camera is not open now. Safe for
// concurrent use.
func (c *Camera) SetControls(values map[string]int32) ([]Control, error) {
	c.settings.mu.Lock()
	defer c.settings.mu.Unlock()
	list, err := c.controls()
	if err != nil {
		return nil, err
	}
	if err := checkControls(list, values); err != nil {
		return nil, err
	}
	var done []Control // as they were
	for _, ctl := range inOrder(list) {
		v, wanted := values[ctl.Name]
		if !wanted {
			continue
		}
		if err := c.settings.open.setControl(ctl.ID, v); err != nil {
			for _, was := range slices.Backward(done) {
				_ = c.settings.open.setControl(was.ID, was.Value) // it could be set before
			}
			return nil, fmt.Errorf("camera %s: set %s to %d: %w", c.src.path, ctl.Name, v, err)
		}
		done = append(done, ctl)
	}
	want := maps.Clone(c.settings.want)
	if want == nil {
		want = map[string]int32{}
	}
	maps.Copy(want, values)
	c.settings.want = want
	return c.controls()
}

// KeepControls replaces what is set whenever the camera is opened, beside Config.Controls, which is weaker; a camera that is open is left as
// it is. Names that the camera has not are passed over. Safe for concurrent use.
func (c *Camera) KeepControls(values map[string]int32) {
	c.settings.mu.Lock()
	defer c.settings.mu.Unlock()
	c.settings.want = maps.Clone(values)
}

// cidForceKey is V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME.
const cidForceKey = 0x9909e5

// RequestKey asks a camera that encodes for a key picture now; those without that control make one when they like. While the driver is asked
// something else, nothing is requested; it waits for the driver's own answer alone. Safe for concurrent use.
func (c *Camera) RequestKey() {
	if !c.settings.mu.TryLock() {
		return
	}
	defer c.settings.mu.Unlock()
	if c.settings.open != nil {
		_ = c.settings.open.setControl(cidForceKey, 1)
	}
}

// mute is how long a control may take to fail; of a camera that takes longer no further one is asked for: USB cameras whose firmware
// hangs let each request time out, after 5 s, and nobody looks for pictures meanwhile.
const mute = time.Second

// opened sets the controls of a camera that has just been opened. What cannot be set keeps no camera from its pictures.
func (c *Camera) opened(k controller) {
	c.settings.mu.Lock()
	defer c.settings.mu.Unlock()
	c.settings.open = k
	want := maps.Clone(map[string]int32(c.cfg.Controls))
	if want == nil {
		want = c.settings.want
	} else {
		maps.Copy(want, c.settings.want)
	}
	if len(want) == 0 {
		return
	}
	list, err := k.controls()
	if err != nil {
		c.log.Warn("controls of the camera cannot be set", zap.Error(err))
		return
	}
	for _, ctl := range inOrder(list) {
		v, wanted := want[ctl.Name]
		if !wanted {
			continue
		}
		err := checkControls(list, map[string]int32{ctl.Name: v})
		began := time.Now()
		if err == nil {
			err = k.setControl(ctl.ID, v)
		}
		if err == nil {
			continue
		}
		c.log.Warn("a control of the camera cannot be set", zap.String("control", ctl.Name), zap.Int32("value", v), zap.Error(err))
		if time.Since(began) >= mute {
			return
		}
	}
}

// closing waits until nobody asks the driver any more, and lets nobody begin.
func (c *Camera) closing() {
	c.settings.mu.Lock()
	defer c.settings.mu.Unlock()
	c.settings.open = nil
}

// inOrder puts what switches others on and off before them: automatic exposure before its time.
func inOrder(list []Control) []Control {
	list = slices.Clone(list)
	number := func(i int) bool { return list[i].Type == ControlInteger }
	sort.SliceStable(list, func(i, j int) bool { return !number(i) && number(j) })
	return list
}

// checkControls holds values against what the camera has.
func checkControls(list []Control, values map[string]int32) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		i := slices.IndexFunc(list, func(c Control) bool { return c.Name == name })
		if i < 0 {
			return fmt.Errorf("%w: it has no control %q", ErrControl, name)
		}
		switch c := list[i]; {
		case v < c.Min || v > c.Max:
			return fmt.Errorf("%w: %s is within %d..%d, not %d", ErrControl, name, c.Min, c.Max, v)
		case c.Step > 1 && (int64(v)-int64(c.Min))%int64(c.Step) != 0:
			return fmt.Errorf("%w: %s goes in steps of %d from %d, which %d is not one of", ErrControl, name, c.Step, c.Min, v)
		case c.Type == ControlMenu && !slices.ContainsFunc(c.Menu, func(m MenuItem) bool { return m.Value == v }):
			return fmt.Errorf("%w: the menu %s has no %d", ErrControl, name, v)
		}
	}
	return nil
}

// controlName makes a name of a label: "Exposure Time, Absolute" is exposure_time_absolute.
func controlName(label string) string {
	words := strings.FieldsFunc(strings.ToLower(label), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.Join(words, "_")
}
