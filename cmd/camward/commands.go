package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"camward/agent"
)

const commandsExample = `camward commands
  camward commands --journal           (what happened, and when)
  camward commands --dry-run ftpAlarm  (what would be sent, and what each check says)
  camward commands --approve ftpAlarm  (or: camward commands approve ftpAlarm)`

func commandsVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	journal := fs.Bool("journal", false, "show what happened to commands, oldest first")
	dryRun := fs.Bool("dry-run", false, "show what applying these commands would send, and send nothing")
	approve := fs.Bool("approve", false, "let these waiting commands be applied")
	reject := fs.Bool("reject", false, "refuse these commands until the cloud changes them")
	replay := fs.Bool("replay", false, "apply these commands again")
	asJSON := fs.Bool("json", false, "print as JSON")
	return func(_ context.Context, ids []string, std stdio) error {
		cfg, err := c.load()
		if err != nil {
			return fmt.Errorf("%w: %w", errMisused, err)
		}
		ids = word(ids, map[string]*bool{"approve": approve, "reject": reject, "replay": replay, "dry-run": dryRun})
		decision, err := oneOf(map[string]bool{"approve": *approve, "reject": *reject, "replay": *replay})
		switch {
		case err != nil:
			return err
		case (decision != "" || *dryRun) && len(ids) == 0:
			return fmt.Errorf("%w: which command? camward commands lists their ids", errMisused)
		case decision != "":
			return decide(cfg, ids, decision, std)
		case *dryRun:
			return printPlans(cfg, ids, *asJSON, std)
		}
		all, err := agent.RunningCommands(cfg)
		if err != nil {
			return notRunning(err)
		}
		if all, err = all.Only(ids); err != nil {
			return err
		}
		switch {
		case *asJSON:
			return printJSON(std.out, all)
		case *journal:
			printJournal(all, std.out)
		default:
			printCommands(all, std.out)
		}
		return nil
	}
}

// word takes a decision that was written as a word before the ids, "approve ftpAlarm", for its flag.
func word(ids []string, flags map[string]*bool) []string {
	if len(ids) > 0 && flags[ids[0]] != nil {
		*flags[ids[0]] = true
		return ids[1:]
	}
	return ids
}

// oneOf gives the flag that is set, and refuses two.
func oneOf(flags map[string]bool) (set string, err error) {
	for name, on := range flags {
		if on && set != "" {
			return "", fmt.Errorf("%w: only one of --approve, --reject and --replay at a time", errMisused)
		}
		if on {
			set = name
		}
	}
	return set, nil
}

// notRunning says what to do where no agent answers.
func notRunning(err error) error {
	if errors.Is(err, agent.ErrNotRunning) {
		return errors.New("no camward runs with this state_dir; start it with camward run, or name its configuration with -c")
	}
	return err
}

func decide(cfg *agent.Loaded, ids []string, decision string, std stdio) error {
	var errs []error
	for _, id := range ids {
		if err := agent.DecideCommand(cfg, id, decision); err != nil {
			errs = append(errs, notRunning(err))
			continue
		}
		fmt.Fprintf(std.out, "%s: %s\n", id, map[string]string{"approve": "approved", "reject": "rejected", "replay": "will be applied again"}[decision])
	}
	return errors.Join(errs...)
}

func printPlans(cfg *agent.Loaded, ids []string, asJSON bool, std stdio) error {
	var all []agent.CommandPlan
	for _, id := range ids {
		plans, err := agent.PlanCommand(cfg, id)
		if err != nil {
			return notRunning(err)
		}
		all = append(all, plans...)
	}
	if asJSON {
		return printJSON(std.out, all)
	}
	for _, p := range all {
		fmt.Fprintf(std.out, "%s of %s, %s\n  %s %s\n", p.ID, p.DateUpdated, p.State, p.Method, p.Path)
		if p.Body != "" {
			fmt.Fprintf(std.out, "  %s: %s\n", p.ContentType, p.Body)
		}
		if p.IsAuthRequired {
			fmt.Fprintln(std.out, "  with user and password of the board")
		}
		fmt.Fprintf(std.out, "  worked if the answer holds %q\n", p.RegexResponse)
		for _, f := range p.Checks {
			outcome := "ok"
			if !f.OK {
				outcome = "NO"
			}
			fmt.Fprintf(std.out, "  %-8s %s  %s\n", f.Check, outcome, f.Detail)
		}
	}
	return nil
}

func printCommands(all agent.Commands, w io.Writer) {
	if len(all.Poll.Commands) == 0 {
		fmt.Fprintln(w, "the cloud has sent no commands yet")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tSINCE\tTRIES\tANSWER\tCOMMAND")
	for _, c := range all.Poll.Commands {
		answer := c.Answer
		if c.Error != "" {
			answer = c.Error
		}
		state := strings.ReplaceAll(c.State, "_", " ")
		if c.Gone {
			state += ", gone"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s %s\n", c.ID, state, ago(c.At), c.Tries, firstLine(answer), c.Method, c.Path)
	}
	t.Flush()
	for _, c := range all.Poll.Commands {
		if c.NeedsApproval {
			fmt.Fprintf(w, "%s waits for you: camward commands --dry-run %s shows it, camward commands --approve %s lets it happen\n", c.ID, c.ID, c.ID)
		}
	}
}

func printJournal(all agent.Commands, w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHEN\tID\tWHAT\tHTTP\tANSWER\tCOMMAND")
	for _, e := range all.Journal {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s %s\n", e.At.Local().Format(time.DateTime), e.ID, strings.ReplaceAll(e.What, "_", " "),
			e.HTTPStatus, firstLine(e.Answer), e.Method, e.Path)
	}
	t.Flush()
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// ago is how long ago something was, for people.
func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
