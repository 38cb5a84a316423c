package profile

import (
	"encoding/xml"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"camward/camio"
)

// everything are values for every command.
func everything() Values {
	return Values{
		CloudURL: &url.URL{Scheme: "https", Host: "www.camio.com"}, MAC: "12:34:56:78:90:12", Camera: "front", UploadToken: "abc123pdq",
		FTPHost: "ftp.camio.com", FTPPort: 2121, FTPPassword: "camio", NTPServer: "time.nist.gov", Period: 30 * time.Second,
		Zones: []camio.Zone{{Name: "door", Polygons: []camio.Polygon{{Points: []camio.Point{{X: 0, Y: 0}, {X: 1, Y: 0}, {X: 1, Y: 1}}}}}},
	}
}

func TestSharxCommandsAreThoseOfTheDocument(t *testing.T) {
	p := builtinProfile(t, "trivision")
	v := everything()
	v.CloudURL.Scheme, v.FTPPort = "http", 0
	got, err := p.Commands(v)
	if err != nil {
		t.Fatal(err)
	}
	command := func(id, path string) camio.Command {
		return camio.Command{ID: id, Method: "GET", IsAuthRequired: true, RegexResponse: "000 Success", Path: path}
	}
	want := []camio.Command{
		command("ping", "/form/setHttpPeriodSending/?ENABLE=1&SCHED=0&SCHEDID=1&HOUR=0&MIN=0&SEC=30&URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD="),
		command("time", "/form/setNtp?ENABLE=1&SERVER=time.nist.gov"),
		command("ftpAlarm", "/form/setFtpAlarmSending/?ENABLE=1&SCHED=0&SCHEDID=1&STREAMID=0&DURATION=1&FRAMERATE=1&INTERVAL=0&SERVER=ftp.camio.com&PORT=21&REMOTEPATH=123456789012&AUTH=1&USERNAME=abc123pdq&PASSWORD=camio"),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func ids(commands []camio.Command) []string {
	var out []string
	for _, c := range commands {
		out = append(out, c.ID)
	}
	return out
}

func TestEachMakerGetsWhatItsFirmwareCanDo(t *testing.T) {
	want := map[string][3][]string{ // claimed, unclaimed, without an FTP server
		"Sharx":     {{"ping", "time", "ftpAlarm"}, {"ping", "time"}, {"ping", "time"}},
		"camward":   {{"ping", "time", "ftpAlarm", "upload", "zones"}, {"ping", "time"}, {"ping", "time", "upload", "zones"}},
		"Axis":      {{"time"}, {"time"}, {"time"}},
		"Hikvision": {{"time", "timeMode", "ftpAlarm", "motion", "motionUpload"}, {"time", "timeMode"}, {"time", "timeMode"}},
		"Dahua":     {{"time", "ftpAlarm", "motion"}, {"time"}, {"time"}},
		"Foscam":    {{"time", "ftpAlarm", "motion", "motionUpload"}, {"time"}, {"time"}},
		"D-Link":    {{"time", "ftpAlarm", "motionUpload"}, {"time"}, {"time"}},
	}
	if got := Builtin().Makers(); len(got) != len(want) || !slices.IsSorted(got) {
		t.Errorf("makers %q", got)
	}
	for maker, w := range want {
		p := builtinProfile(t, maker)
		unclaimed, noFTP := everything(), everything()
		unclaimed.UploadToken, noFTP.FTPHost = "", ""
		for i, v := range []Values{everything(), unclaimed, noFTP} {
			got, err := p.Commands(v)
			if err != nil || !slices.Equal(ids(got), w[i]) {
				t.Errorf("%s: %q, %v; want %q", maker, ids(got), err, w[i])
			}
		}
		if got, err := p.Commands(Values{}); err != nil || len(got) != 0 {
			t.Errorf("%s without values: %q, %v", maker, ids(got), err)
		}
	}
}

func TestMakersAreFoundInAnyCaseAndByAlias(t *testing.T) {
	for maker, want := range map[string]string{"SHARX": "Sharx", "TriVision": "Sharx", "amcrest": "Dahua", "ic realtime": "Dahua",
		" D-LINK ": "D-Link", "Camward": "camward", "hikVision": "Hikvision", "foscam": "Foscam", "axis communications": "Axis", "": "", "Sony": ""} {
		p, ok := Builtin().Find(maker, "any", "1")
		if ok != (want != "") || ok && p.Maker != want {
			t.Errorf("%q: %v, %v; want %q", maker, p, ok, want)
		}
	}
}

func TestPeriodsAreWrittenInParts(t *testing.T) {
	v := everything()
	v.Period = 25*time.Hour + 61*time.Second
	got, err := builtinProfile(t, "Sharx").Commands(v)
	if err != nil || !strings.Contains(got[0].Path, "&HOUR=25&MIN=1&SEC=1&") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestValuesAreEscapedAsTheirPlaceNeeds(t *testing.T) {
	v := everything()
	v.UploadToken, v.Camera, v.FTPPassword = "a_b-c", "Bob's café", "a<b&c\"d"
	v.CloudURL.Path = "/cloud/"
	find := func(maker, id string) camio.Command {
		t.Helper()
		got, _ := builtinProfile(t, maker).Commands(v)
		for _, c := range got {
			if c.ID == id {
				return c
			}
		}
		return camio.Command{}
	}
	if got, want := find("camward", "upload").Path,
		"/form/setHttpAlarmSending/?ENABLE=1&MODE=video&URL=https://www.camio.com/cloud/api/users/a_b-c/cameras/Bob%27s%20caf%C3%A9/content/"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := find("camward", "ping").Path; !strings.Contains(got, "URL=https://www.camio.com/cloud/api/cameras/$(hwaddr)/?maker=camward&ip_address_local=$(localip)&AUTH=0") {
		t.Errorf("got %s", got)
	}
	if got := find("Hikvision", "ftpAlarm").Body; !strings.Contains(got, "<password>a&lt;b&amp;c&#34;d</password>") {
		t.Errorf("got %s", got)
	}
	if got, want := find("camward", "zones").Body, `[{"name":"door","polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":0},{"x":1,"y":1}]}]}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatAFirmwareCannotBeToldIsLeftOutAndNamed(t *testing.T) {
	v := everything()
	v.FTPPassword = "a&b" // no query can carry it safely
	got, err := builtinProfile(t, "Sharx").Commands(v)
	if !slices.Equal(ids(got), []string{"ping", "time"}) || err == nil || !strings.Contains(err.Error(), "ftpAlarm") || strings.Contains(err.Error(), "a&b") {
		t.Errorf("got %q, %v", ids(got), err)
	}
	v = everything()
	v.NTPServer, v.MAC, v.UploadToken = "evil\r\nHost: x", "nonsense", "tok\nen"
	got, err = builtinProfile(t, "Sharx").Commands(v)
	if !slices.Equal(ids(got), []string{"ping"}) || err == nil || strings.Count(err.Error(), "\n") != 2 || strings.Contains(err.Error(), "tok\nen") || strings.Contains(err.Error(), "tok en") {
		t.Errorf("got %q, %v", ids(got), err)
	}
}

func TestFoscamIsToldOneOfTheServersItKnows(t *testing.T) {
	for server, want := range map[string]string{"pool.ntp.org": "time.nist.gov", "time.windows.com": "time.windows.com"} {
		v := everything()
		v.NTPServer = server
		got, err := builtinProfile(t, "Foscam").Commands(v)
		if err != nil || !strings.HasSuffix(got[0].Path, "&ntpServer="+want) {
			t.Errorf("%s: %v, %v", server, got[0].Path, err)
		}
	}
}

func TestHikvisionIsToldNamesAndAddressesApart(t *testing.T) {
	for server, want := range map[string]string{
		"ftp.camio.com": "<addressingFormatType>hostname</addressingFormatType><hostName>ftp.camio.com</hostName>",
		"192.0.2.1":     "<addressingFormatType>ipaddress</addressingFormatType><ipAddress>192.0.2.1</ipAddress>",
		"2001:db8::1":   "<addressingFormatType>ipaddress</addressingFormatType><ipv6Address>2001:db8::1</ipv6Address>",
	} {
		v := everything()
		v.FTPHost = server
		got, err := builtinProfile(t, "Hikvision").Commands(v)
		if err != nil || !strings.Contains(got[2].Body, want) {
			t.Errorf("%s: %s, %v", server, got[2].Body, err)
		}
	}
}

func TestAnErrorTextIsToldFromASuccess(t *testing.T) {
	for _, tt := range []struct {
		maker, body string
		want        bool
	}{
		{"Axis", "# Error: Error setting 'root.X' to 'Y'!\n", true}, {"Axis", "OK", false},
		{"Hikvision", "<statusCode>6</statusCode>", true}, {"Hikvision", "<statusCode>1</statusCode>", false},
		{"Dahua", "Error\r\n", true}, {"Dahua", "OK\r\n", false},
		{"Foscam", "<CGI_Result><result>-2</result>", true}, {"Foscam", "<CGI_Result><result>0</result>", false},
		{"D-Link", "OK a\nNG b\n", true}, {"D-Link", "OK a\nOK b\n", false},
		{"Sharx", "101 x", false}, // it has no such thing: success alone decides
	} {
		if got := builtinProfile(t, tt.maker).Failed([]byte(tt.body)); got != tt.want {
			t.Errorf("%s %q: %v", tt.maker, tt.body, got)
		}
	}
}

func FuzzCommands(f *testing.F) {
	f.Add("123456789012", "front", "abc123pdq", "ftp.camio.com", "camio", "time.nist.gov", "www.camio.com", "/base")
	f.Add("", "a&b=c", "x\r\ny", "::1", "<&>", "time.nist.gov%00", "h", "/%2e%2e")
	f.Add("12:34:56:78:90:12", "Bob's café", "AQBrSFvOPxQj2prnCh2wvocHnAbu_5szaBeFdQsktgE4Vw", "192.0.2.1", "]]>", "2001:db8::1", "[::1]:8080", "")
	f.Fuzz(func(t *testing.T, mac, camera, token, ftp, password, ntp, host, path string) {
		v := Values{CloudURL: &url.URL{Scheme: "https", Host: host, Path: path}, MAC: mac, Camera: camera, UploadToken: token, FTPHost: ftp,
			FTPPassword: password, NTPServer: ntp, Zones: []camio.Zone{}}
		for _, maker := range Builtin().Makers() {
			p := builtinProfile(t, maker)
			commands, _ := p.Commands(v) // what can't be told is left out; the rest must be sound
			for _, c := range commands {
				if err := p.Allows(c.Method, c.Path); err != nil {
					t.Fatalf("%s %s: %v", maker, c.Path, err)
				}
				checkAllowed(t, p, c.Method, c.Path)
				if c.ContentType == "application/xml" {
					checkXML(t, c.Body)
				}
				target, ok := p.Target(c)
				if ok && target.Host == "" {
					t.Fatalf("%s %s: the target cannot be read", maker, c.Path)
				}
				if ok && target.Kind == TargetFTP && (target.Host != strings.Trim(ftp, "[]") || target.User.Reveal() != token) {
					t.Fatalf("%s %s: target %+v of %q, %q", maker, c.Path, target, ftp, token)
				}
			}
		}
	})
}

func checkXML(t *testing.T, body string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v in %q", err, body)
		}
	}
}
