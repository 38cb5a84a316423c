package agent

import (
	"strings"
	"testing"

	"camward/provision"
)

func TestCommandsAreShownByID(t *testing.T) {
	all := func() Commands {
		return Commands{
			Poll:    provision.Status{Commands: []provision.CommandStatus{{ID: "ping"}, {ID: "time"}}},
			Journal: []provision.Entry{{ID: "ping"}, {ID: "time"}, {ID: "ping"}, {ID: "old"}},
		}
	}
	got, err := all().Only([]string{"ping"})
	if err != nil || len(got.Poll.Commands) != 1 || got.Poll.Commands[0].ID != "ping" || len(got.Journal) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := all().Only([]string{"old"}); err != nil || len(got.Journal) != 1 || len(got.Poll.Commands) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := all().Only(nil); err != nil || len(got.Journal) != 4 || len(got.Poll.Commands) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := all().Only([]string{"ping", "pong"}); err == nil || !strings.Contains(err.Error(), "pong") {
		t.Errorf("an unknown id: %v", err)
	}
}
