package cloud_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"camward/camio"
	"camward/cloud"
	"camward/cloud/cloudtest"
)

// BenchmarkUpload stores snapshots of 25 kB a minute apart, one client after the other, beside the yardstick: the same bytes
// written to a file, synced, renamed, its directory synced.
func BenchmarkUpload(b *testing.B) {
	body := picture(b, 640, 480, 1)
	b.Run("what=upload", func(b *testing.B) {
		c := cloudtest.New(b)
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			put(b, c, "front", camio.FormatTime(noon.Add(time.Duration(i)*time.Minute))+".jpeg", "camera_id=1", body)
			i++
		}
	})
	b.Run("what=write-sync-rename", func(b *testing.B) {
		dir := b.TempDir()
		b.SetBytes(int64(len(body)))
		i := 0
		for b.Loop() {
			storeDurably(b, dir, fmt.Sprint(i), body)
			i++
		}
	})
}

func storeDurably(b *testing.B, dir, name string, body []byte) {
	f, err := os.CreateTemp(dir, "x")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := bytes.NewReader(body).WriteTo(f); err != nil {
		b.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, err := range []error{f.Sync(), f.Close(), os.Rename(f.Name(), filepath.Join(dir, name)), d.Sync(), d.Close()} {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSearch reads the newest ten of 2,000 events.
func BenchmarkSearch(b *testing.B) {
	c := cloudtest.New(b)
	body := picture(b, 64, 48, 1)
	for i := range 2000 {
		put(b, c, "front", camio.FormatTime(noon.Add(time.Duration(i)*time.Minute))+".jpeg", "camera_id=1", body)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := get(b, c, "/api/search?date=2030-01-01T00:00:00Z"); r.Status != 200 {
			b.Fatal(r.Status, r.Body)
		}
	}
}

// BenchmarkPoll answers a claimed camera's poll without the network, beside the yardsticks: a claim, the smallest change of the same
// database, and a request that does not touch it.
func BenchmarkPoll(b *testing.B) {
	c := cloudtest.New(b, func(cfg *cloud.Config) { cfg.FTPHost = "ftp.example.org" })
	if err := c.Server.Claim(b.Context(), camera, "test@example.com", "front"); err != nil {
		b.Fatal(err)
	}
	at := c.URL + "/api/cameras/" + camera + "?maker=camward"
	for name, path := range map[string]string{"what=poll": at, "what=no-database": c.URL + "/healthz"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				// Polls come from many addresses in life; from one they are limited.
				if r := from(b, c, fmt.Sprintf("10.0.%d.%d", rand.IntN(256), rand.IntN(256)), "GET", strings.TrimPrefix(path, c.URL), ""); r.Status != 200 {
					b.Fatal(r.Status, r.Body)
				}
			}
		})
	}
	b.Run("what=one-row", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i++
			if err := c.Server.Claim(b.Context(), camera, "test@example.com", fmt.Sprint("front", i)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
