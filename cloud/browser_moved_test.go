package cloud_test

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"camward/camio"
	"camward/cloud/cloudtest"
	"camward/internal/browser"
)

// markedStill is a picture in which a white area stands at 160,120 to 240,360 of 640x480.
func markedStill(t *testing.T) []byte {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=0x305060:s=640x480", "-vf", "drawbox=160:120:80:240:white:fill", "-frames:v", "1", "-f", "mjpeg", "-").Output()
	if err != nil {
		t.Fatal("ffmpeg: ", err)
	}
	return out
}

func TestInTheBrowserAFrameStandsAroundWhatMoved(t *testing.T) {
	c := cloudtest.New(t)
	for i, query := range []string{"camera_id=1&upload_mode=video", "camera_id=1&upload_mode=video&rotation=90"} {
		moved := fmt.Sprintf(`{"area":6.25,"labels":["approaching","left"],"boxes":[[0,%s]]}`, []string{"250,250,375,750", "250,250,750,375"}[i])
		at := time.Now().Add(-time.Duration(i+1) * time.Minute)
		putMoved(t, c, camio.FormatTime(at.Add(time.Second))+".jpeg", query, moved, markedStill(t))
		if i == 0 {
			put(t, c, "front", camio.FormatTime(at)+".mp4", query, movie(t, 4))
		}
	}
	b := browser.Open(t, 1000, 900, "")
	b.Do(chromedp.Navigate(c.Account.SigninURL), chromedp.WaitVisible("main button"), chromedp.Click("main button"))
	b.Wait("both events show their frames", `document.querySelectorAll('.event .moved rect').length === 2`, patience)
	b.Wait("pictures load", `[...document.images].every(i => i.complete && i.naturalWidth > 0)`, patience)
	// Where the frame stands on the page, as shares of the picture as it is shown within its view.
	const frame = `(n => { const view = document.querySelectorAll('.view')[n], v = view.getBoundingClientRect(), r = view.querySelector('rect').getBoundingClientRect();
		const [w, h] = [[640, 480], [480, 640]][n], f = Math.min(v.width / w, v.height / h), x = v.x + (v.width - w * f) / 2, y = v.y + (v.height - h * f) / 2;
		return [(r.x - x) / f, (r.y - y) / f, (r.right - x) / f, (r.bottom - y) / f].map((v) => Math.round(v)).join(' '); })`
	for n, want := range []string{"160 120 240 360", "120 160 360 240"} {
		if got := b.Eval(frame + []string{"(0)", "(1)"}[n]); got != want {
			t.Errorf("the frame of event %d stands at %s, want %s", n, got, want)
		}
	}
	if got := b.Eval(`document.querySelector('.labels').innerText.replace(/\s+/g, ' ')`); got != "approaching left" {
		t.Errorf("labels %q", got)
	}
	b.Shot("moved")
	b.Do(chromedp.Click(".event video"))
	b.Wait("the frame is not in the way of the clip", `document.querySelectorAll('.event .moved').length === 1`, patience)
}
