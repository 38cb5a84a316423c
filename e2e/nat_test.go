package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"camward/agent"
	"camward/camio"
)

var nat = flag.String("nat", "quick", "quick: live view through two random NATs, and with lost packets; full: also without UDP, with a changing address and a dead link")

// thoroughNAT skips a test that is part of the full run only.
func thoroughNAT(t *testing.T) {
	t.Helper()
	if *nat != "full" {
		t.Skip("not run: only with -nat full (make test-nat)")
	}
}

// A scene is a camera and a cloud in the lab, both real, and the live line between them.
type scene struct {
	*lab
	cloud *cloud
	agent *process
	local *http.Client // at the camera
	live  string       // address of live view at the cloud
}

const cameraPage = "127.0.0.1:8080"

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{lab: newLab(t), cloud: &cloud{data: t.TempDir(), addr: serverAddr + ":8080"}}
	s.local = s.camera.client(t)
	c := s.cloud
	c.url = "http://" + c.addr
	s.live = c.url + "/api/users/me/cameras/front/live"
	c.process = s.server.launch(t, "camward-cloud", "serve", "--data", c.data, "--listen", c.addr, "--base-url", c.url, "--turn", serverAddr+":3478")
	fromServer := s.server.client(t)
	eventually(t, 20*time.Second, func() error {
		resp, err := fromServer.Get(c.url + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	out := command(t, "camward-cloud", "user", "add", "someone@example.com", "--json", "--data", c.data, "--base-url", c.url)
	if err := json.Unmarshal(out, &c.account); err != nil {
		t.Fatalf("user add printed %s: %v", out, err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "camward.yml")
	text := fmt.Sprintf("cloud: {url: %q, upload_token: %q, poll: {period: 2s}}\ncameras:\n  - {name: front, source: \"demo:?every=0s\"}\nspool: {dir: %q}\nstate_dir: %q\nlisten: %q\n",
		c.url, c.account.UploadToken, filepath.Join(dir, "spool"), filepath.Join(dir, "state"), cameraPage)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.agent = s.camera.launch(t, "camward", "run", "-c", file)
	return s
}

// status is what the camera says of itself.
func (s *scene) status() (st agent.Status, err error) {
	resp, err := s.local.Get("http://" + cameraPage + "/api/status")
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	return st, json.NewDecoder(resp.Body).Decode(&st)
}

// info asks the cloud, from where the viewer is, whether the camera can be watched.
func (s *scene) info(w *watcher) (i camio.LiveInfo, err error) {
	resp, text, err := w.do("GET", s.live, "", "")
	switch {
	case err != nil:
		return i, err
	case resp.StatusCode != http.StatusOK:
		return i, fmt.Errorf("GET: %s: %s", resp.Status, text)
	}
	return i, json.Unmarshal([]byte(text), &i)
}

// watch has a viewer see the camera, and gives the servers that it uses.
func (s *scene) watch(t *testing.T) (*watcher, []camio.ICEServer) {
	t.Helper()
	w := newWatcher(t, s.viewer, s.live, s.cloud.account.OAuthToken)
	var info camio.LiveInfo
	eventually(t, 30*time.Second, func() (err error) {
		if info, err = s.info(w); err == nil && !info.WebRTC {
			err = fmt.Errorf("the camera cannot be watched yet: %+v", info)
		}
		return err
	})
	began := time.Now()
	if err := w.open(info.ICEServers); err != nil {
		t.Fatal(err)
	}
	first := w.moves(20, 20*time.Second)
	near, far := w.way()
	t.Logf("first picture %v after the click; viewer %v, camera %v", first.Sub(began).Round(time.Millisecond), near, far)
	return w, info.ICEServers
}

// TestNATBothSidesAreRelayed views a camera behind a NAT with random ports from behind another: no packet of one ever reaches the other's
// router but through the cloud's TURN server.
func TestNATBothSidesAreRelayed(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	w, _ := s.watch(t)
	if near, far := w.way(); near.Typ != webrtc.ICECandidateTypeRelay && far.Typ != webrtc.ICECandidateTypeRelay {
		t.Errorf("the way is %v to %v, want a relay", near, far)
	}
	checkSteady(t, w, 5*time.Second)
}

// TestNATWithoutUDP views where no UDP passes: the viewer reaches the relay by TCP, and so does the camera where it has to.
func TestNATWithoutUDP(t *testing.T) {
	thoroughNAT(t)
	for _, tt := range []struct {
		name   string
		camera bool
	}{{"at the viewer", false}, {"on both sides", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.trouble(s.viewerRouter, noUDP)
			if tt.camera {
				s.trouble(s.cameraRouter, noUDP)
			}
			w, _ := s.watch(t)
			if near, far := w.way(); near.Typ != webrtc.ICECandidateTypeRelay || tt.camera && far.Typ != webrtc.ICECandidateTypeRelay {
				t.Errorf("the way is %v to %v, want a relay", near, far)
			}
			checkSteady(t, w, 5*time.Second)
		})
	}
}

const noUDP = "meta l4proto udp counter drop"

// TestNATLostPackets loses 5 % of all packets of the camera's line, in both directions. What is lost is asked for again; the picture
// goes on.
func TestNATLostPackets(t *testing.T) {
	t.Parallel()
	length := 15 * time.Second
	if *nat == "full" {
		length = time.Minute
	}
	s := newScene(t)
	const noTCP = "tcp dport 3478 reject with tcp reset" // by TCP nothing would be lost
	s.trouble(s.cameraRouter, noTCP)
	w, _ := s.watch(t)
	s.trouble(s.cameraRouter, noTCP, "meta l4proto udp numgen random mod 100 < 5 counter drop")
	began := time.Now()
	time.Sleep(length)
	list := w.since(began)
	longest, many := freezes(list, 500*time.Millisecond)
	t.Logf("%d of %d pictures in %v at 5 %% loss (%d packets lost); the longest pause %v, %d longer than 500 ms; %d packets and %d key pictures asked for",
		len(list), int(length.Seconds()*15), length, s.lost(s.cameraRouter), longest.Round(time.Millisecond), many, w.nacks.Load(), w.plis.Load())
	if s.lost(s.cameraRouter) < 10 || w.nacks.Load() == 0 {
		t.Error("hardly anything was lost, or nothing was asked for again")
	}
	if longest > 3*time.Second || many > int(length.Seconds()/3) {
		t.Error("the picture freezes")
	}
	if float64(len(list)) < leastRate*length.Seconds() {
		t.Errorf("%d pictures in %v", len(list), length)
	}
}

// TestNATTheCameraChangesItsAddress moves the camera to another network in mid-view, and has its router get another public address. The
// viewer does as a page does, and sees the picture again.
func TestNATTheCameraChangesItsAddress(t *testing.T) {
	thoroughNAT(t)
	for _, tt := range []struct {
		name   string
		change func(*lab)
	}{{"another network", (*lab).move}, {"another public address", (*lab).renumber}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			w, servers := s.watch(t)
			stop := make(chan struct{})
			var keeping sync.WaitGroup
			keeping.Go(func() { w.keep(servers, stop) })
			defer keeping.Wait()
			defer close(stop)
			changed := time.Now()
			tt.change(s.lab)
			time.Sleep(500 * time.Millisecond) // what was on its way
			back := w.moves(30, 60*time.Second)
			t.Logf("the picture was back %v after the change: %d ICE restarts, %d further sessions", back.Sub(changed).Round(100*time.Millisecond), w.restarts.Load(), w.sessions.Load()-1)
			if w.restarts.Load()+w.sessions.Load() < 2 {
				t.Error("nothing was lost: the address did not change")
			}
			checkSteady(t, w, 5*time.Second)
		})
	}
}

