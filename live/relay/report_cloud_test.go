package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"camward/camio"
	"camward/cloud/cloudtest"
)

// A mutable line can have what comes from the cloud vanish, and be cut.
type mutable struct {
	net.Conn
	mu    sync.Mutex
	muted bool
}

func (m *mutable) mute() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.muted = true
}

func (m *mutable) Read(b []byte) (int, error) {
	for {
		n, err := m.Conn.Read(b)
		m.mu.Lock()
		muted := m.muted
		m.mu.Unlock()
		if err != nil || !muted {
			return n, err
		}
	}
}

// reporter is a real client at the real cloud, connected by lines that a test can mute.
type reporter struct {
	*Client
	t      *testing.T
	cloud  *cloudtest.Cloud
	target Target
	lines  chan *mutable
}

func newReporter(t *testing.T) *reporter {
	t.Helper()
	r := &reporter{t: t, cloud: cloudtest.New(t), lines: make(chan *mutable, 100)}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		m := &mutable{Conn: conn}
		r.lines <- m
		return m, nil
	}}
	t.Cleanup(tr.CloseIdleConnections)
	r.Client, _ = run(t, &viewers{}, &http.Client{Transport: tr})
	r.target = targetAt(t, r.cloud.URL)
	r.target.Token = camio.Secret(r.cloud.Account.UploadToken)
	return r
}

// states is what the cloud has heard, the newest first; nothing if it does not know the camera.
func (r *reporter) states() (list []camio.CameraChange) {
	r.t.Helper()
	status, text := r.cloud.Do(r.t, "GET", "/api/users/me/cameras/front%20door/states", "")
	if status == http.StatusNotFound {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || status != 200 {
		r.t.Fatalf("%d %s: %v", status, text, err)
	}
	return list
}

func (r *reporter) until(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s; %+v, the cloud has %+v", patience, what, r.Status(), r.states())
		}
	}
}

func (r *reporter) allTold() bool { return r.Status().ReportsWaiting == 0 }

func TestTheRealCloudHearsAfterTheClaimWhatHappenedBefore(t *testing.T) {
	r := newReporter(t)
	lost := time.Now().Add(-time.Hour) // by a clock that was wrong
	r.Report(false, lost, "no such device")
	r.Report(true, time.Time{}, "USB camera")
	if r.Status().ReportsWaiting != 2 || r.states() != nil {
		t.Fatalf("%+v before there is a cloud", r.Status())
	}
	r.SetTarget(r.target)
	r.until("told", r.allTold)
	got := r.states()
	if len(got) != 2 || !got[0].IsFound || got[0].Reason != "USB camera" || got[1].IsFound || got[1].Reason != "no such device" {
		t.Fatalf("%+v", got)
	}
	for _, c := range got {
		if d := time.Since(c.Date.Time); d < 0 || d > patience {
			t.Errorf("%+v was %v ago", c, d)
		}
	}
	r.Report(false, time.Now(), "again")
	r.until("told", r.allTold)
	if got := r.states(); len(got) != 3 || got[0].IsFound {
		t.Errorf("%+v", got)
	}
}

func TestTheRealCloudCountsAReportOnceWhoseAcknowledgementWasLost(t *testing.T) {
	r := newReporter(t)
	r.SetTarget(r.target)
	r.until("connected", func() bool { return r.Status().Connected })
	line := <-r.lines
	line.mute()
	r.Report(false, time.Now(), "no such device")
	r.until("stored", func() bool { return len(r.states()) == 1 })
	if n := r.Status().ReportsWaiting; n != 1 {
		t.Fatalf("%d wait, want that which was not acknowledged", n)
	}
	r.Report(true, time.Now(), "")
	line.Close()
	r.until("told over another connection", r.allTold)
	if got := r.states(); len(got) != 2 || !got[0].IsFound || got[1].Reason != "no such device" {
		t.Errorf("%+v", got)
	}
	if len(r.lines) == 0 {
		t.Error("there was no second connection")
	}
}

func TestAThousandFlapsDoNotCostTheConnection(t *testing.T) {
	r := newReporter(t)
	r.SetTarget(r.target)
	r.until("connected", func() bool { return r.Status().Connected })
	since := r.Status().Since
	for i := range 1000 {
		r.Report(i%2 == 1, time.Now(), fmt.Sprint(i))
	}
	r.until("told", r.allTold)
	s, got := r.Status(), r.states()
	if len(got) < maxReports || len(got) > maxReports+100 || got[0].Reason != "999" || !got[0].IsFound || s.ReportsDropped < 1000-len(got) || s.ReportsDropped > 1000-maxReports {
		t.Errorf("%+v, %d states, the last %+v", s, len(got), got[0])
	}
	if !s.Connected || s.Since != since {
		t.Errorf("the connection did not last: %+v", s)
	}
}

func TestTheRealCloudHearsThatTheWholePictureChanged(t *testing.T) {
	r := newReporter(t)
	r.SetTarget(r.target)
	r.Report(true, time.Now(), "USB camera")
	r.ReportScene("covered", time.Now(), "3 times since it was told last")
	r.until("told", func() bool { return r.allTold() && len(r.states()) == 2 })
	got := r.states()
	if got[0].Scene != "covered" || !got[0].IsFound || got[0].Reason != "3 times since it was told last" || got[1].Scene != "" {
		t.Errorf("%+v", got)
	}
}

func TestChangesOfThePictureDoNotPushOutThatTheCameraIsLost(t *testing.T) {
	r := newReporter(t)
	r.Report(false, time.Now(), "no such device")
	for range 3 * maxReports {
		r.ReportScene("moved", time.Now(), "")
	}
	r.SetTarget(r.target)
	r.until("told", func() bool { return r.Status().Connected && r.allTold() })
	if got := r.states(); len(got) != maxReports || got[len(got)-1].IsFound || got[len(got)-1].Reason != "no such device" {
		t.Errorf("%d, the first %+v", len(got), got[len(got)-1])
	}
}
