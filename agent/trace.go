package agent

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"camward/motion"
)

// A trace file tells how the detector came to its decisions, as lines of JSON: a header, then a line for each picture, and perhaps
// pictures as the detector saw them. Another header begins another recording. It is gzip where its name ends in .gz. docs/explain.md has every key.

// traceVersion is that of the format. Keys may be added without a new one.
const traceVersion = 1

// A TraceHeader says what the traces behind it are of. Times of traces count from its Mono.
type TraceHeader struct {
	Version  int           `json:"camward_trace"`        // set by TraceWriter
	Camera   string        `json:"camera,omitempty"`     // its configured name
	Clip     string        `json:"clip,omitempty"`       // the recording's base name; empty: pictures of a camera
	Event    string        `json:"event,omitempty"`      // as camio.Media has it; empty: all pictures, whether of an event or not
	Started  time.Time     `json:"started,omitzero"`     // wall time of time 0, if a clock was trusted
	Mono     time.Duration `json:"mono_ns"`              // stamp of time 0: a recording's first picture, or an event's first that moves
	Width    int           `json:"width"`                // of the camera's pictures, in pixels
	Height   int           `json:"height"`               //
	Cols     int           `json:"cols"`                 // of the detector's grid, in cells
	Rows     int           `json:"rows"`                 //
	Settings TraceSettings `json:"settings"`             // that held at time 0
	Thinned  int           `json:"thinned,omitempty"`    // only one of so many pictures has a trace, the one that moved most; 0: each has
	Last     float64       `json:"last_moves,omitempty"` // when an event's last picture moved, in seconds
}

// TraceSettings are the detector's, as a trace file has them.
type TraceSettings struct {
	MinArea     float64          `json:"min_area"`
	MinContrast float64          `json:"min_contrast"`
	MinDuration float64          `json:"min_duration_s"`
	Include     []motion.Polygon `json:"include,omitempty"`
	Exclude     []motion.Polygon `json:"exclude,omitempty"`
	Zones       []motion.Zone    `json:"zones,omitempty"`
}

// SettingsOf is c as a trace file has it.
func SettingsOf(c motion.Config) TraceSettings {
	return TraceSettings{c.MinArea, c.MinContrast, c.MinDuration.Seconds(), c.Include, c.Exclude, c.Zones}
}

// config is the reverse of SettingsOf. It may come from anybody, so it is not valid.
func (s TraceSettings) config() motion.Config {
	return motion.Config{Include: s.Include, Exclude: s.Exclude, Zones: s.Zones, MinArea: s.MinArea, MinContrast: s.MinContrast,
		MinDuration: time.Duration(max(0, min(s.MinDuration, 1e6)) * float64(time.Second))}
}

// A TraceWriter writes a trace file. Begin comes first. Not safe for concurrent use.
type TraceWriter struct {
	buf   *bufio.Writer
	zip   *gzip.Writer // nil: plain
	file  io.Closer    // nil: the caller's
	zero  time.Duration
	began bool
	line  []byte
}

