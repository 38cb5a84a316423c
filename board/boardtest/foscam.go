package boardtest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// foscam is CGIProxy.fcgi: cmd says what to do, usr and pwd who asks. A set command takes what it isn't told for its default, so
// that a client which doesn't read first loses the rest.
type foscam struct{ groups map[string]map[string]string }

// foscamGroup is what a get and a set command have in common.
type foscamGroup struct {
	name     string
	defaults map[string]string
	needed   []string // without which the answer is -1
}

var foscamGroups = []foscamGroup{
	{"SystemTime", map[string]string{"timeSource": "1", "ntpServer": "", "dateFormat": "0", "timeFormat": "0", "timeZone": "0", "isDst": "0", "dst": "0"},
		[]string{"timeSource"}},
	{"FtpConfig", map[string]string{"ftpAddr": "", "ftpPort": "21", "mode": "0", "userName": "", "password": ""}, []string{"ftpAddr"}},
	{"MotionDetectConfig", map[string]string{"isEnable": "0", "linkage": "0", "snapInterval": "0", "sensitivity": "0", "triggerInterval": "0",
		"schedule0": "0", "area0": "0"}, []string{"isEnable"}},
	{"SnapConfig", map[string]string{"snapPicQuality": "0", "saveLocation": "0"}, []string{"saveLocation"}},
}

// foscamServers are all that the firmware takes for its clock.
var foscamServers = []string{"time.nist.gov", "time.kriss.re.kr", "time.windows.com", "time.nuri.net"}

func newFoscam() *foscam {
	f := &foscam{map[string]map[string]string{}}
	for _, g := range foscamGroups {
		f.groups[g.name] = maps.Clone(g.defaults)
	}
	// What its owner has set, and no command of a cloud should lose.
	maps.Copy(f.groups["SystemTime"], map[string]string{"timeZone": "-3600", "timeFormat": "1", "dateFormat": "2"})
	maps.Copy(f.groups["MotionDetectConfig"], map[string]string{"sensitivity": "3", "snapInterval": "2", "schedule0": "281474976710655", "area0": "1023"})
	maps.Copy(f.groups["SnapConfig"], map[string]string{"snapPicQuality": "1"})
	return f
}

func (f *foscam) settings() Settings {
	clock, ftp := f.groups["SystemTime"], f.groups["FtpConfig"]
	s := Settings{NTP: clock["timeSource"] == "0", NTPServer: clock["ntpServer"], FTPUser: ftp["userName"], FTPPassword: ftp["password"],
		Motion: f.groups["MotionDetectConfig"]["isEnable"] == "1", All: map[string]string{}}
	s.FTPServer, s.FTPPath, _ = strings.Cut(strings.TrimPrefix(ftp["ftpAddr"], "ftp://"), "/")
	s.FTPPath = strings.Trim(s.FTPPath, "/")
	s.FTPPort, _ = strconv.Atoi(ftp["ftpPort"]) // 0 if it is no number
	s.FTP = s.FTPServer != "" && f.groups["SnapConfig"]["saveLocation"] == "2"
	for g, values := range f.groups {
		for k, v := range values {
			s.All[g+"."+k] = v
		}
	}
	return s
}

func foscamResult(n int) answer {
	return answer{200, "text/plain", fmt.Sprintf("<CGI_Result>\n    <result>%d</result>\n</CGI_Result>\n", n)}
}

func (f *foscam) serve(c *call) answer {
	if c.path != "/cgi-bin/CGIProxy.fcgi" {
		return notFound
	}
	q := fields(c.query)
	cmd := q["cmd"]
	delete(q, "cmd")
	delete(q, "usr")
	delete(q, "pwd")
	if cmd == "snapPicture2" {
		return snapshot()
	}
	for _, g := range foscamGroups {
		switch cmd {
		case "get" + g.name:
			return f.get(g)
		case "set" + g.name:
			return f.put(g, q)
		}
	}
	return foscamResult(-1)
}

func (f *foscam) get(g foscamGroup) answer {
	var b strings.Builder
	b.WriteString("<CGI_Result>\n    <result>0</result>\n")
	for _, k := range slices.Sorted(maps.Keys(f.groups[g.name])) {
		fmt.Fprintf(&b, "    <%s>%s</%s>\n", k, escape(f.groups[g.name][k]), k)
	}
	b.WriteString("</CGI_Result>\n")
	return answer{200, "text/plain", b.String()}
}

func (f *foscam) put(g foscamGroup, q map[string]string) answer {
	for _, n := range g.needed {
		if q[n] == "" {
			return foscamResult(-1)
		}
	}
	next := maps.Clone(g.defaults)
	for k, v := range q {
		old, ok := next[k]
		if !ok || old != "" && !number(v) {
			return foscamResult(-1)
		}
		next[k] = v
	}
	if g.name == "SystemTime" && next["timeSource"] == "0" && !slices.Contains(foscamServers, next["ntpServer"]) {
		return foscamResult(-4)
	}
	f.groups[g.name] = next
	return foscamResult(0)
}
