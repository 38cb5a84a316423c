package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"camward/provision"
	"camward/web"
)

// Commands is what `camward commands` shows.
type Commands struct {
	Poll    provision.Status  `json:"poll"`
	Journal []provision.Entry `json:"journal"`
}

// Only keeps the commands of these ids, and what happened to them; without any it keeps all. An id that is in neither is an error.
func (c Commands) Only(ids []string) (Commands, error) {
	if len(ids) == 0 {
		return c, nil
	}
	known := map[string]bool{}
	other := func(id string) bool {
		known[id] = true
		return !slices.Contains(ids, id)
	}
	c.Poll.Commands = slices.DeleteFunc(c.Poll.Commands, func(s provision.CommandStatus) bool { return other(s.ID) })
	c.Journal = slices.DeleteFunc(c.Journal, func(e provision.Entry) bool { return other(e.ID) })
	for _, id := range ids {
		if !known[id] {
			return c, fmt.Errorf("%s: no such command is known; camward commands lists them", id)
		}
	}
	return c, nil
}

// A CommandPlan is what applying a command would send.
type CommandPlan = provision.Plan

// commandRoutes lets camward's own verbs handle the commands that the cloud sent.
func (a *Agent) commandRoutes(s *web.Server) {
	s.HandleControl("GET /api/control/commands", answerJSON(func(*http.Request) (any, error) {
		return a.commands(), nil
	}))
	s.HandleControl("GET /api/control/commands/{id}/plan", answerJSON(func(r *http.Request) (any, error) {
		return a.poller.DryRun(r.PathValue("id"))
	}))
	for verb, do := range map[string]func(string) error{"approve": a.poller.Approve, "reject": a.poller.Reject, "replay": a.poller.Replay} {
		s.HandleControl("POST /api/control/commands/{id}/"+verb, answerJSON(func(r *http.Request) (any, error) {
			return struct{}{}, do(r.PathValue("id"))
		}))
	}
}

func (a *Agent) commands() Commands { return Commands{a.poller.Status(), a.poller.Journal()} }

// answerJSON answers with a value, or with the fault.
func answerJSON(get func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := get(r)
		switch {
		case err == nil:
			w.Header().Set("Content-Type", "application/json")
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			e.Encode(v)
		case errors.Is(err, provision.ErrUnknown):
			http.Error(w, err.Error(), http.StatusNotFound)
		case errors.Is(err, provision.ErrState):
			http.Error(w, err.Error(), http.StatusConflict)
		default:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// RunningCommands asks the running agent what the cloud told it and what became of that.
func RunningCommands(cfg *Loaded) (c Commands, err error) {
	err = ask(cfg, http.MethodGet, "/api/control/commands", &c)
	return c, err
}

// PlanCommand asks the running agent what applying a command would send; nothing is sent.
func PlanCommand(cfg *Loaded, id string) (plans []CommandPlan, err error) {
	err = ask(cfg, http.MethodGet, "/api/control/commands/"+url.PathEscape(id)+"/plan", &plans)
	return plans, err
}

// DecideCommand has the running agent approve, reject or replay a command.
func DecideCommand(cfg *Loaded, id, decision string) error {
	return ask(cfg, http.MethodPost, "/api/control/commands/"+url.PathEscape(id)+"/"+decision, &struct{}{})
}

// RunningStatus asks the running agent that uses this configuration. The error is ErrNotRunning if there is none.
func RunningStatus(cfg *Loaded) (s Status, err error) {
	err = ask(cfg, http.MethodGet, controlStatus, &s)
	return s, err
}

// ErrNotRunning says that no agent with this configuration's state_dir runs.
var ErrNotRunning = web.ErrNotRunning

// ask reads a JSON answer of the running agent.
func ask(cfg *Loaded, method, path string, into any) error {
	control, err := web.FindControl(cfg.StateDir)
	if err != nil {
		return err
	}
	resp, err := control.Do(method, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}
