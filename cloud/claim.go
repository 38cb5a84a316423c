package cloud

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"time"

	"camward/camio"
)

// ClaimFrom says from where people may claim a device.
//
// A claimed camera uploads to whoever claimed it, so that a stranger must not be quicker than the owner. But nothing in a poll
// proves anything: it is sent without credentials, a MAC address is no secret, and ordinary firmware can show no code that
// only somebody beside the camera could read. What a stranger cannot easily have is the camera's network: with
// ClaimNearby the person must come from where the device polls from, and for some time nobody may have polled with its MAC address
// from elsewhere (a stranger could poll in its name just to be near it). A stranger's polls can therefore hinder a
// claim, which the operator can make all the same (camward-cloud camera claim), but not take the camera.
//
// What remains: somebody with an account can poll and claim for a MAC address that has never been heard of. The owner then sees the
// camera refused as another's. Config.TokenToFirstAddress keeps such a camera from being told the stranger's token. Behind a
// reverse proxy that is not among Config.TrustedProxies all addresses are the proxy's and ClaimNearby refuses nobody.
type ClaimFrom string

// The places.
const (
	ClaimNearby   ClaimFrom = "nearby"   // the address (IPv6: the /64) that the device polls from; or both in private networks
	ClaimAnywhere ClaimFrom = "anywhere" // any address, and before the device is heard of; for servers whose users trust each other
)

// claimWindow is how recently a device must have polled to be claimed, and for how long a poll from elsewhere stands in
// the way.
const claimWindow = 15 * time.Minute

// claimState says how a device stands to the account that asks.
type claimState string

const (
	claimReady     claimState = "ready"     // may be claimed
	claimMine      claimState = "mine"      // is claimed by this account
	claimTheirs    claimState = "theirs"    // by another
	claimUnheard   claimState = "unheard"   // has not polled, or not lately
	claimElsewhere claimState = "elsewhere" // polls from another network than the person's
	claimDisputed  claimState = "disputed"  // polls from two networks
)

// refusals are for clients of the API; the page says it at more length.
var refusals = map[claimState]error{
	claimTheirs:    errClaimed,
	claimUnheard:   errors.New("the camera has not asked for its configuration lately: plug it in, wait for its next poll, try again"),
	claimElsewhere: errors.New("the camera asks from another network than yours: claim it from its own network, or let the operator do it"),
	claimDisputed:  errors.New("polls for this camera come from two networks: try again a quarter of an hour after the other has ended, or let the operator do it"),
}

// isClaimRefusal tells errors that are the claimer's to mend.
func isClaimRefusal(err error) bool {
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return true
		}
	}
	var told *camio.Error
	return errors.Is(err, errNameTaken) || errors.As(err, &told)
}

// claimStateOf judges a device for an account and the address of its request. The device is nil if it never polled, the
// camera unless it is the account's.
func (s *Server) claimStateOf(r *http.Request, q querier, acc *account, mac string) (claimState, *device, *camera, error) {
	d, err := optional(deviceByMAC(r.Context(), q, mac))
	if err != nil {
		return "", nil, nil, err
	}
	cam, err := optional(cameraByMAC(r.Context(), q, mac))
	if err != nil {
		return "", nil, nil, err
	}
	switch now := s.now(); {
	case cam != nil && cam.Account == acc.ID:
		return claimMine, d, cam, nil
	case cam != nil:
		return claimTheirs, d, nil, nil
	case s.cfg.ClaimFrom == ClaimAnywhere:
		return claimReady, d, nil, nil
	case d == nil || now.Sub(d.LastPoll) > claimWindow:
		return claimUnheard, d, nil, nil
	case !nearby(d.IP, peer(r)):
		return claimElsewhere, d, nil, nil
	case d.Other.IsValid() && now.Sub(d.OtherPoll) <= claimWindow:
		return claimDisputed, d, nil, nil
	}
	return claimReady, d, nil, nil
}

// claimFor claims a device for who is signed in, if its state allows. Claiming one's own renames it.
func (s *Server) claimFor(r *http.Request, tx *sql.Tx, acc *account, mac, name string) (claimState, error) {
	state, _, _, err := s.claimStateOf(r, tx, acc, mac)
	if err != nil {
		return state, err
	}
	if refusal := refusals[state]; refusal != nil {
		return state, refusal
	}
	return state, claim(r.Context(), tx, acc.ID, mac, name, s.now())
}

// optional turns errNotFound into nil.
func optional[T any](v *T, err error) (*T, error) {
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	return v, err
}

// freeName suggests a name for a device: that of the account's camera with its MAC address as camera_id, else one not yet used.
func freeName(ctx context.Context, q querier, account int64, mac string) (string, error) {
	list, err := cameras(ctx, q, account)
	if err != nil {
		return "", err
	}
	for _, c := range list {
		if c.MAC == "" && c.CameraID == mac {
			return c.Name, nil
		}
	}
	for _, name := range []string{"front door", "back yard", "drive", "garage", "hall"} {
		if named(list, name) == nil {
			return name, nil
		}
	}
	return "camera " + mac[8:], nil
}
