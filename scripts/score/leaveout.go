package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"camward/internal/atomicfile"
	"camward/scripts/scenes"
)

// leaveOneOut tells what the choice of the detector's constants is worth on clips that had no part in it. Package motion tries many sets of constants; for
// each clip the set is taken that is best on all the others (the defaults, where they are as good), and only this clip is
// scored with it. The sum of those is what is told, beside the sum with the defaults. Often many sets are equally good on the others; the last line takes the
// one of them that is worst on the clip left out.
func (o *options) leaveOneOut(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "camward-films")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	parts, err := o.measure(ctx)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if p.secret {
			continue
		}
		for _, r := range p.Rows {
			f, err := o.filmOf(ctx, p, r.Clip)
			if err != nil {
				return err
			}
			if err := atomicfile.Write(filepath.Join(dir, r.Clip+".film"), f.pack(), 0o644); err != nil {
				return err
			}
		}
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout", "1h", "camward/motion", "-run", "^TestVariations$", "-variations", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go test ./motion: %w\n%s", err, out)
	}
	tried, err := readTried(filepath.Join(dir, "found.jsonl"))
	if err != nil {
		return err
	}
	for _, p := range parts {
		if !p.secret && len(p.Rows) > 0 {
			p.leaveOut(w, tried)
		}
	}
	return nil
}

// filmOf gives the film of a clip or scene by its name.
func (o *options) filmOf(ctx context.Context, p *part, clip string) (*film, error) {
	if s, ok := scenes.Named(clip); ok {
		return o.scene(ctx, s)
	}
	return o.recording(ctx, filepath.Join(o.clips, clip))
}

// tried is what candidates found: by their names, and the clips'.
type tried struct {
	names []string
	found map[string]map[string][]interval
}

func readTried(file string) (*tried, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := &tried{found: map[string]map[string][]interval{}}
	for d := json.NewDecoder(bufio.NewReader(f)); d.More(); {
		var line struct {
			Candidate, Film string
			Found           [][2]float64
		}
		if err := d.Decode(&line); err != nil {
			return nil, err
		}
		if t.found[line.Candidate] == nil {
			t.found[line.Candidate] = map[string][]interval{}
			t.names = append(t.names, line.Candidate)
		}
		list := []interval{}
		for _, i := range line.Found {
			list = append(list, interval{i[0], i[1]})
		}
		t.found[line.Candidate][line.Film] = list
	}
	slices.Sort(t.names)
	return t, nil
}

const defaults = "default" // the candidate that is none

// leaveOut tells of one part what the candidates are worth on all of its clips, and what the choice among them is worth.
func (p *part) leaveOut(w io.Writer, t *tried) {
	tallies, sums := map[string][]tally{}, map[string]tally{}
	for _, name := range t.names {
		var sum tally
		for _, r := range p.Rows {
			one := compare(r.truth, t.found[name][r.Clip])
			sum.add(one)
			tallies[name] = append(tallies[name], one)
		}
		sums[name] = sum
	}
	order := slices.Clone(t.names)
	slices.SortStableFunc(order, func(a, b string) int { return -int(1e6 * (sums[a].f1() - sums[b].f1())) })
	head(w, p.Name+": each candidate on all")
	single := 0
	for _, name := range order {
		short, _, joint := strings.Cut(name, ":")
		line(w, short, sums[name])
		if !joint && sums[name].f1() > sums[defaults].f1()-0.02 {
			single++
		}
	}
	fmt.Fprintf(w, "%d candidates; of those with one change %d lose less than 0.02\n\n", len(order), single)
	head(w, p.Name+": leave one out")
	var left, unlucky tally
	for i, r := range p.Rows {
		name, equals := best(t.names, tallies, i)
		left.add(tallies[name][i])
		unlucky.add(slices.MinFunc(onClip(tallies, equals, i), func(a, b tally) int { return b.wrong() - a.wrong() }))
		if name != defaults {
			fmt.Fprintf(w, "  %s by the others: %s\n", r.Clip, name)
		}
	}
	line(w, "with defaults", sums[defaults])
	line(w, "left out", left)
	line(w, "left out, worst of equals", unlucky)
	fmt.Fprintf(w, "gap in F1 %.3f\n\n", sums[defaults].f1()-left.f1())
}

// onClip gives the tallies of some candidates on one clip.
func onClip(all map[string][]tally, names []string, clip int) (list []tally) {
	for _, n := range names {
		list = append(list, all[n][clip])
	}
	return list
}

// best is the candidate with the highest F1 on all clips but one: the defaults, where they are among those. equals are all that have it.
func best(names []string, tallies map[string][]tally, but int) (chosen string, equals []string) {
	top := -1.0
	for _, n := range names {
		var t tally
		for i, one := range tallies[n] {
			if i != but {
				t.add(one)
			}
		}
		switch s := t.f1(); {
		case s > top+1e-9:
			top, equals = s, []string{n}
		case s > top-1e-9:
			equals = append(equals, n)
		}
	}
	if slices.Contains(equals, defaults) {
		return defaults, equals
	}
	return equals[0], equals
}
