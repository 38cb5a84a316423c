package profile

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"camward/board/boardtest"
	"camward/camio"
)

// send makes a call to a simulated firmware, which is set to Basic here: how it is authenticated is another package's.
func send(t *testing.T, b *boardtest.Board, p *Profile, method, path, body string) (int, string) {
	t.Helper()
	if p.Auth == AuthQuery {
		path += "&" + p.UserParam + "=" + escapePath(b.User) + "&" + p.PasswordParam + "=" + escapePath(b.Password)
	}
	req, err := http.NewRequest(method, b.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = path
	req.SetBasicAuth(b.User, b.Password)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// complete does a command's read-modify-write, if it needs one.
func complete(t *testing.T, b *boardtest.Board, p *Profile, c camio.Command) camio.Command {
	t.Helper()
	m, ok := p.Merge(c)
	if !ok {
		return c
	}
	_, settings := send(t, b, p, "GET", m.Read, "")
	c, err := m.Apply(c, []byte(settings))
	if err != nil {
		t.Fatalf("%s %s: %v", p.Maker, c.ID, err)
	}
	return c
}

func TestEveryMakersFirmwareTakesItsCommands(t *testing.T) {
	for _, maker := range Builtin().Makers() {
		p, b := builtinProfile(t, maker), boardtest.New(t, maker, boardtest.Basic())
		commands, err := p.Commands(everything())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			full := complete(t, b, p, c)
			status, answer := send(t, b, p, full.Method, full.Path, full.Body)
			if status != 200 || !matches(mustCompile(c.RegexResponse), answer) || p.Failed([]byte(answer)) {
				t.Errorf("%s %s: %d %s\n%s\n%s", maker, c.ID, status, answer, full.Path, full.Body)
			}
		}
		s := b.Settings()
		if !s.NTP || s.NTPServer != "time.nist.gov" {
			t.Errorf("%s: NTP %v %s", maker, s.NTP, s.NTPServer)
		}
		if maker != "Axis" && (!s.FTP || s.FTPServer != "ftp.camio.com" || s.FTPPort != 2121 || s.FTPUser != "abc123pdq" || s.FTPPassword != "camio" || s.FTPPath != "123456789012" || !s.Motion) {
			t.Errorf("%s: %+v", maker, s)
		}
	}
}

// These belong to the camera's owner, and no command is about them.
func TestSettingsThatACommandDoesNotNameSurviveIt(t *testing.T) {
	kept := map[string][]string{
		"Foscam": {"SystemTime.timeZone", "SystemTime.timeFormat", "MotionDetectConfig.sensitivity", "MotionDetectConfig.area0",
			"MotionDetectConfig.schedule0", "SnapConfig.snapPicQuality"},
		"Hikvision": {"/ISAPI/System/time/timeZone", "/ISAPI/System/Video/inputs/channels/1/motionDetection/MotionDetectionLayout/sensitivityLevel",
			"/ISAPI/System/Video/inputs/channels/1/motionDetection/MotionDetectionLayout/layout/gridMap",
			"/ISAPI/System/Network/ftp/FTPNotification/annoyftp", "/ISAPI/Event/triggers/VMD-1/eventDescription"},
	}
	for maker, keys := range kept {
		p, b := builtinProfile(t, maker), boardtest.New(t, maker, boardtest.Basic())
		before := b.Settings().All
		commands, err := p.Commands(everything())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			c = complete(t, b, p, c)
			send(t, b, p, c.Method, c.Path, c.Body)
		}
		after := b.Settings().All
		for _, k := range keys {
			if v, ok := before[k]; !ok || v == "" || after[k] != v {
				t.Errorf("%s: %s was %q, is %q", maker, k, v, after[k])
			}
		}
		if body := b.Requests()[len(b.Requests())-1].Body; maker == "Hikvision" && (!strings.Contains(body, "<id>center</id>") || !strings.Contains(body, "<id>FTP</id>")) {
			t.Errorf("the other notification is lost: %s", body)
		}
	}
}

