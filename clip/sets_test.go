//go:build cgo

package clip

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

// unitsOf joins those NAL units of an access unit that are, or are not, parameter sets.
func unitsOf(annexB []byte, parameterSets bool) (out []byte) {
	for nal := range h264.NALs(annexB) {
		if k := nal[0] & 0x1f; (k == 7 || k == 8) == parameterSets {
			out = append(append(out, 0, 0, 0, 1), nal...)
		}
	}
	return out
}

// setsOnce leaves the parameter sets to the first access unit alone.
func setsOnce(data [][]byte) [][]byte {
	data = slices.Clone(data)
	for i := 1; i < len(data); i++ {
		data[i] = unitsOf(data[i], false)
	}
	return data
}

// checkSeamless makes sure that clips show the pictures of these times in order, none missing and none twice, and that each ends when the
// next begins.
func checkSeamless(t *testing.T, clips []recorded, want []time.Duration) {
	t.Helper()
	var got []time.Duration
	for i, clip := range clips {
		times := shown(t, clip)
		if p := ffprobe(t, clip.path); p.pictures != len(times) || !p.key[0] {
			t.Errorf("clip %d has %d pictures, %d of which decode; begins with a key picture: %v", i, len(times), p.pictures, p.key[0])
		}
		if i > 0 && !near(clips[i-1].Mono+clips[i-1].Length, clip.Mono, time.Millisecond) {
			t.Errorf("clip %d begins at %v, the one before ends at %v", i, clip.Mono, clips[i-1].Mono+clips[i-1].Length)
		}
		if clip.Event != clips[0].Event {
			t.Errorf("clip %d is of another event", i)
		}
		got = append(got, times...)
	}
	if !slices.EqualFunc(got, want, func(a, b time.Duration) bool { return near(a, b, time.Millisecond) }) {
		t.Errorf("%d pictures are shown, %d were taken", len(got), len(want))
	}
}

// An H.264 camera that changes its settings in the middle of an event begins a file at that picture.
func TestNewParameterSetsBeginANewClipWithoutAGap(t *testing.T) {
	small := func() [][]byte { return x264(t, 160, 120, 120, 15, "bframes=0") }
	other := func() [][]byte { return x264(t, 160, 120, 120, 15, "bframes=0:ref=4:aq-mode=0") }
	large := func() [][]byte { return x264(t, 320, 240, 120, 15, "bframes=0") }
	apart := func(data [][]byte) (out [][]byte) { // parameter sets in a buffer of their own
		for _, b := range data {
			if sets := unitsOf(b, true); sets != nil {
				out = append(out, sets)
			}
			out = append(out, unitsOf(b, false))
		}
		return out
	}
	tests := map[string]struct {
		data   [][]byte
		moving [2]int // of the pictures
		sizes  [2]int // widths of the clips
	}{
		"another SPS of the same size": {slices.Concat(small(), other()), [2]int{90, 150}, [2]int{160, 160}},
		"another size":                 {slices.Concat(small(), large()), [2]int{90, 150}, [2]int{160, 320}},
		"a smaller size":               {slices.Concat(large(), small()), [2]int{90, 150}, [2]int{320, 160}},
		"sets sent once":               {slices.Concat(setsOnce(small()), setsOnce(large())), [2]int{90, 150}, [2]int{160, 320}},
		"sets sent once, in the pre-roll": {
			slices.Concat(setsOnce(small()), setsOnce(large())), [2]int{150, 160}, [2]int{160, 320},
		},
		"sets sent apart": {slices.Concat(apart(small()), apart(large())), [2]int{90, 150}, [2]int{160, 320}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			format := video.Format{FourCC: video.H264, Width: 160, Height: 120, Rate: 15}
			g := record(t, quiet(), format, tt.data, func(g *rig) {
				g.play(shot{frames: tt.moving[0]}, shot{tt.moving[1] - tt.moving[0], true})
				for range 9 {
					g.play(shot{frames: 10})
				}
			})
			l := g.clips(2)
			var want []time.Duration
			for i, f := range g.fed {
				if f.Mono >= l[0].Mono && f.Mono <= g.fed[tt.moving[1]-1].Mono+5*time.Second && unitsOf(tt.data[i%len(tt.data)], false) != nil {
					want = append(want, f.Mono.Round(time.Millisecond))
				}
			}
			checkSeamless(t, l, want)
			if first := g.fed[tt.moving[0]].Mono; l[0].Mono > first-5*time.Second+time.Second/2 {
				t.Errorf("the first clip begins at %v, the motion at %v", l[0].Mono, first)
			}
			for i, s := range g.postersOf(l) {
				if w := pictureSize(t, s.path)[0]; w != tt.sizes[i] {
					t.Errorf("the poster of clip %d is %d wide, want %d", i, w, tt.sizes[i])
				}
			}
			if st := g.r.Status(); st.LastError != "" {
				t.Errorf("status %+v", st)
			}
		})
	}
}

