package profile

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func builtinProfile(t testing.TB, maker string) *Profile {
	t.Helper()
	p, ok := Builtin().Find(maker, "", "")
	if !ok {
		t.Fatalf("no profile of %s", maker)
	}
	return p
}

const (
	foscamTime = "/cgi-bin/CGIProxy.fcgi?cmd=setSystemTime&timeSource=0&ntpServer=time.nist.gov"
	dahuaNTP   = "/cgi-bin/configManager.cgi?action=setConfig&NTP.Enable=true&NTP.Address=time.nist.gov"
	axisNTP    = "/axis-cgi/param.cgi?action=update&root.Time.NTP.Server=time.nist.gov"
	sharxPing  = "/form/setHttpPeriodSending/?ENABLE=1&SEC=30&URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD="
	sharxFTP   = "/form/setFtpAlarmSending/?ENABLE=1&SERVER=ftp.camio.com&PORT=21&REMOTEPATH=123456789012&AUTH=1&USERNAME=abc123pdq&PASSWORD=camio"
)

func TestAllowsWhatTheListHas(t *testing.T) {
	for _, tt := range []struct{ maker, method, path string }{
		{"Sharx", "GET", sharxPing},
		{"Sharx", "GET", "/" + sharxPing},
		{"Sharx", "GET", sharxFTP},
		{"Sharx", "GET", "/form/setNtp?ENABLE=1&SERVER=time.nist.gov"},
		{"Sharx", "GET", "/form/setNtp/?ENABLE=1&SERVER=time.nist.gov&TIMEZONE=GMT"},
		{"Sharx", "GET", "/form/setNtp?ENABLE=1&SERVER=2001:db8::1"},
		{"camward", "POST", "/form/setMotionZones/"},
		{"camward", "GET", "/form/setHttpAlarmSending/?ENABLE=1&MODE=video&URL=https://c.example/api/users/t/cameras/Bob%27s%20shop/content/"},
		{"Axis", "GET", axisNTP},
		{"Dahua", "GET", dahuaNTP},
		{"Dahua", "GET", "/cgi-bin/configManager.cgi?action=setConfig&NAS[0].Enable=false"},
		{"Foscam", "GET", foscamTime},
		{"Hikvision", "PUT", "/ISAPI/System/Network/ftp"},
		{"D-Link", "GET", "/vb.htm?language=ie&sntpip=time.nist.gov"},
	} {
		if err := builtinProfile(t, tt.maker).Allows(tt.method, tt.path); err != nil {
			t.Errorf("%s %s %s: %v", tt.maker, tt.method, tt.path, err)
		}
	}
}

