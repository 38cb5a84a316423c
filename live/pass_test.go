//go:build cgo

package live

import (
	"fmt"
	"testing"
	"time"

	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/rtp/codecs"
	"go.uber.org/zap"

	"camward/codec/h264"
	"camward/video"
)

// A clearLine carries everything.
type clearLine struct{ cc.BandwidthEstimator }

func (clearLine) GetTargetBitrate() int { return highest }

// A remote is a source that counts the key pictures asked for.
type remote struct{ asked int }

func (*remote) Subscribe(int) (<-chan *video.Frame, func()) { return nil, nil }
func (r *remote) RequestKey()                               { r.asked++ }

// A passRig is a camera's loop without the loop, and a viewer without a connection.
type passRig struct {
	src remote
	s   stream
	v   *viewer
	seq uint64
}

func newPassRig() *passRig {
	p := &passRig{}
	c := newCamera("front", &p.src, Default(), defaultTiming(), nil, zap.NewNop())
	p.s = stream{c: c, payloads: codecs.H264Payloader{DisableStapA: true}}
	p.v = &viewer{camera: c, queue: make(chan *unit, 16), bwe: bandwidth{clearLine{}}}
	return p
}

// take gives an access unit of these NAL unit types, and tells the types of what the viewer gets.
func (p *passRig) take(types ...byte) (got string) {
	f := video.NewPool(0).Get(0)
	f.Format = video.Format{FourCC: video.H264, Width: 640, Height: 480, Rate: 15}
	for _, t := range types {
		f.Data = append(f.Data, 0, 0, 0, 1, t, 0x80, byte(p.seq)+1)
	}
	p.seq++
	f.Seq, f.Mono = p.seq, time.Duration(p.seq)*time.Second/15
	p.s.take(f)
	select {
	case u := <-p.v.queue:
		for _, b := range u.payloads {
			got += fmt.Sprint(b[0])
		}
	default:
	}
	return got
}

func (p *passRig) want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: the viewer got NAL units %q, want %q", what, got, want)
	}
}

func TestAViewerOfACameraThatEncodesBeginsWithTheNextKeyPictureAndItsSets(t *testing.T) {
	p := newPassRig()
	p.take(7, 8)    // the camera says these once, before anybody is there
	p.take(5)       // and this is its first picture
	p.take(1)       // 7, 8 and 5 are gone
	p.s.c.join(p.v) // a viewer comes
	p.s.again()
	if p.src.asked != 1 {
		t.Errorf("%d key pictures asked for when a viewer comes, want 1", p.src.asked)
	}
	p.want(t, "before the key picture", p.take(1), "")
	p.want(t, "key picture", p.take(6, 5), "7865")
	p.want(t, "picture", p.take(1), "1")
	p.want(t, "key picture with sets", p.take(9, 7, 8, 5), "785")
	p.want(t, "sets alone", p.take(7, 8), "")
	if _, _, w := p.s.c.state(); w != none {
		t.Errorf("a key picture is still wished for: %v", w)
	}
	if p.src.asked != 1 {
		t.Errorf("%d key pictures asked for, want 1", p.src.asked)
	}
}

func TestAfterALostPictureNothingIsShownUpToTheNextKeyPicture(t *testing.T) {
	p := newPassRig()
	p.s.c.join(p.v)
	p.want(t, "key picture", p.take(7, 8, 5), "785")
	p.want(t, "picture", p.take(1), "1")
	p.seq++
	p.s.keyAt = time.Now().Add(-time.Minute)
	p.want(t, "picture after the gap", p.take(1), "")
	p.want(t, "picture after that", p.take(1), "")
	if p.src.asked != 1 {
		t.Errorf("%d key pictures asked for, want 1: it is not to be asked again at once", p.src.asked)
	}
	p.want(t, "key picture", p.take(5), "785")
	p.seq++
	p.want(t, "key picture after a gap", p.take(5), "785")
	p.want(t, "picture", p.take(1), "1")
}

func TestNoEstimateTouchesWhatACameraEncodes(t *testing.T) {
	p := newPassRig()
	p.s.c.join(p.v)
	p.v.remb.Store(1000)
	p.v.since = time.Now()
	p.want(t, "key picture", p.take(7, 8, 5), "785")
	for range 30 {
		p.s.adjust()
		p.want(t, "picture", p.take(1), "1")
	}
	if target := p.s.c.status.Target; target != 0 {
		t.Errorf("target %d bit/s", target)
	}
}

func TestAViewerFollowsACameraThatEncodesAnew(t *testing.T) {
	p := newPassRig()
	p.s.c.join(p.v)
	dec, err := h264.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var img video.I420
	for _, size := range [][2]int{{320, 240}, {640, 480}} {
		e, err := h264.NewEncoder(h264.Config{Width: size[0], Height: size[1], Rate: 15, Bitrate: 500_000})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		var pic video.I420
		pic.Resize(size[0], size[1])
		for i := range 3 {
			packet, err := e.Encode(&pic, time.Duration(i)*time.Second/15, 0, false)
			if err != nil {
				t.Fatal(err)
			}
			f := video.NewPool(0).Get(len(packet.Data))
			copy(f.Data, packet.Data)
			p.seq++
			f.Format = video.Format{FourCC: video.H264, Width: size[0], Height: size[1], Rate: 15}
			f.Seq, f.Mono = p.seq, time.Duration(p.seq)*time.Second/15
			p.s.take(f)
			var au []byte
			depacket := codecs.H264Packet{}
			for _, b := range (<-p.v.queue).payloads {
				nal, err := depacket.Unmarshal(b)
				if err != nil {
					t.Fatal(err)
				}
				au = append(au, nal...)
			}
			if ok, err := dec.Decode(au, &img); err != nil || !ok || img.Width != size[0] || img.Height != size[1] {
				t.Errorf("%v, picture %d: ok %v, %v, %d x %d", size, i, ok, err, img.Width, img.Height)
			}
		}
	}
}
