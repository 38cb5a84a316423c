package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"camward/board"
	"camward/board/cgi"
	"camward/camio"
	"camward/internal/atomicfile"
	"camward/provision"
	"camward/video"
)

// A device is what camward's own forms and the camera's page set. It keeps the settings over a restart and makes them hold: they are stronger than the
// configuration file.
type device struct {
	agent *Agent
	file  string
	log   *zap.Logger

	changing sync.Mutex // held from a change to its end; taken before mu

	mu   sync.Mutex
	kept kept
}

// kept is the file, with the secrets in it; it is readable by its owner alone.
type kept struct {
	Period *keptPeriod     `json:"period,omitempty"`
	NTP    *cgi.NTP        `json:"ntp,omitempty"`
	FTP    *keptFTP        `json:"ftp_alarm,omitempty"`
	HTTP   *keptHTTP       `json:"http_alarm,omitempty"`
	Zones  *cgi.Zones      `json:"zones,omitempty"`
	Made   map[string]made `json:"made"` // by form

	// What the camera's own page sets, by the camera's name. The maps are never changed, only replaced.
	Detection map[string]keptDetection    `json:"detection,omitempty"`
	Controls  map[string]map[string]int32 `json:"controls,omitempty"` // by control
	Privacy   map[string][]video.Polygon  `json:"privacy,omitempty"`  // empty: nothing is hidden, whatever the configuration says
}

// made says who made a setting, and when by this device's clock.
type made struct {
	By string    `json:"by"` // byCloud, or the address of who sent the form
	At time.Time `json:"at"`
}

const byCloud = "cloud"

type keptPeriod struct {
	cgi.Period
	Secret string
}

type keptFTP struct {
	cgi.FTPAlarm
	SecretUser, SecretPassword string
}

type keptHTTP struct {
	Enabled    bool
	Mode       camio.UploadMode
	Base       string
	SecretUser string
	Camera     string
}

// settingsFile is the file's name in the state directory.
const settingsFile = "settings.json"

func newDevice(a *Agent) *device {
	return &device{agent: a, file: filepath.Join(a.cfg.StateDir, settingsFile), log: a.log.Named("device")}
}

// load reads what was set before and makes it hold. What cannot hold any more is left out and said: a slip must not keep the
// camera from recording. If the file is lost, the cloud's commands are applied anew, or a claimed camera would have no upload token.
func (d *device) load(ctx context.Context) {
	b, err := os.ReadFile(d.file)
	absent := errors.Is(err, fs.ErrNotExist)
	if absent {
		b, err = []byte("{}"), nil
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if (absent || err != nil) && d.agent.vendor.own {
		d.agent.poller.Reapply()
	}
	if err != nil {
		d.log.Error("the settings made by forms are unreadable; those of the configuration hold", zap.String("file", d.file), zap.Error(err))
		k = kept{Privacy: d.rescuedPrivacy(b)}
	}
	d.mu.Lock()
	d.kept = k
	d.mu.Unlock()
	for _, s := range k.settings() {
		err := d.enforce(ctx, s)
		if p, ok := s.(cgi.Period); ok && err == nil && d.agent.vendor.own && k.Made[formOf(s)].By == byCloud && !d.agent.poller.Knows() {
			// Whether this address was ever reached is not known any more, and nothing would take it back.
			err = d.agent.pollAs(p, d.agent.cloud)
		}
		if err != nil {
			d.log.Error("a setting made by a form does not hold any more", zap.String("form", formOf(s)), zap.Error(err))
		}
	}
	d.loadPage(k)
}

// settings lists what was set.
func (k kept) settings() (list []cgi.Setting) {
	if k.Period != nil {
		p := k.Period.Period
		p.Password = camio.Secret(k.Period.Secret)
		list = append(list, p)
	}
	if k.NTP != nil {
		list = append(list, *k.NTP)
	}
	if k.FTP != nil {
		list = append(list, k.ftp())
	}
	if k.HTTP != nil {
		list = append(list, k.http())
	}
	if k.Zones != nil {
		list = append(list, *k.Zones)
	}
	return list
}

func (k kept) ftp() (f cgi.FTPAlarm) {
	if k.FTP != nil {
		f = k.FTP.FTPAlarm
		f.User, f.Password = camio.Secret(k.FTP.SecretUser), camio.Secret(k.FTP.SecretPassword)
	}
	return f
}

func (k kept) http() (h cgi.HTTPAlarm) {
	if k.HTTP != nil {
		h = cgi.HTTPAlarm{Enabled: k.HTTP.Enabled, Mode: k.HTTP.Mode, Token: camio.Secret(k.HTTP.SecretUser), Camera: k.HTTP.Camera}
		h.Base, _ = url.Parse(k.HTTP.Base)
	}
	return h
}

// put replaces the setting of s's type; nil-safe for every type there is.
func (k *kept) put(s cgi.Setting) {
	switch s := s.(type) {
	case cgi.Period:
		k.Period = &keptPeriod{s, s.Password.Reveal()}
	case cgi.NTP:
		k.NTP = &s
	case cgi.FTPAlarm:
		k.FTP = &keptFTP{s, s.User.Reveal(), s.Password.Reveal()}
	case cgi.HTTPAlarm:
		k.HTTP = &keptHTTP{s.Enabled, s.Mode, "", s.Token.Reveal(), s.Camera}
		if s.Base != nil {
			k.HTTP.Base = s.Base.String()
		}
	case cgi.Zones:
		k.Zones = &s
	}
}

// formOf names the form of a setting.
func formOf(s cgi.Setting) string {
	switch s.(type) {
	case cgi.Period:
		return "setHttpPeriodSending"
	case cgi.NTP:
		return "setNtp"
	case cgi.FTPAlarm:
		return "setFtpAlarmSending"
	case cgi.HTTPAlarm:
		return "setHttpAlarmSending"
	default:
		return "setMotionZones"
	}
}

// Apply implements cgi.Device.
func (d *device) Apply(ctx context.Context, s cgi.Setting) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.mu.Lock()
	before := d.kept
	if z, ok := s.(cgi.Zones); ok {
		d.maskedAnew(z)
	}
	d.kept.put(s)
	d.mu.Unlock()
	err := d.enforce(ctx, s)
	if err == nil {
		err = d.save(formOf(s), cgi.Sender(ctx))
	}
	if err == nil {
		return nil
	}
	d.mu.Lock()
	d.kept = before
	d.mu.Unlock()
	for _, old := range before.settings() {
		if formOf(old) == formOf(s) {
			return errors.Join(err, d.enforce(ctx, old))
		}
	}
	return errors.Join(err, d.revert(ctx, s))
}

