package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"camward/board/cgi"
	"camward/camio"
	"camward/capture"
	"camward/motion"
)

// keptDetection is what the page sets of a camera's detector.
type keptDetection struct {
	motion.Config
	ZonesNewer bool // the cloud's zones came after it: what they silence holds instead of Include and Exclude
}

// Where a detector's settings come from.
const (
	fromConfiguration = "configuration"
	fromPage          = "page"
	fromCloud         = "cloud"
)

// loadPage makes hold what the page has set before. It is called before a camera is opened, so that no picture leaves without its privacy mask.
func (d *device) loadPage(k kept) {
	for i, p := range d.agent.cameras {
		p.controls.KeepControls(k.Controls[p.name])
		if _, set := k.Privacy[p.name]; set {
			d.loadPrivacy(i)
		}
		if _, set := k.Detection[p.name]; !set {
			continue
		}
		if err := d.detect(i); err != nil {
			d.log.Error("what the page set of the detector does not hold any more", zap.String("camera", p.name), zap.Error(err))
		}
	}
}

// detection gives a camera's settings as they hold, and where they come from.
func (d *device) detection(i int) (cfg motion.Config, from string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.effective(d.kept, i)
}

func (d *device) effective(k kept, i int) (cfg motion.Config, from string) {
	configured := d.agent.cfg.Cameras[i]
	cfg, from = configured.Motion, fromConfiguration
	page, set := k.Detection[configured.Name]
	if set {
		cfg, from = page.Config, fromPage
	}
	if cfg.Zones == nil { // the page has not set any; an empty list says that there are none
		cfg.Zones = configured.Motion.Zones
	}
	if i > 0 || k.Zones == nil || set && !page.ZonesNewer {
		return cfg, from
	}
	masks := silenced(k.Zones)
	cfg.Include, cfg.Exclude = configured.Motion.Include, slices.Concat(configured.Motion.Exclude, masks)
	if set || len(masks) > 0 {
		from = fromCloud
	}
	return cfg, from
}

// silenced are the parts of the first camera's picture that negative zones cover. Other zones only have names: what moves in them is for
// the cloud to tell.
func silenced(z *cgi.Zones) (masks []motion.Polygon) {
	if z == nil {
		return nil
	}
	for _, zone := range z.Zones {
		if !strings.HasPrefix(zone.Name, "-") {
			continue
		}
		for _, p := range zone.Polygons {
			if mask := motion.FromWire(p); !motion.Flat(mask) {
				masks = append(masks, mask)
			}
		}
	}
	return masks
}

// maskedAnew notes that the cloud's zones are newer than what the page has set, if they silence anything else than before: a cloud may
// send what it sent already. d.mu is held.
func (d *device) maskedAnew(z cgi.Zones) {
	same := slices.EqualFunc(silenced(d.kept.Zones), silenced(&z), func(a, b motion.Polygon) bool { return slices.Equal(a, b) })
	if same || len(d.agent.cfg.Cameras) == 0 {
		return
	}
	name := d.agent.cfg.Cameras[0].Name
	if page, set := d.kept.Detection[name]; set {
		page.ZonesNewer = true
		d.kept.Detection = with(d.kept.Detection, name, page)
	}
}

// with is a copy of m that has one more entry.
func with[V any](m map[string]V, key string, v V) map[string]V {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]V{}
	}
	m[key] = v
	return m
}

// detect makes a camera's settings hold, without learning anew.
func (d *device) detect(i int) error {
	if i >= len(d.agent.cameras) {
		return nil
	}
	cfg, _ := d.detection(i)
	if err := cfg.Validate(); err != nil {
		return err
	}
	d.agent.cameras[i].setDetection(cfg)
	return nil
}

// setDetection makes the page's settings hold, and keeps them.
func (d *device) setDetection(i int, cfg motion.Config, sender string) error {
	return d.changeDetection(i, sender, func(k *kept, name string) {
		k.Detection = with(k.Detection, name, keptDetection{Config: cfg})
	})
}