// CreateTrace makes a trace file, or replaces one; "-" is standard output.
func CreateTrace(path string) (*TraceWriter, error) {
	if path == "-" {
		return NewTraceWriter(os.Stdout, false), nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	w := NewTraceWriter(f, strings.HasSuffix(path, ".gz"))
	w.file = f
	return w, nil
}

// NewTraceWriter writes to w, which stays the caller's.
func NewTraceWriter(w io.Writer, compress bool) *TraceWriter {
	t := &TraceWriter{}
	if compress {
		t.zip = gzip.NewWriter(w)
		w = t.zip
	}
	t.buf = bufio.NewWriter(w)
	return t
}

// Begin writes a header: what follows is of another recording or event than what was written before.
func (w *TraceWriter) Begin(h TraceHeader) error {
	h.Version, w.zero, w.began = traceVersion, h.Mono, true
	return w.json(h)
}

func (w *TraceWriter) json(v any) error {
	e := json.NewEncoder(w.buf)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Add writes the trace of one picture. It does not allocate.
func (w *TraceWriter) Add(t motion.Trace) error {
	if !w.began {
		return errors.New("trace: a trace before the header")
	}
	w.line = append(appendTrace(w.line[:0], t, w.zero), '\n')
	_, err := w.buf.Write(w.line)
	return err
}

// Picture writes a picture as the detector saw it.
func (w *TraceWriter) Picture(p *TracePicture) error {
	return w.json(map[string]any{"picture": p.wire(w.zero)})
}

// Close writes what is left. The file is complete if it returns nil.
func (w *TraceWriter) Close() error {
	err := w.buf.Flush()
	if w.zip != nil {
		err = errors.Join(err, w.zip.Close())
	}
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
	}
	return err
}

// appendTrace appends a trace as a JSON object; its time counts from zero.
func appendTrace(b []byte, t motion.Trace, zero time.Duration) []byte {
	b = strconv.AppendFloat(append(b, `{"t":`...), (t.Mono - zero).Seconds(), 'f', 3, 64)
	b = append(append(b, `,"reason":"`...), t.Reason.String()...)
	b = append(b, '"')
	if t.Scene != motion.SceneNone {
		b = append(append(append(b, `,"scene":"`...), t.Scene.String()...), '"')
	}
	for _, n := range [...]struct {
		key string
		v   uint16
	}{{`,"changed":`, t.Changed}, {`,"counted":`, t.Counted}, {`,"largest":`, t.Largest}, {`,"moved":`, t.Moved}, {`,"least":`, t.Least}} {
		b = strconv.AppendUint(append(b, n.key...), uint64(n.v), 10)
	}
	if t.Box != [4]uint8{} {
		b = append(b, `,"box":[`...)
		for i, v := range t.Box {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, math.Round(float64(v)/255*1e4)/1e4, 'g', -1, 64) // 255ths come back from it
		}
		b = append(b, ']')
	}
	for _, n := range [...]struct {
		key string
		v   float32
	}{{`,"threshold":`, t.Threshold}, {`,"gain":`, t.Gain}, {`,"evidence":`, t.Evidence}, {`,"needed":`, t.Needed}} {
		b = strconv.AppendFloat(append(b, n.key...), float64(finite(n.v)), 'g', 4, 32)
	}
	return append(b, '}')
}

// finite makes JSON of what is none.
func finite(v float32) float32 {
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return v
}

// A TracePicture is a picture as the detector saw it.
type TracePicture struct {
	Mono          time.Duration
	Width, Height int    // of Luma
	Luma          []byte // an eighth of the camera's width and height, or less
	Cols, Rows    int    // of Cells; 0: they are not known
	Cells         [64]uint64
	Boxes         []motion.Rect // around what moves and is large enough
}

// wirePicture is a TracePicture in JSON.
type wirePicture struct {
	At     float64      `json:"t"`
	Width  int          `json:"width"`
	Height int          `json:"height"`
	Luma   []byte       `json:"luma"` // lines from the top, in base64
	Cols   int          `json:"cols"`
	Rows   int          `json:"rows"`
	Cells  string       `json:"cells"` // bitmap row by row without gaps, the first cell in the highest bit, in base64
	Boxes  [][4]float64 `json:"boxes"` // left, top, right, bottom in fractions of the picture
}

func (p *TracePicture) wire(zero time.Duration) wirePicture {
	v := motion.View{Cols: p.Cols, Rows: p.Rows, Cells: p.Cells}
	w := wirePicture{At: (p.Mono - zero).Seconds(), Width: p.Width, Height: p.Height, Luma: p.Luma, Cols: p.Cols, Rows: p.Rows,
		Cells: base64.StdEncoding.EncodeToString(bitmap(&v)), Boxes: [][4]float64{}}
	for _, b := range p.Boxes {
		w.Boxes = append(w.Boxes, [4]float64{b.X0, b.Y0, b.X1, b.Y1})
	}
	return w
}

