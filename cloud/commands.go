package cloud

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"go.uber.org/zap"

	"camward/camio"
	"camward/camio/profile"
)

// fallbackMaker's dialect is spoken to cameras of makers that no profile knows: it is the API document's, and camward's own CGI
// understands it too.
const fallbackMaker = "Sharx"

// loadProfiles adds the operator's file, if there is one, to the makers that are built in.
func loadProfiles(file string) (*profile.Set, error) {
	set := profile.Builtin()
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("profiles: %w", err)
		}
		if set, err = set.Extend(file, b); err != nil {
			return nil, err
		}
	}
	if _, ok := set.Find(fallbackMaker, "", ""); !ok {
		return nil, fmt.Errorf("profiles %s: %s is there for some models only, but it is what cameras of unknown makers get", file, fallbackMaker)
	}
	return set, nil
}

// dialect finds how to speak to a device. Its own name for its maker stays in the commands, as far as an address can hold it
// unencoded: the poll address repeats it.
func (s *Server) dialect(maker, model string) *profile.Profile {
	p, ok := s.profiles.Find(maker, model, "")
	if !ok {
		p, _ = s.profiles.Find(fallbackMaker, "", "") // checked by loadProfiles
	}
	own := *p
	own.Maker = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-_~", c) {
			return c
		}
		return '_'
	}, maker)
	return &own
}

// commands lists what a device is to be told: the poll address and the time server, and once it is claimed where to upload and
// its zones, as far as its dialect has words for them.
func (s *Server) commands(r *http.Request, tx *sql.Tx, d *device, cam *camera) (list []camio.Command, token string, err error) {
	v := profile.Values{CloudURL: s.publicURL(r), MAC: d.MAC, NTPServer: s.cfg.NTPServer, Period: s.cfg.PollPeriod}
	if cam != nil {
		if token, err = s.tokenOf(r.Context(), tx, cam.Account); err != nil {
			return nil, "", err
		}
		v.UploadToken, v.Camera = token, cam.Name
		v.FTPHost, v.FTPPort = s.ftpAddress(v.CloudURL)
		v.FTPPassword = ftpPassword
		if v.Zones, err = toldZones(r.Context(), tx, cam.ID, d.MAC); err != nil {
			return nil, "", err
		}
	}
	list, err = s.dialect(d.Maker, d.Model).Commands(v)
	if err != nil { // what can be told is told: a poll must not fail for one setting
		s.log.Warn("commands that the camera's dialect has no words for", zap.String("mac", d.MAC), zap.String("maker", d.Maker), zap.Error(err))
	}
	if list == nil {
		list = []camio.Command{} // an empty list, never null
	}
	return list, token, nil
}

func (s *Server) tokenOf(ctx context.Context, tx *sql.Tx, account int64) (string, error) {
	owner, err := scanAccount(tx.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts a WHERE id = ?`, account))
	if err != nil {
		return "", err
	}
	return s.secrets.openToken(owner.UploadSealed, owner.UserID)
}

// ftpAddress is where cameras upload by FTP; no host if they cannot.
func (s *Server) ftpAddress(u *url.URL) (string, int) {
	if s.cfg.FTPHost == "" && s.cfg.FTPListen == "" {
		return "", 0
	}
	port := s.cfg.FTPPort
	if bound := s.ftpPort.Load(); bound != 0 && port == 0 {
		port = int(bound)
	}
	if port == 0 {
		port = 21
	}
	return or(or(s.cfg.FTPHost, s.cfg.FTPPublic), u.Hostname()), port
}

// toldZones are the camera's zones. nil keeps the command back: a camera that never had a zone here keeps those it was given
// on its own page; one that was told of zones is told when the last has gone.
func toldZones(ctx context.Context, tx *sql.Tx, camera int64, mac string) ([]camio.Zone, error) {
	list, err := zonesOf(ctx, tx, camera)
	if err != nil || len(list) > 0 {
		return list, err
	}
	var n int
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM commands WHERE mac = ? AND id = 'zones'`, mac).Scan(&n)
	if err != nil || n == 0 {
		return nil, err
	}
	return list, nil
}

// dateCommands fills in when each command's content last changed for this device, so that a camera can skip what it
// has applied, and keeps what was told for the device's page. Commands that are not told any more are forgotten: told again, they
// count as new. With keep false it only looks: a command that has changed gets the present time, and nothing is written.
func (s *Server) dateCommands(ctx context.Context, tx *sql.Tx, mac, token string, list []camio.Command, keep bool) error {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
		if err := s.dateCommand(ctx, tx, mac, token, &list[i], i, keep); err != nil {
			return err
		}
	}
	if !keep {
		return nil
	}
	b, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	for _, table := range []string{"command_results", "commands"} {
		_, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE mac = ? AND id NOT IN (SELECT value FROM json_each(?))`, mac, string(b))
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) dateCommand(ctx context.Context, tx *sql.Tx, mac, token string, c *camio.Command, place int, keep bool) error {
	content := s.fingerprint(c)
	var stored, shown string
	var updated int64
	var placed int
	err := tx.QueryRowContext(ctx, `SELECT content, shown, updated, place FROM commands WHERE mac = ? AND id = ?`, mac, c.ID).Scan(&stored, &shown, &updated, &placed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if stored != content {
		updated = max(millis(s.now()), updated+1)
	}
	c.DateUpdated = camio.FormatTime(fromMillis(updated))
	if !keep || stored == content && shown != "" && placed == place {
		return nil
	}
	b, err := json.Marshal(maskToken(*c, token))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO commands (mac, id, content, updated, shown, place) VALUES (?1,?2,?3,?4,?5,?6)
		ON CONFLICT (mac, id) DO UPDATE SET content = ?3, updated = ?4, shown = ?5, place = ?6`, mac, c.ID, content, updated, string(b), place)
	return err
}

// fingerprint stands for a command's content: a keyed hash, since the content holds the upload token. What few commands have
// counts only where it is there, so that the others keep the dates they had before there was such a thing.
func (s *Server) fingerprint(c *camio.Command) string {
	parts := []string{c.Method, c.Path, c.RegexResponse}
	if c.Body != "" || c.ContentType != "" || !c.IsAuthRequired {
		parts = append(parts, c.ContentType, c.Body, fmt.Sprint(c.IsAuthRequired))
	}
	return fmt.Sprintf("%x", sign(s.secrets.lookup, parts...))
}

// maskToken gives a command as people may see it.
func maskToken(c camio.Command, token string) camio.Command {
	if token != "" {
		c.Path, c.Body = strings.ReplaceAll(c.Path, token, "***"), strings.ReplaceAll(c.Body, token, "***")
	}
	return c
}

// publicURL is where cameras reach this server: BaseURL, else what the request was sent to.
func (s *Server) publicURL(r *http.Request) *url.URL {
	if s.cfg.BaseURL != "" {
		u, _ := url.Parse(s.cfg.BaseURL) // checked by New
		return u
	}
	u := &url.URL{Scheme: "http", Host: s.publicHost(r)}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u
}

// publicHost is the host of publicURL. A Host header with anything but a host and a port in it is not repeated.
func (s *Server) publicHost(r *http.Request) string {
	if strings.ContainsFunc(r.Host, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-:[]_", c))
	}) {
		return s.cfg.Listen
	}
	return r.Host
}

// checkHost accepts a host name or an address, and nothing that would end a parameter of a command's path.
func checkHost(what, host string) error {
	if net.ParseIP(host) != nil {
		return nil
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_')
	}) {
		return fmt.Errorf("%s: %q is neither a host name nor an address", what, host)
	}
	return nil
}
