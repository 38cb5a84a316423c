package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"camward/motion"
	"camward/video"
)

// pagePrivacy is a camera's privacy mask as the page sees it. The camera itself bounds how much there may be.
type pagePrivacy struct {
	Areas [][][]float64 `json:"areas"`
	From  string        `json:"from"`
}

// privacyRoutes show and set what nobody is to see.
func (a *Agent) privacyRoutes(s pages) {
	const path = "/api/cameras/{camera}/privacy"
	s.HandlePage("GET "+path, page(a.forCamera(func(_ *http.Request, i int) (any, error) { return a.pagePrivacy(i), nil })))
	s.HandlePage("PUT "+path, page(a.forCamera(func(r *http.Request, i int) (any, error) {
		areas, err := readPrivacy(r)
		if err != nil {
			return nil, err
		}
		if err := a.device.setPrivacy(i, areas, pageSender(r)); err != nil {
			return nil, err
		}
		return a.pagePrivacy(i), nil
	})))
	s.HandlePage("DELETE "+path, page(a.forCamera(func(r *http.Request, i int) (any, error) {
		if err := a.device.resetPrivacy(i, pageSender(r)); err != nil {
			return nil, err
		}
		return a.pagePrivacy(i), nil
	})))
}

func (a *Agent) pagePrivacy(i int) pagePrivacy {
	areas, from := a.device.privacy(i)
	return pagePrivacy{corners(areas), from}
}

func readPrivacy(r *http.Request) ([]video.Polygon, error) {
	var in struct {
		Areas *[][][]float64 `json:"areas"`
	}
	if err := readPage(r, &in); err != nil {
		return nil, err
	}
	if in.Areas == nil {
		return nil, refuse(http.StatusBadRequest, "areas is needed")
	}
	return polygons("areas", *in.Areas)
}

// privacy gives a camera's mask as it holds, and where it comes from.
func (d *device) privacy(i int) (areas []video.Polygon, from string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	configured := d.agent.cfg.Cameras[i]
	if areas, set := d.kept.Privacy[configured.Name]; set {
		return areas, fromPage
	}
	return configured.Privacy, fromConfiguration
}

// mask makes a camera's privacy mask hold, for viewers who come later, too.
func (d *device) mask(i int) error {
	areas, _ := d.privacy(i)
	p := d.agent.cameras[i]
	if err := p.setPrivacy(areas); err != nil {
		return err
	}
	d.agent.live.Forget(p.name, time.Duration(p.masked.Load()))
	return nil
}

// setPrivacy makes the page's mask hold, and keeps it.
func (d *device) setPrivacy(i int, areas []video.Polygon, sender string) error {
	return d.changePrivacy(i, sender, func(k *kept, name string) { k.Privacy = with(k.Privacy, name, areas) })
}

// resetPrivacy goes back to the configuration.
func (d *device) resetPrivacy(i int, sender string) error {
	return d.changePrivacy(i, sender, func(k *kept, name string) {
		k.Privacy = maps.Clone(k.Privacy)
		delete(k.Privacy, name)
	})
}

// changePrivacy keeps a mask before it makes it hold: until then, and if that fails, the one before hides what it did.
func (d *device) changePrivacy(i int, sender string, edit func(k *kept, name string)) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	name := d.agent.cfg.Cameras[i].Name
	d.mu.Lock()
	before := d.kept
	edit(&d.kept, name)
	d.mu.Unlock()
	camera := d.agent.cfg.Cameras[i].Config
	camera.Privacy, _ = d.privacy(i)
	err := camera.Validate()
	if err != nil {
		err = refuse(http.StatusBadRequest, "%v", Faults(err)[0])
	} else if err = d.save(privacyOf(name), sender); err == nil {
		err = d.mask(i)
	}
	if err != nil {
		d.mu.Lock()
		d.kept = before
		d.mu.Unlock()
		return err
	}
	areas, from := d.privacy(i)
	d.log.Info("privacy mask changed", zap.String("camera", name), zap.Int("areas", len(areas)), zap.String("from", from), zap.String("by", sender))
	return nil
}

// wholePicture hides everything.
var wholePicture = []video.Polygon{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}

// rescuedPrivacy is what settings that cannot be read as a whole say of masks. Where they had some and it is not known which, nothing is
// shown until the page is asked anew.
func (d *device) rescuedPrivacy(settings []byte) map[string][]video.Polygon {
	var k struct {
		Privacy map[string][]video.Polygon `json:"privacy"`
	}
	switch {
	case json.Unmarshal(settings, &k) == nil:
		return k.Privacy
	case !bytes.Contains(settings, []byte(`"privacy`)): // the masks, or who made one
		return nil
	}
	all := map[string][]video.Polygon{}
	for _, p := range d.agent.cameras {
		all[p.name] = wholePicture
	}
	return all
}

// loadPrivacy makes the page's mask hold again; of one that cannot, everything is hidden.
func (d *device) loadPrivacy(i int) {
	err := d.mask(i)
	if err == nil {
		return
	}
	name := d.agent.cameras[i].name
	d.log.Error("the privacy mask set on the page does not hold any more, everything is hidden", zap.String("camera", name), zap.Error(err))
	d.mu.Lock()
	d.kept.Privacy = with(d.kept.Privacy, name, wholePicture)
	d.mu.Unlock()
	if err := d.mask(i); err != nil {
		d.log.Error("nothing can be hidden", zap.String("camera", name), zap.Error(err))
	}
}

func privacyOf(camera string) string { return "privacy of " + camera }

// KeepHidden replaces the privacy mask of the configuration by what the page has set, for who opens a camera without the agent. What cannot
// be read is an error: nothing may be shown then.
func (c *CameraConfig) KeepHidden(stateDir string) error {
	b, err := os.ReadFile(filepath.Join(stateDir, settingsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err != nil {
		return fmt.Errorf("privacy mask: %w", err)
	}
	if areas, set := k.Privacy[c.Name]; set {
		c.Privacy = areas
	}
	return nil
}

// setPrivacy changes what nobody is to see, from the next picture on. What was captured before is recorded only if it belongs to an event
// that had begun.
func (p *pipeline) setPrivacy(areas []video.Polygon) error {
	if err := p.camera.SetPrivacy(areas); err != nil {
		return err
	}
	p.masked.Store(int64(video.Now()))
	return nil
}

// renewed begins anew after a change of the mask: the ring ends, and with it an event, and the detector learns what the picture is now.
func (p *pipeline) renewed() {
	p.recorder.CameraLost()
	p.traces.forget()
	d, err := motion.New(p.config)
	if err != nil {
		p.log.Error("the detector does not learn anew", zap.Error(err))
		return
	}
	p.detector = d
}

// A sieve tells the pictures in a queue that may be from before a change from those after it.
type sieve struct {
	changed *atomic.Int64 // video.Now at the last change, ns; 0: never; nil: there is none
	depth   int           // of the queue
	known   int64         // what changed was when the last picture came
	passed  int           // pictures since
	done    bool          // they are from after it
}

// old reports whether a picture may be from before the last change, and whether it is the last such. The stamps of a recording that cannot
// be played in time fall behind; so no more than a queue's pictures are old.
func (s *sieve) old(f *video.Frame) (old, last bool) {
	if s.changed == nil {
		return false, false
	}
	at := s.changed.Load()
	if at != s.known {
		s.known, s.passed, s.done = at, 0, false
	}
	if s.done || at == 0 {
		return false, false
	}
	// The first one after the change is let go, too: what was under way between mask and hub came before it.
	s.passed++
	s.done = int64(f.Mono) > at || s.passed > s.depth+1
	return true, s.done
}
