package agent

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"camward/board"
	"camward/board/cgi"
	"camward/camio"
	"camward/camio/profile"
	"camward/provision"
	"camward/uploader/ftpstore"
)

// vendor is the firmware that commands are for: camward's own forms, or the board's CGI.
type vendor struct {
	*board.Firmware
	own bool // camward's own
}

// Apply implements provision.Firmware.
func (v vendor) Apply(ctx context.Context, c camio.Command) (status int, body []byte, err error) {
	a, err := v.Firmware.Apply(ctx, c)
	return a.Status, a.Body, err
}

// ownMaker is the dialect that camward itself speaks.
const ownMaker = "camward"

// dialect is camward's own if there is no other firmware, else that of the maker.
func dialect(cfg BoardConfig, id board.Identity) (*profile.Profile, error) {
	set := profile.Builtin()
	if cfg.Profiles != "" {
		b, err := os.ReadFile(cfg.Profiles)
		if err != nil {
			return nil, fmt.Errorf("board.profiles: %w", err)
		}
		if set, err = set.Extend(filepath.Base(cfg.Profiles), b); err != nil {
			return nil, fmt.Errorf("board.profiles: %w", err)
		}
	}
	maker := id.Maker
	if cfg.Firmware.Address == "" {
		maker = ownMaker
	}
	p, ok := set.Find(maker, id.Model, id.Firmware)
	if !ok {
		return nil, fmt.Errorf("board.maker: there is no profile for %q; known are %s (board.profiles adds others)", maker, strings.Join(set.Makers(), ", "))
	}
	return p, nil
}

// newVendor reaches the firmware that commands are for.
func newVendor(cfg BoardConfig, id board.Identity, own http.Handler) (vendor, error) {
	p, err := dialect(cfg, id)
	if err != nil {
		return vendor{}, err
	}
	var rt http.RoundTripper
	if cfg.Firmware.Address == "" {
		rt = cgi.Transport(own)
	}
	f, err := board.NewFirmware(cfg.Firmware, p, rt)
	return vendor{f, cfg.Firmware.Address == ""}, err
}

// boardSource as a camera's source means what the vendor's firmware shows.
const boardSource = "board:"

// boardPictures puts the vendor's own stream or snapshot in the place of such a source.
func (a *Agent) boardPictures(c *CameraConfig) error {
	if c.Source != boardSource {
		return nil
	}
	p, err := dialect(a.cfg.Board, a.id)
	if err != nil {
		return err
	}
	pictures, err := a.cfg.Board.Firmware.Pictures(p)
	if err != nil {
		return fmt.Errorf("source: %s: %w", boardSource, err)
	}
	c.Source, c.User, c.Password, c.CAFile = pictures.URL, pictures.User, pictures.Password, pictures.CAFile
	return nil
}

// Confirm implements provision.Confirmer: it reaches the server that a command, just applied, points to, from where this device is.
func (a *Agent) Confirm(ctx context.Context, c camio.Command) error {
	t, ok := a.vendor.Target(c)
	if !ok {
		return provision.ErrNoTarget
	}
	switch t.Kind {
	case profile.TargetFTP:
		cfg := a.ftpTarget(t.Host, t.Port, t.User, t.Password)
		if !a.vendor.own {
			cfg.TLS = ftpstore.None // as the vendor's firmware does it
		}
		return checkFTP(ctx, cfg)
	case profile.TargetUpload:
		return a.checkUpload(ctx, t.URL)
	case profile.TargetPoll:
		if a.vendor.own {
			if !a.poller.Reached() {
				return errNotReached
			}
			return nil
		}
		return a.checkPoll(ctx, t.URL)
	}
	return provision.ErrNoTarget
}

// checkPoll polls once as the vendor's firmware will.
func (a *Agent) checkPoll(ctx context.Context, template string) error {
	bases, err := a.pollBases(cgi.Period{Enabled: true, URL: template})
	if err != nil {
		return err
	}
	cloud := &movedCloud{}
	for _, base := range bases {
		c := a.cfg.Cloud
		c.URL = base
		client, _, err := c.client()
		if err != nil {
			return err
		}
		cloud.clients = append(cloud.clients, client)
	}
	_, _, err = cloud.Poll(ctx, a.self())
	return err
}

// restore puts back what the configuration says, where a command's server was not reached and none before it was good.
func (a *Agent) restore(_ context.Context, c camio.Command) error {
	t, ok := a.vendor.Target(c)
	if !ok || !a.vendor.own {
		return provision.ErrNoTarget
	}
	switch t.Kind {
	case profile.TargetPoll:
		return a.device.reset("setHttpPeriodSending")
	case profile.TargetFTP:
		return a.device.reset("setFtpAlarmSending")
	case profile.TargetUpload:
		return a.device.reset("setHttpAlarmSending")
	}
	return provision.ErrNoTarget
}

// self is how the device presents itself to the cloud.
func (a *Agent) self() camio.Poll {
	return camio.Poll{MAC: a.id.MAC, Maker: a.id.Maker, Model: a.id.Model, LocalAddress: a.localIP()}
}

// newPoller wires the poll, the forms it may change and the firmware that its commands are for.
func (a *Agent) newPoller() error {
	client, _, err := a.cfg.Cloud.client()
	if err != nil {
		return err
	}
	a.cloud = client
	cfg := a.cfg.Cloud.Poll
	cfg.StateFile = filepath.Join(a.cfg.StateDir, "commands.json")
	a.device = newDevice(a)
	a.forms = cgi.New(a.device, a.log)
	if a.vendor, err = newVendor(a.cfg.Board, a.id, a.forms); err != nil {
		return err
	}
	a.poller, err = provision.New(cfg, provision.Deps{
		Cloud: client, Self: a.self, Seen: a.clock.Observe, Firmware: a.vendor, Confirmer: a, Restore: a.restore, Log: a.log,
	})
	return err
}

// releaseEvery is how often the agent looks whether its cloud has let it go.
const releaseEvery = 5 * time.Second

// watchRelease ends uploads that the cloud's commands began once it lists these commands no more: the camera was released, and what it
// sees is its former owner's no longer. What the configuration says holds again.
func (a *Agent) watchRelease(ctx context.Context) error {
	tick := time.NewTicker(releaseEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if err := a.endReleased(); err != nil {
				return err
			}
		}
	}
}

func (a *Agent) endReleased() error {
	st := a.poller.Status()
	if !a.vendor.own || st.Claimed || st.Error != "" || st.LastOK.IsZero() {
		return nil
	}
	forms := map[string]string{"upload": "setHttpAlarmSending", "ftpAlarm": "setFtpAlarmSending"}
	for _, c := range st.Commands {
		form, ok := forms[c.ID]
		if !ok || !c.Gone || c.State != camio.StateApplied {
			continue
		}
		a.log.Warn("the cloud has released this camera; uploads that it asked for end", zap.String("id", c.ID))
		if a.device.madeBy(form) == byCloud {
			if err := a.device.reset(form); err != nil {
				return err
			}
		}
		a.poller.Forget(c.ID)
	}
	return nil
}
