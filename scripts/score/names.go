package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"camward/scripts/scenes"
)

// When a scene change may be told, in seconds after it began: once the picture stands still. That a picture doesn't change
// takes longer to be sure of.
const (
	tellWithin       = 6
	tellFrozenWithin = 14
)

// A told scene change is the name that the detector gave to what happened to the whole picture.
type told struct {
	At   float64 `json:"at_s"`
	Name string  `json:"name"`
}

// names tells what the detector may call a change of the truth. Something black before the lens is both.
var names = map[string][]string{
	"light": {"light"}, "light_step": {"light"},
	"ir_cut": {"infra-red"}, "ir_cut_to_night": {"infra-red"}, "ir_cut_to_day": {"infra-red"},
	"moved": {"moved"}, "covered": {"covered", "black"}, "black": {"black"}, "frozen": {"frozen"}, "focus": {"focus"},
}

// A verdict is how a change was named: "" is not at all.
type verdict struct{ Kind, Name string }

func (v verdict) right() bool { return slices.Contains(names[v.Kind], v.Name) }

// changes lists what happens to the whole picture; recordings have it among their nuisances.
func changes(t *scenes.Truth) []scenes.Stretch {
	list := slices.Clone(t.Changes)
	if t.Source != "rendered" {
		for _, n := range t.Nuisance {
			if names[n.Kind] != nil {
				list = append(list, n)
			}
		}
	}
	return list
}

// judge holds the names told against the truth: one verdict for each change, by the first name told of it, and what was told where
// nothing happened to the whole picture. What is told when a change ends, as when a lens is uncovered, counts neither way.
func judge(truth *scenes.Truth, heard []told) (each []verdict, others []told) {
	used := make([]bool, len(heard))
	for _, c := range changes(truth) {
		within := float64(tellWithin)
		if c.Kind == "frozen" {
			within = tellFrozenWithin
		}
		v := verdict{Kind: c.Kind}
		for i, h := range heard {
			begins := h.At >= c.Start-early && h.At <= c.Start+within
			if begins && v.Name == "" {
				v.Name = h.Name
			}
			used[i] = used[i] || begins || h.At >= c.End-early && h.At <= c.End+tellWithin
		}
		each = append(each, v)
	}
	for i, u := range used {
		if !u {
			others = append(others, heard[i])
		}
	}
	return each, others
}

// A naming counts how changes were named, and as what.
type naming struct {
	Changes int            `json:"changes"`
	Right   int            `json:"right"`
	Wrong   int            `json:"wrong"`   // another name
	Unnamed int            `json:"unnamed"` // none
	False   int            `json:"false"`   // told where nothing happened to the whole picture
	As      map[string]int `json:"as,omitempty"`
}

func (n *naming) add(v verdict) {
	n.Changes++
	switch {
	case v.right():
		n.Right++
	case v.Name == "":
		n.Unnamed++
		return
	default:
		n.Wrong++
	}
	n.call(v.Name)
}

func (n *naming) call(name string) {
	if n.As == nil {
		n.As = map[string]int{}
	}
	n.As[name]++
}

// namings sums the verdicts of a part, and those of each kind of change.
func (p *part) namings() (sum naming, kinds map[string]*naming) {
	kinds = map[string]*naming{}
	for _, r := range p.Rows {
		for _, v := range r.Named {
			if kinds[v.Kind] == nil {
				kinds[v.Kind] = &naming{}
			}
			kinds[v.Kind].add(v)
			sum.add(v)
		}
		for _, f := range r.FalseNames {
			if kinds["none"] == nil {
				kinds["none"] = &naming{}
			}
			kinds["none"].False++
			kinds["none"].call(f.Name)
			sum.False++
		}
	}
	return sum, kinds
}

const nameFormat = "%-26s %8d %7d %7d %8d %7d  %s\n"

// printNames is the table of scene changes: each kind, and of the held scenes only the sum.
func printNames(w io.Writer, parts []*part) {
	heading := strings.ReplaceAll(nameFormat, "d", "s")
	fmt.Fprintf(w, "\n"+heading, "scene changes", "changes", "right", "wrong", "unnamed", "false", "named")
	for _, p := range parts {
		if len(p.Rows) == 0 {
			continue
		}
		sum, kinds := p.namings()
		if !p.secret {
			for _, k := range slices.Sorted(maps.Keys(kinds)) {
				n := kinds[k]
				fmt.Fprintf(w, nameFormat, p.Name+": "+k, n.Changes, n.Right, n.Wrong, n.Unnamed, n.False, calls(n.As))
			}
		}
		fmt.Fprintf(w, nameFormat, p.Name, sum.Changes, sum.Right, sum.Wrong, sum.Unnamed, sum.False, "")
	}
}

// calls lists names with their numbers.
func calls(as map[string]int) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(as)) {
		list = append(list, fmt.Sprintf("%s %d", k, as[k]))
	}
	return strings.Join(list, ", ")
}
