package uploader

import (
	"go.uber.org/zap"

	"camward/camio"
)

// The shares of MaxBytes that the spool keeps when others fill the disk, and that quarantined items
// may take.
const (
	floorShare      = 16
	quarantineShare = 8
)

// memoryShare bounds a spool in memory: never more than a quarter of what the machine has.
func memoryShare(limit Bytes) Bytes {
	if all := memory(); all > 0 {
		return max(min(limit, Bytes(all/4)), minBytes)
	}
	return limit
}

// makeRoom drops old items until need more bytes fit the quotas, and reports whether they fit MaxBytes.
// That the disk is too full by others' doing never refuses a recording; a full disk does that itself.
func (s *Spool) makeRoom(need int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.limit()
	var gone []*entry
	for s.bytes+need > limit {
		e := s.dropLocked()
		if e == nil {
			break
		}
		gone = append(gone, e)
	}
	s.logDrops(gone)
	return s.bytes+need <= int64(s.cfg.MaxBytes)
}

// limit is what the spool may hold now. s.mu is held.
func (s *Spool) limit() int64 {
	limit := int64(s.cfg.MaxBytes)
	used, total, ok := diskUse(s.cfg.Dir)
	if !ok {
		return limit
	}
	byDisk := s.bytes + total/100*int64(s.cfg.MaxPercent) - used
	return min(limit, max(byDisk, limit/floorShare))
}

// dropOne makes some room on a full disk, and reports whether there was anything to drop.
func (s *Spool) dropOne() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.dropLocked()
	if e == nil {
		return false
	}
	s.logDrops([]*entry{e})
	return true
}

// dropLocked removes the item that is missed least and returns it: quarantined ones, then
// heartbeats, then snapshots, then clips, the oldest first. Items in transfer are spared. s.mu is held.
func (s *Spool) dropLocked() *entry {
	if len(s.quarantined) > 0 {
		e := s.quarantined[0]
		s.quarantined = s.quarantined[1:]
		s.forget(e)
		return e
	}
	victims := map[camio.Kind]*entry{}
	for _, e := range s.queue {
		if victims[e.kind] == nil && !e.sending {
			victims[e.kind] = e
			if e.kind == camio.KindHeartbeat {
				break
			}
		}
	}
	for _, kind := range []camio.Kind{camio.KindHeartbeat, camio.KindSnapshot, camio.KindClip} {
		if e := victims[kind]; e != nil {
			s.take(e)
			s.forget(e)
			return e
		}
	}
	return nil
}

// forget deletes an entry's files and counts it as dropped. s.mu is held.
func (s *Spool) forget(e *entry) {
	s.bytes -= e.size
	s.dropped[e.kind]++
	s.names.leave(e.camera, e.name)
	if err := s.removeFiles(e.seq); err != nil {
		s.log.Error("dropped item not removed", zap.Uint64("item", e.seq), zap.Error(err))
	}
}

// logDrops says in one line what was dropped.
func (s *Spool) logDrops(gone []*entry) {
	if len(gone) == 0 {
		return
	}
	count, size := map[camio.Kind]int{}, int64(0)
	for _, e := range gone {
		count[e.kind]++
		size += e.size
	}
	s.log.Warn("spool over its quota, oldest items dropped",
		zap.Int("clips", count[camio.KindClip]), zap.Int("snapshots", count[camio.KindSnapshot]),
		zap.Int("heartbeats", count[camio.KindHeartbeat]), zap.Int64("bytes", size),
		zap.Uint64("first_item", gone[0].seq), zap.String("first_name", gone[0].name))
}

// quarantine sets aside an item in transfer that the store will never take.
func (s *Spool) quarantine(e *entry, reason string) {
	rec, err := s.readRecord(e.seq)
	if err == nil {
		err = s.markRefused(&rec, reason)
	}
	if err != nil {
		// It is set aside in memory all the same; after a restart the store will refuse it again.
		s.log.Error("refusal not kept", zap.Uint64("item", e.seq), zap.Error(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(e)
	s.refused++
	e.fault = reason
	s.setAside(e)
}

// markRefused writes the reason into the journal.
func (s *Spool) markRefused(rec *record, reason string) error {
	rec.Refused = reason
	return s.writeRecord(rec)
}

// setAside adds an entry to the quarantine and keeps that within its share. s.mu is held.
func (s *Spool) setAside(e *entry) {
	e.sending = false
	s.quarantined = append(s.quarantined, e)
	size := int64(0)
	for _, q := range s.quarantined {
		size += q.size
	}
	var gone []*entry
	for size > int64(s.cfg.MaxBytes)/quarantineShare {
		q := s.quarantined[0]
		s.quarantined = s.quarantined[1:]
		size -= q.size
		s.forget(q)
		gone = append(gone, q)
	}
	s.logDrops(gone)
}
