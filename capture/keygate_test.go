package capture

import (
	"os"
	"testing"

	"camward/video"
)

func TestACameraCannotAnnounceLargerPicturesThanItWasGranted(t *testing.T) {
	stream, err := os.ReadFile(ffmpeg(t, "a.h264", "-c:v", "libx264", "-bsf:v", "h264_mp4toannexb", "-f", "h264")) // testWidth x testHeight
	if err != nil {
		t.Fatal(err)
	}
	granted := func(w, h int) video.Format { return video.Format{FourCC: video.H264, Width: w, Height: h} }
	for _, tt := range []struct {
		name string
		form video.Format
		want bool
	}{
		{"as granted", granted(testWidth, testHeight), false},
		{"a little larger", granted(testWidth-16, testHeight-8), false},
		{"much larger", granted(testWidth/4, testHeight/4), true},
	} {
		var g keyGate
		for range 2 { // what is known of a set counts for the pictures after it
			if got := g.oversized(stream, tt.form); got != tt.want {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
	}
	var g keyGate
	if n := testing.AllocsPerRun(100, func() { g.oversized(stream, granted(testWidth, testHeight)) }); n != 0 {
		t.Errorf("%v allocations a picture", n)
	}
}
