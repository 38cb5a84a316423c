package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"rsc.io/qr"

	"camward/board"
	"camward/camio"
)

// A Claim is how this device becomes an account's camera: a person opens URL, signs in and names it.
type Claim struct {
	MAC string `json:"mac"`
	URL string `json:"url"` // of the cloud's page for this device
	// Done asks once whether the cloud has claimed the device.
	Done func(context.Context) (bool, error) `json:"-"`
}

// NewClaim finds out who this device is. Done asks the running agent, or the cloud itself where no agent runs.
func NewClaim(cfg *Loaded) (*Claim, error) {
	base, err := camio.ParseBase(cfg.Cloud.URL)
	if err != nil {
		return nil, fmt.Errorf("cloud.url: %w", err)
	}
	id, err := board.Identify(cfg.Board.Config, os.DirFS("/"), board.LocalAddress(base.Hostname()))
	if err != nil {
		return nil, err
	}
	client, _, err := cfg.Cloud.client()
	if err != nil {
		return nil, err
	}
	c := &Claim{MAC: id.MAC, URL: base.String() + "/claim/" + id.MAC}
	c.Done = func(ctx context.Context) (bool, error) {
		s, err := RunningStatus(cfg)
		if err == nil {
			return s.Poll.Claimed, nil
		}
		if !errors.Is(err, ErrNotRunning) {
			return false, err
		}
		p := camio.Poll{MAC: id.MAC, Maker: id.Maker, Model: id.Model}
		if ip := board.LocalAddress(base.Hostname()); ip != nil {
			p.LocalAddress = ip.String()
		}
		reply, _, err := client.Poll(ctx, p)
		if err != nil {
			return false, err
		}
		return reply.Claimed(), nil
	}
	return c, nil
}

// QR draws text as a QR code of half blocks, two rows a line, dark on light as scanners want it.
func QR(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", fmt.Errorf("QR code: %w", err)
	}
	const quiet = 2 // modules around it; the standard wants 4, phones are content with 2
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m") // black on bright white, whatever the terminal's colours
		for x := -quiet; x < code.Size+quiet; x++ {
			switch top, bottom := code.Black(x, y), code.Black(x, y+1); {
			case top && bottom:
				b.WriteString("█")
			case top:
				b.WriteString("▀")
			case bottom:
				b.WriteString("▄")
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}
