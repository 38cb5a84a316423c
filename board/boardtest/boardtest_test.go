package boardtest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
)

// run gives a script to the shell with the board's address in $U, its login as user:password in $L and in parts in $N and $P. It returns
// what the script printed.
func run(t *testing.T, b *Board, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "U=" + b.URL, "L=" + b.User + ":" + b.Password, "N=" + b.User, "P=" + b.Password}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s%s", err, script, out.String(), errs.String())
	}
	return out.String()
}

const (
	curl = `curl -sS -g --max-time 10 `
	wget = `wget -q -O - --content-on-error --timeout=10 --tries=1 --user="$N" --password="$P" `
	foot = "/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)"
)

const ftpForm = `/form/setFtpAlarmSending/?ENABLE=1&SCHED=0&SCHEDID=1&STREAMID=0&DURATION=1&FRAMERATE=1&INTERVAL=0&SERVER=ftp.camio.com&PORT=21&REMOTEPATH=123456789012&AUTH=1&USERNAME=abc123pdq&PASSWORD=camio`

// The commands that are publicly known of each maker, as an installer would try them by hand. %s is the program.
var known = []struct {
	maker, call string
	post        string // a body, sent by POST, or by PUT if it is XML
	want        string
	set         func(Settings) bool
}{
	{maker: "sharx", call: `/form/setHttpPeriodSending/?ENABLE=1&SCHED=0&SCHEDID=1&HOUR=0&MIN=0&SEC=30&URL=www.camio.com` + foot + `&AUTH=0&USERNAME=&PASSWORD=`,
		want: "000 Success", set: func(s Settings) bool {
			return s.Poll && s.PollURL == "www.camio.com"+foot && s.PollPeriod == 30*time.Second
		}},
	{maker: "sharx", call: `/form/setNtp?ENABLE=1&SERVER=time.nist.gov`, want: "000 Success",
		set: func(s Settings) bool { return s.NTP && s.NTPServer == "time.nist.gov" }},
	{maker: "sharx", call: `//form/setNtp/?ENABLE=1&SERVER=pool.ntp.org`, want: "000 Success",
		set: func(s Settings) bool { return s.NTPServer == "pool.ntp.org" }},
	{maker: "sharx", call: ftpForm, want: "000 Success", set: func(s Settings) bool {
		return s.FTP && s.FTPServer == "ftp.camio.com" && s.FTPPort == 21 && s.FTPUser == "abc123pdq" && s.FTPPassword == "camio" && s.FTPPath == "123456789012"
	}},
	{maker: "sharx", call: `/form/setNtp?SERVER=time.nist.gov`, want: "101 "},
	{maker: "sharx", call: strings.Replace(ftpForm, "PORT=21", "PORT=ftp", 1), want: "102 "},
	{maker: "sharx", call: `/form/setHttpAlarmSending/?ENABLE=1&MODE=video&URL=x`, want: "404"},
	{maker: "camward", call: ftpForm, want: "000 Success", set: func(s Settings) bool { return s.FTP && s.FTPServer == "ftp.camio.com" }},
	{maker: "camward", call: `/form/setHttpAlarmSending/?ENABLE=1&MODE=video&URL=https://www.camio.com/api/users/abc123pdq/cameras/front/content/`,
		want: "000 Success", set: func(s Settings) bool {
			return s.Upload && s.UploadURL == "https://www.camio.com/api/users/abc123pdq/cameras/front/content/"
		}},
	{maker: "camward", call: `/form/setMotionZones/`, post: `[{"name":"door","polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":0},{"x":1,"y":1}]}]}]`,
		want: "000 Success", set: func(s Settings) bool { return strings.Contains(s.Zones, "door") }},
	{maker: "camward", call: `/form/setMotionZones/`, post: `[{"name":"door","polygons":[{"points":[{"x":0,"y":0}]}]}]`, want: "103 "},
	{maker: "axis", call: `/axis-cgi/param.cgi?action=update&root.Time.SyncSource=NTP&root.Time.NTP.Server=time.nist.gov`, want: "OK",
		set: func(s Settings) bool { return s.NTP && s.NTPServer == "time.nist.gov" }},
	{maker: "axis", call: `/axis-cgi/param.cgi?action=list&group=root.Time.NTP`, want: "root.Time.NTP.Server=0.0.0.0"},
	{maker: "axis", call: `/axis-cgi/param.cgi?action=update&root.Time.Nothing=1`, want: "# Error"},
	{maker: "axis", call: `/axis-cgi/param.cgi?action=list&group=root.Nothing`, want: "# Error"},
	{maker: "hikvision", call: `/ISAPI/System/time/ntpServers/1`, want: "<NTPServer version="},
	{maker: "hikvision", call: `/ISAPI/System/time/ntpServers/1`, want: "<statusCode>1</statusCode>",
		post: `<NTPServer><id>1</id><addressingFormatType>hostname</addressingFormatType><hostName>time.nist.gov</hostName><portNo>123</portNo><synchronizeInterval>60</synchronizeInterval></NTPServer>`,
		set:  func(s Settings) bool { return s.NTPServer == "time.nist.gov" && !s.NTP }},
	{maker: "hikvision", call: `/ISAPI/System/time/ntpServers/1`, want: "<statusCode>6</statusCode>",
		post: `<NTPServer><id>1</id><hostName>time.nist.gov</hostName></NTPServer>`,
		set:  func(s Settings) bool { return s.NTPServer == "time.windows.com" }},
	{maker: "hikvision", call: `/ISAPI/System/time`, want: "<statusCode>1</statusCode>", post: `<Time><timeMode>NTP</timeMode><timeZone>CST-1:00:00</timeZone></Time>`,
		set: func(s Settings) bool { return s.NTP }},
	{maker: "hikvision", call: `/ISAPI/System/Video/inputs/channels/1/motionDetection`, want: "<statusCode>6</statusCode>",
		post: `<MotionDetection><enabled>true</enabled></MotionDetection>`},
	{maker: "hikvision", call: `/ISAPI/System/Network/ftp`, want: "<statusCode>5</statusCode>", post: `<FTPNotificationList>`},
	{maker: "hikvision", call: `/ISAPI/System/reboot`, want: "<statusCode>4</statusCode>", post: `<x></x>`},
	{maker: "dahua", call: `/cgi-bin/configManager.cgi?action=setConfig&NTP.Enable=true&NTP.Address=time.nist.gov&NTP.Port=123&NTP.UpdatePeriod=60`, want: "OK",
		set: func(s Settings) bool { return s.NTP && s.NTPServer == "time.nist.gov" }},
	{maker: "dahua", call: `/cgi-bin/configManager.cgi?action=setConfig&NAS[0].Enable=true&NAS[0].Address=ftp.camio.com&NAS[0].UserName=abc123pdq&NAS[0].Password=camio`, want: "OK",
		set: func(s Settings) bool {
			return s.FTP && s.FTPServer == "ftp.camio.com" && s.FTPUser == "abc123pdq" && s.FTPPassword == "camio"
		}},
	{maker: "dahua", call: `/cgi-bin/configManager.cgi?action=setConfig&MotionDetect[0].Enable=true&MotionDetect[0].EventHandler.SnapshotEnable=true`, want: "OK",
		set: func(s Settings) bool { return s.Motion }},
	{maker: "dahua", call: `/cgi-bin/configManager.cgi?action=getConfig&name=NTP`, want: "table.NTP.Address="},
	{maker: "dahua", call: `/cgi-bin/configManager.cgi?action=setConfig&NTP.Nothing=1`, want: "Error"},
	{maker: "foscam", call: `/cgi-bin/CGIProxy.fcgi?cmd=setSystemTime&timeSource=0&ntpServer=time.nist.gov&timeZone=-3600`, want: "<result>0</result>",
		set: func(s Settings) bool {
			return s.NTP && s.NTPServer == "time.nist.gov" && s.All["SystemTime.timeZone"] == "-3600"
		}},
	{maker: "foscam", call: `/cgi-bin/CGIProxy.fcgi?cmd=setSystemTime&timeSource=0&ntpServer=time.nist.gov`, want: "<result>0</result>", // loses the zone
		set: func(s Settings) bool { return s.All["SystemTime.timeZone"] == "0" }},
	{maker: "foscam", call: `/cgi-bin/CGIProxy.fcgi?cmd=setSystemTime&timeSource=0&ntpServer=pool.ntp.org`, want: "<result>-4</result>"},
	{maker: "foscam", call: `/cgi-bin/CGIProxy.fcgi?cmd=setFtpConfig&ftpAddr=ftp://ftp.camio.com/123456789012/&ftpPort=21&mode=0&userName=abc123pdq&password=camio`,
		want: "<result>0</result>", set: func(s Settings) bool {
			return s.FTPServer == "ftp.camio.com" && s.FTPPath == "123456789012" && s.FTPUser == "abc123pdq"
		}},
	{maker: "foscam", call: `/cgi-bin/CGIProxy.fcgi?cmd=setFtpConfig&ftpPort=21`, want: "<result>-1</result>"},
	{maker: "foscam", call: `/cgi-bin/CGIProxy.fcgi?cmd=getMotionDetectConfig`, want: "<sensitivity>3</sensitivity>"},
	{maker: "foscam", call: `/cgi-bin/CGIProxy.fcgi?cmd=setMotionDetectConfig&isEnable=1&linkage=4`, want: "<result>0</result>",
		set: func(s Settings) bool { return s.Motion && s.All["MotionDetectConfig.sensitivity"] == "0" }},
	{maker: "d-link", call: `/vb.htm?language=ie&sntpip=time.nist.gov`, want: "OK sntpip", set: func(s Settings) bool { return s.NTPServer == "time.nist.gov" }},
	{maker: "d-link", call: `/vb.htm?language=ie&ftpip=ftp.camio.com&ftpipport=21&ftpuser=abc123pdq&ftppassword=camio&ftppath=123456789012`, want: "OK ftpip",
		set: func(s Settings) bool { return s.FTPServer == "ftp.camio.com" && s.FTPUser == "abc123pdq" }},
	{maker: "d-link", call: `/vb.htm?ftpip=`, want: "NG ftpip"},
	{maker: "d-link", call: `/vb.htm?nothing=1`, want: "UK nothing"},
}

