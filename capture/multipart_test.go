package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// pictures are those of the scene as ffmpeg codes them, and three of its first as cjpeg does: with restart markers,
// progressive, and grey.
var pictures = sync.OnceValue(func() (pics []string) {
	dir, err := os.MkdirTemp("", "pictures")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuvj420p", "-s", fmt.Sprintf("%dx%d", testWidth, testHeight),
		"-r", "10", "-i", "-", "-c:v", "mjpeg", "-q:v", "4", "-f", "mjpeg", "-")
	cmd.Stdin = bytes.NewReader(scene())
	out, err := cmd.Output()
	if err != nil {
		panic(err)
	}
	if pics, err = split(bytes.NewReader(out)); err != nil {
		panic(err)
	}
	grey := append(fmt.Appendf(nil, "P5 %d %d 255\n", testWidth, testHeight), scene()[:testWidth*testHeight]...)
	for _, args := range [][]string{{"-restart", "1"}, {"-progressive"}, {"-optimize"}} {
		cmd := exec.Command("cjpeg", append(args, "-quality", "85")...)
		cmd.Stdin = bytes.NewReader(grey)
		b, err := cmd.Output()
		if err != nil {
			panic(err)
		}
		pics = append(pics, string(b))
	}
	return pics
})

// parts reads a stream to its end.
func parts(in io.Reader, contentType string) (pics []string, bad int, err error) {
	p := newPartReader(in, boundaryOf(contentType))
	for {
		b, err := p.next()
		switch {
		case errors.Is(err, errBadPicture):
			bad++
		case err != nil:
			return pics, bad, err
		default:
			pics = append(pics, string(b))
		}
	}
}

const mixed = "multipart/x-mixed-replace"

