//go:build cgo

package clip

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"camward/codec/mp4"
)

// A disk is a file in memory.
type disk struct{ b []byte }

func (d *disk) ReadAt(b []byte, off int64) (int, error) { return bytes.NewReader(d.b).ReadAt(b, off) }

func (d *disk) WriteAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > int64(len(d.b)) {
		return 0, io.ErrShortWrite
	}
	return copy(d.b[off:], b), nil
}

func (d *disk) Truncate(size int64) error {
	d.b = d.b[:size]
	return nil
}

// What a power cut leaves of a recording, wherever it falls, is brought to the last whole fragment, and that is a
// file without a fault whose pictures have their times.
func TestARecordingCutAtAnyByteOfItsLastFragmentsIsRecovered(t *testing.T) {
	for name, c := range camerasOf(t, 64, 48) {
		t.Run(name, func(t *testing.T) {
			h := newHand(t, c.format, c.data)
			var ends []int64 // of the fragments that were synced
			h.spool.synced = func(f *os.File) {
				st, err := f.Stat()
				if err != nil {
					t.Fatal(err)
				}
				ends = append(ends, st.Size())
			}
			h.seconds(6, true)
			times := []time.Duration{}
			for at := h.w.file.start; at <= h.w.file.last; at += step {
				times = append(times, at)
			}
			parts, err := filepath.Glob(filepath.Join(h.spool.dir, "part*"))
			if err != nil || len(parts) != 1 || len(ends) < 5 {
				t.Fatalf("%d files, %d fragments, %v", len(parts), len(ends), err)
			}
			all, err := os.ReadFile(parts[0])
			if err != nil {
				t.Fatal(err)
			}
			recovered := map[int][]byte{}                       // by number of whole fragments
			d, header := &disk{slices.Clone(all)}, int(ends[0]) // Repair changes the header, and cuts
			last := len(ends)
			for cut := ends[last-3]; cut <= ends[last-1]; cut++ {
				whole, exact := slices.BinarySearch(ends, cut)
				if exact {
					whole++
				}
				d.b = d.b[:cut]
				copy(d.b[:header], all)
				f, err := mp4.Repair(d, cut)
				if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				if int64(len(d.b)) != ends[whole-1] || len(f.Samples) == 0 {
					t.Fatalf("cut at %d of %v: %d bytes, %d pictures", cut, ends, len(d.b), len(f.Samples))
				}
				if recovered[whole] == nil {
					recovered[whole] = slices.Clone(d.b)
					checkRecovered(t, d.b, times[:len(f.Samples)])
				}
				if !bytes.Equal(d.b, recovered[whole]) {
					t.Fatalf("cut at %d: another file than when cut elsewhere in the same fragment", cut)
				}
			}
			if len(recovered) != 3 {
				t.Errorf("%d different files", len(recovered))
			}
		})
	}
}

func checkRecovered(t *testing.T, file []byte, times []time.Duration) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recovered.mp4")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	p := ffprobe(t, path)
	if len(p.pts) != len(times) || p.pictures != len(times) {
		t.Fatalf("%d pictures, %d of which decode, want %d", len(p.pts), p.pictures, len(times))
	}
	for i, at := range times {
		if !near(p.pts[i], at-times[0], time.Millisecond) {
			t.Fatalf("picture %d is shown at %v, was taken at %v", i, p.pts[i], at-times[0])
		}
	}
	if want := float64(len(times)) * step.Seconds(); math.Abs(p.duration.Seconds()-want) > 0.01 {
		t.Errorf("the file lasts %v, want %v s", p.duration, want)
	}
}
