//go:build !cgo

package live

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"

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
