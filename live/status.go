package live

import (
	"time"

	"github.com/pion/webrtc/v4"

	"camward/video"
)

// A Status is what a Server does at the moment.
type Status struct {
	Running bool           `json:"running"`
	Viewers []ViewerStatus `json:"viewers"`
	Cameras []CameraStatus `json:"cameras"`
}

// A CameraStatus is what one camera's encoder does. Counters begin with the camera.
type CameraStatus struct {
	Name     string       `json:"name"`
	Viewers  int          `json:"viewers"`  // connected
	Encoding bool         `json:"encoding"` // or passing on the camera's own H.264
	Format   video.Format `json:"source"`   // of the camera; zero until someone watched
	Bitrate  int          `json:"bitrate"`  // made, bits per second, of the last half second
	Target   int          `json:"target"`   // wanted, bits per second; 0 where the camera encodes
	Rate     float64      `json:"rate"`     // pictures per second made
	Pictures uint64       `json:"pictures"` // made
	Keys     uint64       `json:"keys"`     // key pictures among them
	Faults   uint64       `json:"faults"`   // pictures that could not be decoded or encoded
	Crashes  uint64       `json:"crashes"`  // panics, each of which ended all viewers
}

// A ViewerStatus is one session.
type ViewerStatus struct {
	Camera   string        `json:"camera"`
	State    string        `json:"state"`    // as RTCPeerConnection.connectionState
	Way      string        `json:"way"`      // such as "udp host", "tcp host", "udp relay"; empty before there is one
	Since    time.Duration `json:"since_ns"` // age
	Estimate int           `json:"estimate"` // bits per second that the line carries
	Sent     uint64        `json:"sent"`     // bytes of video
	Dropped  uint64        `json:"dropped"`  // pictures left out because the viewer was behind
	Unsaid   uint64        `json:"unsaid"`   // messages of a Narrator left out for the same reason
}

// Status tells what goes on.
func (s *Server) Status() Status {
	s.mu.Lock()
	st := Status{Running: s.net != nil, Viewers: []ViewerStatus{}, Cameras: []CameraStatus{}}
	cameras := append([]*camera(nil), s.cameras...)
	var viewers []*viewer
	for _, v := range s.sessions {
		viewers = append(viewers, v)
	}
	s.mu.Unlock()
	for _, c := range cameras {
		c.mu.Lock()
		cs := c.status
		cs.Viewers, cs.Encoding = len(c.viewers), c.running
		c.mu.Unlock()
		st.Cameras = append(st.Cameras, cs)
	}
	for _, v := range viewers {
		st.Viewers = append(st.Viewers, v.status())
	}
	return st
}

func (v *viewer) status() ViewerStatus {
	return ViewerStatus{
		Camera: v.camera.name, State: v.pc.ConnectionState().String(), Way: v.way(), Since: time.Since(v.since),
		Estimate: v.estimate(), Sent: v.sent.Load(), Dropped: v.dropped.Load(), Unsaid: v.unsaid.Load(),
	}
}

// way is how the media goes, as this side sees it.
func (v *viewer) way() string {
	dtls := v.sender.Transport()
	if dtls == nil || v.pc.ConnectionState() != webrtc.PeerConnectionStateConnected {
		return ""
	}
	pair, err := dtls.ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Local == nil {
		return ""
	}
	return pair.Local.Protocol.String() + " " + pair.Local.Typ.String()
}
