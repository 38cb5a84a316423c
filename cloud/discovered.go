package cloud

import (
	"database/sql"
	"net/http"
)

// discovered is one entry of the calls under /api/cameras/discovered, which real clients use to claim the cameras that
// they found on the local network.
type discovered struct {
	CameraID string `json:"camera_id,omitempty"`
	Name     string `json:"name"`
	MAC      string `json:"mac_address"`
	Maker    string `json:"maker,omitempty"`
	Model    string `json:"model,omitempty"`
}

func (s *Server) getDiscovered(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	list, err := cameras(r.Context(), s.store.r, acc.ID)
	if err != nil {
		return err
	}
	out := map[string]discovered{}
	for _, c := range list {
		if c.MAC != "" {
			out[c.MAC] = discovered{CameraID: c.CameraID, Name: c.Name, MAC: c.MAC}
		}
	}
	reply(w, out)
	return nil
}

// postDiscovered claims every entry that has a name and a MAC address, or none of them. What holds for the claim page
// holds here: see claimState.
func (s *Server) postDiscovered(w http.ResponseWriter, r *http.Request) error {
	acc, err := s.user(r)
	if err != nil {
		return err
	}
	if err := limit(w, r, s.claimLimit); err != nil {
		return err
	}
	var in map[string]discovered
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	err = s.store.write(r.Context(), func(tx *sql.Tx) error {
		for key, d := range in {
			mac, ok := parseMAC(or(d.MAC, key))
			if !ok {
				return badRequest("%s: mac_address %q is not a MAC address", key, d.MAC)
			}
			if err := checkCameraName(d.Name); err != nil {
				return badRequest("%s: %v", key, err)
			}
			if _, err := s.claimFor(r, tx, acc, mac, d.Name); isClaimRefusal(err) {
				return badRequest("%s: %v", key, err)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.getDiscovered(w, r)
}
