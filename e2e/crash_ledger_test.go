package e2e

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"camward/codec/mp4"
)

// A crashLedger holds everything that any agent ever began to record, as seen from outside.
type crashLedger struct {
	run      int
	all      []*item
	live     map[uint64]*item // by the number in the spool, which may be used again once it is free
	promised map[promise]bool // finished items that a kill left in the spool
}

// An item is a recording that some agent began.
type item struct {
	run   int // that began it
	seq   uint64
	born  time.Time
	ext   string // of the finished file; empty until then
	cut   bool   // a kill interrupted it
	whole int    // pictures in the whole fragments that were on disk then
}

// A promise is what the journal says of a finished item: the cloud must have exactly this, once.
type promise struct{ name, sha256 string }

func (l *crashLedger) begin(run int) { l.run = run }

// see follows the spool's files, and reports whether a recording was begun.
func (l *crashLedger) see(e fileEvent) (began bool) {
	digits, ext, ok := strings.Cut(e.name, ".")
	seq, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil {
		return false
	}
	switch {
	case ext == "part" && e.is(unix.IN_CREATE):
		it := &item{run: l.run, seq: seq, born: e.at}
		l.all, l.live[seq] = append(l.all, it), it
		return true
	case (ext == "mp4" || ext == "jpeg") && e.is(unix.IN_MOVED_TO):
		l.live[seq].ext = ext
	}
	return false
}

// A journal is the part of an item's record that the test reads.
type journal struct {
	Camera  string
	Kind    string
	Name    string
	SHA256  []byte
	Refused string
}

// inspect reads the spool as a kill left it, and returns the clips of this run that it interrupted, by camera.
func (v *victim) inspect(answered []string) map[int]*item {
	c := v.c
	list, err := os.ReadDir(c.spool)
	if err != nil {
		c.t.Fatal(err)
	}
	clips := map[int]*item{}
	c.waiting, c.cut = 0, 0
	for _, d := range list {
		digits, ext, _ := strings.Cut(d.Name(), ".")
		seq, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || ext != "part" && ext != "mp4" && ext != "jpeg" {
			continue
		}
		c.waiting++
		rec := v.readJournal(seq)
		if len(rec.SHA256) > 0 && rec.Name != "" {
			c.ledger.promised[promise{rec.Name, hex.EncodeToString(rec.SHA256)}] = true
		}
		if ext != "part" {
			if slices.ContainsFunc(answered, func(path string) bool { return strings.HasSuffix(path, "/"+rec.Name) }) {
				c.tally.unremoved++
			}
			continue
		}
		c.cut++
		it := c.ledger.live[seq]
		if rec.Kind != "clip" {
			continue
		}
		v.wholePictures(it)
		if it.run == v.run {
			clips[slices.Index(crashNames[:], rec.Camera)] = it
		}
	}
	return clips
}

func (v *victim) readJournal(seq uint64) (rec journal) {
	b, err := os.ReadFile(filepath.Join(v.c.spool, fmt.Sprintf("%012d.json", seq)))
	if err == nil {
		err = json.Unmarshal(b, &rec)
	}
	if err != nil || rec.Refused != "" {
		v.c.t.Errorf("run %d leaves item %d with a record %+v, %v", v.run, seq, rec, err)
	}
	return rec
}

// wholePictures counts what is on disk of a cut clip. From now on that must not get less.
func (v *victim) wholePictures(it *item) {
	t := v.c.t
	f, err := os.Open(filepath.Join(v.c.spool, fmt.Sprintf("%012d.part", it.seq)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	switch file, err := mp4.Read(f, fi.Size()); {
	case err == nil:
		whole = len(file.Samples)
	case !errors.Is(err, mp4.ErrNoHeader):
		t.Errorf("run %d leaves item %d: %v", v.run, it.seq, err)
	}
	if it.cut && whole != it.whole {
		t.Errorf("run %d leaves %d pictures of item %d, which had %d", v.run, whole, it.seq, it.whole)
	}
	it.cut, it.whole = true, whole
}

// A cut is a clip that was being written when the agent was killed.
type cut struct {
	run, camera int
	shown       int           // number of the last picture that the camera had shown by then
	whole       int           // pictures on disk
	age         time.Duration // of the clip
	stall       time.Duration // see victim
}

func (v *victim) cutShort(clips map[int]*item) {
	for camera, it := range clips {
		shown := int(v.killed.Sub(v.fed[camera]).Seconds() * crashFPS)
		shown = min(shown, v.c.lengths[[2]int{v.run, camera}]-1)
		v.c.cuts = append(v.c.cuts, cut{v.run, camera, shown, it.whole, v.killed.Sub(it.born), v.stall})
	}
}

// A tally counts what the kills interrupted. The first five are all kills, each counted once.
type tally struct {
	sweep, clip, transfer, both, none int

	inBody, inAnswer int // of the transfers: the body was on its way, or the answer was awaited
	unremoved        int // items that the cloud had acknowledged and the agent not yet removed
	items, mending   int // that those sweeps had found; sweeps with something unfinished

	// The oracle's part.
	finished, splits, stills int             // clips in the cloud, those that continue another, pictures
	shown, missing           int             // pictures of clips
	lost                     []time.Duration // missing at the end of a cut clip
	late                     int             // of these, more than a second and two pictures
	overlaps                 int             // pictures that two events share
	stall                    time.Duration   // the worst
	early                    []time.Duration // age of clips of which nothing was on disk
}

func (t *tally) add(sweep, clip, inBody, inAnswer bool) {
	transfer := inBody || inAnswer
	switch {
	case sweep:
		t.sweep++
	case clip && transfer:
		t.both++
	case clip:
		t.clip++
	case transfer:
		t.transfer++
	default:
		t.none++
	}
	if inBody {
		t.inBody++
	} else if inAnswer {
		t.inAnswer++
	}
}

func (t *tally) swept(items, unfinished int) {
	t.items += items
	if unfinished > 0 {
		t.mending++
	}
}

func (t *tally) String() string {
	return fmt.Sprintf("%d in the sweep, %d in a clip alone, %d in a transfer alone, %d in both, %d elsewhere", t.sweep, t.clip, t.transfer, t.both, t.none)
}
