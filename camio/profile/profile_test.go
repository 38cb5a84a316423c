package profile

import (
	"net/url"
	"testing"
)

func TestSharxCommandsAreThoseOfTheDocument(t *testing.T) {
	p, ok := Builtin().Find("trivision", "SCNC3904", "")
	if !ok {
		t.Fatal("no profile")
	}
	got, err := p.Commands(Values{CloudURL: &url.URL{Scheme: "http", Host: "www.camio.com"}, MAC: "12:34:56:78:90:12", UploadToken: "abc123pdq",
		FTPHost: "ftp.camio.com", NTPServer: "time.nist.gov"})
	want := []string{
		"/form/setHttpPeriodSending/?ENABLE=1&SCHED=0&SCHEDID=1&HOUR=0&MIN=0&SEC=30&URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD=",
		"/form/setNtp?ENABLE=1&SERVER=time.nist.gov",
		"/form/setFtpAlarmSending/?ENABLE=1&SCHED=0&SCHEDID=1&STREAMID=0&DURATION=1&FRAMERATE=1&INTERVAL=0&SERVER=ftp.camio.com&PORT=21&REMOTEPATH=123456789012&AUTH=1&USERNAME=abc123pdq&PASSWORD=camio",
	}
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %v, %v", got, err)
	}
	for i := range want {
		if got[i].Path != want[i] || got[i].Method != "GET" || !got[i].IsAuthRequired || got[i].RegexResponse != "000 Success" {
			t.Errorf("got  %+v\nwant %s", got[i], want[i])
		}
	}
}
