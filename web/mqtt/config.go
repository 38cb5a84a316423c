package mqtt

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"camward/camio"
)

// Config says which broker is told. Begin with Default; without a URL nothing is.
type Config struct {
	URL             string        `yaml:"url"`              // mqtt://host[:1883] or mqtts://host[:8883]; empty, the default: off
	User            string        `yaml:"user"`             // default none
	Password        camio.Secret  `yaml:"password"`         // default none
	CAFile          string        `yaml:"ca_file"`          // PEM, the only authorities to trust; default the system's
	DiscoveryPrefix string        `yaml:"discovery_prefix"` // default homeassistant
	BaseTopic       string        `yaml:"base_topic"`       // what this device publishes stands under BASE/MAC; default camward
	ImageEvery      time.Duration `yaml:"image_every"`      // a picture each time besides those of motion, 1s to 24h; default 0, none
}

// Default is off.
func Default() Config { return Config{DiscoveryPrefix: "homeassistant", BaseTopic: "camward"} }

// Validate reports every fault at once, each under its key. It says nothing of the password.
func (c Config) Validate() error {
	var errs []error
	if c.URL != "" {
		if _, _, err := c.broker(); err != nil {
			errs = append(errs, err)
		}
	}
	if !legible(c.User) || len(c.Password) > maxField {
		errs = append(errs, errors.New("mqtt.user, mqtt.password: longer than 65535 bytes, or the user is not UTF-8"))
	}
	if c.Password != "" && c.User == "" {
		errs = append(errs, errors.New("mqtt.user: not set, but there is a password"))
	}
	errs = append(errs, topicFault("discovery_prefix", c.DiscoveryPrefix), topicFault("base_topic", c.BaseTopic))
	if c.ImageEvery != 0 && (c.ImageEvery < time.Second || c.ImageEvery > 24*time.Hour) {
		errs = append(errs, fmt.Errorf("mqtt.image_every: %v is outside 1s..24h", c.ImageEvery))
	}
	return errors.Join(errs...)
}

func topicFault(key, topic string) error {
	if topic == "" || len(topic) > 200 || strings.ContainsAny(topic, "+#") || !legible(topic) || topic[0] == '$' || strings.Trim(topic, "/") != topic {
		return fmt.Errorf("mqtt.%s: %q is not a topic of 1..200 bytes without + # and slashes at its ends", key, topic)
	}
	return nil
}

// broker gives the broker's host:port and whether TLS is spoken there.
func (c Config) broker() (address string, tls bool, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", false, errors.New("mqtt.url: not a URL") // url.Error would show what may be a password
	}
	port := ""
	switch u.Scheme {
	case "mqtt":
		port = "1883"
	case "mqtts":
		port = "8883"
	}
	switch {
	case port == "", u.Hostname() == "", strings.Trim(u.Path, "/") != "", u.RawQuery != "", u.Fragment != "":
		return "", false, errors.New("mqtt.url: want mqtt://host:1883 or mqtts://host:8883")
	case u.User != nil:
		return "", false, errors.New("mqtt.url: user and password have keys of their own")
	case u.Port() != "":
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), u.Scheme == "mqtts", nil
}
