package agent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/codec/jpeg"
	"camward/motion"
	"camward/video"
)

// told is either of the overlay's messages.
type told struct {
	Type        string       `json:"type"`
	Moving      bool         `json:"moving"`
	Score       float64      `json:"score"`
	MinArea     float64      `json:"min_area"`
	Contrast    float64      `json:"contrast"`
	Gain        float64      `json:"gain"`
	Learning    bool         `json:"learning"`
	SceneChange bool         `json:"scene_change"`
	Grid        [2]int       `json:"grid"`
	Cells       string       `json:"cells"`
	Boxes       [][4]float64 `json:"boxes"`
	Focus       float64      `json:"focus"`
	Mean        float64      `json:"mean"`
	Dark        float64      `json:"dark"`
	Bright      float64      `json:"bright"`
	Histogram   []float64    `json:"histogram"`
}

func readTold(t *testing.T, b []byte) (m told) {
	t.Helper()
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return m
}

func newTestPipeline(t *testing.T, source string) *pipeline {
	t.Helper()
	cam := DefaultCamera()
	cam.Name, cam.Source = "front", source
	p, err := newPipeline(cam, "000000000001", noSpool{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestListenersAreToldWhatTheDetectorSees(t *testing.T) {
	p := newTestPipeline(t, "demo:?rate=30&size=320x240&first=2s&every=5s")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	defer func() { stop(); <-done }()
	messages, leave := p.Narrate(256)
	full, leaveFull := p.Narrate(0)
	moving, detector, pictures := 0, 0, 0
	began := video.Now()
	for end := time.After(8 * time.Second); moving < 20 || pictures < 6; {
		select {
		case b := <-messages:
			switch m := readTold(t, b); m.Type {
			case "detector":
				detector++
				cells, err := base64.StdEncoding.DecodeString(m.Cells)
				if err != nil || m.Grid != [2]int{64, 48} && m.Grid != [2]int{40, 30} || len(cells) != m.Grid[0]*m.Grid[1]/8 || m.MinArea != 0.001 || m.Score < 0 || m.Score > 1 || m.Gain <= 0 {
					t.Fatalf("%v: %s", err, b)
				}
				if m.Moving {
					moving++
				}
				for _, r := range m.Boxes {
					if r[0] < 0 || r[0] >= r[2] || r[2] > 1 || r[1] < 0 || r[1] >= r[3] || r[3] > 1 {
						t.Fatalf("box %v", r)
					}
				}
			case "picture":
				pictures++
				sum := 0.0
				for _, share := range m.Histogram {
					sum += share
				}
				if len(m.Histogram) != 32 || sum < 0.99 || sum > 1.01 || m.Focus <= 0 || m.Mean <= 0 || m.Mean >= 1 || m.Dark > m.Histogram[0] || m.Bright > m.Histogram[31] {
					t.Fatalf("%s", b)
				}
			default:
				t.Fatalf("%s", b)
			}
		case <-end:
			t.Fatalf("in 8 s %d messages of motion, %d of pictures", moving, pictures)
		}
	}
	took := (video.Now() - began).Seconds()
	if limit := 15*took + 3; float64(detector) > limit {
		t.Errorf("%d messages in %.1f s", detector, took)
	}
	if limit := 2*took + 2; float64(pictures) > limit {
		t.Errorf("%d pictures in %.1f s", pictures, took)
	}
	if len(full) != 1 { // it lost messages and nobody waited
		t.Errorf("the listener that does not read has %d messages", len(full))
	}
	leaveFull()
	leave()
	leave()
	if p.overlay.heard.Load() {
		t.Error("somebody listens still")
	}
	for len(messages) > 0 {
		<-messages
	}
	time.Sleep(300 * time.Millisecond)
	if len(messages) > 0 {
		t.Errorf("%d messages after the end", len(messages))
	}
}

func TestMeasuringEndsWithTheLastListener(t *testing.T) {
	p := newTestPipeline(t, "demo:")
	_, stop1 := p.Narrate(1)
	_, stop2 := p.Narrate(1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.measure(t.Context()) // no pictures come
	}()
	stop1()
	select {
	case <-done:
		t.Fatal("it ended while somebody listens")
	case <-time.After(50 * time.Millisecond):
	}
	stop2()
	<-done
}

func TestNothingIsComputedWhileNobodyListens(t *testing.T) {
	p := newTestPipeline(t, "demo:")
	var img video.I420
	img.Resize(320, 240)
	for i := range img.Y {
		img.Y[i] = byte(i)
	}
	b, err := jpeg.Encode(nil, &img, 80)
	if err != nil {
		t.Fatal(err)
	}
	f := video.NewPool(1 << 20).Get(len(b))
	copy(f.Data, b)
	f.Format = video.Format{FourCC: video.MJPEG, Width: 320, Height: 240}
	var luma lumaReader
	step := func() {
		f.Mono += 80 * time.Millisecond
		plane, err := luma.read(f)
		if err != nil {
			t.Fatal(err)
		}
		p.decide(f, plane)
	}
	for range 50 {
		step()
	}
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Errorf("%v allocations a picture", n)
	}
	if p.overlay.view != (motion.View{}) || p.overlay.next != 0 {
		t.Error("the detector was looked at")
	}
	if _, subscribed := p.hub.Drops()[queueOverlay]; subscribed {
		t.Error("pictures were asked for")
	}
	messages, stop := p.Narrate(4)
	step()
	if m := readTold(t, <-messages); m.Type != "detector" {
		t.Errorf("%+v", m)
	}
	stop()
	if n := testing.AllocsPerRun(200, step); n != 0 || len(messages) > 0 {
		t.Errorf("after the last listener left, %v allocations a picture", n)
	}
}

func TestMessagesComeAtMostFifteenTimesASecondAtAnyRate(t *testing.T) {
	tests := []struct {
		every time.Duration
		jump  time.Duration // of the stamps, half-way
		want  float64       // messages a second
	}{
		{time.Second / 60, 0, 15}, {time.Second / 30, 0, 15}, {time.Second / 16, 0, 15}, {time.Second / 15, 0, 15}, {time.Second / 10, 0, 10},
		{time.Second / 30, -time.Hour, 15}, {time.Second / 30, time.Hour, 15},
	}
	for _, tt := range tests {
		o := newOverlay()
		d, err := motion.New(motion.Default())
		if err != nil {
			t.Fatal(err)
		}
		messages, _ := o.listen(1000)
		n := int(10 * time.Second / tt.every)
		at := 2 * time.Hour
		for i := range n {
			at += tt.every + time.Duration(i%3-1)*time.Millisecond // as a camera's stamps are
			if i == n/2 {
				at += tt.jump
			}
			o.seen(d, at, motion.Decision{SceneChange: i == n-20})
		}
		if got := float64(len(messages)) / 10; got > tt.want+0.3 || got < tt.want-0.5 {
			t.Errorf("a picture every %v, jump %v: %v messages a second, want %v", tt.every, tt.jump, got, tt.want)
		}
		scenes := 0
		for len(messages) > 0 {
			if readTold(t, <-messages).SceneChange {
				scenes++
			}
		}
		if scenes != 1 {
			t.Errorf("a picture every %v: the scene change was told %d times", tt.every, scenes)
		}
	}
}

func TestCellsAreABitmapRowByRow(t *testing.T) {
	v := motion.View{Cols: 5, Rows: 3, N: 1}
	v.Cells[0], v.Cells[1], v.Cells[2] = 1<<0|1<<4, 1<<2, 1<<4
	v.Boxes[0] = motion.Rect{X0: 0.25, Y0: 0.5, X1: 1, Y1: 0.75}
	v.Share = 0.3
	m := readTold(t, detectorMessage(&v, true))
	cells, _ := base64.StdEncoding.DecodeString(m.Cells)
	// 10001 00100 00001 and one bit of filling
	if len(cells) != 2 || cells[0] != 0b10001001 || cells[1] != 0b00000010 {
		t.Errorf("cells %08b", cells)
	}
	if m.Score != 0.3 || !m.SceneChange || len(m.Boxes) != 1 || m.Boxes[0] != [4]float64{0.25, 0.5, 1, 0.75} {
		t.Errorf("%+v", m)
	}
}

func TestPicturesOfEveryFormatAreMeasured(t *testing.T) {
	r := fullReader{jpeg: jpeg.NewDecoder()}
	defer r.jpeg.Close()
	for _, c := range []video.FourCC{video.YUYV, video.UYVY, video.NV12, video.YU12, video.Grey} {
		format := video.Format{FourCC: c, Width: 64, Height: 48, FullRange: true}
		n, err := format.RawSize()
		if err != nil {
			t.Fatal(err)
		}
		f := video.NewPool(0).Get(n)
		f.Format = format
		for i := range f.Data {
			f.Data[i] = 128
		}
		if m, err := r.measure(f); err != nil || m.Mean < 0.5 || m.Mean > 0.51 {
			t.Errorf("%v: %+v, %v", c, m, err)
		}
		f.Format.FourCC = video.H264
		if _, err := r.measure(f); err == nil {
			t.Error("an H.264 picture is measured")
		}
	}
}
