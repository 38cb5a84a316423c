package uploader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"camward/camio"
)

type nullStore struct{}

func (nullStore) Put(context.Context, Item) error { return nil }

// A fakeStore keeps what it is given and answers as told.
type fakeStore struct {
	mu     sync.Mutex
	answer func(it Item, n int) error // n counts attempts from 1; nil answers nil
	took   time.Duration              // of each Put
	tries  []attempt
	stored map[string]int
}

type attempt struct {
	name string
	at   time.Time
}

func (f *fakeStore) Put(ctx context.Context, it Item) error {
	f.mu.Lock()
	f.tries = append(f.tries, attempt{it.Name, time.Now()})
	n, answer := len(f.tries), f.answer
	f.mu.Unlock()
	if f.took > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.took):
		}
	}
	if answer != nil {
		if err := answer(it, n); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stored == nil {
		f.stored = map[string]int{}
	}
	f.stored[it.Name]++
	return nil
}

// run sends in a bubble until test returns.
func run(t *testing.T, store *fakeStore, change func(*Config), test func(*testing.T, *Spool, *Uploader, *observer.ObservedLogs)) {
	cfg := testConfig(t)
	if change != nil {
		change(&cfg)
	}
	core, logs := observer.New(zapcore.InfoLevel)
	synctest.Test(t, func(t *testing.T) {
		s := open(t, cfg)
		u, err := New(cfg, s, store, zap.New(core))
		if err != nil {
			t.Fatal(err)
		}
		errStop := errors.New("test is over")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() { done <- u.Run(ctx) }()
		test(t, s, u, logs)
		cancel(errStop)
		if err := <-done; !errors.Is(err, errStop) {
			t.Errorf("Run returned %v, want the context's cause", err)
		}
	})
}

func clips(t *testing.T, s *Spool, from, n int) {
	for i := from; i < from+n; i++ {
		add(t, s, media(camio.KindClip, time.Duration(i)*time.Minute, fmt.Sprint(i)), []byte("clip"))
	}
}

func TestWhatIsFinishedIsSentAtOnce(t *testing.T) {
	store := &fakeStore{}
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, _ *observer.ObservedLogs) {
		time.Sleep(time.Hour) // idle
		began := time.Now()
		clips(t, s, 0, 3)
		synctest.Wait()
		st := u.Status()
		if st.Sent != 3 || st.Queued != 0 || st.SentBytes != 12 || st.LastSuccess == nil || !time.Now().Equal(began) {
			t.Errorf("after %v: %+v", time.Since(began), st)
		}
		if names := list(t, s.cfg); len(names) != 0 {
			t.Errorf("left on disk: %v", names)
		}
	})
}

func TestFaultsBackOffWithJitterAndAreLoggedOnce(t *testing.T) {
	store := &fakeStore{answer: func(Item, int) error { return errors.New("connection refused") }}
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, logs *observer.ObservedLogs) {
		clips(t, s, 0, 3)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		for i := 1; i < len(store.tries); i++ {
			pause, full := store.tries[i].at.Sub(store.tries[i-1].at), min(minPause<<min(i-1, 16), maxPause)
			if pause < full/2 || pause > full+maxPause/2 {
				t.Errorf("pause %d is %v, want about %v", i, pause, full)
			}
		}
		if n := len(store.tries); n < 30 || n > 70 {
			t.Errorf("%d attempts in 30 minutes", n)
		}
		if n := logs.FilterMessage("upload failed").Len(); n != 1 {
			t.Errorf("the fault was logged %d times, want once", n)
		}
		if st := u.Status(); st.Queued != 3 || st.LastError != "connection refused" || st.Paused == "" || st.OldestSeconds < 1700 {
			t.Errorf("status %+v", st)
		}
		store.mu.Lock()
		store.answer = nil
		store.mu.Unlock()
		u.Resume()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if st := u.Status(); st.Sent != 3 || st.LastError != "" || st.Paused != "" {
			t.Errorf("after the network came back: %+v", st)
		}
		for name, n := range store.stored {
			if n != 1 {
				t.Errorf("%s was stored %d times", name, n)
			}
		}
	})
}

