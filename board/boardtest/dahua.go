package boardtest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// dahua is configManager.cgi: it takes any setting of a table, and answers OK or Error.
type dahua struct{ table map[string]string }

func newDahua() *dahua {
	return &dahua{map[string]string{
		"NTP.Enable": "false", "NTP.Address": "clock.isc.org", "NTP.Port": "123", "NTP.UpdatePeriod": "10", "NTP.TimeZone": "0",
		"NAS[0].Enable": "false", "NAS[0].Name": "FTP1", "NAS[0].Protocol": "FTP", "NAS[0].Address": "", "NAS[0].Port": "21",
		"NAS[0].UserName": "anonymity", "NAS[0].Password": "none", "NAS[0].Directory": "share",
		"MotionDetect[0].Enable": "false", "MotionDetect[0].EventHandler.SnapshotEnable": "false",
		"MotionDetect[0].EventHandler.RecordEnable": "true",
	}}
}

func (d *dahua) settings() Settings {
	port, _ := strconv.Atoi(d.table["NAS[0].Port"]) // 0 if it is no number
	return Settings{
		NTP: d.table["NTP.Enable"] == "true", NTPServer: d.table["NTP.Address"],
		FTP: d.table["NAS[0].Enable"] == "true", FTPServer: d.table["NAS[0].Address"], FTPPort: port, FTPUser: d.table["NAS[0].UserName"],
		FTPPassword: d.table["NAS[0].Password"], FTPPath: strings.Trim(d.table["NAS[0].Directory"], "/"),
		Motion: d.table["MotionDetect[0].Enable"] == "true", All: d.table,
	}
}

func (d *dahua) serve(c *call) answer {
	switch c.path {
	case "/cgi-bin/snapshot.cgi":
		return snapshot()
	case "/cgi-bin/configManager.cgi":
	default:
		return notFound
	}
	f := fields(c.query)
	action := f["action"]
	delete(f, "action")
	switch action {
	case "getConfig":
		return d.get(f["name"])
	case "setConfig":
		return d.put(f)
	}
	return answer{400, "text/plain", "Error\r\nBad Request!\r\n"}
}

func (d *dahua) get(name string) answer {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(d.table)) {
		if name != "" && (strings.HasPrefix(k, name+".") || strings.HasPrefix(k, name+"[")) {
			fmt.Fprintf(&b, "table.%s=%s\r\n", k, d.table[k])
		}
	}
	if b.Len() == 0 {
		return answer{400, "text/plain", "Error\r\nBad Request!\r\n"}
	}
	return text(b.String())
}

func (d *dahua) put(f map[string]string) answer {
	if len(f) == 0 {
		return text("Error\r\n")
	}
	for k, v := range f {
		old, ok := d.table[k]
		_, wasBool := map[string]bool{"true": true, "false": true}[old]
		_, isBool := map[string]bool{"true": true, "false": true}[v]
		if !ok || wasBool != isBool {
			return text("Error\r\n")
		}
	}
	maps.Copy(d.table, f)
	return text("OK\r\n")
}
