package provision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"camward/camio"
)

// world is a cloud, a firmware and the servers that commands point to, as one test wishes them.
type world struct {
	mu      sync.Mutex
	list    []camio.Command // what the cloud answers
	down    error           // the cloud's failure
	noPost  int             // the status with which the cloud refuses results; 0: it takes them
	polls   []camio.Poll
	answer  func(c camio.Command) (int, string, error) // nil: "000 Success"
	allow   func(method, path string) error            // nil: everything
	confirm func(c camio.Command) error                // nil: ErrNoTarget
	calls   []camio.Command                            // of the firmware, whatever it answered
	asked   []camio.Command                            // Confirm calls
	log     strings.Builder
}

func (w *world) Poll(_ context.Context, p camio.Poll) (*camio.PollReply, time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.polls = append(w.polls, p)
	if w.down != nil {
		return nil, time.Time{}, w.down
	}
	if w.noPost != 0 && len(p.Results) > 0 {
		return nil, time.Time{}, fmt.Errorf("poll: %w", &camio.StatusError{Status: w.noPost})
	}
	return &camio.PollReply{MACAddress: p.MAC, Commands: append([]camio.Command{}, w.list...)}, time.Time{}, nil
}

func (w *world) Apply(_ context.Context, c camio.Command) (int, []byte, error) {
	w.mu.Lock()
	w.calls = append(w.calls, c)
	answer := w.answer
	w.mu.Unlock()
	if answer == nil {
		return 200, []byte("000 Success"), nil
	}
	status, body, err := answer(c)
	return status, []byte(body), err
}

func (w *world) Allows(method, path string) error {
	if w.allow == nil {
		return nil
	}
	return w.allow(method, path)
}

func (w *world) Confirm(_ context.Context, c camio.Command) error {
	w.mu.Lock()
	w.asked = append(w.asked, c)
	confirm := w.confirm
	w.mu.Unlock()
	if confirm == nil {
		return ErrNoTarget
	}
	return confirm(c)
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// applied names the calls of the firmware in order, as id@date.
func (w *world) applied() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, c := range w.calls {
		out = append(out, c.ID+"@"+c.DateUpdated)
	}
	return strings.Join(out, " ")
}

// sent gives the calls of the firmware, pollsSeen the polls and confirms the number of Confirm calls.
func (w *world) sent() []camio.Command {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *world) pollsSeen() []camio.Poll {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.polls)
}

func (w *world) confirms() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

// told lists every result that a poll carried, as id@date state.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, p := range w.polls {
		for _, r := range p.Results {
			out = append(out, r.ID+"@"+r.DateUpdated+" "+r.State)
		}
	}
	return out
}

// logger writes JSON lines into w.log.
func (w *world) logger() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&lockedWriter{w}), zap.DebugLevel))
}

type lockedWriter struct{ w *world }

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(b)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *world) poller(t testing.TB, cfg Config) *Poller {
	t.Helper()
	p, err := New(cfg, Deps{Cloud: w, Self: self, Firmware: w, Confirmer: w, Log: w.logger()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// begin runs p until the returned function is called.
func begin(p *Poller) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx) //nolint:errcheck // always ctx's cause
	}()
	return sync.OnceFunc(func() { cancel(); <-done })
}

func stateFile(t testing.TB) Config {
	cfg := Default()
	cfg.StateFile = filepath.Join(t.TempDir(), "commands.json")
	return cfg
}

// cmd is a command whose path carries a token.
func cmd(id, date string) camio.Command {
	return camio.Command{ID: id, DateUpdated: date, Method: "GET", RegexResponse: "000 Success", IsAuthRequired: true,
		Path: "/form/" + id + "/?ENABLE=1&SERVER=" + date + ".example.com&USERNAME=token-" + id + "-" + date + "&PASSWORD=camio"}
}

func stateOf(t testing.TB, p *Poller, id string) CommandStatus {
	t.Helper()
	for _, c := range p.Status().Commands {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no command %s in %+v", id, p.Status().Commands)
	return CommandStatus{}
}

// happened lists the journal as id@date what.
func happened(p *Poller) string {
	var out []string
	for _, e := range p.Journal() {
		out = append(out, e.ID+"@"+e.DateUpdated+" "+e.What)
	}
	return strings.Join(out, ", ")
}

func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got: %s\nwant: %s", what, got, want)
	}
}

func read(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

var errUnreachable = errors.New("connection refused")
