package capture

import (
	"sync"
	"testing"

	"go.uber.org/goleak"

	"camward/video"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// publish sends frames numbered first to last.
func publish(h *Hub, pool *video.Pool, first, last uint64) {
	for n := first; n <= last; n++ {
		f := pool.Get(100)
		f.Seq = n
		h.Publish(f)
		f.Release()
	}
}

func queued(s *Subscription) (seqs []uint64) {
	for {
		select {
		case f := <-s.Frames():
			seqs = append(seqs, f.Seq)
			f.Release()
		default:
			return seqs
		}
	}
}

func TestSlowReaderLosesItsOwnFramesOnly(t *testing.T) {
	h, pool := NewHub(), video.NewPool(1<<20)
	slow, quick := h.Subscribe("slow", 2), h.Subscribe("quick", 100)
	defer slow.Close()
	defer quick.Close()
	publish(h, pool, 0, 9)
	if got := queued(slow); len(got) != 2 || got[0] != 0 || got[1] != 1 {
		t.Errorf("slow reader got %v, want 0 and 1", got)
	}
	if got := queued(quick); len(got) != 10 {
		t.Errorf("quick reader got %v, want all ten", got)
	}
	if slow.Dropped() != 8 || quick.Dropped() != 0 {
		t.Errorf("dropped %d and %d, want 8 and 0", slow.Dropped(), quick.Dropped())
	}
	publish(h, pool, 10, 10)
	if got := queued(slow); len(got) != 1 || got[0] != 10 {
		t.Errorf("after reading, slow reader got %v, want 10", got)
	}
}

func TestAQueueOfLargeFramesIsBoundedInBytes(t *testing.T) {
	h, pool := NewHub(), video.NewPool(0)
	for size, want := range map[int]int{100: 32, 4 << 20: 4, 20 << 20: 2} {
		s := h.Subscribe("record", 32)
		f := pool.Get(size)
		for range 40 {
			h.Publish(f)
		}
		if got := len(s.Frames()); got != want || s.Dropped() != uint64(40-want) {
			t.Errorf("%d frames of %d bytes, want %d; %d dropped", got, size, want, s.Dropped())
		}
		f.Release()
		s.Close()
	}
}

func TestDropsAreKeptByNameAfterTheSubscriptionIsClosed(t *testing.T) {
	h, pool := NewHub(), video.NewPool(1<<20)
	for range 2 {
		s := h.Subscribe("live", 1)
		publish(h, pool, 0, 3)
		s.Close()
	}
	h.Subscribe("motion", 1).Close()
	if got := h.Drops(); got["live"] != 6 || len(got) != 2 || got["motion"] != 0 {
		t.Errorf("Drops = %v, want live 6 and motion 0", got)
	}
}

func TestCloseReleasesWhatIsQueued(t *testing.T) {
	h, pool := NewHub(), video.NewPool(1<<20)
	s := h.Subscribe("a", 4)
	f := pool.Get(100)
	h.Publish(f)
	f.Release()
	s.Close()
	s.Close()
	if g := pool.Get(100); g != f {
		t.Error("the queued frame did not return to its pool")
	}
	publish(h, pool, 1, 1)
	if got := queued(s); got != nil {
		t.Errorf("a closed subscription got %v", got)
	}
}

func TestHubUnderManyReadersThatComeAndGo(t *testing.T) {
	h, pool := NewHub(), video.NewPool(1<<20)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				s := h.Subscribe("reader", 3)
				for range 20 {
					select {
					case f := <-s.Frames():
						if f.Data[0] != byte(f.Seq) {
							t.Errorf("frame %d holds %d", f.Seq, f.Data[0])
						}
						f.Release()
					case <-stop:
						s.Close()
						return
					}
				}
				s.Close()
			}
		})
	}
	for n := range uint64(5000) {
		f := pool.Get(64)
		f.Seq, f.Data[0] = n, byte(n)
		h.Publish(f)
		f.Release()
	}
	close(stop)
	wg.Wait()
}

func TestPublishDoesNotAllocate(t *testing.T) {
	h, pool := NewHub(), video.NewPool(1<<20)
	s := h.Subscribe("a", 1)
	defer s.Close()
	publish(h, pool, 0, 1)
	if n := testing.AllocsPerRun(100, func() { publish(h, pool, 2, 3) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
