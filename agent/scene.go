package agent

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/motion"
	"camward/video"
)

// ScenesConfig says who hears of changes of the whole picture, by their names. All are logged and counted, and the detector goes on in each case.
type ScenesConfig struct {
	Report []string `yaml:"report"` // told to the cloud, which shows them beside the times when the camera was lost
	Upload []string `yaml:"upload"` // recorded as an event of its own: a picture that the cloud finds by the label scene_<name>
}

// defaultScenes tells what may be somebody's doing, or a camera that has come to harm.
func defaultScenes() ScenesConfig {
	return ScenesConfig{Report: []string{"moved", "covered", "black", "frozen", "focus"}, Upload: []string{}}
}

// sceneNames are the names of all changes of the whole picture.
func sceneNames() (names []string) {
	for s := motion.SceneNone + 1; s.String() != "unknown"; s++ {
		names = append(names, s.String())
	}
	return names
}

func (c ScenesConfig) validate() (errs []error) {
	known := sceneNames()
	check := func(key string, list []string) {
		for _, n := range list {
			if !slices.Contains(known, n) {
				errs = append(errs, fmt.Errorf("scenes.%s: %q is none of %s", key, n, strings.Join(known, ", ")))
			}
		}
	}
	check("report", c.Report)
	check("upload", c.Upload)
	return errs
}

// sceneLabel is the cloud's label for a change of the whole picture.
func sceneLabel(name string) string {
	return camio.LabelScene + strings.ReplaceAll(name, "-", "_")
}

// sceneAgain is how soon a change of the same name is told again: one that comes and goes would fill log, cloud and spool.
const sceneAgain = 10 * time.Second

// A scenePace keeps changes of one name from being told too often.
type scenePace struct {
	told   bool
	at     time.Duration // when it was told last
	untold int           // how often it came since
}

// tell reports whether it is time to, and how often the change came since it was told last, this time included.
func (p *scenePace) tell(mono time.Duration) (times int, ok bool) {
	p.untold++
	if p.told && mono >= p.at && mono-p.at < sceneAgain {
		return 0, false
	}
	times = p.untold
	*p = scenePace{told: true, at: mono}
	return times, true
}

// sceneChanged counts a change of the whole picture and tells of it whoever is to hear. recorded: pictures may be recorded at this hour.
func (p *pipeline) sceneChanged(f *video.Frame, s motion.Scene, recorded bool) {
	name := s.String()
	p.mu.Lock()
	p.motion.ScenesNamed[name]++
	p.motion.LastScene = name
	p.mu.Unlock()
	pace := p.paces[name]
	if pace == nil {
		pace = new(scenePace)
		p.paces[name] = pace
	}
	times, ok := pace.tell(f.Mono)
	if !ok {
		return
	}
	p.log.Info("the whole picture has changed", zap.String("scene", name), zap.Int("times", times))
	if p.reportScene != nil && slices.Contains(p.scenes.Report, name) {
		reason := ""
		if times > 1 {
			reason = fmt.Sprintf("%d times since it was told last", times)
		}
		p.reportScene(name, p.when(f.Mono), reason)
	}
	if recorded && slices.Contains(p.scenes.Upload, name) {
		p.recorder.Picture(f, rand.Text()[:16], &camio.Track{Labels: []string{sceneLabel(name)}})
	}
}

// when is the wall time of a picture; zero while no clock is trusted.
func (p *pipeline) when(mono time.Duration) time.Time {
	if p.wall != nil {
		if t, trusted := p.wall(mono); trusted {
			return t
		}
	}
	return time.Time{}
}

// namedScenes is a copy, for the status.
func (m *MotionStatus) namedScenes() map[string]uint64 { return maps.Clone(m.ScenesNamed) }