// programs are the ways to call a maker's CGI by hand.
func programs(maker string) map[string]string {
	switch maker {
	case "foscam":
		return map[string]string{"curl": curl, "wget": strings.Split(wget, " --user")[0] + " "}
	case "d-link":
		return map[string]string{"curl --basic": curl + `--basic -u "$L" `, "wget": wget}
	case "sharx":
		return map[string]string{"curl --basic": curl + `--basic -u "$L" `, "curl --digest": curl + `--digest -u "$L" `, "curl --anyauth": curl + `--anyauth -u "$L" `, "wget": wget}
	}
	return map[string]string{"curl --digest": curl + `--digest -u "$L" `, "wget": wget}
}

func TestBoardsTakeWhatCurlAndWgetSendFromTheMakersPapers(t *testing.T) {
	for _, k := range known {
		for name, program := range programs(k.maker) {
			b := New(t, k.maker)
			call := k.call
			if k.maker == "foscam" {
				call += "&usr=admin&pwd=pass%2Bword%201"
			}
			script := program
			if k.post != "" {
				method := "POST"
				if strings.HasPrefix(k.post, "<") {
					method = "PUT"
				}
				if name == "wget" {
					script += "--method=" + method + " --body-data='" + k.post + "' "
				} else {
					script += "-X " + method + " --data-binary '" + k.post + "' "
				}
			}
			script += `"$U"'` + call + `'`
			if name == "wget" {
				script += " || true" // it fails on every error status, and the firmware's words count
			}
			got := run(t, b, script)
			if !strings.Contains(got, k.want) {
				t.Errorf("%s, %s %s: got %q, want %q", k.maker, name, k.call, got, k.want)
			}
			if k.set != nil && !k.set(b.Settings()) {
				t.Errorf("%s, %s %s: settings %+v", k.maker, name, k.call, b.Settings())
			}
		}
	}
}

