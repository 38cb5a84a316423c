package board

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"camward/board/boardtest"
	"camward/camio"
	"camward/camio/profile"
)

// commandsOf are those that the cloud sends a maker's camera.
func commandsOf(t *testing.T, maker string) (*profile.Profile, []camio.Command) {
	t.Helper()
	p, ok := profile.Builtin().Find(maker, "", "")
	if !ok {
		t.Fatalf("no profile of %s", maker)
	}
	cloud, _ := url.Parse("http://cloud.example")
	commands, err := p.Commands(profile.Values{
		CloudURL: cloud, MAC: "000DF0010203", Camera: "front", UploadToken: "token1", FTPHost: "ftp.example", FTPPort: 2121, FTPPassword: "camio",
		NTPServer: "time.nist.gov", Period: 30 * time.Second, Zones: []camio.Zone{},
	})
	if err != nil || len(commands) == 0 {
		t.Fatal(commands, err)
	}
	return p, commands
}

func TestEveryMakersFirmwareDoesWhatTheCloudSays(t *testing.T) {
	for _, maker := range boardtest.Makers() {
		for offer, opts := range map[string][]boardtest.Option{
			"its own": nil, "basic": {boardtest.Basic()}, "digest": {boardtest.Digest()}, "both": {boardtest.Both()},
		} {
			t.Run(maker+" "+offer, func(t *testing.T) {
				p, commands := commandsOf(t, maker)
				b := boardtest.New(t, maker, opts...)
				f, err := NewFirmware(FirmwareConfig{Address: b.URL, User: b.User, Password: camio.Secret(b.Password)}, p, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range commands {
					a, err := f.Apply(t.Context(), c)
					if err != nil || a.Status != 200 || !regexp.MustCompile(c.RegexResponse).Match(a.Body) {
						t.Errorf("%s: %d %.300s %v", c.ID, a.Status, a.Body, err)
					}
					if strings.Contains(string(a.Body), b.Password) {
						t.Errorf("%s: the answer shows the password: %s", c.ID, a.Body)
					}
				}
				for _, c := range commands {
					s := b.Settings()
					done := map[string]bool{"ping": s.Poll && s.PollPeriod == 30*time.Second, "time": s.NTP && s.NTPServer == "time.nist.gov",
						"ftpAlarm": s.FTP && s.FTPServer == "ftp.example" && s.FTPPort == 2121 && s.FTPUser == "token1", "upload": s.Upload, "zones": s.Zones != ""}
					if ok, known := done[c.ID]; known && !ok {
						t.Errorf("%s was not done: %+v", c.ID, s)
					}
				}
				for _, r := range b.Requests() {
					if p.Auth != profile.AuthQuery && offer == "both" && strings.HasPrefix(r.Authorization, "Basic") {
						t.Errorf("Basic, though Digest was offered: %+v", r)
					}
				}
			})
		}
	}
}

func TestEveryMakersRefusalIsAnError(t *testing.T) {
	for _, maker := range boardtest.Makers() {
		p, commands := commandsOf(t, maker)
		b := boardtest.New(t, maker)
		f, err := NewFirmware(FirmwareConfig{Address: b.URL, User: b.User, Password: "wrong"}, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.Apply(t.Context(), commands[0])
		if err == nil {
			t.Errorf("%s: a wrong password is no error: %d %s", maker, a.Status, a.Body)
		}
		b.Break(true)
		f, err = NewFirmware(FirmwareConfig{Address: b.URL, User: b.User, Password: camio.Secret(b.Password)}, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := f.Apply(t.Context(), commands[0]); err == nil || !strings.Contains(err.Error(), "hangs up") {
			t.Errorf("%s: %v %v", maker, a, err)
		}
	}
}
