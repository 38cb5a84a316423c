package m2m

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"camward/codec/h264"
)

// fallback puts a driver before software that never fails.
func (d *driver) fallback(sw *maker) *Fallback {
	h := &Hardware{host: d.host()}
	return NewFallback(func(c h264.Config) (h264.VideoEncoder, error) {
		e, err := h.New(c)
		if err != nil {
			return nil, err
		}
		return e, nil
	}, sw.new, zap.NewNop())
}

// Each call of the kernel fails in turn, in one of two fault periods of a driver; for each, every picture must
// become a packet, and each change begin with a key packet.
func TestEveryPictureBecomesAPacketWhateverTheDriverDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for at := 1; ; at++ {
			d := newDriver(t, 64, 48)
			d.late, d.failAt, d.with = true, at, unix.EIO
			if at%2 == 0 {
				d.with = unix.ENODEV
			}
			sw := maker{name: "S"}
			s, err := d.fallback(&sw).newSwitch(config(64, 48))
			if err != nil {
				t.Fatal(err)
			}
			hardware, switches, early := false, 0, false
			for i := range 12 {
				p, err := s.EncodeTo(nil, tested, time.Duration(i)*frame15, uint64(i), i == 2)
				if err != nil {
					t.Fatalf("call %d (%s) failed: picture %d: %v", at, d.failed, i, err)
				}
				if changed := i == 0 || s.Hardware() != hardware; changed && !p.Key {
					t.Fatalf("call %d (%s) failed: picture %d follows a change, and is no key picture", at, d.failed, i)
				} else if changed {
					switches++
				}
				hardware = s.Hardware()
				early = early || d.failed != "" && i < 6 // so that there is time for another trial
				time.Sleep(6 * time.Second)              // past the first retry
				synctest.Wait()
			}
			absent := d.failed == "open" || d.failed == "querycap" || d.failed == "enum_fmt" // for the next 10 minutes
			if early && !hardware && !absent {
				t.Errorf("call %d (%s) failed once, and the hardware was not used again", at, d.failed)
			}
			s.Close()
			d.idle()
			if sw.open.Load() != 0 {
				t.Errorf("call %d (%s) failed: %d software encoders left", at, d.failed, sw.open.Load())
			}
			if d.failed == "" {
				if at < 60 || switches != 1 {
					t.Fatalf("%d calls, %d switches", at, switches)
				}
				return
			}
		}
	})
}

func TestDriverThatStallsAndRecoversIsLeftAndTakenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriver(t, 64, 48)
		sw := maker{name: "S"}
		s, err := d.fallback(&sw).newSwitch(config(64, 48))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for i := range 60 {
			d.stalled = i >= 5 && i < 50
			began := time.Now()
			p, err := s.EncodeTo(nil, tested, time.Duration(i)*time.Second, uint64(i), false)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > StallAfter {
				t.Errorf("picture %d took %v", i, took)
			}
			kind := map[bool]string{true: "h", false: "s"}[s.Hardware()]
			if p.Key {
				kind = strings.ToUpper(kind)
			}
			got += kind
			time.Sleep(5*time.Second - time.Since(began))
		}
		// It stalls at 25 s, and when it is tried again at 60 and 125 s; the trial at 250 s is the first after the stall.
		if want := "HhhhhS" + strings.Repeat("s", 44) + "H" + strings.Repeat("h", 9); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		s.Close()
		d.idle()
	})
}
