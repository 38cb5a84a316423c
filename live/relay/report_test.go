package relay

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
)

// state reads a report; hello comes before the first.
func (f *far) state() camio.LiveMessage {
	f.t.Helper()
	m := f.read()
	if m.Type != camio.LiveState || m.State == nil || m.ID == "" || len(m.ID) > maxID {
		f.t.Fatalf("%+v, want a state", m)
	}
	return m
}

func (f *far) hello() {
	f.t.Helper()
	if m := f.read(); m.Type != camio.LiveHello {
		f.t.Fatalf("%+v, want hello first", m)
	}
}

// accept acknowledges a report.
func (f *far) accept(m camio.LiveMessage) {
	f.t.Helper()
	f.write(camio.LiveMessage{Type: camio.LiveState, ID: m.ID})
}

// silent fails if anything comes within d.
func (f *far) silent(d time.Duration) {
	f.t.Helper()
	select {
	case data := <-f.in:
		f.t.Errorf("got %s, want silence", data)
	case <-time.After(d):
	}
}

func TestReportsWaitForTheCloudAndComeInTheirOrderAfterHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, _, _ := bubble(t, &viewers{})
		at := time.Now().Add(-time.Second)
		c.Report(false, at, "no such device")
		time.Sleep(90 * time.Second)
		c.Report(true, time.Time{}, "USB camera\r\nat\x00 /dev/video2")
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		defer f.close()
		f.hello()
		first := f.state()
		if s := first.State; s.Found || s.Seq != 1 || !s.At.Equal(at) || s.Ago != 90 || s.Reason != "no such device" || len(s.Boot) < 16 {
			t.Errorf("first %+v", s)
		}
		f.silent(30 * time.Second) // the first one is not answered
		f.accept(first)
		second := f.state()
		if s := second.State; !s.Found || s.Seq != 2 || !s.At.IsZero() || s.Ago < 30 || s.Ago > 31 || s.Reason != "USB camera  at  /dev/video2" || s.Boot != first.State.Boot {
			t.Errorf("second %+v", s)
		}
		f.accept(second)
		synctest.Wait()
		if s := c.Status(); s.ReportsWaiting != 0 || s.ReportsDropped != 0 {
			t.Errorf("%+v", s)
		}
		began := time.Now()
		c.Report(false, time.Time{}, "")
		third := f.state()
		if d := time.Since(began); d > reportPause || third.State.Seq != 3 {
			t.Errorf("%+v after %v", third.State, d)
		}
		f.accept(third)
		f.silent(10 * time.Minute)
	})
}

func TestAReportWhoseAcknowledgementIsLostIsRepeatedAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, _, _ := bubble(t, &viewers{})
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		f.hello()
		c.Report(false, time.Now(), "no such device")
		c.Report(true, time.Now(), "")
		first := f.state()
		f.conn.CloseNow() // before the answer
		f.close()
		f = cl.next()
		defer f.close()
		f.hello()
		again := f.state()
		a, b := *first.State, *again.State
		if b.Ago < 1 {
			t.Errorf("%v s ago", b.Ago)
		}
		a.Ago, b.Ago = 0, 0
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%+v was repeated as %+v", a, b)
		}
		f.accept(again)
		if m := f.state(); m.State.Seq != 2 {
			t.Errorf("then came %+v", m.State)
		}
	})
}

func TestOfAThousandFlapsTheLast64Wait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, _, _ := bubble(t, &viewers{})
		for i := range 1000 {
			c.Report(i%2 == 1, time.Time{}, strings.Repeat("x", 10_000))
		}
		if s := c.Status(); s.ReportsWaiting != maxReports || s.ReportsDropped != 1000-maxReports {
			t.Errorf("%+v", s)
		}
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		defer f.close()
		f.hello()
		began := time.Now()
		for i := range maxReports {
			m := f.state()
			if want := int64(1000 - maxReports + 1 + i); m.State.Seq != want || m.State.Found != (want%2 == 0) || len(m.State.Reason) != camio.MaxStateReason {
				t.Fatalf("%+v, want %d", m.State, want)
			}
			f.accept(m)
		}
		// The cloud takes 20 messages a second from a camera.
		if d := time.Since(began); d < maxReports/20*time.Second {
			t.Errorf("all within %v", d)
		}
		f.silent(time.Hour)
	})
}

