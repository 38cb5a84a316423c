package e2e

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"camward/camio"
	"camward/internal/porttest"
)

// A diskTrial is one way in which room runs out while nothing can be sent.
type diskTrial struct {
	name    string
	quick   bool
	seconds float64 // of what the device is shown
	bitrate int     // of clips of 4 s
	percent int     // spool.max_percent
	full    int64   // bytes that another file leaves free on a disk of diskSize; -1: there is no such file, and the disk is a large one
	after   int     // clips, when that file comes
}

const diskSize = 24 << 20

var diskTrials = []diskTrial{
	{name: "to the last byte", quick: true, seconds: 30, bitrate: 2_000_000, percent: 100, full: 0, after: 2},
	{name: "to the last byte, many items", seconds: 72, bitrate: 2_000_000, percent: 100, full: 0, after: 6},
	{name: "beyond max_percent", seconds: 54, bitrate: 1_500_000, percent: 80, full: 2 << 20, after: 5},
	{name: "by its own recordings beyond max_bytes", seconds: 54, bitrate: 8_000_000, percent: 100, full: -1},
}

// TestDisk lets the room for recordings run out while nothing can be sent. The device goes on recording; what is dropped is dropped in the stated
// order, counted and logged; everything else arrives whole once the cloud takes it, and when there is room again nothing more is dropped.
func TestDisk(t *testing.T) {
	t.Parallel()
	for _, tr := range diskTrials {
		if !tr.quick && *faults != "full" {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			testDisk(t, tr)
		})
	}
}

