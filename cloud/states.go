package cloud

import (
	"net/http"
	"time"

	"camward/camio"
)

// listStates answers with what a camera reported, the newest first.
func (s *Server) listStates(w http.ResponseWriter, r *http.Request) error {
	_, c, err := s.userCamera(r)
	if err != nil {
		return err
	}
	list, err := s.store.states(r.Context(), c.ID)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, list)
	return nil
}

// An outage is a time without pictures, for the eye. Of one that began before the oldest report that is kept, or that ended
// without being told, the time is zero.
type outage struct {
	Lost, Found time.Time
	Why, Again  string // the reasons of both; that of the end only where it is news
	Open        bool   // it lasts
	Lasted      time.Duration
}

// outages pairs reports, the newest first in both lists.
func outages(list []camio.CameraChange) []outage {
	var out []outage
	for _, c := range list {
		last := len(out) - 1
		switch {
		case c.Scene != "": // it is there
		case c.IsFound:
			out = append(out, outage{Found: c.Date.Time, Again: c.Reason})
		case last >= 0 && out[last].Lost.IsZero() && !out[last].Found.IsZero():
			o := &out[last]
			o.Lost, o.Why = c.Date.Time, c.Reason
			o.Lasted = max(0, o.Found.Sub(o.Lost))
		default:
			out = append(out, outage{Lost: c.Date.Time, Why: c.Reason, Open: last < 0})
		}
	}
	for i := range max(0, len(out)-1) {
		if out[i].Again == out[i+1].Again {
			out[i].Again = ""
		}
	}
	return out
}

// changesView is what a camera's page tells of its losses.
type changesView struct {
	State         *camio.CameraChange // the last one; nil: it never reported
	Recent, Older []outage
	Scenes        []sceneView // the newest first
}

// A sceneView is a change of the whole picture, for the eye.
type sceneView struct {
	Date time.Time
	What string
	Note string
}

// sceneWords say what the known changes are.
var sceneWords = map[string]string{
	"light": "Light switched or changed", "infra-red": "Infra-red filter moved, between day and night", "moved": "Camera moved, or it looks at something else",
	"covered": "Camera covered", "black": "Picture black", "frozen": "Picture frozen", "focus": "Picture out of focus",
}

// recentScenes stand on the page.
const recentScenes = 20

// recentOutages stand on the page; the others can be unfolded.
const recentOutages = 8

func (s *Server) changesView(r *http.Request, c *camera) (changesView, error) {
	v := changesView{State: c.State}
	list, err := s.store.states(r.Context(), c.ID)
	if err != nil {
		return v, err
	}
	v.Recent = outages(list)
	for _, c := range list {
		if c.Scene != "" && len(v.Scenes) < recentScenes {
			v.Scenes = append(v.Scenes, sceneView{c.Date.Time, or(sceneWords[c.Scene], "Picture changed: "+c.Scene), c.Reason})
		}
	}
	if len(v.Recent) > recentOutages {
		v.Recent, v.Older = v.Recent[:recentOutages], v.Recent[recentOutages:]
	}
	return v, nil
}