// TestNATADeadLiveLineIsReplaced drops every packet of the camera, in both directions and without a word: both ends notice within 20 s, and
// once packets pass again, the camera can be watched again.
func TestNATADeadLiveLineIsReplaced(t *testing.T) {
	thoroughNAT(t)
	t.Parallel()
	s := newScene(t)
	w, servers := s.watch(t)
	_, before := s.line(t)
	time.Sleep(10 * time.Second)
	if connected, since := s.line(t); !connected || !since.Equal(before) {
		t.Fatalf("connected %v since %v, want one long connection", connected, since)
	}
	s.trouble(s.cameraRouter, "counter drop")
	cut := time.Now()
	var camera, cloud time.Duration
	eventually(t, 30*time.Second, func() error {
		now := time.Since(cut)
		i, err := s.info(w)
		if err == nil && !i.WebRTC && cloud == 0 {
			cloud = now
		}
		if connected, _ := s.line(t); !connected && camera == 0 {
			camera = now
		}
		if cloud == 0 || camera == 0 {
			return fmt.Errorf("noticed by the camera after %v, by the cloud after %v (%v)", camera, cloud, err)
		}
		return nil
	})
	t.Logf("noticed by the camera after %v, by the cloud after %v", camera.Round(100*time.Millisecond), cloud.Round(100*time.Millisecond))
	if max(camera, cloud) > 21*time.Second {
		t.Error("that is later than 20 s")
	}
	s.trouble(s.cameraRouter)
	passes := time.Now()
	eventually(t, 90*time.Second, func() error {
		if i, err := s.info(w); err != nil || !i.WebRTC {
			return fmt.Errorf("%+v, %v", i, err)
		}
		return nil
	})
	t.Logf("connected again %v after packets passed again", time.Since(passes).Round(100*time.Millisecond))
	if err := w.open(servers); err != nil {
		t.Fatal(err)
	}
	w.moves(20, 20*time.Second)
}

// line is the camera's word on its live line.
func (s *scene) line(t *testing.T) (connected bool, since time.Time) {
	t.Helper()
	st, err := s.status()
	if err != nil {
		t.Fatal(err)
	}
	return st.Cameras[0].Relay.Connected, st.Cameras[0].Relay.Since
}

// leastRate is how far the camera may lower its picture rate, pictures per second.
const leastRate = 5

// checkSteady wants pictures, in order.
func checkSteady(t *testing.T, w *watcher, length time.Duration) {
	t.Helper()
	began := time.Now()
	time.Sleep(length)
	list := w.since(began)
	for i := 1; i < len(list); i++ {
		if list[i].number <= list[i-1].number {
			t.Errorf("picture %d came after %d", list[i].number, list[i-1].number)
		}
	}
	longest, _ := freezes(list, time.Second)
	t.Logf("%d pictures in %v, the longest pause %v; %d packets and %d key pictures asked for", len(list), length, longest.Round(time.Millisecond), w.nacks.Load(), w.plis.Load())
	if float64(len(list)) < leastRate*length.Seconds() {
		t.Errorf("%d pictures in %v", len(list), length)
	}
}
