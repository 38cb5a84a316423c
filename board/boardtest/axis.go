package boardtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// axis is param.cgi of VAPIX: errors are an HTTP 200 whose text begins with "# Error".
type axis struct{ params map[string]string }

func newAxis() *axis {
	return &axis{map[string]string{
		"root.Time.SyncSource": "None", "root.Time.ObtainFromDHCP": "yes", "root.Time.NTP.Server": "0.0.0.0",
		"root.Time.POSIXTimeZone": "GMT0", "root.Brand.Brand": "AXIS", "root.Users.Admin": "root",
	}}
}

func (a *axis) settings() Settings {
	return Settings{NTP: a.params["root.Time.SyncSource"] == "NTP", NTPServer: a.params["root.Time.NTP.Server"], All: a.params}
}

func (a *axis) serve(c *call) answer {
	switch c.path {
	case "/axis-cgi/jpg/image.cgi":
		return snapshot()
	case "/axis-cgi/param.cgi":
	default:
		return notFound
	}
	query := c.query
	if c.method == "POST" {
		query += "&" + c.body
	}
	f := fields(query)
	action := f["action"]
	delete(f, "action")
	switch action {
	case "list":
		return a.list(f["group"])
	case "update":
		return a.update(f)
	}
	return text("# Error: The action is missing or unknown.\n")
}

func (a *axis) list(groups string) answer {
	var b strings.Builder
	for group := range strings.SplitSeq(groups, ",") {
		group = full(group)
		found := false
		for _, k := range slices.Sorted(maps.Keys(a.params)) {
			if k == group || strings.HasPrefix(k, group+".") {
				fmt.Fprintf(&b, "%s=%s\n", k, a.params[k])
				found = true
			}
		}
		if !found {
			fmt.Fprintf(&b, "# Error: Error -1 getting param in group '%s'\n", group)
		}
	}
	return text(b.String())
}

// update sets all or nothing.
func (a *axis) update(f map[string]string) answer {
	if len(f) == 0 {
		return text("# Error: No parameter to set.\n")
	}
	for k, v := range f {
		if old, ok := a.params[full(k)]; !ok || old == "AXIS" || v == "" {
			return text(fmt.Sprintf("# Error: Error setting '%s' to '%s'!\n", full(k), v))
		}
	}
	for k, v := range f {
		a.params[full(k)] = v
	}
	return text("OK")
}

// full puts "root." before a name that lacks it.
func full(name string) string {
	if name == "root" || strings.HasPrefix(name, "root.") {
		return name
	}
	return "root." + name
}
