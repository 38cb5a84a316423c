package agent

import (
	"runtime"

	"camward/camio"
	"camward/capture"
	"camward/codec/h264"
	"camward/codec/jpeg"
	"camward/web"
)

// Build says what a binary is and what is built in.
type Build struct {
	Version string   `json:"version"`
	Go      string   `json:"go"`
	System  string   `json:"system"`
	H264    string   `json:"h264_encoder"` // empty: none
	JPEG    string   `json:"jpeg"`
	Lacks   []string `json:"lacks"` // what this build cannot do, and what happens instead
}

// ThisBuild describes the running binary, whose version the linker knows.
func ThisBuild(version string) Build {
	b := Build{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, H264: h264.Backend, JPEG: jpeg.Backend, Lacks: []string{}}
	if !h264.Available {
		b.Lacks = append(b.Lacks, "H.264 encoder: where the board has none of its own, events are uploaded as JPEGs, one a second (clip.snapshot_every)")
	}
	return b
}

// Device is a camera that is plugged in.
type Device = capture.Device

// Devices lists the cameras that are plugged in; without any it is empty, never nil.
func Devices() ([]Device, error) {
	list, err := capture.Devices()
	if list == nil {
		list = []Device{}
	}
	return list, err
}

// User is the one name that signs in to the agent's HTTP server.
const User = web.User

// HasPassword says whether a password is kept in stateDir.
func HasPassword(stateDir string) bool { return web.HasPassword(stateDir) }

// SetPassword makes text the password; a running camward takes it at once, and ends all sessions.
func SetPassword(stateDir string, text camio.Secret) error {
	_, err := web.SetPassword(stateDir, text)
	return err
}

// ResetPassword makes a new random password and gives its text, which is kept nowhere.
func ResetPassword(stateDir string) (string, error) {
	_, text, err := web.ResetPassword(stateDir)
	return text, err
}

// Secret is text that is printed as ***.
type Secret = camio.Secret
