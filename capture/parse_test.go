package capture

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"camward/video"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// split cuts in into pictures, as strings.
func split(in io.Reader) (pics []string, err error) {
	m := newMJPEGReader(in)
	for {
		b, err := m.next()
		if err == io.EOF {
			return pics, nil
		}
		if err != nil {
			return pics, err
		}
		pics = append(pics, string(b))
	}
}

func TestMJPEGIsSplitIntoItsPictures(t *testing.T) {
	real := testdata(t, "small.mjpeg")
	pics, err := split(bytes.NewReader(real))
	if err != nil || len(pics) != 3 || strings.Join(pics, "") != string(real) {
		t.Fatalf("%d pictures, %v; want 3 that make up the file", len(pics), err)
	}
	a, b := pics[0], pics[1]
	thumbnail := "\xff\xd8\xff\xe1" + string([]byte{byte((len(b) + 2) >> 8), byte(len(b) + 2)}) + b + a[2:]
	tests := []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"garbage", strings.Repeat("no picture\xff\xd8 at all", 9999), nil},
		{"padding between", a + "\x00\x00\xff\xff" + b + "\x00", []string{a, b}},
		{"multipart headers between", "--b\r\nContent-Length: 9\r\n\r\n" + a + "\r\n--b\r\n\r\n" + b, []string{a, b}},
		{"thumbnail inside", thumbnail + b, []string{thumbnail, b}},
		{"cut short by the next", a[:len(a)-100] + b, []string{a[:len(a)-100], b}},
		{"cut short by the end", a + b[:len(b)-100], []string{a, b[:len(b)-100]}},
		{"cut in a header", a + b[:30], []string{a}},
		{"start without a picture", "\xff\xd8\xff\xd8" + a[:20] + a, []string{a}},
		{"lone start", a + "\xff\xd8", []string{a}},
		{"fill bytes before a marker", a[:2] + "\xff\xff\xff" + a[2:], []string{a[:2] + "\xff\xff\xff" + a[2:]}},
	}
	for _, tt := range tests {
		got, err := split(iotest.OneByteReader(strings.NewReader(tt.in)))
		if err != nil || strings.Join(got, "|") != strings.Join(tt.want, "|") || len(got) != len(tt.want) {
			t.Errorf("%s: got %d pictures, %v, want %d", tt.name, len(got), err, len(tt.want))
		}
	}
}

func TestMJPEGPictureWithoutEndDoesNotFillTheMemory(t *testing.T) {
	for _, filler := range []string{"x", "\xff", "\xff\x00", "\xff\xd0"} {
		endless := io.MultiReader(strings.NewReader("\xff\xd8\xff\xda\x00\x02"), &repeat{s: filler})
		m := newMJPEGReader(endless)
		m.max = 1 << 20
		if _, err := m.next(); err == nil || !strings.Contains(err.Error(), "no end") {
			t.Errorf("%q: %v", filler, err)
		}
	}
}

// repeat reads as s without end.
type repeat struct{ s string }

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.s)
	for n < len(p) && n > 0 {
		n += copy(p[n:], p[:n/len(r.s)*len(r.s)])
	}
	return len(p) / len(r.s) * len(r.s), nil
}

func FuzzMJPEG(f *testing.F) {
	b := testdata(f, "small.mjpeg")
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Add(append([]byte("\xff\xd8\xff\xe1\x00\x08ab"), b...))
	f.Fuzz(func(t *testing.T, in []byte) {
		pics, err := split(bytes.NewReader(in))
		if err != nil {
			t.Fatalf("reading bytes from memory: %v", err)
		}
		total := 0
		for _, p := range pics {
			total += len(p)
			if !isJPEG([]byte(p)) {
				t.Errorf("a picture begins with % x", p[:min(4, len(p))])
			}
		}
		if total > len(in) {
			t.Errorf("%d bytes of pictures from %d", total, len(in))
		}
	})
}

// chunk is a RIFF chunk; list one with a kind.
func chunk(id, body string) string {
	n := len(body)
	s := id + string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}) + body
	return s + strings.Repeat("\x00", n&1)
}

func list(kind string, body ...string) string {
	return chunk("LIST", kind+strings.Join(body, ""))
}

// aviHeader is the list "hdrl" of an AVI with a sound stream and a video stream at 25/2 pictures per second.
func aviHeader(codec string) string {
	avih := "\x80\x38\x01\x00" + strings.Repeat("\x00", 52) // 80000 us
	sound := list("strl", chunk("strh", "auds"+strings.Repeat("\x00", 52)), chunk("strf", strings.Repeat("\x00", 18)))
	strh := "vids" + codec + strings.Repeat("\x00", 12) + "\x02\x00\x00\x00\x19\x00\x00\x00" + strings.Repeat("\x00", 28)
	strf := "\x28\x00\x00\x00\x40\x00\x00\x00\x30\x00\x00\x00\x01\x00\x18\x00" + codec + strings.Repeat("\x00", 20)
	return list("hdrl", chunk("avih", avih), sound, list("strl", chunk("strh", strh), chunk("JUNK", "odd"), chunk("strf", strf)))
}

