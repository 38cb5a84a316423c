package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"unicode"

	"github.com/pion/stun/v4"

	"camward/camio"
	"camward/live"
)

// Limits of what a request may hold beside its SDP, which live bounds.
const (
	maxID      = 64  // bytes
	maxName    = 128 // bytes of a session's name or tag
	maxServers = 4
	maxURLs    = 4   // of a server
	maxField   = 512 // bytes of a URL, user name or credential
	maxText    = 200 // bytes of a text that is passed on
)

var errNoMessage = errors.New("the cloud sent what is no message of " + camio.LiveProtocol)

// parse reads a message of the cloud that lives at host. The message is an answer to a report if its Type is LiveState, nothing if it
// is empty, and else a request to be answered; fault says what is wrong with it. An error is about a peer that does not speak the protocol at all.
func parse(data []byte, host string) (m camio.LiveMessage, fault *camio.LiveError, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return camio.LiveMessage{}, nil, errNoMessage
	}
	if m.Type == camio.LiveState {
		return m, nil, nil
	}
	if m.Error != nil {
		return camio.LiveMessage{}, nil, nil // an answer, to nothing that was asked; to answer it might go on for ever
	}
	if text := wrong(m, host); text != "" {
		return m, &camio.LiveError{Status: http.StatusBadRequest, Text: text}, nil
	}
	switch m.Type {
	case camio.LiveOpen, camio.LivePatch, camio.LiveEnd:
		return m, nil, nil
	}
	return m, &camio.LiveError{Status: http.StatusNotImplemented, Text: "unknown type of message"}, nil
}

// wrong says what is wrong with a request; "" if nothing is.
func wrong(m camio.LiveMessage, host string) string {
	switch {
	case m.ID == "" || len(m.ID) > maxID:
		return fmt.Sprintf("id must have 1 to %d bytes", maxID)
	case len(m.Session) > maxName || len(m.ETag) > maxName:
		return fmt.Sprintf("session and etag must have at most %d bytes", maxName)
	case len(m.ICEServers) > maxServers:
		return fmt.Sprintf("more than %d ICE servers", maxServers)
	}
	for i, s := range m.ICEServers {
		if text := wrongServer(s, host); text != "" {
			return fmt.Sprintf("ice_servers[%d]: %s", i, text)
		}
	}
	return ""
}

func wrongServer(s camio.ICEServer, host string) string {
	if len(s.URLs) == 0 || len(s.URLs) > maxURLs {
		return fmt.Sprintf("1 to %d urls are allowed", maxURLs)
	}
	if len(s.Username) > maxField || len(s.Credential) > maxField {
		return fmt.Sprintf("username and credential must have at most %d bytes", maxField)
	}
	for _, u := range s.URLs {
		if len(u) > maxField {
			return "url is too long"
		}
		uri, err := stun.ParseURI(u)
		switch {
		case err != nil || uri.Port < 1 || uri.Port > 65535:
			return "url cannot be read"
		case (uri.Scheme == stun.SchemeTypeTURN || uri.Scheme == stun.SchemeTypeTURNS) && (s.Username == "" || s.Credential == ""):
			return "TURN needs username and credential"
		case forbidden(uri.Host, host):
			return "the camera does not connect to this address"
		}
	}
	return ""
}

// forbidden reports whether a server's address is one that no server has. The camera's own loopback is not for the cloud to
// send packets to, unless the cloud lives there itself. Addresses of the camera's own network are fine: a cloud may be there.
func forbidden(server, cloud string) bool {
	if loopback(server) {
		return !loopback(cloud)
	}
	ip, err := netip.ParseAddr(server)
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	return ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		return host == "localhost" || strings.HasSuffix(host, ".localhost")
	}
	return ip.Unmap().IsLoopback()
}

// servers as live takes them.
func servers(list []camio.ICEServer) (out []live.ICEServer) {
	for _, s := range list {
		out = append(out, live.ICEServer{URLs: s.URLs, User: s.Username, Password: camio.Secret(s.Credential)})
	}
	return out
}

// answer begins the answer to a request.
func answer(m camio.LiveMessage, fault *camio.LiveError) camio.LiveMessage {
	if len(m.ID) > maxID {
		m.ID = ""
	}
	if len(m.Type) > maxID {
		m.Type = ""
	}
	return camio.LiveMessage{Type: m.Type, ID: m.ID, Error: fault}
}

// oneLine bounds a text that others had a part in, and takes out what could fake a line of a log.
func oneLine(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
