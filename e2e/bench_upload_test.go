package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/uploader"
	"camward/uploader/httpstore"
	"camward/video"
)

const (
	benchFiles = 200
	benchSize  = 2_000_000
)

// BenchmarkUpload empties a spool of 200 clips of 2 MB into a real camward-cloud, journal and all; the yardstick is one curl
// process that sends the same files to the same server over a kept connection.
func BenchmarkUpload(b *testing.B) {
	c := startCloud(b)
	clips := benchClips(b)
	b.Run("by=uploader", func(b *testing.B) {
		b.SetBytes(benchFiles * benchSize)
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			spool, u := benchSpool(b, c, clips, fmt.Sprint("spool", n))
			b.StartTimer()
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- u.Run(ctx) }()
			for u.Status().Queued > 0 {
				time.Sleep(5 * time.Millisecond)
			}
			b.StopTimer()
			cancel()
			<-done
			if st := u.Status(); st.Sent != benchFiles || st.Retries > 0 {
				b.Fatalf("%+v", st)
			}
			spool.Close()
			b.StartTimer()
		}
	})
	b.Run("by=curl", func(b *testing.B) {
		b.SetBytes(benchFiles * benchSize)
		for n := 0; b.Loop(); n++ {
			args := []string{"-sS", "--fail", "-H", "Content-Type: video/mp4"}
			for i, path := range clips {
				args = append(args, "-o", os.DevNull, "-T", path, fmt.Sprintf("%s/api/users/%s/cameras/curl%d/content/%s?camera_id=curl%d&upload_mode=video",
					c.url, url.PathEscape(c.account.UploadToken), n, url.PathEscape(benchName(i)), n))
			}
			if out, err := exec.Command("curl", args...).CombinedOutput(); err != nil {
				b.Fatalf("curl: %v: %s", err, out)
			}
		}
	})
}

func benchName(i int) string {
	return camio.FormatTime(time.Date(2026, 11, 23, 0, i, 0, 0, time.UTC)) + ".mp4"
}

// benchClips makes real clips that differ: a free box (ISO/IEC 14496-12 8.1.2) with the number in it fills each one up.
func benchClips(b *testing.B) (paths []string) {
	b.Helper()
	dir := b.TempDir()
	base := filepath.Join(dir, "base.mp4")
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=640x480:r=15:d=10", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "1M", base)
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("ffmpeg: %v: %s", err, text)
	}
	clip, err := os.ReadFile(base)
	if err != nil || len(clip)+16 > benchSize {
		b.Fatal(len(clip), err)
	}
	for i := range benchFiles {
		free := make([]byte, benchSize-len(clip))
		binary.BigEndian.PutUint32(free, uint32(len(free)))
		copy(free[4:], "free")
		binary.BigEndian.PutUint64(free[8:], uint64(i))
		path := filepath.Join(dir, fmt.Sprintf("%d.mp4", i))
		if err := os.WriteFile(path, append(clip[:len(clip):len(clip)], free...), 0o600); err != nil {
			b.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func benchSpool(b *testing.B, c *cloud, clips []string, camera string) (*uploader.Spool, *uploader.Uploader) {
	b.Helper()
	cfg := uploader.Default()
	cfg.Dir, cfg.MaxBytes, cfg.MaxPercent = filepath.Join(b.TempDir(), "spool"), uploader.GiB, 100
	clock := uploader.NewClock()
	clock.Observe(time.Now())
	spool, err := uploader.OpenSpool(cfg, clock, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	for i, path := range clips {
		data, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		r, err := spool.Create(camio.Media{Camera: camera, CameraID: camera, Kind: camio.KindClip, Mono: video.Now() + time.Duration(i)*time.Second})
		if err == nil {
			_, err = r.Write(data)
		}
		if err == nil {
			err = r.Finish(10 * time.Second)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	hc := httpstore.Default()
	hc.BaseURL, hc.Token = c.url, camio.Secret(c.account.UploadToken)
	store, err := httpstore.New(hc)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(store.Close)
	u, err := uploader.New(cfg, spool, store, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	return spool, u
}
