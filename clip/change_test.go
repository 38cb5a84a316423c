package clip

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEventsAreToldOnceWhenTheyBeginAndOnceWhenTheyEnd(t *testing.T) {
	var got []EventChange
	cfg := quiet()
	cfg.PreRoll, cfg.PostRoll = 2*time.Second, time.Second
	data := jpegs(t, 64, 48, 60)
	var first, second, third time.Duration
	g := bubble(t, cfg, mjpeg(64, 48), data, func(g *rig) {
		g.r.OnEvent(func(c EventChange) { got = append(got, c) })
		g.run(func() {
			g.play(shot{30, false})
			first = g.mono
			g.feed(g.frame(), true, 0.1)
			g.feed(g.frame(), true, 0.5)
			g.feed(g.frame(), true, 0.2)
			synctest.Wait()
			if len(got) != 1 {
				t.Fatalf("told %d changes while the event lasts, want 1", len(got))
			}
			g.format.Width, g.format.Height, g.data = 96, 64, jpegs(t, 96, 64, 60) // the event goes on in another file
			g.play(shot{3, true}, shot{60, false})
			second = g.mono
			g.play(shot{1, true})
			g.r.CameraLost()
			synctest.Wait()
			g.play(shot{30, false})
			third = g.mono
			g.play(shot{1, true})
		})
	})
	want := []EventChange{
		{Start: first - cfg.PreRoll, First: first, Last: first, Peak: first},
		{Start: first - cfg.PreRoll, First: first, Last: first + 5*step, Peak: first + 3*step, Ended: true},
		{Start: second - cfg.PreRoll, First: second, Last: second, Peak: second},
		{Start: second - cfg.PreRoll, First: second, Last: second, Peak: second, Ended: true},
		{Start: third - cfg.PreRoll, First: third, Last: third, Peak: third},
		{Start: third - cfg.PreRoll, First: third, Last: third, Peak: third, Ended: true},
	}
	last := ""
	for i := range got {
		if id := got[i].ID; id == "" || (i%2 == 1) != (id == last) {
			t.Errorf("change %d has id %q, the one before %q", i, id, last)
		}
		last, got[i].ID = got[i].ID, ""
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for _, m := range g.spool.of("clip") {
		if m.Event == "" {
			t.Error("a clip without an event")
		}
	}
}
