package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"camward/agent"
	"camward/board/boardtest"
	"camward/camio"
	"camward/camio/profile"
	"camward/internal/porttest"

	_ "modernc.org/sqlite"
)

const storyMAC = "000DF0010203"

// A story is one camera's life: real agent, real cloud, and a simulator of the maker's firmware that commands go to.
type story struct {
	*testing.T
	maker string
	board *boardtest.Board // nil for camward, which is its own firmware
	cloud *cloud
	dev   *device
	ftp   string // of the cloud's ingest
}

// TestStory tells each maker's: unclaimed, claimed, configured, a changed FTP server that fails and is rolled back, a revoked token, a
// restart.
func TestStory(t *testing.T) {
	for _, maker := range []string{"Sharx", "Axis", "Hikvision", "Dahua", "Foscam", "D-Link", "camward"} {
		t.Run(maker, func(t *testing.T) {
			t.Parallel()
			s := newStory(t, maker)
			s.unclaimed()
			s.claimed()
			if s.board == nil {
				s.zoned()
			}
			if slices.Contains(s.ids(true), "ftpAlarm") {
				s.rolledBack()
				s.revoked()
			}
			s.restarted()
			if s.board == nil {
				s.released()
			}
		})
	}
}

// ids are the commands that the maker's profile has for a camera.
func (s *story) ids(claimed bool) (ids []string) {
	p, ok := profile.Builtin().Find(s.maker, "", "")
	if !ok {
		s.Fatalf("no profile of %s", s.maker)
	}
	u, _ := url.Parse("http://cloud.example")
	v := profile.Values{CloudURL: u, MAC: storyMAC, Camera: "garden", FTPHost: "ftp.example", NTPServer: "time.nist.gov"}
	if claimed {
		v.UploadToken = "token"
	}
	cmds, err := p.Commands(v)
	if err != nil {
		s.Fatal(err)
	}
	for _, c := range cmds {
		ids = append(ids, c.ID)
	}
	return ids
}

