package cloud

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"camward/camio"
)

// pollBody is what a POST or PUT may carry beside or instead of the query.
type pollBody struct {
	Maker        string          `json:"maker"`
	Model        string          `json:"model"`
	LocalAddress string          `json:"ip_address_local"`
	Results      []commandResult `json:"results"`
}

// commandResult tells what became of a command. State is the camera's word for it.
type commandResult struct {
	ID          string `json:"id"`
	DateUpdated string `json:"date_updated"`
	State       string `json:"state"`
	HTTPStatus  int    `json:"http_status"`
	Answer      string `json:"answer"`
	At          string `json:"at"`
}

// maxResults bounds what one report may store; a camera has a handful of commands.
const maxResults = 50

// poll answers a camera that asks for its configuration. Nobody authenticates here: firmware polls over plain HTTP
// without credentials, and an unclaimed camera has none. A claimed camera's answer carries the owner's upload token,
// which permits uploading and nothing else; the rate limit keeps strangers from trying MAC addresses.
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
	var p pollBody
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		b, err := readBody(w, r)
		if err != nil {
			return nil, err
		}
		if t := strings.TrimSpace(string(b)); strings.HasPrefix(t, "{") {
			if err := json.Unmarshal(b, &p); err != nil {
				return nil, badRequest("The body is not the JSON expected: %v", err)
			}
		} else if form, err := url.ParseQuery(t); err == nil {
			p.Maker, p.Model, p.LocalAddress = form.Get("maker"), form.Get("model"), form.Get("ip_address_local")
		}
	}
	q := r.URL.Query()
	p.Maker = or(q.Get("maker"), p.Maker)
	p.Model = or(q.Get("model"), p.Model)
	p.LocalAddress = or(q.Get("ip_address_local"), p.LocalAddress)
	if max(len(p.Maker), len(p.Model), len(p.LocalAddress)) > 200 {
		return nil, badRequest("A parameter has more than 200 bytes")
	}
	if len(p.Results) > maxResults {
		return nil, badRequest("More than %d results", maxResults)
	}
	return &p, nil
}

// answerPoll records the device and fills in the reply. A device that has polled before need not repeat its maker and
// model: the poll address that cameras are given leaves the model out.
func (s *Server) answerPoll(r *http.Request, tx *sql.Tx, p *pollBody, out *camio.PollReply) error {
	ctx, now := r.Context(), millis(s.now())
	err := tx.QueryRowContext(ctx, `SELECT maker, model FROM devices WHERE mac = ?`, out.MACAddress).Scan(&out.Maker, &out.Model)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	known := err == nil
	cam, err := cameraByMAC(ctx, tx, out.MACAddress)
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	claimed := err == nil
	if p.Maker == "" && !known && !claimed {
		return badRequest("The parameter maker is missing")
	}
	out.Maker, out.Model = or(p.Maker, out.Maker), or(p.Model, out.Model)
	_, err = tx.ExecContext(ctx, `INSERT INTO devices (mac, maker, model, ip_local, ip, user_agent, first_poll, last_poll) VALUES (?1,?2,?3,?4,?5,?6,?7,?7)
		ON CONFLICT (mac) DO UPDATE SET maker = ?2, model = ?3, ip_local = CASE WHEN ?4 = '' THEN ip_local ELSE ?4 END,
		ip = ?5, user_agent = ?6, last_poll = ?7`,
		out.MACAddress, out.Maker, out.Model, p.LocalAddress, out.IPAddress, clip(out.UserAgent, 300), now)
	if err != nil {
		return err
	}
	if err := storeResults(ctx, tx, out.MACAddress, p.Results, now); err != nil {
		return err
	}
	var owner *account
	if claimed {
		owner, err = scanAccount(tx.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts a WHERE id = ?`, cam.Account))
		if err != nil {
			return err
		}
	}
	out.Commands, err = s.commands(r, tx, out, owner)
	return err
}

// storeResults keeps each command's last result, shortened: it comes from a stranger until the camera is claimed.
func storeResults(ctx context.Context, tx *sql.Tx, mac string, results []commandResult, now int64) error {
	for _, c := range results {
		_, err := tx.ExecContext(ctx, `INSERT INTO command_results VALUES (?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT (mac, id) DO UPDATE SET
			date_updated = ?3, state = ?4, http_status = ?5, answer = ?6, at = ?7, received = ?8`,
			mac, clip(c.ID, 50), clip(c.DateUpdated, 50), clip(c.State, 50), c.HTTPStatus, clip(c.Answer, 1000), clip(c.At, 50), now)
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM command_results WHERE mac = ?1 AND id NOT IN
		(SELECT id FROM command_results WHERE mac = ?1 ORDER BY received DESC LIMIT ?2)`, mac, maxResults)
	return err
}

// clip cuts s to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
