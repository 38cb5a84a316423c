package cloud

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

type claimData struct {
	layout
	State   claimState
	MAC     string // in pairs, as it stands on the camera
	Path    string // of this page
	Device  *deviceView
	Camera  string // its name, if it is claimed by who is signed in
	Name    string // suggested or typed before
	Message string
}

// deviceView is a device for the eye.
type deviceView struct {
	MAC       string // in pairs
	Kind      string // maker and model
	Local     string
	Address   string
	UserAgent string
	FirstPoll time.Time
	LastPoll  time.Time
	Ago       time.Duration // since the last poll
}

func (s *Server) deviceView(d *device) *deviceView {
	return &deviceView{MAC: pairs(d.MAC), Kind: strings.TrimSpace(d.Maker + " " + d.Model), Local: d.Local, Address: addrText(d.IP),
		UserAgent: d.UserAgent, FirstPoll: d.FirstPoll, LastPoll: d.LastPoll, Ago: s.now().Sub(d.LastPoll)}
}

// pairs writes a canonical MAC address as it is printed on devices.
func pairs(mac string) string {
	var b strings.Builder
	for i := 0; i+1 < len(mac); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(mac[i : i+2])
	}
	return b.String()
}

// pathMAC reads the MAC address in a page's path.
func pathMAC(r *http.Request) (string, error) {
	mac, ok := parseMAC(pathVar(r, "mac"))
	if !ok {
		return "", refuse(http.StatusNotFound, "This is not a camera's address. A MAC address has twelve digits, like 00:E0:4C:C2:7C:C5.")
	}
	return mac, nil
}

// claimPage is where the QR code leads that an agent shows. What is known of a device is shown only to who may claim it.
func (s *Server) claimPage(w http.ResponseWriter, r *http.Request) error {
	acc, l, err := s.signedIn(r, "Add a camera")
	if err != nil {
		return err
	}
	if err := limit(w, r, s.claimLimit); err != nil {
		return err
	}
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	return s.renderClaim(w, r, acc, mac, claimData{layout: l}, http.StatusOK)
}

func (s *Server) renderClaim(w http.ResponseWriter, r *http.Request, acc *account, mac string, d claimData, status int) error {
	state, dev, cam, err := s.claimStateOf(r, s.store.r, acc, mac)
	if err != nil {
		return err
	}
	d.State, d.MAC, d.Path = state, pairs(mac), "/claim/"+mac
	if dev != nil && (state == claimReady || state == claimMine) {
		d.Device = s.deviceView(dev)
	}
	switch state {
	case claimMine:
		d.Camera = cam.Name
	case claimReady:
		if d.Name == "" {
			if d.Name, err = freeName(r.Context(), s.store.r, acc.ID, mac); err != nil {
				return err
			}
		}
	case claimUnheard, claimElsewhere, claimDisputed:
		w.Header().Set("Refresh", "5")
	}
	return s.pages.render(w, status, "claim", d)
}

func (s *Server) claimSubmit(w http.ResponseWriter, r *http.Request) error {
	acc, l, err := s.signedIn(r, "Add a camera")
	if err != nil {
		return err
	}
	if err := limit(w, r, s.claimLimit); err != nil {
		return err
	}
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	d := claimData{layout: l, Name: strings.TrimSpace(r.PostFormValue("name"))}
	if err := checkCameraName(d.Name); err != nil {
		d.Message = sentence(err)
		return s.renderClaim(w, r, acc, mac, d, http.StatusBadRequest)
	}
	err = s.store.write(r.Context(), func(tx *sql.Tx) error {
		_, err := s.claimFor(r, tx, acc, mac, d.Name)
		return err
	})
	if isClaimRefusal(err) {
		s.log.Info("claim refused", zap.String("mac", mac), zap.String("user", acc.UserID), zap.Stringer("address", peer(r)), zap.Error(err))
		d.Message = claimMessage(err)
		return s.renderClaim(w, r, acc, mac, d, http.StatusConflict)
	}
	if err != nil {
		return err
	}
	s.log.Info("claimed", zap.String("mac", mac), zap.String("user", acc.UserID), zap.Stringer("address", peer(r)))
	http.Redirect(w, r, "/devices/"+mac, http.StatusSeeOther)
	return nil
}

// claimMessage is empty where the page itself says what is wrong.
func claimMessage(err error) string {
	if errors.Is(err, errNameTaken) || errors.Is(err, errClaimed) && strings.HasPrefix(err.Error(), "name ") {
		return "Another of your cameras has this name."
	}
	var told *camio.Error
	if errors.As(err, &told) {
		return told.Message
	}
	return ""
}

func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// waiting lists the devices that the signed-in person may claim at once, for the home page.
func (s *Server) waiting(r *http.Request, acc *account) ([]*deviceView, error) {
	macs, err := recentUnclaimed(r.Context(), s.store.r, s.now().Add(-claimWindow))
	if err != nil {
		return nil, err
	}
	var list []*deviceView
	for _, mac := range macs {
		state, d, _, err := s.claimStateOf(r, s.store.r, acc, mac)
		if err != nil {
			return nil, err
		}
		if state == claimReady && d != nil && nearby(d.IP, peer(r)) {
			list = append(list, s.deviceView(d))
		}
	}
	return list, nil
}

// recentUnclaimed lists MAC addresses that polled since then and belong to nobody, the last first.
func recentUnclaimed(ctx context.Context, q querier, since time.Time) ([]string, error) {
	var list []string
	err := rows(ctx, q, func(r *sql.Rows) error {
		var mac string
		err := r.Scan(&mac)
		list = append(list, mac)
		return err
	}, `SELECT mac FROM devices d WHERE last_poll >= ? AND NOT EXISTS (SELECT 1 FROM cameras c WHERE c.mac = d.mac)
		ORDER BY last_poll DESC LIMIT 20`, millis(since))
	return list, err
}
