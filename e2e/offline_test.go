package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"go.uber.org/zap"

	"camward/camio"
	"camward/uploader"
	"camward/uploader/httpstore"
)

// TestOffline keeps a device off the network for a day with an event a minute, a snapshot and a clip of each, in compressed time: spool and
// uploader run in this process, stamps and names are a minute apart, everything else is as fast as it goes. The spool's directory, the link that
// refuses every attempt, and the cloud are real. Memory must not grow with the day by more than the entries of the queue. Then the link comes
// back: everything arrives once, newest first, snapshots before clips, and what has just happened is not kept waiting by the day before it.
//
// It does not run beside other tests, since it measures this process.
func TestOffline(t *testing.T) {
	if *faults != "full" {
		t.Run("restarted at three quarters", func(t *testing.T) { testOffline(t, 144, true) })
		return
	}
	t.Run("in one piece", func(t *testing.T) { testOffline(t, 1440, false) })
	t.Run("restarted at three quarters", func(t *testing.T) { testOffline(t, 1440, true) })
}

const (
	// Of queue and names, for each item: 10 MB for 10,000 is the design.
	mostPerItem = 10e6 / 10_000
	// What may be left when all is delivered.
	mostLeft = 1e6
	live     = 3  // events that happen while the day is delivered
	share    = 25 // per cent of the transfers for the backlog: the default
)

// An offline is a device in this process.
type offline struct {
	t     *testing.T
	cfg   uploader.Config
	store *httpstore.Store
	start time.Time // wall-clock time of stamp 0
	jpeg  []byte
	mp4   []byte

	cloud  *gateway // sees the order of arrival
	before int      // transfers that were done when the last snapshot was finished

	spool    *uploader.Spool
	uploader *uploader.Uploader
	stop     func()
	made     map[[sha256.Size]byte]time.Time // what is recorded, with its time; filled beforehand, not to count as the product's memory
	numbers  map[string]int                  // events by the names of their items
}

// Wall implements uploader.Clock: trusted all the time.
func (o *offline) Wall(mono time.Duration) (time.Time, bool) { return o.start.Add(mono), true }

func testOffline(t *testing.T, events int, restart bool) {
	c := startCloud(t)
	g, addr := startGateway(t, c.addr)
	link := newProxy(t, addr)
	o := newOffline(t, c, link.Listen, events)
	o.cloud = g
	o.open()
	o.event(-1) // by this, all that is made once has been made
	o.delivered(time.Minute)
	link.Stop()
	base, began := heap(), time.Now()
	for n := range events {
		if restart && n == events*3/4 {
			o.close()
			o.open()
		}
		o.event(n)
		if q := n + 1; q%(events/4) == 0 {
			now := heap()
			items := o.uploader.Status().Queued
			per := float64(now-base) / float64(items)
			t.Logf("after %4.1f h offline: %4d items, %5.1f MB in the spool, heap %.2f MB (%+.2f MB, %.0f bytes an item, at most %.0f), %.1f MB resident", 24*float64(q)/float64(events),
				items, float64(o.uploader.Status().SpoolBytes)/1e6, float64(now)/1e6, float64(now-base)/1e6, per, mostPerItem, residentNow(t))
			// Some of it is no item's: buffers, timers. In the quick run that would be spread over few items.
			if float64(now-base) > mostPerItem*float64(items)+100e3 {
				t.Errorf("%d items take %d bytes of heap", items, now-base)
			}
		}
	}
	t.Logf("%d events recorded in %.1f s, %d failed transfers meanwhile", events, time.Since(began).Seconds(), o.uploader.Status().Retries)
	if st := o.uploader.Status(); st.Queued != 2*events || len(st.Dropped) > 0 || !strings.Contains(st.LastError, "refused") {
		t.Errorf("before the link comes back: %d queued, want %d; dropped %v, last error %q", st.Queued, 2*events, st.Dropped, st.LastError)
	}
	o.comeBack(link, g, events, restart)
	left := heap()
	t.Logf("heap after it all: %.2f MB (%+.2f MB)", float64(left)/1e6, float64(left-base)/1e6)
	if float64(left-base) > mostLeft {
		t.Errorf("%d bytes of heap more than before the day", left-base)
	}
	o.compare(c)
	o.close()
}

