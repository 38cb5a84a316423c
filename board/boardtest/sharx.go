package boardtest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// sharx is the /form/ dialect; camward's own adds uploads over HTTP and motion zones.
type sharx struct {
	own bool
	set Settings
}

func newSharx(own bool) *sharx {
	return &sharx{own: own, set: Settings{All: map[string]string{}}}
}

func (s *sharx) settings() Settings { return s.set }

func (s *sharx) serve(c *call) answer {
	path := strings.TrimSuffix(strings.Replace(c.path, "//form/", "/form/", 1), "/")
	if path == "/snapshot.jpg" {
		return snapshot()
	}
	if s.own && path == "/form/setMotionZones" {
		return s.zones(c)
	}
	if c.method != "GET" {
		return answer{405, "text/plain", "405 Method not allowed\n"}
	}
	f := s.fields(c.query)
	switch {
	case path == "/form/setHttpPeriodSending":
		return s.apply("http", f, s.period, "URL")
	case path == "/form/setNtp":
		return s.apply("ntp", f, s.ntp, "SERVER")
	case path == "/form/setFtpAlarmSending":
		return s.apply("ftp", f, s.ftp, "SERVER", "PORT", "REMOTEPATH", "AUTH")
	case s.own && path == "/form/setHttpAlarmSending":
		return s.apply("upload", f, s.upload, "MODE", "URL")
	}
	return notFound
}

// fields takes everything from URL= up to &AUTH= as the value of URL, whose own query has ampersands.
func (s *sharx) fields(query string) map[string]string {
	before, rest, found := strings.Cut("&"+query, "&URL=")
	if !found {
		return fields(query)
	}
	url, after, _ := strings.Cut(rest, "&AUTH=")
	f := fields(strings.TrimPrefix(before, "&") + "&AUTH=" + after)
	f["URL"] = url
	return f
}

// apply checks what is missing, then sets. The numbers of the errors are invented.
func (s *sharx) apply(group string, f map[string]string, set func(map[string]string) error, needed ...string) answer {
	if f["ENABLE"] != "0" && f["ENABLE"] != "1" {
		return text("101 Missing or wrong parameter ENABLE\n")
	}
	if f["ENABLE"] == "1" {
		for _, n := range needed {
			if f[n] == "" {
				return text("101 Missing or wrong parameter " + n + "\n")
			}
		}
	}
	if err := set(f); err != nil {
		return text("102 " + err.Error() + "\n")
	}
	for k, v := range f {
		s.set.All[group+"."+k] = v
	}
	return text("000 Success\n")
}

func (s *sharx) period(f map[string]string) error {
	var d time.Duration
	for name, unit := range map[string]time.Duration{"HOUR": time.Hour, "MIN": time.Minute, "SEC": time.Second} {
		n, err := strconv.Atoi("0" + f[name])
		if err != nil || n > 99 {
			return fmt.Errorf("wrong value of %s", name)
		}
		d += time.Duration(n) * unit
	}
	if f["ENABLE"] == "0" {
		s.set.Poll = false
		return nil
	}
	if d == 0 {
		return fmt.Errorf("wrong value of SEC")
	}
	s.set.Poll, s.set.PollURL, s.set.PollPeriod = true, f["URL"], d
	return nil
}

func (s *sharx) ntp(f map[string]string) error {
	if s.set.NTP = f["ENABLE"] == "1"; s.set.NTP {
		s.set.NTPServer = f["SERVER"]
	}
	return nil
}

func (s *sharx) ftp(f map[string]string) error {
	if f["ENABLE"] == "0" {
		s.set.FTP = false
		return nil
	}
	port, err := strconv.Atoi(f["PORT"])
	if err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("wrong value of PORT")
	}
	if f["AUTH"] == "1" && f["USERNAME"] == "" {
		return fmt.Errorf("wrong value of USERNAME")
	}
	s.set.FTP, s.set.FTPServer, s.set.FTPPort = true, f["SERVER"], port
	s.set.FTPUser, s.set.FTPPassword, s.set.FTPPath = f["USERNAME"], f["PASSWORD"], strings.Trim(f["REMOTEPATH"], "/")
	s.set.Motion = true
	return nil
}

func (s *sharx) upload(f map[string]string) error {
	if s.set.Upload = f["ENABLE"] == "1"; s.set.Upload {
		s.set.UploadURL = f["URL"]
	}
	return nil
}

func (s *sharx) zones(c *call) answer {
	if c.method != "POST" {
		return answer{405, "text/plain", "405 Method not allowed\n"}
	}
	var zones []struct {
		Name     string `json:"name"`
		Polygons []struct {
			Points []struct{ X, Y float64 } `json:"points"`
		} `json:"polygons"`
	}
	if err := json.Unmarshal([]byte(c.body), &zones); err != nil {
		return text("103 The body is not a list of zones\n")
	}
	for _, z := range zones {
		for _, p := range z.Polygons {
			if len(p.Points) < 3 {
				return text("103 A polygon of zone " + z.Name + " has fewer than 3 points\n")
			}
		}
	}
	s.set.Zones = c.body
	return text("000 Success\n")
}
