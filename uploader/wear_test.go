package uploader

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"camward/camio"
)

// inMemoryDir is a directory on a tmpfs.
func inMemoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "camward-spool-")
	if err != nil {
		t.Skipf("not run: no tmpfs at /dev/shm: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "spool")
}

func writeItem(t *testing.T, s *Spool, size int) {
	t.Helper()
	r, err := s.Create(camio.Media{Camera: "front", Kind: camio.KindSnapshot})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := r.Finish(0); err != nil {
		t.Fatal(err)
	}
}

func spoolStatus(s *Spool) (st Status) {
	s.describe(&st)
	return st
}

func TestMoreWrittenThanTheDailyBudgetIsWarnedOfOnceADay(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	cfg := testConfig(t)
	cfg.DailyWrites = 100 * KiB
	s, err := OpenSpool(cfg, &testClock{}, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	warned := func() int { return logs.FilterMessageSnippet("daily_writes").Len() }
	writeItem(t, s, 60_000)
	if st := spoolStatus(s); warned() != 0 || st.WrittenDay < 60_000 || st.WrittenDay > 70_000 || st.InMemory {
		t.Errorf("%d warnings, %+v", warned(), st)
	}
	writeItem(t, s, 60_000)
	spoolStatus(s)
	writeItem(t, s, 60_000)
	if st := spoolStatus(s); warned() != 1 || st.WrittenDay != st.WrittenBytes || st.WrittenEver != st.WrittenBytes || st.DailyWrites != 100<<10 {
		t.Errorf("%d warnings, want 1; %+v", warned(), st)
	}
	// A day later the count begins anew, and so does the warning.
	s.mu.Lock()
	s.reckon(s.wear.at.Add(wearDay))
	s.wear.at = time.Now()
	s.mu.Unlock()
	if st := spoolStatus(s); st.WrittenDay != 0 || st.WrittenEver < 180_000 {
		t.Errorf("after a day: %+v", st)
	}
	for range 2 {
		writeItem(t, s, 60_000)
	}
	if spoolStatus(s); warned() != 2 {
		t.Errorf("%d warnings after the second day, want 2", warned())
	}
}

func TestTheCountOfWrittenBytesOutlivesTheProcess(t *testing.T) {
	cfg := testConfig(t)
	var before int64
	for i := range 3 {
		s, err := OpenSpool(cfg, &testClock{}, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		if st := spoolStatus(s); st.WrittenEver < before || st.WrittenDay < before || st.WrittenBytes > 10_000 {
			t.Errorf("start %d: %+v after %d bytes", i, st, before)
		}
		writeItem(t, s, 50_000)
		before = spoolStatus(s).WrittenEver
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if before < 150_000 || before > 170_000 {
		t.Errorf("%d bytes in the end, want a little over 150,000", before)
	}
	for _, text := range []string{"", "null", "{\"total\":-1}", "rubbish"} {
		if err := os.WriteFile(filepath.Join(cfg.Dir, wearName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenSpool(cfg, &testClock{}, zap.NewNop())
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if st := spoolStatus(s); st.WrittenEver > 10_000 || st.WrittenEver < 0 {
			t.Errorf("%q: %+v", text, st)
		}
		s.Close()
	}
}

func TestASpoolInMemoryWritesNoFlashAndTakesAtMostAQuarter(t *testing.T) {
	cfg := testConfig(t)
	cfg.Dir, cfg.MaxBytes = inMemoryDir(t), 1<<50
	s, err := OpenSpool(cfg, &testClock{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	writeItem(t, s, 50_000)
	st := spoolStatus(s)
	if !st.InMemory || st.WrittenBytes != 0 || st.WrittenEver != 0 || st.Queued != 1 {
		t.Errorf("%+v", st)
	}
	if st.SpoolMaxBytes > memory()/4 || st.SpoolMaxBytes < 16<<20 {
		t.Errorf("%d bytes of room, the machine has %d", st.SpoolMaxBytes, memory())
	}
}
