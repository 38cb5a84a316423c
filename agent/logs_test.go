package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"camward/camio"
)

// A logLine is one line as the page reads it.
type logLine struct {
	Seq    uint64         `json:"seq"`
	Time   time.Time      `json:"time"`
	Level  string         `json:"level"`
	From   string         `json:"from"`
	Text   string         `json:"text"`
	Fields map[string]any `json:"fields"`
}

type logLines struct {
	Lines []logLine `json:"lines"`
	Next  uint64    `json:"next"`
}

func linesOf(t *testing.T, r *logRing, after uint64) (l logLines) {
	t.Helper()
	if err := json.Unmarshal(r.since(after), &l); err != nil {
		t.Fatalf("%v: %s", err, r.since(after))
	}
	return l
}

func TestTheLogIsKeptInMemoryBesideItsOwnWay(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	ring := newLogRing()
	log := ring.tee(zap.New(core))
	if logRingOf(log) != ring || logRingOf(log.With(zap.Int("a", 1))) != ring || logRingOf(zap.NewNop()) == ring {
		t.Error("the ring is not found")
	}
	log.Debug("not kept")
	log.Info("first")
	named := log.Named("uploader").With(zap.String("camera", "front"), zap.Any("token", camio.Secret("do not tell")))
	named.Warn("with \"quotes\"\nand lines", zap.Error(errors.New("<broken>")), zap.Duration("after", 1500*time.Millisecond), zap.Stringer("password", camio.Secret("nor this")))
	named.With(zap.Namespace("inner"), zap.Int("x", 1)).Error("deep", zap.Bool("y", true))
	got := linesOf(t, ring, 0)
	if len(got.Lines) != 3 || got.Next != 3 {
		t.Fatalf("%+v", got)
	}
	for i, want := range []logLine{
		{1, time.Time{}, "info", "agent", "first", map[string]any{}},
		{2, time.Time{}, "warn", "uploader", "with \"quotes\"\nand lines", map[string]any{"camera": "front", "token": "***", "error": "<broken>", "after": "1.5s", "password": "***"}},
		{3, time.Time{}, "error", "uploader", "deep", map[string]any{"camera": "front", "token": "***", "inner": map[string]any{"x": 1.0, "y": true}}},
	} {
		l := got.Lines[i]
		if time.Since(l.Time) > time.Minute {
			t.Errorf("line %d is of %v", i+1, l.Time)
		}
		l.Time = time.Time{}
		if fmt.Sprint(l) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %+v", l, want)
		}
	}
	if text := string(ring.since(0)); strings.Contains(text, "do not tell") || strings.Contains(text, "nor this") {
		t.Errorf("a secret in %s", text)
	}
	if logs.Len() != 2 {
		t.Errorf("the log itself has %d lines, want those from warn on", logs.Len())
	}
	if l := linesOf(t, ring, 2); len(l.Lines) != 1 || l.Lines[0].Seq != 3 || l.Next != 3 {
		t.Errorf("after line 2: %+v", l)
	}
	if l := linesOf(t, ring, 3); len(l.Lines) != 0 || l.Next != 3 {
		t.Errorf("after the last line: %+v", l)
	}
	if l := linesOf(t, ring, 99); len(l.Lines) != 3 {
		t.Errorf("after a line of an earlier process: %+v", l)
	}
	if string(newLogRing().since(5)) != `{"lines":[],"next":0}`+"\n" {
		t.Errorf("an empty ring: %s", newLogRing().since(5))
	}
}

func TestTheLogsMemoryIsBounded(t *testing.T) {
	ring := newLogRing()
	log := ring.tee(zap.NewNop())
	log.Info("huge", zap.String("x", strings.Repeat("ä", 100_000)))
	log.Info(strings.Repeat("\x00", 100_000))
	l := linesOf(t, ring, 0)
	if len(l.Lines) != 2 || l.Lines[0].Text != "huge" || l.Lines[0].Fields["cut"] != true || len(l.Lines[1].Text) > maxLogLine {
		t.Errorf("%.300v", l)
	}
	for i := range 20_000 {
		log.Info("line", zap.Int("number", i))
	}
	l = linesOf(t, ring, 0)
	if ring.kept.bytes > maxLogs || ring.kept.bytes < maxLogs*9/10 {
		t.Errorf("%d bytes", ring.kept.bytes)
	}
	last := l.Lines[len(l.Lines)-1]
	if last.Fields["number"] != 19_999.0 || last.Seq != 20_002 || l.Next != 20_002 || l.Lines[0].Seq != last.Seq-uint64(len(l.Lines))+1 {
		t.Errorf("from %+v to %+v, next %d", l.Lines[0], last, l.Next)
	}
}

func TestManyMayLogAndReadAtATime(t *testing.T) {
	ring := newLogRing()
	log := ring.tee(zap.NewNop())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			mine := log.Named("x").With(zap.Int("writer", i))
			for n := range 500 {
				mine.Info("line", zap.Int("n", n))
				if n%50 == 0 {
					ring.since(uint64(n))
				}
			}
		})
	}
	all.Wait()
	l := linesOf(t, ring, 0)
	for i, line := range l.Lines {
		if i > 0 && line.Seq != l.Lines[i-1].Seq+1 {
			t.Fatalf("line %d after %d", line.Seq, l.Lines[i-1].Seq)
		}
	}
	if l.Next != 4000 {
		t.Errorf("%d lines", l.Next)
	}
}

func TestThePageReadsTheLogFromWhereItWas(t *testing.T) {
	v := visit(t, t.TempDir(), false, "cloud.upload_token=slipped-into-the-log")
	v.a.log.Warn("the token slipped-into-the-log is wrong", zap.String("url", "http://x/slipped-into-the-log/y"))
	var first, then logLines
	v.json("GET", "/api/logs", "", &first)
	last := first.Lines[len(first.Lines)-1]
	if last.Text != "the token *** is wrong" || last.Fields["url"] != "http://x/***/y" || first.Next != last.Seq {
		t.Errorf("%+v", last)
	}
	v.a.log.Info("later")
	v.json("GET", fmt.Sprintf("/api/logs?after=%d", first.Next), "", &then)
	if len(then.Lines) != 1 || then.Lines[0].Text != "later" {
		t.Errorf("%+v", then)
	}
	for _, bad := range []string{"x", "-1", "1.5", "99999999999999999999"} {
		v.refused("GET", "/api/logs?after="+bad, "", 400)
	}
}
