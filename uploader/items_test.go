package uploader

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"camward/camio"
)

func TestItemsAreListedRetriedDroppedAndRead(t *testing.T) {
	cfg := testConfig(t)
	s := open(t, cfg)
	for i, body := range []string{"first", "second", "third"} {
		add(t, s, camio.Media{Camera: "front", CameraID: "1", Kind: camio.KindSnapshot, Mono: time.Duration(i+1) * time.Second}, []byte(body))
	}
	list := s.Items()
	if len(list) != 3 || list[0].State != StateWaiting || list[0].Size != 5 || list[0].Camera != "front" {
		t.Fatalf("%+v", list)
	}
	refused := list[1]
	e := find(s.queue, refused.ID)
	e.sending = true
	if err := s.Drop(refused.ID); !errors.Is(err, ErrBusy) {
		t.Errorf("dropping an item in transfer: %v", err)
	}
	s.quarantine(e, "no such camera")
	if it := s.Items()[2]; it.ID != refused.ID || it.State != StateQuarantined || it.LastError != "no such camera" {
		t.Errorf("%+v", it)
	}
	s.Close()

	s = open(t, cfg) // the refusal survives a restart
	if it := s.Items()[2]; it.State != StateQuarantined || it.LastError != "no such camera" {
		t.Errorf("after a restart: %+v", it)
	}
	if err := s.Retry(refused.ID); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, cfg) // and so does the pardon
	if list := s.Items(); len(list) != 3 || list[1].ID != refused.ID || list[1].State != StateWaiting {
		t.Errorf("after the retry: %+v", list)
	}
	data, name, err := s.Open(refused.ID)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(data)
	data.Close()
	if !bytes.Equal(b, []byte("second")) || name != refused.Name {
		t.Errorf("read %q as %s", b, name)
	}
	if err := s.Drop(refused.ID); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.Drop(refused.ID), s.Retry(refused.ID), s.Drop(99)} {
		if !errors.Is(err, ErrNoItem) {
			t.Errorf("%v, want ErrNoItem", err)
		}
	}
	if names, _ := drain(t, s); len(names) != 2 {
		t.Errorf("%v left, want two items", names)
	}
}

func TestARetryOnAFullDiskMakesRoomAndDoesNotHang(t *testing.T) {
	full := false
	s := openAs(t, testConfig(t), &testClock{trusted: true}, func(op fileOp) error {
		if full && op.Op == "write" {
			return syscall.ENOSPC
		}
		full = full && !(op.Op == "remove" && strings.HasSuffix(op.Name, ".jpeg"))
		return nil
	})
	for i := range 3 {
		add(t, s, camio.Media{Camera: "front", CameraID: "1", Kind: camio.KindSnapshot, Mono: time.Duration(i+1) * time.Second}, []byte("body"))
	}
	list := s.Items()
	e := find(s.queue, list[0].ID)
	e.sending = true
	s.quarantine(e, "no such camera")
	full = true
	done := make(chan error, 1)
	go func() { done <- s.Retry(list[0].ID) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the spool hangs")
	}
	if it := s.Items()[0]; it.ID != list[0].ID || it.State != StateWaiting {
		t.Errorf("%+v", s.Items())
	}
}

func TestWhatACrashLeftUselessCanBeExportedAndRetried(t *testing.T) {
	cfg := testConfig(t)
	s := open(t, cfg)
	for i, kind := range []camio.Kind{camio.KindSnapshot, camio.KindClip} {
		r, err := s.Create(camio.Media{Camera: "front", CameraID: "1", Kind: kind, Mono: time.Duration(i+1) * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Write(bytes.Repeat([]byte("no picture "), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = open(t, cfg) // the process was killed
	for _, it := range s.Items() {
		if it.State != StateQuarantined {
			t.Fatalf("%+v", it)
		}
		data, _, err := s.Open(it.ID)
		if err != nil {
			t.Errorf("%s: %v", it.Kind, err)
			continue
		}
		data.Close()
		if err := s.Retry(it.ID); err != nil {
			t.Error(err)
		}
		if _, err := s.load(find(s.queue, it.ID)); !errors.Is(err, ErrPermanent) {
			t.Errorf("%s: %v, want it refused and kept", it.Kind, err)
		}
	}
	if len(s.Items()) != 2 {
		t.Errorf("%+v", s.Items())
	}
}
