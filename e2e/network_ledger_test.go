package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"camward/camio"
)

// A ledger writes down what a device recorded: every finished file that appears in the directory of its spool, seen from outside, and
// the order in which those files go.
type ledger struct {
	dir  string
	done chan struct{}

	records map[string][]byte // the latest, by path without ending; of run alone

	mu    sync.Mutex
	items map[string]*entry // by file name
	order []*entry          // as they were finished
	gone  []*entry          // as they were removed
	seen  int               // what happened so far
}

// An entry is one recording, as its journal record and its data say.
type entry struct {
	File    string
	Kind    camio.Kind  `json:"kind"`
	Name    string      `json:"name"`
	Started *camio.Time `json:"started"`
	Event   string      `json:"event"`
	size    int64
	sum     [sha256.Size]byte
	read    bool // false if it had left the spool before it could be read
	// When it was finished and when it was removed, as numbers of what happened in the directory; 0: not yet.
	cameAs, wentAs int
}

// keepLedger watches a spool's directory, which it makes.
func keepLedger(t *testing.T, dir string) *ledger {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	w, err := fsnotify.NewBufferedWatcher(4096)
	if err == nil {
		err = w.Add(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{dir: dir, done: make(chan struct{}), records: map[string][]byte{}, items: map[string]*entry{}}
	go l.run(t, w)
	t.Cleanup(func() {
		w.Close()
		<-l.done
	})
	return l
}

func (l *ledger) run(t *testing.T, w *fsnotify.Watcher) {
	defer close(l.done)
	for {
		select {
		case ev, ok := <-w.Events:
			if !ok {
				return
			}
			switch ext := filepath.Ext(ev.Name); {
			case ext == ".json" && ev.Has(fsnotify.Create):
				l.begun(ev.Name)
			case ext != camio.KindClip.Extension() && ext != camio.KindSnapshot.Extension():
			case ev.Has(fsnotify.Create):
				l.finished(ev.Name)
			case ev.Has(fsnotify.Remove):
				l.removed(ev.Name)
			}
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			t.Errorf("watch the spool: %v", err)
		}
	}
}

// begun reads the journal's record of a recording, which is there before its first byte and is replaced before its last name.
func (l *ledger) begun(path string) {
	if b, err := os.ReadFile(path); err == nil {
		l.records[strings.TrimSuffix(path, ".json")] = b
	}
}

// finished reads a file that has just got its final name: the data itself, not what the journal says of it.
func (l *ledger) finished(path string) {
	e := &entry{File: filepath.Base(path)}
	if data, err := os.ReadFile(path); err == nil {
		e.read, e.size, e.sum = true, int64(len(data)), sha256.Sum256(data)
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	l.begun(stem + ".json")
	if err := json.Unmarshal(l.records[stem], e); err != nil {
		e.Name = err.Error() // shown where it is missed
	}
	delete(l.records, stem)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen++
	e.cameAs = l.seen
	l.items[e.File] = e
	l.order = append(l.order, e)
}

func (l *ledger) removed(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.items[filepath.Base(path)]; e != nil {
		l.seen++
		e.wentAs = l.seen
		l.gone = append(l.gone, e)
	}
}

// made lists what was finished so far, and removals lists what went.
func (l *ledger) made() []*entry     { return l.snapshot(&l.order) }
func (l *ledger) removals() []*entry { return l.snapshot(&l.gone) }

func (l *ledger) snapshot(list *[]*entry) []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(*list)
}

// count is how many of a kind were finished so far.
func (l *ledger) count(kind camio.Kind) (n int) {
	for _, e := range l.made() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// A holding is one item as the cloud hands it out.
type holding struct {
	event string
	video bool
	taken time.Time
	data  []byte
	sum   [sha256.Size]byte
}

// holdings fetches everything that the cloud has of a camera, heartbeats too, page by page, each content by its API.
func (c *cloud) holdings(t *testing.T, camera string) (all []holding) {
	t.Helper()
	date := "2000-01-01T00:00:00Z"
	for {
		q := url.Values{"sources": {camera}, "num_results": {"100"}, "sort": {"asc"}, "motion_type": {"all"}, "date": {date}}
		var r struct {
			Result struct {
				Buckets []camio.Bucket `json:"buckets"`
				More    bool           `json:"more_results"`
				Latest  string         `json:"latest_date_considered"`
			} `json:"result"`
		}
		if err := json.Unmarshal(c.get(t, "/api/search?"+q.Encode()), &r); err != nil {
			t.Fatal(err)
		}
		for _, b := range r.Result.Buckets {
			for i, it := range append(slices.Clone(b.Images), b.Videos...) {
				data := c.content(t, camera, it.ID)
				all = append(all, holding{b.ID, i >= len(b.Images), it.DateCreated.Time, data, sha256.Sum256(data)})
			}
		}
		if !r.Result.More {
			return all
		}
		date = r.Result.Latest
	}
}

// files counts the content files on the cloud's disk: none may lie there beside what the API shows.
func (c *cloud) files(t *testing.T) (n int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(c.data, "content"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// compare holds what the cloud has against what the device recorded and kept: each once, byte for byte, at its time, and nothing else.
func compare(t *testing.T, kept []*entry, c *cloud, camera string) {
	t.Helper()
	held := c.holdings(t, camera)
	for _, fault := range differences(kept, held) {
		t.Error(fault)
	}
	if n := c.files(t); n != len(held) {
		t.Errorf("%d files of content on the cloud's disk, %d in its index", n, len(held))
	}
	for _, h := range held {
		if h.video {
			ffprobe(t, h.data)
		} else if _, err := jpeg.Decode(bytes.NewReader(h.data)); err != nil {
			t.Errorf("the picture of %v: %v", h.taken, err)
		}
	}
	t.Logf("recorded and kept %d, in the cloud %d", len(kept), len(held))
}

// differences lists what is missing, what is there twice, what nobody recorded and what is at another time than its own. What left
// the spool before it could be read must be what remains over, in number and kind.
func differences(kept []*entry, held []holding) (faults []string) {
	by := map[[sha256.Size]byte][]holding{}
	for _, h := range held {
		by[h.sum] = append(by[h.sum], h)
	}
	unread := 0
	for _, e := range kept {
		if !e.read {
			unread++
			continue
		}
		there := by[e.sum]
		delete(by, e.sum)
		switch {
		case len(there) == 0:
			faults = append(faults, fmt.Sprintf("%s (%s, %s) is not in the cloud", e.File, e.Kind, e.Name))
		case len(there) > 1:
			faults = append(faults, fmt.Sprintf("%s (%s, %s) is in the cloud %d times", e.File, e.Kind, e.Name, len(there)))
		case there[0].video != (e.Kind == camio.KindClip):
			faults = append(faults, fmt.Sprintf("%s (%s) is in the cloud as another kind", e.File, e.Kind))
		case e.Started != nil && !there[0].taken.Equal(e.Started.Time):
			faults = append(faults, fmt.Sprintf("%s is in the cloud at %v, recorded at %v", e.File, there[0].taken, e.Started))
		}
	}
	over := 0
	for _, list := range slices.Collect(maps.Values(by)) {
		over += len(list)
	}
	if over != unread {
		faults = append(faults, fmt.Sprintf("%d items in the cloud that nobody saw recorded, %d left too soon to be seen", over, unread))
	}
	return faults
}

// TestTheComparisonFindsEveryFault breaks a day that is all right in each way there is.
func TestTheComparisonFindsEveryFault(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	day := func() (kept []*entry, held []holding) {
		for i := range 4 {
			e := &entry{File: fmt.Sprint(i), Kind: camio.KindClip, Started: &camio.Time{Time: at}, read: true, sum: sha256.Sum256([]byte{byte(i)})}
			kept = append(kept, e)
			held = append(held, holding{video: true, taken: at, sum: e.sum})
		}
		return kept, held
	}
	tests := []struct {
		name  string
		spoil func(kept []*entry, held []holding) ([]*entry, []holding)
		want  string
	}{
		{"nothing", func(k []*entry, h []holding) ([]*entry, []holding) { return k, h }, ""},
		{"lost", func(k []*entry, h []holding) ([]*entry, []holding) { return k, h[1:] }, "is not in the cloud"},
		{"twice", func(k []*entry, h []holding) ([]*entry, []holding) { return k, append(h, h[2]) }, "2 times"},
		{"extra", func(k []*entry, h []holding) ([]*entry, []holding) { return k[1:], h }, "nobody saw"},
		{"changed", func(k []*entry, h []holding) ([]*entry, []holding) { h[3].sum[0]++; return k, h }, "is not in the cloud"},
		{"kind", func(k []*entry, h []holding) ([]*entry, []holding) { h[3].video = false; return k, h }, "another kind"},
		{"time", func(k []*entry, h []holding) ([]*entry, []holding) {
			h[0].taken = at.Add(time.Millisecond)
			return k, h
		}, "recorded at"},
		{"unseen lost", func(k []*entry, h []holding) ([]*entry, []holding) { k[0].read = false; return k, h[1:] }, "left too soon"},
		{"unseen", func(k []*entry, h []holding) ([]*entry, []holding) { k[0].read = false; return k, h }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(differences(tt.spoil(day())), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}
