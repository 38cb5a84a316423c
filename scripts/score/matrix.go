package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"camward/scripts/scenes"
)

// matrix tells the sums of each part under each condition, one line a condition. Alike is the share of events that are decided as under the base, found
// on time or not.
func (o *options) matrix(ctx context.Context, w io.Writer) error {
	list, err := o.conditions()
	if err != nil {
		return err
	}
	began := time.Now()
	fmt.Fprintf(w, "%-24s", "")
	for _, name := range partNames {
		fmt.Fprintf(w, " | %-31s", name)
	}
	fmt.Fprintf(w, "\n%-24s", fmt.Sprintf("%dx%d, %g/s", o.width, o.height, o.rate))
	for range partNames {
		fmt.Fprintf(w, " | %6s %6s %8s %6s  ", "F1", "recall", "FA min/h", "alike")
	}
	fmt.Fprintln(w)
	var base []*part
	for _, c := range list {
		now := o.under(c)
		parts, err := now.measure(ctx)
		if err != nil {
			return err
		}
		if base == nil {
			base = parts
		}
		fmt.Fprintf(w, "%-24s", c.name)
		for i, p := range parts {
			if len(p.Rows) == 0 || p.Name == "open" && c.quality > 0 {
				fmt.Fprintf(w, " | %-31s", "-")
				continue
			}
			t := p.sum()
			fmt.Fprintf(w, " | %6.3f %6s %8s %6s  ", t.f1(), number("%.0f%%", 100*t.recall()), number("%.1f", t.falsePerHour()), number("%.0f%%", 100*p.alike(base[i])))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\n%.0f s\n", time.Since(began).Seconds())
	return nil
}

// alike is the share of the events that two measurements of the same clips agree about.
func (p *part) alike(base *part) float64 {
	same, all := 0, 0
	for i, r := range p.Rows {
		for k, f := range r.Found {
			all++
			if f == base.Rows[i].Found[k] {
				same++
			}
		}
	}
	return float64(same) / float64(all)
}

var partNames = []string{"open", string(scenes.Tune), string(scenes.Held)}

// measure scores all parts.
func (o *options) measure(ctx context.Context) ([]*part, error) {
	parts := []*part{{Name: partNames[0]}, {Name: partNames[1]}, {Name: partNames[2], secret: !o.reveal}}
	if err := parts[0].recordings(ctx, o); err != nil {
		return nil, err
	}
	for _, p := range parts[1:] {
		if err := p.rendered(ctx, o, scenes.Of(scenes.Split(p.Name))); err != nil {
			return nil, err
		}
	}
	if o.draw > 0 {
		p := &part{Name: string(scenes.Drawn), secret: !o.reveal}
		if err := p.rendered(ctx, o, scenes.Draw(o.draw)); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}
