package cloud

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"go.uber.org/zap"

	"camward/camio"
)

// pollBody is what a POST or PUT may carry beside or instead of the query.
type pollBody struct {
	Maker        string         `json:"maker"`
	Model        string         `json:"model"`
	LocalAddress string         `json:"ip_address_local"`
	Results      []camio.Result `json:"results"`
}

// maxResults bounds what one report may store; a camera has a handful of commands.
const maxResults = 50

// maxParameter bounds maker, model and local address, in bytes.
const maxParameter = 200

// poll answers a camera that asks for its configuration. Nobody authenticates here: firmware polls over plain HTTP
// without credentials, and an unclaimed camera has none. A claimed camera's answer carries the owner's upload token,
// which permits uploading and nothing else; the rate limit keeps strangers from trying MAC addresses, and
// Config.TokenToFirstAddress keeps the token from those who know one.
func (s *Server) poll(w http.ResponseWriter, r *http.Request) error {
	if err := limit(w, r, s.pollLimit); err != nil {
		return err
	}
	mac, ok := parseMAC(pathVar(r, "mac"))
	if !ok {
		return badRequest("%q is not a MAC address", pathVar(r, "mac"))
	}
	body, err := readPoll(w, r)
	if err != nil {
		return err
	}
	out := camio.PollReply{IPAddress: peer(r).String(), MACAddress: mac, UserAgent: r.UserAgent()}
	err = s.store.write(r.Context(), func(tx *sql.Tx) error { return s.answerPoll(r, tx, body, &out) })
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, out)
	return nil
}

// readPoll collects the parameters; those of the query are stronger.
func readPoll(w http.ResponseWriter, r *http.Request) (*pollBody, error) {
	var b []byte
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		var err error
		if b, err = readBody(w, r); err != nil {
			return nil, err
		}
	}
	return parsePoll(r.URL.Query(), r.Header.Get("Content-Type"), b)
}

// parsePoll reads what a stranger sent: texts come out short, in one line and printable. A body that is neither JSON nor a form
// counts as none, unless it claims to be JSON.
func parsePoll(q url.Values, contentType string, body []byte) (*pollBody, error) {
	var p pollBody
	t := strings.TrimSpace(string(body))
	if strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") || t != "" && strings.HasPrefix(contentType, "application/json") {
		if err := json.Unmarshal(body, &p); err != nil {
			return nil, badRequest("The body is not the JSON expected: %v", err)
		}
	} else if form, err := url.ParseQuery(t); err == nil {
		p.Maker, p.Model, p.LocalAddress = form.Get("maker"), form.Get("model"), form.Get("ip_address_local")
	}
	for name, v := range map[string]*string{"maker": &p.Maker, "model": &p.Model, "ip_address_local": &p.LocalAddress} {
		*v = or(q.Get(name), *v)
		if len(*v) > maxParameter {
			return nil, badRequest("The parameter %s has more than %d bytes", name, maxParameter)
		}
		*v = tame(*v, maxParameter)
	}
	return &p, checkResults(p.Results)
}

// checkResults refuses what no camera means.
func checkResults(list []camio.Result) error {
	if len(list) > maxResults {
		return badRequest("More than %d results", maxResults)
	}
	for i, c := range list {
		switch {
		case c.ID == "" || c.State == "":
			return badRequest("results[%d] needs id and state", i)
		case c.HTTPStatus < 0 || c.HTTPStatus > 999:
			return badRequest("results[%d].http_status is not an HTTP status", i)
		}
	}
	return nil
}

// answerPoll records the device and fills in the reply. A device that has polled before need not repeat its maker and
// model: the poll address that cameras are given leaves the model out.
func (s *Server) answerPoll(r *http.Request, tx *sql.Tx, p *pollBody, out *camio.PollReply) error {
	ctx, now := r.Context(), s.now()
	known, err := optional(deviceByMAC(ctx, tx, out.MACAddress))
	if err != nil {
		return err
	}
	cam, err := optional(cameraByMAC(ctx, tx, out.MACAddress))
	if err != nil {
		return err
	}
	if p.Maker == "" && known == nil && cam == nil {
		return badRequest("The parameter maker is missing")
	}
	d := &device{MAC: out.MACAddress, Maker: p.Maker, Model: p.Model, Local: p.LocalAddress, IP: peer(r), UserAgent: tame(out.UserAgent, 300)}
	if known != nil {
		d.Maker, d.Model = or(d.Maker, known.Maker), or(d.Model, known.Model)
	}
	out.Maker, out.Model = d.Maker, d.Model
	if cam != nil && known != nil && s.cfg.TokenToFirstAddress && !sameSource(known.Trusted, d.IP) {
		return s.answerStranger(r, tx, known, d, out)
	}
	if err := notePoll(ctx, tx, known, d, now); err != nil {
		return err
	}
	if err := storeResults(ctx, tx, d.MAC, p.Results, now); err != nil {
		return err
	}
	list, token, err := s.commands(r, tx, d, cam)
	if err != nil {
		return err
	}
	out.Commands = list
	return s.dateCommands(ctx, tx, d.MAC, token, list, true)
}

// answerStranger tells an address that is not the camera's what any unclaimed camera is told. Nothing that it says of
// itself is believed.
func (s *Server) answerStranger(r *http.Request, tx *sql.Tx, known, d *device, out *camio.PollReply) (err error) {
	if known.Other != d.IP {
		s.log.Warn("camera polls from another address than before and is not told the upload token", zap.String("mac", d.MAC),
			zap.Stringer("address", d.IP), zap.Stringer("expected", known.Trusted))
	}
	if err := noteStranger(r.Context(), tx, d.MAC, d.IP, s.now()); err != nil {
		return err
	}
	if out.Commands, _, err = s.commands(r, tx, known, nil); err != nil {
		return err
	}
	return s.dateCommands(r.Context(), tx, d.MAC, "", out.Commands, false)
}

// clip cuts s to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// isShown tells whether a character shows as itself and leaves its neighbours alone.
func isShown(c rune) bool {
	return unicode.IsPrint(c) && !reorders(c) && !unicode.Is(unicode.Bidi_Control, c)
}