// comeBack mends the link, has something happen while the day is delivered, and checks the order.
func (o *offline) comeBack(link *toxiproxy.Proxy, g *gateway, events int, restart bool) {
	o.t.Helper()
	before := len(g.seen())
	if err := link.Start(); err != nil {
		o.t.Fatal(err)
	}
	began := time.Now() // the uploader is in a pause of at most a minute
	tried := map[int]bool{}
	for _, it := range o.spool.Items() {
		if it.Tries > 0 {
			tried[o.numbers[it.Name]] = true
		}
	}
	total := 2 * events
	var late []int // how many transfers stood between a live event and its snapshot
	for k := range live {
		eventually(o.t, 10*time.Minute, func() error {
			if n := len(g.seen()) - before; n < total*(k+1)/5 {
				return fmt.Errorf("%d of %d transfers", n, total)
			}
			return nil
		})
		o.event(events + k)
		_, stamp := stamps(events + k)
		name := o.name(stamp, camio.KindSnapshot)
		eventually(o.t, 5*time.Minute, func() error {
			for i, u := range g.seen()[o.before:] {
				if u.name == name {
					late = append(late, i)
					return nil
				}
			}
			return errors.New("the live event has not arrived")
		})
	}
	o.delivered(20 * time.Minute)
	took := time.Since(began)
	order := o.arrivals(g.seen()[before:])
	g.forget()
	o.t.Logf("%d items delivered in %.1f s, %.0f a second; the snapshots of live events came after %v other transfers", len(order), took.Seconds(), float64(len(order))/took.Seconds(), late)
	for _, n := range late {
		if n > 3 { // one in transfer, one for the backlog, one for the time that this test takes to see
			o.t.Errorf("%d transfers stood before the snapshot of what had just happened", n)
		}
	}
	fresh := 0
	if restart {
		fresh = events * 3 / 4
	}
	o.t.Logf("%d events have an item that met the broken link and may have to wait for a pause of its own", len(tried))
	for _, fault := range disorderly(o.t, order, events, fresh, tried) {
		o.t.Error(fault)
	}
}

// An arrival is one item in the order in which the cloud got it.
type arrival struct {
	event int
	clip  bool
}

func (o *offline) arrivals(seen []uploadSeen) (order []arrival) {
	for _, u := range seen {
		n, ok := o.numbers[u.name]
		if !ok {
			o.t.Errorf("%s arrived; it was never recorded", u.name)
		}
		order = append(order, arrival{n, strings.HasSuffix(u.name, ".mp4")})
	}
	return order
}

// disorderly checks the order of a day's arrivals. Events from fresh on are news to the process that sends, earlier ones are backlog; of each the
// newest is first, its snapshot before its clip. While there is both, the backlog gets its share of the transfers. Events beyond the day happened
// during the delivery, and those in tried wait for a pause of their own: they may come anywhere.
func disorderly(t *testing.T, order []arrival, events, fresh int, tried map[int]bool) (faults []string) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	last := map[bool]arrival{}
	count, quarter, newest := map[bool]int{}, 0, 0 // where the newest quarter and the last of the news were complete
	backlog := 0                                   // that came until then
	seen := map[arrival]int{}
	for i, a := range order {
		if seen[a]++; seen[a] > 1 {
			bad("event %d (clip %v) was transferred %d times", a.event, a.clip, seen[a])
		}
		if a.event >= events {
			continue
		}
		news := a.event >= fresh
		count[news]++
		if tried[a.event] {
			continue
		}
		if p, ok := last[news]; ok && (a.event > p.event || a.event == p.event && !(a.clip && !p.clip)) {
			bad("transfer %d: event %d (clip %v) after event %d (clip %v)", i, a.event, a.clip, p.event, p.clip)
		}
		last[news] = a
		if news {
			newest, backlog = i+1, count[false]
		}
		if a.event >= events*3/4 {
			quarter = i + 1
		}
	}
	if count[true] != 2*(events-fresh) || count[false] != 2*fresh {
		bad("%d of %d news and %d of %d of the backlog arrived", count[true], 2*(events-fresh), count[false], 2*fresh)
	}
	t.Logf("the newest quarter was complete after %d of %d transfers", quarter, len(order))
	if quarter > len(order)/2 {
		bad("the newest quarter was complete only after %d of %d transfers", quarter, len(order))
	}
	if part := 100 * float64(backlog) / float64(newest); fresh > 0 {
		t.Logf("until then %.1f %% of the transfers were for the backlog, its share is %d %%", part, share)
		if part < share-3 || part > share+3 {
			bad("the backlog got %.1f %% of the transfers, its share is %d %%", part, share)
		}
	}
	return faults
}