func TestMergeKeepsTheCommandsOwnBytes(t *testing.T) {
	p := builtinProfile(t, "Foscam")
	c := camio.Command{ID: "motion", Method: "GET", Path: "/cgi-bin/CGIProxy.fcgi?cmd=setMotionDetectConfig&isEnable=1"}
	m, ok := p.Merge(c)
	if !ok || m.Read != "/cgi-bin/CGIProxy.fcgi?cmd=getMotionDetectConfig" {
		t.Fatalf("%+v, %v", m, ok)
	}
	got, err := m.Apply(c, []byte("<CGI_Result>\n<result>0</result><isEnable>0</isEnable><area0>a&amp;b c</area0>\n<area0>9</area0></CGI_Result>"))
	if want := c.Path + "&area0=a%26b%20c"; err != nil || got.Path != want {
		t.Errorf("got %s, %v; want %s", got.Path, err, want)
	}
}

func TestMergePutsValuesIntoTheDocumentThatWasRead(t *testing.T) {
	p := builtinProfile(t, "Hikvision")
	c := camio.Command{ID: "x", Method: "PUT", Path: "/ISAPI/Event/triggers/VMD-1", ContentType: "application/xml",
		Body: `<?xml version="1.0"?><EventTrigger><a><v>1</v></a><l><e><id>2</id><v>new &lt;</v></e><e><id>3</id><v>added</v></e></l></EventTrigger>`}
	m, ok := p.Merge(c)
	if !ok {
		t.Fatal("no merge")
	}
	got, err := m.Apply(c, []byte(`<EventTrigger version="2.0" xmlns="http://x" xmlns:q="y"><!-- c --><a><v>0</v><w q:k="&quot;">kept</w></a><l><e><id>1</id><v>one</v></e><e><id>2</id><v>two</v></e></l></EventTrigger>`))
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<EventTrigger version="2.0" xmlns="http://x" xmlns:q="y"><a><v>1</v><w q:k="&#34;">kept</w></a>` +
		`<l><e><id>1</id><v>one</v></e><e><id>2</id><v>new &lt;</v></e><e><id>3</id><v>added</v></e></l></EventTrigger>`
	if err != nil || got.Body != want {
		t.Errorf("got  %s, %v\nwant %s", got.Body, err, want)
	}
}

func TestAnAnswerThatIsNoSettingsIsNotMerged(t *testing.T) {
	hik := camio.Command{ID: "time", Method: "PUT", Path: "/ISAPI/System/time", Body: "<Time><timeMode>NTP</timeMode></Time>"}
	fos := camio.Command{ID: "time", Method: "GET", Path: foscamTime}
	for _, tt := range []struct {
		maker  string
		c      camio.Command
		answer string
	}{
		{"Hikvision", hik, ""}, {"Hikvision", hik, "Login"}, {"Hikvision", hik, "<html><body>Login</body></html>"},
		{"Hikvision", hik, "<ResponseStatus><statusCode>4</statusCode></ResponseStatus>"}, {"Hikvision", hik, "<Time></Time><Time></Time>"},
		{"Hikvision", hik, "<Time>" + strings.Repeat("<a>", 100)}, {"Hikvision", hik, "<!DOCTYPE x [<!ENTITY a 'b'>]><Time>&a;</Time>"},
		{"Hikvision", hik, "<Time>" + strings.Repeat("<a/>", 3000) + "</Time>"}, {"Hikvision", hik, strings.Repeat(" ", 70000) + "<Time></Time>"},
		{"Foscam", fos, "<CGI_Result><result>-2</result></CGI_Result>"}, {"Foscam", fos, "<CGI_Result></CGI_Result>"},
		{"Foscam", fos, "<CGI_Result><a><b>1</b></a></CGI_Result>"},
	} {
		m, ok := builtinProfile(t, tt.maker).Merge(tt.c)
		if !ok {
			t.Fatalf("%s: no merge", tt.maker)
		}
		got, err := m.Apply(tt.c, []byte(tt.answer))
		if err == nil || got != tt.c || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s %.60q: %+v, %v", tt.maker, tt.answer, got, err)
		}
	}
	for _, c := range []camio.Command{{Method: "GET", Path: "/ISAPI/System/time"}, {Method: "PUT", Path: "/ISAPI/System/reboot"}} {
		if _, ok := builtinProfile(t, "Hikvision").Merge(c); ok {
			t.Errorf("%+v is merged", c)
		}
	}
}

func FuzzMergeApply(f *testing.F) {
	f.Add(true, "<CGI_Result>\n    <result>0</result>\n    <timeZone>-3600</timeZone>\n    <dateFormat>2</dateFormat>\n</CGI_Result>\n", "")
	f.Add(false, `<?xml version="1.0" encoding="UTF-8"?><Time version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema"><timeMode>manual</timeMode><localTime>2026-11-23T16:00:00+01:00</localTime></Time>`,
		"<Time><timeMode>NTP</timeMode></Time>")
	f.Add(false, "<Time><l><id>1</id></l><l><id>2</id></l></Time>", "<Time><l><id>2</id><x>&amp;</x></l></Time>")
	f.Fuzz(func(t *testing.T, query bool, answer, body string) {
		p := builtinProfile(t, "Hikvision")
		c := camio.Command{ID: "time", Method: "PUT", Path: "/ISAPI/System/time", Body: body}
		if query {
			p, c = builtinProfile(t, "Foscam"), camio.Command{ID: "time", Method: "GET", Path: foscamTime}
		}
		m, ok := p.Merge(c)
		if !ok {
			t.Fatal("no merge")
		}
		got, err := m.Apply(c, []byte(answer))
		switch {
		case err != nil:
			if got != c {
				t.Fatalf("changed in spite of %v", err)
			}
		case query:
			if rest, ok := strings.CutPrefix(got.Path, c.Path); !ok || !printable(rest) || strings.ContainsAny(rest, "#?;") || strings.Contains(rest, "&cmd=") {
				t.Fatalf("got %q", got.Path)
			}
			names := map[string]bool{}
			for piece := range strings.SplitSeq(got.Path[strings.IndexByte(got.Path, '?')+1:], "&") {
				name, _, _ := strings.Cut(piece, "=")
				if names[strings.ToLower(name)] {
					t.Fatalf("%s twice in %q", name, got.Path)
				}
				names[strings.ToLower(name)] = true
			}
		case got.Body != "":
			checkMerged(t, got.Body, body)
		}
	})
}

