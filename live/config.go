package live

import (
	"errors"
	"fmt"

	"github.com/pion/stun/v4"

	"camward/camio"
)

// Config says how viewers are served. Begin with Default; the zero value is not valid.
type Config struct {
	// UDPPort carries all viewers' media: 1 to 65535, default 8189; 0 opens a port for each viewer.
	UDPPort int `yaml:"udp_port"`
	// TCPPort is the way for viewers whose network lets no UDP pass: 1 to 65535, default 8189; 0 for none.
	TCPPort int `yaml:"tcp_port"`
	// ICEServers are the STUN and TURN servers that help through NAT; default none.
	ICEServers []ICEServer `yaml:"ice_servers"`
	// MaxViewers of all cameras together: 1 to 64, default 4.
	MaxViewers int `yaml:"max_viewers"`
	// MinBitrate is what a viewer gets whatever its line carries, bits per second: 50000 to 50000000, default 150000. Loss
	// alone does not lower a stream below 85000.
	MinBitrate int `yaml:"min_bitrate"`
	// MaxBitrate bounds a camera's stream, bits per second: MinBitrate to 50000000; 0, the default, chooses it from the size
	// and rate of the pictures.
	MaxBitrate int `yaml:"max_bitrate"`
	// MinRate is how far the picture rate is lowered on a line that does not carry more, pictures per second: 1 to 30, default 5.
	MinRate float64 `yaml:"min_rate"`
	// MaxRate bounds the picture rate: MinRate to 120; 0, the default, is the camera's.
	MaxRate float64 `yaml:"max_rate"`
	// AllowOrigin is the web origin whose pages may watch (Access-Control-Allow-Origin); default "*", which does not let
	// cookies pass; "" for none but the camera's own.
	AllowOrigin string `yaml:"allow_origin"`
	// Loopback also offers the addresses of this machine to itself; default false.
	Loopback bool `yaml:"loopback"`
}

// An ICEServer is a STUN or TURN server (RFC 7064, RFC 7065).
type ICEServer struct {
	// URLs such as stun:stun.example.com:3478 or turn:turn.example.com:3478?transport=tcp.
	URLs []string `yaml:"urls"`
	// User and Password are for TURN.
	User     string       `yaml:"user"`
	Password camio.Secret `yaml:"password"`
}

// Default gives the settings that suit most cameras.
func Default() Config {
	return Config{UDPPort: 8189, TCPPort: 8189, MaxViewers: 4, MinBitrate: 150_000, MinRate: 5, AllowOrigin: "*"}
}

// highest is the largest bit rate that can be set.
const highest = 50_000_000

// Validate reports every fault at once, each under its key.
func (c Config) Validate() error {
	var errs []error
	number := func(key string, v, lo, hi float64, zero bool) {
		if !(v >= lo && v <= hi) && !(zero && v == 0) {
			errs = append(errs, fmt.Errorf("live.%s: %g is outside %g..%g", key, v, lo, hi))
		}
	}
	number("udp_port", float64(c.UDPPort), 0, 65535, true)
	number("tcp_port", float64(c.TCPPort), 0, 65535, true)
	number("max_viewers", float64(c.MaxViewers), 1, 64, false)
	number("min_bitrate", float64(c.MinBitrate), 50_000, highest, false)
	number("max_bitrate", float64(c.MaxBitrate), float64(c.MinBitrate), highest, true)
	number("min_rate", c.MinRate, 1, 30, false)
	number("max_rate", c.MaxRate, c.MinRate, 120, true)
	for i, s := range c.ICEServers {
		errs = append(errs, s.validate(fmt.Sprintf("live.ice_servers[%d]", i))...)
	}
	return errors.Join(errs...)
}

func (s ICEServer) validate(key string) (errs []error) {
	if len(s.URLs) == 0 {
		errs = append(errs, fmt.Errorf("%s.urls: none given", key))
	}
	for _, u := range s.URLs {
		uri, err := stun.ParseURI(u)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.urls: %q: %w", key, u, err))
			continue
		}
		turn := uri.Scheme == stun.SchemeTypeTURN || uri.Scheme == stun.SchemeTypeTURNS
		if turn && (s.User == "" || s.Password == "") {
			errs = append(errs, fmt.Errorf("%s: %q needs user and password", key, u))
		}
	}
	return errs
}
