package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"camward/agent"
)

// errReported says that the faults were printed already, and that they are the caller's to mend.
var errReported = fmt.Errorf("%w: reported", errMisused)

// configFlags are the flags of every verb that reads the configuration.
type configFlags struct {
	file string
	sets []string
}

func (c *configFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&c.file, "c", agent.DefaultFile, "configuration `FILE`")
	fs.Func("set", "`KEY=VALUE`, stronger than file and environment; may be repeated", func(s string) error {
		c.sets = append(c.sets, s)
		return nil
	})
}

// alias adds a flag that sets one key.
func (c *configFlags) alias(fs *flag.FlagSet, name, key, help string) {
	fs.Func(name, help, func(s string) error {
		c.sets = append(c.sets, key+"="+s)
		return nil
	})
}

// load reads the layers without judging the values.
func (c *configFlags) load() (*agent.Loaded, error) {
	return agent.Load(agent.Layers{File: c.file, Optional: c.file == agent.DefaultFile, Flags: c.sets, Environ: os.Environ()})
}

// valid reads the layers and prints every fault, of form and of value, one a line. Changes made at run time that are
// ignored are not among them.
func (c *configFlags) valid(std stdio) (*agent.Loaded, error) {
	cfg, err := c.load()
	return cfg, c.report(errors.Join(err, cfg.Validate()), std)
}

// report prints faults, if there are any.
func (c *configFlags) report(err error, std stdio) error {
	faults := agent.Faults(err)
	if len(faults) == 0 {
		return nil
	}
	if _, err := os.Stat(c.file); err != nil && c.file == agent.DefaultFile {
		fmt.Fprintf(std.err, "camward: there is no %s; name another file with -c\n", c.file)
	}
	fmt.Fprintf(std.err, "camward: the configuration has %s:\n", count(len(faults), "fault", "faults"))
	for _, f := range faults {
		fmt.Fprintf(std.err, "  %s\n", strings.ReplaceAll(f.Error(), "\n", "\n    "))
	}
	return errReported
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func checkVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	effective := fs.Bool("effective", false, "print each value with its origin")
	asJSON := fs.Bool("json", false, "with --effective: as JSON")
	return func(_ context.Context, _ []string, std stdio) error {
		cfg, err := c.load()
		if *effective {
			printEffective(cfg, *asJSON, std)
		}
		err = c.report(errors.Join(err, cfg.Ignored, cfg.Validate()), std)
		if err == nil && !*effective {
			fmt.Fprintf(std.out, "the configuration is good: %s, uploads to %s\n", count(len(cfg.Cameras), "camera", "cameras"), cfg.Cloud.URL)
		}
		return err
	}
}

func printEffective(cfg *agent.Loaded, asJSON bool, std stdio) {
	values := cfg.Effective()
	if asJSON {
		e := json.NewEncoder(std.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		e.Encode(values)
		return
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	for _, v := range values {
		fmt.Fprintf(t, "%s: %s\t# %s\n", v.Key, v.Value, v.Origin)
	}
	t.Flush()
}
