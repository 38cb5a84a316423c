package uploader

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// A leftover is what the directory holds under one number.
type leftover struct {
	record         bool
	part           bool
	data           string // ending of finished data, or empty
	size, partSize int64
	modified       time.Time
}

// tally counts what a sweep did.
type tally struct {
	queued, completed, trimmed, quarantined, removed, unreadable int
}

// sweep queues what is whole and puts right what a crash left. It can itself be cut anywhere: each
// step leaves a state that the next sweep knows.
func (s *Spool) sweep() error {
	began := time.Now()
	found, err := s.scan()
	if err != nil {
		return err
	}
	numbers := make([]uint64, 0, len(found))
	for seq := range found {
		numbers = append(numbers, seq)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	var t tally
	boots := map[string]bool{s.boot: true}
	for _, seq := range numbers {
		s.seq = max(s.seq, seq)
		if err := s.sweepItem(seq, found[seq], &t, boots); err != nil {
			t.unreadable++
			s.log.Error("item left as it is", zap.Uint64("item", seq), zap.Error(s.explain("sweep", err)))
		}
	}
	if t.completed+t.trimmed+t.quarantined+t.removed > 0 {
		if err := s.files.syncDir(); err != nil {
			return err
		}
	}
	for boot := range s.offsets {
		if !boots[boot] {
			delete(s.offsets, boot) // written at the next change
		}
	}
	s.mu.Lock()
	s.trust()
	s.mu.Unlock()
	s.log.Info("spool open", zap.String("dir", s.cfg.Dir), zap.Int("queued", t.queued), zap.Int64("bytes", s.bytes),
		zap.Int("completed", t.completed), zap.Int("trimmed", t.trimmed), zap.Int("quarantined", t.quarantined),
		zap.Int("removed", t.removed), zap.Duration("took", time.Since(began)))
	return nil
}

// scan lists the directory by item and removes temporary files.
func (s *Spool) scan() (map[uint64]*leftover, error) {
	list, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return nil, err
	}
	found := make(map[uint64]*leftover, len(list)/2)
	for _, d := range list {
		name := d.Name()
		seq, ext, ok := parseFileName(name)
		if strings.HasSuffix(name, tempExt) && (ok || name == bootsName+tempExt || name == wearName+tempExt) {
			if err := s.files.remove(name); err != nil {
				return nil, err
			}
			continue
		}
		if !ok {
			continue
		}
		l := found[seq]
		if l == nil {
			l = &leftover{}
			found[seq] = l
		}
		if err := l.add(d, ext); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// add notes one file of an item.
func (l *leftover) add(d os.DirEntry, ext string) error {
	if ext == recordExt {
		l.record = true
		return nil
	}
	fi, err := d.Info()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.modified = fi.ModTime()
	switch ext {
	case partExt:
		l.part, l.partSize = true, fi.Size()
	case camio.KindClip.Extension(), camio.KindSnapshot.Extension():
		l.data, l.size = ext, fi.Size()
	}
	return nil
}

// sweepItem brings one item into a state that the queue or the quarantine knows.
func (s *Spool) sweepItem(seq uint64, l *leftover, t *tally, boots map[string]bool) error {
	if !l.part && l.data == "" {
		t.removed++ // its data was never begun, or is sent already
		return s.files.remove(fileName(seq, recordExt))
	}
	if l.part && l.data != "" { // a file system without atomic renames
		if err := s.files.remove(fileName(seq, partExt)); err != nil {
			return err
		}
	}
	rec, err := s.readRecord(seq)
	if pe := (*os.PathError)(nil); errors.As(err, &pe) && l.record {
		return err // the disk's fault, not the record's
	}
	size := l.size
	if l.data == "" {
		size = l.partSize
	}
	whole := err == nil && rec.finished() && rec.Size == size
	switch {
	case err == nil && rec.Refused != "":
		err = s.nameData(&rec, l)
	case whole && l.data != "":
		t.queued++
	case whole: // the crash came between record and rename
		t.completed++
		err = s.complete(&rec, false)
	case err == nil:
		err = s.salvage(&rec, l, size, t)
	default:
		return s.orphan(seq, l, size, err, t)
	}
	if err != nil {
		return err
	}
	boots[rec.Boot] = true
	s.admit(&rec, size, l)
	return nil
}

// admit puts an item into the queue or the quarantine, unless salvage removed it.
func (s *Spool) admit(rec *record, size int64, l *leftover) {
	s.mu.Lock()
	if rec.Name != "" {
		s.names.take(rec.Camera, rec.Name)
	}
	if rec.Source != "" && rec.finished() {
		s.sources[rec.Source] = struct{}{}
	}
	s.mu.Unlock()
	switch {
	case rec.Refused != "":
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bytes += size
		e := s.newEntry(rec, size)
		e.modified, e.fault = l.modified.Unix(), rec.Refused
		s.setAside(e)
	case rec.finished():
		s.enqueue(rec, l.modified, true)
	}
}

// orphan quarantines data whose record is lost or unreadable.
func (s *Spool) orphan(seq uint64, l *leftover, size int64, cause error, t *tally) error {
	if size == 0 {
		t.removed++
		return s.removeFiles(seq)
	}
	reason := "its journal record is lost"
	if l.record {
		reason = fmt.Sprintf("its journal record is unreadable: %v", cause)
	}
	rec := record{Seq: seq, Order: seq, Kind: camio.KindClip, Boot: s.boot}
	if l.data == camio.KindSnapshot.Extension() {
		rec.Kind = camio.KindSnapshot
	}
	if err := errors.Join(s.nameData(&rec, l), s.markRefused(&rec, reason)); err != nil {
		return err
	}
	t.quarantined++
	s.log.Warn("item quarantined", zap.Uint64("item", seq), zap.String("reason", reason))
	s.admit(&rec, size, l)
	return nil
}

// nameData gives the data of a quarantined item its final name, under which a person can export it and the uploader finds it
// after a retry.
func (s *Spool) nameData(rec *record, l *leftover) error {
	if l.data != "" {
		return nil
	}
	return s.files.rename(fileName(rec.Seq, partExt), fileName(rec.Seq, rec.Kind.Extension()))
}

// salvage makes an item of data that was cut: see files.repair. What holds no picture
// is removed, what cannot be saved is quarantined.
func (s *Spool) salvage(rec *record, l *leftover, size int64, t *tally) error {
	if rec.Source != "" { // it is copied again
		t.removed++
		rec.SHA256 = nil
		return s.removeFiles(rec.Seq)
	}
	name := fileName(rec.Seq, partExt)
	if l.data != "" {
		name = fileName(rec.Seq, l.data)
	}
	f, err := os.OpenFile(s.files.path(name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // synced below where it matters
	whole, length, err := s.files.repair(f, size, rec.Kind)
	switch {
	case errors.Is(err, errNothing):
		t.removed++
		rec.SHA256 = nil
		return s.removeFiles(rec.Seq)
	case errors.Is(err, errUseless):
		t.quarantined++
		reason := fmt.Sprintf("cut after %d bytes: %v", size, err)
		s.log.Warn("item quarantined", zap.Uint64("item", rec.Seq), zap.String("reason", reason))
		return errors.Join(s.nameData(rec, l), s.markRefused(rec, reason))
	case err != nil:
		return err
	case whole < size:
		t.trimmed++
	default:
		t.completed++
	}
	if err := s.files.sync(f); err != nil {
		return err
	}
	if rec.SHA256, err = sumFile(f, whole); err != nil {
		return err
	}
	rec.Size, rec.Length = whole, length
	if l.data != "" {
		return s.writeRecord(rec)
	}
	return s.complete(rec, false)
}
