// Package storetest is the suite that every uploader.Store passes, over whatever protocol.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"camward/camio"
	"camward/uploader"
)

// A Target is a store under test together with a view from the far end.
type Target struct {
	Store uploader.Store
	// Files is what stands at the far end now, by "camera/name". Unfinished uploads are not in it.
	Files func() map[string][]byte
	// Refuse makes the far end answer every upload with a refusal of that kind, which is
	// uploader.ErrPermanent, uploader.ErrUnauthorized or ErrBusy, until it is called with nil.
	Refuse func(kind error)
}

// ErrBusy is a refusal for the moment only.
var ErrBusy = errors.New("busy")

// patience bounds waits for what should happen at once.
const patience = 20 * time.Second

// Run checks the contract of uploader.Store on targets that newTarget makes, one for each test.
func Run(t *testing.T, newTarget func(t *testing.T) Target) {
	tests := []struct {
		name string
		run  func(*testing.T, Target)
	}{
		{"PutStoresTheBytesUnderTheName", testPut},
		{"RepeatingAPutIsHarmless", testRepeat},
		{"AnEmptyBodyIsStoredOrRefused", testEmpty},
		{"ALargeBodyArrivesWhole", testLarge},
		{"OddNamesArriveAsTheyAre", testNames},
		{"SeveralPutsRunAtOnce", testParallel},
		{"ACancelledPutEndsSoonAndLeavesNothing", testCancel},
		{"AnUnreadableItemLeavesNothing", testUnreadable},
		{"RefusalsAreToldApart", testRefusals},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, newTarget(t)) })
	}
}

// Item makes an item of those bytes as the spool would.
func Item(camera, name string, body []byte) uploader.Item {
	sum := sha256.Sum256(body)
	u := camio.Upload{
		Camera: camera, Name: name, CameraID: "00A0B1C2D3E4", Mode: camio.UploadVideo, Type: camio.Motion,
		VideoLength: 12500 * time.Millisecond, ContentType: "video/mp4", Size: int64(len(body)), SHA256: sum[:],
	}
	return uploader.NewItem(u, camio.KindClip, time.Date(2026, 11, 23, 13, 5, 7, 123e6, time.UTC),
		func(offset int64) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body[offset:])), nil })
}

// Body makes n bytes that no compression or truncation can hide.
func Body(n int, seed uint64) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b) // never fails
	return b
}

const clipName = "2026-11-23T13:05:07.123-0000.mp4"

func mustPut(t *testing.T, target Target, it uploader.Item) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := target.Store.Put(ctx, it); err != nil {
		t.Fatalf("Put(%q) = %v", it.Name, err)
	}
}

func wantFiles(t *testing.T, target Target, want map[string][]byte) {
	t.Helper()
	got := target.Files()
	for key, body := range want {
		if !bytes.Equal(got[key], body) {
			t.Errorf("%q holds %d bytes, want %d (or other ones)", key, len(got[key]), len(body))
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%q should not be there", key)
		}
	}
}

func testPut(t *testing.T, target Target) {
	body := Body(100_000, 1)
	mustPut(t, target, Item("front", clipName, body))
	wantFiles(t, target, map[string][]byte{"front/" + clipName: body})
}

func testRepeat(t *testing.T, target Target) {
	body := Body(50_000, 2)
	for range 3 {
		mustPut(t, target, Item("front", clipName, body))
	}
	wantFiles(t, target, map[string][]byte{"front/" + clipName: body})
}

func testEmpty(t *testing.T, target Target) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := target.Store.Put(ctx, Item("front", clipName, nil)); err != nil && !errors.Is(err, uploader.ErrPermanent) {
		t.Errorf("an empty body: %v, want nil or ErrPermanent", err)
	}
}

func testLarge(t *testing.T, target Target) {
	body := Body(9_000_001, 3)
	mustPut(t, target, Item("front", clipName, body))
	wantFiles(t, target, map[string][]byte{"front/" + clipName: body})
}

