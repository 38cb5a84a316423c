package httpstore

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"camward/camio"
	"camward/internal/transport"
)

// Config says where and how to upload. Default gives the values of what is optional.
type Config struct {
	BaseURL string       // http://host or https://host, with a path before /api if there is one
	Token   camio.Secret // upload token of the account

	Transport transport.Config // whom to trust, and through which proxy
	UserAgent string           // default "camward"

	Connect  time.Duration // to the end of TCP, and again to that of TLS. Default 10s
	Response time.Duration // from the end of the body to the answer, on top of what buffered bytes take. Default 30s
	Idle     time.Duration // without any progress. Default 30s
	Total    time.Duration // of one attempt. Default 1h

	// Date, if not nil, is told the Date header of each answer.
	Date func(time.Time)
}

// Default returns a configuration that lacks only BaseURL and Token.
func Default() Config {
	return Config{
		UserAgent: "camward",
		Connect:   10 * time.Second,
		Response:  30 * time.Second,
		Idle:      30 * time.Second,
		Total:     time.Hour,
	}
}

// Validate reports every fault at once. An empty Token is none: a camera may be told it later.
func (c *Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, fmt.Errorf("cloud.url: %q is not like https://example.com", c.BaseURL))
	} else if u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, fmt.Errorf("cloud.url: %q has a query or fragment", c.BaseURL))
	}
	if err := c.Transport.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("cloud: %w", err))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"connect", c.Connect}, {"response", c.Response}, {"idle", c.Idle}, {"total", c.Total}} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("cloud: %s timeout: %v is not above 0", d.name, d.value))
		}
	}
	return errors.Join(errs...)
}