// Bounds of what is read: a trace file may come from anybody.
const (
	maxTraceLine     = 1 << 20 // bytes
	maxTraces        = 1 << 20 // in a file: 16 hours at 18 a second
	maxTracePictures = 256
	maxTraceHeaders  = 16 << 20 // bytes of all headers together: packed, they may be a thousandth of that
	maxTraceSide     = 512      // of a picture, in samples
	maxTraceTime     = 1e7      // seconds
)

// Traced are the traces of one recording or event.
type Traced struct {
	TraceHeader
	Traces   []motion.Trace
	Pictures []TracePicture
}

// ReadTraceFile reads a trace file; see ReadTraces.
func ReadTraceFile(path string) ([]Traced, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := ReadTraces(f)
	if err != nil {
		return t, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// ReadTraceHeader reads the first header of a trace file.
func ReadTraceHeader(path string) (h TraceHeader, err error) {
	f, err := os.Open(path)
	if err != nil {
		return h, err
	}
	defer f.Close()
	lines, err := traceLines(f)
	if err != nil || !lines.Scan() {
		return h, fmt.Errorf("%s: not a trace file", path)
	}
	all, err := addLine(nil, lines.Bytes(), new(int))
	if err != nil {
		return h, fmt.Errorf("%s: %w", path, err)
	}
	return all[0].TraceHeader, nil
}

// ReadTraces reads a trace file, compressed or not: what is whole of it if it is cut. The error names the first line that is none. What a later version has
// added is passed over.
func ReadTraces(r io.Reader) (all []Traced, err error) {
	lines, err := traceLines(r)
	if err != nil {
		return nil, err
	}
	n, pictures, headers := 0, 0, 0
	var broken error // of the line before, which may be where the file was cut
	for lines.Scan() {
		if broken != nil {
			return all, fmt.Errorf("line %d: %w", n, broken)
		}
		if n++; len(lines.Bytes()) == 0 {
			continue
		}
		before := len(all)
		if all, err = addLine(all, lines.Bytes(), &pictures); errors.As(err, new(*json.SyntaxError)) {
			broken = err
		} else if err != nil {
			return all, fmt.Errorf("line %d: %w", n, err)
		}
		if len(all) > before {
			headers += len(lines.Bytes())
		}
		if headers > maxTraceHeaders {
			return all, fmt.Errorf("line %d: the headers have more than %d MiB", n, maxTraceHeaders>>20)
		}
		if n > maxTraces || pictures > maxTracePictures {
			return all, fmt.Errorf("line %d: more than %d traces or %d pictures", n, maxTraces, maxTracePictures)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, io.ErrUnexpectedEOF) && len(all) > 0: // a gzip that was cut
	case err != nil:
		return all, fmt.Errorf("line %d: %w", n+1, err)
	case len(all) == 0:
		return nil, errors.New("not a trace file: it is empty")
	}
	return all, nil
}

// traceLines gives the lines of a trace file, unpacked.
func traceLines(r io.Reader) (*bufio.Scanner, error) {
	in := bufio.NewReader(r)
	if magic, _ := in.Peek(2); string(magic) == "\x1f\x8b" {
		zip, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("not a trace file: %w", err)
		}
		in = bufio.NewReader(zip)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), maxTraceLine)
	return lines, nil
}

// A traceLine is any line but a header.
type traceLine struct {
	Version   int          `json:"camward_trace"`
	At        *float64     `json:"t"`
	Reason    string       `json:"reason"`
	Scene     string       `json:"scene"`
	Changed   uint16       `json:"changed"`
	Counted   uint16       `json:"counted"`
	Largest   uint16       `json:"largest"`
	Moved     uint16       `json:"moved"`
	Least     uint16       `json:"least"`
	Box       [4]float64   `json:"box"`
	Threshold float32      `json:"threshold"`
	Gain      float32      `json:"gain"`
	Evidence  float32      `json:"evidence"`
	Needed    float32      `json:"needed"`
	Picture   *wirePicture `json:"picture"`
}

