package agent

import (
	"regexp"
	"strings"
	"testing"
)

// TestTheQRCodeHasItsFinderPatterns reads the drawing back into modules: the three squares of seven modules that scanners look for (ISO/IEC
// 18004 6.3.3) stand in their corners, inside a light border.
func TestTheQRCodeHasItsFinderPatterns(t *testing.T) {
	text, err := QR("https://cloud.example.com/claim/B827EB123456")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]bool
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "\x1b[30;107m") {
			t.Fatalf("a line without colours: %q", line)
		}
		line = regexp.MustCompile("\x1b\\[[0-9;]*m|\n").ReplaceAllString(line, "")
		var top, bottom []bool
		for _, r := range line {
			top, bottom = append(top, r == '█' || r == '▀'), append(bottom, r == '█' || r == '▄')
		}
		rows = append(rows, top, bottom)
	}
	const border = 2
	size := len(rows[0]) - 2*border
	finder := func(x0, y0 int) {
		for y := range 7 {
			for x := range 7 {
				ring := max(x, 6-x, y, 6-y) // 6 at the edge, 5 inside it, 4 and 3 in the core
				if got, want := rows[border+y0+y][border+x0+x], ring != 5; got != want {
					t.Errorf("finder at %d,%d: module %d,%d is dark: %v", x0, y0, x, y, got)
				}
			}
		}
	}
	finder(0, 0)
	finder(size-7, 0)
	finder(0, size-7)
	for i := range rows[0] {
		if rows[0][i] || rows[1][i] || rows[i][0] || rows[i][1] {
			t.Fatal("the border is not light")
		}
	}
}
