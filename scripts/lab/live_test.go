package lab

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/png" // of what the browser painted
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"camward/internal/browser"
	"camward/internal/porttest"
	"camward/scripts/lab/scene"
	"camward/video"
)

//go:embed jobs/live.sh
var liveJob string

// TestABrowserOnTheHostSeesTheGuestsCamera signs in at the page of an agent that runs in the guest, and reads the numbers of the
// pictures that it shows live. The guest is behind NAT: it finds the browser, not the other way round.
func TestABrowserOnTheHostSeesTheGuestsCamera(t *testing.T) {
	if !strings.Contains(","+*guests+",", ",arm64,") || *quick || *only != "" {
		t.Skip("not run: no arm64 guest is named for it; make lab boots it")
	}
	m, err := MachineByName("arm64")
	if err != nil {
		t.Fatal(err)
	}
	const password = "a label on the lid"
	port := porttest.Free(t)
	cloud := startCloud(t)
	job := Job{Share: t.TempDir(), Forward: map[int]int{port: 8090}, Files: map[string][]byte{
		"camward": agentBinary(t, m), "usbcam": helper(t, m, "usbcam"), "password": []byte(password + "\n"),
	}}
	film, err := scene.New(640, 480, scene.Times{Quiet: 35, Walk: 25, Period: 105, Walks: 2}).Film(600)
	if err == nil {
		err = os.WriteFile(filepath.Join(job.Share, "film.mjpeg"), film, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	job.Script = fmt.Sprintf("CLOUD=%s TOKEN=%s NAME=live\n%s\n%s", cloud.inGuest(), cloud.UploadToken, commonJob, liveJob)
	done := make(chan struct{})
	go func() {
		defer close(done)
		boot(t, m, job)
	}()
	address := fmt.Sprintf("http://127.0.0.1:%d/", port)
	seen, again, first := watch(t, address, password, job.Share, done)
	setBrightness(t, address+"api/cameras/vivid/controls", password)
	if err := os.WriteFile(filepath.Join(job.Share, "seen"), nil, 0o600); err != nil {
		t.Error(err)
	}
	<-done
	t.Logf("first picture %v after signing in; %d pictures seen: %v; %d after the camera was unplugged and plugged in again: %v", first.Round(time.Millisecond), len(seen), seen, len(again), again)
	if len(seen) < 10 || len(again) < 5 {
		t.Errorf("%d pictures of the camera were seen, want at least 10; and %d after it was plugged in again, want at least 5", len(seen), len(again))
	}
	seen = append(seen, again...)
	for i := 1; i < len(seen); i++ {
		if seen[i] <= seen[i-1] {
			t.Errorf("picture %d came after %d", seen[i], seen[i-1])
		}
	}
}

// setBrightness has the agent set a control of a real driver, and reads it back.
func setBrightness(t *testing.T, address, password string) {
	t.Helper()
	value := func(method, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		var list []struct {
			Name  string
			Value int
		}
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			t.Fatalf("%s %s: %v in %s", method, address, err, text)
		}
		for _, c := range list {
			if c.Name == "brightness" {
				return c.Value
			}
		}
		t.Fatalf("%s: no brightness in %s", method, text)
		return 0
	}
	want := value(http.MethodGet, "")/2 + 1
	if got := value(http.MethodPut, fmt.Sprintf(`{"brightness":%d}`, want)); got != want {
		t.Errorf("brightness is %d after it was set to %d", got, want)
	}
	if got := value(http.MethodGet, ""); got != want {
		t.Errorf("brightness reads %d, set was %d", got, want)
	}
}

// watch gives the numbers of the pictures that the page shows, and how long the first took; and those that the same page, left alone, shows after the
// camera was unplugged for a while.
func watch(t *testing.T, address, password, share string, done <-chan struct{}) (seen, again []uint32, first time.Duration) {
	t.Helper()
	waitFor(t, filepath.Join(share, "ready"), done)
	tab := browser.Open(t, 390, 844, "ERR_CONNECTION", browser.OwnAddresses) // the guest ends before the browser
	tab.Do(chromedp.Navigate(address))
	tab.Wait("the form", `document.querySelector('input[type=password]') !== null`, time.Minute)
	began := time.Now()
	tab.Do(chromedp.SendKeys("#password", password+"\r"))
	tab.Wait("a picture", `document.getElementById('video') !== null && document.getElementById('video').videoWidth > 0`, 90*time.Second)
	first = time.Since(began)
	look := func(wanted int, after uint32) (seen []uint32) {
		for until := time.Now().Add(time.Minute); len(seen) < wanted && time.Now().Before(until); {
			n, err := shownNumber(tab.Eval(`(() => { const v = document.getElementById('video'), c = document.createElement('canvas');
				c.width = v.videoWidth; c.height = v.videoHeight; c.getContext('2d').drawImage(v, 0, 0); return c.toDataURL('image/png') })()`))
			if err == nil && n != after {
				seen, after = append(seen, n), n
			}
			time.Sleep(50 * time.Millisecond)
		}
		return seen
	}
	seen = look(20, ^uint32(0))
	tab.Shot("lab-live")
	if len(seen) == 0 {
		return nil, nil, first
	}
	if err := os.WriteFile(filepath.Join(share, "unplug"), nil, 0o600); err != nil {
		t.Error(err)
	}
	waitFor(t, filepath.Join(share, "plugged"), done)
	return seen, look(10, seen[len(seen)-1]), first
}

// waitFor waits until the guest has made a file.
func waitFor(t *testing.T, file string, done <-chan struct{}) {
	t.Helper()
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case <-done:
			t.Fatalf("the guest ended without making %s", filepath.Base(file))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// shownNumber reads the mark out of a data URL.
func shownNumber(url string) (uint32, error) {
	var text string
	if json.Unmarshal([]byte(url), &text) != nil {
		text = url
	}
	_, data, _ := strings.Cut(text, ",")
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return 0, err
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	size := img.Bounds().Size()
	luma := video.Plane{Width: size.X, Height: size.Y, Stride: size.X, Pix: make([]byte, size.X*size.Y)}
	for y := range size.Y {
		for x := range size.X {
			r, g, b, _ := img.At(x, y).RGBA()
			luma.Pix[y*size.X+x] = byte((299*r + 587*g + 114*b) / 1000 >> 8)
		}
	}
	x, y := video.MarkAt(size.X, size.Y)
	n, ok := video.ReadMark(&luma, x, y)
	if !ok {
		return 0, errors.New("no mark")
	}
	return n, nil
}
