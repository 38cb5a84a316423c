//go:build ignore

// Command pack makes packed/ of static/: "go generate ./web/page".
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := pack(); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack() error {
	if err := os.RemoveAll("packed"); err != nil {
		return err
	}
	if err := os.Mkdir("packed", 0o755); err != nil {
		return err
	}
	files, err := os.ReadDir("static")
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join("static", f.Name()))
		if err != nil {
			return err
		}
		var out bytes.Buffer
		w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join("packed", f.Name()+".gz"), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
