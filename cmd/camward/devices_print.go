package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"camward/agent"
)

// columns is the width of the terminal that is written for. What has no blank to break at, as a path, may be longer.
const columns = 80

// printDevice shows one camera: what to write as its source, and what it can do.
func printDevice(std stdio, d agent.Device) {
	about := []string{}
	for _, s := range []string{d.Driver, d.USB} {
		if s != "" {
			about = append(about, s)
		}
	}
	title := d.Path + "  " + plainLine(d.Card)
	if len(about) > 0 {
		title += " (" + strings.Join(about, ", ") + ")"
	}
	wrap(std.out, 0, title)
	if d.Problem != "" {
		wrap(std.out, 2, "cannot be used: "+plainLine(d.Problem))
	}
	for _, s := range d.Stable {
		wrap(std.out, 2, "source: "+plainLine(s))
	}
	printFormats(std, d)
	printControls(std, d)
}

func printFormats(std stdio, d agent.Device) {
	unused := 0
	for _, f := range d.Formats {
		if !f.Usable {
			unused++
			continue
		}
		wrap(std.out, 2, plainLine(f.FourCC+"  "+f.Name))
		for _, z := range f.Sizes {
			size := z.Size.String()
			if z.Max.Width > 0 {
				size += " to " + z.Max.String()
			}
			if len(z.Rates) > 0 {
				size += " at " + rates(z.Rates) + " a second"
			}
			wrap(std.out, 4, size)
		}
	}
	if unused > 0 {
		wrap(std.out, 2, fmt.Sprintf("and %s that camward does not use", count(unused, "format", "formats")))
	}
}

func rates(list []float64) string {
	s := make([]string, len(list))
	for i, r := range list {
		s[i] = strconv.FormatFloat(r, 'g', 4, 64)
	}
	return strings.Join(s, ", ")
}

func printControls(std stdio, d agent.Device) {
	if len(d.Controls) == 0 {
		return
	}
	wrap(std.out, 2, "controls")
	for _, c := range d.Controls {
		var may, now string
		switch now = strconv.Itoa(int(c.Value)); c.Type {
		case "boolean":
			may, now = "true or false", strconv.FormatBool(c.Value != 0)
		case "menu":
			items := make([]string, len(c.Menu))
			for i, m := range c.Menu {
				items[i] = fmt.Sprintf("%d %s", m.Value, plainLine(m.Label))
			}
			may = strings.Join(items, ", ")
		default:
			if may = fmt.Sprintf("%d to %d", c.Min, c.Max); c.Step > 1 {
				may += fmt.Sprintf(" in steps of %d", c.Step)
			}
		}
		line := fmt.Sprintf("%s: %s; now %s", plainLine(c.Name), may, now)
		if c.Inactive {
			line += ", of no effect as things are"
		}
		wrap(std.out, 4, line)
	}
}

// wrap writes text behind an indent, broken at blanks; further lines are indented by four more.
func wrap(w io.Writer, indent int, text string) {
	line := strings.Repeat(" ", indent)
	more := strings.Repeat(" ", indent+4)
	empty := true
	for word := range strings.SplitSeq(text, " ") {
		switch {
		case empty:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns:
			fmt.Fprintln(w, strings.TrimRight(line, " "))
			line = more + word
		default:
			line += " " + word
		}
		empty = false
	}
	fmt.Fprintln(w, line)
}
