package camio

import "time"

// LiveProtocol is the WebSocket sub-protocol (RFC 6455) by which a cloud reaches a camera's live view. The camera dials
// /api/users/<upload token>/cameras/<camera>/live; each message is one LiveMessage as JSON text of at most MaxLiveMessage
// bytes. The token proves the camera and lets nobody watch.
const LiveProtocol = "camward.live.v1"

// MaxLiveMessage bounds a message, in bytes.
const MaxLiveMessage = 128 << 10

// LiveType is what a LiveMessage is about.
type LiveType string

// The messages. A camera says hello first, and again whenever what it says there changes. Open, patch and end are requests of
// the cloud, state is one of the camera; each is answered by a message of the same type and ID, with Error if it failed. Neither
// end answers an answer, and a cloud that does not know state says nothing to it.
const (
	LiveHello LiveType = "hello"
	LiveOpen  LiveType = "open"  // SDP, ICEServers: a viewer's offer -> Session, ETag, SDP
	LivePatch LiveType = "patch" // Session, ETag, SDP: candidates or ICE restart (RFC 8840) -> after a restart ETag, SDP
	LiveEnd   LiveType = "end"   // Session -> nothing
	LiveState LiveType = "state" // State: the camera's pictures have ceased or come again -> nothing
)

// LiveMessage is one message of LiveProtocol.
type LiveMessage struct {
	Type LiveType `json:"type"`
	// ID is chosen by who makes a request and repeated in its answer; empty in a hello. At most 64 bytes.
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
	// State is what a camera reports.
	State *CameraState `json:"state,omitempty"`
	// Error, in an answer, says why there is nothing else in it.
	Error *LiveError `json:"error,omitempty"`
}

// LiveError is a failed request as WHEP would tell it.
type LiveError struct {
	Status int    `json:"status"` // of HTTP: 400 to 599
	Text   string `json:"text"`   // for the viewer; one line
}

// MaxStateReason bounds CameraState.Reason, in bytes.
const MaxStateReason = 200

// MaxScene bounds CameraState.Scene, in bytes.
const MaxScene = 32

// A CameraState says that the agent has lost or found its camera: there are pictures no more, or again; or that they show something else altogether. Reports of one camera come
// in their order, the next one when the one before was answered. One that was not answered is repeated, also over another
// connection, as long as the agent runs; Boot and Seq together tell a repetition.
type CameraState struct {
	Boot string `json:"boot"` // of the run of the agent that counts; chosen at random, at most 64 bytes
	Seq  int64  `json:"seq"`  // 1, 2, 3 within Boot; reports that the agent had to give up leave a gap
	// Found is true for pictures, false for none.
	Found bool `json:"found"`
	// At is when it happened; zero if the agent does not trust its clock.
	At time.Time `json:"at,omitzero"`
	// Ago is how long that was before the message was sent, in seconds.
	Ago float64 `json:"ago"`
	// Reason is why, or what was found; one line, for people, possibly empty.
	Reason string `json:"reason,omitempty"`
	// Scene is not empty if the camera was neither lost nor found, but its whole picture changed: moved, covered, black, frozen and the like, in
	// lower-case letters and hyphens, at most MaxScene bytes. Found is true then.
	Scene string `json:"scene,omitempty"`
}

// A CameraChange is one entry of the cloud's answer to GET /api/users/:token/cameras/:camera/states, a list that begins with the
// newest, and stands in a camera's object under "state" as long as anything is known.
type CameraChange struct {
	IsFound  bool   `json:"is_found"`      // whether there are pictures since then
	Date     Time   `json:"date"`          // when it happened
	Received Time   `json:"date_received"` // when the cloud heard of it
	Reason   string `json:"reason"`
	Scene    string `json:"scene,omitempty"` // what the whole picture changed to then; empty: the camera was lost or found. Never under "state"
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
