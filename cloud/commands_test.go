package cloud_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"camward/camio"
	"camward/camio/profile"
	"camward/cloud"
	"camward/cloud/cloudtest"
)

func ids(p camio.PollReply) string {
	var list []string
	for _, c := range p.Commands {
		list = append(list, c.ID)
	}
	return strings.Join(list, " ")
}

func dates(p camio.PollReply) map[string]string {
	m := map[string]string{}
	for _, c := range p.Commands {
		m[c.ID] = c.DateUpdated
	}
	return m
}

func find(t testing.TB, p camio.PollReply, id string) camio.Command {
	t.Helper()
	for _, c := range p.Commands {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no command %s among %s", id, ids(p))
	return camio.Command{}
}

func TestEachMakerIsToldItsOwnDialect(t *testing.T) {
	var log syncBuffer
	c := cloudtest.New(t, cloudtest.Log(zapTo(&log)), func(cfg *cloud.Config) {
		cfg.FTPHost, cfg.NTPServer, cfg.PollPeriod = "ftp.example.org", "ntp.example.org", time.Minute
	})
	for i, maker := range append(profile.Builtin().Makers(), "Nobody Knows") {
		mac := fmt.Sprintf("00E04C0000%02X", i)
		query := url.Values{"maker": {maker}, "model": {"x"}}.Encode()
		before := pollAs(t, c, mac, query)
		if strings.Contains(fmt.Sprint(before), c.Account.UploadToken) || len(before.Commands) > 2 {
			t.Errorf("%s unclaimed: %v", maker, before.Commands)
		}
		if err := c.Server.Claim(t.Context(), mac, "test@example.com", "camera "+maker); err != nil {
			t.Fatal(err)
		}
		after := pollAs(t, c, mac, query)
		p, known := profile.Builtin().Find(maker, "x", "")
		if !known {
			p, _ = profile.Builtin().Find("Sharx", "", "")
			if got := find(t, after, "ping").Path; !strings.Contains(got, "/?maker=Nobody_Knows&") {
				t.Errorf("an unknown maker's poll address: %s", got)
			}
		}
		for _, k := range after.Commands {
			if err := p.Allows(k.Method, k.Path); err != nil {
				t.Errorf("%s is told %s %s, which its profile refuses: %v", maker, k.Method, k.Path, err)
			}
		}
		if !strings.Contains(fmt.Sprint(after), "ntp.example.org") && maker != "Foscam" { // it knows four servers
			t.Errorf("%s: the time server is not among %v", maker, after.Commands)
		}
		if maker == "camward" && ids(after) != "ping time ftpAlarm upload" {
			t.Errorf("camward is told %s", ids(after))
		}
		if d := cmp.Diff(dates(after), dates(pollAs(t, c, mac, query))); d != "" {
			t.Errorf("%s: dates move by themselves: %s", maker, d)
		}
	}
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("some commands could not be made: %s", log.String())
	}
	c = cloudtest.New(t)
	pollAs(t, c, camera, "maker=Sharx")
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "x"); err != nil {
		t.Fatal(err)
	}
	if got := ids(pollAs(t, c, camera, "maker=Sharx")); got != "ping time" {
		t.Errorf("where there is no FTP a claimed Sharx is told %s", got)
	}
	if got := ids(pollAs(t, c, camera, "maker=camward")); got != "ping time upload" {
		t.Errorf("where there is no FTP a claimed camward is told %s", got)
	}
}

func TestPeriodAndAddressReachTheCamera(t *testing.T) {
	c := cloudtest.New(t, func(cfg *cloud.Config) {
		cfg.BaseURL, cfg.PollPeriod = "https://cam.example.org/base", 3725*time.Second
	})
	want := "HOUR=1&MIN=2&SEC=5&URL=cam.example.org/base/api/cameras/$(hwaddr)/?maker=Sharx&"
	if got := find(t, pollAs(t, c, camera, "maker=Sharx"), "ping").Path; !strings.Contains(got, want) {
		t.Errorf("ping %s lacks %s", got, want)
	}
	c = cloudtest.New(t, func(cfg *cloud.Config) { cfg.BaseURL = "" })
	r := from(t, c, "192.0.2.1", "GET", "/api/cameras/"+camera+"?maker=Sharx", "")
	if want := "URL=" + strings.TrimPrefix(c.URL, "http://") + "/api/cameras/"; !strings.Contains(r.Body, want) {
		t.Errorf("without a base URL: %s lacks %s", r.Body, want)
	}
}

