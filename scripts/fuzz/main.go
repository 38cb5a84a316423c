// Command fuzz runs every fuzz target of the tree, one after the other, and says what each did. It is what make fuzz calls.
//
//	go run ./scripts/fuzz -time 10m [PACKAGE...]
//
// A target that fails leaves its input in the package's testdata/fuzz, where plain go test finds it from then on.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

func main() {
	each := flag.Duration("time", time.Minute, "how long to run each target")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *each, packages); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

type target struct{ pkg, name string }

func run(ctx context.Context, each time.Duration, packages []string) error {
	targets, err := list(ctx, packages)
	if err != nil {
		return err
	}
	fmt.Printf("%d fuzz targets, %v each: about %v\n", len(targets), each, (time.Duration(len(targets)) * (each + 10*time.Second)).Round(time.Minute))
	var failed []string
	for i, t := range targets {
		fmt.Printf("%3d/%d %s %s: ", i+1, len(targets), t.pkg, t.name)
		summary, err := fuzz(ctx, t, each)
		if ctx.Err() != nil {
			return errors.New("stopped")
		}
		fmt.Println(summary)
		if err != nil {
			failed = append(failed, t.pkg+" "+t.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d targets failed: %s", len(failed), strings.Join(failed, ", "))
	}
	return nil
}

// list finds the targets; go test -list compiles each package once.
func list(ctx context.Context, packages []string) (targets []target, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-list", "^Fuzz"}, packages...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -list: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Fuzz") {
			names = append(names, line)
			continue
		}
		// "ok  	camward/camio	0.01s" ends a package.
		if f := strings.Fields(line); len(f) > 1 && f[0] == "ok" {
			for _, n := range names {
				targets = append(targets, target{f[1], n})
			}
			names = nil
		}
	}
	return targets, nil
}

// fuzz runs one target and gives its last line of progress.
func fuzz(ctx context.Context, t target, each time.Duration) (summary string, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", each.String(), "-fuzzminimizetime", "1x", t.pkg)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	for s := bufio.NewScanner(bytes.NewReader(out.Bytes())); s.Scan(); {
		if strings.HasPrefix(s.Text(), "fuzz: elapsed") {
			summary = strings.TrimPrefix(s.Text(), "fuzz: ")
		}
	}
	if err != nil {
		return "FAILED\n" + out.String(), err
	}
	return summary, nil
}