// checkMerged finds every value of the command in the merged document, unless a list makes them two.
func checkMerged(t *testing.T, merged, own string) {
	t.Helper()
	m, err := parseXML([]byte(merged))
	if err != nil {
		t.Fatalf("%v in %q", err, merged)
	}
	o, err := parseXML([]byte(own))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range o.children {
		if len(c.children) > 0 || strings.TrimSpace(c.text) == "" || o.find([]string{c.local()}) != c.text || m.count(c.local()) > 1 {
			continue
		}
		if got := m.find([]string{c.local()}); strings.TrimSpace(strings.ReplaceAll(got, "\r", "")) != strings.TrimSpace(strings.ReplaceAll(c.text, "\r", "")) {
			t.Fatalf("%s is %q in %q, want %q", c.local(), got, merged, c.text)
		}
	}
}

func (e *element) count(name string) (n int) {
	for _, c := range e.children {
		if c.local() == name {
			n++
		}
	}
	return n
}

func TestTargetsAreTheServersThatCommandsName(t *testing.T) {
	for _, maker := range Builtin().Makers() {
		p := builtinProfile(t, maker)
		commands, err := p.Commands(everything())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			got, ok := p.Target(c)
			var want Target
			switch c.ID {
			case "ping":
				scheme := ""
				if maker == "camward" {
					scheme = "https://"
				}
				want = Target{Kind: "poll", Host: "www.camio.com", URL: scheme + "www.camio.com/api/cameras/$(hwaddr)/?maker=" + maker + "&ip_address_local=$(localip)"}
			case "ftpAlarm":
				want = Target{Kind: "ftp", Host: "ftp.camio.com", Port: 2121, User: "abc123pdq", Password: "camio", Directory: "123456789012"}
			case "upload":
				want = Target{Kind: "upload", Host: "www.camio.com", URL: "https://www.camio.com/api/users/abc123pdq/cameras/front/content/"}
			}
			if got != want || ok != (want != Target{}) {
				t.Errorf("%s %s: got %+v %q, %v; want %+v", maker, c.ID, got, got.User.Reveal(), ok, want)
			}
			if s := fmt.Sprint(got.User, got.Password); strings.Contains(s, "camio") {
				t.Errorf("a secret shows: %s", s)
			}
		}
	}
}

