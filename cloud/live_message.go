package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"camward/camio"
)

// Limits of what a camera may say in a message of camio.LiveProtocol.
const (
	maxLiveID     = 64       // bytes of an ID, as camio has it
	maxLiveTag    = 128      // bytes of a session's name or an ETag
	maxLiveSDP    = 64 << 10 // bytes of a description, either way
	maxLiveReason = 300      // bytes of an error's text
	maxStateSeq   = 1 << 53  // what JSON's numbers hold everywhere
)

// parseLive reads a camera's message and refuses what could do harm further on: names and tags go into paths and headers of
// answers to viewers, texts onto pages. A type that is not known is kept: a newer camera may use it.
func parseLive(data []byte) (m camio.LiveMessage, err error) {
	if len(data) > camio.MaxLiveMessage {
		return m, fmt.Errorf("message of %d bytes", len(data))
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("message: %w", err)
	}
	switch {
	case len(m.ID) > maxLiveID:
		return m, fmt.Errorf("id of %d bytes", len(m.ID))
	case !isLiveTag(m.Session):
		return m, errors.New("session has a name that cannot be shown") // nor logged: it may be anything
	case !isLiveTag(m.ETag):
		return m, errors.New("etag is none")
	case len(m.SDP) > maxLiveSDP || !utf8.ValidString(m.SDP):
		return m, fmt.Errorf("description of %d bytes", len(m.SDP))
	}
	if e := m.Error; e != nil {
		if e.Status < 400 || e.Status > 599 {
			return m, fmt.Errorf("error with status %d", e.Status)
		}
		e.Text = tame(e.Text, maxLiveReason)
	}
	if st := m.State; st != nil {
		st.Reason = tame(st.Reason, camio.MaxStateReason)
		st.Found = st.Found || st.Scene != ""
	}
	return m, nil
}

// wrongState says what is wrong with a camera's report; "" if nothing is. Its times may be anything: see stateTime.
func wrongState(st *camio.CameraState) string {
	switch {
	case st == nil:
		return "there is no state"
	case st.Boot == "" || len(st.Boot) > maxLiveID || !isLiveTag(st.Boot):
		return "boot must have 1 to 64 letters and digits"
	case st.Seq < 1 || st.Seq > maxStateSeq:
		return "seq is out of range"
	case !isSceneName(st.Scene):
		return "scene must have at most 32 lower-case letters and hyphens"
	}
	return ""
}

// isSceneName accepts what can stand on a page and in a label; also what this server has never heard of.
func isSceneName(s string) bool {
	return len(s) <= camio.MaxScene && strings.IndexFunc(s, func(c rune) bool { return (c < 'a' || c > 'z') && c != '-' }) < 0
}

// isLiveTag accepts what can stand in a path segment and between the quotes of an entity tag (RFC 9110 8.8.3) as it is.
func isLiveTag(s string) bool {
	return len(s) <= maxLiveTag && s != "." && s != ".." && strings.IndexFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.~+=", c))
	}) < 0
}
