package camio

import "time"

// Kind says what a recording on the device is; it decides its place in the queue and under the quotas.
type Kind string

// The kinds of recordings.
const (
	KindClip      Kind = "clip"      // an MP4 of an event
	KindSnapshot  Kind = "snapshot"  // a JPEG of an event
	KindHeartbeat Kind = "heartbeat" // a JPEG that says the camera lives
)

// Media describes one recording from the moment it is begun on the device until it is
// uploaded. Times are on the monotonic clock of the boot that made it; the spool turns them into a name once
// the clock is trusted.
type Media struct {
	Camera   string        // configured name
	CameraID string        // bare upper-case MAC for the first camera, MAC.1, MAC.2 for the next
	Kind     Kind          //
	Mode     UploadMode    // of the camera: video if it makes clips, else image
	Mono     time.Duration // of the first picture, pre-roll included
	Rotation int           // degrees clockwise: 0, 90, 180 or 270
	Event    string        // joins the snapshot and the clip of one event; empty for heartbeats
	Length   time.Duration // of a finished clip; 0 for pictures
	Track    *Track        // what moved in it; nil: nothing is known. Of a clip it comes at the end
	Source   string        // names the file that this is a copy of and that stays until the copy is finished; else empty
}

// Extension is the file name's ending with its dot.
func (k Kind) Extension() string {
	if k == KindClip {
		return ".mp4"
	}
	return ".jpeg"
}

// ContentType is the MIME type of the body.
func (k Kind) ContentType() string {
	if k == KindClip {
		return "video/mp4"
	}
	return "image/jpeg"
}
