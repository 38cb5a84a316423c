//go:build cgo

package clip

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

func TestRawCamerasAreEncodedAsTheyCome(t *testing.T) {
	const w, h = 320, 240
	tests := []struct {
		fourcc video.FourCC
		pixFmt string
		size   int
	}{
		{video.YUYV, "yuyv422", w * h * 2},
		{video.NV12, "nv12", w * h * 3 / 2},
		{video.YU12, "yuv420p", w * h * 3 / 2},
		{video.Grey, "gray", w * h},
	}
	for _, tt := range tests {
		t.Run(tt.fourcc.String(), func(t *testing.T) {
			format := video.Format{FourCC: tt.fourcc, Width: w, Height: h, Rate: 15}
			cfg := quiet()
			cfg.Heartbeat = time.Hour
			g := record(t, cfg, format, raw(t, tt.pixFmt, w, h, tt.size, 30), func(g *rig) {
				for range 12 {
					g.play(shot{frames: 10})
				}
				if st := g.r.Status(); st.Bytes > 5<<20 || st.Seconds < 5 {
					t.Errorf("the ring does not hold packets: %+v", st)
				}
				for i := range 30 {
					g.play(shot{10, i < 3 || i >= 11 && i < 13})
				}
			})
			l := g.clips(2)
			end := g.fed[149].Mono + 5*time.Second
			checkGroups(t, g, l[0], g.fed[120].Mono-5*time.Second, end)
			checkGroups(t, g, l[1], g.fed[230].Mono-5*time.Second, g.fed[249].Mono+5*time.Second)
			for _, k := range []camio.Kind{camio.KindSnapshot, camio.KindHeartbeat} {
				for _, s := range g.spool.of(k) {
					decodable(t, s.path)
				}
			}
			g.media(camio.KindSnapshot, 2)
			if st := g.r.Status(); st.Heartbeats != 1 || st.Dropped["overload"] != 0 {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// checkGroups is checkClip for clips that may begin up to a second before from, at a key picture.
func checkGroups(t *testing.T, g *rig, clip recorded, from, to time.Duration) {
	t.Helper()
	if clip.Mono > from || clip.Mono < from-time.Second-step {
		t.Errorf("the clip begins at %v, want the last key picture up to %v", clip.Mono, from)
	}
	checkClip(t, clip, g.taken(clip.Mono, to))
}

// accessUnits has x264 make n pictures with a key picture every gop, and cuts them apart at
// their delimiters.
func accessUnits(t *testing.T, n, gop int) [][]byte {
	t.Helper()
	out := output(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", scene(320, 240), "-frames:v", fmt.Sprint(n),
		"-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
		"-x264-params", fmt.Sprintf("keyint=%d:scenecut=0:aud=1", gop), "-f", "h264", "-")
	delimiter := []byte{0, 0, 0, 1, 9}
	var l [][]byte
	for len(out) > 0 {
		next := bytes.Index(out[1:], delimiter)
		if next < 0 {
			next = len(out) - 1
		}
		l = append(l, out[:next+1])
		out = out[next+1:]
	}
	if len(l) != n {
		t.Fatalf("%d access units, want %d", len(l), n)
	}
	return l
}

func TestH264PassesThrough(t *testing.T) {
	format := video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15}
	data := accessUnits(t, 300, 15)
	cfg := quiet()
	cfg.MaxLength, cfg.Heartbeat = 8*time.Second, time.Hour
	g := record(t, cfg, format, data, func(g *rig) {
		g.play(shot{frames: 120}, shot{30, true}, shot{frames: 150})
	})
	l := g.clips(2)
	checkGroups(t, g, l[0], g.fed[120].Mono-5*time.Second, l[1].Mono-1)
	checkClip(t, l[1], g.taken(l[1].Mono, g.fed[149].Mono+5*time.Second))
	for _, clip := range l {
		if clip.Length > cfg.MaxLength+step {
			t.Errorf("a clip of %v", clip.Length)
		}
	}
	for _, s := range g.postersOf(l) {
		decodable(t, s.path)
	}
	decodable(t, g.media(camio.KindHeartbeat, 1)[0].path)

	// Not a bit of the camera's pictures changes.
	out := output(t, "ffmpeg", "-v", "error", "-i", l[0].path, "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "-")
	i := slices.IndexFunc(g.fed, func(f *video.Frame) bool { return f.Mono == l[0].Mono })
	if got, want := slicesOf(out), slicesOf(data[i]); !bytes.HasPrefix(got, want) {
		t.Error("the clip's first picture is not the camera's")
	}
}

// slicesOf joins the slice NAL units of a byte stream.
func slicesOf(annexB []byte) (b []byte) {
	for nal := range h264.NALs(annexB) {
		if t := nal[0] & 0x1f; t == 1 || t == 5 {
			b = append(b, nal...)
		}
	}
	return b
}

func TestH264WithParameterSetsOnlyAtTheStart(t *testing.T) {
	data := slices.Clone(accessUnits(t, 300, 60))
	for i, b := range data {
		if sps, _ := h264.ParameterSets(b); i > 0 && sps != nil {
			var out []byte
			for nal := range h264.NALs(b) {
				if k := nal[0] & 0x1f; k != 7 && k != 8 {
					out = append(append(out, 0, 0, 0, 1), nal...)
				}
			}
			data[i] = out
		}
	}
	format := video.Format{FourCC: video.H264, Width: 320, Height: 240}
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 200}, shot{15, true}, shot{frames: 85})
	})
	clip := g.clips(1)[0]
	if clip.Mono != g.fed[120].Mono { // the last key picture before the pre-roll
		t.Errorf("the clip begins at %v, want %v", clip.Mono, g.fed[120].Mono)
	}
	if p := ffprobe(t, clip.path); p.pictures != len(p.pts) || len(p.pts) != len(g.taken(clip.Mono, g.fed[214].Mono+5*time.Second)) {
		t.Errorf("%d pictures, %d of which decode", len(p.pts), p.pictures)
	}
	decodable(t, g.media(camio.KindSnapshot, 1)[0].path)
}

func TestANewEncoderSettingOfAnH264CameraBeginsANewClip(t *testing.T) {
	format := video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15}
	data := accessUnits(t, 120, 15)
	out := output(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", scene(320, 240), "-frames:v", "120", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-profile:v", "baseline", "-x264-params", "keyint=15:scenecut=0:aud=1:ref=4:bframes=0", "-f", "h264", "-")
	var second [][]byte
	for i, p := range bytes.Split(out, []byte{0, 0, 0, 1, 9}) {
		if i > 0 {
			second = append(second, append([]byte{0, 0, 0, 1, 9}, p...))
		}
	}
	g := record(t, quiet(), format, append(slices.Clone(data), second...), func(g *rig) {
		g.play(shot{frames: 90}, shot{60, true}, shot{frames: 90})
	})
	l := g.clips(2)
	checkGroups(t, g, l[0], g.fed[90].Mono-5*time.Second, g.fed[119].Mono)
	checkClip(t, l[1], g.taken(g.fed[120].Mono, g.fed[149].Mono+5*time.Second))
	if l[0].Event != l[1].Event {
		t.Error("the event has two ids")
	}
}

