package board

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"camward/camio"
	"camward/camio/profile"
	"camward/internal/httpauth"
)

// Bounds of a call to the vendor's firmware.
const (
	callTimeout = 15 * time.Second // reading settings before they are changed included
	maxAnswer   = 64 << 10         // bytes; what follows is not read

	// After a refused password nothing that needs it is sent for a while, twice as long each time: cameras lock
	// themselves up after five to seven wrong passwords within half an hour.
	firstPause   = time.Minute
	longestPause = 16 * time.Minute
)

// ErrPassword means that the board wants a password and camward's is missing or wrong.
var ErrPassword = errors.New("the board refuses its password: set board.firmware.user and board.firmware.password")

var errSlow = fmt.Errorf("no answer within %v", callTimeout)

// Firmware is the vendor's own firmware, or what answers in its place: commands are calls of its CGI. Any goroutine may use it.
type Firmware struct {
	cfg     FirmwareConfig
	profile *profile.Profile
	rt      http.RoundTripper
	link    *link // to a board of its own; nil: rt answers within the process

	mu      sync.Mutex
	refused time.Time     // when it refused the password
	pause   time.Duration // how long to wait from then; 0: it didn't
}

// NewFirmware reads cfg.CAFile and opens nothing. With rt, calls go to rt and nowhere else, as requests to the host
// "board"; cfg.Address has to be empty then, as it has to be set otherwise. User and password of cfg count in both cases.
func NewFirmware(cfg FirmwareConfig, p *profile.Profile, rt http.RoundTripper) (*Firmware, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f := &Firmware{cfg: cfg, profile: p, rt: rt}
	if (rt == nil) == (cfg.Address == "") {
		return nil, errors.New("board.firmware.address: set it for a vendor's firmware, and only for that")
	}
	if rt != nil {
		return f, nil
	}
	var err error
	if f.link, err = newLink(cfg, p.Port); err != nil {
		return nil, err
	}
	f.rt = f.link.transport
	return f, nil
}

// An Answer is what the firmware said.
type Answer struct {
	Status int    // of HTTP; 0 if there was none
	Body   []byte // its first 64 KiB
}

// Allows tells in one line why the maker's profile does not permit a call; nil if it does.
func (f *Firmware) Allows(method, path string) error { return f.profile.Allows(method, path) }

// Target is the server that c points the device to, as the maker's profile reads it; false if there is none.
func (f *Firmware) Target(c camio.Command) (profile.Target, bool) { return f.profile.Target(c) }

// Apply makes the call that c is: its path and body go out byte for byte, only to the configured address, without following
// redirects. Where c wants authentication it goes without credentials first, then with Digest or Basic as the 401 offers, or
// with user and password as parameters where the dialect has it so. Settings that the firmware needs back as they were (profile.Merge)
// are read first and sent along.
//
// The answer is also valid beside an error, as far as there was one: then the call didn't work. A call without an error has been
// answered, with whatever status, and c.RegexResponse has not been looked for. No error and no answer shows the board's password.
// It takes at most 15 seconds. A call cut short by ctx may have worked.
func (f *Firmware) Apply(ctx context.Context, c camio.Command) (Answer, error) {
	if err := f.Allows(c.Method, c.Path); err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errSlow)
	defer cancel()
	scheme, host := "http", "board"
	if f.link != nil {
		defer f.link.transport.CloseIdleConnections()
		var err error
		if scheme, host, err = f.link.find(ctx); err != nil {
			return Answer{}, err
		}
	}
	call := call{Firmware: f, scheme: scheme, host: host}
	m, ok := f.profile.Merge(c)
	if !ok {
		return call.send(ctx, c)
	}
	c, a, err := call.merged(ctx, c, m)
	if err != nil {
		return a, err
	}
	return call.send(ctx, c)
}

// A call is one Apply.
type call struct {
	*Firmware
	scheme, host string
}

// merged reads what the firmware holds and completes c by it.
func (f call) merged(ctx context.Context, c camio.Command, m *profile.Merge) (camio.Command, Answer, error) {
	a, err := f.send(ctx, camio.Command{Method: http.MethodGet, Path: m.Read, IsAuthRequired: c.IsAuthRequired})
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("the board answers with status %d", a.Status)
	}
	if err == nil && len(a.Body) == maxAnswer {
		err = fmt.Errorf("the board answers with more than %d KiB", maxAnswer>>10)
	}
	if err == nil {
		c, err = m.Apply(c, a.Body)
	}
	if err != nil {
		return c, a, fmt.Errorf("read the settings that stay: %w", err)
	}
	return c, Answer{}, nil
}