// TestTheOrderIsChecked has a small day arrive in the right order and in wrong ones.
func TestTheOrderIsChecked(t *testing.T) {
	both := func(events ...int) (order []arrival) {
		for _, n := range events {
			order = append(order, arrival{n, false}, arrival{n, true})
		}
		return order
	}
	swapped := both(7, 6, 5, 4, 3, 2, 1, 0)
	swapped[4], swapped[5] = swapped[5], swapped[4]
	tests := []struct {
		name  string
		order []arrival
		fresh int
		want  string
	}{
		{"newest first", both(7, 6, 5, 4, 3, 2, 1, 0), 0, ""},
		{"a live event between", both(7, 6, 5, 8, 4, 3, 2, 1, 0), 0, ""},
		{"oldest first", both(0, 1, 2, 3, 4, 5, 6, 7), 0, "only after"},
		{"two changed places", both(7, 6, 4, 5, 3, 2, 1, 0), 0, "event 5 (clip false) after event 4"},
		{"a clip before its snapshot", swapped, 0, "event 5 (clip false) after event 5 (clip true)"},
		{"one lost", both(7, 6, 5, 4, 3, 2, 1), 0, "14 of 16"},
		{"one twice", both(7, 6, 6, 5, 4, 3, 2, 1, 0), 0, "2 times"},
		{"nothing for the backlog", both(7, 6, 5, 4, 3, 2, 1, 0), 2, "share"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(disorderly(t, tt.order, 8, tt.fresh, nil), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func newOffline(t *testing.T, c *cloud, via string, events int) *offline {
	t.Helper()
	cfg := httpstore.Default()
	cfg.BaseURL, cfg.Token = "http://"+via, camio.Secret(c.account.UploadToken)
	store, err := httpstore.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	o := &offline{t: t, cfg: uploader.Default(), store: store, start: time.Now().Add(-25 * time.Hour).Truncate(time.Minute), made: map[[sha256.Size]byte]time.Time{},
		numbers: make(map[string]int, 2*events+16)}
	o.cfg.Dir, o.cfg.MaxBytes, o.cfg.MaxPercent = filepath.Join(t.TempDir(), "spool"), uploader.GiB, 100
	dir := t.TempDir()
	clip, picture := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "picture.jpeg")
	for _, args := range [][]string{
		{"-f", "lavfi", "-i", "testsrc2=s=320x240:r=10,noise=alls=12:allf=t", "-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "400k", "-maxrate", "400k", "-bufsize", "100k",
			"-pix_fmt", "yuv420p", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", clip},
		{"-f", "lavfi", "-i", "testsrc2=s=320x240:r=10,noise=alls=12:allf=t", "-frames:v", "1", "-q:v", "3", picture},
	} {
		if text, err := exec.Command("ffmpeg", append([]string{"-v", "error"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v: %s", err, text)
		}
	}
	if o.mp4, err = os.ReadFile(clip); err == nil {
		o.jpeg, err = os.ReadFile(picture)
	}
	if err != nil {
		t.Fatal(err)
	}
	for n := -1; n < events+live; n++ {
		o.note(n)
	}
	t.Logf("each event: a snapshot of %d bytes and a clip of %d", len(o.jpeg), len(o.mp4))
	return o
}

// open begins a process's life: spool and uploader.
func (o *offline) open() {
	o.t.Helper()
	var err error
	if o.spool, err = uploader.OpenSpool(o.cfg, o, zap.NewNop()); err == nil {
		o.uploader, err = uploader.New(o.cfg, o.spool, o.store, zap.NewNop())
	}
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.uploader.Run(ctx)
	}()
	var ended atomic.Bool
	o.stop = func() {
		if ended.CompareAndSwap(false, true) {
			cancel()
			<-done
			o.spool.Close()
		}
	}
	o.t.Cleanup(o.stop)
}

func (o *offline) close() { o.stop() }

// stamps of an event: of its clip, and of its snapshot within it.
func stamps(n int) (clip, snapshot time.Duration) {
	at := time.Duration(n+2) * time.Minute
	return at, at + 2*time.Second
}

// files gives an event's clip and snapshot. Both carry its number, so that no two are the same bytes.
func (o *offline) files(n int) (movie, picture []byte) {
	// A comment segment after SOI (ITU-T T.81 B.2.4.5), and a box that readers skip (ISO/IEC 14496-12 8.1.2).
	number := binary.BigEndian.AppendUint64(nil, uint64(n+2))
	return bytes.Join([][]byte{o.mp4, {0, 0, 0, 16}, []byte("free"), number}, nil), bytes.Join([][]byte{o.jpeg[:2], {0xff, 0xfe, 0, 10}, number, o.jpeg[2:]}, nil)
}

func (o *offline) name(at time.Duration, kind camio.Kind) string {
	return camio.FormatTime(o.start.Add(at)) + kind.Extension()
}

// note remembers what event n will be.
func (o *offline) note(n int) {
	clip, snapshot := stamps(n)
	movie, picture := o.files(n)
	o.made[sha256.Sum256(movie)], o.made[sha256.Sum256(picture)] = o.start.Add(clip), o.start.Add(snapshot)
	o.numbers[o.name(clip, camio.KindClip)], o.numbers[o.name(snapshot, camio.KindSnapshot)] = n, n
}

// event records what happens in minute n of the day, the snapshot while the clip is being written.
func (o *offline) event(n int) {
	o.t.Helper()
	clipAt, snapshotAt := stamps(n)
	movie, picture := o.files(n)
	clip := o.begin(n, camio.KindClip, clipAt)
	o.write(clip, movie[:len(movie)/2])
	snapshot := o.begin(n, camio.KindSnapshot, snapshotAt)
	o.write(snapshot, picture)
	o.finish(snapshot, 0)
	o.before = len(o.cloud.seen())
	o.write(clip, movie[len(movie)/2:])
	o.finish(clip, 2*time.Second)
}

func (o *offline) begin(n int, kind camio.Kind, at time.Duration) *uploader.Recording {
	o.t.Helper()
	r, err := o.spool.Create(camio.Media{Camera: "front", CameraID: "02FC00000001", Kind: kind, Mode: camio.UploadVideo, Mono: at, Event: strconv.Itoa(n)})
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

func (o *offline) write(r *uploader.Recording, b []byte) {
	o.t.Helper()
	_, err := r.Write(b)
	if err == nil {
		err = r.Sync()
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *offline) finish(r *uploader.Recording, length time.Duration) {
	o.t.Helper()
	if err := r.Finish(length); err != nil {
		o.t.Fatal(err)
	}
}

// delivered waits until the queue is empty.
func (o *offline) delivered(limit time.Duration) {
	o.t.Helper()
	eventually(o.t, limit, func() error {
		if s := o.uploader.Status(); s.Queued > 0 || s.Quarantined > 0 {
			return fmt.Errorf("%d queued, %d in quarantine, %q", s.Queued, s.Quarantined, s.LastError)
		}
		return nil
	})
}

// compare holds what the cloud has against what was recorded, byte for byte.
func (o *offline) compare(c *cloud) {
	o.t.Helper()
	held := c.holdings(o.t, "front")
	events := map[string]int{}
	seen := map[[sha256.Size]byte]bool{}
	for _, h := range held {
		events[h.event]++
		at, ok := o.made[h.sum]
		if !ok || seen[h.sum] || !at.Equal(h.taken) {
			o.t.Errorf("the item of %v in the cloud: recorded %v, there before %v, its time is %v", h.taken, ok, seen[h.sum], at)
		}
		seen[h.sum] = true
	}
	if len(held) != len(o.made) || c.files(o.t) != len(o.made) || len(events) != len(o.made)/2 {
		o.t.Errorf("%d items in %d events and %d files in the cloud, %d were recorded", len(held), len(events), c.files(o.t), len(o.made))
	}
	o.t.Logf("in the cloud: %d items in %d events, all with the bytes and times that were recorded", len(held), len(events))
	ffprobe(o.t, held[1].data)
}

// heap is what is alive in this process.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// residentNow is VmRSS of this process in MB.
func residentNow(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kb * 1024 / 1e6
}