func TestBoardsGiveASnapshotOnlyToTheirUser(t *testing.T) {
	for maker, path := range map[string]string{"sharx": "/snapshot.jpg", "axis": "/axis-cgi/jpg/image.cgi", "hikvision": "/ISAPI/Streaming/channels/101/picture",
		"dahua": "/cgi-bin/snapshot.cgi", "d-link": "/image/jpeg.cgi", "camward": "/snapshot.jpg", "foscam": "/cgi-bin/CGIProxy.fcgi?cmd=snapPicture2"} {
		b := New(t, maker)
		login := ""
		if maker == "foscam" {
			login = "&usr=admin&pwd=pass%2Bword%201"
		}
		if got := run(t, b, curl+`--anyauth -u "$L" "$U`+path+login+`"`); !strings.HasPrefix(got, "\xff\xd8\xff") {
			t.Errorf("%s: %.20q is no JPEG", maker, got)
		}
		if got := run(t, b, curl+`"$U`+path+`"`); strings.HasPrefix(got, "\xff\xd8\xff") {
			t.Errorf("%s: a snapshot for anybody", maker)
		}
	}
}

func TestBoardsRefuseAWrongPassword(t *testing.T) {
	for _, maker := range Makers() {
		b := New(t, maker)
		path := map[string]string{"foscam": "/cgi-bin/CGIProxy.fcgi?cmd=setFtpConfig&ftpAddr=evil&usr=admin&pwd=guess"}[maker]
		if path == "" {
			path = "/form/setNtp?ENABLE=1&SERVER=evil"
		}
		for _, flags := range []string{"", "--basic -u admin:guess", "--digest -u admin:guess", `--digest -u "root:$P"`} {
			want := "401"
			if maker == "foscam" {
				want = "<result>-2</result>"
			}
			if got := run(t, b, curl+flags+` -w '%{http_code}' "$U`+path+`"`); !strings.Contains(got, want) {
				t.Errorf("%s %s: %q", maker, flags, got)
			}
		}
		for _, r := range b.Requests() {
			if r.Accepted {
				t.Errorf("%s accepted %+v", maker, r)
			}
		}
		if s := b.Settings(); s.NTPServer == "evil" || s.FTPServer == "evil" {
			t.Errorf("%s: %+v", maker, s)
		}
	}
}

