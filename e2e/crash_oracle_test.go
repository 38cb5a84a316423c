package e2e

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"camward/codec/jpeg"
	"camward/video"
)

// drain runs the agent once more, now left alone, until everything has arrived.
func (c *crash) drain() {
	c.relay.reset(false, 0)
	c.watch.settle(c.t, nil)
	c.ledger.begin(*crashKills)
	d := &device{dir: filepath.Dir(c.file), addr: c.addr, file: c.file}
	done := make(chan struct{})
	go func() { // the events must be taken, or there is no room for more
		defer close(done)
		for e := range c.watch.events {
			if e.name == "drained" {
				return
			}
			c.ledger.see(e)
		}
	}()
	d.start(c.t, "camward")
	eventually(c.t, 5*time.Minute, func() error {
		s := d.status(c.t)
		if s.Spool != "" || s.Uploader.Queued > 0 || s.Uploader.Recording > 0 {
			return fmt.Errorf("%d queued, %d recording, spool error %q, last error %q", s.Uploader.Queued, s.Uploader.Recording, s.Spool, s.Uploader.LastError)
		}
		return nil
	})
	s := d.status(c.t).Uploader
	for kind, n := range s.Dropped {
		if n > 0 {
			c.t.Errorf("%d recordings of kind %s were dropped", n, kind)
		}
	}
	if s.Quarantined > 0 || s.Refused > 0 {
		c.t.Errorf("%d items in quarantine, %d refused", s.Quarantined, s.Refused)
	}
	if code := d.stop(); code != 0 {
		c.t.Errorf("the last run ends with %d", code)
	}
	if err := os.WriteFile(filepath.Join(c.watch.aside, "drained"), nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	<-done
	c.cloud.stop()
}

// A stored item is a row of the cloud's index.
type stored struct {
	name, contentType, file, sha256 string
	size                            int64
}

// index reads the cloud's index.
func (c *crash) index() (rows []stored) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.cloud.data, "camward.db")+"?mode=ro")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Query(`SELECT name, content_type, file, sha256, size FROM items ORDER BY seq`)
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Close()
	for r.Next() {
		var s stored
		var sum []byte
		if err := r.Scan(&s.name, &s.contentType, &s.file, &sum, &s.size); err != nil {
			c.t.Fatal(err)
		}
		s.sha256 = hex.EncodeToString(sum)
		rows = append(rows, s)
	}
	if err := r.Err(); err != nil {
		c.t.Fatal(err)
	}
	return rows
}

// files lists what a directory holds, with its folders.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			path, err = filepath.Rel(dir, path)
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// judge compares what the cloud holds with what the cameras showed and the agents recorded.
func (c *crash) judge() {
	t := c.t
	for _, name := range files(t, c.spool) {
		if name != "boots.json" && name != "lock" && name != "written.json" { // the spool's own, as its package says
			t.Errorf("left in the spool: %s", name)
		}
	}
	if left := files(t, filepath.Join(c.cloud.data, "tmp")); len(left) > 0 {
		t.Errorf("left in the cloud's tmp: %v", left)
	}
	rows := c.index()
	var named []string
	for _, s := range rows {
		named = append(named, s.file)
	}
	slices.Sort(named)
	if held := files(t, filepath.Join(c.cloud.data, "content")); !slices.Equal(held, named) {
		t.Errorf("the cloud's files and its index differ: %d files, %d entries", len(held), len(named))
	}
	var clips []arrivedClip
	pictures := 0
	promised := map[promise]int{}
	for _, s := range rows {
		b, err := os.ReadFile(filepath.Join(c.cloud.data, "content", s.file))
		if sum := sha256.Sum256(b); err != nil || int64(len(b)) != s.size || hex.EncodeToString(sum[:]) != s.sha256 {
			t.Errorf("%s: %d bytes, %v; the index says %d bytes", s.file, len(b), err, s.size)
		}
		promised[promise{s.name, s.sha256}]++
		if s.contentType != "video/mp4" {
			pictures++
			c.judgePicture(s.file, b)
			continue
		}
		clips = append(clips, c.readClip(s.file, b))
		if len(clips)%max(len(rows)/40, 1) == 1 {
			ffprobe(t, b)
		}
	}
	for p := range c.ledger.promised {
		if promised[p] != 1 {
			t.Errorf("%s is %d times in the cloud, want once", p.name, promised[p])
		}
	}
	c.judgeLedger(clips, pictures)
	c.judgePictures(clips)
	c.judgeCuts(clips)
}

