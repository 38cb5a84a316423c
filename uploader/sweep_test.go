package uploader

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/codec/mp4"
)

// wholeMP4 is a fragmented clip of four fragments.
func wholeMP4(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/fragmented.mp4")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fragmentEnds lists where the header and each fragment of an MP4 file end.
func fragmentEnds(b []byte) (ends []int) {
	for at := 0; at+8 <= len(b); {
		size, kind := int(binary.BigEndian.Uint32(b[at:])), string(b[at+4:at+8])
		at += size
		if kind == "moov" || kind == "mdat" {
			ends = append(ends, at)
		}
	}
	return ends
}

// lay writes files into a spool directory that no process has.
func lay(t testing.TB, cfg Config, content map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, b := range content {
		if err := os.WriteFile(filepath.Join(cfg.Dir, name), b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

func begunRecord(kind camio.Kind) record {
	rec := newRecord(media(kind, time.Second, "e"))
	rec.Seq, rec.Order, rec.Boot = 7, 7, bootID()
	return rec
}

func finishedRecord(kind camio.Kind, body []byte) record {
	rec := begunRecord(kind)
	sum := sha256.Sum256(body)
	rec.Size, rec.SHA256, rec.Length = int64(len(body)), sum[:], 4*time.Second
	rec.Name = "2026-11-23T13:00:01.000-0000" + kind.Extension()
	return rec
}

func recordJSON(t testing.TB, rec record) []byte {
	t.Helper()
	b, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheSweepPutsEveryCrashRight(t *testing.T) {
	clip, picture := wholeMP4(t), jpegBytes(500)
	ends := fragmentEnds(clip)
	const id = "000000000007"
	begun := recordJSON(t, begunRecord(camio.KindClip))
	done := recordJSON(t, finishedRecord(camio.KindClip, clip))
	tests := []struct {
		name        string
		files       map[string][]byte
		queued      int
		length      time.Duration // of the queued clip
		quarantined int
	}{
		{name: "Empty"},
		{name: "RecordBeforeTheFirstByte", files: map[string][]byte{id + ".json": begun}},
		{name: "TemporaryRecord", files: map[string][]byte{id + ".json.tmp": begun[:20]}},
		{name: "NothingWritten", files: map[string][]byte{id + ".json": begun, id + ".part": nil}},
		{name: "CutInTheHeader", files: map[string][]byte{id + ".json": begun, id + ".part": clip[:100]}},
		{name: "OnlyTheHeader", files: map[string][]byte{id + ".json": begun, id + ".part": clip[:ends[0]]}},
		{name: "CutInTheFirstFragment", files: map[string][]byte{id + ".json": begun, id + ".part": clip[:ends[1]-1]}},
		{name: "CutAfterTwoFragments", files: map[string][]byte{id + ".json": begun, id + ".part": clip[:ends[2]]}, queued: 1, length: 2 * time.Second},
		{name: "CutInTheFourthFragment", files: map[string][]byte{id + ".json": begun, id + ".part": clip[:ends[4]-1]}, queued: 1, length: 3 * time.Second},
		{name: "TailOfZeros", files: map[string][]byte{id + ".json": begun, id + ".part": append(bytes.Clone(clip[:ends[1]]), make([]byte, 5000)...)}, queued: 1, length: time.Second},
		{name: "WrittenButNotFinished", files: map[string][]byte{id + ".json": begun, id + ".part": clip}, queued: 1, length: 4 * time.Second},
		{name: "BetweenRecordAndRename", files: map[string][]byte{id + ".json": done, id + ".part": clip}, queued: 1, length: 4 * time.Second},
		{name: "RenamedWithTheOldRecord", files: map[string][]byte{id + ".json": begun, id + ".mp4": clip}, queued: 1, length: 4 * time.Second},
		{name: "Queued", files: map[string][]byte{id + ".json": done, id + ".mp4": clip}, queued: 1, length: 4 * time.Second},
		{name: "QueuedWithTemporary", files: map[string][]byte{id + ".json": done, id + ".mp4": clip, id + ".json.tmp": nil}, queued: 1, length: 4 * time.Second},
		{name: "QueuedButTheDiskLostTheEnd", files: map[string][]byte{id + ".json": done, id + ".mp4": clip[:ends[3]]}, queued: 1, length: 3 * time.Second},
		{name: "DataSentRecordLeft", files: map[string][]byte{id + ".json": done}},
		{name: "RecordLost", files: map[string][]byte{id + ".mp4": clip}, quarantined: 1},
		{name: "RecordLostEmptyData", files: map[string][]byte{id + ".part": nil}},
		{name: "RecordGarbage", files: map[string][]byte{id + ".json": []byte("{"), id + ".mp4": clip}, quarantined: 1},
		{name: "RecordZeros", files: map[string][]byte{id + ".json": make([]byte, 300), id + ".part": clip}, quarantined: 1},
		{name: "RecordOfAnother", files: map[string][]byte{"000000000008.json": done, "000000000008.mp4": clip}, quarantined: 1},
		{name: "ClipThatIsNone", files: map[string][]byte{id + ".json": begun, id + ".part": bytes.Repeat([]byte("garbage "), 1000)}, quarantined: 1},
		{name: "WholePicture", files: map[string][]byte{id + ".json": recordJSON(t, begunRecord(camio.KindSnapshot)), id + ".part": picture}, queued: 1},
		{name: "CutPicture", files: map[string][]byte{id + ".json": recordJSON(t, begunRecord(camio.KindSnapshot)), id + ".part": picture[:300]}, quarantined: 1},
		{name: "StrangeFiles", files: map[string][]byte{"lost+found.txt": picture, "7.json": done, "bootsx.json.tmp": nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig(t)
			lay(t, cfg, tt.files)
			for pass := range 2 { // the second sweep finds it as the first left it
				s := open(t, cfg)
				if len(s.queue) != tt.queued || len(s.quarantined) != tt.quarantined {
					t.Fatalf("sweep %d: %d queued, %d quarantined; want %d, %d", pass, len(s.queue), len(s.quarantined), tt.queued, tt.quarantined)
				}
				checkQueue(t, s, tt.length)
				if tt.name != "StrangeFiles" && len(list(t, cfg)) != 2*(tt.queued+tt.quarantined) {
					t.Errorf("on disk: %v", list(t, cfg))
				}
				s.Close()
			}
		})
	}
}

// checkQueue reads every queued item, digest and all; clips must be playable and of that length, if it is given.
func checkQueue(t *testing.T, s *Spool, length time.Duration) {
	t.Helper()
	for _, e := range s.queue {
		it, err := s.load(e)
		if err != nil {
			t.Error(err)
			continue
		}
		body := read(t, it)
		if e.kind != camio.KindClip {
			continue
		}
		f, err := mp4.Read(bytes.NewReader(body), it.Size)
		if err != nil || f.Whole != it.Size {
			t.Errorf("%s: whole to %v of %d, %v", it.Name, f, it.Size, err)
		}
		if length > 0 && it.VideoLength != length {
			t.Errorf("%s: length %v, want %v", it.Name, it.VideoLength, length)
		}
	}
}

func TestASweptItemIsTheSameAfterwards(t *testing.T) {
	cfg := testConfig(t)
	s := open(t, cfg)
	add(t, s, media(camio.KindClip, time.Second, "e"), wholeMP4(t))
	first, err := s.load(s.queue[0])
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, cfg)
	again, err := s.load(s.queue[0])
	if err != nil || fmt.Sprint(again.Upload) != fmt.Sprint(first.Upload) || !again.Started.Equal(first.Started) {
		t.Errorf("got %+v, %v; want %+v", again.Upload, err, first.Upload)
	}
	add(t, s, media(camio.KindClip, 2*time.Second, "e2"), wholeMP4(t))
	if got := seqs(s); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("numbers %v, want 1 and 2", got)
	}
}

// A disk reckons from the spool's changes what a power cut would leave: of a file only what was synced, of
// the directory only what syncdir confirmed, or, if kind, all of both.
type disk struct {
	content map[string]*inode // by name, as the process sees it
	durable map[string]*inode // by name, as after a power cut
}

type inode struct{ data, synced []byte }

func (d *disk) apply(op fileOp) {
	f := d.content[op.Name]
	switch op.Op {
	case "create":
		d.content[op.Name] = &inode{}
	case "write":
		if need := int(op.Offset) + len(op.Data); need > len(f.data) {
			f.data = append(f.data, make([]byte, need-len(f.data))...)
		}
		copy(f.data[op.Offset:], op.Data)
	case "truncate":
		f.data = f.data[:op.Offset:op.Offset]
	case "sync":
		f.synced = bytes.Clone(f.data)
	case "rename":
		d.content[op.To] = f
		delete(d.content, op.Name)
	case "remove":
		delete(d.content, op.Name)
	case "syncdir":
		d.durable = maps.Clone(d.content)
	}
}

// states gives what the next start may find: nothing unsynced, all entries but only synced data, everything.
func (d *disk) states() []map[string][]byte {
	strict, entries, all := map[string][]byte{}, map[string][]byte{}, map[string][]byte{}
	for name, f := range d.durable {
		strict[name] = bytes.Clone(f.synced)
	}
	for name, f := range d.content {
		entries[name], all[name] = bytes.Clone(f.synced), bytes.Clone(f.data)
	}
	return []map[string][]byte{strict, entries, all}
}

// TestAPowerCutAfterAnyChangeLosesNothingFinished runs a story on a spool and, for every change that it
// makes to the directory, lays out what a power cut at that point leaves, sweeps it, and compares.
func TestAPowerCutAfterAnyChangeLosesNothingFinished(t *testing.T) {
	clip := wholeMP4(t)
	ends := fragmentEnds(clip)
	d := &disk{content: map[string]*inode{}, durable: map[string]*inode{}}
	type cut struct {
		op     fileOp
		state  map[string][]byte
		synced int // fragments of the clip synced by then
		wanted map[string]bool
	}
	var cuts []cut
	synced, wanted := 0, map[string]bool{}
	observe := func(op fileOp) error {
		for _, state := range d.states() { // op itself has not happened
			cuts = append(cuts, cut{op, state, synced, maps.Clone(wanted)})
		}
		op.Data = bytes.Clone(op.Data)
		d.apply(op)
		return nil
	}
	s := openAs(t, testConfig(t), &testClock{trusted: true}, observe)
	snapshot, video := "2026-11-23T13:00:02.000-0000.jpeg", "2026-11-23T13:00:01.000-0000.mp4"
	r := create(t, s, media(camio.KindClip, time.Second, "e"))
	r.Write(clip[:ends[0]])
	for i := 1; i < len(ends); i++ {
		r.Write(clip[ends[i-1]:ends[i]])
		if err := r.Sync(); err != nil {
			t.Fatal(err)
		}
		synced = i
		if i == 2 {
			add(t, s, media(camio.KindSnapshot, 2*time.Second, "e"), jpegBytes(700))
			wanted[snapshot] = true
		}
	}
	if err := r.Finish(4 * time.Second); err != nil {
		t.Fatal(err)
	}
	wanted[video] = true
	e, _ := s.pick(time.Now(), false)
	delete(wanted, snapshot) // acknowledged: may be there or not
	s.sent(e)
	observe(fileOp{Op: "end"})

	for i, c := range cuts {
		cfg := testConfig(t)
		lay(t, cfg, c.state)
		again := open(t, cfg)
		checkQueue(t, again, 0)
		if n := len(again.quarantined); n > 0 {
			t.Errorf("cut %d before %s %s: %d quarantined of %v", i, c.op.Op, c.op.Name, n, slices.Sorted(maps.Keys(c.state)))
		}
		found := map[string]Item{}
		for _, e := range again.queue {
			it, err := again.load(e)
			if err != nil {
				t.Fatal(err)
			}
			found[it.Name] = it
		}
		for name := range c.wanted {
			if _, ok := found[name]; !ok {
				t.Errorf("cut %d before %s %s: %s is lost", i, c.op.Op, c.op.Name, name)
			}
		}
		if c.synced > 0 {
			if got, want := found[video].VideoLength, time.Duration(c.synced)*time.Second; got < want {
				t.Errorf("cut %d before %s %s: %v of the clip is left, %v was synced", i, c.op.Op, c.op.Name, got, want)
			}
		}
		again.Close()
	}
	t.Logf("%d states swept", len(cuts))
}

// TestASweepCutAnywhereIsFinishedByTheNext cuts the sweep itself before each of its changes.
func TestASweepCutAnywhereIsFinishedByTheNext(t *testing.T) {
	clip := wholeMP4(t)
	ends := fragmentEnds(clip)
	files := map[string][]byte{
		"000000000007.json": recordJSON(t, begunRecord(camio.KindClip)),
		"000000000007.part": clip[:ends[3]-10],
	}
	errCut := errors.New("power cut")
	for n := 0; ; n++ {
		cfg := testConfig(t)
		lay(t, cfg, files)
		left := n
		s, err := openSpool(cfg, &testClock{trusted: true}, zap.NewNop(), func(fileOp) error {
			if left == 0 {
				return errCut
			}
			left--
			return nil
		})
		if err == nil {
			s.Close()
		}
		again := open(t, cfg)
		if len(again.queue) != 1 || len(again.quarantined) != 0 {
			t.Errorf("cut before change %d: %d queued, %d quarantined", n, len(again.queue), len(again.quarantined))
		}
		checkQueue(t, again, 2*time.Second)
		if left > 0 { // the sweep had fewer changes than that
			break
		}
	}
}

// childDir makes the test binary a process that records into that directory until it is killed.
const childDir = "CAMWARD_SPOOL_CHILD"

// child writes clip after clip, a line on standard output for each fragment synced and each clip finished.
func child(dir string) {
	cfg := Default()
	cfg.Dir, cfg.MaxPercent = dir, 100
	clip, err := os.ReadFile("testdata/fragmented.mp4")
	if err != nil {
		panic(err)
	}
	s, err := OpenSpool(cfg, &testClock{trusted: true}, zap.NewNop())
	if err != nil {
		panic(err)
	}
	ends := fragmentEnds(clip)
	for n := 1; ; n++ {
		r, err := s.Create(media(camio.KindClip, time.Duration(s.seq)*time.Minute, fmt.Sprint(n)))
		if err != nil {
			panic(err)
		}
		at := 0
		for _, end := range ends {
			r.Write(clip[at:end])
			if err := r.Sync(); err != nil {
				panic(err)
			}
			at = end
			fmt.Println("synced", r.rec.Seq)
		}
		if err := r.Finish(4 * time.Second); err != nil {
			panic(err)
		}
		fmt.Println("finished", r.rec.Seq)
	}
}

func TestAKilledProcessLosesNothingFinished(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t)
	finished, synced := 0, 0
	for round := range 12 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childDir+"="+cfg.Dir)
		var out bytes.Buffer
		cmd.Stdout = &killAfter{out: &out, lines: 3 + 5*round%17, kill: func() { cmd.Process.Kill() }}
		if err := cmd.Run(); err == nil {
			t.Fatal("the child ended by itself")
		}
		last := ""
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "finished") {
				finished++
				last = ""
			} else if strings.HasSuffix(line, "\n") {
				last += "s"
			}
		}
		if len(last) > 1 { // a fragment beyond the header was synced
			synced++
		}
	}
	s := open(t, cfg)
	if len(s.quarantined) != 0 || len(s.queue) < finished+synced {
		t.Errorf("%d queued, %d quarantined; %d were finished and %d partly synced", len(s.queue), len(s.quarantined), finished, synced)
	}
	if finished == 0 || synced == 0 {
		t.Errorf("the kills hit too little: %d finished, %d in progress", finished, synced)
	}
	checkQueue(t, s, 0)
	if got, want := len(list(t, cfg)), 2*len(s.queue); got != want {
		t.Errorf("%d files for %d items", got, len(s.queue))
	}
	t.Logf("12 kills: %d clips finished, %d cut and saved, %d queued", finished, synced, len(s.queue))
}

