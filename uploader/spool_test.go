package uploader

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"camward/camio"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
	}
	if dir := os.Getenv(idleDir); dir != "" {
		idleChild(dir)
	}
	goleak.VerifyTestMain(m)
}

// A testClock is at epoch when the monotonic clock is at 0.
type testClock struct {
	mu      sync.Mutex
	trusted bool
}

var epoch = time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)

func (c *testClock) Wall(mono time.Duration) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return epoch.Add(mono), c.trusted
}

func (c *testClock) trust() {
	c.mu.Lock()
	c.trusted = true
	c.mu.Unlock()
}

func testConfig(t testing.TB) Config {
	c := Default()
	c.Dir = filepath.Join(t.TempDir(), "spool")
	c.MaxPercent = 100
	return c
}

func open(t testing.TB, cfg Config) *Spool { return openAs(t, cfg, &testClock{trusted: true}, nil) }

func openAs(t testing.TB, cfg Config, clock Clock, before func(fileOp) error) *Spool {
	t.Helper()
	s, err := openSpool(cfg, clock, zap.NewNop(), before)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func media(kind camio.Kind, mono time.Duration, event string) camio.Media {
	return camio.Media{
		Camera: "front", CameraID: "00A0B1C2D3E4", Kind: kind, Mode: camio.UploadVideo, Mono: mono, Event: event,
	}
}

func jpegBytes(n int) []byte {
	b := bytes.Repeat([]byte{'j'}, n)
	copy(b, "\xff\xd8")
	copy(b[n-2:], "\xff\xd9")
	return b
}

func create(t testing.TB, s *Spool, m camio.Media) *Recording {
	t.Helper()
	r, err := s.Create(m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func add(t testing.TB, s *Spool, m camio.Media, body []byte) {
	t.Helper()
	r := create(t, s, m)
	if _, err := r.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := r.Finish(time.Second); err != nil {
		t.Fatal(err)
	}
}

// drain takes everything out of the queue in sending order.
func drain(t testing.TB, s *Spool) (names []string, bodies map[string][]byte) {
	t.Helper()
	bodies = map[string][]byte{}
	for {
		e, _ := s.pick(time.Now().Add(24*time.Hour), false)
		if e == nil {
			return names, bodies
		}
		it, err := s.load(e)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, it.Name)
		bodies[it.Name] = read(t, it)
		s.sent(e)
	}
}

func read(t testing.TB, it Item) []byte {
	t.Helper()
	r, err := it.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], it.SHA256) || int64(len(body)) != it.Size {
		t.Errorf("%s: %d bytes of %d, digest %x, want %x", it.Name, len(body), it.Size, sum, it.SHA256)
	}
	return body
}

func list(t testing.TB, cfg Config) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{lockName, bootsName, wearName}, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestAFinishedRecordingIsQueuedWithItsMetadata(t *testing.T) {
	cfg := testConfig(t)
	s := open(t, cfg)
	m := media(camio.KindClip, 5*time.Minute+7123*time.Millisecond, "e1")
	m.Rotation = 90
	r := create(t, s, m)
	if e, _ := s.pick(time.Now(), false); e != nil {
		t.Error("a recording is queued before it is finished")
	}
	fmt.Fprint(r, "header--")
	fmt.Fprint(r, "fragment")
	if _, err := r.WriteAt([]byte("HEADER"), 0); err != nil { // as a muxer fills in the length
		t.Fatal(err)
	}
	r.Describe(&camio.Track{Area: 3.5, Labels: []string{"approaching"}, Boxes: []camio.TrackBox{{500, 1, 2, 3, 4}}})
	if err := errors.Join(r.Sync(), r.Finish(12*time.Second), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg) // all of it survives a restart
	e, _ := s.pick(time.Now(), false)
	it, err := s.load(e)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, it); string(got) != "HEADER--fragment" {
		t.Errorf("body %q", got)
	}
	want := camio.Upload{
		Camera: "front", Name: "2026-11-23T13:05:07.123-0000.mp4", CameraID: "00A0B1C2D3E4", Mode: camio.UploadVideo,
		Type: camio.Motion, Rotation: 90, VideoLength: 12 * time.Second, ContentType: "video/mp4", Size: 16, SHA256: it.SHA256,
	}
	if it.Track == nil || it.Track.Area != 3.5 || it.Track.Labels[0] != "approaching" || it.Track.Boxes[0] != (camio.TrackBox{500, 1, 2, 3, 4}) {
		t.Errorf("track %+v", it.Track)
	}
	it.Track = nil
	if fmt.Sprint(it.Upload) != fmt.Sprint(want) || !it.Started.Equal(epoch.Add(m.Mono)) || it.Kind != camio.KindClip {
		t.Errorf("got %+v, %v, want %+v", it.Upload, it.Started, want)
	}
	if rest, err := it.Open(8); err != nil {
		t.Error(err)
	} else if b, _ := io.ReadAll(rest); string(b) != "fragment" {
		t.Errorf("from offset 8: %q", b)
	} else {
		rest.Close()
	}
	s.sent(e)
	if got := list(t, cfg); len(got) != 0 || s.bytes != 0 {
		t.Errorf("after the acknowledgement %v and %d bytes are left", got, s.bytes)
	}
}