// judgePicture wants a snapshot of something that was shown.
func (c *crash) judgePicture(file string, b []byte) {
	var img video.I420
	dec := jpeg.NewDecoder()
	defer dec.Close()
	if err := dec.I420(&img, b); err != nil {
		c.t.Errorf("%s: %v", file, err)
		return
	}
	x, y := video.MarkAt(img.Width, img.Height)
	number, ok := video.ReadMark(&video.Plane{Pix: img.Y, Width: img.Width, Height: img.Height, Stride: img.YStride}, x, y)
	if !ok || number != crashStill && !c.wasShown(number) {
		c.t.Errorf("%s shows picture %d (%v), which no camera showed", file, number, ok)
	}
}

func (c *crash) wasShown(number uint32) bool {
	run, camera, n := ofCrashNumber(number)
	return n < c.lengths[[2]int{run, camera}]
}

// An arrivedClip is a clip in the cloud, of one camera in one run.
type arrivedClip struct {
	run, camera int
	first, last int
	pictures    int
	file        string
}

// readClip wants a clip to play, to begin with a key picture and to show one camera in one run, in order.
func (c *crash) readClip(file string, b []byte) arrivedClip {
	t := c.t
	failed := t.Failed()
	pics := readMarks(t, b)
	if t.Failed() && !failed {
		t.Errorf("that was %s", file)
	}
	if len(pics) == 0 || !pics[0].key {
		t.Errorf("%s has %d pictures, or does not begin with a key picture", file, len(pics))
		return arrivedClip{}
	}
	a := arrivedClip{pictures: len(pics), file: file}
	a.run, a.camera, a.first = ofCrashNumber(pics[0].number)
	for i, p := range pics {
		run, camera, n := ofCrashNumber(p.number)
		if run != a.run || camera != a.camera || !c.wasShown(p.number) || i > 0 && n <= a.last {
			t.Errorf("%s: picture %d of run %d, camera %d follows %d of run %d, camera %d", file, n, run, camera, a.last, a.run, a.camera)
		}
		a.last = n
	}
	return a
}

// judgeLedger wants as many recordings in the cloud as were finished, run by run, and all that was on disk of those cut.
func (c *crash) judgeLedger(clips []arrivedClip, pictures int) {
	t := c.t
	finished, arrived := map[int]int{}, map[int]int{}
	for _, a := range clips {
		arrived[a.run]++
	}
	stills := 0
	for _, it := range c.ledger.all {
		switch it.ext {
		case "mp4":
			finished[it.run]++
		case "jpeg":
			stills++
		}
		if !it.cut || it.whole == 0 {
			continue
		}
		if it.ext != "mp4" || !slices.ContainsFunc(clips, func(a arrivedClip) bool { return a.run == it.run && a.pictures == it.whole }) {
			t.Errorf("run %d was killed when %d pictures of a clip were on disk; no such clip arrived (%q)", it.run, it.whole, it.ext)
		}
	}
	for run := range *crashKills + 1 {
		if finished[run] != arrived[run] {
			t.Errorf("run %d: %d clips are in the cloud, %d were finished", run, arrived[run], finished[run])
		}
	}
	if stills != pictures {
		t.Errorf("%d pictures are in the cloud, %d were finished", pictures, stills)
	}
	c.tally.finished, c.tally.stills = len(clips), stills
}

// judgePictures wants no picture twice, but for the pre-roll of an event that follows closely on another one (a detector that
// gets no time may lose the motion from sight), and none missing from the first of a clip to its last.
func (c *crash) judgePictures(clips []arrivedClip) {
	t := c.t
	slices.SortFunc(clips, func(a, b arrivedClip) int {
		return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.camera, b.camera), cmp.Compare(a.first, b.first))
	})
	const preRoll = int(crashFPS*crashPreRoll/time.Second) + 1
	shown, missing := 0, 0
	for i, a := range clips {
		shown += a.last - a.first + 1
		missing += a.last - a.first + 1 - a.pictures
		if i == 0 || clips[i-1].run != a.run || clips[i-1].camera != a.camera {
			continue
		}
		gap := a.first - clips[i-1].last - 1
		if gap < 0 && (gap < -preRoll || a.first <= clips[i-1].first || a.last <= clips[i-1].last) {
			t.Errorf("%s and %s share pictures", clips[i-1].file, a.file)
		}
		if gap == 0 {
			c.tally.splits++
		}
		c.tally.overlaps += max(-gap, 0)
	}
	c.tally.shown, c.tally.missing = shown, missing
	if missing*50 > shown {
		t.Errorf("%d pictures of %d are missing, more than 2 %%", missing, shown)
	}
	for _, run := range c.ended {
		want := c.lengths[[2]int{run, 0}] - 1
		if !slices.ContainsFunc(clips, func(a arrivedClip) bool { return a.run == run && a.camera == 0 && a.last == want }) {
			t.Errorf("run %d: its recording ended with picture %d, which is not in the cloud", run, want)
		}
	}
}

