package ftpstore

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"camward/camio"
	"camward/uploader"
	"camward/uploader/ftpstore/internal/servers"
	"camward/uploader/storetest"
)

// BenchmarkFiles sends 200 files of 2 MB over one connection; the yardstick is one curl process that sends the same
// files to the same server.
func BenchmarkFiles(b *testing.B) {
	const files, size = 200, 2_000_000
	dir := b.TempDir()
	paths := make([]string, files)
	for i := range paths {
		paths[i] = filepath.Join(dir, fmt.Sprintf("2026-11-23T13-%02d-%02d.mp4", i/60, i%60))
		if err := os.WriteFile(paths[i], storetest.Body(size, uint64(i)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, mode := range []TLS{None, Explicit} {
		srv := servers.Start(b, servers.Options{Kind: servers.VSFTPD, TLS: string(mode), User: token, Password: defaultPassword})
		b.Run(fmt.Sprintf("tls=%s/by=store", mode), func(b *testing.B) {
			store, err := New(config(srv, mode))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(store.Close)
			b.SetBytes(files * size)
			b.ReportAllocs()
			for b.Loop() {
				clean(b, srv)
				for i, path := range paths {
					u := camio.Upload{Camera: "files", Name: filepath.Base(path), Size: size,
						SHA256: []byte{byte(i), 1, 2, 3}}
					it := uploader.NewItem(u, camio.KindClip, storetest.Item("", "", nil).Started, func(offset int64) (io.ReadCloser, error) {
						f, err := os.Open(path)
						if err == nil {
							_, err = f.Seek(offset, io.SeekStart)
						}
						return f, err
					})
					if err := store.Put(b.Context(), it); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(fmt.Sprintf("tls=%s/by=curl", mode), func(b *testing.B) {
			args := []string{"-sS", "--fail", "--ftp-create-dirs", "--user", token + ":" + defaultPassword, "--cacert", srv.CAFile}
			if mode == Explicit {
				args = append(args, "--ssl-reqd", "--tls-max", "1.2") // with 1.3 it does not resume sessions
			}
			for _, path := range paths {
				args = append(args, "-T", path, "ftp://"+srv.Addr+"/files/")
			}
			b.SetBytes(files * size)
			for b.Loop() {
				clean(b, srv)
				if out, err := exec.Command("curl", args...).CombinedOutput(); err != nil {
					b.Fatalf("curl: %v: %s", err, out)
				}
			}
		})
	}
}

// clean empties the server's directory, which stays, beside the clock.
func clean(b *testing.B, srv *servers.Server) {
	b.StopTimer()
	srv.Mkdir("files")
	files, err := filepath.Glob(filepath.Join(srv.Root, "files", "*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			b.Fatal(err)
		}
	}
	b.StartTimer()
}