// send sends a request with an Authorization header as it is.
func send(t *testing.T, b *Board, path, authorization string) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequest("GET", b.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header
}

// overheard lets curl make a good call, and returns the header it sent.
func overheard(t *testing.T, b *Board, path string) string {
	t.Helper()
	run(t, b, curl+`--digest -u "$L" "$U`+path+`"`)
	for _, r := range b.Requests() {
		if r.Accepted {
			return r.Authorization
		}
	}
	t.Fatal("curl was not accepted")
	return ""
}

func TestADigestHeaderWorksOnceAndForItsAddressAndRealmOnly(t *testing.T) {
	const path = "/axis-cgi/param.cgi?action=list&group=root.Time"
	b := New(t, "axis")
	header := overheard(t, b, path)
	if code, h := send(t, b, path, header); code != 401 || strings.Contains(h.Get("WWW-Authenticate"), "stale=true") {
		t.Errorf("replayed: %d %v", code, h)
	}
	if code, _ := send(t, b, path, strings.Replace(header, "nc=00000001", "nc=00000002", 1)); code != 401 {
		t.Errorf("replayed with another count: %d", code)
	}
	other := New(t, "axis")
	if code, _ := send(t, other, path, header); code != 401 {
		t.Errorf("nonce of another board: %d", code)
	}
	for _, change := range [][2]string{{"AXIS_ACCC8E123456", "AXIS_000000000000"}, {"action=list", "action=update"}, {`algorithm=MD5`, `algorithm=SHA-256`}, {"qop=auth", "qop=auth-int"}} {
		if !strings.Contains(header, change[0]) {
			t.Fatalf("%s is not in %s", change[0], header)
		}
		if code, _ := send(t, b, path, strings.Replace(header, change[0], change[1], 1)); code != 401 {
			t.Errorf("%s as %s: %d", change[0], change[1], code)
		}
	}
}

func TestANonceExpiresAndSaysSo(t *testing.T) {
	now := time.Now()
	b := New(t, "dahua", Clock(func() time.Time { return now }), NonceLife(time.Second))
	const path = "/cgi-bin/configManager.cgi?action=getConfig&name=NTP"
	header := overheard(t, b, path)
	b.mu.Lock()
	now = now.Add(2 * time.Second)
	for _, n := range b.auth.nonces {
		n.count = 0
	}
	b.mu.Unlock()
	code, h := send(t, b, path, header)
	if code != 401 || !strings.Contains(h.Get("WWW-Authenticate"), "stale=true") {
		t.Errorf("got %d %v", code, h)
	}
}

