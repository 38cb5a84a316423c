package boardtest

import (
	"maps"
	"strconv"
	"strings"
)

// dlink is vb.htm: a line for each parameter, OK or NG. What follows /vb.htm? isn't in the maker's papers; the names are those
// of the reference design that has the same address.
type dlink struct{ params map[string]string }

func newDLink() *dlink {
	return &dlink{map[string]string{
		"sntpip": "", "ftpip": "", "ftpipport": "21", "ftpuser": "", "ftppassword": "", "ftppath": "", "rftpenable": "0", "brightness": "128",
	}}
}

func (d *dlink) settings() Settings {
	port, _ := strconv.Atoi(d.params["ftpipport"]) // 0 if it is no number
	return Settings{
		NTP: d.params["sntpip"] != "", NTPServer: d.params["sntpip"],
		FTP: d.params["ftpip"] != "" && d.params["rftpenable"] == "1", FTPServer: d.params["ftpip"], FTPPort: port,
		FTPUser: d.params["ftpuser"], FTPPassword: d.params["ftppassword"], FTPPath: strings.Trim(d.params["ftppath"], "/"),
		Motion: d.params["rftpenable"] == "1", All: maps.Clone(d.params),
	}
}

func (d *dlink) serve(c *call) answer {
	switch c.path {
	case "/image/jpeg.cgi":
		return snapshot()
	case "/vb.htm":
	default:
		return notFound
	}
	var b strings.Builder
	for piece := range strings.SplitSeq(c.query, "&") {
		name, value, _ := strings.Cut(piece, "=")
		name, value = unescape(name), unescape(value)
		old, known := d.params[name]
		switch {
		case name == "language":
		case name == "paratest":
			if v, ok := d.params[value]; ok {
				b.WriteString("OK " + value + "=" + v + "\n")
			} else {
				b.WriteString("UK " + value + "\n")
			}
		case !known:
			b.WriteString("UK " + name + "\n")
		case value == "" || number(old) && !number(value):
			b.WriteString("NG " + name + "\n")
		default:
			d.params[name] = value
			b.WriteString("OK " + name + "\n")
		}
	}
	if b.Len() == 0 {
		return text("NG\n")
	}
	return text(b.String())
}

func number(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}
