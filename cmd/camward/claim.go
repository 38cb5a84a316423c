package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"camward/agent"
)

const claimExample = `camward claim
  camward claim --wait 0 --json     (only print the address)

Exit codes: 0 claimed (or printed, with --wait 0), 3 not claimed in time.`

// notClaimed is the end of a wait without success.
type notClaimed struct{ error }

func (notClaimed) exitCode() int { return 3 }

func claimVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	c.alias(fs, "cloud", "cloud.url", "`URL` of the cloud; default: the configured one")
	wait := fs.Duration("wait", 15*time.Minute, "how long to wait for the cloud to have claimed the camera; 0: not at all")
	asJSON := fs.Bool("json", false, "print as JSON, without the QR code")
	return func(ctx context.Context, _ []string, std stdio) error {
		cfg, err := c.load()
		if err != nil {
			return fmt.Errorf("%w: %w", errMisused, err)
		}
		claim, err := agent.NewClaim(cfg)
		if err != nil {
			return err
		}
		if err := showClaim(claim, *asJSON, std); err != nil || *wait == 0 {
			return err
		}
		return awaitClaim(ctx, claim, *wait, *asJSON, std)
	}
}

func showClaim(claim *agent.Claim, asJSON bool, std stdio) error {
	if asJSON {
		return json.NewEncoder(std.out).Encode(claim)
	}
	if isTerminal(std.out) {
		code, err := agent.QR(claim.URL)
		if err != nil {
			return err
		}
		fmt.Fprint(std.out, code)
	}
	fmt.Fprintf(std.out, "MAC address  %s\nopen         %s\n", claim.MAC, claim.URL)
	return nil
}

// awaitClaim asks again and again. What keeps the cloud from answering is said once and waited out.
func awaitClaim(ctx context.Context, claim *agent.Claim, wait time.Duration, quiet bool, std stdio) error {
	if !quiet {
		fmt.Fprintf(std.err, "waiting until somebody has claimed it (%v at most; Ctrl-C ends the wait, not the camera)\n", wait)
	}
	said := ""
	for end := time.Now().Add(wait); ; {
		done, err := claim.Done(ctx)
		switch {
		case done:
			if !quiet {
				fmt.Fprintln(std.out, "claimed")
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && err.Error() != said:
			said = err.Error()
			fmt.Fprintf(std.err, "  %s; still trying\n", plainLine(said))
		}
		if time.Now().After(end) {
			return notClaimed{errors.New("nobody has claimed the camera yet; run camward claim again, or open the address later")}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(5*time.Second, wait)):
		}
	}
}

// isTerminal reports whether a person looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