func TestHeartbeatsAreUploadedAsSuch(t *testing.T) {
	s := open(t, testConfig(t))
	add(t, s, media(camio.KindHeartbeat, time.Second, ""), jpegBytes(100))
	e, _ := s.pick(time.Now(), false)
	if it, err := s.load(e); err != nil || it.Type != camio.Heartbeat || it.VideoLength != 0 || it.ContentType != "image/jpeg" {
		t.Errorf("got %+v, %v", it.Upload, err)
	}
}

func TestNamesOfOneCameraAreUnique(t *testing.T) {
	cfg := testConfig(t)
	s := open(t, cfg)
	other := media(camio.KindSnapshot, time.Second, "")
	other.Camera = "back"
	for range 3 {
		add(t, s, media(camio.KindSnapshot, time.Second, ""), jpegBytes(10))
	}
	add(t, s, other, jpegBytes(10))
	add(t, s, media(camio.KindClip, time.Second, ""), []byte("x"))
	s.Close()
	s = open(t, cfg)
	add(t, s, media(camio.KindSnapshot, time.Second, ""), jpegBytes(10))
	var names []string
	for {
		e, _ := s.pick(time.Now(), false)
		if e == nil {
			break
		}
		it, err := s.load(e)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, it.Camera+"/"+strings.TrimPrefix(it.Name, "2026-11-23T13:00:01."))
		s.sent(e)
	}
	add(t, s, media(camio.KindSnapshot, time.Second, ""), jpegBytes(10)) // its name was just given up
	e, _ := s.pick(time.Now(), false)
	names = append(names, "front/"+strings.TrimPrefix(e.name, "2026-11-23T13:00:01."))
	slices.Sort(names)
	want := []string{"back/000-0000.jpeg", "front/000-0000.jpeg", "front/000-0000.mp4", "front/001-0000.jpeg",
		"front/002-0000.jpeg", "front/003-0000.jpeg", "front/004-0000.jpeg"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestADiscardedOrEmptyRecordingLeavesNothing(t *testing.T) {
	cfg := testConfig(t)
	s := open(t, cfg)
	r := create(t, s, media(camio.KindClip, 0, "e"))
	fmt.Fprint(r, "data")
	if err := r.Discard(); err != nil {
		t.Error(err)
	}
	if err := create(t, s, media(camio.KindClip, 0, "e")).Finish(0); err == nil {
		t.Error("an empty recording was finished")
	}
	if got := list(t, cfg); len(got) != 0 || s.bytes != 0 || s.recording != 0 {
		t.Errorf("left: %v, %d bytes, %d recordings", got, s.bytes, s.recording)
	}
}

func TestNewestEventsGoFirstAndSnapshotsBeforeTheirClip(t *testing.T) {
	s := open(t, testConfig(t))
	at := time.Second
	put := func(kind camio.Kind, event string) {
		add(t, s, media(kind, at, event), jpegBytes(10))
		at += time.Second
	}
	put(camio.KindClip, "a")     // 1
	put(camio.KindSnapshot, "a") // 2
	put(camio.KindClip, "b")     // 3
	put(camio.KindSnapshot, "b") // 4
	put(camio.KindSnapshot, "b") // 5
	put(camio.KindHeartbeat, "") // 6
	got, _ := drain(t, s)
	var order []string
	for _, n := range got {
		order = append(order, n[18:19])
	}
	if want := "6 4 5 3 2 1"; strings.Join(order, " ") != want {
		t.Errorf("got %v, want %s", order, want)
	}
}

func TestTheBacklogGetsItsShareWhileNewItemsKeepComing(t *testing.T) {
	cfg := testConfig(t)
	s := open(t, cfg)
	for i := range 10 {
		add(t, s, media(camio.KindClip, time.Duration(i)*time.Second, fmt.Sprint(i)), []byte("x"))
	}
	s.Close()
	s = open(t, cfg)
	for i := range 40 {
		add(t, s, media(camio.KindClip, time.Duration(100+i)*time.Second, fmt.Sprint(100+i)), []byte("x"))
	}
	u, err := New(cfg, s, nullStore{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	var old []uint64
	for range 40 {
		e, _ := u.next(time.Now(), 0)
		if e.swept {
			old = append(old, e.seq)
		}
		s.sent(e)
	}
	if want := []uint64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}; !slices.Equal(old, want) {
		t.Errorf("of 40 transfers the backlog's were %v, want %v", old, want)
	}
}

func TestQuotaDropsHeartbeatsThenSnapshotsThenClipsOldestFirst(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 16 * MiB
	s := open(t, cfg)
	body := make([]byte, 2<<20)
	kinds := []camio.Kind{camio.KindClip, camio.KindSnapshot, camio.KindHeartbeat, camio.KindSnapshot, camio.KindClip, camio.KindHeartbeat}
	for i, k := range kinds { // 12 MiB, items 1..6
		add(t, s, media(k, time.Duration(i)*time.Second, ""), body)
	}
	active := create(t, s, media(camio.KindClip, time.Minute, "now"))
	var gone []uint64
	for range 8 { // 16 MiB more, in one recording
		before := seqs(s)
		if _, err := active.Write(body); err != nil {
			t.Fatalf("after %v: %v", gone, err)
		}
		after := seqs(s)
		for _, seq := range before {
			if !slices.Contains(after, seq) {
				gone = append(gone, seq)
			}
		}
	}
	if want := []uint64{3, 6, 2, 4, 1, 5}; !slices.Equal(gone, want) {
		t.Errorf("dropped %v, want %v", gone, want)
	}
	if want := map[camio.Kind]uint64{camio.KindClip: 2, camio.KindSnapshot: 2, camio.KindHeartbeat: 2}; !maps.Equal(s.dropped, want) {
		t.Errorf("counted %v, want %v", s.dropped, want)
	}
	if _, err := active.Write(body); !errors.Is(err, errFull) {
		t.Errorf("a recording above the whole quota: %v, want %v", err, errFull)
	}
	if err := active.Finish(time.Second); err != nil {
		t.Errorf("what was written is lost: %v", err)
	}
	if s.bytes > int64(cfg.MaxBytes) {
		t.Errorf("the spool holds %d bytes, quota %v", s.bytes, cfg.MaxBytes)
	}
}

func seqs(s *Spool) (all []uint64) {
	for _, e := range s.queue {
		all = append(all, e.seq)
	}
	slices.Sort(all)
	return all
}

func TestAnItemInTransferIsNotDropped(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 16 * MiB
	s := open(t, cfg)
	add(t, s, media(camio.KindHeartbeat, 0, ""), make([]byte, 9<<20))
	e, _ := s.pick(time.Now(), false)
	r := create(t, s, media(camio.KindClip, time.Second, "e"))
	if _, err := r.Write(make([]byte, 10<<20)); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
	if _, err := s.load(e); err != nil {
		t.Error(err)
	}
	r.Discard()
}

func TestADiskFilledByOthersLeavesTheSpoolItsFloor(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxPercent, cfg.MaxBytes = 1, 64*MiB // every real disk is fuller
	s := open(t, cfg)
	if used, total, ok := diskUse(cfg.Dir); !ok || used < total/100 {
		t.Skip("not run: the disk is less than 1 % full")
	}
	for i := range 8 {
		add(t, s, media(camio.KindClip, time.Duration(i)*time.Second, fmt.Sprint(i)), make([]byte, 1<<20))
	}
	if got, want := seqs(s), []uint64{5, 6, 7, 8}; !slices.Equal(got, want) {
		t.Errorf("kept %v, want the newest four MiB %v", got, want)
	}
}

func TestAFullDiskDropsOldItemsAndThenSaysWhatToDo(t *testing.T) {
	full := false
	s := openAs(t, testConfig(t), &testClock{trusted: true}, func(op fileOp) error {
		if full && op.Op == "write" {
			full = false // what is dropped makes room
			return syscall.ENOSPC
		}
		return nil
	})
	add(t, s, media(camio.KindSnapshot, 0, ""), jpegBytes(1000))
	r := create(t, s, media(camio.KindClip, time.Second, "e"))
	full = true
	if _, err := r.Write([]byte("first")); err != nil || s.dropped[camio.KindSnapshot] != 1 {
		t.Errorf("got %v with %v dropped, want the snapshot to make room", err, s.dropped)
	}
	full = true
	_, err := r.Write([]byte("second"))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), s.cfg.Dir) || !strings.Contains(err.Error(), "free some") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %q, want one line: what, where, what to do", err)
	}
	if err := r.Finish(time.Second); err != nil {
		t.Errorf("what was written before is lost: %v", err)
	}
}