func TestATargetThatCannotBeReadForSureHasNoHost(t *testing.T) {
	ftp := func(inner string) camio.Command {
		return camio.Command{Method: "PUT", Path: "/ISAPI/System/Network/ftp", Body: "<FTPNotificationList><FTPNotification>" + inner + "</FTPNotification></FTPNotificationList>"}
	}
	get := func(path string) camio.Command { return camio.Command{Method: "GET", Path: path} }
	for _, tt := range []struct {
		maker string
		c     camio.Command
	}{
		{"Hikvision", ftp("<hostName>good</hostName><ipAddress>6.6.6.6</ipAddress>")}, // the firmware would choose
		{"Hikvision", ftp("<hostName>good</hostName><hostName>evil</hostName>")},
		{"Hikvision", ftp("<hostName>good</hostName></FTPNotification><FTPNotification><hostName>evil</hostName>")},
		{"Hikvision", ftp("<addressingFormatType>ipaddress</addressingFormatType><hostName>good</hostName>")}, // one that was there before counts
		{"Hikvision", ftp("<hostName>good</hostName>")},
		{"Hikvision", ftp("<portNo>21</portNo>")},
		{"Hikvision", ftp("<hostName>good</hostName><portNo>0x15</portNo>")},
		{"Hikvision", ftp("<hostName>good")},
		{"Sharx", get("/form/setFtpAlarmSending/?ENABLE=1&PORT=21")},
		{"Sharx", get("/form/setFtpAlarmSending/?ENABLE=1&SERVER=a&PORT=99999")},
		{"Sharx", get("/form/setHttpPeriodSending/?ENABLE=1&URL=a:99999/x")},
	} {
		if got, ok := builtinProfile(t, tt.maker).Target(tt.c); !ok || got.Host != "" {
			t.Errorf("%s %+v: %+v, %v", tt.maker, tt.c, got, ok)
		}
	}
	for _, tt := range []struct {
		maker string
		c     camio.Command
	}{
		{"Hikvision", ftp("<enabled>false</enabled><hostName>good</hostName>")},
		{"Sharx", get("/form/setFtpAlarmSending/?ENABLE=0&SERVER=a")},
		{"Sharx", get("/form/setNtp?ENABLE=1&SERVER=a")},
		{"Sharx", get("/form/setWlan?ENABLE=1&SERVER=a")},
	} {
		if got, ok := builtinProfile(t, tt.maker).Target(tt.c); ok {
			t.Errorf("%s %+v: %+v", tt.maker, tt.c, got)
		}
	}
}

func TestTheSecretsOfACommandAreKnown(t *testing.T) {
	v := everything()
	v.UploadToken, v.FTPPassword = "abc123 pdq", "s<e"
	for maker, want := range map[string]map[string][]string{
		"camward":   {"ftpAlarm": {"abc123 pdq", "abc123%20pdq"}, "upload": {"abc123%20pdq"}, "ping": nil, "time": nil, "zones": nil},
		"Hikvision": {"ftpAlarm": {"abc123 pdq", "s<e", "s&lt;e"}, "motion": nil},
	} {
		if maker == "camward" {
			v.FTPPassword = "camio"
			want["ftpAlarm"] = append(want["ftpAlarm"], "camio")
		} else {
			v.FTPPassword = "s<e"
		}
		p := builtinProfile(t, maker)
		commands, err := p.Commands(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			w, ok := want[c.ID]
			if !ok {
				continue
			}
			var got []string
			for _, s := range p.Secrets(c) {
				got = append(got, s.Reveal())
			}
			if !slices.Equal(got, w) {
				t.Errorf("%s %s: got %q, want %q", maker, c.ID, got, w)
			}
		}
	}
}