func TestTheDetectorMayWatchAnotherStream(t *testing.T) {
	format := video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15}
	stills := jpegs(t, 160, 120, 60)
	g := record(t, quiet(), format, accessUnits(t, 240, 15), func(g *rig) {
		for i := range 240 {
			f := g.frame()
			g.frames <- f
			sub := video.NewPool(0).Get(len(stills[i%60]))
			copy(sub.Data, stills[i%60])
			sub.Format, sub.Mono, sub.Seq = mjpeg(160, 120), f.Mono, f.Seq
			g.r.Observe(sub, i >= 90 && i < 105, 1)
			g.fed = append(g.fed, sub)
			sub.Release()
		}
	})
	clip := g.clips(1)[0]
	p := ffprobe(t, clip.path)
	if p.pictures < 10*15 || p.pictures > 12*15 {
		t.Errorf("%d pictures, want those of 11 s, give or take a second", p.pictures)
	}
	got, err := os.ReadFile(g.media(camio.KindSnapshot, 1)[0].path)
	if err != nil || !bytes.Equal(got, stills[90%60]) {
		t.Errorf("the snapshot is not the sub-stream's picture, %v", err)
	}
}

func TestH264RingStaysWithinItsMemory(t *testing.T) {
	format := video.Format{FourCC: video.H264, Width: 320, Height: 240, Rate: 15}
	data := accessUnits(t, 300, 15)
	cfg := quiet()
	cfg.RingBytes = 1 << 20
	for i, b := range data { // trailing zeros (ITU-T H.264 B.1) make them large
		data[i] = append(slices.Clone(b), make([]byte, max(0, 20_000-len(b)))...)
	}
	g := record(t, cfg, format, data, func(g *rig) {
		for i := range 30 {
			g.play(shot{10, i == 20})
			if st := g.r.Status(); st.Bytes > cfg.RingBytes {
				t.Fatalf("status %+v", st)
			}
		}
	})
	clip := g.clips(1)[0]
	if before := g.fed[200].Mono - clip.Mono; before < time.Second || before > 3*time.Second {
		t.Errorf("the clip begins %v before the motion", before)
	}
	checkClip(t, clip, g.taken(clip.Mono, g.fed[209].Mono+5*time.Second))
	if st := g.r.Status(); st.Dropped["overload"] != 0 {
		t.Errorf("status %+v", st)
	}
}