func addLine(all []Traced, b []byte, pictures *int) ([]Traced, error) {
	var l traceLine
	if err := json.Unmarshal(b, &l); err != nil {
		if len(all) == 0 {
			return all, errors.New("not a trace file")
		}
		return all, err
	}
	if l.Version != 0 {
		var t Traced
		if l.Version > traceVersion {
			return all, fmt.Errorf("the format is version %d, and this program knows %d", l.Version, traceVersion)
		}
		if err := json.Unmarshal(b, &t.TraceHeader); err != nil {
			return all, err
		}
		if t.Cols < 0 || t.Rows < 0 || t.Cols > 64 || t.Rows > 64 || t.Width < 0 || t.Height < 0 || math.Abs(t.Mono.Seconds()) > 100*maxTraceTime {
			return all, errors.New("the header is out of range")
		}
		return append(all, t), nil
	}
	if len(all) == 0 {
		return all, errors.New("not a trace file: it does not begin with a header")
	}
	t := &all[len(all)-1]
	if l.Picture != nil {
		*pictures++
		p, err := l.Picture.picture(t.Mono)
		if err == nil {
			t.Pictures = append(t.Pictures, p)
		}
		return all, err
	}
	trace, err := l.trace(t.Mono)
	if err == nil {
		t.Traces = append(t.Traces, trace)
	}
	return all, err
}

func stamp(at float64, zero time.Duration) (time.Duration, error) {
	if !(math.Abs(at) <= maxTraceTime) {
		return 0, fmt.Errorf("the time %v is out of range", at)
	}
	return zero + time.Duration(math.Round(at*1e3))*time.Millisecond, nil
}

func (l *traceLine) trace(zero time.Duration) (t motion.Trace, err error) {
	if l.At == nil {
		return t, errors.New("neither a trace nor a picture")
	}
	t = motion.Trace{Reason: motion.ParseReason(l.Reason), Scene: motion.ParseScene(l.Scene), Changed: l.Changed, Counted: l.Counted, Largest: l.Largest, Moved: l.Moved,
		Least: l.Least, Threshold: l.Threshold, Gain: l.Gain, Evidence: l.Evidence, Needed: l.Needed}
	for i, v := range l.Box {
		t.Box[i] = uint8(max(0, min(v, 1))*255 + 0.5)
	}
	t.Mono, err = stamp(*l.At, zero)
	return t, err
}

func (w *wirePicture) picture(zero time.Duration) (p TracePicture, err error) {
	if w.Width < 1 || w.Height < 1 || w.Width > maxTraceSide || w.Height > maxTraceSide || len(w.Luma) != w.Width*w.Height {
		return p, fmt.Errorf("a picture of %d x %d has %d samples", w.Width, w.Height, len(w.Luma))
	}
	cells, err := base64.StdEncoding.DecodeString(w.Cells)
	if err != nil || w.Cols < 0 || w.Rows < 0 || w.Cols > 64 || w.Rows > 64 || len(cells) != (w.Cols*w.Rows+7)/8 || len(w.Boxes) > motion.MaxBoxes {
		return p, errors.New("a picture's cells or boxes are out of range")
	}
	p = TracePicture{Width: w.Width, Height: w.Height, Luma: w.Luma, Cols: w.Cols, Rows: w.Rows}
	for i := range w.Cols * w.Rows {
		if cells[i/8]&(0x80>>(i%8)) != 0 {
			p.Cells[i/w.Cols] |= 1 << (i % w.Cols)
		}
	}
	for _, b := range w.Boxes {
		if slices.Min(b[:]) < 0 || slices.Max(b[:]) > 1 {
			return p, errors.New("a picture's boxes are out of range")
		}
		p.Boxes = append(p.Boxes, motion.Rect{X0: b[0], Y0: b[1], X1: b[2], Y1: b[3]})
	}
	p.Mono, err = stamp(w.At, zero)
	return p, err
}
