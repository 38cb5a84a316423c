package agent

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"camward/camio"
	"camward/uploader"
)

// A namedStore notes which cameras it was given, and fails as told.
type namedStore struct {
	fault error
	got   []string
}

func (s *namedStore) Put(_ context.Context, it uploader.Item) error {
	if s.fault == nil {
		s.got = append(s.got, it.Camera)
	}
	return s.fault
}

func item(camera, id string) uploader.Item {
	return uploader.NewItem(camio.Upload{Camera: camera, CameraID: id, Name: "x.mp4"}, camio.KindClip, time.Time{}, nil)
}

func TestTheFallbackIsTakenAfterTenMinutesWithoutSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUploads("AA", zap.NewNop())
		first, second := &namedStore{}, &namedStore{}
		u.set(way{store: first, camera: "claimed"}, way{store: second, camera: "claimed"})
		try := func() error { return u.Put(t.Context(), item("front", "AA")) }
		time.Sleep(time.Hour) // with nothing to send
		if err := try(); err != nil || len(first.got) != 1 {
			t.Fatalf("%v; first got %v", err, first.got)
		}
		first.fault = errors.New("down")
		for range 9 {
			if err := try(); !errors.Is(err, first.fault) || len(second.got) > 0 {
				t.Fatalf("before ten minutes: %v; second got %v", err, second.got)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute)
		for range 5 {
			if err := try(); err != nil {
				t.Fatal(err)
			}
		}
		if len(second.got) != 5 {
			t.Fatalf("the fallback got %v", second.got)
		}
		// The first way is tried again once in ten minutes, and taken when it works.
		first.fault = nil
		if try(); len(second.got) != 6 {
			t.Fatalf("the fallback got %v", second.got)
		}
		time.Sleep(fallbackAfter)
		for range 3 {
			try()
		}
		if len(first.got) != 4 || len(second.got) != 6 {
			t.Errorf("after it works again: first %v, second %v", first.got, second.got)
		}
	})
}

func TestARefusalOfOneItemIsNoReasonToFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUploads("AA", zap.NewNop())
		first, second := &namedStore{fault: fmt.Errorf("%w: no picture", uploader.ErrPermanent)}, &namedStore{}
		u.set(way{store: first}, way{store: second})
		for range 40 {
			if err := u.Put(t.Context(), item("front", "AA")); !errors.Is(err, uploader.ErrPermanent) {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestOnlyTheFirstCameraTakesTheClaimedName(t *testing.T) {
	u := newUploads("AA", zap.NewNop())
	s := &namedStore{}
	u.set(way{store: s, camera: "garden"})
	for _, it := range []uploader.Item{item("front", "AA"), item("back", "AA.1")} {
		if err := u.Put(t.Context(), it); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.got) != 2 || s.got[0] != "garden" || s.got[1] != "back" {
		t.Errorf("stored under %v", s.got)
	}
}

func TestAnUnclaimedCameraKeepsWhatItRecords(t *testing.T) {
	if err := newUploads("AA", zap.NewNop()).Put(t.Context(), item("front", "AA")); !errors.Is(err, uploader.ErrNoToken) {
		t.Error(err)
	}
}
