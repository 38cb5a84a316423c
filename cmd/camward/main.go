// Command camward is the firmware agent: it captures, detects motion, records clips, uploads them and asks the
// cloud for commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
)

// version is set by the build.
var version = "dev"

// Exit codes. A script may rely on them.
const (
	exitOK      = 0
	exitFailed  = 1 // the work could not be done
	exitMisused = 2 // wrong flags, verb or configuration
)

// errMisused marks what the caller must change: flags, arguments, configuration.
var errMisused = errors.New("wrong use")

// errStopped is why a run ends on a signal.
var errStopped = errors.New("asked to stop")

// A verb is one thing that camward does.
type verb struct {
	name    string
	args    string // behind the name in the usage line
	short   string
	example string
	flags   func(*flag.FlagSet) func(ctx context.Context, args []string, io stdio) error
}

type stdio struct{ out, err io.Writer }

var verbs = []verb{
	{"run", "", "record, upload and answer until stopped", "camward run -c /etc/camward/camward.yml", runVerb},
	{"check", "", "check the configuration; every fault is reported", "camward check --effective", checkVerb},
	{"devices", "", "list cameras with their formats, sizes and rates", "camward devices --json", devicesVerb},
	{"snapshot", "", "take one picture as JPEG", "camward snapshot --source /dev/video0 -o front.jpeg", snapshotVerb},
	{"detect", "CLIP...|-", "find motion in recordings, as JSON lines; compare settings", detectExample, detectVerb},
	{"explain", "[EVENT|CLIP]", "tell why there was motion, or why there was none, and draw it", explainExample, explainVerb},
	{"hint", "[TOKEN]", "show whose account an upload token belongs to, or what is wrong", hintExample, hintVerb},
	{"claim", "", "show address and QR code by which somebody claims this camera, and wait for it", claimExample, claimVerb},
	{"status", "", "show how the running camward is", "camward status", statusVerb},
	{"commands", "[ID...]", "show what the cloud told this camera to do; approve, reject or replay it", commandsExample, commandsVerb},
	{"spool", "[ID...]", "list what waits for its upload; retry, drop or export items", "camward spool --retry 17", spoolVerb},
	{"password", "", "show whether the camera's page has a password, or give it another", passwordExample, passwordVerb},
	{"version", "", "print the version and what is built in", "camward version --json", versionVerb},
}

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel(errStopped)
		<-signals // a second one does not wait for open clips
		os.Exit(exitFailed)
	}()
	os.Exit(dispatch(ctx, os.Args[1:], stdio{os.Stdout, os.Stderr}))
}

// dispatch runs the verb that args name and gives the exit code.
func dispatch(ctx context.Context, args []string, std stdio) int {
	if len(args) == 0 {
		usage(std.err)
		return exitMisused
	}
	switch args[0] {
	case "help", "-h", "--help", "-help":
		usage(std.out)
		return exitOK
	case "--version", "-version":
		args = []string{"version"}
	}
	for _, v := range verbs {
		if v.name == args[0] {
			return v.run(ctx, args[1:], std)
		}
	}
	fmt.Fprintf(std.err, "camward: there is no verb %q; camward help lists them\n", args[0])
	return exitMisused
}

func (v verb) run(ctx context.Context, args []string, std stdio) int {
	fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // faults are told below, once
	do := v.flags(fs)
	args, err := parse(fs, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		v.help(fs, std.out)
		return exitOK
	case err != nil:
		fmt.Fprintf(std.err, "camward %s: %v\n  camward %s --help explains\n", v.name, err, v.name)
		return exitMisused
	case v.args == "" && len(args) > 0:
		fmt.Fprintf(std.err, "camward %s: %q is one argument too many\n  camward %s --help explains\n", v.name, args[0], v.name)
		return exitMisused
	}
	err = do(ctx, args, std)
	switch {
	case err == nil || errors.Is(err, errStopped):
		return exitOK
	case errors.Is(err, errReported), errors.As(err, new(silent)):
	default:
		fmt.Fprintf(std.err, "camward %s: %s\n", v.name, plain(err.Error()))
	}
	var code interface{ exitCode() int }
	switch {
	case errors.Is(err, errMisused):
		return exitMisused
	case errors.As(err, &code):
		return code.exitCode()
	}
	return exitFailed
}

// parse reads flags before, between and behind the arguments, as people type them, and gives the arguments. What follows
// "--" are arguments alone.
func parse(fs *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := fs.Parse(args); err != nil || fs.NArg() == 0 {
			return rest, err
		}
		left := fs.Args()
		if before := len(args) - len(left); before > 0 && args[before-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

func (v verb) help(fs *flag.FlagSet, w io.Writer) {
	fmt.Fprintf(w, "camward %s: %s\n\n  camward %s [flags] %s\n\nExample:\n\n  %s\n\nFlags:\n\n", v.name, v.short, v.name, v.args, v.example)
	fs.SetOutput(w)
	fs.PrintDefaults()
}

func usage(w io.Writer) {
	fmt.Fprint(w, "camward records what a camera sees and brings it to the cloud.\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range verbs {
		fmt.Fprintf(t, "  camward %s %s\t%s\n", v.name, v.args, v.short)
	}
	t.Flush()
	fmt.Fprint(w, "\n  camward VERB --help explains one of them. Exit codes: 0 done, 1 failed, 2 wrong use or configuration.\n")
}
