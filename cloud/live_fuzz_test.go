package cloud

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// FuzzLiveMessage feeds a camera's messages to a socket on which a viewer waits. What comes through must be fit for headers and pages.
func FuzzLiveMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","web_rtc":true}`,
		`{"type":"open","id":"1","session":"7QZ4","etag":"x2","sdp":"v=0\r\no=- 4 2 IN IP4 0.0.0.0\r\n"}`,
		`{"type":"open","id":"1","error":{"status":409,"text":"the camera delivers no pictures at the moment"}}`,
		`{"type":"patch","id":"1","etag":"x3","sdp":"a=ice-ufrag:abcd\r\n"}`,
		`{"type":"end","id":"1"}`,
		`{"type":"open","id":"1","etag":"\"\r\nX: y"}`,
		`{"type":"open","id":"1","session":"../.."}`,
		`{"type":"open","id":"1","error":{"status":99,"text":"\u202e"}}`,
		`{"type":"later","id":"` + strings.Repeat("1", 70) + `"}`,
		`{"type":"state","id":"1","state":{"boot":"QX2","seq":7,"found":true,"at":"2026-11-23T12:03:22Z","ago":1.5,"reason":"a\u202eb"}}`,
		`[]`, `null`, `{"type":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseLive(data)
		if err != nil {
			return
		}
		s := &liveSocket{log: zap.NewNop(), timing: defaultLiveTiming(), slots: make(chan struct{}, maxLiveCalls), calls: map[string]*liveCall{}}
		c := &liveCall{kind: camio.LiveOpen, answer: make(chan camio.LiveMessage, 1), expiry: time.NewTimer(time.Hour)}
		s.slots <- struct{}{}
		s.calls["1"] = c
		s.take(m)
		s.take(m) // an answer counts once
		if got := len(c.answer) == 1; got != (m.ID == "1" && m.Type == camio.LiveOpen) || len(s.slots) != len(s.calls) {
			t.Errorf("%+v: answered %v, %d slots, %d calls", m, got, len(s.slots), len(s.calls))
		}
		if s.ready != (m.Type == camio.LiveHello && m.WebRTC) {
			t.Errorf("%+v: ready %v", m, s.ready)
		}
		for _, tag := range []string{m.Session, m.ETag} {
			if len(tag) > maxLiveTag || strings.ContainsAny(tag, "/\\\"\r\n \x00%?#<>") || tag == ".." {
				t.Errorf("%q gets through", tag)
			}
		}
		if m.Error != nil {
			shown(t, m.Error.Text, maxLiveReason)
			if m.Error.Status < 400 || m.Error.Status > 599 {
				t.Errorf("status %d", m.Error.Status)
			}
		}
		if m.State != nil {
			shown(t, m.State.Reason, camio.MaxStateReason)
			if at := stateTime(m.State, time.Now()); wrongState(m.State) == "" && (at.After(time.Now()) || time.Since(at) > maxStateAge+maxStateSkew+time.Second) {
				t.Errorf("%+v happened %v", m.State, at)
			}
		}
		if _, err := json.Marshal(m); err != nil {
			t.Error(err)
		}
	})
}
