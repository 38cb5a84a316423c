package m2m

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"camward/codec/h264"
	"camward/video"
)

const frame15 = time.Second / 15

func config(width, height int) h264.Config {
	return h264.Config{Width: width, Height: height, Rate: 15, Bitrate: 1_000_000}
}

// picture makes a picture in which every sample differs from its neighbours.
func picture(width, height, padding int, full bool) *video.I420 {
	p := &video.I420{}
	p.Resize(width, height)
	p.YStride, p.CStride, p.FullRange = width+padding, (width+1)/2+padding, full
	p.Y = make([]byte, p.YStride*height)
	p.U = make([]byte, p.CStride*((height+1)/2))
	p.V = make([]byte, p.CStride*((height+1)/2))
	for i := range p.Y {
		p.Y[i] = byte(i * 7)
	}
	for i := range p.U {
		p.U[i], p.V[i] = byte(i*5+1), byte(i*3+2)
	}
	return p
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A maker makes encoders of one kind and counts those in use.
type maker struct {
	name     string
	refuse   error         // what making one answers
	fault    error         // what encoding answers
	stall    time.Duration // before it answers that
	slow     time.Duration // to close
	keyless  bool
	made     int
	open     atomic.Int32 // closed by goroutines of the Switch
	lastRate int
}

func (m *maker) new(c h264.Config) (h264.VideoEncoder, error) {
	if m.refuse != nil {
		return nil, m.refuse
	}
	m.made++
	m.open.Add(1)
	return &made{maker: m, bitrate: c.Bitrate}, nil
}

// made is an encoder whose packets tell its maker by their last byte.
type made struct {
	*maker
	bitrate int
	n       int
	closed  bool
}

func (e *made) EncodeTo(buf []byte, _ *video.I420, mono time.Duration, seq uint64, force bool) (video.Packet, error) {
	if e.closed {
		panic("used after Close")
	}
	if e.fault != nil {
		time.Sleep(e.stall)
		return video.Packet{}, e.fault
	}
	e.lastRate = e.bitrate
	key := (e.n == 0 || force) && !e.keyless
	e.n++
	data := append(buf[:0], 0, 0, 1, 0x41, e.name[0])
	if key {
		data = append(buf[:0], 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, e.name[0])
	}
	return video.Packet{Data: data, Mono: mono, Seq: seq, Key: key}, nil
}

func (e *made) SetBitrate(bps int) error {
	if e.fault != nil {
		return e.fault
	}
	e.bitrate = bps
	return nil
}

func (e *made) Close() {
	if e.closed {
		panic("closed twice")
	}
	time.Sleep(e.slow)
	e.closed = true
	e.open.Add(-1)
}

// A bench is a Fallback with encoders that do what they are told.
type bench struct {
	t      *testing.T
	hw, sw maker
	f      *Fallback
	seq    uint64
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t}
	b.hw.name, b.sw.name = "H", "S"
	b.f = NewFallback(b.hw.new, b.sw.new, zap.NewNop())
	t.Cleanup(func() {
		synctest.Wait()
		if b.hw.open.Load()+b.sw.open.Load() != 0 {
			t.Errorf("%d hardware and %d software encoders left", b.hw.open.Load(), b.sw.open.Load())
		}
	})
	return b
}

func (b *bench) encoder() *Switch {
	b.t.Helper()
	s, err := b.f.newSwitch(config(64, 48))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(s.Close)
	return s
}

var tested = picture(64, 48, 0, false)

// run encodes one picture every interval; H and S are key packets of hardware and software, h and s others, - none.
func (b *bench) run(s *Switch, n int, interval time.Duration) string {
	b.t.Helper()
	var out strings.Builder
	for range n {
		b.seq++
		began := time.Now()
		p, err := s.EncodeTo(nil, tested, time.Duration(b.seq), b.seq, false)
		switch {
		case err != nil:
			out.WriteByte('-')
		case p.Seq != b.seq || p.Mono != time.Duration(b.seq):
			b.t.Fatalf("packet %+v of picture %d", p, b.seq)
		case p.Key:
			out.WriteByte(p.Data[len(p.Data)-1])
		default:
			out.WriteString(strings.ToLower(string(p.Data[len(p.Data)-1:])))
		}
		time.Sleep(max(interval-time.Since(began), 0))
	}
	return out.String()
}

func (b *bench) want(got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("got %s, want %s", got, want)
	}
}

var errFault = errors.New("hardware fault")