func TestAnUnwritableSpoolIsOneClearLine(t *testing.T) {
	cfg := testConfig(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = filepath.Join(file, "spool")
	_, err := OpenSpool(cfg, &testClock{}, zap.NewNop())
	if err == nil || !strings.Contains(err.Error(), cfg.Dir) || !strings.Contains(err.Error(), "spool.dir") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	refuse := func(op fileOp) error {
		if op.Op == "create" {
			return &os.PathError{Op: "open", Path: op.Name, Err: syscall.EROFS}
		}
		return nil
	}
	clock := &testClock{} // untrusted, so that opening writes nothing
	s := openAs(t, testConfig(t), clock, refuse)
	if _, err := s.Create(media(camio.KindClip, 0, "e")); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "make it writable") {
		t.Errorf("got %v", err)
	}
}

func TestASpoolBelongsToOneProcess(t *testing.T) {
	cfg := testConfig(t)
	s := open(t, cfg)
	if _, err := OpenSpool(cfg, &testClock{}, zap.NewNop()); !errors.Is(err, errInUse) {
		t.Errorf("a second user: %v, want %v", err, errInUse)
	}
	s.Close()
	open(t, cfg)
}

func TestItemsWaitForTheClockAndThenGetTheirTime(t *testing.T) {
	cfg, clock := testConfig(t), &testClock{}
	s := openAs(t, cfg, clock, nil)
	add(t, s, media(camio.KindClip, time.Second, "e"), []byte("x"))
	e, ready := s.pick(time.Now(), false)
	if e != nil || ready.IsZero() || time.Until(ready) > clockInterval {
		t.Fatalf("got %v, ready %v; want to ask the clock again within %v", e, ready, clockInterval)
	}
	clock.trust()
	if got, _ := drain(t, s); !slices.Equal(got, []string{"2026-11-23T13:00:01.000-0000.mp4"}) {
		t.Errorf("got %v", got)
	}
}

