package uploader

import (
	"encoding/json"
	"fmt"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// untimedPrefix begins the names of items whose time was never known. The store's own time of
// receipt counts for them.
const untimedPrefix = "untimed-"

// recentNames is how many names are remembered after their item left the spool, so that a clock that is
// set back a little cannot give a name twice.
const recentNames = 512

// A nameSet knows which upload names are taken: those in the spool and the last that left it.
type nameSet struct {
	taken map[string]struct{} // camera/name
	left  [recentNames]string
	next  int
}

func newNameSet() nameSet { return nameSet{taken: map[string]struct{}{}} }

// take reserves a name and reports whether it was free.
func (n *nameSet) take(camera, name string) bool {
	key := camera + "/" + name
	if _, ok := n.taken[key]; ok {
		return false
	}
	n.taken[key] = struct{}{}
	return true
}

// leave notes that the item of this name is no longer in the spool.
func (n *nameSet) leave(camera, name string) {
	if name == "" {
		return
	}
	delete(n.taken, n.left[n.next])
	n.left[n.next] = camera + "/" + name
	n.next = (n.next + 1) % recentNames
}

// name gives rec the name under which it will be uploaded; a taken one moves on by a millisecond.
// s.mu is held.
func (s *Spool) name(rec *record) {
	if rec.Name != "" {
		return
	}
	at, known := s.wall(rec.Boot, rec.Mono)
	for bump := time.Duration(0); ; bump += time.Millisecond {
		name := fmt.Sprintf("%s%.8s-%d%s", untimedPrefix, rec.Boot, (rec.Mono + bump).Milliseconds(), rec.Kind.Extension())
		if known {
			name = camio.FormatTime(at.Add(bump)) + rec.Kind.Extension()
		}
		if !s.names.take(rec.Camera, name) {
			continue
		}
		rec.Name = name
		if known {
			rec.Started = &camio.Time{Time: at.Add(bump)}
		}
		return
	}
}

// wall turns a stamp of some boot into wall-clock time, if that boot's offset is known. s.mu is held.
func (s *Spool) wall(boot string, mono time.Duration) (time.Time, bool) {
	if boot == s.boot {
		if t, trusted := s.clock.Wall(mono); trusted {
			return t.UTC().Truncate(time.Millisecond), true
		}
	}
	offset, known := s.offsets[boot]
	return time.Unix(0, int64(offset+mono)).UTC().Truncate(time.Millisecond), known
}

// trust reports whether times of this boot are known. The first time that they are, the offset is
// written down, so that what was recorded in this boot can be named after the next one. s.mu is held.
func (s *Spool) trust() bool {
	if _, known := s.offsets[s.boot]; known {
		return true
	}
	zero, trusted := s.clock.Wall(0)
	if !trusted {
		return false
	}
	s.offsets[s.boot] = time.Duration(zero.UnixNano())
	if err := s.writeBoots(); err != nil {
		s.log.Warn("clock offset not kept", zap.Error(err))
	}
	return true
}

func (s *Spool) writeBoots() error {
	b, err := json.Marshal(s.offsets)
	if err != nil {
		return err
	}
	if err := s.files.replace(bootsName, b); err != nil {
		return err
	}
	return s.files.syncDir()
}

// readBoots loads what writeBoots kept; without it, items of earlier boots go without a time.
func (s *Spool) readBoots() {
	b, err := s.files.readAll(bootsName, 1<<20)
	if err != nil {
		return
	}
	if err := json.Unmarshal(b, &s.offsets); err != nil {
		s.log.Warn("clock offsets of earlier boots are unreadable", zap.Error(err))
		s.offsets = map[string]time.Duration{}
	}
	if s.offsets == nil { // the file said null
		s.offsets = map[string]time.Duration{}
	}
}