func TestADateMovesOnlyWithItsCommand(t *testing.T) {
	now := noon
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { now = now.Add(time.Second); return now }), func(cfg *cloud.Config) { cfg.FTPHost = "ftp.example.org" })
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	zone := func(method, name, body string, want int) {
		t.Helper()
		if status, reply := c.Do(t, method, "/api/users/me/cameras/front/zones/"+name, body); status != want {
			t.Fatalf("%s zone %s: %d %s", method, name, status, reply)
		}
	}
	last := pollAs(t, c, camera, "maker=camward")
	moved := func(what, want string) camio.PollReply {
		t.Helper()
		p := pollAs(t, c, camera, "maker=camward")
		var list []string
		for id, date := range dates(p) {
			if before := dates(last)[id]; date != before {
				list = append(list, id)
				if date < before {
					t.Errorf("%s: the date of %s went back", what, id)
				}
			}
		}
		if len(list) > 1 && list[0] > list[1] {
			list[0], list[1] = list[1], list[0]
		}
		if got := strings.Join(list, " "); got != want {
			t.Errorf("%s: the dates of %q moved, want %q", what, got, want)
		}
		last = p
		return p
	}
	moved("nothing", "")
	zone("POST", "door", triangle, 200)
	if z := find(t, moved("a zone", "zones"), "zones"); z.Method != "POST" || !strings.Contains(z.Body, `"door"`) || !strings.Contains(z.Body, `0.123456789012345`) || z.ContentType != "application/json" {
		t.Errorf("zones: %+v", z)
	}
	zone("PUT", "door", triangle, 200)
	moved("the same zone again", "")
	zone("DELETE", "door", "", 204)
	if z := find(t, moved("no zone any more", "zones"), "zones"); strings.TrimSpace(z.Body) != "[]" {
		t.Errorf("without a zone: %+v", z)
	}
	if _, err := c.Server.RotateUploadToken(t.Context(), "test@example.com"); err != nil {
		t.Fatal(err)
	}
	moved("another token", "ftpAlarm upload")
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "porch"); err != nil {
		t.Fatal(err)
	}
	moved("another name", "upload")
}

func TestReplacedTokenIsWorthNothing(t *testing.T) {
	c, addr, cert := runFTP(t)
	old := c.Account.UploadToken
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	alarm := find(t, pollAs(t, c, camera, "maker=Sharx"), "ftpAlarm").Path
	_, port, _ := strings.Cut(addr, ":")
	if !strings.Contains(alarm, "PORT="+port+"&") || !strings.Contains(alarm, "USERNAME="+old+"&") {
		t.Errorf("ftpAlarm %s, want port %s and the token", alarm, port)
	}
	a, err := c.Server.RotateUploadToken(t.Context(), "TEST@example.com")
	if err != nil || a.UploadToken == old || a.UploadToken == "" {
		t.Fatal(a, err)
	}
	for _, tt := range []struct {
		token        string
		upload, hint int
	}{{old, 401, 404}, {a.UploadToken, 200, 200}} {
		if r := send(t, "PUT", c.URL+"/api/users/"+tt.token+"/cameras/front/content/x.jpeg?camera_id=1", string(picture(t, 64, 48, 1))); r.Status != tt.upload {
			t.Errorf("upload: %d, want %d", r.Status, tt.upload)
		}
		if r := send(t, "GET", c.URL+"/api/tokens/"+tt.token+"/hint", ""); r.Status != tt.hint {
			t.Errorf("hint: %d, want %d", r.Status, tt.hint)
		}
		err := exec.CommandContext(t.Context(), "curl", "-sS", "--cacert", cert, "--ssl-reqd", "-u", tt.token+":camio", "-Q", "NOOP", "ftp://"+addr+"/").Run()
		if (err == nil) != (tt.upload == 200) {
			t.Errorf("sign-in by FTP: %v", err)
		}
	}
	if got := find(t, pollAs(t, c, camera, "maker=Sharx"), "ftpAlarm").Path; !strings.Contains(got, "USERNAME="+a.UploadToken+"&") {
		t.Errorf("the camera is told %s", got)
	}
	if _, err := c.Server.RotateUploadToken(t.Context(), "nobody@example.com"); err == nil {
		t.Error("a token for nobody")
	}
	link, err := c.Server.SigninLink(t.Context(), "test@example.com")
	if err != nil {
		t.Fatal(err)
	}
	c.Account.SigninURL = c.URL + link.SigninURL[strings.Index(link.SigninURL, "/signin/"):]
	me := first(t, c, "127.0.0.1")
	if r := me.post(t, "/account/token"); r.Status != 303 {
		t.Fatal(r.Status, r.Body)
	}
	if r := send(t, "GET", c.URL+"/api/tokens/"+a.UploadToken+"/hint", ""); r.Status != 404 {
		t.Errorf("hint after the page's button: %d, want 404", r.Status)
	}
	if r := from(t, c, "127.0.0.1", "POST", "/account/token", "", me.cookie, formType); r.Status != 403 {
		t.Errorf("without the form's token: %d, want 403", r.Status)
	}
}

