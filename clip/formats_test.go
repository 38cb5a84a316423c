//go:build cgo

package clip

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
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

// accessUnits has x264 make n pictures with a key picture every gop.
func accessUnits(t *testing.T, n, gop int) [][]byte {
	t.Helper()
	return x264(t, 320, 240, n, gop, "bframes=0")
}

var x264s sync.Map

// x264 makes n pictures with a key picture every gop and cuts them apart at their delimiters. They are not to be changed.
func x264(t *testing.T, width, height, n, gop int, params string) [][]byte {
	t.Helper()
	id := fmt.Sprint(width, height, n, gop, params)
	if l, ok := x264s.Load(id); ok {
		return slices.Clone(l.([][]byte))
	}
	out := output(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", scene(width, height), "-frames:v", fmt.Sprint(n),
		"-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
		"-x264-params", fmt.Sprintf("keyint=%d:scenecut=0:aud=1:%s", gop, params), "-f", "h264", "-")
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
	x264s.Store(id, l)
	return slices.Clone(l)
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
	data := setsOnce(accessUnits(t, 300, 60))
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

func TestTheDetectorMayWatchAnotherStream(t *testing.T) {
	stills := jpegs(t, 160, 120, 60)
	tests := []struct {
		width, height int
		own           bool // the snapshot is of the recorded stream
	}{
		{320, 240, false},
		{336, 240, true}, // the other has less than a quarter of its area
	}
	for _, tt := range tests {
		format := video.Format{FourCC: video.H264, Width: tt.width, Height: tt.height, Rate: 15}
		g := record(t, quiet(), format, x264(t, tt.width, tt.height, 240, 15, "bframes=0"), func(g *rig) {
			for i := range 240 {
				f := g.frame()
				g.frames <- f
				sub := video.NewPool(0).Get(len(stills[i%60]))
				copy(sub.Data, stills[i%60])
				sub.Format, sub.Mono, sub.Seq = mjpeg(160, 120), f.Mono, f.Seq
				synctest.Wait()
				g.r.Observe(sub, i >= 95 && i < 110, 1)
				g.fed = append(g.fed, sub)
				sub.Release()
			}
		})
		clip := g.clips(1)[0]
		p := ffprobe(t, clip.path)
		if p.pictures < 10*15 || p.pictures > 12*15 {
			t.Errorf("%d pictures, want those of 11 s, give or take a second", p.pictures)
		}
		snap := g.media(camio.KindSnapshot, 1)[0]
		got, err := os.ReadFile(snap.path)
		if isSub := bytes.Equal(got, stills[95%60]); err != nil || isSub == tt.own {
			t.Errorf("%d x %d: the snapshot is the sub-stream's picture: %v, %v", tt.width, tt.height, isSub, err)
		}
		if size := pictureSize(t, snap.path); tt.own && size != [2]int{tt.width, tt.height} {
			t.Errorf("the snapshot is %v", size)
		}
	}
}

func pictureSize(t *testing.T, path string) [2]int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := jpeg.DecodeConfig(f)
	if err != nil {
		t.Fatal(err)
	}
	return [2]int{c.Width, c.Height}
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
