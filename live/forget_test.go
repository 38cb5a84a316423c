//go:build cgo

package live

import (
	"testing"
	"time"

	"github.com/pion/rtp/codecs"
	"go.uber.org/zap"

	"camward/video"
)

func TestAViewerDoesNotBeginWithAPictureThatIsToBeForgotten(t *testing.T) {
	s := &Server{}
	c := newCamera("front", &remote{}, Default(), defaultTiming(), newEncoder, zap.NewNop())
	s.cameras = append(s.cameras, c)
	st := stream{c: c, coder: coder{newEnc: c.newEnc}, payloads: codecs.H264Payloader{DisableStapA: true}}
	defer st.free()
	v := &viewer{camera: c, queue: make(chan *unit, 16), bwe: bandwidth{clearLine{}}}
	show := func(mono time.Duration) {
		f := video.NewPool(0).Get(64 * 48)
		f.Format, f.Mono = video.Format{FourCC: video.Grey, Width: 64, Height: 48, Stride: 64, Rate: 15}, mono
		st.take(f)
	}
	got := func() int {
		n := len(v.queue)
		for range n {
			<-v.queue
		}
		return n
	}
	show(time.Second)
	c.join(v)
	s.Forget("front", time.Second)
	s.Forget("back", time.Hour)
	if st.again(); got() != 0 {
		t.Error("the viewer began with the picture")
	}
	show(2 * time.Second)
	if n := got(); n != 1 {
		t.Errorf("%d pictures, want the next", n)
	}
	if st.again(); got() != 1 {
		t.Error("the picture after it is not shown again")
	}
}