func TestTokenIsToldToTheFirstAddressOnly(t *testing.T) {
	now := noon
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }), func(cfg *cloud.Config) { cfg.FTPHost, cfg.TokenToFirstAddress = "ftp.example.org", true })
	poll := func(addr, query string, header ...string) camio.PollReply {
		t.Helper()
		now = now.Add(time.Second)
		r := from(t, c, addr, "GET", "/api/cameras/"+camera+"?"+query, "", header...)
		if r.Status != 200 {
			t.Fatal(r.Status, r.Body)
		}
		return decode[camio.PollReply](t, r.Body)
	}
	poll("2001:db8::1", "maker=camward&model=one")
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	mine := poll("2001:db8::2", "maker=camward&model=one")
	if ids(mine) != "ping time ftpAlarm upload" {
		t.Fatalf("the camera is told %s", ids(mine))
	}
	for _, addr := range []string{"2001:db8:0:1::1", "192.0.2.1", "127.0.0.1"} {
		p := poll(addr, "maker=Sharx&model=two&ip_address_local=6.6.6.6", "User-Agent: evil")
		if ids(p) != "ping time" || strings.Contains(fmt.Sprint(p), c.Account.UploadToken) {
			t.Errorf("%s is told %v", addr, p.Commands)
		}
	}
	if d := cmp.Diff(dates(mine), dates(poll("2001:db8::3", ""))); d != "" {
		t.Errorf("a stranger's polls moved the camera's dates: %s", d)
	}
	me := first(t, c, "2001:db8::9")
	page := me.get(t, "/devices/"+camera).Body
	for _, want := range []string{"It is not given your upload token", "127.0.0.1", "camward one"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "evil") || strings.Contains(page, "6.6.6.6") {
		t.Error("the page believes a stranger")
	}
	if r := me.post(t, "/devices/"+camera+"/trust", "address", "192.0.2.1"); r.Status != 409 {
		t.Errorf("trust in an address that is not the last: %d, want 409", r.Status)
	}
	if r := me.post(t, "/devices/"+camera+"/trust", "address", "127.0.0.1"); r.Status != 303 {
		t.Errorf("trust: %d %s", r.Status, r.Body)
	}
	if p := poll("127.0.0.1", ""); ids(p) != "ping time ftpAlarm upload" {
		t.Errorf("the new address is told %s", ids(p))
	}
	if p := poll("2001:db8::1", ""); ids(p) != "ping time" {
		t.Errorf("the old address is told %s", ids(p))
	}
	// The operator's claim confirms the last address, too.
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	if p := poll("2001:db8::1", ""); ids(p) != "ping time ftpAlarm upload" {
		t.Errorf("after the operator's claim it is told %s", ids(p))
	}
}

