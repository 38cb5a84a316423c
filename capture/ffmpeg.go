package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"camward/video"
)

// An ffmpegRecording reads a file through an ffmpeg child that decodes it to YUV4MPEG2: a
// header line with size and rate, then raw 4:2:0 pictures, each behind a FRAME line. ffmpeg repeats or leaves
// out pictures of a file with an uneven rate, so the n-th is at n/rate.
type ffmpegRecording struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	r      *bufio.Reader
	errs   *tail
	form   video.Format
	size   int           // bytes of a picture
	length time.Duration // of the recording; 0 if that is not known
	seq    uint64
	ended  bool // the child has closed its output by itself
}

// openFFmpeg starts the child; ctx's end kills it. It reads in, or the file that src names if that is nil.
func openFFmpeg(ctx context.Context, src source, size Size, in io.Reader) (*ffmpegRecording, error) {
	bin, err := exec.LookPath("ffmpeg")
	if err != nil {
		return nil, fmt.Errorf("recording %s: neither JPEGs nor an MJPEG AVI, and ffmpeg, which reads anything else, is not installed (apt-get install ffmpeg)", src.path)
	}
	input := "pipe:0"
	if in == nil {
		path, err := filepath.Abs(src.path) // a name that begins with a dash or "http:" stays a file
		if err != nil {
			return nil, fmt.Errorf("recording %s: %w", src.path, err)
		}
		input = "file:" + path
	}
	args := []string{"-nostdin", "-hide_banner", "-loglevel", "error", "-noautorotate", "-i", input, "-map", "0:v:0"}
	if src.rate > 0 {
		args = append(args, "-r", strconv.FormatFloat(src.rate, 'f', -1, 64))
	}
	if size != (Size{}) {
		args = append(args, "-s", size.String())
	}
	args = append(args, "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "pipe:1")
	ctx, cancel := context.WithCancel(ctx)
	f := &ffmpegRecording{cmd: exec.CommandContext(ctx, bin, args...), cancel: cancel, errs: &tail{}}
	f.cmd.Stdin, f.cmd.Stderr = in, f.errs
	f.cmd.WaitDelay = 2 * time.Second // a grandchild that holds the pipes cannot hold us
	out, err := f.cmd.StdoutPipe()
	if err == nil {
		err = f.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("recording %s: start ffmpeg: %w", src.path, err)
	}
	f.r = bufio.NewReaderSize(out, 64<<10)
	if err := f.header(); err != nil {
		_ = f.close() // says the same, or less
		if line := f.errs.line(); line != "" && !errors.Is(err, errOddVideo) {
			err = fmt.Errorf("not a video that ffmpeg can read (%s)", line)
		}
		return nil, fmt.Errorf("recording %s: %w", src.path, err)
	}
	return f, nil
}

var errOddVideo = errors.New("unusual video")

// header reads "YUV4MPEG2 W640 H480 F15:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL".
func (f *ffmpegRecording) header() error {
	line, err := f.r.ReadSlice('\n')
	if err != nil {
		return errors.New("ffmpeg gave no picture")
	}
	form, err := parseY4M(string(bytes.TrimSuffix(line, []byte("\n"))))
	if err != nil {
		return err
	}
	f.form = form
	f.size, err = form.RawSize()
	return err
}

// parseY4M reads the stream header of YUV4MPEG2 (mjpegtools, yuv4mpeg(5)).
func parseY4M(line string) (video.Format, error) {
	fields := strings.Fields(line)
	if len(fields) == 0 || fields[0] != "YUV4MPEG2" {
		return video.Format{}, errors.New("ffmpeg's output is not YUV4MPEG2")
	}
	form := video.Format{FourCC: video.YU12}
	for _, p := range fields[1:] {
		switch v := p[1:]; p[0] {
		case 'W':
			form.Width, _ = strconv.Atoi(v)
		case 'H':
			form.Height, _ = strconv.Atoi(v)
		case 'F':
			n, d, _ := strings.Cut(v, ":")
			num, _ := strconv.ParseFloat(n, 64)
			den, _ := strconv.ParseFloat(d, 64)
			form.Rate = num / den
		case 'X':
			form.FullRange = form.FullRange || v == "COLORRANGE=FULL"
		}
	}
	form.Stride = form.TightStride()
	if form.Width < 1 || form.Height < 1 || form.Width > 8192 || form.Height > 8192 {
		return form, fmt.Errorf("%w: %dx%d pixels", errOddVideo, form.Width, form.Height)
	}
	if !(form.Rate >= 0.1 && form.Rate <= 240) {
		return form, fmt.Errorf("%w: %.4g pictures per second; give the rate as ?fps=15", errOddVideo, form.Rate)
	}
	return form, nil
}

func (f *ffmpegRecording) format() video.Format { return f.form }

// share is how much of the recording the pictures up to the last one took.
func (f *ffmpegRecording) share() float64 {
	if f.length <= 0 {
		return -1
	}
	return min(1, float64(f.seq)/f.form.Rate/f.length.Seconds())
}

func (f *ffmpegRecording) next(pool *video.Pool) (*video.Frame, error) {
	if _, err := f.r.ReadSlice('\n'); err != nil { // "FRAME", perhaps with parameters
		f.ended = errors.Is(err, io.EOF)
		return nil, err
	}
	fr := pool.Get(f.size)
	if _, err := io.ReadFull(f.r, fr.Data); err != nil {
		fr.Release()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		f.ended = errors.Is(err, io.EOF)
		return nil, err
	}
	fr.Format, fr.Seq = f.form, f.seq
	fr.Mono = time.Duration(float64(f.seq) / f.form.Rate * float64(time.Second))
	f.seq++
	return fr, nil
}

// close kills the child unless it has ended, and reaps it. An ffmpeg that ended by itself with a
// failure is reported with its last words.
func (f *ffmpegRecording) close() error {
	if !f.ended {
		f.cancel()
	}
	err := f.cmd.Wait()
	f.cancel()
	if err != nil && f.ended {
		return fmt.Errorf("ffmpeg: %v: %s", err, f.errs.line())
	}
	return nil
}

// A tail keeps the last bytes written to it.
type tail struct{ b []byte }

// tailKept is a few of ffmpeg's lines.
const tailKept = 1024

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p[max(0, len(p)-tailKept):]...)
	t.b = t.b[max(0, len(t.b)-tailKept):]
	return len(p), nil
}

// line is the last line that says something. It may be read once the child has been waited for.
func (t *tail) line() string {
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	s := lines[len(lines)-1]
	if i := strings.LastIndex(s, ": "); i >= 0 && strings.HasPrefix(s, "file:") {
		s = s[i+2:]
	}
	return strings.TrimSpace(s)
}
