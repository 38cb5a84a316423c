package agent

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"camward/camio"
)

func TestASlowSpoolIsNoReasonToRestart(t *testing.T) {
	dir := t.TempDir()
	a := testAgent(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	boots := filepath.Join(dir, "spool", "boots.json") // reading it takes until somebody writes, as a worn card may
	if err := syscall.Mkfifo(boots, 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 2)
	go func() {
		_, err := a.spool.open()
		opened <- err
	}()
	w, err := os.OpenFile(boots, os.O_WRONLY, 0) // returns once the spool reads
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		r, err := a.spool.Create(camio.Media{Camera: "front", CameraID: "1", Kind: camio.KindHeartbeat})
		if err == nil {
			err = r.Discard()
		}
		opened <- err
	}()
	for range 2 {
		if err := a.spool.alive(); err != nil {
			t.Error(err)
		}
	}
	answered := make(chan error, 1)
	go func() {
		_, err := a.spool.Status()
		a.spool.resume()
		answered <- err
	}()
	select {
	case err := <-answered:
		if err == nil {
			t.Error("a spool that is not open has a status")
		}
	case <-time.After(10 * time.Second):
		t.Error("the status waits for the spool")
	}
	w.Close()
	for range 2 { // a recording waits rather than be lost
		if err := <-opened; err != nil {
			t.Error(err)
		}
	}
	a.spool.Close()
}
