package ftpd_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"

	"camward/cloud/ftpd"
)

// dropped is a backend that takes everything and keeps nothing.
type dropped struct{}

func (dropped) Login(context.Context, string, string, netip.Addr) (ftpd.Session, error) {
	return dropped{}, nil
}

func (dropped) Store(context.Context, []string, string, *os.File) error { return nil }

// BenchmarkUpload is one file of 2 MB over a kept session: connect, STOR, 226. The yardstick is the same bytes over a new TCP
// connection each, copied to a new file and answered by one byte. settleTime, 2 ms, is part of each plain upload.
func BenchmarkUpload(b *testing.B) {
	body := blob(2 << 20)
	for _, name := range []string{"plain", "tls"} {
		b.Run("server=ftpd/"+name, func(b *testing.B) {
			s := start(b, func(c *ftpd.Config) { c.Backend = dropped{} })
			c := enter(b, s)
			if name == "tls" {
				c = enterTLS(b, s)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				data, _ := c.begin("STOR a.mp4", "")
				if _, err := data.Write(body); err != nil {
					b.Fatal(err)
				}
				_ = data.Close()
				c.expect("226")
			}
		})
	}
	b.Run("server=copy", func(b *testing.B) { benchmarkCopy(b, body) })
}

func benchmarkCopy(b *testing.B, body []byte) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	defer func() { _ = ln.Close(); <-done }()
	dir := b.TempDir()
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			copyToFile(conn, dir)
		}
	}()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		_, err = conn.Write(body)
		_ = conn.(*net.TCPConn).CloseWrite()
		if ok, err2 := io.ReadAll(conn); err != nil || err2 != nil || !bytes.Equal(ok, []byte{1}) {
			b.Fatal(err, err2, ok)
		}
		_ = conn.Close()
	}
}

func copyToFile(conn net.Conn, dir string) {
	defer conn.Close()
	f, err := os.CreateTemp(dir, "copy-*")
	if err != nil {
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{conn}, make([]byte, 64<<10)); err == nil {
		_, _ = conn.Write([]byte{1})
	}
}