func aviPictures(in io.Reader) (a *aviReader, pics []string, err error) {
	if a, err = newAVIReader(in); err != nil {
		return nil, nil, err
	}
	for {
		b, err := a.next()
		if err == io.EOF {
			return a, pics, nil
		}
		if err != nil {
			return a, pics, err
		}
		pics = append(pics, string(b))
	}
}

func TestAVIYieldsThePicturesOfItsVideoStream(t *testing.T) {
	file := chunk("RIFF", "AVI "+list("INFO", chunk("ISFT", "a writer"))+aviHeader("MJPG")+chunk("JUNK", "padding")+
		list("movi", chunk("00wb", "sound"), chunk("01dc", "one"), list("rec ", chunk("01dc", "two!"), chunk("ix01", "index")), chunk("01dc", ""))+
		chunk("idx1", strings.Repeat("x", 64))) +
		chunk("RIFF", "AVIX"+list("movi", chunk("01db", "four")))
	a, got, err := aviPictures(iotest.HalfReader(strings.NewReader(file)))
	if err != nil || strings.Join(got, "|") != "one|two!||four" {
		t.Errorf("got %q, %v", got, err)
	}
	if a.format.String() != "MJPG 64x48 12.5 fps" {
		t.Errorf("format %v", a.format)
	}
}

func TestAVIWithoutMotionJPEGIsLeftToFFmpeg(t *testing.T) {
	for _, hdrl := range []string{aviHeader("H264"), list("hdrl")} {
		file := chunk("RIFF", "AVI "+hdrl+list("movi"))
		if _, err := newAVIReader(strings.NewReader(file)); !errors.Is(err, errNotMJPEG) {
			t.Errorf("got %v", err)
		}
	}
}

func TestHostileAVIHeadersAreRefused(t *testing.T) {
	tests := []struct{ name, in string }{
		{"not RIFF", "JUNK\x04\x00\x00\x00abcd"},
		{"WAVE", chunk("RIFF", "WAVEfmt ")},
		{"short stream header", chunk("RIFF", "AVI "+list("hdrl", list("strl", chunk("strh", "vidsMJPG"))))},
		{"no pictures", chunk("RIFF", "AVI "+aviHeader("MJPG"))},
		{"chunk beyond the end", "RIFF\xff\xff\xff\xffAVI JUNK\xff\xff\xff\xff"},
	}
	for _, tt := range tests {
		if _, err := newAVIReader(strings.NewReader(tt.in)); err == nil {
			t.Errorf("%s: taken", tt.name)
		}
	}
	huge := chunk("RIFF", "AVI "+aviHeader("MJPG")+"LIST\x00\x00\x00\x00movi01dc\xff\xff\xff\x7f")
	if _, pics, err := aviPictures(strings.NewReader(huge)); err == nil || len(pics) != 0 {
		t.Errorf("a picture of 2 GiB: %v", err)
	}
}

func FuzzAVI(f *testing.F) {
	b := testdata(f, "small.avi")
	f.Add(b)
	f.Add(b[:len(b)*2/3])
	f.Add([]byte(chunk("RIFF", "AVI "+aviHeader("MJPG")+list("movi", chunk("01dc", "one"), chunk("01dc", "")))))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, pics, err := aviPictures(bytes.NewReader(in))
		if err != nil {
			return
		}
		total := 0
		for _, p := range pics {
			total += len(p)
		}
		if total > len(in) {
			t.Errorf("%d bytes of pictures from %d", total, len(in))
		}
		if r := a.format.Rate; r != 0 && !(r >= 0.1 && r <= 240) {
			t.Errorf("rate %v", r)
		}
	})
}

func TestY4MHeader(t *testing.T) {
	tests := []struct {
		in   string
		want video.Format
		err  string
	}{
		{in: "YUV4MPEG2 W640 H480 F15:1 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL", want: video.Format{FourCC: video.YU12, Width: 640, Height: 480, Stride: 640, Rate: 15, FullRange: true}},
		{in: "YUV4MPEG2 W7 H5 F30000:1001", want: video.Format{FourCC: video.YU12, Width: 7, Height: 5, Stride: 7, Rate: 30000. / 1001}},
		{in: "", err: "not YUV4MPEG2"},
		{in: "YUV4MPEG2 W640 H480", err: "give the rate as ?fps=15"},
		{in: "YUV4MPEG2 W640 H480 F90000:1", err: "give the rate as ?fps=15"},
		{in: "YUV4MPEG2 W640 H480 F0:0", err: "give the rate as ?fps=15"},
		{in: "YUV4MPEG2 W99999999 H480 F15:1", err: "99999999x480"},
		{in: "YUV4MPEG2 W-4 H480 F15:1", err: "unusual"},
	}
	for _, tt := range tests {
		got, err := parseY4M(tt.in)
		if tt.err == "" && (err != nil || got != tt.want) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: got %+v, %v", tt.in, got, err)
		}
	}
}

func FuzzY4MHeader(f *testing.F) {
	f.Add("YUV4MPEG2 W640 H480 F15:1 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL")
	f.Add("YUV4MPEG2 W H F: X")
	f.Fuzz(func(t *testing.T, in string) {
		form, err := parseY4M(in)
		if err != nil {
			return
		}
		if n, err := form.RawSize(); err != nil || n <= 0 {
			t.Errorf("%q: %v is taken, but its size is %d, %v", in, form, n, err)
		}
	})
}