func TestPictureThatTheHardwareFailsAtGoesToTheSoftware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.encoder()
		b.want(b.run(s, 3, frame15), "Hhh")
		b.hw.fault, b.hw.stall = ErrStalled, StallAfter
		b.want(b.run(s, 3, frame15), "Sss")
		if s.Hardware() || b.hw.open.Load() != 0 || b.sw.open.Load() != 1 {
			t.Errorf("hardware %v, %d and %d encoders open", s.Hardware(), b.hw.open.Load(), b.sw.open.Load())
		}
	})
}

func TestHardwareIsTriedAgainAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.encoder()
		b.want(b.run(s, 1, time.Second), "H")
		b.hw.fault = errFault
		b.want(b.run(s, 29, time.Second), "S"+strings.Repeat("s", 28))
		b.hw.fault = nil
		b.want(b.run(s, 3, time.Second), "sHh") // the fault was 30 s ago
		if b.sw.open.Load() != 0 || !s.Hardware() {
			t.Error("the software was kept")
		}
	})
}

func TestSoftwareGoesOnWithoutAKeyPictureWhereATrialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.encoder()
		b.hw.fault = errFault
		b.want(b.run(s, 100, time.Second), "S"+strings.Repeat("s", 99))
		if b.hw.made != 3 { // at 0, 30 and 90 s
			t.Errorf("the hardware was opened %d times", b.hw.made)
		}
	})
}

func TestWaitDoublesUpToTenMinutesAndIsForgottenAfterAMinuteOfWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.encoder()
		b.hw.fault = errFault
		var waits []time.Duration
		last, made := time.Now(), b.hw.made
		for len(waits) < 8 {
			b.run(s, 1, time.Second)
			if b.hw.made != made {
				waits = append(waits, time.Since(last).Round(10*time.Second))
				last, made = time.Now(), b.hw.made
			}
		}
		want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute, 10 * time.Minute}
		if !slices.Equal(waits, want) {
			t.Errorf("waited %v, want %v", waits, want)
		}
		for _, tt := range []struct{ works, waits int }{{30, 600}, {62, 30}} {
			b.hw.fault = nil
			for !s.Hardware() {
				b.run(s, 1, time.Second)
			}
			b.run(s, tt.works, time.Second)
			b.hw.fault = errFault
			made, n := b.hw.made, 0
			for ; b.hw.made == made; n++ {
				b.run(s, 1, time.Second)
			}
			if n != tt.waits+1 {
				t.Errorf("after %d s of work the wait was %d s, want %d", tt.works, n-1, tt.waits)
			}
		}
	})
}

func TestEncodersShareWhatIsKnownOfTheHardware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two := b.encoder(), b.encoder()
		b.want(b.run(one, 1, 0)+b.run(two, 1, 0), "HH")
		b.hw.fault = errFault
		b.want(b.run(one, 2, 0)+b.run(two, 2, 0), "SsSs")
		b.hw.fault = nil
		three := b.encoder()
		b.want(b.run(three, 1, 0), "S") // made after the fault
		time.Sleep(firstRetry)
		made := b.hw.made
		b.hw.fault = errFault
		b.want(b.run(one, 1, 0)+b.run(two, 1, 0)+b.run(three, 1, 0), "sss")
		if b.hw.made != made+1 {
			t.Errorf("%d of them tried the hardware, want 1", b.hw.made-made)
		}
		time.Sleep(2*firstRetry - time.Second) // both faults at once counted as one
		b.hw.fault = nil
		b.want(b.run(one, 1, time.Second)+b.run(two, 1, 0)+b.run(one, 1, 0), "sHH")
	})
}

func TestSizeThatTheHardwareCannotDoIsLeftToTheSoftware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.hw.refuse = fmt.Errorf("%w: too small", ErrUnsupported)
		s := b.encoder()
		b.want(b.run(s, 3, time.Hour), "Sss")
		b.hw.refuse = nil
		b.want(b.run(s, 2, time.Hour), "ss")
		other, err := b.f.newSwitch(config(128, 96))
		if err != nil || !other.Hardware() {
			t.Errorf("another size: %v, %v", other, err)
		}
		other.Close()
	})
}

func TestMachineWithoutHardwareIsNotSearchedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		looks := 0
		b.f.hardware = func(h264.Config) (h264.VideoEncoder, error) { looks++; return nil, ErrAbsent }
		s := b.encoder()
		b.want(b.run(s, 3, time.Second), "Sss")
		b.run(s, 3600, time.Second)
		if looks < 6 || looks > 7 {
			t.Errorf("looked %d times in an hour", looks)
		}
	})
}

func TestWithoutSoftwareTheHardwareIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.f = NewFallback(b.hw.new, nil, zap.NewNop())
		s := b.encoder()
		b.want(b.run(s, 1, time.Second), "H")
		b.hw.fault = errFault
		b.want(b.run(s, 1, 500*time.Millisecond), "-")
		b.hw.fault = nil
		b.want(b.run(s, 3, 500*time.Millisecond), "-Hh")
		b.hw.refuse, b.hw.fault = errFault, errFault
		b.run(s, 1, 0)
		if _, err := b.f.newSwitch(config(64, 48)); !errors.Is(err, errFault) || errors.Is(err, h264.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestHardwareIsNotTriedBeforeItHasLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.hw.slow = 45 * time.Second
		s := b.encoder()
		b.run(s, 1, time.Second)
		b.hw.fault = errFault
		began := time.Now()
		b.want(b.run(s, 1, 0), "S")
		if d := time.Since(began); d != 0 {
			t.Errorf("the picture waited %v for the driver", d)
		}
		b.hw.fault = nil
		b.want(b.run(s, 45, time.Second), strings.Repeat("s", 45))
		time.Sleep(time.Second)
		b.want(b.run(s, 1, 0), "H")
		b.hw.slow = 0
	})
}

func TestCloseDoesNotWaitForHardwareThatNeverLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.hw.slow = time.Hour
		b.hw.fault = errFault
		s, err := b.f.newSwitch(config(64, 48))
		if err != nil {
			t.Fatal(err)
		}
		b.want(b.run(s, 1, 0), "S")
		began := time.Now()
		s.Close()
		s.Close()
		if d := time.Since(began); d != closeWait {
			t.Errorf("took %v", d)
		}
		if _, err := s.EncodeTo(nil, tested, 0, 0, false); !errors.Is(err, errClosed) || !errors.Is(s.SetBitrate(50_000), errClosed) {
			t.Errorf("after Close: %v", err)
		}
		time.Sleep(time.Hour)
	})
}

func TestBitrateIsKeptAcrossChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.encoder()
		set := func(bps int) {
			if err := s.SetBitrate(bps); err != nil {
				t.Error(err)
			}
		}
		set(300_000)
		b.want(b.run(s, 1, 0), "H")
		b.hw.fault = errFault
		set(400_000) // the hardware fails at that
		b.want(b.run(s, 2, 0), "Ss")
		if b.hw.lastRate != 300_000 || b.sw.lastRate != 400_000 {
			t.Errorf("bit rates %d and %d", b.hw.lastRate, b.sw.lastRate)
		}
		set(500_000)
		b.run(s, 1, firstRetry)
		b.hw.fault = nil
		b.want(b.run(s, 1, 0), "H")
		if b.hw.lastRate != 500_000 || b.sw.lastRate != 500_000 {
			t.Errorf("bit rates %d and %d", b.hw.lastRate, b.sw.lastRate)
		}
		if s.SetBitrate(1) == nil {
			t.Error("took a bit rate of 1")
		}
	})
}

func TestHardwareThatDoesNotBeginWithAKeyPictureIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.hw.keyless = true
		b.want(b.run(b.encoder(), 2, 0), "Ss")
	})
}

func TestSoftwareThatFailsAfterAChangeBeginsWithAKeyPictureOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.encoder()
		b.run(s, 1, 0)
		b.hw.fault, b.sw.fault = errFault, errFault
		b.want(b.run(s, 2, firstRetry), "--")
		b.sw.fault = nil
		b.want(b.run(s, 2, 0), "Ss")
	})
}

func TestBadPictureIsNotHeldAgainstTheHardware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.encoder()
		if _, err := s.EncodeTo(nil, picture(32, 32, 0, false), 0, 0, false); err == nil {
			t.Error("took it")
		}
		b.want(b.run(s, 1, 0), "H")
		if _, err := b.f.NewEncoder(h264.Config{}); err == nil {
			t.Error("took an empty configuration")
		}
	})
}

func TestASwitchAllocatesNothingItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { allocatesNothing(t, newBench(t).encoder(), tested) })
}

// allocatesNothing encodes with the memory of the packet before.
func allocatesNothing(t *testing.T, enc h264.VideoEncoder, img *video.I420) {
	t.Helper()
	var buf []byte
	i := 0
	encode := func() {
		i++
		p, err := enc.EncodeTo(buf, img, time.Duration(i)*frame15, uint64(i), i%10 == 0)
		if err != nil {
			t.Fatal(err)
		}
		buf = p.Data
	}
	for range 10 { // up to a key picture
		encode()
	}
	if n := testing.AllocsPerRun(50, encode); n != 0 {
		t.Errorf("%v allocations a picture", n)
	}
}
