package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/video"
	"camward/web"
)

// showing is an agent whose cameras show the demo scene, and a server with its routes.
func showing(t *testing.T, format string) string {
	t.Helper()
	a := testAgent(t, t.TempDir(), "cameras[0].source=demo:?rate=15&size=320x240", "cameras[0].format="+format)
	ctx, stop := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.cameras[0].Run(ctx)
	}()
	routes, err := web.New(web.Config{Listen: "127.0.0.1:0"}, nil, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	a.viewRoutes(routes)
	go routes.Run(ctx)
	t.Cleanup(func() {
		stop(errors.New("the test is over"))
		<-done
	})
	for end := time.Now().Add(10 * time.Second); routes.Address() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no server")
		}
	}
	return "http://" + routes.Address().String()
}

// number reads what the demo scene wrote into a picture.
func number(t *testing.T, b []byte) uint32 {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	p := video.Plane{Width: img.Bounds().Dx(), Height: img.Bounds().Dy(), Stride: img.Bounds().Dx()}
	for y := range p.Height {
		for x := range p.Width {
			r, g, bl, _ := img.At(x, y).RGBA()
			p.Pix = append(p.Pix, byte((299*r+587*g+114*bl)/1000>>8))
		}
	}
	x, y := video.MarkAt(p.Width, p.Height)
	n, ok := video.ReadMark(&p, x, y)
	if !ok {
		t.Fatal("no number in the picture")
	}
	return n
}

func TestProgramsSeeWhatTheCameraShows(t *testing.T) {
	for _, format := range []string{"MJPG", "YUYV"} {
		t.Run(format, func(t *testing.T) {
			url := showing(t, format)
			for _, path := range []string{"/snapshot.jpg", "/cameras/front/snapshot.jpg"} {
				resp, err := http.Get(url + path)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "image/jpeg" || resp.ContentLength != int64(len(b)) {
					t.Fatalf("%s: %v, %v", path, resp, err)
				}
				number(t, b)
			}
			resp, err := http.Get(url + "/cameras/front/stream.mjpeg")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			_, boundary, _ := strings.Cut(resp.Header.Get("Content-Type"), "boundary=")
			parts := multipart.NewReader(resp.Body, boundary)
			var last uint32
			for i := range 5 {
				part, err := parts.NextPart()
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(part)
				if err != nil || part.Header.Get("Content-Type") != "image/jpeg" || part.Header.Get("Content-Length") != fmt.Sprint(len(b)) {
					t.Fatalf("part %d: %v, %v", i, part.Header, err)
				}
				n := number(t, b)
				if i > 0 && n <= last {
					t.Errorf("picture %d after %d", n, last)
				}
				last = n
			}
		})
	}
}

func TestACameraThatIsNotThereOrShowsNothingIsSaid(t *testing.T) {
	a := testAgent(t, t.TempDir())
	p := a.cameras[0]
	for path, want := range map[string]int{"/cameras/front/x": 503, "/cameras/back/x": 404} {
		mux := http.NewServeMux()
		mux.Handle("/cameras/{name}/x", a.withCamera(func(w http.ResponseWriter, r *http.Request, q *pipeline) error {
			v := viewer{sub: p.hub.Subscribe(queueView, 1)}
			defer v.sub.Close()
			_, err := v.next(r.Context(), time.Millisecond)
			return err
		}))
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		if rec.Code != want || !strings.Contains(rec.Body.String(), "camera") {
			t.Errorf("%s: %d %s, want %d", path, rec.Code, rec.Body, want)
		}
	}
}
