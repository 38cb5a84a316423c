package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"camward/camio"
)

// A road is one way to the cloud that can be spoilt and mended.
type road struct {
	addr       string
	begin, end func()
	check      func(*testing.T, *subject) // after it was mended; nil: nothing more than always
}

// A trial is one kind of fault between the device and the cloud.
type trial struct {
	name    string
	quick   bool          // part of the quick run too
	seconds float64       // of what the device is shown; at least until the fault is over
	lasts   time.Duration // at least
	want    string        // what the status must say while it lasts; empty: it is no fault, transfers go on
	build   func(t *testing.T, cloud string) *road
}

// small makes clips of about 150 kB and few seconds.
const small = "pre_roll: 1s, post_roll: 1s, heartbeat: 10s, bitrate: 400000"

var networkTrials = []trial{
	{name: "latency of 2 s with jitter", seconds: 36, build: toxic(`latency upstream {"latency": 2000, "jitter": 500}`, `latency downstream {"latency": 2000, "jitter": 500}`)},
	{name: "10 kB a second", seconds: 36, build: toxic(`bandwidth upstream {"rate": 10}`, `bandwidth downstream {"rate": 10}`)},
	{name: "slices of 100 bytes", seconds: 36, build: toxic(`slicer upstream {"average_size": 100, "size_variation": 50, "delay": 2000}`, `slicer downstream {"average_size": 20, "size_variation": 10, "delay": 2000}`)},
	{name: "slow close", seconds: 36, build: toxic(`slow_close upstream {"delay": 5000}`, `slow_close downstream {"delay": 5000}`)},
	{name: "cut in the middle of a body", quick: true, seconds: 30, want: "EOF|reset|broken pipe|closed", build: toxic(`limit_data upstream {"bytes": 50000}`)},
	{name: "cut in the middle of an answer", seconds: 36, want: "EOF|reset|cut", build: toxic(`limit_data downstream {"bytes": 100}`)},
	{name: "reset in the middle of a body", seconds: 36, want: "reset|broken pipe|EOF", build: toxic(`bandwidth upstream {"rate": 40}`, `reset_peer upstream {"timeout": 700}`)},
	{name: "half-open: accepted, then nothing", seconds: 72, want: "does not answer|no progress", build: toxic(`timeout upstream {"timeout": 0}`)},
	{name: "half-open: the answer never comes", seconds: 72, want: "does not answer|no progress", build: toxic(`timeout downstream {"timeout": 0}`)},
	{name: "packets vanish in the middle of a body", seconds: 72, want: "timed out|no progress|does not answer", build: packetsVanish},
	{name: "packets that ask for a connection vanish", seconds: 48, want: "dial.*(timeout|timed out)", build: connectsVanish},
	{name: "connections wait in the backlog", seconds: 72, want: "does not answer|no progress", build: notAccepted},
	{name: "the proxy is down", seconds: 36, want: "refused", build: down},
}

// TestNetwork spoils the way between a real device and a real cloud. While it is bad the device goes on recording and polling, the spool keeps its
// quota and the status names the fault; afterwards everything that was recorded arrives once and nothing is left.
func TestNetwork(t *testing.T) {
	t.Parallel()
	trials(t, networkTrials)
}

func trials(t *testing.T, list []trial) {
	for _, tr := range list {
		if !tr.quick && *faults != "full" {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			c := startCloud(t)
			way := tr.build(t, c.addr)
			r := startSubject(t, c, way.addr, crossings(t, tr.seconds, "320x240", 4), small, "max_bytes: 16MiB")
			r.spoilt(t, tr, way)
			if way.check != nil {
				way.check(t, r)
			}
			r.complete(t, 5*time.Minute)
		})
	}
}

