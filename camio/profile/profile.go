// Package profile describes the makers' CGI dialects as data: how a camera's own firmware wants to be spoken to, what may be
// asked of it and what its answers mean. The agent applies a cloud's commands by it, the cloud writes its commands by it.
//
// # The file
//
// The profiles are YAML: profiles.yml beside this source is built in, and a user's file of the same form adds makers or
// replaces those of the same name. A file has one key, profiles, with a list. An entry is a maker's dialect, or that of some of
// a maker's models (model, firmware: regular expressions, the first entry that matches counts). It has
//
//   - how to reach and read the firmware: auth, port, snapshot, mjpeg, stream, and the answers: success, failure;
//   - endpoints: every call that may be made at all. What isn't listed is refused, so one address that does everything
//     (Dahua's configManager.cgi) is as safe as one that does a single thing. An endpoint also says which of its
//     parameters name a server (target), which must never be shown (secrets), and whether the settings that a command leaves out
//     have to be read first and sent back (merge);
//   - commands: what the cloud sends, as templates with placeholders.
//
// The head of profiles.yml explains each key with an example. Regular expressions are RE2; those of parameters match the whole value.
//
// # Placeholders
//
// In a command's path and body {{name}} stands for a value, percent-encoded in a path, escaped as XML or JSON in a body of
// that content type; {{raw name}} puts it in as it is. A command whose values are not all known is left out. The names:
//
//	maker                    the profile's maker
//	mac                      12 upper-case hex digits
//	camera                   the camera's name
//	cloud_url, cloud_host    the cloud with and without its scheme, without a slash at the end
//	upload_token             of the camera's owner; unknown while nobody has claimed the camera
//	period_hours, period_minutes, period_seconds   the period of the poll, in parts
//	ftp_host, ftp_port, ftp_password               where pictures go; the user is the upload token
//	ntp_server
//	zones                    the API's JSON of the zones
//	ftp_host_type, ftp_host_field                  ISAPI's: hostname and hostName, or ipaddress and ipAddress or ipv6Address
//	ntp_server_type, ntp_server_field
package profile

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"camward/camio"
)

// Auth says how the firmware wants its user to be proved.
type Auth string

// The ways.
const (
	AuthNone   Auth = "none"
	AuthBasic  Auth = "basic"
	AuthDigest Auth = "digest"
	AuthAny    Auth = "any"   // Basic or Digest, whichever the 401 offers
	AuthQuery  Auth = "query" // user and password are parameters of every call
)

// A Profile is one dialect. It is shared and never changes; any goroutine may use it.
type Profile struct {
	Maker   string   // as polls and commands spell it
	Aliases []string // others that sell the same firmware

	Auth          Auth
	UserParam     string // the parameters' names, for AuthQuery
	PasswordParam string
	Port          int // of the CGI, where the address names none

	Snapshot   string // path of a JPEG; empty if there is none
	MJPEG      string // path of a multipart stream of JPEGs
	Stream     string // path of the RTSP stream
	StreamPort int    // of RTSP, 554 unless the maker differs

	Success string // RE2: found in the answer to a command that worked; a command may have its own
	Failure string // RE2: an HTTP 200 whose body it matches is an error; empty if there is no such thing

	model, firmware, failure *regexp.Regexp // nil: any, any, none
	endpoints                []*endpoint
	commands                 []*command
}

// Values are what a cloud knows about one camera. What is empty is unknown, and commands that need it are left out.
type Values struct {
	CloudURL    *url.URL // scheme, host and perhaps a path
	MAC         string   // 12 hex digits
	Camera      string   // its name
	UploadToken string   // of its owner; empty while nobody has claimed it
	FTPHost     string
	FTPPort     int    // 0: 21
	FTPPassword string // empty: camio, as the API has it
	NTPServer   string
	Period      time.Duration // of the poll, in whole seconds; 0: 30 s
	Zones       []camio.Zone  // nil: unknown; empty: the whole picture
}

// A Target is a server that a command points the device to. An empty Host means that the command names one which cannot be read
// from it: such a change can't be confirmed.
type Target struct {
	Kind      string // "poll", "ftp" or "upload"
	URL       string // of poll and upload, with a scheme if it has one; $(hwaddr) and $(localip) stand as they came
	Host      string
	Port      int // 0: the protocol's own
	User      camio.Secret
	Password  camio.Secret
	Directory string // of ftp
}

// The kinds of targets.
const (
	TargetPoll   = "poll"
	TargetFTP    = "ftp"
	TargetUpload = "upload"
)

// A Set is a collection of profiles. It never changes; any goroutine may use it.
type Set struct {
	profiles []*Profile
}

// Extend returns a set in which the makers of a user's file are added, or replace those of the same name. The name is the
// file's, for the errors: every fault is reported on a line of its own, with its key and line in the file.
func (s *Set) Extend(name string, yaml []byte) (*Set, error) {
	added, err := load(name, yaml)
	if err != nil {
		return nil, err
	}
	out := &Set{profiles: added}
	for _, p := range s.profiles {
		if !slices.ContainsFunc(added, func(a *Profile) bool { return strings.EqualFold(a.Maker, p.Maker) }) {
			out.profiles = append(out.profiles, p)
		}
	}
	if len(out.profiles) > maxProfiles {
		return nil, fmt.Errorf("profiles: %d with the built-in ones, at most %d (%s)", len(out.profiles), maxProfiles, name)
	}
	return out, nil
}

// Find returns the first profile of a maker, by its name and else by an alias, in any case, whose expressions match the model
// and the firmware. Unknown ones (empty) match only a profile that makes no difference.
func (s *Set) Find(maker, model, firmware string) (*Profile, bool) {
	maker = strings.TrimSpace(maker)
	for _, named := range []func(*Profile) bool{
		func(p *Profile) bool { return strings.EqualFold(p.Maker, maker) },
		func(p *Profile) bool {
			return slices.ContainsFunc(p.Aliases, func(a string) bool { return strings.EqualFold(a, maker) })
		},
	} {
		for _, p := range s.profiles {
			if named(p) && matches(p.model, model) && matches(p.firmware, firmware) {
				return p, true
			}
		}
	}
	return nil, false
}

func matches(re *regexp.Regexp, s string) bool { return re == nil || s != "" && re.MatchString(s) }

// Makers lists the makers' names, sorted, aliases not among them.
func (s *Set) Makers() []string {
	var names []string
	for _, p := range s.profiles {
		names = append(names, p.Maker)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Failed tells whether the body of an HTTP 200 is an error text nevertheless.
func (p *Profile) Failed(body []byte) bool { return p.failure != nil && p.failure.Match(body) }
