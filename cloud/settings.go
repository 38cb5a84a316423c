package cloud

import (
	"encoding/json"
	"net/http"
)

// preference says whether and how one kind of notification is sent.
type preference struct {
	State   string `json:"state"`
	Method  string `json:"method"`
	Options string `json:"options"`
}

// settings is the account's settings object. UploadToken is read-only.
type settings struct {
	Notifications map[string]preference `json:"notifications"`
	UploadToken   string                `json:"upload_token"`
	Recording     bool                  `json:"recording_enabled"`
}

// notificationTypes are the five of the document's example; its prose says four.
var notificationTypes = []string{"motion_alerts", "camera_diagnostics", "announcements", "newsletters", "camio_daily"}

func (s *Server) settingsOf(acc *account) (*settings, error) {
	out := &settings{Notifications: make(map[string]preference), Recording: acc.Recording}
	for _, t := range notificationTypes {
		out.Notifications[t] = preference{State: "ON", Method: "EMAIL"}
	}
	if acc.Notifications != "" {
		if err := json.Unmarshal([]byte(acc.Notifications), &out.Notifications); err != nil {
			return nil, err
		}
	}
	var err error
	out.UploadToken, err = s.secrets.openToken(acc.UploadSealed, acc.UserID)
	return out, err
}

func (s *Server) getSettings(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	out, err := s.settingsOf(acc)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, out)
	return nil
}

// setSettings merges what the body holds; one wrong value and nothing is applied.
func (s *Server) setSettings(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	var in struct {
		Notifications map[string]struct {
			State, Method *string
			Options       string
		} `json:"notifications"`
		Recording *bool `json:"recording_enabled"`
	}
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	out, err := s.settingsOf(acc)
	if err != nil {
		return err
	}
	for t, p := range in.Notifications {
		if _, ok := out.Notifications[t]; !ok {
			return badRequest("There is no notification type %q", t)
		}
		if p.State == nil || (*p.State != "ON" && *p.State != "OFF") {
			return badRequest("%s.state is neither ON nor OFF", t)
		}
		if p.Method == nil || (*p.Method != "EMAIL" && *p.Method != "PUSH") {
			return badRequest("%s.method is neither EMAIL nor PUSH", t)
		}
		if len(p.Options) > 1000 {
			return badRequest("%s.options has more than 1000 bytes", t)
		}
		out.Notifications[t] = preference{*p.State, *p.Method, p.Options}
	}
	if in.Recording != nil {
		out.Recording = *in.Recording
	}
	b, err := json.Marshal(out.Notifications)
	if err != nil {
		return err
	}
	if err := s.store.setSettings(r.Context(), acc.ID, out.Recording, string(b)); err != nil {
		return err
	}
	reply(w, out)
	return nil
}