// A second may be missing at the end of a clip in progress, and what is on its way from the camera into the file: two pictures. On a
// machine that is busy with other things that way may now and then take longer, the more so if a disk makes the agent wait.
const (
	mayMiss   = time.Second + 2*time.Second/crashFPS
	neverMiss = 2 * time.Second
)

// judgeCuts wants at most the last second of a clip in progress to be missing.
func (c *crash) judgeCuts(clips []arrivedClip) {
	y := &c.tally
	for _, k := range c.cuts {
		last := -1
		for _, a := range clips {
			if a.run == k.run && a.camera == k.camera {
				last = max(last, a.last)
			}
		}
		missing := time.Duration(k.shown-last) * time.Second / crashFPS
		if last < 0 { // nothing of it was on disk yet, and its pre-roll is missing too
			y.early = append(y.early, k.age)
			missing = crashPreRoll + k.age
		}
		y.lost = append(y.lost, missing)
		y.stall = max(y.stall, k.stall)
		if missing > mayMiss {
			y.late++
			c.t.Logf("run %d, camera %d: %v before the kill are missing; the machine made others wait %v", k.run, k.camera, missing, k.stall)
		}
		if missing > neverMiss+k.stall {
			c.t.Errorf("run %d, camera %d: %v before the kill are missing", k.run, k.camera, missing)
		}
	}
	if y.late*10 > len(y.lost) {
		c.t.Errorf("of %d of %d cut clips more than %v is missing", y.late, len(y.lost), mayMiss)
	}
}

// report prints the figures, and wants the distribution that makes the test worth something.
func (c *crash) report(each time.Duration) {
	t, y := c.t, &c.tally
	slices.Sort(y.lost)
	slices.Sort(y.early)
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, "crash: "+format+"\n", args...) }
	say("seed %d", c.seed)
	say("%d kills, %.2f s each: %v", *crashKills, each.Seconds(), y)
	say("the sweeps had found %.1f items each, %d of them something unfinished", float64(y.items)/float64(max(y.sweep, 1)), y.mending)
	say("of the kills in a transfer %d came in its body, %d while it waited for the answer; %d items had been acknowledged, but not yet removed",
		y.inBody, y.inAnswer, y.unremoved)
	say("%d items were sent whole more than once", c.relay.repeated())
	say("in the cloud once each: %d clips (%d ended by themselves, %d continue another), %d pictures; of %d pictures shown in clips %d are missing before the last, %d are in two events",
		y.finished, len(c.ended), y.splits, y.stills, y.shown, y.missing, y.overlaps)
	if n := len(y.lost); n > 0 {
		say("missing at the end of %d cut clips: median %v, 99 %% at most %v, all at most %v; %d times more than %v; the machine made others wait %v at worst",
			n, y.lost[n/2], y.lost[n*99/100].Round(time.Millisecond), y.lost[n-1].Round(time.Millisecond), y.late, mayMiss, y.stall.Round(time.Millisecond))
	}
	if n := len(y.early); n > 0 {
		say("%d of these were killed before their first fragment, which holds the pre-roll of %v, was written; %v old at most",
			n, crashPreRoll, y.early[n-1].Round(time.Millisecond))
	}
	fmt.Print(b.String())
	wanted := []struct {
		what    string
		n, part int // in percent
	}{{"the sweep", y.sweep, 10}, {"a clip alone", y.clip, 30}, {"a transfer alone", y.transfer, 30}}
	for _, w := range wanted {
		least := 1
		if *crashKills >= 100 {
			least = *crashKills * w.part / 100
		}
		if w.n < least {
			t.Errorf("%d kills fell into %s, want %d", w.n, w.what, least)
		}
	}
	if *crashKills >= 100 && each > 3*time.Second {
		t.Errorf("%v a kill, want at most 3 s", each)
	}
}
