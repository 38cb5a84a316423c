package cloud

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"camward/camio"
)

// commands lists what a device is to be told: the poll address and the time server, and once it is claimed the upload
// on motion. All in the Sharx dialect, which camward's own CGI speaks too. A command's date moves only
// when its content does, so that a camera can skip what it has applied.
func (s *Server) commands(r *http.Request, tx *sql.Tx, p *camio.PollReply, owner *account) ([]camio.Command, error) {
	host := s.publicHost(r)
	list := []camio.Command{
		{ID: "ping", Path: "/form/setHttpPeriodSending/?ENABLE=1&SCHED=0&SCHEDID=1&HOUR=0&MIN=0&SEC=30&URL=" + host +
			"/api/cameras/$(hwaddr)/?maker=" + url.QueryEscape(p.Maker) + "&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD="},
		{ID: "time", Path: "/form/setNtp?ENABLE=1&SERVER=time.nist.gov"},
	}
	if owner != nil {
		token, err := s.secrets.openToken(owner.UploadSealed, owner.UserID)
		if err != nil {
			return nil, err
		}
		list = append(list, camio.Command{ID: "ftpAlarm", Path: fmt.Sprintf("/form/setFtpAlarmSending/?ENABLE=1&SCHED=0&SCHEDID=1&STREAMID=0"+
			"&DURATION=1&FRAMERATE=1&INTERVAL=0&SERVER=%s&PORT=%d&REMOTEPATH=%s&AUTH=1&USERNAME=%s&PASSWORD=camio",
			or(or(s.cfg.FTPHost, s.cfg.FTPPublic), hostOnly(host)), s.cfg.FTPPort, p.MACAddress, token)})
	}
	for i := range list {
		c := &list[i]
		c.Method, c.IsAuthRequired, c.RegexResponse = http.MethodGet, true, "000 Success"
		if err := s.dateCommand(r, tx, p.MACAddress, c); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// dateCommand fills in when the command's content last changed for this device. What is stored is a keyed
// hash: the content holds the upload token.
func (s *Server) dateCommand(r *http.Request, tx *sql.Tx, mac string, c *camio.Command) error {
	content := fmt.Sprintf("%x", sign(s.secrets.lookup, c.Method, c.Path, c.RegexResponse))
	var stored string
	var updated int64
	err := tx.QueryRowContext(r.Context(), `SELECT content, updated FROM commands WHERE mac = ? AND id = ?`, mac, c.ID).Scan(&stored, &updated)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if stored != content {
		updated = max(millis(s.now()), updated+1)
		_, err := tx.ExecContext(r.Context(), `INSERT INTO commands VALUES (?1,?2,?3,?4) ON CONFLICT (mac, id) DO UPDATE SET content = ?3, updated = ?4`,
			mac, c.ID, content, updated)
		if err != nil {
			return err
		}
	}
	c.DateUpdated = camio.FormatTime(fromMillis(updated))
	return nil
}

// publicHost is where cameras reach this server: BaseURL's host, else what the request was sent to. Firmware wants no
// scheme. A Host header with anything but a host and a port in it is not repeated.
func (s *Server) publicHost(r *http.Request) string {
	if s.cfg.BaseURL != "" {
		u, _ := url.Parse(s.cfg.BaseURL) // checked by New
		return u.Host + strings.TrimRight(u.EscapedPath(), "/")
	}
	if strings.ContainsFunc(r.Host, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-:[]_", c))
	}) {
		return s.cfg.Listen
	}
	return r.Host
}

func hostOnly(hostport string) string {
	hostport, _, _ = strings.Cut(hostport, "/")
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}
