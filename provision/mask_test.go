package provision

import (
	"strings"
	"testing"

	"camward/camio"
)

func TestMaskHidesTheSecretsOfEachMaker(t *testing.T) {
	tests := map[string]string{
		"/form/setFtpAlarmSending/?ENABLE=1&SERVER=ftp.camio.com&PORT=21&AUTH=1&USERNAME=abc123pdq&PASSWORD=camio":                                "/form/setFtpAlarmSending/?ENABLE=1&SERVER=ftp.camio.com&PORT=21&AUTH=1&USERNAME=***&PASSWORD=***",
		"/form/setHttpPeriodSending/?URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD=": "/form/setHttpPeriodSending/?URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD=",
		"/form/setHttpAlarmSending/?URL=https://cloud.example.com/api/users/abc123pdq/cameras/front/content/":                                     "/form/setHttpAlarmSending/?URL=https://cloud.example.com/api/users/***/cameras/front/content/",
		"/form/x/?URL=https%3A%2F%2Fcloud.example.com%2Fapi%2Fusers%2Fabc123pdq%2Fcameras%2Ffront":                                                "/form/x/?URL=https%3A%2F%2Fcloud.example.com%2Fapi%2Fusers%2F***%2Fcameras%2Ffront",
		"/cgi-bin/configManager.cgi?action=setConfig&NAS[0].UserName=abc&NAS[0].Password=x%26y&NAS[0].Port=21":                                    "/cgi-bin/configManager.cgi?action=setConfig&NAS[0].UserName=***&NAS[0].Password=***&NAS[0].Port=21",
		"/cgi-bin/CGIProxy.fcgi?usr=admin&pwd=geheim&cmd=setFtpConfig&userName=tok&password=camio&mode=0":                                         "/cgi-bin/CGIProxy.fcgi?usr=***&pwd=***&cmd=setFtpConfig&userName=***&password=***&mode=0",
		"/form/x?URL=http://host/a?token=abc&N=1":                         "/form/x?URL=http://host/a?token=***&N=1",
		"/form/x?URL=host%2Fa%3Ftoken%3Dabc%26n%3D1&N=1":                  "/form/x?URL=host%2Fa%3Ftoken%3D***%26n%3D1&N=1",
		"/form/x?URL=ftp://user:pw@host/dir":                              "/form/x?URL=ftp://***@host/dir",
		"/form/x?%50ASSWORD=abc":                                          "/form/x?%50ASSWORD=***",
		"/form/setWlan/?ENABLE=1&SSID=home&SECURITY=WPA2-PSK&WPA_KEY=abc": "/form/setWlan/?ENABLE=1&SSID=home&SECURITY=WPA2-PSK&WPA_KEY=***",
		"/form/setNtp?ENABLE=1&SERVER=time.nist.gov&PASSIVE=1":            "/form/setNtp?ENABLE=1&SERVER=time.nist.gov&PASSIVE=1",
	}
	for path, want := range tests {
		equal(t, path, Mask(path), want)
	}
}

func TestAnswersShowNoSecretInAnyForm(t *testing.T) {
	secret := `t&k"n+ü 98765`
	c := camio.Command{ID: "ftpAlarm", Method: "PUT", Path: "/x?USERNAME=tok%261234567&PASSWORD=camio",
		Body: `<FTP><userName>name-98765</userName><password><![CDATA[cd<>ta-98765]]></password></FTP>{"token": "js\"on-98765", "api_key":"t&k\"n+ü 98765"}`}
	var b book
	b.records = []*record{{Command: c}}
	b.collect()
	tests := map[string]string{
		"000 Success tok%261234567 tok&1234567":                 "000 Success *** ***",
		"user tok&amp;1234567, pw camio.":                       "user ***, pw ***.",
		"stored on ftp.camio.com for name-98765!":               "stored on ftp.camio.com for ***!",
		"x" + `cd<>ta-98765` + "y":                              "x***y",
		`{"result":"js\"on-98765"}`:                             `{"result":"***"}`,
		secret:                                                  "***",
		"password: other\nuser = \"some one\"":                  "password: *** user = \"***\"",
		"<userName>stranger</userName><port>21</port>":          "<userName>***</userName><port>21</port>",
		"got POST /api/users/zzz/cameras/front from 10.0.0.1":   "got POST /api/users/***/cameras/front from 10.0.0.1",
		"a\u202eb\x00c\r\n\td \ufeffe":                          "a?b c d ?e",
		"\xff\xfe":                                              "??",
		`{"password":"a\"b","port":21,"passwords":["x"],"n":1}`: `{"password":"***","port":21,"passwords":***],"n":1}`,
	}
	for answer, want := range tests {
		equal(t, answer, b.clean(answer), want)
	}
}

func TestAnAnswerIsMaskedBeforeItIsCut(t *testing.T) {
	token := strings.Repeat("0123456789", 3)
	c := camio.Command{Path: "/x?TOKEN=" + token}
	var b book
	for n := 150; n < 210; n++ {
		got := shorten(b.clean(strings.Repeat("x", n)+" "+token, c), maxAnswer)
		if strings.Contains(got, "0123") || len(got) > maxAnswer {
			t.Fatalf("%d: %s", n, got)
		}
	}
}

func TestHostileTextIsMaskedInProportionateTime(t *testing.T) {
	for _, piece := range []string{"a=", "user=", "<user>", `"user":`, "&user=", "%26user%3D", "/users/", "://", `"`, "user: ", "<![CDATA["} {
		s := strings.Repeat(piece, maxBody/len(piece))
		c := camio.Command{Path: "/" + s[:maxPath-1], Body: s}
		var b book
		b.records = []*record{{Command: c}}
		b.collect()
		if got := b.clean(s); len(got) > 4*len(s) {
			t.Errorf("%q grew to %d bytes", piece, len(got))
		}
		if len(b.secrets) > 10*2*maxSecrets {
			t.Errorf("%q: %d secrets", piece, len(b.secrets))
		}
	}
}