func TestAnItemThatAlwaysFailsDoesNotHoldUpOthers(t *testing.T) {
	poison := "2026-11-23T13:09:00.000-0000.mp4"
	store := &fakeStore{answer: func(it Item, _ int) error {
		if it.Name == poison {
			return errors.New("500")
		}
		return nil
	}}
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, _ *observer.ObservedLogs) {
		clips(t, s, 0, 10) // the poison is the newest
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if st := u.Status(); st.Sent != 9 || st.Queued != 1 {
			t.Errorf("%d sent, %d queued; want 9 and 1", st.Sent, st.Queued)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	store := &fakeStore{answer: func(_ Item, n int) error {
		if n == 1 {
			return fmt.Errorf("upload: %w", &RetryAfterError{After: 90 * time.Second, Err: errors.New("429")})
		}
		return nil
	}}
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, _ *observer.ObservedLogs) {
		clips(t, s, 0, 2)
		time.Sleep(89 * time.Second)
		synctest.Wait()
		if n := len(store.tries); n != 1 {
			t.Errorf("%d attempts before the server's time was over", n)
		}
		if st := u.Status(); !strings.Contains(st.Paused, "1m30s") {
			t.Errorf("paused %q", st.Paused)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if st := u.Status(); st.Sent != 2 {
			t.Errorf("%d sent after the pause, want 2", st.Sent)
		}
	})
}

func TestARefusedTokenPausesEverythingUntilItIsTakenAgain(t *testing.T) {
	store := &fakeStore{answer: func(Item, int) error { return fmt.Errorf("upload x: %w", ErrUnauthorized) }}
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, logs *observer.ObservedLogs) {
		clips(t, s, 0, 5)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(store.tries); n < 3 || n > 16 {
			t.Errorf("%d attempts in an hour", n)
		}
		if st := u.Status(); st.Paused != "token refused" || st.Queued != 5 || st.Quarantined != 0 {
			t.Errorf("status %+v", st)
		}
		if n := logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n != 1 {
			t.Errorf("logged %d times, want once", n)
		}
		store.mu.Lock()
		store.answer = nil
		store.mu.Unlock()
		time.Sleep(maxAuthPause)
		synctest.Wait()
		if st := u.Status(); st.Sent != 5 || st.Paused != "" {
			t.Errorf("after the token works: %+v", st)
		}
	})
}

func TestAPermanentRefusalIsQuarantinedAndReported(t *testing.T) {
	store := &fakeStore{answer: func(it Item, n int) error {
		if n == 1 {
			return fmt.Errorf("upload x: %w: 400", ErrPermanent)
		}
		return nil
	}}
	var cfg Config
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, _ *observer.ObservedLogs) {
		cfg = s.cfg
		clips(t, s, 0, 2)
		synctest.Wait()
		if st := u.Status(); st.Quarantined != 1 || st.Refused != 1 || st.Sent != 1 || len(store.tries) != 2 {
			t.Errorf("%d attempts, status %+v", len(store.tries), st)
		}
		if names := list(t, cfg); len(names) != 2 {
			t.Errorf("on disk: %v, want the quarantined item's two files", names)
		}
		s.Close()
		again := open(t, cfg)
		if len(again.queue) != 0 || len(again.quarantined) != 1 {
			t.Errorf("after a restart %d queued, %d quarantined; want 0, 1", len(again.queue), len(again.quarantined))
		}
	})
}

