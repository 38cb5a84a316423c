package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"camward/codec/jpeg"
	"camward/internal/transport"
	"camward/video"
)

const (
	maxAnswerHead = 16 << 10 // bytes of an answer's header
	maxErrorBody  = 16 << 10 // bytes read of an answer that is no picture, so that its connection can be used again
	maxRequests   = 8        // for one picture: redirects and challenges
	busyPause     = 500 * time.Millisecond
	paceAfter     = 500 * time.Millisecond
	judgeEvery    = 5 * time.Second
	nominalSlack  = 1.3 // a rate that is off by less is good enough for an encoder's rate control

	// After a refused password the camera is left alone, twice as long each time: cameras lock themselves up after five to
	// seven wrong passwords within half an hour.
	firstLockout   = time.Minute
	longestLockout = 16 * time.Minute
)

// patience is how long a network camera may keep us waiting.
type patience struct {
	silence time.Duration // without a byte, connecting included
	picture time.Duration // without a picture that can be used
}

var defaultPatience = patience{silence: 5 * time.Second, picture: 30 * time.Second}

// A lockout keeps a refused password from being sent again at once. Only Run touches it.
type lockout struct {
	until, pause time.Duration // CLOCK_MONOTONIC
}

func (l *lockout) refused() {
	l.pause = min(max(2*l.pause, firstLockout), longestLockout)
	l.until = video.Now() + l.pause
}

// runHTTP captures from a network camera: an MJPEG stream if it answers with one, else its snapshots.
func (c *Camera) runHTTP(ctx context.Context) error {
	if video.Now() < c.lockout.until {
		return fmt.Errorf("%s: %w", showURL(c.src.path), errPassword)
	}
	h, err := newHTTPSource(c)
	if err != nil {
		return err
	}
	defer h.rt.CloseIdleConnections()
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h.watch = newWatch(c.patience, cancel)
	defer h.watch.stop()
	h.req = h.req.WithContext(run)
	err = h.run(run)
	if cause := context.Cause(run); cause != nil && ctx.Err() == nil {
		err = cause // the deadlines' own words
	}
	if errors.Is(err, errPassword) {
		c.lockout.refused()
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		op.Source = nil // our port, another one each time, would make an old fault look new
	}
	return fmt.Errorf("%s: %w", showURL(c.src.path), err)
}

// An httpSource is one run. Its requests follow each other, so one of each thing is enough.
type httpSource struct {
	c     *Camera
	rt    *http.Transport
	req   *http.Request
	sign  signIn
	watch *watch

	buf   []byte // a snapshot
	seq   uint64
	begun bool // there was a picture
	mono  time.Duration
	pace  pace
	thin  thinner // of a stream
}

func newHTTPSource(c *Camera) (*httpSource, error) {
	u, err := parseHTTP(c.src.path)
	if err != nil {
		return nil, err
	}
	rt, err := transport.Config{CAFile: c.cfg.CAFile, Proxy: transport.Direct}.HTTP(c.patience.silence, c.patience.silence)
	if err != nil {
		return nil, err
	}
	// Cameras speak HTTP/1.1, and JPEGs do not get smaller.
	rt.ForceAttemptHTTP2, rt.HTTP2, rt.Protocols = false, nil, new(http.Protocols)
	rt.Protocols.SetHTTP1(true)
	rt.DisableCompression = true
	rt.MaxResponseHeaderBytes = maxAnswerHead
	req := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {"camward"}}}
	return &httpSource{c: c, rt: rt, req: req, sign: signIn{user: c.cfg.User, password: c.cfg.Password}}, nil
}

func (h *httpSource) run(ctx context.Context) error {
	resp, err := h.get()
	if err != nil {
		return err
	}
	said := resp.Header.Get("Content-Type")
	kind, _, _ := strings.Cut(said, ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); {
	case strings.HasPrefix(kind, "multipart/"):
		defer resp.Body.Close()
		return h.stream(resp.Body, boundaryOf(said))
	case strings.HasPrefix(kind, "image/"), kind == "application/octet-stream", kind == "":
		return h.poll(ctx, resp)
	}
	resp.Body.Close()
	return fmt.Errorf("the camera answers with %.40q, not with a JPEG or an MJPEG stream", kind)
}

