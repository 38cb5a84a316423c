package cloud

import (
	"time"

	"camward/camio"
)

// How long credentials for relaying let their holder begin. What has begun goes on.
const (
	viewerLife = 10 * time.Minute
	cameraLife = 6 * time.Hour // a camera whose address changes in mid-view relays anew with what it has
)

func (s *Server) iceServers(acc *account, life time.Duration) []camio.ICEServer {
	return []camio.ICEServer{}
}
