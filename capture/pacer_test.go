package capture

import (
	"testing"
	"time"
)

func TestAPauseGrowsWithFailuresThatAreAlikeAndNoOthers(t *testing.T) {
	type ended struct {
		good   bool
		lasted time.Duration
		want   time.Duration
	}
	ms := time.Millisecond
	for name, runs := range map[string][]ended{
		"no picture at all":             {{false, 0, 250 * ms}, {false, 0, 500 * ms}, {false, 0, time.Second}, {false, 0, 2 * time.Second}, {false, 0, 4 * time.Second}, {false, 0, 5 * time.Second}},
		"a picture or two each time":    {{true, ms, 250 * ms}, {true, ms, 500 * ms}, {true, ms, time.Second}, {true, ms, 2 * time.Second}, {true, ms, 2 * time.Second}},
		"a failed attempt between them": {{true, ms, 250 * ms}, {true, ms, 500 * ms}, {false, 0, 250 * ms}, {false, 0, 500 * ms}, {true, ms, time.Second}},
		"a good run":                    {{false, 0, 250 * ms}, {false, 0, 500 * ms}, {true, time.Minute, 250 * ms}, {true, ms, 250 * ms}, {true, time.Minute, 250 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			var p pacer
			for i, r := range runs {
				if got := p.next(faultOther, r.good, r.lasted); got != r.want {
					t.Errorf("pause %d: %v, want %v", i, got, r.want)
				}
			}
		})
	}
}
