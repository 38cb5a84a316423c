package cgi

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"time"

	"camward/camio"
)

// A field is one KEY=value line. A camio.Secret prints itself as ***.
type field struct {
	key   string
	value any
}

var getForms = map[string]func(Settings) []field{
	"getHttpPeriodSending": showPeriod,
	"getNtp":               showNTP,
	"getFtpAlarmSending":   showFTPAlarm,
	"getHttpAlarmSending":  showHTTPAlarm,
	"getMotionZones":       showZones,
	"getDeviceInfo":        showInfo,
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// secretParam finds parameters of a poll address that may be secrets.
var secretParam = regexp.MustCompile(`(?i)([?&][^=&]*(?:token|secret|passw|pwd|key|auth)[^=&]*=)[^&]+`)

func showPeriod(s Settings) []field {
	p := s.Period
	return []field{
		{"ENABLE", bit(p.Enabled)},
		{"SCHED", bit(p.Schedule.Enabled)},
		{"SCHEDID", p.Schedule.ID},
		{"HOUR", int(p.Every / time.Hour)},
		{"MIN", int(p.Every % time.Hour / time.Minute)},
		{"SEC", int(p.Every % time.Minute / time.Second)},
		{"URL", secretParam.ReplaceAllString(p.URL, "${1}***")},
		{"AUTH", bit(p.Auth)},
		{"USERNAME", p.User},
		{"PASSWORD", p.Password},
	}
}

func showNTP(s Settings) []field {
	return []field{{"ENABLE", bit(s.NTP.Enabled)}, {"SERVER", s.NTP.Server}}
}

func showFTPAlarm(s Settings) []field {
	f := s.FTPAlarm
	return []field{
		{"ENABLE", bit(f.Enabled)},
		{"SCHED", bit(f.Schedule.Enabled)},
		{"SCHEDID", f.Schedule.ID},
		{"STREAMID", f.Stream},
		{"DURATION", int(f.After / time.Second)},
		{"FRAMERATE", f.Rate},
		{"INTERVAL", int(f.Quiet / time.Second)},
		{"SERVER", f.Server},
		{"PORT", f.Port},
		{"REMOTEPATH", f.RemotePath},
		{"AUTH", bit(f.Auth)},
		{"USERNAME", f.User},
		{"PASSWORD", f.Password},
	}
}

func showHTTPAlarm(s Settings) []field {
	h := s.HTTPAlarm
	address := ""
	if h.Base != nil {
		address = h.Base.String() + "/api/users/" + h.Token.String() + "/cameras/" + url.PathEscape(h.Camera) + "/content/"
	}
	return []field{{"ENABLE", bit(h.Enabled)}, {"MODE", h.Mode}, {"URL", address}}
}

func showZones(s Settings) []field {
	zones := s.Zones.Zones
	if zones == nil {
		zones = []camio.Zone{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)      // '&' stays readable
	if enc.Encode(zones) != nil { // coordinates that are no numbers
		return []field{{"ZONES", "[]"}}
	}
	return []field{{"ZONES", strings.TrimSpace(b.String())}}
}

func showInfo(s Settings) []field {
	i := s.Info
	return []field{
		{"MAC", i.MAC}, {"MAKER", i.Maker}, {"MODEL", i.Model}, {"SERIAL", i.Serial},
		{"FIRMWARE", i.Firmware}, {"IPADDRESS", i.LocalIP}, {"CAMERA", i.Camera},
	}
}