func testDisk(t *testing.T, tr diskTrial) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if tr.full >= 0 {
		mountSmall(t, disk)
	}
	c := startCloud(t)
	g, addr := startGateway(t, c.addr)
	g.set(func(w http.ResponseWriter, _ *http.Request) { // one answer, and the uploader is silent: nothing is in transfer, so nothing is spared
		w.Header().Set("Retry-After", "900")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	clip := fmt.Sprintf("pre_roll: 1s, post_roll: 1s, heartbeat: 10s, bitrate: %d", tr.bitrate)
	spool := fmt.Sprintf("max_bytes: 16MiB, max_percent: %d", tr.percent)
	source := crossings(t, tr.seconds, "320x240", 20)
	r := startSubjectIn(t, c, &device{dir: dir, addr: porttest.Address(t)}, filepath.Join(disk, "spool"), addr, source, clip, spool)
	ballast := filepath.Join(disk, "ballast")
	if tr.full >= 0 {
		eventually(t, 2*time.Minute, func() error {
			if n := r.count(camio.KindClip); n < tr.after {
				return fmt.Errorf("%d clips", n)
			}
			return nil
		})
		fill(t, ballast, tr.full)
	}
	before := r.count(camio.KindClip)
	r.shown(t)
	kept := r.checkDrops(t, before)
	first := len(r.made())
	g.set(nil)
	r.sendNow(t)
	compare(t, kept, c, "front")
	if tr.full >= 0 {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	r.again(t, source)
	compare(t, append(kept, r.made()[first:]...), c, "front")
}

// mountSmall mounts a small disk of its own.
func mountSmall(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skipf("not run: a small disk cannot be mounted here, which needs root: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill makes a file that leaves so many bytes of its disk free.
func fill(t *testing.T, file string, leave int64) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for {
		var st unix.Statfs_t
		if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		if int64(st.Bavail)*st.Bsize <= leave {
			return
		}
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// shown waits until the recording has been shown to its end and the last clip of it is finished.
func (r *subject) shown(t *testing.T) {
	t.Helper()
	eventually(t, 5*time.Minute, func() error {
		if s := r.status(t); s.Cameras[0].Capture.Running || s.Cameras[0].Clip.Recording || s.Uploader.Recording > 0 {
			return errors.New("the device is still recording")
		}
		return nil
	})
}

// checkDrops checks what was dropped for want of room, before anything was sent, and gives what the device still keeps.
func (r *subject) checkDrops(t *testing.T, before int) (kept []*entry) {
	t.Helper()
	s := r.status(t)
	if rec := s.Cameras[0].Clip; rec.Failures > 0 || int(rec.Clips) != r.count(camio.KindClip) || int(rec.Clips) < before+2 {
		t.Errorf("%d clips when the room ran out, %d in the end, the device counts %d with %d failures: %s", before, r.count(camio.KindClip), rec.Clips, rec.Failures, rec.LastError)
	}
	gone := r.removals()
	for _, fault := range disorder(r.made(), gone) {
		t.Error(fault)
	}
	dropped, logged := map[camio.Kind]uint64{}, r.loggedDrops(t)
	for _, e := range gone {
		dropped[e.Kind]++
	}
	for _, kind := range []camio.Kind{camio.KindHeartbeat, camio.KindSnapshot, camio.KindClip} {
		if n := dropped[kind]; n == 0 || n != s.Uploader.Dropped[kind] || n != logged[kind] {
			t.Errorf("%ss dropped: %d seen, %d counted, %d logged", kind, n, s.Uploader.Dropped[kind], logged[kind])
		}
	}
	var bytes int64
	for _, e := range r.made() {
		if !slices.Contains(gone, e) {
			kept = append(kept, e)
			bytes += e.size
		}
	}
	if s.Uploader.Queued != len(kept) || s.Uploader.QueuedBytes != bytes || s.Uploader.Sent > 0 {
		t.Errorf("%d items of %d bytes are kept; the status says %d of %d bytes, %d sent", len(kept), bytes, s.Uploader.Queued, s.Uploader.QueuedBytes, s.Uploader.Sent)
	}
	t.Logf("%d recorded (%d clips before the room ran out), dropped %v, kept %d of %.1f MB", len(r.made()), before, dropped, len(kept), float64(bytes)/1e6)
	return kept
}

// disorder lists the removals before which another item had to go: heartbeats go first, then snapshots, then clips, of each the oldest.
func disorder(made, gone []*entry) (faults []string) {
	rank := map[camio.Kind]int{camio.KindHeartbeat: 0, camio.KindSnapshot: 1, camio.KindClip: 2}
	before := func(a, b *entry) int {
		return cmp.Or(cmp.Compare(rank[a.Kind], rank[b.Kind]), cmp.Compare(a.File, b.File))
	}
	for _, e := range gone {
		for _, o := range made {
			if there := o.cameAs < e.wentAs && (o.wentAs == 0 || o.wentAs > e.wentAs); there && before(o, e) < 0 {
				faults = append(faults, fmt.Sprintf("%s (%s) was dropped before %s (%s)", e.File, e.Kind, o.File, o.Kind))
			}
		}
	}
	return faults
}

// TestTheDropOrderIsChecked drops in the right order and in wrong ones.
func TestTheDropOrderIsChecked(t *testing.T) {
	item := func(kind camio.Kind, n, came, went int) *entry {
		return &entry{File: fmt.Sprintf("%012d", n), Kind: kind, cameAs: came, wentAs: went}
	}
	right := []*entry{item(camio.KindClip, 1, 2, 7), item(camio.KindSnapshot, 2, 1, 6), item(camio.KindHeartbeat, 3, 3, 4), item(camio.KindHeartbeat, 4, 5, 0), item(camio.KindClip, 5, 8, 0)}
	right[3].cameAs = 9 // a heartbeat that came after all drops
	tests := []struct {
		name  string
		items []*entry
		want  int
	}{
		{"right", right, 0},
		{"a clip before a snapshot", []*entry{item(camio.KindClip, 1, 1, 3), item(camio.KindSnapshot, 2, 2, 0)}, 1},
		{"a snapshot before a heartbeat", []*entry{item(camio.KindSnapshot, 1, 1, 3), item(camio.KindHeartbeat, 2, 2, 4)}, 1},
		{"a newer clip first", []*entry{item(camio.KindClip, 1, 1, 0), item(camio.KindClip, 2, 2, 3)}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gone := slices.DeleteFunc(slices.Clone(tt.items), func(e *entry) bool { return e.wentAs == 0 })
			if got := disorder(tt.items, gone); len(got) != tt.want {
				t.Errorf("found %q, want %d faults", got, tt.want)
			}
		})
	}
}

// loggedDrops adds up what the device's log says of drops.
func (r *subject) loggedDrops(t *testing.T) map[camio.Kind]uint64 {
	t.Helper()
	sum := map[camio.Kind]uint64{}
	lines := bufio.NewScanner(strings.NewReader(r.out.String()))
	for lines.Scan() {
		var l struct {
			Msg                          string
			Clips, Snapshots, Heartbeats uint64
		}
		if json.Unmarshal(lines.Bytes(), &l) == nil && strings.Contains(l.Msg, "oldest items dropped") {
			sum[camio.KindClip] += l.Clips
			sum[camio.KindSnapshot] += l.Snapshots
			sum[camio.KindHeartbeat] += l.Heartbeats
		}
	}
	return sum
}

// sendNow ends the uploader's pause, as a person does, and waits until all is sent.
func (r *subject) sendNow(t *testing.T) {
	t.Helper()
	command(t, "camward", "spool", "-c", r.file, "--retry")
	eventually(t, 2*time.Minute, func() error {
		if u := r.status(t).Uploader; u.Queued > 0 {
			return fmt.Errorf("%d queued, %q", u.Queued, u.LastError)
		}
		return nil
	})
	r.spoolEmpty(t)
}

// again shows the device something more, of 12 s; now there is room, and nothing may be dropped.
func (r *subject) again(t *testing.T, source string) {
	t.Helper()
	r.monitor.end(t)
	r.stop()
	file, _, _ := strings.Cut(source, "?")
	cross(t, file, 12, "320x240", 20)
	r.device.start(t, "camward")
	r.shown(t)
	r.drained(t, 2*time.Minute)
	if u := r.status(t).Uploader; len(u.Dropped) > 0 || u.Quarantined > 0 || u.Sent < 4 {
		t.Errorf("with room, sent %d, dropped %v, in quarantine %d", u.Sent, u.Dropped, u.Quarantined)
	}
	r.spoolEmpty(t)
}