// send makes one call with the credentials that it needs.
func (f call) send(ctx context.Context, c camio.Command) (Answer, error) {
	if c.IsAuthRequired {
		if err := f.mayTry(); err != nil {
			return Answer{}, err
		}
		if f.profile.Auth == profile.AuthQuery {
			return f.sendQuery(ctx, c)
		}
	}
	a, offers, err := f.once(ctx, c, "")
	if err != nil || a.Status != http.StatusUnauthorized {
		return a, f.judged(a, err)
	}
	if !c.IsAuthRequired {
		return a, errors.New("the board wants a password for this call, but the command says that it needs none")
	}
	if f.cfg.User == "" {
		return a, ErrPassword
	}
	for range 2 { // a nonce may have gone stale; none is used twice, since firmware exists that takes it once
		authorization, err := offers.Answer(httpauth.Request{Method: c.Method, Target: c.Path, Body: c.Body, User: f.cfg.User, Pass: f.cfg.Password.Reveal()})
		if err != nil {
			return a, err
		}
		a, offers, err = f.once(ctx, c, authorization)
		if err != nil || a.Status != http.StatusUnauthorized {
			f.accepted(err == nil)
			return a, f.judged(a, err)
		}
		if !offers.Stale() {
			break
		}
	}
	f.refuse()
	return a, ErrPassword
}

// sendQuery sends user and password as parameters behind those of the command, in its query. An answer that quotes them is masked.
func (f call) sendQuery(ctx context.Context, c camio.Command) (Answer, error) {
	join := "?"
	if strings.Contains(c.Path, "?") {
		join = "&"
	}
	password := f.profile.PasswordParam + "=" + queryEscape(f.cfg.Password.Reveal())
	c.Path += join + f.profile.UserParam + "=" + queryEscape(f.cfg.User) + "&" + password
	a, _, err := f.once(ctx, c, "")
	mask := strings.NewReplacer(password, f.profile.PasswordParam+"=***", f.profile.PasswordParam+"="+f.cfg.Password.Reveal(), f.profile.PasswordParam+"=***")
	a.Body = []byte(mask.Replace(string(a.Body)))
	if err == nil && a.Status == http.StatusUnauthorized {
		f.refuse()
		return a, ErrPassword
	}
	return a, f.judged(a, err)
}

// queryEscape leaves no "+", which some firmware takes for a space and other doesn't.
func queryEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// judged adds what makes an HTTP 200 a failure nevertheless.
func (f call) judged(a Answer, err error) error {
	if err == nil && a.Status == http.StatusOK && f.profile.Failed(a.Body) {
		return errors.New("the board answers with an error text")
	}
	return err
}

// once makes one HTTP request. offers are those of a 401.
func (f call) once(ctx context.Context, c camio.Command, authorization string) (a Answer, offers httpauth.Offers, err error) {
	r, err := request(ctx, f.scheme, f.host, c, authorization)
	if err != nil {
		return Answer{}, offers, err
	}
	if f.link == nil {
		r.RequestURI = c.Path // as a server gives it to its handlers
	}
	resp, err := f.rt.RoundTrip(r) // not an http.Client: no redirects, no cookies
	if err != nil {
		return Answer{}, offers, explain(ctx, f.host, err)
	}
	defer resp.Body.Close()
	a.Status = resp.StatusCode
	a.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // a wrong Content-Length is common
		return a, offers, explain(ctx, f.host, err)
	}
	return a, httpauth.Parse(resp.Header.Values("WWW-Authenticate")), nil
}

// mayTry refuses calls for a while after a wrong password.
func (f *Firmware) mayTry() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if left := time.Until(f.refused.Add(f.pause)); f.pause > 0 && left > 0 {
		return fmt.Errorf("%w; the next try is in %v, lest it locks itself up", ErrPassword, left.Round(time.Second))
	}
	return nil
}

func (f *Firmware) refuse() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused, f.pause = time.Now(), min(max(2*f.pause, firstPause), longestPause)
}

func (f *Firmware) accepted(ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ok {
		f.pause = 0
	}
}
