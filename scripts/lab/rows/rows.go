// Package rows is what the lab finds out about faults: one row for each, written by the program in the guest, read by the test on
// the host, and the source of docs/faults.md.
package rows

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Row is one fault and what became of it.
type Row struct {
	Set      string    // the driver or camera it was tried on
	Fault    string    // what a person would call it
	Made     string    // how it was provoked
	Driver   string    // what the driver showed another program: poll's events, errno, buffers
	Log      []string  // lines of the agent meanwhile, without repetitions
	Did      string    // what the agent did
	Recovery []float64 // seconds until pictures came again, of each time it happened; empty: they never stopped
	Err      string    // what is not as it must be; empty: nothing
}

// Read reads rows as Write writes them.
func Read(r io.Reader) (all []Row, err error) {
	for d := json.NewDecoder(r); ; {
		var row Row
		if err := d.Decode(&row); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return all, fmt.Errorf("row %d: %w", len(all)+1, err)
		}
		all = append(all, row)
	}
}

// Write appends a row, on a line of its own.
func Write(w io.Writer, row Row) error { return json.NewEncoder(w).Encode(row) }

// Median is the middle of Recovery; 0 if it is empty.
func (r Row) Median() float64 {
	if len(r.Recovery) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(r.Recovery))[len(r.Recovery)/2]
}

// Time says how long it took: nothing, one figure, or the median and the longest of several.
func (r Row) Time() string {
	switch n := len(r.Recovery); n {
	case 0:
		return "-"
	case 1:
		return fmt.Sprintf("%.1f s", r.Recovery[0])
	default:
		return fmt.Sprintf("%.1f s, at most %.1f s of %d", r.Median(), slices.Max(r.Recovery), n)
	}
}

// Table writes rows as Markdown.
func Table(w io.Writer, all []Row) {
	fmt.Fprintln(w, "| fault | how it is made | what the driver shows | what the log says | what camward did | pictures again after |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	for _, r := range all {
		cells := []string{r.Fault, r.Made, r.Driver, strings.Join(r.Log, "; "), r.Did, r.Time()}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", "\\|")
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
}