// madeBy tells who made a form's setting; empty if nobody did.
func (d *device) madeBy(form string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept.Made[form].By
}

// reset forgets a setting, so that the configuration's holds again.
func (d *device) reset(form string) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.mu.Lock()
	var was cgi.Setting
	for _, s := range d.kept.settings() {
		if formOf(s) == form {
			was = s
		}
	}
	switch form {
	case "setHttpPeriodSending":
		d.kept.Period = nil
	case "setFtpAlarmSending":
		d.kept.FTP = nil
	case "setHttpAlarmSending":
		d.kept.HTTP = nil
	}
	d.mu.Unlock()
	if was == nil {
		return nil
	}
	return errors.Join(d.revert(context.Background(), was), d.save(form, ""))
}

// save keeps the settings.
func (d *device) save(form, sender string) error {
	if sender == "" {
		sender = byCloud
	}
	d.mu.Lock()
	all := map[string]made{form: {sender, time.Now().UTC()}}
	for f, m := range d.kept.Made {
		if f != form {
			all[f] = m
		}
	}
	d.kept.Made = all
	b, err := json.MarshalIndent(d.kept, "", "  ")
	d.mu.Unlock()
	if err == nil {
		err = os.MkdirAll(d.agent.cfg.StateDir, 0o700)
	}
	if err == nil {
		err = atomicfile.Write(d.file, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the setting: %w", err)
	}
	return nil
}

// Settings implements cgi.Device.
func (d *device) Settings() (all cgi.Settings) {
	d.mu.Lock()
	k := d.kept
	d.mu.Unlock()
	all.Period = cgi.Period{Enabled: true, URL: d.agent.cfg.Cloud.URL + "/api/cameras/$(hwaddr)", Every: d.agent.cfg.Cloud.Poll.Period}
	for _, s := range k.settings() {
		switch s := s.(type) {
		case cgi.Period:
			all.Period = s
		case cgi.NTP:
			all.NTP = s
		case cgi.FTPAlarm:
			all.FTPAlarm = s
		case cgi.HTTPAlarm:
			all.HTTPAlarm = s
		case cgi.Zones:
			all.Zones = s
		}
	}
	id := d.agent.id
	all.Info = cgi.Info{MAC: id.MAC, Maker: id.Maker, Model: id.Model, Serial: id.Serial, Firmware: id.Firmware, Camera: all.HTTPAlarm.Camera}
	if ip := board.LocalAddress(d.agent.base.Hostname()); ip != nil {
		all.Info.LocalIP = ip.String()
	}
	return all
}

// A SettingStatus is one setting that a form made, for /api/status. It holds no secret.
type SettingStatus struct {
	Form  string    `json:"form"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
	Value string    `json:"value"`
}

// status lists who set what.
func (d *device) status() []SettingStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := []SettingStatus{}
	for _, s := range d.kept.settings() {
		m := d.kept.Made[formOf(s)]
		list = append(list, SettingStatus{formOf(s), m.By, m.At, summary(s)})
	}
	return append(list, d.kept.pageStatus()...)
}

// summary tells a setting in a few words without its secrets.
func summary(s cgi.Setting) string {
	switch s := s.(type) {
	case cgi.Period:
		return fmt.Sprintf("enabled %v, %s every %v", s.Enabled, provision.Mask(s.URL), s.Every)
	case cgi.NTP:
		return fmt.Sprintf("enabled %v, %s", s.Enabled, s.Server)
	case cgi.FTPAlarm:
		return fmt.Sprintf("enabled %v, ftp://%s:%d/%s", s.Enabled, s.Server, s.Port, s.RemotePath)
	case cgi.HTTPAlarm:
		return fmt.Sprintf("enabled %v, %v, camera %s", s.Enabled, s.Base, s.Camera)
	case cgi.Zones:
		return fmt.Sprintf("%d zones", len(s.Zones))
	}
	return ""
}
