//go:build !cgo

package live

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"camward/codec/h264"
	"camward/video"
)

type still video.FourCC

func (still) Subscribe(int) (<-chan *video.Frame, func()) { return nil, func() {} }
func (s still) Format() (video.Format, bool) {
	return video.Format{FourCC: video.FourCC(s), Width: 640, Height: 480}, true
}

func TestWithoutAnEncoderOnlyACameraWithItsOwnH264IsShown(t *testing.T) {
	s, err := New(Default(), t.TempDir(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	s.AddCamera("webcam", still(video.MJPEG))
	s.AddCamera("ip", still(video.H264))
	for path, want := range map[string]int{
		"/whep": http.StatusNotImplemented, "/cameras/webcam/whep": http.StatusNotImplemented,
		"/cameras/ip/whep": http.StatusServiceUnavailable, // only because Run does not run
	} {
		r := httptest.NewRequest("POST", path, strings.NewReader(browserOffer))
		r.Header.Set("Content-Type", sdpType)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: status %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

// A board has an encoder that is not there at first.
type board struct{ made, open int }

func (b *board) new(h264.Config) (h264.VideoEncoder, error) {
	if b.made++; b.made == 1 {
		return nil, errors.New("the driver is not loaded")
	}
	b.open++
	return b, nil
}

func (b *board) EncodeTo([]byte, *video.I420, time.Duration, uint64, bool) (video.Packet, error) {
	return video.Packet{}, errors.New("not asked for")
}
func (b *board) SetBitrate(int) error { return nil }
func (b *board) Close()               { b.open-- }

func TestWithTheBoardsEncoderAWebcamIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Default(), t.TempDir(), zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		var b board
		s.SetEncoder(b.new)
		s.AddCamera("webcam", still(video.MJPEG))
		c, err := s.camera("")
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []error{ErrNoEncoder, ErrNoEncoder, nil, nil} {
			if i == 2 {
				time.Sleep(trialAge)
			}
			if err := c.ready(); !errors.Is(err, want) {
				t.Errorf("look %d: %v, want %v", i, err, want)
			}
		}
		if b.made != 2 || b.open != 0 {
			t.Errorf("%d encoders tried, want 2; %d left open", b.made, b.open)
		}
	})
}
