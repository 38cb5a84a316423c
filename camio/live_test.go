package camio

import (
	"encoding/json"
	"testing"
	"time"
)

// Cameras and clouds of other versions read these; no field may change its meaning.
func TestTheFormOfReportsStaysAsItIs(t *testing.T) {
	tests := []struct {
		message LiveMessage
		want    string
	}{
		{LiveMessage{Type: LiveState, ID: "7", State: &CameraState{Boot: "QX2", Seq: 7, Found: true, At: time.Date(2026, 11, 23, 12, 3, 24, 500_000_000, time.UTC), Ago: 1.25, Reason: "USB camera"}},
			`{"type":"state","id":"7","state":{"boot":"QX2","seq":7,"found":true,"at":"2026-11-23T12:03:24.5Z","ago":1.25,"reason":"USB camera"}}`},
		{LiveMessage{Type: LiveState, ID: "1", State: &CameraState{Boot: "QX2", Seq: 1}}, `{"type":"state","id":"1","state":{"boot":"QX2","seq":1,"found":false,"ago":0}}`},
		{LiveMessage{Type: LiveState, ID: "7"}, `{"type":"state","id":"7"}`},
		{LiveMessage{Type: LiveHello, WebRTC: true}, `{"type":"hello","web_rtc":true}`},
	}
	for _, tt := range tests {
		got, err := json.Marshal(tt.message)
		if err != nil || string(got) != tt.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
		}
		var back LiveMessage
		if err := json.Unmarshal(got, &back); err != nil {
			t.Error(err)
		}
		if again, _ := json.Marshal(back); string(again) != tt.want {
			t.Errorf("%s became %s", tt.want, again)
		}
	}
	change := Camera{State: &CameraChange{IsFound: true, Date: Time{time.Unix(0, 0)}, Received: Time{time.Unix(1, 0)}}}
	got, err := json.Marshal(change.State)
	if want := `{"is_found":true,"date":"1970-01-01T00:00:00.000-0000","date_received":"1970-01-01T00:00:01.000-0000","reason":""}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
