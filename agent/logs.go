package agent

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

const (
	maxLogs    = 256 << 10 // bytes that a ring keeps
	maxLogLine = 8 << 10   // bytes of one line; a longer one loses its fields, and its text's end
)

// A logRing keeps the newest lines of the log in memory, as JSON, for the page and the support bundle. Secrets print as *** in it as
// in every log. It is a zapcore.Core. Safe for concurrent use.
type logRing struct {
	enc  zapcore.Encoder
	kept *keptLines // shared with the cores that With makes
}

// keptLines are the lines, oldest first.
type keptLines struct {
	mu    sync.Mutex
	lines []string // each "time":..., without the opening brace
	bytes int
	next  uint64 // number of the next line; the first is 1
}

// newLogRing makes an empty ring. Whoever makes a logger tees it in: log = newLogRing().tee(log).
func newLogRing() *logRing {
	enc := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", NameKey: "from", MessageKey: "text", SkipLineEnding: true,
		EncodeTime: zapcore.TimeEncoderOfLayout(time.RFC3339Nano), EncodeLevel: zapcore.LowercaseLevelEncoder, EncodeDuration: zapcore.StringDurationEncoder,
	})
	enc.OpenNamespace("fields")
	return &logRing{enc, &keptLines{next: 1}}
}

// A ringTee is the core of a logger that writes to a ring too.
type ringTee struct {
	zapcore.Core
	ring *logRing
}

// With implements zapcore.Core.
func (t ringTee) With(f []zapcore.Field) zapcore.Core { return ringTee{t.Core.With(f), t.ring} }

// tee makes a logger that writes to the ring beside what it writes to already.
func (r *logRing) tee(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return ringTee{zapcore.NewTee(c, r), r} }))
}

// logRingOf finds the ring of a logger that tee made; without one it gives an empty ring.
func logRingOf(log *zap.Logger) *logRing {
	if t, ok := log.Core().(ringTee); ok {
		return t.ring
	}
	return newLogRing()
}

// Enabled implements zapcore.LevelEnabler: what the log's own level leaves out is kept too, but for the details of each picture.
func (r *logRing) Enabled(l zapcore.Level) bool { return l >= zapcore.InfoLevel }

// With implements zapcore.Core.
func (r *logRing) With(fields []zapcore.Field) zapcore.Core {
	enc := r.enc.Clone()
	for _, f := range fields {
		f.AddTo(enc)
	}
	return &logRing{enc, r.kept}
}

// Check implements zapcore.Core.
func (r *logRing) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if r.Enabled(e.Level) {
		return ce.AddCore(e, r)
	}
	return ce
}

// Write implements zapcore.Core.
func (r *logRing) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if e.LoggerName == "" {
		e.LoggerName = "agent"
	}
	e.Stack, e.Caller = "", zapcore.EntryCaller{}
	line, err := r.enc.EncodeEntry(e, fields)
	if err == nil && line.Len() > maxLogLine {
		line.Free()
		line, err = r.short(e)
	}
	if err != nil {
		return err
	}
	r.kept.add(string(bytes.TrimPrefix(line.Bytes(), []byte("{"))))
	line.Free()
	return nil
}

// short encodes an entry without its fields and with only the begin of its text.
func (r *logRing) short(e zapcore.Entry) (*buffer.Buffer, error) {
	if len(e.Message) > maxLogLine/8 { // escapes may take six bytes for one
		e.Message = e.Message[:maxLogLine/8] + " ..."
	}
	return newLogRing().enc.EncodeEntry(e, []zapcore.Field{zap.Bool("cut", true)})
}

// Sync implements zapcore.Core.
func (r *logRing) Sync() error { return nil }

func (k *keptLines) add(line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lines = append(k.lines, line)
	k.bytes += len(line)
	k.next++
	drop := 0
	for k.bytes > maxLogs {
		k.bytes -= len(k.lines[drop])
		k.lines[drop] = ""
		drop++
	}
	k.lines = k.lines[drop:]
}

// since gives the lines after a number as a JSON object, and where to go on: {"lines":[...],"next":SEQ}. A number that was never given
// out is one of an earlier process, and gets all.
func (r *logRing) since(after uint64) []byte {
	k := r.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	if after >= k.next {
		after = 0
	}
	first := k.next - uint64(len(k.lines)) // number of the oldest line
	b := append(make([]byte, 0, k.bytes/2), `{"lines":[`...)
	for i, line := range k.lines {
		seq := first + uint64(i)
		if seq <= after {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = append(b, `{"seq":`...)
		b = strconv.AppendUint(b, seq, 10)
		b = append(append(b, ','), line...)
	}
	b = append(b, `],"next":`...)
	b = strconv.AppendUint(b, k.next-1, 10)
	return append(b, '}', '\n')
}

// logs answers GET /api/logs?after=SEQ.
func (a *Agent) logs(ring *logRing) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after := uint64(0)
		if text := r.URL.Query().Get("after"); text != "" {
			var err error
			if after, err = strconv.ParseUint(text, 10, 64); err != nil {
				answerPage(w, http.StatusBadRequest, map[string]string{"error": "after is the number of a line"})
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, a.newMasker().json(string(ring.since(after)))) //nolint:errcheck // the page has gone
	})
}
