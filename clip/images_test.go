package clip

import (
	"bytes"
	"errors"
	"image/jpeg"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

// small is what most tests record.
func small(t *testing.T) (video.Format, [][]byte) {
	return mjpeg(320, 240), jpegs(t, 320, 240, 60)
}

func TestWithoutAnEncoderAnEventBecomesPicturesOneASecond(t *testing.T) {
	format, data := small(t)
	image := quiet()
	image.Mode = camio.UploadImage
	fails := func(err error) func(*Recorder) {
		return func(r *Recorder) {
			r.newEncoder = func(h264.Config) (encoder, error) { return nil, err }
		}
	}
	tests := []struct {
		name  string
		cfg   Config
		setup func(*Recorder)
	}{
		{"by configuration", image, func(*Recorder) {}},
		{"not in this build", quiet(), func(r *Recorder) { r.noEncoder = true }},
		{"found out at the first event", quiet(), fails(h264.ErrUnavailable)},
		{"broken", quiet(), fails(errors.New("no such luck"))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Heartbeat = 25 * time.Second
			g := bubble(t, tt.cfg, format, data, func(g *rig) {
				tt.setup(g.r)
				g.run(func() {
					for i := range 450 {
						g.play(shot{1, i >= 10 && i < 102 || i >= 250 && i < 296})
					}
				})
			})
			g.clips(0)
			l := g.media(camio.KindSnapshot, 7+4)
			for i, s := range l {
				if s.Mode != camio.UploadImage || s.Event == "" || (s.Event == l[0].Event) != (i < 7) {
					t.Errorf("picture %d: %+v", i, s.Media)
				}
				if i != 0 && i != 7 && !near(s.Mono-l[i-1].Mono, time.Second, 2*step) {
					t.Errorf("picture %d comes %v after the one before", i, s.Mono-l[i-1].Mono)
				}
				decodable(t, s.path)
			}
			if h := g.media(camio.KindHeartbeat, 2)[1]; h.Mode != camio.UploadImage {
				t.Errorf("heartbeat %+v", h.Media)
			}
			if st := g.r.Status(); !st.Images || st.Pictures != 0 {
				t.Errorf("status %+v", st)
			}
		})
	}
}

func TestAnAlarmSetsThePaceOfPictures(t *testing.T) {
	format, data := small(t)
	cfg := quiet()
	cfg.Mode = camio.UploadImage
	g := record(t, cfg, format, data, func(g *rig) {
		g.r.SetAlarm(Alarm{Every: time.Second / 5})
		g.play(shot{frames: 30})
		for range 15 { // 3 s, with time for the writer between
			g.play(shot{3, true})
		}
		g.play(shot{frames: 90})
	})
	g.media(camio.KindSnapshot, 15)
}

func TestConfigReportsEveryFault(t *testing.T) {
	err := Config{PreRoll: -1, PostRoll: 1, MaxLength: 1, Heartbeat: 1, SnapshotEvery: 1, Bitrate: 1, Mode: "tape", RingBytes: 1, Rotation: 45, JPEGQuality: 101}.Validate()
	for _, key := range []string{"pre_roll", "post_roll", "max_length", "heartbeat", "snapshot_every", "bitrate", "mode", "ring_bytes", "rotation", "jpeg_quality"} {
		if err == nil || !strings.Contains(err.Error(), "clip."+key+": ") {
			t.Errorf("no word of %s in: %v", key, err)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	if _, err := New(Config{}, "", "", &dirSpool{}, zap.NewNop()); err == nil {
		t.Error("New accepts the zero Config")
	}
}

func decodable(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.Decode(bytes.NewReader(b)); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}