// Each of these is a way round a list that somebody's firmware or somebody's list has fallen for.
func TestAllowsRefusesWhatCouldBeReadInTwoWays(t *testing.T) {
	for _, tt := range []struct{ maker, method, path string }{
		{"Dahua", "GET", "/cgi-bin/userManager.cgi?action=addUser"},
		{"Dahua", "GET", "/cgi-bin/configManager.cgi"},
		{"Dahua", "GET", "/cgi-bin/configManager.cgi?"},
		{"Dahua", "GET", "/cgi-bin/configManager.cgi?action=getConfig&name=NTP"},
		{"Dahua", "GET", dahuaNTP + "&VideoInMode[0].Mode=1"},
		{"Dahua", "GET", dahuaNTP + "&NAS[0].Address=evil"},
		{"Dahua", "GET", dahuaNTP + "&NTP.Address=evil"},
		{"Dahua", "GET", dahuaNTP + "&ntp.address=evil"},
		{"Dahua", "GET", dahuaNTP + "&NTP%2EAddress=evil"},
		{"Dahua", "GET", dahuaNTP + "&+NTP.Port=1"},
		{"Dahua", "GET", dahuaNTP + "%26name=evil"},
		{"Dahua", "GET", dahuaNTP + "%2526name=evil"},
		{"Dahua", "GET", dahuaNTP + ";name=evil"},
		{"Dahua", "GET", dahuaNTP + "%3Bname=evil"},
		{"Dahua", "GET", dahuaNTP + "&"},
		{"Dahua", "GET", dahuaNTP + "&&NTP.Port=1"},
		{"Dahua", "GET", dahuaNTP + "&name"},
		{"Dahua", "GET", dahuaNTP + "?action=evil"},
		{"Dahua", "GET", dahuaNTP + "#"},
		{"Dahua", "GET", dahuaNTP + "%00"},
		{"Dahua", "GET", dahuaNTP + "%0d%0aHost:evil"},
		{"Dahua", "GET", dahuaNTP + "\r\nHost: evil"},
		{"Dahua", "GET", dahuaNTP + "`reboot`"},
		{"Dahua", "GET", dahuaNTP + "%60reboot%60"},
		{"Dahua", "GET", dahuaNTP + "$(reboot)"},
		{"Dahua", "GET", dahuaNTP + "%zz"},
		{"Dahua", "GET", dahuaNTP + "%4"},
		{"Dahua", "GET", dahuaNTP + "%c3%28"},
		{"Dahua", "GET", dahuaNTP + "\u2025"},
		{"Dahua", "POST", dahuaNTP},
		{"Dahua", "get", dahuaNTP},
		{"Dahua", "DELETE", dahuaNTP},
		{"Dahua", "GET", "/cgi-bin//configManager.cgi" + dahuaNTP[len("/cgi-bin/configManager.cgi"):]},
		{"Dahua", "GET", "/" + "/" + dahuaNTP},
		{"Dahua", "GET", "/CGI-BIN/configManager.cgi" + dahuaNTP[len("/cgi-bin/configManager.cgi"):]},
		{"Dahua", "GET", "/cgi-bin/x/../configManager.cgi" + dahuaNTP[len("/cgi-bin/configManager.cgi"):]},
		{"Dahua", "GET", "/cgi-bin/%63onfigManager.cgi" + dahuaNTP[len("/cgi-bin/configManager.cgi"):]},
		{"Dahua", "GET", "/cgi-bin/configManager.cgi/" + dahuaNTP[len("/cgi-bin/configManager.cgi"):]},
		{"Dahua", "GET", "/cgi-bin/configManager.cgi%3F" + dahuaNTP[len("/cgi-bin/configManager.cgi?"):]},
		{"Dahua", "GET", "http://evil" + dahuaNTP},
		{"Dahua", "GET", "//evil" + dahuaNTP},
		{"Dahua", "GET", "@evil" + dahuaNTP},
		{"Dahua", "GET", ""},
		{"Axis", "GET", "/axis-cgi/param.cgi?action=update&root.Network.FTP.Enabled=yes"},
		{"Axis", "GET", axisNTP + "&root.Users.Admin=evil"},
		{"Axis", "GET", axisNTP + "&action=add"},
		{"Axis", "GET", axisNTP + "&ACTION=add"},
		{"Axis", "GET", "/axis-cgi/pwdgrp.cgi?action=add&user=evil"},
		{"Axis", "POST", axisNTP},
		{"Foscam", "GET", foscamTime + "&cmd=addAccount"},
		{"Foscam", "GET", "/cgi-bin/CGIProxy.fcgi?cmd=addAccount&usrName=evil"},
		{"Foscam", "GET", foscamTime + "&usr=admin&pwd="},
		{"Foscam", "GET", foscamTime + "&ftpAddr=evil"},
		{"Foscam", "GET", strings.Replace(foscamTime, "time.nist.gov", "evil", 1)},
		{"Foscam", "GET", strings.Replace(foscamTime, "cmd=", "%63md=", 1)},
		{"Foscam", "GET", strings.Replace(foscamTime, "=setSystemTime", "=setSystemTime%00", 1)},
		{"Hikvision", "PUT", "/ISAPI/Security/users/1"},
		{"Hikvision", "PUT", "/ISAPI/System/Network/ftp?x=1"},
		{"Hikvision", "PUT", "/ISAPI/System/Network/ftp/../../../Security/users/1"},
		{"Hikvision", "PUT", "/ISAPI/System/Network/ftp/..%2f..%2f..%2fSecurity/users/1"},
		{"Hikvision", "PUT", "/ISAPI/System/Network/ftp/%2e%2e/interfaces"},
		{"Hikvision", "PUT", "/ISAPI/System/Network/ftp\\..\\interfaces"},
		{"Hikvision", "PUT", "/ISAPI/System/Network/ftp;x=1"},
		{"Hikvision", "GET", "/ISAPI/System/Network/ftp"},
		{"D-Link", "GET", "/vb.htm?sntpip=a&ipcamrestartcmd"},
		{"D-Link", "GET", "/vb.htm?sntpip=a&adduser=evil"},
		{"Sharx", "GET", "/form/setWlan/?ENABLE=1&SSID=evil"},
		{"Sharx", "GET", sharxFTP + "&SERVER=evil"},
		{"Sharx", "GET", sharxFTP + "&server=evil"},
		{"Sharx", "GET", sharxFTP + "&x=$(reboot)"},
		{"Sharx", "GET", sharxFTP + "&x=a%7creboot"},
		{"Sharx", "GET", sharxPing + "&AUTH=1"},
		{"Sharx", "GET", sharxPing + "&URL=evil"},
		{"Sharx", "GET", strings.Replace(sharxPing, "&ip_", "&SEC=1&ip_", 1)},
		{"Sharx", "GET", strings.Replace(sharxPing, "&ip_", "&PASSWORD=x&ip_", 1)},
		{"Sharx", "GET", strings.Replace(sharxPing, "www.camio.com", "evil@www.camio.com", 1)},
		{"Sharx", "GET", strings.Replace(sharxPing, "www.camio.com", "www.camio.com%26USERNAME=x", 1)},
		{"Sharx", "GET", strings.Replace(sharxPing, "$(localip)", "$(reboot)", 1)},
		{"Sharx", "GET", strings.Replace(sharxPing, "$(localip)", "%0a", 1)},
		{"Sharx", "GET", "/form/setNtp?ENABLE=1&SERVER=" + strings.Repeat("a", 5000)},
		{"camward", "POST", "/form/setMotionZones/?x=1"},
		{"camward", "GET", "/form/setMotionZones/"},
		{"camward", "GET", "/form/setHttpAlarmSending/?ENABLE=1&URL=https://c.example/%0d%0a"},
	} {
		err := builtinProfile(t, tt.maker).Allows(tt.method, tt.path)
		if err == nil {
			t.Errorf("%s %s %.100q is allowed", tt.maker, tt.method, tt.path)
		} else if strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 300 {
			t.Errorf("%s %s %.100q: not one short line: %q", tt.maker, tt.method, tt.path, err)
		}
	}
}

func TestARefusalNamesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ maker, path, want string }{
		{"Foscam", strings.Replace(foscamTime, "time.nist.gov", "evil", 1), "parameter ntpServer has a value that is not allowed"},
		{"Foscam", "/cgi-bin/CGIProxy.fcgi?cmd=setFtpConfig&ftpPort=21", "parameter ftpAddr is missing"},
		{"Foscam", foscamTime + "&usr=admin", "parameter usr is not on the list"},
		{"Dahua", dahuaNTP + "&ntp.address=x", "parameter ntp.address comes twice"},
		{"Dahua", "/cgi-bin/../x", "dot segment"},
		{"Dahua", "/cgi-bin/userManager.cgi", "GET /cgi-bin/userManager.cgi is not on the list of Dahua"},
		{"Sharx", "/form/setNtp?enable=1", "parameter enable is spelled in another case"},
		{"Sharx", sharxPing + "&x=%0d", `parameter x has a '\r', plain or encoded`},
	} {
		if err := builtinProfile(t, tt.maker).Allows("GET", tt.path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", tt.maker, tt.path, err, tt.want)
		}
	}
}

// view is what a firmware makes of a query: by which character it cuts, whether it decodes before or after, and which of two wins.
type view struct {
	separators  string
	decodeFirst bool
	lastWins    bool
}