// quirks are ways in which cameras write their streams: from the makers' manuals and from reports to other projects.
// %d is the picture's length.
var quirks = []struct {
	name        string
	contentType string
	before      string // the first part
	head        string // each picture
	after       string // each picture
}{
	{"as RFC 2046 says", mixed + "; boundary=x-1", "", "--x-1\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n"},
	{"camward's own /stream.mjpeg", mixed + "; boundary=camward-picture", "", "--camward-picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n"},
	// Axis 250S manual, 5.2.7; the length is optional there.
	{"Axis", mixed + ";boundary=myboundary", "", "--myboundary\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n"},
	{"Axis without length", mixed + ";boundary=myboundary", "", "--myboundary\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
	// Axis 250S manual, "progress": parts of text between pictures.
	{"text parts between", mixed + ";boundary=myboundary", "--myboundary\r\nContent-Type: text/plain\r\n\r\nsearchsourceframe=1\r\n",
		"--myboundary\r\nContent-Type: text/xml\r\nContent-Length: 6\r\n\r\n<a>\xff\xd8\xff\r\n--myboundary\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n"},
	// Sony SNC-EB640 (scottlamb/multipart-stream-rs pull 2), Panasonic HE40 (janakj/py-mjpeg pull 2).
	{"dashes within the boundary", mixed + "; boundary=--myboundary", "", "--myboundary\r\nContent-length: %d\r\nContent-type: image/jpeg\r\n\r\n", ""},
	// Panasonic BL-VT164P (legege/node-mjpeg-proxy pull 8).
	{"blank before =", mixed + ";boundary =--myboundary", "", "--myboundary\r\nContent-type: image/jpeg\r\n\r\n", "\r\n"},
	// AVTECH recorders (legege/node-mjpeg-proxy pull 1).
	{"quotes", mixed + `; boundary="abc-def"`, "", "--abc-def\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
	// D-Link and TRENDnet: blanks and trailing dashes, not quoted.
	{"D-Link", mixed + ";boundary=--video boundary--", "", "--video boundary--\r\nContent-length: %d\r\nDate: 11-17-2016 04:03:05 PM IO_00000000_PT_005_000\r\nContent-type: image/jpeg\r\n\r\n", "\r\n\r\n"},
	{"D-Link without length", mixed + ";boundary=--video boundary--", "\r\n", "--video boundary--\r\nX-Status: 0\r\nContent-type: image/jpeg\r\n\r\n", "\r\n\r\n"},
	// Foscam FI8918 and its like, videostream.cgi.
	{"Foscam", mixed + ";boundary=ipcamera", "--ipcamera\r\n", "Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n--ipcamera\r\n"},
	// Hikvision names its boundaries so in what ISAPI streams; multipart/mixed as well.
	{"Hikvision", `multipart/mixed; boundary=MIME_boundary`, "", "--MIME_boundary\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n"},
	// arendst/Tasmota issue 12376, yoursunny/esp32cam issue 67.
	{"no first delimiter", mixed + ";boundary=e8b8c539-047d", "", "Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n--e8b8c539-047d\r\n"},
	// roflcoopter/viseron pull 355.
	{"no line end behind the delimiter", mixed + ";boundary=--jpgboundary", "", "--jpgboundaryContent-type: image/jpeg\r\nContent-length: %d\r\n\r\n", ""},
	{"line feeds only", mixed + "; boundary=ImageSeparator", "", "--ImageSeparator\nContent-Type: image/jpeg\n\n", "\n"},
	{"no dashes at all", mixed + "; boundary=ImageSeparator", "", "ImageSeparator\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
	{"no line end before the delimiter", mixed + "; boundary=frame", "", "--frame\r\nContent-Type: image/jpeg\r\n\r\n", ""},
	{"another boundary than promised", mixed + "; boundary=BoundaryString", "", "--another\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
	{"no boundary promised", mixed, "", "--anything\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
	{"nothing but JPEGs", mixed, "", "", ""},
	{"junk between parts", mixed + "; boundary=frame", "junk\x00\xff\xd8 \xff junk\r\n", "\x00\x00\r\n\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n\r\n", "\x00\x00\x00\r\n"},
	{"length too small", mixed + "; boundary=frame", "", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\n", "\r\n"},
	{"length beyond all bounds", mixed + "; boundary=frame", "", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 99%d\r\n\r\n", "\r\n"},
	{"length absurd", mixed + "; boundary=frame", "", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: -1%d00000000\r\n\r\n", "\r\n"},
	{"length of 0", mixed + "; boundary=frame", "", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 0\r\n\r\n", "\r\n"},
	{"doubled delimiters", mixed + "; boundary=frame", "", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", "\r\n--frame\r\n\r\n"},
	{"one letter as boundary", mixed + "; boundary=x", "", "--x\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"},
}

// written is a stream of pics in the way of quirk i.
func written(i int, pics []string) string {
	q := quirks[i]
	var b strings.Builder
	b.WriteString(q.before)
	for _, pic := range pics {
		if strings.Contains(q.head, "%d") {
			fmt.Fprintf(&b, q.head, len(pic))
		} else {
			b.WriteString(q.head)
		}
		b.WriteString(pic)
		b.WriteString(q.after)
	}
	return b.String()
}

func TestPicturesComeOutOfEveryMakersStreamByteForByte(t *testing.T) {
	for i, q := range quirks {
		t.Run(q.name, func(t *testing.T) {
			want := pictures()
			for _, reader := range []struct {
				name string
				of   func(io.Reader) io.Reader
			}{
				{"at once", func(r io.Reader) io.Reader { return r }},
				{"in small reads", func(r io.Reader) io.Reader { return &chopped{r: r} }},
				{"the end with the last bytes", iotest.DataErrReader},
			} {
				got, bad, err := parts(reader.of(strings.NewReader(written(i, want))), q.contentType)
				if !errors.Is(err, io.EOF) || bad != 0 || len(got) != len(want) {
					t.Fatalf("%s: %d pictures, %d bad, %v; want %d", reader.name, len(got), bad, err, len(want))
				}
				for n := range want {
					if got[n] != want[n] {
						t.Errorf("%s: picture %d: %d bytes, want %d", reader.name, n, len(got[n]), len(want[n]))
					}
				}
			}
		})
	}
}

// chopped gives its bytes in reads of 1 to 1000 bytes.
type chopped struct {
	r io.Reader
	n int
}

func (c *chopped) Read(b []byte) (int, error) {
	c.n = (c.n*7 + 1) % 1000
	return c.r.Read(b[:min(len(b), c.n+1)])
}

func TestALengthThatIsTooLargeCostsNoPicture(t *testing.T) {
	want := pictures()[:3]
	var s strings.Builder
	for n, pic := range want {
		fmt.Fprintf(&s, "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", len(pic)+[]int{100, 3000, 0}[n], pic)
	}
	got, bad, err := parts(strings.NewReader(s.String()), mixed+";boundary=frame")
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || bad != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d pictures, %d bad, %v", len(got), bad, err)
	}
}

// A picture that lacks its end is given as far as it goes, and does not take the next one with it.
func TestABrokenPictureEndsAtItsDelimiter(t *testing.T) {
	pic := pictures()[0]
	short := pic[:len(pic)/2]
	for i, q := range quirks {
		switch q.name {
		case "length beyond all bounds", "no line end before the delimiter", "no line end behind the delimiter", "dashes within the boundary", "nothing but JPEGs",
			"no boundary promised", "another boundary than promised", "one letter as boundary", "junk between parts":
			continue // nothing tells its end
		}
		got, _, err := parts(strings.NewReader(written(i, []string{pic, short, pic})), q.contentType)
		if len(got) != 3 || got[0] != pic || strings.TrimRight(got[1], "\r\n") != short || got[2] != pic || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %d pictures, %v", q.name, len(got), err)
		}
	}
}

func TestAPartWithoutAPictureIsCounted(t *testing.T) {
	pic := pictures()[0]
	in := "--b\r\nContent-Type: image/jpeg\r\nContent-Length: 0\r\n\r\n\r\n--b\r\nContent-Type: image/jpeg\r\n\r\nno picture\r\n" +
		"--b\r\nContent-Type: image/jpeg\r\n\r\n" + pic + "\r\n--b--\r\n"
	got, bad, err := parts(strings.NewReader(in), mixed+";boundary=b")
	if len(got) != 1 || got[0] != pic || bad != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("%d pictures, %d bad, %v; want 1 and 2", len(got), bad, err)
	}
}

func TestAStreamCutWithinAPictureSaysSoAndGivesNoHalf(t *testing.T) {
	pic := pictures()[0]
	for _, length := range []string{"", fmt.Sprintf("Content-Length: %d\r\n", len(pic))} {
		in := "--b\r\nContent-Type: image/jpeg\r\n" + length + "\r\n" + pic[:len(pic)/2]
		if got, _, err := parts(strings.NewReader(in), mixed+";boundary=b"); len(got) != 0 || !errors.Is(err, errCut) {
			t.Errorf("%q: %d pictures, %v, want %v", length, len(got), err, errCut)
		}
	}
}

func TestAHostileStreamDoesNotFillTheMemory(t *testing.T) {
	pic := pictures()[0]
	tests := []struct {
		name, start, endless string
		want                 error
	}{
		{"a picture without end", "--b\r\n\r\n" + pic[:len(pic)/2], "\x12\x34\x00", errHuge},
		{"a picture of fill bytes", "--b\r\n\r\n" + pic[:len(pic)/2], "\xff", errHuge},
		{"a picture of segments", "\xff\xd8", "\xff\xe0\x00\x02", errHuge},
		{"a picture of boundaries", "--b\r\n\r\n" + pic[:len(pic)/2], "bb", errHuge},
		{"a picture of dashes", "--b\r\n\r\n" + pic[:len(pic)/2], "--b-----------", errHuge},
		{"a line without end", "", "x", errNoPicture},
		{"empty lines", "--b\r\n", "\r\n", errNoPicture},
		{"delimiters", "", "--b\r\n", errNoPicture},
		{"parts of something else", "", "--b\r\nContent-Type: audio/basic\r\nContent-Length: 3\r\n\r\nabc\r\n", errNoPicture},
		{"one large part of something else", "", "--b\r\nContent-Type: audio/basic\r\nContent-Length: 999999999\r\n\r\nabc\r\n", errNoPicture},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPartReader(io.MultiReader(strings.NewReader(tt.start), &repeat{s: tt.endless}), "b")
			_, err := p.next()
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if len(p.buf) > maxPart+maxGap {
				t.Errorf("the buffer has %d bytes", len(p.buf))
			}
		})
	}
}

func TestBoundaryOf(t *testing.T) {
	for in, want := range map[string]string{
		mixed:                 "",
		mixed + ";boundary=a": "a",
		mixed + `; charset=x; BOUNDARY = "a b" ; z`:      "a b",
		mixed + ";boundary=--video boundary--":           "--video boundary--",
		mixed + `;boundary="`:                            "",
		mixed + ";boundary=" + strings.Repeat("a", 1000): strings.Repeat("a", 200),
	} {
		if got := boundaryOf(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzParts(f *testing.F) {
	small, err := split(bytes.NewReader(testdata(f, "small.mjpeg")))
	if err != nil && !errors.Is(err, io.EOF) {
		f.Fatal(err)
	}
	for i, q := range quirks {
		f.Add([]byte(written(i, small)), q.contentType, uint16(i*37))
	}
	f.Fuzz(func(t *testing.T, in []byte, contentType string, chop uint16) {
		whole, bad, err := parts(bytes.NewReader(in), contentType)
		if err == nil {
			t.Fatal("no end")
		}
		total := 0
		for _, pic := range whole {
			total += len(pic)
			if !strings.HasPrefix(pic, "\xff\xd8") {
				t.Errorf("a picture begins with %x", pic[:min(len(pic), 4)])
			}
		}
		if total > len(in) || bad > len(in) {
			t.Errorf("%d bytes of pictures and %d bad ones from %d bytes", total, bad, len(in))
		}
		// Where the reads end must not matter to what has its end stated.
		if again, _, _ := parts(bytes.NewReader(in), contentType); len(again) != len(whole) {
			t.Errorf("%d pictures, then %d", len(whole), len(again))
		}
		_, _, _ = parts(&chopped{r: bytes.NewReader(in), n: int(chop)}, contentType)
	})
}