func testNames(t *testing.T, target Target) {
	want := map[string][]byte{}
	for i, n := range []struct{ camera, name string }{
		{"front", "untimed-b1f3a2c4-123456.jpeg"},
		{"back door", clipName},
		{"Küche", clipName},
		{"a+b&c=d", clipName},
		{"50% off #1", clipName},
	} {
		body := Body(1000, uint64(10+i))
		mustPut(t, target, Item(n.camera, n.name, body))
		want[n.camera+"/"+n.name] = body
	}
	wantFiles(t, target, want)
}

func testParallel(t *testing.T, target Target) {
	want := map[string][]byte{}
	errs := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const n = 8
	for i := range n {
		name, body := fmt.Sprintf("2026-11-23T13:05:0%d.000-0000.mp4", i), Body(300_000, uint64(20+i))
		want["front/"+name] = body
		go func() { errs <- target.Store.Put(ctx, Item("front", name, body)) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	wantFiles(t, target, want)
}

// A dripBody gives its bytes, then calls stuck, and from then on a byte now and then.
type dripBody struct {
	io.Reader
	stuck func()
	once  sync.Once
}

func (b *dripBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != io.EOF {
		return n, err
	}
	b.once.Do(b.stuck)
	time.Sleep(10 * time.Millisecond)
	p[0] = 'x'
	return 1, nil
}

func testCancel(t *testing.T, target Target) {
	body := Body(3_000_000, 4)
	whole := Item("front", clipName, body)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	it := uploader.NewItem(whole.Upload, whole.Kind, whole.Started, func(int64) (io.ReadCloser, error) {
		return io.NopCloser(&dripBody{Reader: bytes.NewReader(body[:len(body)/2]), stuck: cancel}), nil
	})
	done := make(chan error, 1)
	go func() { done <- target.Store.Put(ctx, it) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a cancelled Put reports success")
		}
	case <-time.After(patience):
		t.Fatal("a cancelled Put does not end")
	}
	// The same name goes through afterwards, and nothing of the first attempt shows.
	wantFiles(t, target, map[string][]byte{})
	mustPut(t, target, whole)
	wantFiles(t, target, map[string][]byte{"front/" + clipName: body})
}

func testUnreadable(t *testing.T, target Target) {
	body := Body(2_000_000, 5)
	whole := Item("front", clipName, body)
	broken := errors.New("medium error")
	it := uploader.NewItem(whole.Upload, whole.Kind, whole.Started, func(int64) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(body[:700_000]), failing{broken})), nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := target.Store.Put(ctx, it); err == nil {
		t.Error("an item that cannot be read was stored")
	}
	absent := uploader.NewItem(whole.Upload, whole.Kind, whole.Started, func(int64) (io.ReadCloser, error) { return nil, broken })
	if err := target.Store.Put(ctx, absent); !errors.Is(err, broken) {
		t.Errorf("an item that cannot be opened: %v, want the reason", err)
	}
	wantFiles(t, target, map[string][]byte{})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func testRefusals(t *testing.T, target Target) {
	kinds := []error{uploader.ErrPermanent, uploader.ErrUnauthorized}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, size := range []int{10_000, 3_000_000} {
		for _, refusal := range append(kinds, ErrBusy) {
			target.Refuse(refusal)
			err := target.Store.Put(ctx, Item("front", clipName, Body(size, 6)))
			if err == nil {
				t.Errorf("%d bytes: refused as %v, but stored", size, refusal)
			}
			for _, kind := range kinds {
				if got, want := errors.Is(err, kind), kind == refusal; got != want {
					t.Errorf("%d bytes refused as %v: errors.Is(%q, %v) = %v", size, refusal, err, kind, got)
				}
			}
		}
	}
	wantFiles(t, target, map[string][]byte{})
	target.Refuse(nil)
	mustPut(t, target, Item("front", clipName, Body(10_000, 7)))
}
