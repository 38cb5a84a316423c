package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"camward/agent"
)

// spoolFlags say what is to be done with the items named; without any they are listed.
type spoolFlags struct {
	retry, drop bool
	export      string
	json        bool
}

func spoolVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	var f spoolFlags
	fs.BoolVar(&f.retry, "retry", false, "try these items again now, those in quarantine too; without any: all")
	fs.BoolVar(&f.drop, "drop", false, "delete these items; they are lost")
	fs.StringVar(&f.export, "export", "", "copy these items to `DIR`; without any: all. They stay in the spool")
	fs.BoolVar(&f.json, "json", false, "list as JSON")
	return func(ctx context.Context, args []string, std stdio) error {
		ids, err := f.check(args)
		if err != nil {
			return fmt.Errorf("%w: %w", errMisused, err)
		}
		cfg, err := c.load()
		if err != nil {
			return fmt.Errorf("%w: %w", errMisused, err)
		}
		items, err := agent.OpenItems(cfg)
		if err != nil {
			return err
		}
		defer items.Close()
		return f.do(ctx, items, ids, std)
	}
}

func (f *spoolFlags) check(args []string) (ids []uint64, err error) {
	for _, a := range args {
		id, err := strconv.ParseUint(a, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not the number of an item; camward spool lists them", a)
		}
		ids = append(ids, id)
	}
	n := 0
	for _, set := range []bool{f.retry, f.drop, f.export != ""} {
		if set {
			n++
		}
	}
	switch {
	case n > 1:
		return nil, errors.New("only one of --retry, --drop and --export at a time")
	case f.drop && len(ids) == 0:
		return nil, errors.New("name the items to drop")
	}
	return ids, nil
}

func (f *spoolFlags) do(ctx context.Context, items agent.Items, ids []uint64, std stdio) error {
	list, err := items.List()
	if err != nil {
		return err
	}
	list, err = only(list, ids)
	if err != nil {
		return err
	}
	switch {
	case f.retry:
		return each(list, "tried again", std, func(it agent.SpoolItem) error { return items.Retry(it.ID) })
	case f.drop:
		return each(list, "dropped", std, func(it agent.SpoolItem) error { return items.Drop(it.ID) })
	case f.export != "":
		return export(ctx, items, list, f.export, std)
	case f.json:
		e := json.NewEncoder(std.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	printItems(list, std)
	return nil
}

// only keeps the items that were named; without any it keeps all.
func only(list []agent.SpoolItem, ids []uint64) ([]agent.SpoolItem, error) {
	if len(ids) == 0 {
		return list, nil
	}
	byID := map[uint64]agent.SpoolItem{}
	for _, it := range list {
		byID[it.ID] = it
	}
	var out []agent.SpoolItem
	for _, id := range ids {
		it, ok := byID[id]
		if !ok {
			return nil, fmt.Errorf("item %d is not in the spool; it may have been sent meanwhile", id)
		}
		out = append(out, it)
	}
	return out, nil
}

// each goes on after a fault, and fails in the end.
func each(list []agent.SpoolItem, done string, std stdio, do func(agent.SpoolItem) error) error {
	var errs []error
	n := 0
	for _, it := range list {
		if err := do(it); err != nil {
			errs = append(errs, fmt.Errorf("item %d: %w", it.ID, err))
			continue
		}
		n++
	}
	fmt.Fprintf(std.out, "%s %s\n", count(n, "item", "items"), done)
	return errors.Join(errs...)
}

func printItems(list []agent.SpoolItem, std stdio) {
	if len(list) == 0 {
		fmt.Fprintln(std.out, "nothing waits")
		return
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tKIND\tCAMERA\tAGE\tSIZE\tTRIES\tNEXT TRY\tNAME\tLAST ERROR")
	for _, it := range list {
		next := "in its turn"
		if it.State != "waiting" {
			next = "-"
		} else if it.NextTry != nil {
			next = "in " + time.Until(*it.NextTry).Round(time.Second).String()
		}
		name := it.Name
		if name == "" {
			name = "(its time is not known yet)"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%v\t%s\t%d\t%s\t%s\t%s\n", it.ID, it.State, it.Kind, plainLine(it.Camera),
			time.Duration(it.Age*float64(time.Second)).Round(time.Second), size(it.Size), it.Tries, next, plainLine(name), plainLine(it.LastError))
	}
	t.Flush()
}

func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// export copies items, each under CAMERA/NAME, and never overwrites a file.
func export(ctx context.Context, items agent.Items, list []agent.SpoolItem, dir string, std stdio) error {
	i, copied := 0, int64(0)
	p := newProgress(std.err, "")
	err := each(list, "copied to "+dir, std, func(it agent.SpoolItem) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		i++
		p.show(fmt.Sprintf("%d/%d %s, %s so far", i, len(list), plainLine(it.Name), size(copied)))
		copied += it.Size
		return exportOne(items, it, dir)
	})
	p.clear()
	return err
}

func exportOne(items agent.Items, it agent.SpoolItem, dir string) (err error) {
	data, name, err := items.Open(it.ID)
	if err != nil {
		return err
	}
	defer data.Close()
	folder := filepath.Join(dir, filepath.Base(it.Camera))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(folder, filepath.Base(name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, data)
	if err == nil && n != it.Size {
		err = fmt.Errorf("%d of %d bytes came", n, it.Size)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
	}
	return err
}
