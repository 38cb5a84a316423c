package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"camward/agent"
)

// hintCodes are the exit codes of camward hint. A script may rely on them.
var hintCodes = map[agent.Problem]int{
	agent.WrongToken:    3,
	agent.NoNetwork:     4,
	agent.NoName:        5,
	agent.NoServer:      6,
	agent.WrongClock:    7,
	agent.NotTrusted:    8,
	agent.CaptivePortal: 9,
	agent.WrongServer:   10,
	agent.ServerTrouble: 11,
}

const hintExample = `camward hint 51r6kndapc --cloud https://cloud.example.com
  camward hint                  (the token and the cloud of the configuration)
  camward hint - < token.txt    (a token that must not show in the list of processes)

Exit codes: 0 the token is good, 3 wrong token, 4 no network, 5 the cloud's name is not found, 6 no answer, 7 the clock is
wrong, 8 the certificate is not trusted, 9 captive portal, 10 wrong server, 11 the server is in trouble.`

type hintFailed struct{ *agent.HintError }

func (e hintFailed) exitCode() int { return hintCodes[e.Problem] }

func hintVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	c.alias(fs, "cloud", "cloud.url", "`URL` of the cloud; default: the configured one")
	c.alias(fs, "ca-file", "cloud.ca_file", "`FILE` with the only authorities to trust (PEM)")
	asJSON := fs.Bool("json", false, "answer as JSON")
	return func(ctx context.Context, args []string, std stdio) error {
		if len(args) > 1 {
			return fmt.Errorf("%w: one token at a time", errMisused)
		}
		cfg, err := c.load()
		if err != nil {
			return fmt.Errorf("%w: %w", errMisused, err)
		}
		token, err := hintToken(cfg, args)
		if err != nil {
			return err
		}
		email, err := cfg.Cloud.TokenHint(ctx, token)
		var he *agent.HintError
		if errors.As(err, &he) {
			err = hintFailed{he}
		}
		if *asJSON {
			printHint(email, he, std)
			if err != nil {
				return silent{err}
			}
			return nil
		}
		if err == nil {
			fmt.Fprintln(std.out, plainLine(email))
		}
		return err
	}
}

// hintToken is the token given, or read from standard input, or configured.
func hintToken(cfg *agent.Loaded, args []string) (agent.Secret, error) {
	token := cfg.Cloud.UploadToken
	switch {
	case len(args) == 1 && args[0] == "-":
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if line == "" {
			return "", fmt.Errorf("read the token: %w", err)
		}
		token = agent.Secret(strings.TrimSpace(line))
	case len(args) == 1:
		token = agent.Secret(args[0])
	}
	if token.Reveal() == "" {
		return "", fmt.Errorf("%w: which token? Give it as the argument, or set cloud.upload_token", errMisused)
	}
	return token, nil
}

func printHint(email string, he *agent.HintError, std stdio) {
	answer := map[string]string{"email": email}
	if he != nil {
		answer = map[string]string{"problem": string(he.Problem), "error": he.Err.Error(), "advice": he.Advice}
	}
	e := json.NewEncoder(std.out)
	e.SetEscapeHTML(false)
	e.Encode(answer)
}

// silent is an error that was told already.
type silent struct{ error }

func (s silent) Unwrap() error { return s.error }