// read is a careless reader of a query, names in lower case.
func (v view) read(query string) map[string]string {
	unescape := func(s string) string {
		if u, err := url.QueryUnescape(s); err == nil {
			return u
		}
		return s
	}
	if v.decodeFirst {
		query = unescape(query)
	}
	m := map[string]string{}
	for _, piece := range strings.FieldsFunc(query, func(r rune) bool { return strings.ContainsRune(v.separators, r) }) {
		name, value, _ := strings.Cut(piece, "=")
		if !v.decodeFirst {
			name, value = unescape(name), unescape(value)
		}
		name = strings.ToLower(strings.TrimSpace(name))
		if _, there := m[name]; !there || v.lastWins {
			m[name] = value
		}
	}
	return m
}

// deciding are the parameters that choose what a call does, and all that they may choose.
var deciding = map[string]map[string][]string{
	"Axis":   {"action": {"update"}},
	"Dahua":  {"action": {"setConfig"}},
	"Foscam": {"cmd": {"setSystemTime", "setFtpConfig", "setMotionDetectConfig", "setSnapConfig"}},
}

func FuzzAllows(f *testing.F) {
	for _, maker := range Builtin().Makers() {
		p := builtinProfile(f, maker)
		commands, err := p.Commands(everything())
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range commands {
			f.Add(maker, c.Method, c.Path)
		}
	}
	for _, tail := range []string{"&cmd=x", "%26cmd=x", ";cmd=x", "#", "&CMD=x", "&x=%0a", "/../x", "+"} {
		f.Add("Foscam", "GET", foscamTime+tail)
		f.Add("Sharx", "GET", sharxPing+tail)
	}
	f.Fuzz(func(t *testing.T, maker, method, path string) {
		p, ok := Builtin().Find(maker, "", "")
		if !ok {
			return
		}
		if err := p.Allows(method, path); err != nil {
			if strings.ContainsAny(err.Error(), "\r\n\x00\x1b") || len(err.Error()) > 400 {
				t.Fatalf("not one short line: %q", err)
			}
			return
		}
		checkAllowed(t, p, method, path)
	})
}

// checkAllowed holds what was allowed against every reader.
func checkAllowed(t *testing.T, p *Profile, method, path string) {
	t.Helper()
	if strings.HasPrefix(path, "//") {
		path = path[1:]
	}
	u, err := url.ParseRequestURI(path)
	if err != nil || u.Host != "" || u.Fragment != "" || u.EscapedPath() != u.Path || strings.Contains(u.Path, "..") {
		t.Fatalf("%q allowed; net/url: %+v, %v", path, u, err)
	}
	if !slices.ContainsFunc(p.endpoints, func(e *endpoint) bool { return e.is(method, u.Path) }) {
		t.Fatalf("%q allowed, a path that is not on the list", path)
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		t.Fatalf("%q allowed; net/url: %v", path, err)
	}
	for name, v := range values {
		if len(v) != 1 {
			t.Fatalf("%q allowed, %s is there %d times", path, name, len(v))
		}
	}
	if strings.Contains(u.Path, "setHttp") { // its URL has ampersands of its own; the endpoint does nothing else
		return
	}
	for _, v := range []view{{"&", false, false}, {"&", false, true}, {"&;", true, false}, {"&;", true, true}, {"&;?#", true, true}} {
		got := v.read(u.RawQuery)
		if len(got) != len(values) {
			t.Fatalf("%q allowed; net/url finds %v, %+v finds %v", path, values, v, got)
		}
		for name, may := range deciding[p.Maker] {
			if !slices.Contains(may, got[name]) {
				t.Fatalf("%q allowed; %+v reads %s=%q", path, v, name, got[name])
			}
		}
	}
}