// The response of RFC 7616 3.4.1, by md5sum.
const counting = `
p=/ISAPI/System/time
md5() { printf %s "$1" | md5sum | cut -c1-32; }
nonce=$(curl -sSi "$U$p" | sed -n 's/.*nonce="\([^"]*\)".*/\1/p')
for nc in 00000001 00000002 00000002 00000001 00000007; do
	r=$(md5 "$(md5 "$N:IP Camera(12345):$P"):$nonce:$nc:abcd:auth:$(md5 "GET:$p")")
	curl -sS -o /dev/null -w '%{http_code} ' -H "Authorization: Digest username=\"$N\", realm=\"IP Camera(12345)\", nonce=\"$nonce\", uri=\"$p\", cnonce=\"abcd\", nc=$nc, qop=auth, response=\"$r\", opaque=\"5ccc069c\"" "$U$p"
done`

func TestANonceServesAsLongAsItsCountRises(t *testing.T) {
	if got, want := run(t, New(t, "hikvision"), counting), "200 200 401 401 200 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOptionsChooseTheChallenge(t *testing.T) {
	for _, tt := range []struct {
		name string
		opt  Option
		want []string
	}{{"basic", Basic(), []string{"Basic"}}, {"digest", Digest(), []string{"Digest"}}, {"both", Both(), []string{"Basic", "Digest"}}} {
		_, h := send(t, New(t, "axis", tt.opt), "/", "")
		got := h.Values("WWW-Authenticate")
		if len(got) != len(tt.want) {
			t.Fatalf("%s: %q", tt.name, got)
		}
		for i, w := range tt.want {
			if !strings.HasPrefix(got[i], w+" ") {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		}
	}
}

func TestABoardFailsOnDemand(t *testing.T) {
	b := New(t, "axis", FailWith(200, "# Error: busy\n"))
	const call = curl + `--digest -u "$L" "$U/axis-cgi/param.cgi?action=list&group=root.Time"`
	if got := run(t, b, call); got != "# Error: busy\n" {
		t.Errorf("got %q", got)
	}
	b.FailWith(0, "")
	if got := run(t, b, call); !strings.Contains(got, "root.Time.") {
		t.Errorf("got %q", got)
	}
	b.Break(true)
	if got := run(t, b, call+" 2>&1 || echo broken"); !strings.Contains(got, "broken") {
		t.Errorf("got %q", got)
	}
}

func TestARequestIsKeptAsItStood(t *testing.T) {
	b := New(t, "sharx", Login("admin", "admin"))
	run(t, b, curl+`--basic -u admin:admin "$U"'/form/setHttpPeriodSending/?ENABLE=1&SEC=30&URL=h`+foot+`&AUTH=0'`)
	r := b.Requests()
	if len(r) != 1 || r[0].Target != "/form/setHttpPeriodSending/?ENABLE=1&SEC=30&URL=h"+foot+"&AUTH=0" || r[0].Method != "GET" {
		t.Errorf("got %+v", r)
	}
}

func TestAnUnknownMakerIsAnError(t *testing.T) {
	if _, err := Handler("nobody"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// A simulator serves whatever an end-to-end test sends it.
func FuzzBoards(f *testing.F) {
	for _, k := range known {
		f.Add(k.maker, "GET", k.call, "", k.post)
		f.Add(k.maker, "PUT", k.call, `Digest username="admin", realm="x\"", nonce=a, nc=00000001, uri="/"`, k.post)
	}
	f.Fuzz(func(t *testing.T, maker, method, target, authorization, body string) {
		b, err := Handler(maker, Both(), NonceLife(time.Hour))
		if err != nil {
			return
		}
		before := b.Settings()
		for _, header := range []string{authorization, "Basic YWRtaW46cGFzcyt3b3JkIDE="} {
			w := httptest.NewRecorder()
			b.ServeHTTP(w, &http.Request{Method: method, RequestURI: target, Header: http.Header{"Authorization": {header}}, Body: io.NopCloser(strings.NewReader(body))})
			seen := b.Requests()
			if after := b.Settings(); !seen[len(seen)-1].Accepted && !reflect.DeepEqual(before, after) {
				t.Fatalf("%s %s changed %+v to %+v without a password", method, target, before, after)
			}
			before = b.Settings()
		}
	})
}