// resetDetection goes back to the configuration: what the page set is forgotten, and so is what the cloud's zones silence.
func (d *device) resetDetection(i int, sender string) error {
	return d.changeDetection(i, sender, func(k *kept, name string) {
		k.Detection = maps.Clone(k.Detection)
		delete(k.Detection, name)
		if i == 0 && k.Zones != nil {
			rest := slices.DeleteFunc(slices.Clone(k.Zones.Zones), func(z camio.Zone) bool { return strings.HasPrefix(z.Name, "-") })
			k.Zones = &cgi.Zones{Zones: rest}
		}
	})
}

func (d *device) changeDetection(i int, sender string, edit func(k *kept, name string)) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	name := d.agent.cfg.Cameras[i].Name
	d.mu.Lock()
	before := d.kept
	edit(&d.kept, name)
	d.mu.Unlock()
	err := d.detect(i)
	if err == nil {
		err = d.save(detectionOf(name), sender)
	}
	if err == nil {
		return nil
	}
	d.mu.Lock()
	d.kept = before
	d.mu.Unlock()
	return errors.Join(err, d.detect(i))
}

// A settable camera has controls; it is a *capture.Camera.
type settable interface {
	Controls() ([]capture.Control, error)
	SetControls(values map[string]int32) ([]capture.Control, error) // all or none, and again when it is opened anew
	KeepControls(values map[string]int32)                           // replaces what is set then
}

// setControls sets and keeps a camera's controls, all or none.
func (d *device) setControls(i int, values map[string]int32, sender string) ([]capture.Control, error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	p := d.agent.cameras[i]
	was, err := p.controls.Controls()
	if err != nil {
		return nil, err
	}
	list, err := p.controls.SetControls(values)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	before := d.kept
	all := maps.Clone(before.Controls[p.name])
	if all == nil {
		all = map[string]int32{}
	}
	maps.Copy(all, values)
	d.kept.Controls = with(before.Controls, p.name, all)
	d.mu.Unlock()
	if err = d.save(controlsOf(p.name), sender); err == nil {
		return list, nil
	}
	d.mu.Lock()
	d.kept = before
	d.mu.Unlock()
	back := map[string]int32{}
	for _, c := range was {
		if _, set := values[c.Name]; set {
			back[c.Name] = c.Value
		}
	}
	_, fault := p.controls.SetControls(back)
	p.controls.KeepControls(before.Controls[p.name])
	return nil, errors.Join(err, fault)
}

// The names of the page's settings where those of forms stand.
func detectionOf(camera string) string { return "detection of " + camera }
func controlsOf(camera string) string  { return "controls of " + camera }

// pageStatus lists what the page has set.
func (k kept) pageStatus() (list []SettingStatus) {
	add := func(form, value string) {
		m := k.Made[form]
		list = append(list, SettingStatus{form, m.By, m.At, value})
	}
	for _, name := range slices.Sorted(maps.Keys(k.Detection)) {
		c := k.Detection[name]
		add(detectionOf(name), fmt.Sprintf("%d include, %d exclude, area %g, contrast %g, duration %v%s", len(c.Include), len(c.Exclude), c.MinArea, c.MinContrast, c.MinDuration, zoneCount(c.Zones)))
	}
	for _, name := range slices.Sorted(maps.Keys(k.Controls)) {
		add(controlsOf(name), strings.TrimPrefix(fmt.Sprint(k.Controls[name]), "map"))
	}
	for _, name := range slices.Sorted(maps.Keys(k.Privacy)) {
		add(privacyOf(name), fmt.Sprintf("hidden areas: %d", len(k.Privacy[name])))
	}
	return list
}

// zoneCount is for the status: how many zones were set, if any were.
func zoneCount(zones []motion.Zone) string {
	if zones == nil {
		return ""
	}
	return fmt.Sprintf(", %d zones", len(zones))
}
