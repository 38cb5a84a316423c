//go:build cgo

package clip

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/codec/h264"
	"camward/codec/h264/m2m"
	"camward/video"
)

// A boardEncoder stands for hardware, whose stream has an SPS of its own, and which gives up over one picture.
type boardEncoder struct {
	encoder
	fault func(seq uint64) bool
}

func (e boardEncoder) EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, key bool) (video.Packet, error) {
	if e.fault(seq) {
		return video.Packet{}, errors.New("the driver gave up")
	}
	return e.encoder.EncodeTo(buf, img, mono, seq, key)
}

// A clip goes on in another file when the encoder is exchanged under way, and in a third when the hardware is back.
func TestAChangeOfEncodersBeginsANewClipWithoutAGap(t *testing.T) {
	jpeg, jpegData := small(t)
	yuyv := video.Format{FourCC: video.YUYV, Width: 320, Height: 240, Stride: 640, Rate: 15}
	tests := map[string]struct {
		format video.Format
		data   [][]byte
	}{
		"MJPEG": {jpeg, jpegData},
		"raw":   {yuyv, raw(t, "yuyv422", 320, 240, 320*240*2, 30)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hardware := func(c h264.Config) (encoder, error) {
				c.FullRange = !c.FullRange // which the SPS tells
				e, err := h264.Software(c)
				return boardEncoder{e, func(seq uint64) bool { return seq == 150 }}, err
			}
			g := bubble(t, quiet(), tt.format, tt.data, func(g *rig) {
				g.r.SetEncoder(m2m.NewFallback(hardware, h264.Software, zap.NewNop()).NewEncoder)
				g.run(func() { g.live(shot{frames: 90}, shot{540, true}, shot{frames: 90}) })
			})
			l := g.clips(3)
			checkSeamless(t, l, g.taken(l[0].Mono, g.fed[629].Mono+5*time.Second))
			if l[0].Mono > g.fed[90].Mono-5*time.Second+step || l[1].Mono != g.fed[150].Mono {
				t.Errorf("clips begin at %v and %v, the motion at %v, the fault came at %v", l[0].Mono, l[1].Mono, g.fed[90].Mono, g.fed[150].Mono)
			}
			if back := l[2].Mono - l[1].Mono; !near(back, 30*time.Second, time.Second) {
				t.Errorf("the hardware is used again after %v, want 30 s", back)
			}
			st := g.r.Status()
			for why, n := range st.Dropped {
				if n != 0 {
					t.Errorf("%d pictures dropped: %s", n, why)
				}
			}
			if st.LastError != "" {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// A board without an encoder of any kind is told from one whose hardware fails for the moment.
func TestHardwareThatComesBackIsUsedForTheNextEvent(t *testing.T) {
	format, data := small(t)
	busy := true
	hardware := func(c h264.Config) (encoder, error) {
		if busy {
			return nil, errors.New("device or resource busy")
		}
		return h264.Software(c)
	}
	g := bubble(t, quiet(), format, data, func(g *rig) {
		g.r.SetEncoder(m2m.NewFallback(hardware, nil, zap.NewNop()).NewEncoder)
		g.run(func() {
			g.live(shot{frames: 90}, shot{15, true}, shot{frames: 120})
			if st := g.r.Status(); !st.Images {
				t.Errorf("status %+v, want pictures", st)
			}
			busy = false
			g.live(shot{frames: 900}, shot{15, true}, shot{frames: 120})
		})
	})
	if l := g.clips(1); l[0].Mono < g.fed[1000].Mono {
		t.Errorf("the clip begins at %v", l[0].Mono)
	}
}