func TestWithoutAClockItemsGoWithoutATimeAfterTheWait(t *testing.T) {
	cfg := testConfig(t)
	s := openAs(t, cfg, &testClock{}, nil)
	add(t, s, media(camio.KindClip, time.Second, "e"), []byte("x"))
	e, _ := s.pick(time.Now().Add(cfg.ClockWait), false)
	if e == nil {
		t.Fatal("nothing to send after the wait")
	}
	it, err := s.load(e)
	if err != nil || !strings.HasPrefix(it.Name, untimedPrefix) || !it.Started.IsZero() {
		t.Errorf("got %q, %v, %v", it.Name, it.Started, err)
	}
	if _, err := camio.ParseTime(strings.TrimSuffix(it.Name, ".mp4")); err == nil {
		t.Errorf("%q reads as a time", it.Name)
	}
	// The transfer has begun: the name stays, whatever the clock learns, also over a restart.
	s.release(e)
	s.Close()
	s = open(t, cfg)
	if got, _ := drain(t, s); !slices.Equal(got, []string{it.Name}) {
		t.Errorf("after a restart with a clock: %v, want %v", got, it.Name)
	}
}

func TestItemsOfAnEarlierBootKeepTheirTimeIfItWasEverKnown(t *testing.T) {
	for _, known := range []bool{true, false} {
		cfg, clock := testConfig(t), &testClock{}
		s := openAs(t, cfg, clock, nil)
		s.boot = "11111111-earlier"
		add(t, s, media(camio.KindClip, time.Second, "e"), []byte("x"))
		if known {
			clock.trust()
			s.pick(time.Now().Add(-time.Hour), false) // asks the clock
			for _, e := range s.queue {
				e.sending = false
			}
		}
		s.Close()
		s = openAs(t, cfg, &testClock{}, nil)
		got, _ := drain(t, s)
		want := "2026-11-23T13:00:01.000-0000.mp4"
		if !known {
			want = "untimed-11111111-1000.mp4"
		}
		if !slices.Equal(got, []string{want}) {
			t.Errorf("known=%v: got %v, want %v", known, got, want)
		}
	}
}

