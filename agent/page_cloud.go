package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"rsc.io/qr"

	"camward/camio"
	"camward/provision"
)

// cloudRoutes are what goes to the cloud and what comes from there.
func (a *Agent) cloudRoutes(s pages) {
	s.HandlePage("GET /api/queue", page(func(*http.Request) (any, error) {
		spool, err := a.spool.opened()
		if err != nil {
			return nil, refuse(http.StatusServiceUnavailable, "%v", err)
		}
		return spool.Items(), nil
	}))
	s.HandlePage("POST /api/queue/retry", page(func(*http.Request) (any, error) {
		list, err := a.spool.retryAll()
		if err != nil {
			return nil, refuse(http.StatusServiceUnavailable, "%v", err)
		}
		return list, nil
	}))
	s.HandlePage("GET /api/commands", page(func(*http.Request) (any, error) { return a.commands(), nil }))
	for verb, do := range map[string]func(string) error{"approve": a.poller.Approve, "refuse": a.poller.Reject} {
		s.HandlePage("POST /api/commands/{id}/"+verb, page(func(r *http.Request) (any, error) {
			err := do(r.PathValue("id"))
			switch {
			case errors.Is(err, provision.ErrUnknown):
				return nil, refuse(http.StatusNotFound, "%v", err)
			case errors.Is(err, provision.ErrState):
				return nil, refuse(http.StatusConflict, "%v", err)
			case err != nil:
				return nil, err
			}
			return a.commands(), nil
		}))
	}
	s.HandlePage("GET /api/claim", page(a.pageClaim))
	var asking sync.Mutex
	s.HandlePage("POST /api/token/check", page(func(r *http.Request) (any, error) {
		if !asking.TryLock() {
			return nil, refuse(http.StatusTooManyRequests, "a token is being checked already")
		}
		defer asking.Unlock()
		return a.pageToken(r)
	}))
}

func (a *Agent) pageClaim(*http.Request) (any, error) {
	url := a.base.String() + "/claim/" + a.id.MAC
	drawing, err := qrSVG(url)
	if err != nil {
		return nil, err
	}
	return struct {
		Claimed bool   `json:"claimed"`
		URL     string `json:"url"`
		PIN     string `json:"pin"` // there is none: who stands before the camera sees the code
		MAC     string `json:"mac"`
		QR      string `json:"qr"`
	}{a.poller.Status().Claimed, url, "", a.id.MAC, drawing}, nil
}

// qrSVG draws text as a QR code, black on white with the four quiet modules that ISO/IEC 18004 wants.
func qrSVG(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", fmt.Errorf("QR code: %w", err)
	}
	const quiet = 4
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	side := code.Size + 2*quiet
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`,
		side, side, 4*side, 4*side, side, side, &path), nil
}

// pageToken asks the cloud whose account a token belongs to. That the cloud does not know it is an answer, too.
func (a *Agent) pageToken(r *http.Request) (any, error) {
	var in struct {
		Token string `json:"token"`
	}
	if err := readPage(r, &in); err != nil {
		return nil, err
	}
	if len(in.Token) > 256 {
		return nil, refuse(http.StatusBadRequest, "an upload token is shorter than that")
	}
	cloud, token := a.tokenInUse()
	if in.Token != "" {
		token = camio.Secret(in.Token)
	}
	type problem struct {
		Problem string `json:"problem"`
		Advice  string `json:"advice"`
	}
	if token == "" {
		return problem{"no token", "Claim this camera, or set cloud.upload_token."}, nil
	}
	email, err := cloud.TokenHint(r.Context(), token)
	if hint := (*HintError)(nil); errors.As(err, &hint) {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return problem{string(hint.Problem), hint.Advice}, nil
	} else if err != nil {
		return nil, err
	}
	return struct {
		Email string `json:"email"`
	}{email}, nil
}

// tokenInUse is the upload token that recordings are sent with, and the cloud that they go to.
func (a *Agent) tokenInUse() (CloudConfig, camio.Secret) {
	cloud := a.cfg.Cloud
	if _, h := a.device.alarms(); h.Enabled && h.Base != nil {
		cloud.URL = h.Base.String()
		return cloud, h.Token
	}
	return cloud, cloud.UploadToken
}