func TestAnH264CameraThatIsGivenAnotherFormatGoesOnWithoutAGap(t *testing.T) {
	format := video.Format{FourCC: video.H264, Width: 160, Height: 120, Rate: 15}
	g := record(t, quiet(), format, x264(t, 160, 120, 120, 15, "bframes=0"), func(g *rig) {
		g.play(shot{frames: 90}, shot{30, true})
		g.format.Width, g.format.Height, g.data = 320, 240, x264(t, 320, 240, 120, 15, "bframes=0")
		g.play(shot{30, true}, shot{frames: 90})
	})
	l := g.clips(2)
	checkSeamless(t, l, g.taken(l[0].Mono, g.fed[149].Mono+5*time.Second))
	g.postersOf(l)
}

// A lateEncoder is hardware that gives the key picture asked for some pictures later.
type lateEncoder struct {
	encoder
	asked *int
}

func (e lateEncoder) EncodeTo(buf []byte, img *video.I420, mono time.Duration, seq uint64, key bool) (video.Packet, error) {
	if key || *e.asked > 0 {
		*e.asked++
	}
	key = *e.asked > 4
	if key {
		*e.asked = 0
	}
	return e.encoder.EncodeTo(buf, img, mono, seq, key)
}

func TestAnEncoderWhoseKeyPicturesComeLateLosesNone(t *testing.T) {
	for name, c := range camerasOf(t, 160, 120) {
		if c.format.FourCC == video.H264 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			cfg := quiet()
			cfg.MaxLength, cfg.PreRoll, cfg.PostRoll = 5*time.Second, time.Second, time.Second
			g := bubble(t, cfg, c.format, c.data, func(g *rig) {
				g.r.newEncoder = func(c h264.Config) (encoder, error) {
					e, err := newEncoder(c)
					return lateEncoder{e, new(int)}, err
				}
				g.run(func() {
					for i := range 40 {
						g.play(shot{10, i >= 4 && i < 20 || i >= 30 && i < 32})
					}
				})
			})
			l := g.spool.of(camio.KindClip)
			for i, clip := range l {
				if clip.Event != l[0].Event { // the second begins with an encoder still warm
					checkSeamless(t, l[:i], g.taken(l[0].Mono, g.fed[199].Mono+cfg.PostRoll))
					checkSeamless(t, l[i:], g.taken(l[i].Mono, g.fed[319].Mono+cfg.PostRoll))
					if clip.Mono > g.fed[300].Mono-cfg.PreRoll+step {
						t.Errorf("the clip begins at %v, the motion at %v", clip.Mono, g.fed[300].Mono)
					}
					break
				}
			}
			if st := g.r.Status(); st.LastError != "" || len(l) < 4 {
				t.Errorf("%d clips, status %+v", len(l), st)
			}
		})
	}
}

// A camera that makes key pictures when it is asked, and else none: the ring and the maximum length of clips need some.
func TestACameraWithoutKeyPicturesIsAskedForThem(t *testing.T) {
	data := x264(t, 320, 240, 60, 60, "bframes=0") // the first is a key picture
	cfg := quiet()
	cfg.RingBytes, cfg.MaxLength = 4<<20, 10*time.Second
	asks, last := 0, time.Duration(0)
	record(t, cfg, video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15}, data, func(g *rig) {
		key := true
		g.r.SetKeyRequest(func() { key, asks, last = true, asks+1, g.mono })
		for i := range 1200 {
			g.seq = uint64(1 + i%59)
			if key {
				g.seq, key = 0, false
			}
			g.feed(g.frame(), i > 300, 1)
			synctest.Wait()
		}
		clips := g.spool.of(camio.KindClip)
		for _, c := range clips {
			if c.Length > cfg.MaxLength+longGroup {
				t.Errorf("a clip of %v", c.Length)
			}
		}
		if len(clips) < 2 || asks < 6 || asks > 8 {
			t.Errorf("%d clips, asked %d times, last at %v", len(clips), asks, last)
		}
	})
}