func TestResultsAreKeptForWhatWasTold(t *testing.T) {
	c := cloudtest.New(t, func(cfg *cloud.Config) { cfg.FTPHost = "ftp.example.org" })
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	me := first(t, c, "127.0.0.1")
	told := pollAs(t, c, camera, "maker=Sharx")
	page := func() string { t.Helper(); return me.get(t, "/devices/"+camera).Body }
	result := func(id, date, state, answer string) camio.Result {
		return camio.Result{ID: id, DateUpdated: date, State: state, HTTPStatus: 200, Answer: answer, At: camio.Time{Time: time.Now()}}
	}
	ping, alarm := told.Commands[0], told.Commands[2]
	pollAs(t, c, camera, "maker=Sharx",
		result("ping", ping.DateUpdated, camio.StateApplied, "000 Success\r\n\x1b[31m<script>alert(1)</script>\u202egnp.exe"),
		result("ftpAlarm", camio.FormatTime(noon), camio.StateRolledBack, "of another version"),
		result("reboot", alarm.DateUpdated, camio.StateApplied, "never told"),
		result("time", told.Commands[1].DateUpdated, "\u202enonsense", strings.Repeat("long", 100)))
	body := page()
	for _, bad := range []string{"of another version", "never told", "<script>alert", "\x1b", "\u202e", strings.Repeat("long", 51), c.Account.UploadToken} {
		if strings.Contains(body, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, good := range []string{"000 Success", "in force", "nonsense", strings.Repeat("long", 50), "USERNAME=***&amp;PASSWORD=camio"} {
		if !strings.Contains(body, good) {
			t.Errorf("the page lacks %q", good)
		}
	}
	for state, want := range map[string]string{camio.StateApplied: "in force", camio.StateRefused: "refused", camio.StateWaiting: "waits for approval",
		camio.StateConfirming: "being confirmed", camio.StateRolledBack: "rolled back", camio.StatePending: "failed"} {
		pollAs(t, c, camera, "maker=Sharx", result("ftpAlarm", alarm.DateUpdated, state, "x"))
		if !strings.Contains(page(), want) {
			t.Errorf("state %s: the page lacks %q", state, want)
		}
	}
	// A command that changed has not been answered yet.
	if _, err := c.Server.RotateUploadToken(t.Context(), "test@example.com"); err != nil {
		t.Fatal(err)
	}
	pollAs(t, c, camera, "maker=Sharx")
	if strings.Contains(page(), ">failed<") {
		t.Error("an answer to the earlier version still shows")
	}
}

func TestWgetPollsAsFirmwareDoes(t *testing.T) {
	c := cloudtest.New(t, func(cfg *cloud.Config) { cfg.FTPHost = "ftp.example.org" })
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "front"); err != nil {
		t.Fatal(err)
	}
	wget := func(args ...string) camio.PollReply {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "wget", append([]string{"-q", "-O", "-"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("wget %v: %v %s", args, err, out)
		}
		if strings.Contains(string(out), `\u0026`) || !strings.Contains(string(out), "&USERNAME="+c.Account.UploadToken+"&PASSWORD=camio") {
			t.Errorf("wget %v: %s", args, out)
		}
		return decode[camio.PollReply](t, string(out))
	}
	at := c.URL + "/api/cameras/"
	for _, args := range [][]string{
		{at + "00:E0:4C:C2:7C:C5/?maker=Sharx&ip_address_local=192.168.1.51"},
		{at + "00-e0-4c-c2-7c-c5?maker=Sharx&ip_address_local=192.168.1.51&model=SCNC3904"},
		{at + camera + "/"},
		{"--no-check-certificate", "--post-data", "maker=Sharx&ip_address_local=192.168.1.52", at + camera + "/"},
		{"--post-data", "", at + camera},
		{"--method=PUT", "--body-data", `{"maker":"Sharx"}`, at + camera},
	} {
		if p := wget(args...); ids(p) != "ping time ftpAlarm" || p.MACAddress != camera || p.Maker != "Sharx" || !strings.HasPrefix(p.UserAgent, "Wget") {
			t.Errorf("wget %v: %+v", args, p)
		}
	}
	told := wget(at + camera)
	report := fmt.Sprintf(`{"results":[{"id":"ping","date_updated":%q,"state":"applied","http_status":200,"answer":"000 Success","at":%q}]}`, told.Commands[0].DateUpdated, camio.FormatTime(time.Now()))
	wget("--header", "Content-Type: application/json", "--post-data", report, at+camera)
	// The address that the ping command gives, as the firmware completes it.
	_, target, _ := strings.Cut(find(t, told, "ping").Path, "URL=")
	target, _, _ = strings.Cut(target, "&AUTH=")
	wget(strings.NewReplacer("$(hwaddr)", camera, "$(localip)", "192.168.1.53").Replace(target))
	if page := first(t, c, "127.0.0.1").get(t, "/devices/"+camera).Body; !strings.Contains(page, "192.168.1.53") || !strings.Contains(page, "in force") || !strings.Contains(page, "SCNC3904") {
		t.Errorf("the page: %s", page)
	}
}

func TestOperatorsProfilesAreTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "more.yml")
	more := "profiles:\n  - maker: Acme\n    auth: basic\n    success: OK\n    endpoints:\n      - path: /cgi/poll\n        query: {to: \"@url\"}\n    commands:\n      - id: ping\n        path: /cgi/poll?to={{cloud_host}}\n"
	if err := os.WriteFile(file, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	c := cloudtest.New(t, func(cfg *cloud.Config) { cfg.Profiles = file })
	p := pollAs(t, c, camera, "maker=acme")
	if ids(p) != "ping" || !strings.HasPrefix(p.Commands[0].Path, "/cgi/poll?to=") || p.Commands[0].RegexResponse != "OK" {
		t.Errorf("Acme is told %+v", p.Commands)
	}
	if err := os.WriteFile(file, []byte("profiles:\n  - maker: Acme\n    nonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(t.TempDir(), "absent.yml")} {
		if s, err := cloud.New(cloud.Config{Data: t.TempDir(), Log: zap.NewNop(), Profiles: name}); err == nil || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func TestOldDataKeepsItsDatesAndCameras(t *testing.T) {
	dir := t.TempDir()
	var old camio.PollReply
	t.Run("the server of before", func(t *testing.T) {
		c := cloudtest.New(t, func(cfg *cloud.Config) {
			cfg.Data, cfg.BaseURL, cfg.FTPHost = dir, "http://cam.example.org", "ftp.example.org"
		})
		if err := c.Server.Claim(t.Context(), camera, "test@example.com", "front"); err != nil {
			t.Fatal(err)
		}
		old = pollAs(t, c, camera, "maker=Sharx&model=SCNC3904")
	})
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "camward.db"))
	if err != nil {
		t.Fatal(err)
	}
	// Undo all steps of the schema but the first.
	for _, q := range []string{"DROP TABLE camera_states", "DROP TABLE camios", "DROP TABLE zones", "DROP INDEX devices_by_poll", "ALTER TABLE commands DROP COLUMN shown", "ALTER TABLE commands DROP COLUMN place", "ALTER TABLE devices DROP COLUMN trusted_ip",
		"ALTER TABLE items DROP COLUMN motion", "ALTER TABLE devices DROP COLUMN other_ip", "ALTER TABLE devices DROP COLUMN other_poll", "PRAGMA user_version = 1"} {
		if _, err := db.ExecContext(context.Background(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := cloud.New(cloud.Config{Data: dir, BaseURL: "http://cam.example.org", FTPHost: "ftp.example.org", TokenToFirstAddress: true, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := &cloudtest.Cloud{URL: "http://cam.example.org", Server: s}
	r := from(t, c, "127.0.0.1", "GET", "/api/cameras/"+camera, "")
	if d := cmp.Diff(old.Commands, decode[camio.PollReply](t, r.Body).Commands); r.Status != 200 || d != "" {
		t.Errorf("after the step: %d %s", r.Status, d)
	}
}