// stream reads an MJPEG stream to its end.
func (h *httpSource) stream(body io.Reader, boundary string) error {
	p := newPartReader(&watched{body, h.watch}, boundary)
	for {
		b, err := p.next()
		switch {
		case errors.Is(err, errBadPicture):
			h.discard(err)
		case errors.Is(err, io.EOF):
			return errors.New("the camera ended the stream")
		case err != nil:
			return err
		case h.thin.keep(video.Now(), h.c.cfg.Rate):
			if err := h.picture(b, "MJPEG stream"); err != nil {
				return err
			}
		default:
			h.watch.seen()
		}
	}
}

// poll fetches snapshots, one after the other. resp is the answer to the first request.
func (h *httpSource) poll(ctx context.Context, resp *http.Response) error {
	interval := time.Duration(float64(time.Second) / h.c.cfg.Rate)
	for due := time.Now(); ; {
		err := h.snapshot(resp)
		if err != nil {
			return err
		}
		for {
			// What is late is not made up for: a slow camera is asked again as soon as it has answered.
			if due = due.Add(interval); time.Until(due) < 0 {
				due = time.Now()
			}
			h.watch.rest()
			if err := sleepUntil(ctx, due); err != nil {
				return err
			}
			resp, err = h.get()
			if s := (*statusError)(nil); !errors.As(err, &s) || !s.passing() {
				break
			}
			h.discard(err)
			due = time.Now().Add(busyPause)
		}
		if err != nil {
			return err
		}
	}
}

// snapshot reads and delivers one picture, and closes the answer.
func (h *httpSource) snapshot(resp *http.Response) error {
	defer resp.Body.Close()
	body := watched{resp.Body, h.watch}
	if resp.ContentLength > maxPart {
		return errHuge
	}
	if h.buf == nil {
		h.buf = make([]byte, firstRoom)
	}
	n := 0
	for {
		if n == len(h.buf) {
			if n > maxPart {
				return errHuge
			}
			h.buf = append(h.buf, make([]byte, len(h.buf))...)
		}
		got, err := body.Read(h.buf[n:])
		n += got
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return cutBy(err)
		}
	}
	if n > maxPart {
		return errHuge
	}
	b := h.buf[:n]
	if end, ok := trimEOI(b); ok {
		b = b[:end]
	} else if resp.ContentLength < 0 {
		h.discard(errCut) // where the connection's end is the picture's, nothing else tells
		return nil
	}
	if !h.begun && !isJPEG(b) {
		return fmt.Errorf("the camera answers with %.40q that is not a JPEG picture", resp.Header.Get("Content-Type"))
	}
	return h.picture(b, "snapshots")
}

// picture copies b into a frame and delivers it.
func (h *httpSource) picture(b []byte, card string) error {
	width, height, err := jpeg.Size(b)
	if err != nil {
		h.discard(err)
		return nil
	}
	h.watch.seen()
	h.mono = max(video.Now(), h.mono+time.Microsecond)
	reached := h.pace.add(h.mono)
	form := video.Format{FourCC: video.MJPEG, Width: width, Height: height, Rate: h.c.nominal.follow(h.mono, reached), FullRange: true}
	f := h.c.pool.Get(len(b))
	copy(f.Data, b)
	f.Format, f.Seq, f.Mono = form, h.seq, h.mono
	h.seq++
	if !h.begun {
		h.begun = true
		h.c.nominal.judged = h.mono // what a camera has kept back for us tells nothing about its rate
		h.c.lockout = lockout{}
		form.Rate = 0 // nobody knows yet
		h.c.granted(showURL(h.req.URL.String()), card, form)
	}
	h.c.reached(reached)
	return h.c.deliver(f)
}

func (h *httpSource) discard(why error) {
	h.seq++
	h.c.discard(why.Error())
}

// reached notes the rate at which pictures really come.
func (c *Camera) reached(rate float64) {
	c.mu.Lock()
	c.status.Format.Rate = rate
	c.mu.Unlock()
}

