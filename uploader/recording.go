package uploader

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"camward/camio"
)

// reserveStep is how much room a recording claims at a time.
const reserveStep = 1 << 20

// A Recording is an item being written. It belongs to one goroutine. After Finish or Discard it must
// not be used.
type Recording struct {
	spool    *Spool
	rec      record
	file     *os.File
	offset   int64 // of the next Write
	size     int64
	reserved int64 // counted in the spool's bytes
	digest   hash.Hash
	hashed   int64 // leading bytes that digest covers
	stale    bool  // bytes that digest covers were changed since
}

func newRecording(s *Spool, rec record, f *os.File) *Recording {
	return &Recording{spool: s, rec: rec, file: f, digest: sha256.New()}
}

// Media is what Create was given.
func (r *Recording) Media() camio.Media {
	return camio.Media{
		Camera: r.rec.Camera, CameraID: r.rec.CameraID, Kind: r.rec.Kind, Mode: r.rec.Mode,
		Mono: r.rec.Mono, Rotation: r.rec.Rotation, Event: r.rec.Event, Track: r.rec.Track, Length: r.rec.Length, Source: r.rec.Source,
	}
}

// Describe replaces what is said of the motion in it, until Finish. The recording keeps t.
func (r *Recording) Describe(t *camio.Track) { r.rec.Track = t }

// Write appends after the last Write.
func (r *Recording) Write(b []byte) (int, error) {
	n, err := r.WriteAt(b, r.offset)
	r.offset += int64(n)
	return n, err
}

// WriteAt writes at an offset from the start; it does not move where Write appends. When the disk or
// the spool is full, old items are dropped first; the error comes when there are none left.
func (r *Recording) WriteAt(b []byte, offset int64) (int, error) {
	if err := r.reserve(max(r.size, offset+int64(len(b)))); err != nil {
		return 0, r.spool.explain("record into", err)
	}
	n, err := r.spool.files.writeAt(r.file, b, offset)
	for isFull(err) && r.spool.dropOne() {
		var m int
		m, err = r.spool.files.writeAt(r.file, b[n:], offset+int64(n))
		n += m
	}
	r.note(b[:n], offset)
	if err != nil {
		return n, r.spool.explain("record into", err)
	}
	return n, nil
}

// reserve claims room for a recording of that size.
func (r *Recording) reserve(size int64) error {
	if size <= r.reserved {
		return nil
	}
	step := (size - r.reserved + reserveStep - 1) / reserveStep * reserveStep
	if !r.spool.makeRoom(step) {
		return errFull
	}
	r.spool.account(step)
	r.reserved += step
	return nil
}

// note keeps size and digest up with bytes just written.
func (r *Recording) note(b []byte, offset int64) {
	r.size = max(r.size, offset+int64(len(b)))
	switch {
	case len(b) == 0:
	case offset == r.hashed:
		r.digest.Write(b) // never fails (hash.Hash)
		r.hashed += int64(len(b))
	case offset < r.hashed:
		r.stale = true
	}
}

// Sync makes what was written so far survive a power cut.
func (r *Recording) Sync() error {
	if err := r.spool.files.sync(r.file); err != nil {
		return r.spool.explain("sync a recording in", err)
	}
	return nil
}

// Finish syncs and closes the data and queues the item; length is a clip's, 0 for pictures. If it fails,
// what was written stays on disk and is queued at the next start, unless it is a copy, whose source is still there. An empty
// recording is discarded and is an error.
func (r *Recording) Finish(length time.Duration) error {
	if r.size == 0 {
		return errors.Join(errors.New("finish a recording: nothing was written"), r.Discard())
	}
	if err := r.finish(length); err != nil {
		if r.rec.Source != "" {
			err = errors.Join(err, r.spool.removeFiles(r.rec.Seq))
		}
		r.spool.ended(r.reserved)
		return r.spool.explain("finish a recording in", err)
	}
	r.spool.ended(r.reserved)
	r.spool.enqueue(&r.rec, time.Now(), false)
	r.spool.makeRoom(0)
	return nil
}

func (r *Recording) finish(length time.Duration) error {
	err := r.spool.files.sync(r.file)
	if err == nil {
		r.rec.SHA256, err = r.sum()
	}
	if cerr := r.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	r.rec.Size, r.rec.Length = r.size, length
	return r.spool.complete(&r.rec, true)
}

// sum is the digest of the whole file, read again only if writing was not from front to back.
func (r *Recording) sum() ([]byte, error) {
	if !r.stale && r.hashed == r.size {
		return r.digest.Sum(nil), nil
	}
	return sumFile(r.file, r.size)
}

// Discard ends the recording and removes it.
func (r *Recording) Discard() error {
	err := errors.Join(r.file.Close(), r.spool.removeFiles(r.rec.Seq))
	r.spool.ended(r.reserved)
	if err != nil {
		return r.spool.explain("discard a recording in", err)
	}
	return nil
}

// complete makes an item of synced data and its finished record: the record is replaced, the data gets its
// final name, and the directory is synced. If times of the item's boot are known, it is named too.
func (s *Spool) complete(rec *record, syncDir bool) error {
	s.mu.Lock()
	if _, known := s.wall(rec.Boot, rec.Mono); known {
		s.name(rec)
	}
	s.mu.Unlock()
	if err := s.writeRecord(rec); err != nil {
		return err
	}
	err := s.files.rename(fileName(rec.Seq, partExt), fileName(rec.Seq, rec.Kind.Extension()))
	if err != nil || !syncDir {
		return err
	}
	return s.files.syncDir()
}

// account adds to the bytes that the spool holds.
func (s *Spool) account(n int64) {
	s.mu.Lock()
	s.bytes += n
	s.mu.Unlock()
}

// ended notes that a recording is no longer being written, and gives back what it had reserved.
func (s *Spool) ended(reserved int64) {
	s.mu.Lock()
	s.recording--
	s.bytes -= reserved
	s.mu.Unlock()
}

// sumFile is the SHA-256 of the first size bytes.
func sumFile(f io.ReaderAt, size int64) ([]byte, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(f, 0, size))
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes of %d are readable: %w", n, size, io.ErrUnexpectedEOF)
	}
	return h.Sum(nil), err
}
