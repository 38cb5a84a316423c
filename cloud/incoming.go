package cloud

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"camward/camio"
)

// idleRead is how long an upload may send nothing before it is given up.
const idleRead = 30 * time.Second

// incoming is an upload's body on disk, not yet visible under a final name.
type incoming struct {
	file   *os.File
	size   int64
	sha256 []byte
	head   []byte // the first bytes
}

// receive streams the request's body into a temporary file and syncs it. A body that ends early, is too long or empty, or does
// not match its digest leaves nothing behind.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) (*incoming, error) {
	want, err := camio.Digest(r.Header)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	if r.ContentLength > s.cfg.MaxUpload {
		return nil, s.tooLarge()
	}
	f, err := os.CreateTemp(filepath.Join(s.cfg.Data, "tmp"), "upload-*")
	if err != nil {
		return nil, fmt.Errorf("receive upload: %w", err)
	}
	in := &incoming{file: f}
	if err := s.fill(in, w, r); err != nil {
		in.discard()
		return nil, err
	}
	if want != nil && !bytes.Equal(want, in.sha256) {
		in.discard()
		return nil, badRequest("The body does not match its Repr-Digest")
	}
	return in, nil
}

func (s *Server) tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, "The upload is larger than %d bytes", s.cfg.MaxUpload)
}

func (s *Server) fill(in *incoming, w http.ResponseWriter, r *http.Request) error {
	h := sha256.New()
	head := &headWriter{}
	body := &idleReader{r: http.MaxBytesReader(w, r.Body, s.cfg.MaxUpload), c: http.NewResponseController(w)}
	n, err := io.Copy(io.MultiWriter(in.file, h, head), body)
	body.done()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return s.tooLarge()
	case body.err != nil:
		return badRequest("The body ended early, after %d bytes", n)
	case err != nil:
		return fmt.Errorf("receive upload: %w", err)
	case n == 0:
		return badRequest("The body is empty")
	}
	if err := in.file.Sync(); err != nil {
		return fmt.Errorf("receive upload: %w", err)
	}
	in.size, in.sha256, in.head = n, h.Sum(nil), head.b
	return nil
}

// discard removes the temporary file.
func (in *incoming) discard() {
	_ = in.file.Close()
	_ = os.Remove(in.file.Name()) // what stays is swept at the next start
}

// keep moves the file to its final name, so that it is whole there even after a power cut.
func (in *incoming) keep(path string) error {
	if err := in.file.Close(); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		// Parents hold new entries too: content/<camera>/<day>.
		if err := errors.Join(syncDir(filepath.Dir(dir)), syncDir(filepath.Dir(filepath.Dir(dir)))); err != nil {
			return err
		}
	}
	if err := os.Rename(in.file.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// headWriter keeps the first bytes that pass.
type headWriter struct{ b []byte }

func (h *headWriter) Write(p []byte) (int, error) {
	if n := headSize - len(h.b); n > 0 {
		h.b = append(h.b, p[:min(n, len(p))]...)
	}
	return len(p), nil
}

// idleReader moves the read deadline on with each read and keeps the body's own error apart from the disk's.
type idleReader struct {
	r   io.Reader
	c   *http.ResponseController
	err error
}

func (i *idleReader) Read(p []byte) (int, error) {
	_ = i.c.SetReadDeadline(time.Now().Add(idleRead)) // unsupported in tests without a connection
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF {
		i.err = err
	}
	return n, err
}

func (i *idleReader) done() { _ = i.c.SetReadDeadline(time.Time{}) }
