package relay

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"camward/camio"
)

func TestOnlySoundRequestsPass(t *testing.T) {
	long := strings.Repeat("x", 600)
	server := func(urls ...string) []camio.ICEServer {
		return []camio.ICEServer{{URLs: urls, Username: "u", Credential: "p"}}
	}
	open := func(s []camio.ICEServer) camio.LiveMessage {
		return camio.LiveMessage{Type: camio.LiveOpen, ID: "1", SDP: "offer", ICEServers: s}
	}
	tests := []struct {
		m      camio.LiveMessage
		host   string
		status int
	}{
		{m: camio.LiveMessage{Type: camio.LiveOpen, ID: "1", SDP: "offer"}},
		{m: camio.LiveMessage{Type: camio.LiveOpen, SDP: "offer"}, status: 400},
		{m: camio.LiveMessage{Type: camio.LiveOpen, ID: long}, status: 400},
		{m: camio.LiveMessage{Type: camio.LiveEnd, ID: "1", Session: long}, status: 400},
		{m: camio.LiveMessage{Type: camio.LivePatch, ID: "1", ETag: long}, status: 400},
		{m: camio.LiveMessage{Type: camio.LiveType(long), ID: "1"}, status: 501},
		{m: camio.LiveMessage{ID: "1"}, status: 501},
		{m: open(server("stun:stun.example.com", "turn:192.0.2.1:3478?transport=udp", "turn:192.0.2.1:3478?transport=tcp", "turns:turn.example.com:443?transport=tcp"))},
		{m: open([]camio.ICEServer{{URLs: []string{"stun:stun.example.com:3478"}}})},
		{m: open([]camio.ICEServer{{URLs: []string{"turn:turn.example.com:3478"}, Username: "u"}}), status: 400},
		{m: open(server("http://192.168.1.1/")), status: 400},
		{m: open(server("turn:192.0.2.1:3478?transport=sctp")), status: 400},
		{m: open(server("stun:")), status: 400},
		{m: open(server("stun:host:99999999999")), status: 400},
		{m: open(server("stun:" + long)), status: 400},
		{m: open(server()), status: 400},
		{m: open(server("stun:a", "stun:a", "stun:a", "stun:a", "stun:a")), status: 400},
		{m: open(append(append(append(server("stun:a"), server("stun:a")...), server("stun:a")...), append(server("stun:a"), server("stun:a")...)...)), status: 400},
		{m: open([]camio.ICEServer{{URLs: []string{"turn:a"}, Username: long, Credential: "p"}}), status: 400},
		{m: open(server("turn:192.168.1.5:3478"))}, // the cloud may be in the house
		{m: open(server("turn:127.0.0.1:22?transport=tcp")), status: 400},
		{m: open(server("turn:localhost:22?transport=tcp")), status: 400},
		{m: open(server("turn:[::1]:22?transport=tcp")), status: 400},
		{m: open(server("turn:[::ffff:127.0.0.1]:22?transport=tcp")), status: 400},
		{m: open(server("turn:127.0.0.1:3478")), host: "127.0.0.1"},
		{m: open(server("turn:127.0.0.1:3478")), host: "localhost"},
		{m: open(server("turn:0.0.0.0:22?transport=tcp")), host: "127.0.0.1", status: 400},
		{m: open(server("stun:224.0.0.251:5353")), status: 400},
		{m: open(server("stun:255.255.255.255:9")), status: 400},
		{m: open(server("stun:169.254.169.254:80")), status: 400},
		{m: open(server("stun:[fe80::1]:80")), status: 400},
	}
	for _, tt := range tests {
		data, err := json.Marshal(tt.m)
		if err != nil {
			t.Fatal(err)
		}
		if tt.host == "" {
			tt.host = "cloud.example.com"
		}
		_, fault, err := parse(data, tt.host)
		got := 0
		if fault != nil {
			got = fault.Status
		}
		if got != tt.status || err != nil {
			t.Errorf("%.200s: %+v %v, want %d", data, fault, err, tt.status)
		}
	}
}

// FuzzParse holds what a hostile cloud sends against the limits: whatever passes is bounded, and every answer is one message.
func FuzzParse(f *testing.F) {
	for _, m := range []camio.LiveMessage{
		{Type: camio.LiveOpen, ID: "7", SDP: "v=0\r\n", ICEServers: []camio.ICEServer{{URLs: []string{"turn:192.0.2.1:3478?transport=tcp"}, Username: "1:u", Credential: "c"}}},
		{Type: camio.LivePatch, ID: "8", Session: "s", ETag: "*", SDP: "a=ice-ufrag:x\r\n"},
		{Type: camio.LiveEnd, ID: "9", Session: "s"},
		{Type: "what", ID: "\x00\xff", Error: &camio.LiveError{Status: 1}},
	} {
		data, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"type":"open","id":"1","ice_servers":[{"urls":["stun:%zz"]}]}`))
	f.Add([]byte(`{"type":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, fault, err := parse(data, "cloud.example.com")
		if err != nil || m.Type == "" && fault == nil {
			return
		}
		if fault == nil && (m.ID == "" || len(m.ID) > maxID || len(m.Session) > maxName || len(m.ETag) > maxName || len(m.ICEServers) > maxServers) {
			t.Errorf("%+v passed", m)
		}
		reply := answer(m, fault)
		out, err := json.Marshal(reply)
		if err != nil || len(out) > 8*maxID*2+maxText+200 {
			t.Errorf("answer of %d bytes, %v", len(out), err)
		}
		if fault != nil && (fault.Status < 400 || fault.Status > 599 || strings.ContainsAny(fault.Text, "\r\n")) {
			t.Errorf("%+v", fault)
		}
		if got := fmt.Sprint(servers(m.ICEServers)); fault == nil && len(m.ICEServers) > 0 && m.ICEServers[0].Credential != "" && !strings.Contains(got, "***") {
			t.Errorf("a credential prints: %s", got)
		}
	})
}
