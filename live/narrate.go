package live

import (
	"sync"

	"github.com/pion/webrtc/v4"
)

const (
	// detectorLabel is the data channel that a viewer opens to hear what the source has to say.
	detectorLabel = "detector"
	// narrationDepth messages may wait for a viewer's goroutine: an old one is worth nothing once there is a newer.
	narrationDepth = 4
	// narrationBuffer bytes may wait for the viewer's line; with more, messages are left out.
	narrationBuffer = 64 << 10
	// maxChannels is how many data channels a viewer may open in all; each costs memory until the viewer has gone.
	maxChannels = 16
)

// A Narrator is a Source that has something to say beside its pictures, such as what its detector sees. Every viewer that
// opens a data channel labelled "detector" hears it: each message is sent as text, as it is, and left out while more than 64 KiB
// wait for that viewer. What a viewer sends is ignored.
//
// Narrate begins a subscription, which holds depth messages and then loses some and never waits; stop ends it, and the channel is
// not closed. Messages are shared and must not change. Both are called from the viewer's own goroutine.
type Narrator interface {
	Narrate(depth int) (messages <-chan []byte, stop func())
}

// A listening is a data channel that is open.
type listening struct {
	channel *webrtc.DataChannel
	closed  chan struct{}
}

// dataChannel takes what the viewer opens, before anything can be sent. What is of no use is closed, since each channel
// keeps a goroutine and a buffer.
func (v *viewer) dataChannel(dc *webrtc.DataChannel) {
	if v.channels.Add(1) > maxChannels {
		v.end("too many data channels")
		return
	}
	refuse := func() { dc.Close() } //nolint:errcheck // the viewer may have closed it
	if _, narrates := v.camera.src.(Narrator); !narrates || dc.Label() != detectorLabel {
		dc.OnOpen(refuse)
		return
	}
	l := listening{channel: dc, closed: make(chan struct{})}
	dc.OnClose(sync.OnceFunc(func() { close(l.closed) }))
	dc.OnOpen(func() {
		select {
		case v.listens <- l:
		default:
			refuse()
		}
	})
}

// narrate serves the viewer's data channels, one after the other, until the viewer is given up.
func (v *viewer) narrate() {
	src, narrates := v.camera.src.(Narrator)
	if !narrates {
		return
	}
	for {
		select {
		case <-v.over:
			return
		case l := <-v.listens:
			v.tell(src, l)
		}
	}
}

// tell passes on messages until the channel or the viewer has gone.
func (v *viewer) tell(src Narrator, l listening) {
	messages, stop := src.Narrate(narrationDepth)
	defer stop()
	for {
		select {
		case <-v.over:
			return
		case <-l.closed:
			return
		case m := <-messages:
			if l.channel.BufferedAmount()+uint64(len(m)) > narrationBuffer {
				v.unsaid.Add(1)
				continue
			}
			// It fails when the channel is being closed, of which closed tells, or on a message larger than the viewer takes.
			if err := l.channel.SendText(string(m)); err != nil {
				v.unsaid.Add(1)
			}
		}
	}
}
