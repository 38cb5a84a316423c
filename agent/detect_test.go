package agent

import (
	"fmt"
	"testing"
	"time"

	"camward/motion"
)

func TestIntervalsThatOverlapStandSideBySide(t *testing.T) {
	list := func(s ...int) (out []motion.Interval) {
		for i := 0; i+1 < len(s); i += 2 {
			out = append(out, motion.Interval{Start: time.Duration(s[i]) * time.Second, End: time.Duration(s[i+1]) * time.Second})
		}
		return out
	}
	show := func(ps []Pairing) (s string) {
		for _, p := range ps {
			s += "["
			for _, iv := range p.A {
				s += fmt.Sprintf("a%v-%v ", iv.Start.Seconds(), iv.End.Seconds())
			}
			for _, iv := range p.B {
				s += fmt.Sprintf("b%v-%v ", iv.Start.Seconds(), iv.End.Seconds())
			}
			s += "]"
		}
		return s
	}
	for _, tt := range []struct {
		a, b []motion.Interval
		want string
	}{
		{nil, nil, ""},
		{list(1, 2), nil, "[a1-2 ]"},
		{nil, list(1, 2, 5, 6), "[b1-2 ][b5-6 ]"},
		{list(1, 2), list(1, 2), "[a1-2 b1-2 ]"},
		{list(1, 2), list(2, 3), "[a1-2 b2-3 ]"},
		{list(1, 2, 4, 5), list(3, 3, 6, 7), "[a1-2 ][b3-3 ][a4-5 ][b6-7 ]"},
		{list(1, 10), list(2, 3, 5, 6, 12, 13), "[a1-10 b2-3 b5-6 ][b12-13 ]"},
		{list(2, 3, 5, 6), list(1, 4, 5, 7), "[a2-3 b1-4 ][a5-6 b5-7 ]"},
		{list(1, 3, 6, 8), list(2, 7), "[a1-3 a6-8 b2-7 ]"},
	} {
		if got := show(Pair(tt.a, tt.b)); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
