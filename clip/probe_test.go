package clip

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"camward/camio"
)

// A probe is what ffprobe finds in a clip.
type probe struct {
	pts      []time.Duration
	key      []bool
	pictures int // that a decoder gives
	duration time.Duration
}

func seconds(t *testing.T, s string) time.Duration {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("ffprobe says %q for a time", s)
	}
	return time.Duration(math.Round(f * float64(time.Second)))
}

func ffprobe(t *testing.T, path string) probe {
	t.Helper()
	var found struct {
		Packets []struct {
			PTS   string `json:"pts_time"`
			Flags string
		}
		Streams []struct {
			Frames string `json:"nb_read_frames"`
		}
		Format struct{ Duration string }
	}
	out := output(t, "ffprobe", "-v", "error", "-count_frames", "-of", "json",
		"-show_entries", "packet=pts_time,flags:stream=nb_read_frames:format=duration", path)
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	p := probe{duration: seconds(t, found.Format.Duration)}
	p.pictures, _ = strconv.Atoi(found.Streams[0].Frames)
	for _, q := range found.Packets {
		p.pts = append(p.pts, seconds(t, q.PTS))
		p.key = append(p.key, strings.Contains(q.Flags, "K"))
	}
	return p
}

func near(a, b, tolerance time.Duration) bool { return (a - b).Abs() <= tolerance }

// checkPictures compares a clip with the times of the pictures it should show.
func checkPictures(t *testing.T, clip recorded, want []time.Duration) probe {
	t.Helper()
	p := ffprobe(t, clip.path)
	if len(p.pts) != len(want) || p.pictures != len(want) {
		t.Fatalf("the clip at %v has %d pictures, %d of which decode, want %d", clip.Mono, len(p.pts), p.pictures, len(want))
	}
	if clip.Mono != want[0] {
		t.Errorf("the clip begins at %v, want %v", clip.Mono, want[0])
	}
	for i := range want {
		if at := want[i] - want[0]; !near(p.pts[i], at, time.Millisecond) {
			t.Fatalf("picture %d is shown at %v, was taken at %v", i, p.pts[i], at)
		}
	}
	return p
}

// checkClip is checkPictures, and checks that key pictures come each second and that the length is right.
func checkClip(t *testing.T, clip recorded, want []time.Duration) {
	t.Helper()
	p := checkPictures(t, clip, want)
	var lastKey time.Duration
	for i := range want {
		if i == 0 && !p.key[i] {
			t.Error("the first picture is no key picture")
		}
		if p.key[i] {
			// The encoder cannot know that a picture will come late.
			if d := p.pts[i] - lastKey; d > time.Second+lateness(want)+time.Millisecond {
				t.Errorf("key pictures %v apart at %v", d, lastKey)
			}
			lastKey = p.pts[i]
		}
	}
	n := len(want)
	if n > 1 && !near(p.duration, want[n-1]-want[0]+(want[n-1]-want[n-2]), step) {
		t.Errorf("the file lasts %v, its last picture begins at %v", p.duration, p.pts[n-1])
	}
	if !near(clip.Length, p.duration, 2*time.Millisecond) {
		t.Errorf("the spool was told %v, the file lasts %v", clip.Length, p.duration)
	}
}

// lateness is the largest difference between two steps from one picture to the next.
func lateness(times []time.Duration) time.Duration {
	lo, hi := forever, time.Duration(0)
	for i := 1; i < len(times); i++ {
		lo, hi = min(lo, times[i]-times[i-1]), max(hi, times[i]-times[i-1])
	}
	return max(0, hi-lo)
}

// taken gives the times of the frames fed from one time to another, both included.
func (g *rig) taken(from, to time.Duration) (l []time.Duration) {
	for _, f := range g.fed {
		if f.Mono >= from && f.Mono <= to {
			l = append(l, f.Mono)
		}
	}
	return l
}

// clips gives n clips.
func (g *rig) clips(n int) []recorded {
	g.t.Helper()
	return g.media(camio.KindClip, n)
}

// postersOf gives the snapshots, which must be one a clip, of its event and from its own span.
func (g *rig) postersOf(clips []recorded) []recorded {
	g.t.Helper()
	l := g.media(camio.KindSnapshot, len(clips))
	for _, clip := range clips {
		n := 0
		for _, s := range l {
			if s.Event == clip.Event && s.Mono >= clip.Mono && s.Mono < clip.Mono+clip.Length-time.Millisecond {
				n++
				if s.path > clip.path { // they are numbered as they are finished
					g.t.Errorf("the clip at %v was finished before its snapshot", clip.Mono)
				}
			}
		}
		if n != 1 {
			g.t.Errorf("%d snapshots show something of the clip from %v to %v", n, clip.Mono, clip.Mono+clip.Length)
		}
	}
	return l
}

func (g *rig) media(k camio.Kind, n int) []recorded {
	g.t.Helper()
	l := g.spool.of(k)
	if len(l) != n {
		g.t.Fatalf("%d recordings of kind %s, want %d: %+v", len(l), k, n, l)
	}
	return l
}