// killAfter kills once that many lines were written.
type killAfter struct {
	out   *bytes.Buffer
	lines int
	kill  func()
}

func (k *killAfter) Write(b []byte) (int, error) {
	if k.lines -= bytes.Count(b, []byte("\n")); k.lines <= 0 {
		k.kill()
	}
	return k.out.Write(b)
}

// manyItems lays n queued pictures.
func manyItems(t testing.TB, n int) Config {
	cfg := testConfig(t)
	body := jpegBytes(100)
	files := make(map[string][]byte, 2*n)
	for i := 1; i <= n; i++ {
		rec := finishedRecord(camio.KindSnapshot, body)
		rec.Seq, rec.Order, rec.Event = uint64(i), uint64(i), fmt.Sprint(i)
		rec.Name = camio.FormatTime(epoch.Add(time.Duration(i)*time.Second)) + ".jpeg"
		files[fileName(rec.Seq, ".json")] = recordJSON(t, rec)
		files[fileName(rec.Seq, ".jpeg")] = body
	}
	lay(t, cfg, files)
	return cfg
}

func TestTenThousandItemsTakeLittleMemory(t *testing.T) {
	cfg := manyItems(t, 10_000)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	began := time.Now()
	s := open(t, cfg)
	took := time.Since(began)
	used := int64(heap()) - int64(before)
	if len(s.queue) != 10_000 || used > 10<<20 {
		t.Errorf("%d items hold %d bytes of heap, want at most 10 MiB", len(s.queue), used)
	}
	t.Logf("10,000 items: swept in %v, %d bytes of heap an item", took.Round(time.Millisecond), used/10_000)
	runtime.KeepAlive(s)
}

func BenchmarkSweep(b *testing.B) {
	cfg := manyItems(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		s, err := OpenSpool(cfg, &testClock{trusted: true}, zap.NewNop())
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkReadDirAndFiles is the yardstick for BenchmarkSweep: listing the directory and reading
// each record, nothing more.
func BenchmarkReadDirAndFiles(b *testing.B) {
	cfg := manyItems(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		entries, err := os.ReadDir(cfg.Dir)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), recordExt) {
				if _, err := os.ReadFile(filepath.Join(cfg.Dir, e.Name())); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
