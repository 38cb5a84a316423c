package mp4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"camward/codec/h264"
	"camward/video"
)

const frame15 = time.Second / 15

// h264Packets has ffmpeg and x264 render n pictures at 15 a second with a key picture every
// gop, cut into access units, with the jittering stamps of a camera whose clock began an
// hour ago.
func h264Packets(t testing.TB, width, height, n, gop int) []video.Packet {
	t.Helper()
	return x264Packets(t, width, height, n, gop, "baseline")
}

func x264Packets(t testing.TB, width, height, n, gop int, profile string) []video.Packet {
	t.Helper()
	args := fmt.Sprintf("-v error -f lavfi -i testsrc2=size=%dx%d:rate=15 -frames:v %d -pix_fmt yuv420p -c:v libx264 -preset ultrafast "+
		"-profile:v %s -bf 0 -g %d -keyint_min %d -sc_threshold 0 -bsf:v h264_metadata=aud=insert -f h264 -", width, height, n, profile, gop, gop)
	out, err := exec.Command("ffmpeg", strings.Fields(args)...).Output()
	if err != nil {
		t.Fatalf("ffmpeg encodes a test stream: %v", err)
	}
	delimiter := []byte{0, 0, 0, 1, 9}
	units := bytes.Split(out, delimiter)[1:]
	if len(units) != n {
		t.Fatalf("%d access units, want %d", len(units), n)
	}
	packets := make([]video.Packet, n)
	for i, u := range units {
		u = u[1:] // the delimiter's only byte
		sps, _ := h264.ParameterSets(u)
		jitter := time.Duration((i*7919)%9-4) * time.Millisecond
		packets[i] = video.Packet{Data: u, Seq: uint64(i), Key: sps != nil, Mono: time.Hour + time.Duration(i)*frame15 + jitter}
	}
	return packets
}

func trackOf(t testing.TB, p video.Packet) Track {
	t.Helper()
	sps, pps := h264.ParameterSets(p.Data)
	s, err := h264.ParseSPS(sps)
	if err != nil {
		t.Fatal(err)
	}
	return Track{Width: s.Width, Height: s.Height, SPS: sps, PPS: pps}
}

// writeFile writes packets into a new file and returns its name and the file's sizes after
// the header and after each fragment.
func writeFile(t testing.TB, track Track, packets []video.Packet, end time.Duration) (name string, cuts []int64) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "clip.mp4")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWriter(f, track)
	if err != nil {
		t.Fatal(err)
	}
	note := func() error {
		st, err := f.Stat()
		cuts = append(cuts, st.Size())
		return err
	}
	note()
	w.OnFragment(note)
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(end); err != nil {
		t.Fatal(err)
	}
	return name, cuts
}

func readFile(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func contents(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A probe is what ffprobe says of a file.
type probe struct {
	duration      float64
	width, height int
	rotation      int // clockwise
	pts           []float64
	keys          []bool
}

// ffprobe decodes every frame; anything it complains of fails the test.
func ffprobe(t testing.TB, name string) probe {
	t.Helper()
	cmd := exec.Command("ffprobe", "-v", "warning", "-show_format", "-show_streams", "-show_frames", "-of", "json", name)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("ffprobe: %v: %s", err, complaints.String())
	}
	var j struct {
		Format struct {
			Duration string `json:"duration"`
		} `json:"format"`
		Streams []struct {
			Width, Height int
			SideData      []struct{ Rotation int } `json:"side_data_list"`
		} `json:"streams"`
		Frames []struct {
			PTS string `json:"pts_time"`
			Key int    `json:"key_frame"`
		} `json:"frames"`
	}
	if err := json.Unmarshal(out, &j); err != nil {
		t.Fatal(err)
	}
	number := func(s string) float64 {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatalf("ffprobe gives %q for a time", s)
		}
		return x
	}
	p := probe{duration: number(j.Format.Duration), width: j.Streams[0].Width, height: j.Streams[0].Height}
	for _, s := range j.Streams[0].SideData {
		p.rotation = (360 - s.Rotation) % 360 // ffprobe counts anticlockwise
	}
	for _, f := range j.Frames {
		p.pts = append(p.pts, number(f.PTS))
		p.keys = append(p.keys, f.Key == 1)
	}
	return p
}
