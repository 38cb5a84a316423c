package cloud_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"camward/camio"
	"camward/cloud"
)

func TestAnswersToManyRequestsAreNoFlood(t *testing.T) {
	r := newLiveRig(t)
	f := r.connect(agreeable)
	go func() {
		for range f.asked { // room for the next
		}
	}()
	t.Cleanup(func() { f.close(); close(f.asked) })
	for i := range 180 {
		if got := r.as("PATCH", livePath+"/s-1", "a=candidate", sdpfrag, `If-Match: "*"`); got.Status != 204 {
			t.Fatalf("request %d: %+v", i, got)
		}
	}
	select {
	case <-f.done:
		t.Fatalf("the camera's socket has ended: %v", f.err)
	default:
	}
	for i := 0; ; i++ {
		got := r.as("DELETE", livePath+"/s-1", "")
		if got.Status == 429 && got.Header.Get("Retry-After") != "" {
			break
		}
		if i > 500 {
			t.Fatalf("no end to what one viewer may send to a camera: %+v", got)
		}
	}
}

func TestASessionWhoseAnswerComesTooLateIsEnded(t *testing.T) {
	for _, kind := range []string{"late", "refused"} {
		t.Run(kind, func(t *testing.T) {
			r := newLiveRig(t)
			cloud.ShortenLive(r.Server, 8*time.Second, 20*time.Second, 300*time.Millisecond)
			f := r.connect(func(m camio.LiveMessage) *camio.LiveMessage {
				if m.Type == camio.LiveOpen {
					return nil
				}
				return &camio.LiveMessage{}
			})
			if got := r.as("POST", livePath, "v=0", sdp); got.Status != 504 {
				t.Fatalf("%+v", got)
			}
			open := f.next()
			answer := camio.LiveMessage{Type: camio.LiveOpen, ID: open.ID, Session: "s", ETag: "e", SDP: "answer"}
			if kind == "refused" {
				answer.Error = &camio.LiveError{Status: 503, Text: "all places are taken"}
			}
			f.say(answer)
			f.say(answer) // once more means nothing
			if kind == "late" {
				if m := f.next(); m.Type != camio.LiveEnd || m.Session != "s" {
					t.Errorf("the camera was asked %+v", m)
				}
			}
			if got := r.as("DELETE", livePath+"/other", ""); got.Status != 200 {
				t.Errorf("%+v", got)
			}
			if m := f.next(); m.Session != "other" {
				t.Errorf("the camera was asked %+v", m)
			}
		})
	}
}

func TestSocketsMakeFewCamerasKnownThatSendNothing(t *testing.T) {
	r := newLiveRig(t)
	var refused string
	for i := range 200 {
		c, res, err := dialer{r.url, r.token, fmt.Sprint("made up ", i), ""}.dial(t.Context())
		if err != nil {
			refused = fmt.Sprint(i, " ", res.StatusCode)
			break
		}
		c.CloseNow()
	}
	if refused != "100 403" {
		t.Errorf("refused: %q, want the 101st camera", refused)
	}
	if c, _, err := (dialer{r.url, r.token, "made up 7", ""}).dial(t.Context()); err != nil {
		t.Errorf("one that is known: %v", err)
	} else {
		c.CloseNow()
	}
	if c, _, err := r.dial(t.Context()); err != nil {
		t.Errorf("one that has sent: %v", err)
	} else {
		c.CloseNow()
	}
	put(t, r.Cloud, "made up 7", stamp(1, ".jpeg"), "camera_id=7", picture(t, 64, 48, 2))
	c, _, err := dialer{r.url, r.token, "another", ""}.dial(t.Context())
	if err != nil {
		t.Fatalf("after one of them sent: %v", err)
	}
	c.CloseNow()
}

func TestViewersByTokenHaveAQuotaOfTheirOwn(t *testing.T) {
	r := newLiveRig(t, withTURN)
	r.runTURN()
	f := r.connect(agreeable)
	shared := decode[map[string]string](t, r.as("POST", "/api/users/me/camios", `{"query":{"cameras":["front"]}}`).Body)["view_token"]
	user := func(servers []camio.ICEServer) string {
		t.Helper()
		for _, s := range servers {
			if _, name, ok := strings.Cut(s.Username, ":"); ok {
				return name
			}
		}
		t.Fatalf("no credentials in %+v", servers)
		return ""
	}
	own := user(decode[camio.LiveInfo](t, r.as("GET", livePath, "").Body).ICEServers)
	others := user(decode[camio.LiveInfo](t, send(t, "GET", r.URL+livePath+"?view_tokens="+shared, "").Body).ICEServers)
	if own == others {
		t.Error("who was given a view token can use up the owner's relays")
	}
	if got := r.as("POST", livePath, "v=0", sdp); got.Status != 201 {
		t.Fatalf("%+v", got)
	}
	if got := user(f.next().ICEServers); got != own {
		t.Errorf("for the owner the camera relays as %s, not %s", got, own)
	}
	if got := send(t, "POST", r.URL+livePath+"?view_tokens="+shared, "v=0", sdp); got.Status != 201 {
		t.Fatalf("%+v", got)
	}
	if got := user(f.next().ICEServers); got != others {
		t.Errorf("for others the camera relays as %s, not %s", got, others)
	}
}
