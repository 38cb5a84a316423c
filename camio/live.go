package camio

// LiveProtocol is the WebSocket sub-protocol (RFC 6455) by which a cloud reaches a camera's live view. The camera dials
// /api/users/<upload token>/cameras/<camera>/live; each message is one LiveMessage as JSON text of at most MaxLiveMessage
// bytes. The token proves the camera and lets nobody watch.
const LiveProtocol = "camward.live.v1"

// MaxLiveMessage bounds a message, in bytes.
const MaxLiveMessage = 128 << 10

// LiveType is what a LiveMessage is about.
type LiveType string

// The messages. A camera says hello first, and again whenever what it says there changes. The other three are requests of the
// cloud, each answered by a message of the same type and ID, with Error if it failed.
const (
	LiveHello LiveType = "hello"
	LiveOpen  LiveType = "open"  // SDP, ICEServers: a viewer's offer -> Session, ETag, SDP
	LivePatch LiveType = "patch" // Session, ETag, SDP: candidates or ICE restart (RFC 8840) -> after a restart ETag, SDP
	LiveEnd   LiveType = "end"   // Session -> nothing
)

// LiveMessage is one message of LiveProtocol.
type LiveMessage struct {
	Type LiveType `json:"type"`
	// ID is chosen by the cloud for a request and repeated in its answer; empty in a hello. At most 64 bytes.
	ID string `json:"id,omitempty"`
	// WebRTC, in a hello, says that a viewer would get a picture now.
	WebRTC bool `json:"web_rtc,omitempty"`
	// Session names a viewer's session at the camera.
	Session string `json:"session,omitempty"`
	// ETag names the session's ICE session, without quotes; "*" in a request means whichever is current.
	ETag string `json:"etag,omitempty"`
	// SDP is an offer, an answer or a fragment.
	SDP string `json:"sdp,omitempty"`
	// ICEServers are for the camera to use with this session beside its own.
	ICEServers []ICEServer `json:"ice_servers,omitempty"`
	// Error, in an answer, says why there is nothing else in it.
	Error *LiveError `json:"error,omitempty"`
}

// LiveError is a failed request as WHEP would tell it.
type LiveError struct {
	Status int    `json:"status"` // of HTTP: 400 to 599
	Text   string `json:"text"`   // for the viewer; one line
}

// An ICEServer is a STUN or TURN server with its credentials for a while, as browsers take it in RTCConfiguration.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// LiveInfo answers GET on the cloud's viewer address: what a page needs before it makes its offer.
type LiveInfo struct {
	WebRTC     bool        `json:"web_rtc"` // whether the camera can be watched now
	ICEServers []ICEServer `json:"ice_servers"`
}
