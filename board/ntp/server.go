package ntp

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

var (
	label   = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
	numeric = regexp.MustCompile(`^[0-9.]+$`)
)

// Validate tells whether server can be one: a host name of at most 253 characters (RFC 1123 2.1) or an IP, with or
// without a port.
func Validate(server string) error {
	host, port := split(server)
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return fmt.Errorf("time server %q: the port is not one of 1..65535", clip(server))
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() {
		return nil
	}
	name := strings.TrimSuffix(host, ".")
	valid := name != "" && len(name) <= 253 && !numeric.MatchString(name)
	for l := range strings.SplitSeq(name, ".") {
		valid = valid && label.MatchString(l)
	}
	if !valid {
		return fmt.Errorf("time server %q is not a host name or IP address", clip(server))
	}
	return nil
}

// split takes a port off; it is empty if there is none.
func split(server string) (host, port string) {
	if strings.Count(server, ":") == 1 || strings.HasPrefix(server, "[") {
		if h, p, err := net.SplitHostPort(server); err == nil && p != "" {
			return h, p
		}
	}
	return server, ""
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