func newStory(t *testing.T, maker string) *story {
	s := &story{T: t, maker: maker, ftp: porttest.Address(t)}
	s.cloud = startCloud(t, "--ftp", s.ftp, "--poll-period", "5s")
	s.dev = &device{dir: t.TempDir(), addr: porttest.Address(t)}
	s.dev.file = filepath.Join(s.dev.dir, "camward.yml")
	firmware := ""
	if maker != "camward" {
		s.board = boardtest.New(t, maker)
		firmware = fmt.Sprintf(", firmware: {address: %q, user: %q, password: %q}", s.board.URL, s.board.User, s.board.Password)
	}
	text := fmt.Sprintf("cloud: {url: %q, ftp: {tls: none}, poll: {period: 2s, confirm_within: 10s}}\ncameras:\n%s\nspool: {dir: %q}\nstate_dir: %q\nlisten: %q\nboard: {mac: %q, maker: %q%s}\n",
		s.cloud.url, early, filepath.Join(s.dev.dir, "spool"), filepath.Join(s.dev.dir, "state"), s.dev.addr, storyMAC, maker, firmware)
	if err := os.WriteFile(s.dev.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.dev.start(t, "camward")
	return s
}

// states is what became of the commands that the cloud lists now, by id.
func (s *story) states() map[string]string {
	all := map[string]string{}
	for _, c := range s.dev.status(s.T).Poll.Commands {
		if !c.Gone {
			all[c.ID] = c.State
			if c.Error != "" {
				all[c.ID] += ": " + c.Error
			}
		}
	}
	return all
}

// settled waits until the commands are in these states and no others are there.
func (s *story) settled(what string, want map[string]string) {
	s.Helper()
	eventually(s, 90*time.Second, func() error {
		got := s.states()
		if len(got) != len(want) {
			return fmt.Errorf("%s: %v, want %v", what, got, want)
		}
		for id, state := range want {
			if !strings.HasPrefix(got[id], state) {
				return fmt.Errorf("%s: %s is %q, want %s; %+v", what, id, got[id], state, s.dev.status(s.T).Poll)
			}
		}
		return nil
	})
}

// applied is the state of all these commands.
func applied(ids ...string) map[string]string {
	all := map[string]string{}
	for _, id := range ids {
		all[id] = camio.StateApplied
	}
	return all
}

func (s *story) unclaimed() {
	ids := s.ids(false)
	s.settled("unclaimed", applied(ids...))
	if s.dev.status(s.T).Poll.Claimed {
		s.Error("the camera takes itself for claimed")
	}
	if s.board != nil && slices.Contains(ids, "time") {
		if got := s.board.Settings(); !got.NTP || got.NTPServer == "" {
			s.Errorf("the board's time server: %+v", got)
		}
	}
}

func (s *story) claimed() {
	ids := s.ids(true)
	out := string(command(s.T, "camward", "claim", "-c", s.dev.file, "--wait", "0", "--json"))
	if !strings.Contains(out, "/claim/"+storyMAC) {
		s.Errorf("camward claim prints %s", out)
	}
	command(s.T, "camward-cloud", "camera", "claim", storyMAC, "--name", "garden", "--user", "someone@example.com", "--data", s.cloud.data, "--base-url", s.cloud.url)
	s.settled("claimed", applied(ids...))
	s.pointsTo("claimed", s.ftp, s.cloud.account.UploadToken)
	if s.board == nil {
		eventually(s, 60*time.Second, func() error {
			if n := len(s.cloud.events(s.T, "garden")); n == 0 {
				return fmt.Errorf("no event has come; %+v", s.dev.status(s.T).Uploader)
			}
			return nil
		})
	}
	s.reported(camio.StateApplied, ids)
}

// zoned draws a zone in the cloud: the camera takes it as a mask, and says who made it.
func (s *story) zoned() {
	body := `{"name":"-tree","polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":0},{"x":1,"y":0.4},{"x":0,"y":0.4}]}]}`
	req, err := http.NewRequest(http.MethodPost, s.cloud.url+"/api/users/me/cameras/garden/zones/-tree", strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+s.cloud.account.OAuthToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.Fatalf("make a zone: %v, %v", resp, err)
	}
	resp.Body.Close()
	eventually(s, 60*time.Second, func() error {
		st := s.dev.status(s.T)
		for _, set := range st.Settings {
			if set.Form == "setMotionZones" && set.By == "cloud" && strings.HasPrefix(set.Value, "1 zone") {
				return nil
			}
		}
		return fmt.Errorf("settings %+v, commands %v", st.Settings, s.states())
	})
}

// pointsTo wants the board's FTP upload to go to a server with a token.
func (s *story) pointsTo(what, address, token string) {
	s.Helper()
	if s.board == nil {
		return
	}
	got := s.board.Settings()
	if got.FTPServer == "" {
		return // this dialect has none
	}
	if at := net.JoinHostPort(got.FTPServer, fmt.Sprint(got.FTPPort)); at != address || got.FTPUser != token || got.FTPPassword != "camio" {
		s.Errorf("%s: the board uploads to %s as %q, want %s with the upload token", what, at, got.FTPUser, address)
	}
}

// reported wants the cloud to know what became of the commands.
func (s *story) reported(state string, ids []string) {
	s.Helper()
	eventually(s, 30*time.Second, func() error {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.cloud.data, "camward.db")+"?mode=ro")
		if err != nil {
			return err
		}
		defer db.Close()
		for _, id := range ids {
			var got string
			err := db.QueryRow(`SELECT state FROM command_results WHERE mac = ? AND id = ?`, storyMAC, id).Scan(&got)
			if err != nil || got != state {
				return fmt.Errorf("the cloud thinks that %s is %q, want %s; %v", id, got, state, err)
			}
		}
		return nil
	})
}

// rolledBack changes the FTP server to one that is not there.
func (s *story) rolledBack() {
	var before boardtest.Settings
	if s.board != nil {
		before = s.board.Settings()
	}
	s.cloud.stop()
	s.cloud.flags = []string{"--ftp", s.ftp, "--poll-period", "5s", "--ftp-host", "127.0.0.1", "--ftp-port", "9"}
	s.cloud.start(s.T)
	eventually(s, 90*time.Second, func() error {
		if st := s.states()["ftpAlarm"]; !strings.HasPrefix(st, camio.StateRolledBack) {
			return fmt.Errorf("ftpAlarm is %s", st)
		}
		return nil
	})
	if s.board != nil {
		if got := s.board.Settings(); got.FTPServer != before.FTPServer || got.FTPPort != before.FTPPort || got.FTPUser != before.FTPUser {
			s.Errorf("after the rollback the board uploads to %s:%d, before to %s:%d", got.FTPServer, got.FTPPort, before.FTPServer, before.FTPPort)
		}
	}
	s.reported(camio.StateRolledBack, []string{"ftpAlarm"})
	s.cloud.stop()
	s.cloud.flags = []string{"--ftp", s.ftp, "--poll-period", "5s"}
	s.cloud.start(s.T)
	eventually(s, 60*time.Second, func() error {
		if st := s.states()["ftpAlarm"]; st != camio.StateApplied {
			return fmt.Errorf("with the right server again ftpAlarm is %s", st)
		}
		return nil
	})
}