// A nominalRate is what frames carry as their rate: about what is reached, but steady, since an encoder begins anew with
// another. It starts as the rate asked for.
type nominalRate struct {
	rate   float64
	judged time.Duration // when it was last held against what is reached
}

// follow gives the rate for a picture of time t.
func (n *nominalRate) follow(t time.Duration, reached float64) float64 {
	if reached == 0 || t-n.judged < judgeEvery {
		return n.rate
	}
	n.judged = t
	if reached > nominalSlack*n.rate || n.rate > nominalSlack*reached {
		n.rate = reached
	}
	return n.rate
}

// A pace is the rate of the last pictures.
type pace struct {
	at [32]time.Duration
	n  int
}

// add takes a picture's time and gives the rate in pictures per second, to a tenth; 0 as long as too little was seen
// to tell.
func (p *pace) add(t time.Duration) float64 {
	p.at[p.n%len(p.at)] = t
	p.n++
	have := min(p.n, len(p.at))
	span := t - p.at[(p.n-have)%len(p.at)]
	if span < paceAfter {
		return 0
	}
	return float64(int(10*float64(have-1)/span.Seconds()+0.5)) / 10
}

// A statusError is an answer other than 200.
type statusError struct{ code int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the camera answers with status %d %s", e.code, http.StatusText(e.code))
}

// passing tells statuses of a camera that is busy.
func (e *statusError) passing() bool {
	return e.code >= 500 || e.code == http.StatusTooManyRequests || e.code == http.StatusRequestTimeout
}

// get asks for the picture and gives an answer with status 200, whose body the caller closes. It signs in where that is
// asked for and follows redirects within the same host.
func (h *httpSource) get() (*http.Response, error) {
	for range maxRequests {
		if err := h.sign.authorize(h.req); err != nil {
			return nil, err
		}
		h.watch.byte()
		resp, err := h.rt.RoundTrip(h.req)
		if err != nil {
			return nil, err
		}
		h.watch.byte()
		if resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		_, _ = io.CopyN(io.Discard, &watched{resp.Body, h.watch}, maxErrorBody)
		resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusUnauthorized:
			err = h.sign.refused(resp.Header)
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			err = h.follow(resp.Header.Get("Location"))
		default:
			err = &statusError{resp.StatusCode}
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no picture after %d redirects and challenges", maxRequests)
}

// follow takes a redirect within the source's own server, or from its http to its https.
func (h *httpSource) follow(location string) error {
	old := h.req.URL
	u, err := old.Parse(location)
	if err != nil || location == "" {
		return errors.New("the camera redirects to an address that cannot be read")
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	upgrade := old.Scheme == "http" && u.Scheme == "https"
	if !strings.EqualFold(u.Hostname(), old.Hostname()) || !upgrade && (u.Scheme != old.Scheme || u.Port() != old.Port()) {
		return fmt.Errorf("the camera redirects to %.80q, which is not the source's own server", u.Scheme+"://"+u.Host)
	}
	h.req.URL, h.req.Host = u, u.Host
	return nil
}

// A watch ends a run whose camera is silent or sends nothing of use.
type watch struct {
	patience
	bytes, pictures *time.Timer
}

func newWatch(p patience, cancel context.CancelCauseFunc) *watch {
	return &watch{
		patience: p,
		bytes:    time.AfterFunc(p.silence, func() { cancel(fmt.Errorf("nothing came for %v", p.silence)) }),
		pictures: time.AfterFunc(p.picture, func() { cancel(fmt.Errorf("no picture came for %v", p.picture)) }),
	}
}

func (w *watch) byte() { w.bytes.Reset(w.silence) }    // something came, or is waited for from now on
func (w *watch) rest() { w.bytes.Stop() }              // nothing is waited for
func (w *watch) seen() { w.pictures.Reset(w.picture) } // a picture came
func (w *watch) stop() { w.bytes.Stop(); w.pictures.Stop() }

// watched is an answer's body under a watch.
type watched struct {
	io.Reader
	watch *watch
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if n > 0 {
		w.watch.byte()
	}
	return n, err
}