func TestCancellingGivesTheItemBackUncounted(t *testing.T) {
	store := &fakeStore{took: time.Hour}
	cfg := testConfig(t)
	synctest.Test(t, func(t *testing.T) {
		s := open(t, cfg)
		clips(t, s, 0, 3)
		u, _ := New(cfg, s, store, zap.NewNop())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := u.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if st := u.Status(); st.Queued != 3 || st.Retries != 0 || s.queue[2].sending || s.queue[2].tries != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestParallelTransfersAreBoundedAndEachItemGoesOnce(t *testing.T) {
	store := &fakeStore{took: time.Second}
	run(t, store, func(c *Config) { c.Parallel = 4 }, func(t *testing.T, s *Spool, u *Uploader, _ *observer.ObservedLogs) {
		clips(t, s, 0, 12)
		began := time.Now()
		for u.Status().Sent < 12 {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("12 transfers of 1 s, 4 at a time, took %v", took)
		}
		if len(store.tries) != 12 {
			t.Errorf("%d attempts for 12 items", len(store.tries))
		}
	})
}

func TestADayOfflineArrivesOnceNewestFirst(t *testing.T) {
	offline := true
	store := &fakeStore{answer: func(Item, int) error {
		if offline {
			return errors.New("no route to host")
		}
		return nil
	}}
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, _ *observer.ObservedLogs) {
		const events = 24 * 60 / 10
		for i := range events {
			clips(t, s, i, 1)
			time.Sleep(10 * time.Minute)
		}
		synctest.Wait()
		store.mu.Lock()
		offline, store.tries = false, nil
		store.mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(store.stored) != events {
			t.Errorf("%d of %d events arrived", len(store.stored), events)
		}
		var names []string
		for _, a := range store.tries {
			names = append(names, a.name)
		}
		outOfOrder := 0
		for i := 1; i < len(names); i++ {
			if names[i] > names[i-1] {
				outOfOrder++
			}
		}
		// The items whose own pause ran when the network came back follow a little later.
		if outOfOrder > 3 {
			t.Errorf("%d of %d transfers were not newest first", outOfOrder, len(names))
		}
	})
}

func TestItemsTakenAwayFromOutsideAreForgotten(t *testing.T) {
	store := &fakeStore{took: time.Second}
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, _ *observer.ObservedLogs) {
		clips(t, s, 0, 3)
		synctest.Wait()
		if err := s.removeFiles(2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := u.Status(); st.Queued != 0 || st.Sent != 2 || s.bytes != 0 {
			t.Errorf("status %+v, %d bytes", st, s.bytes)
		}
	})
}

func TestStatusIsJSON(t *testing.T) {
	s := open(t, testConfig(t))
	u, err := New(s.cfg, s, nullStore{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, media(camio.KindClip, 0, "e"), []byte("four"))
	b, err := json.Marshal(u.Status())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"queued":1`, `"queued_bytes":4`, `"sent":0`, `"dropped":{}`} {
		if !slices.Contains(strings.Split(strings.Trim(string(b), "{}")+",", ","), want) && !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %s", b, want)
		}
	}
}

func TestALongReplyIsCut(t *testing.T) {
	long := strings.Repeat("\x1b€", 100_000)
	store := &fakeStore{answer: func(it Item, _ int) error {
		if it.Kind == camio.KindClip {
			return fmt.Errorf("%w: %s", ErrPermanent, long)
		}
		return errors.New(long)
	}}
	run(t, store, nil, func(t *testing.T, s *Spool, u *Uploader, logs *observer.ObservedLogs) {
		clips(t, s, 0, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		add(t, s, camio.Media{Camera: "front", CameraID: "1", Kind: camio.KindSnapshot, Mono: time.Hour}, []byte("picture"))
		time.Sleep(time.Minute)
		synctest.Wait()
		texts := []string{u.Status().LastError}
		for _, it := range s.Items() {
			texts = append(texts, it.LastError)
		}
		for _, l := range logs.All() {
			for _, v := range l.ContextMap() {
				texts = append(texts, fmt.Sprint(v))
			}
		}
		for _, text := range texts {
			if len(text) > 1000 || !utf8.ValidString(text) {
				t.Errorf("%d bytes of a reply are kept: %.100q", len(text), text)
			}
		}
		rec, err := s.readRecord(1)
		if err != nil || rec.Refused == "" || len(s.Items()) != 2 {
			t.Errorf("the refused item's record: %+v, %v; %+v", rec, err, s.Items())
		}
	})
}
