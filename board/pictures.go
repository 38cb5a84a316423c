package board

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"camward/camio"
	"camward/camio/profile"
)

// Pictures is where the vendor's firmware shows what its camera sees, and what it wants to know for that.
type Pictures struct {
	URL      string // of an MJPEG stream, or of a JPEG if there is no stream; its query may hold the password
	User     string
	Password camio.Secret
	CAFile   string // PEM file of the only authorities to trust; empty: the system's
}

// Pictures reads the address from the maker's profile. It opens nothing. An address that leaves the scheme open is HTTP if that is
// allowed, else HTTPS; a certificate that only a pin makes trusted is not enough for pictures.
func (c FirmwareConfig) Pictures(p *profile.Profile) (Pictures, error) {
	if c.Address == "" {
		return Pictures{}, errors.New("board.firmware.address is not set: the vendor's firmware is what shows them")
	}
	a, err := parseAddress(c.Address)
	if err != nil {
		return Pictures{}, fmt.Errorf("board.firmware.address: %w", err)
	}
	path := p.MJPEG
	if path == "" {
		path = p.Snapshot
	}
	if path == "" {
		return Pictures{}, fmt.Errorf("the profile of %s names neither an MJPEG stream nor a snapshot: write the address itself, as http://10.0.0.8/snapshot.jpg", p.Maker)
	}
	u, err := url.Parse(path)
	if err != nil {
		return Pictures{}, fmt.Errorf("the profile of %s: %q is not a path", p.Maker, path)
	}
	port := 443
	switch {
	case a.scheme == "http", a.scheme == "" && c.AllowHTTP:
		u.Scheme = "http"
		if port = p.Port; port == 0 {
			port = 80
		}
	case c.CAFile == "" && len(c.Pins) > 0:
		return Pictures{}, errors.New("over HTTPS they want board.firmware.ca_file (the board's own certificate will do); board.firmware.pins are not enough")
	default:
		u.Scheme = "https"
	}
	u.Host = a.hostPort(port)
	out := Pictures{User: c.User, Password: c.Password, CAFile: c.CAFile}
	if p.Auth == profile.AuthQuery {
		q := []string{url.QueryEscape(p.UserParam) + "=" + url.QueryEscape(c.User), url.QueryEscape(p.PasswordParam) + "=" + url.QueryEscape(c.Password.Reveal())}
		if u.RawQuery != "" {
			q = append([]string{u.RawQuery}, q...) // some firmware heeds the order
		}
		u.RawQuery, out.User, out.Password = strings.Join(q, "&"), "", ""
	}
	out.URL = u.String()
	return out, nil
}