func TestSystemClockTrustsKernelOrCloud(t *testing.T) {
	wall, mono, synced := epoch, time.Hour, false
	c := &SystemClock{
		now: func() time.Time { return wall }, mono: func() time.Duration { return mono }, synced: func() bool { return synced },
	}
	trusted := func(want bool, why string) {
		t.Helper()
		at, got := c.Wall(mono - time.Minute)
		if got != want || !at.Equal(wall.Add(-time.Minute)) {
			t.Errorf("%s: %v, trusted %v; want %v", why, at, got, want)
		}
	}
	trusted(false, "nobody vouches")
	c.Observe(wall.Add(6 * time.Minute))
	trusted(false, "the cloud disagrees")
	c.Observe(wall.Add(-4 * time.Minute))
	trusted(true, "the cloud agrees")
	wall, mono = wall.Add(48*time.Hour), mono+48*time.Hour
	trusted(true, "two days later")
	wall = wall.Add(-20 * 365 * 24 * time.Hour)
	trusted(false, "the clock was set back")
	synced = true
	trusted(true, "the kernel is synchronised")
}

func TestBytesReadAndPrint(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Bytes
	}{
		{"512MiB", 512 * MiB}, {"512 mib", 512 * MiB}, {"1.5GiB", 1536 * MiB}, {"10MB", 1e7}, {"0", 0},
		{"1048576", MiB}, {"7b", 7}, {" 2 kB ", 2000}, {"8TiB", 8 * TiB},
	} {
		got, err := ParseBytes(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("ParseBytes(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
		if back, err := ParseBytes(got.String()); err != nil || back != got {
			t.Errorf("%v prints as %q, which reads as %v, %v", int64(got), got, back, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "-1MiB", "1e999", "9999999999TiB", "12 parsecs", "NaN", "infB"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("ParseBytes(%q) = %v, want an error", text, got)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	f.Add("512MiB")
	f.Add("1.5 GB")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseBytes(text)
		if err != nil {
			return
		}
		if back, err := ParseBytes(n.String()); err != nil || back != n || n < 0 {
			t.Errorf("%q is %d, which prints as %q and reads as %d, %v", text, n, n, back, err)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"seq":42,"order":41,"camera":"front","kind":"clip","boot":"b","mono_ns":5}`))
	f.Add([]byte(`{"seq":42,"kind":"clip","size":3,"sha256":"AAAA"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b, 42)
		if err == nil && (r.Seq != 42 || r.finished() && r.Size <= 0) {
			t.Errorf("accepted %+v", r)
		}
	})
}

func TestConfigurationReadsFromYAMLAndReportsEveryFault(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	text := "dir: /tmp/spool\nmax_bytes: 1.5GiB\nmax_percent: 90\ndaily_writes: 1GiB\nclock_wait: 90s\nparallel: 2\nbacklog_share: 50\n" +
		"bandwidth: 1MiB\nbandwidth_by_hour: [{hours: 8-18, limit: 100KiB}, {hours: 22-6, limit: 0}]\n"
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	want := Config{"/tmp/spool", 1536 * MiB, 90, GiB, 90 * time.Second, 2, 50, MiB, []Window{{Hours{8, 18}, 100 * KiB}, {Hours{22, 6}, 0}}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if err := yaml.Unmarshal([]byte("max_bytes: 33554432\n"), &c); err != nil || c.MaxBytes != 32*MiB {
		t.Errorf("a bare number: %v, %v", c.MaxBytes, err)
	}
	c = Config{Dir: "spool", MaxBytes: 1, MaxPercent: 101, DailyWrites: -1, ClockWait: -1}
	err := c.Validate()
	for _, key := range []string{"dir", "max_bytes", "max_percent", "daily_writes", "clock_wait", "parallel", "backlog_share"} {
		if err == nil || !strings.Contains(err.Error(), "spool."+key) {
			t.Errorf("%v does not name spool.%s", err, key)
		}
	}
}
