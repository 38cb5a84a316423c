package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"camward/agent"
)

const passwordExample = `camward password                    (whether there is one)
  camward password --reset            (a new random one, printed)
  camward password --new              (asks for it)
  camward password --new < file       (its first line)`

func passwordVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	reset := fs.Bool("reset", false, "make a new random password and print it")
	set := fs.Bool("new", false, "ask for a new password, or read it from standard input")
	return func(_ context.Context, _ []string, std stdio) error {
		cfg, err := c.load()
		if err != nil {
			return fmt.Errorf("%w: %w", errMisused, err)
		}
		had := agent.HasPassword(cfg.StateDir)
		switch {
		case *reset && *set:
			return fmt.Errorf("%w: --new and --reset are two ways to the same", errMisused)
		case *set:
			err = setPassword(cfg.StateDir, std.err)
		case *reset:
			err = resetPassword(cfg.StateDir, std)
		case had:
			fmt.Fprintf(std.out, "a password is set for user %s; it is not kept as text. A new one: camward password --new or --reset\n", agent.User)
			return nil
		default:
			fmt.Fprintln(std.out, "no password is set yet; the first start that listens beyond the loopback makes one, and so does camward password --new")
			return nil
		}
		if err == nil && !had {
			fmt.Fprintln(std.err, "It is the first: whoever asks a running camward needs it from now on.")
		}
		return err
	}
}

func resetPassword(stateDir string, std stdio) error {
	text, err := agent.ResetPassword(stateDir)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s\n", text)
	fmt.Fprintf(std.err, "That is the new password of user %s, shown only now.\n", agent.User)
	return nil
}

// setPassword takes the password from the terminal, twice and unseen, or from a pipe.
func setPassword(stateDir string, w io.Writer) error {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		line, err := bufio.NewReader(io.LimitReader(os.Stdin, 4<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the password: %w", err)
		}
		return agent.SetPassword(stateDir, agent.Secret(strings.TrimRight(line, "\r\n")))
	}
	var typed [2]string
	for i, ask := range []string{"New password of user " + agent.User + ": ", "The same again: "} {
		fmt.Fprint(w, ask)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(w)
		if err != nil {
			return fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return errors.New("the two differ; nothing is changed")
	}
	return agent.SetPassword(stateDir, agent.Secret(typed[0]))
}
