package capture

import (
	"fmt"
	"time"

	"camward/video"
)

const (
	keyWithin = 10 * time.Second // that a camera may take for its next key picture before it is opened anew, which gives one
	keyAgain  = time.Second      // between requests for a key picture

	cidGOPSize      = 0x9909cb // V4L2_CID_MPEG_VIDEO_GOP_SIZE
	cidRepeatHeader = 0x9909e2 // V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER
	cidIPeriod      = 0x990a66 // V4L2_CID_MPEG_VIDEO_H264_I_PERIOD
)

// prepareKeys asks an encoding camera for a key picture each second, with parameter sets. Most know none of these controls.
func (d *device) prepareKeys() {
	period := int32(15)
	if d.form.Rate >= 1 {
		period = int32(d.form.Rate + 0.5)
	}
	_ = d.setControl(cidRepeatHeader, 1)
	_ = d.setControl(cidIPeriod, period)
	_ = d.setControl(cidGOPSize, period)
}

// key passes on what can be decoded, whole: f itself, or a frame with the parameter sets that came before it; some cameras send those
// only once, and whoever begins later at a key picture must find them there. While a key picture is
// awaited it gives nil. It takes over the reference.
func (d *device) key(f *video.Frame, pool *video.Pool) (*video.Frame, error) {
	g := &d.gate
	g.count(f.Seq)
	f.Seq -= g.joined
	picture, key := content(f.Data)
	if !picture {
		if len(g.sets)+len(f.Data) > maxSets {
			g.sets = g.sets[:0]
		}
		if len(f.Data) <= maxSets {
			g.sets = append(g.sets, f.Data...)
		}
		g.joined++
		f.Release()
		if g.open {
			return nil, nil
		}
		return nil, d.await()
	}
	if g.open = g.open || key; !g.open {
		f.Release()
		return nil, d.await()
	}
	sets := g.sets
	if key && len(sets) == 0 {
		sets = g.remembered(f.Data)
	}
	if len(sets) == 0 {
		return f, nil
	}
	whole := pool.Get(len(sets) + len(f.Data))
	copy(whole.Data[copy(whole.Data, sets):], f.Data)
	whole.Format, whole.Seq, whole.Mono = f.Format, f.Seq, f.Mono
	f.Release()
	if len(g.sets) > 0 {
		g.sets = g.sets[:0]
		_ = g.remembered(whole.Data)
	}
	return whole, nil
}

// await asks for a key picture, and gives up on a camera that has none.
func (d *device) await() error {
	now := time.Now()
	if now.Sub(d.gate.since) > keyWithin {
		return fmt.Errorf("camera %s: no H.264 key picture for %v", d.path, keyWithin)
	}
	if now.Sub(d.gate.wanted) >= keyAgain {
		d.gate.wanted = now
		_ = d.setControl(cidForceKey, 1)
	}
	return nil
}