// spoilt lets the first event through, spoils the way until the fault is named and two more events have been recorded, and mends it.
func (r *subject) spoilt(t *testing.T, tr trial, way *road) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		if s := r.monitor.now(); s.Uploader.Sent < 2 || s.Uploader.Queued > 0 {
			return fmt.Errorf("the first event: %d sent, %d queued, %q", s.Uploader.Sent, s.Uploader.Queued, s.Uploader.LastError)
		}
		return nil
	})
	r.monitor.forget()
	before, began := r.monitor.now(), time.Now()
	way.begin()
	eventually(t, 5*time.Minute, func() error {
		s := r.monitor.now()
		if n := s.Cameras[0].Clip.Clips - before.Cameras[0].Clip.Clips; n < 2 {
			return fmt.Errorf("%d clips recorded since the fault began", n)
		}
		if s.Poll.Polls == before.Poll.Polls {
			return fmt.Errorf("not one poll since the fault began")
		}
		if tr.want == "" && s.Uploader.Sent < before.Uploader.Sent+2 {
			return fmt.Errorf("%d transfers since the fault began, want 2 at least", s.Uploader.Sent-before.Uploader.Sent)
		}
		if time.Since(began) < tr.lasts {
			return fmt.Errorf("%v are not over", tr.lasts)
		}
		if tr.want != "" && r.monitor.named(tr.want) == "" {
			return fmt.Errorf("the status has not named the fault; it said\n\t%s", r.monitor.all())
		}
		return nil
	})
	if s := r.monitor.now(); tr.want == "" && s.Uploader.Retries > before.Uploader.Retries {
		t.Errorf("%d transfers failed on a way that is only slow:\n\t%s", s.Uploader.Retries-before.Uploader.Retries, r.monitor.all())
	}
	lasted, sent := time.Since(began), r.monitor.now().Uploader.Sent-before.Uploader.Sent
	way.end()
	mended := time.Now()
	eventually(t, 5*time.Minute, func() error {
		if s := r.monitor.now(); s.Uploader.Queued > 0 {
			return fmt.Errorf("%d still queued, last error %q", s.Uploader.Queued, s.Uploader.LastError)
		}
		return nil
	})
	said := r.monitor.named(tr.want)
	if tr.want == "" {
		said = "nothing"
	}
	t.Logf("the fault lasted %.0f s, %d items sent meanwhile; the queue was empty %.0f s after it (goal 60 s); at most %.1f MB in the spool; the status said: %s",
		lasted.Seconds(), sent, time.Since(mended).Seconds(), float64(r.monitor.most)/1e6, said)
}

// TestNetworkCarriesALargeClipAtTenKilobytesASecond sends a clip that takes two minutes and that buffers on the way swallow much faster: the server's
// answer is waited for as long as the body needs.
func TestNetworkCarriesALargeClipAtTenKilobytesASecond(t *testing.T) {
	thorough(t)
	t.Parallel()
	c := startCloud(t)
	way := toxic(`bandwidth upstream {"rate": 10}`, `bandwidth downstream {"rate": 10}`)(t, c.addr)
	way.begin()
	r := startSubject(t, c, way.addr, crossings(t, 8, "640x480", 20), "pre_roll: 1s, post_roll: 1s, heartbeat: 0s, bitrate: 3000000", "max_bytes: 16MiB")
	began := time.Now()
	r.complete(t, 20*time.Minute)
	for _, e := range r.made() {
		t.Logf("%s: %d bytes", e.Kind, e.size)
		if e.Kind == camio.KindClip && e.size < 1_000_000 {
			t.Errorf("a clip of %d bytes is too small to show anything", e.size)
		}
	}
	if u := r.status(t).Uploader; u.Retries > 0 {
		t.Errorf("%d transfers failed on a way that is only slow:\n\t%s", u.Retries, r.monitor.all())
	}
	t.Logf("in the cloud after %.0f s", time.Since(began).Seconds())
}

// newProxy runs a proxy to the cloud.
func newProxy(t *testing.T, cloud string) *toxiproxy.Proxy {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log each step to the standard error
	p := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), "127.0.0.1:0", cloud)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// toxic spoils a proxy by toxics, each "type stream attributes".
func toxic(specs ...string) func(*testing.T, string) *road {
	return func(t *testing.T, cloud string) *road {
		p := newProxy(t, cloud)
		return &road{addr: p.Listen, begin: func() {
			for _, s := range specs {
				f := strings.SplitN(s, " ", 3)
				b, _ := json.Marshal(map[string]any{"type": f[0], "stream": f[1], "attributes": json.RawMessage(f[2])})
				if _, err := p.Toxics.AddToxicJson(bytes.NewReader(b)); err != nil {
					t.Errorf("%s: %v", s, err)
				}
			}
		}, end: func() { p.Toxics.ResetToxics(context.Background()) }}
	}
}

// down ends the proxy and begins it again.
func down(t *testing.T, cloud string) *road {
	p := newProxy(t, cloud)
	return &road{addr: p.Listen, begin: p.Stop, end: func() {
		if err := p.Start(); err != nil {
			t.Error(err)
		}
	}}
}