func TestACloudThatKnowsNoReportsIsNotPesteredAndServesViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, _, _ := bubble(t, &viewers{})
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		defer f.close()
		f.hello()
		c.Report(false, time.Time{}, "")
		last := time.Now()
		for i := range 5 {
			m := f.state()
			if d := time.Since(last); i > 0 && d < repeatAfter || m.State.Seq != 1 {
				t.Errorf("%+v after %v", m.State, d)
			}
			last = time.Now()
			if m := f.ask(camio.LiveMessage{Type: camio.LiveOpen, ID: "1", SDP: "offer"}); m.Session != "s-offer" {
				t.Errorf("viewer got %+v", m)
			}
			f.silent(repeatAfter - 2*time.Second)
		}
		if s := c.Status(); !s.Connected || s.ReportsWaiting != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAReportThatTheCloudRefusesIsGivenUpAndOneThatItCannotKeepIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, _, logs := bubble(t, &viewers{})
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		defer f.close()
		f.hello()
		c.Report(false, time.Time{}, "")
		c.Report(true, time.Time{}, "")
		m := f.state()
		failed := time.Now()
		f.write(camio.LiveMessage{Type: camio.LiveState, ID: m.ID, Error: &camio.LiveError{Status: 500, Text: "disk full"}})
		f.silent(repeatAfter - 2*time.Second)
		if m = f.state(); m.State.Seq != 1 || time.Since(failed) < repeatAfter {
			t.Errorf("%+v after %v", m.State, time.Since(failed))
		}
		f.write(camio.LiveMessage{Type: camio.LiveState, ID: m.ID, Error: &camio.LiveError{Status: 400, Text: "line\nof " + string(token)}})
		if m = f.state(); m.State.Seq != 2 {
			t.Errorf("%+v", m.State)
		}
		f.accept(m)
		synctest.Wait()
		if text := shown(c, logs); strings.Contains(text, "T0ken") || strings.Contains(text, `\n`+"of") {
			t.Errorf("%s", text)
		}
	})
}

func TestANewTargetHearsHowThingsStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, _, _ := bubble(t, &viewers{})
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		f.hello()
		c.Report(true, time.Time{}, "")
		f.accept(f.state())
		c.Report(false, time.Time{}, "gone")
		f.accept(f.state())
		synctest.Wait()
		other := targetAt(t, "http://other.example.com")
		c.SetTarget(other)
		f.gone()
		f.close()
		f = cl.next()
		f.hello()
		m := f.state()
		if m.State.Seq != 2 || m.State.Found {
			t.Errorf("the new cloud heard %+v", m.State)
		}
		f.accept(m)
		f.silent(time.Hour)
		f.close()
	})
}

func TestWhatWaitsForOneOwnerIsNotToldToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cl, _, _ := bubble(t, &viewers{})
		c.Report(true, time.Time{}, "before anybody owned it")
		c.SetTarget(targetAt(t, "http://cloud.example.com"))
		f := cl.next()
		f.hello()
		if m := f.state(); m.State.Seq != 1 {
			t.Errorf("the first owner heard %+v", m.State)
		} else {
			f.accept(m)
		}
		synctest.Wait()
		c.SetTarget(Target{}) // released
		f.gone()
		f.close()
		c.Report(false, time.Time{}, "between the two")
		c.Report(true, time.Time{}, "now")
		c.SetTarget(targetAt(t, "http://other.example.com"))
		f = cl.next()
		f.hello()
		m := f.state()
		if m.State.Seq != 3 {
			t.Errorf("the second owner heard %+v first", m.State)
		}
		f.accept(m)
		f.silent(time.Hour)
		f.close()
	})
}

func TestAnswersThatNobodyWaitsForAreIgnored(t *testing.T) {
	c, _, f := loopbackRig(t, &viewers{})
	for i := range 100 {
		f.write(camio.LiveMessage{Type: camio.LiveState, ID: fmt.Sprint(i)})
		f.write(camio.LiveMessage{Type: camio.LiveState, ID: fmt.Sprint(i), State: &camio.CameraState{Seq: 1}, Error: &camio.LiveError{Status: 500}})
	}
	if m := f.ask(camio.LiveMessage{Type: camio.LiveEnd, ID: "9", Session: "s1"}); m.ID != "9" {
		t.Errorf("answered %+v", m)
	}
	c.Report(false, time.Time{}, "")
	m := f.state() // an answer that came before the question does not count
	f.write(camio.LiveMessage{Type: camio.LiveState, ID: m.ID + "0"})
	f.accept(m)
	for end := time.Now().Add(patience); c.Status().ReportsWaiting > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the acknowledgement was not taken")
		}
	}
}

func TestTimesAndReasonsAreMadeFitToSend(t *testing.T) {
	tests := []struct {
		at     time.Time
		reason string
		zero   bool
		want   string
	}{
		{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), "ok", false, "ok"},
		{time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), "", true, ""},
		{time.Date(-4, 1, 1, 0, 0, 0, 0, time.UTC), "", true, ""},
		{time.Time{}, "a\u202eb\xff\tc", true, "a b c"},
		{time.Time{}, strings.Repeat("ü", 150), true, strings.Repeat("ü", 100)},
		{time.Time{}, "x" + strings.Repeat("ü", 150), true, "x" + strings.Repeat("ü", 99)},
	}
	c, _, f := loopbackRig(t, &viewers{})
	for _, tt := range tests {
		c.Report(true, tt.at, tt.reason)
		m := f.state()
		f.accept(m)
		if s := m.State; s.At.IsZero() != tt.zero || s.Reason != tt.want {
			t.Errorf("%v %q became %v %q", tt.at, tt.reason, s.At, s.Reason)
		}
	}
}