// revoked makes a new upload token: the old one is worth nothing, and the device gets the new one.
func (s *story) revoked() {
	old := s.cloud.account.UploadToken
	dates := map[string]string{}
	for _, c := range s.dev.status(s.T).Poll.Commands {
		if c.ID == "ftpAlarm" || c.ID == "upload" {
			dates[c.ID] = c.DateUpdated
		}
	}
	out := command(s.T, "camward-cloud", "user", "token", "someone@example.com", "--rotate", "--json", "--data", s.cloud.data)
	if err := json.Unmarshal(out, &s.cloud.account); err != nil || s.cloud.account.UploadToken == old {
		s.Fatalf("the new token: %s, %v", out, err)
	}
	eventually(s, 60*time.Second, func() error {
		for _, c := range s.dev.status(s.T).Poll.Commands {
			if dates[c.ID] != "" && (c.State != camio.StateApplied || c.DateUpdated == dates[c.ID]) {
				return fmt.Errorf("%+v", c)
			}
		}
		if s.board != nil && s.board.Settings().FTPUser != s.cloud.account.UploadToken {
			return fmt.Errorf("the board still has the old token")
		}
		return nil
	})
	for _, text := range []string{s.dev.out.String(), string(command(s.T, "camward", "commands", "-c", s.dev.file, "--journal")),
		string(command(s.T, "camward", "status", "-c", s.dev.file, "--json"))} {
		if strings.Contains(text, old) || strings.Contains(text, s.cloud.account.UploadToken) {
			s.Error("an upload token is printed")
		}
	}
}

// restarted wants nothing to be applied again.
func (s *story) restarted() {
	before := s.dev.commands(s.T)
	calls := 0
	if s.board != nil {
		calls = len(s.board.Requests())
	}
	s.dev.stop()
	s.dev.start(s.T, "camward")
	eventually(s, 60*time.Second, func() error {
		if p := s.dev.status(s.T).Poll; p.Polls < 2 || p.LastOK.IsZero() {
			return fmt.Errorf("%d polls", p.Polls)
		}
		return nil
	})
	if after := s.dev.commands(s.T); len(after.Journal) != len(before.Journal) {
		s.Errorf("after a restart the journal has %d entries, before %d: %+v", len(after.Journal), len(before.Journal), after.Journal[min(len(before.Journal), len(after.Journal)):])
	}
	if s.board != nil && len(s.board.Requests()) != calls {
		s.Errorf("a restart made %d calls to the board", len(s.board.Requests())-calls)
	}
}

// released wants the camera to keep for itself what it sees once its owner has let it go, and to upload for the next one.
func (s *story) released() {
	forms := func() (list []string) {
		for _, f := range s.dev.status(s.T).Settings {
			list = append(list, f.Form)
		}
		return list
	}
	args := []string{"--data", s.cloud.data, "--base-url", s.cloud.url}
	command(s.T, "camward-cloud", append([]string{"camera", "release", storyMAC}, args...)...)
	eventually(s, 60*time.Second, func() error {
		if got := forms(); slices.Contains(got, "setHttpAlarmSending") || slices.Contains(got, "setFtpAlarmSending") {
			return fmt.Errorf("a released camera still has %v", got)
		}
		return nil
	})
	command(s.T, "camward-cloud", append([]string{"camera", "claim", storyMAC, "--name", "yard", "--user", "someone@example.com"}, args...)...)
	eventually(s, 60*time.Second, func() error {
		if got := forms(); !slices.Contains(got, "setHttpAlarmSending") {
			return fmt.Errorf("claimed again, the camera has %v; %v", got, s.states())
		}
		return nil
	})
}

func (d *device) commands(t testing.TB) (c agent.Commands) {
	t.Helper()
	if err := json.Unmarshal(command(t, "camward", "commands", "-c", d.file, "--json"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}
