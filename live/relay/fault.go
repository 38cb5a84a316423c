package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"camward/camio"
)

const (
	minPause = time.Second
	maxPause = time.Minute
	// slowPause is for a cloud that does not want this camera, or does not know this protocol.
	slowPause = 5 * time.Minute
	// healthy is how long a connection lasts whose end is no repetition of the fault before.
	healthy = time.Minute
)

// errMoved says that the address from which the connection was made is no longer this machine's. Nothing can come by it any
// more, and nobody would say so.
var errMoved = errors.New("the camera's address has changed")

// errProtocol says that the far end is no camward cloud.
var errProtocol = errors.New("the cloud does not speak " + camio.LiveProtocol)

// A backoff spreads connection attempts: cameras that lost their cloud together do not come back together.
type backoff struct{ failures int }

// next is the pause after a connection that lasted so long and ended so.
func (b *backoff) next(err error, lasted time.Duration) time.Duration {
	if lasted >= healthy {
		b.failures = 0
	}
	spread := min(4*time.Second<<min(b.failures, 8), maxPause-minPause)
	b.failures++
	switch {
	case errors.Is(err, errMoved):
		return rand.N(minPause) // no other camera's address changes with it
	case unwanted(err):
		return slowPause - rand.N(slowPause/5)
	}
	return minPause + rand.N(spread)
}

// unwanted reports whether the same question would get the same answer for a while.
func unwanted(err error) bool {
	var status statusError
	if errors.As(err, &status) {
		return status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
	}
	return errors.Is(err, errProtocol)
}

// readError says why nothing more can be read.
func readError(err error) error {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return fmt.Errorf("the cloud closed the connection (%d): %s", int(closed.Code), oneLine(closed.Reason))
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fmt.Errorf("the cloud sent a message of more than %d bytes", camio.MaxLiveMessage)
	case errors.Is(err, io.EOF):
		return errors.New("the connection has been cut")
	}
	return fmt.Errorf("read message: %w", err)
}

// withoutURL takes off what net/http puts around an error: method and URL.
func withoutURL(err error) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// scrub makes sure that neither err nor what it wraps shows the token: the cloud has a part in its text.
func scrub(err error, token camio.Secret) error {
	if err == nil {
		return nil
	}
	var status statusError
	if errors.As(err, &status) || errors.Is(err, errProtocol) || errors.Is(err, errMoved) || errors.Is(err, context.Canceled) {
		return err
	}
	text := err.Error()
	for _, shape := range []string{token.Reveal(), url.PathEscape(token.Reveal()), url.QueryEscape(token.Reveal())} {
		text = strings.ReplaceAll(text, shape, "***")
	}
	return errors.New(oneLine(text))
}
