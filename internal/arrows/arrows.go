// Package arrows states which package of this module may import which, and its test holds the whole
// tree against that. A wrong import fails there, with the rule it breaks, and not in a review.
//
// The arrows bind code that is built into programs. Tests may import what they like,
// test helpers (cloudtest, storetest, boardtest) among it.
package arrows

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the path that all import paths of this module begin with.
const Module = "camward"

// base is what every stage of a picture's path may use.
var base = []string{"codec/*", "video", "camio", "internal/*"}

// stages are the agent's parts. They never import each other: what one needs of another is an
// interface or a channel that package agent connects.
var stages = []string{"capture", "motion", "clip", "live", "uploader", "provision", "board", "web"}

// may says what each area imports beside itself. An area is a folder with all below it, so
// uploader/httpstore is part of uploader and camio/profile of camio; what isn't listed imports
// nothing of the module.
var may = map[string][]string{
	"cmd/camward":       {"agent", "internal/*"},
	"cmd/camward-cloud": {"cloud", "internal/*"},
	"agent":             slices.Concat(stages, base),
	"cloud":             append([]string{"motion"}, base...),
	"capture":           base,
	"motion":            base,
	"clip":              base,
	"live":              base,
	"uploader":          base,
	"provision":         base,
	"board":             base,
	"web":               base,
	"codec/*":           {"video", "internal/*"},
	"codec/mp4":         {"codec/h264", "video", "internal/*"}, // NAL units and parameter sets
	"camio":             {"internal/*"},
	"video":             {},
	"internal/*":        {},
	"e2e":               append([]string{"capture", "scripts"}, base...),
	"scripts":           append([]string{"agent", "capture", "motion"}, base...), // score runs the agent's detector
}

// Check says why the non-test code of package from must not import package to; it is nil where
// it may. Packages outside the module are no concern of it.
func Check(from, to string) error {
	src, dst := area(from), area(to)
	if src == "" || dst == "" {
		return nil
	}
	if isTestHelper(to) && !isTestHelper(from) {
		return fmt.Errorf("%s imports %s: test helpers are for tests", from, to)
	}
	if src == dst {
		return nil
	}
	allowed, known := may[src], true
	if allowed == nil {
		allowed, known = may[path.Dir(src)+"/*"]
	}
	if !known {
		return fmt.Errorf("%s is in no area: add %s to the arrows", from, src)
	}
	if slices.Contains(allowed, dst) || slices.Contains(allowed, path.Dir(dst)+"/*") {
		return nil
	}
	return fmt.Errorf("%s imports %s: %s may only import %s", from, to, src, list(allowed))
}

// isTestHelper tells cloudtest, storetest and their like.
func isTestHelper(pkg string) bool {
	name := path.Base(pkg)
	return name != "test" && strings.HasSuffix(name, "test")
}

func list(areas []string) string {
	if len(areas) == 0 {
		return "nothing of this module"
	}
	return strings.Join(areas, ", ")
}

// area is the folder that an import path's arrows hang on; empty outside the module.
func area(pkg string) string {
	rel, ok := strings.CutPrefix(pkg, Module+"/")
	if !ok {
		return ""
	}
	parts := strings.Split(rel, "/")
	depth := 1
	if parts[0] == "cmd" || parts[0] == "codec" || parts[0] == "internal" {
		depth = 2
	}
	return strings.Join(parts[:min(depth, len(parts))], "/")
}

// AgentModules are the third-party modules linked into the agent. Flash is small on a camera
// and each of these was weighed, so a new one is a decision and not an accident.
var AgentModules = []string{
	"github.com/VictoriaMetrics/metrics",
	"github.com/beevik/ntp",
	"github.com/blackjack/webcam",
	"github.com/coreos/go-systemd/v22",
	"github.com/coder/websocket",
	"github.com/fsnotify/fsnotify",
	"github.com/goccy/go-yaml",
	"github.com/google/uuid",             // of pion/ice
	"github.com/hashicorp/errwrap",       // of jlaffaye/ftp
	"github.com/hashicorp/go-multierror", // of jlaffaye/ftp
	"github.com/icholy/digest",
	"github.com/jlaffaye/ftp",
	"github.com/pion/datachannel",
	"github.com/pion/dtls/v3",
	"github.com/pion/ice/v4",
	"github.com/pion/interceptor",
	"github.com/pion/logging",
	"github.com/pion/mdns/v2",
	"github.com/pion/randutil",
	"github.com/pion/rtcp",
	"github.com/pion/rtp",
	"github.com/pion/sctp",
	"github.com/pion/sdp/v3",
	"github.com/pion/srtp/v3",
	"github.com/pion/stun/v4",
	"github.com/pion/transport/v5",
	"github.com/pion/turn/v5",
	"github.com/pion/webrtc/v4",
	"github.com/valyala/fastrand",  // of VictoriaMetrics/metrics
	"github.com/valyala/histogram", // of VictoriaMetrics/metrics
	"github.com/wlynxg/anet",       // of pion/transport
	"go.uber.org/multierr",         // of zap
	"go.uber.org/zap",
	"golang.org/x/crypto",
	"golang.org/x/image",
	"golang.org/x/net", // of beevik/ntp and pion
	"golang.org/x/sync",
	"golang.org/x/sys",
	"golang.org/x/term",
	"golang.org/x/time", // of pion/transport
	"rsc.io/qr",
}
