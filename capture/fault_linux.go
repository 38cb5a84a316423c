package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"camward/video"
)

// A nodeError says what is wrong with the kind of node that was opened, and what to do.
type nodeError string

func (e nodeError) Error() string { return string(e) }

const (
	errNotCapture = nodeError("not a capture device (it carries metadata, output or a codec)")
	errNoStream   = nodeError("the driver cannot stream")
)

// csiDrivers are those of the Raspberry Pi's camera connector, and of its image processor, which stands
// among the cameras but takes its pictures from memory.
var csiDrivers = []string{"unicam", "rp1-cfe", "bcm2835-isp", "pispbe"}

// judge tells a node that can be used from one that cannot.
func judge(c capability, offered []DeviceFormat) error {
	usable := slices.ContainsFunc(offered, func(f DeviceFormat) bool { return f.Usable })
	csi := slices.Contains(csiDrivers, c.driver)
	capture := c.caps&(capVideoCapture|capVideoCaptureMplane) != 0
	switch {
	case capture && (c.caps&capIOMC != 0 || csi && (!usable || c.driver == "bcm2835-isp" || c.driver == "pispbe")):
		return nodeError("a CSI camera (driver " + c.driver + ") that needs libcamera, which camward does not use: take a USB camera")
	case !capture, c.caps&(capVideoM2M|capVideoM2MMplane) != 0:
		return errNotCapture
	case c.caps&capStreaming == 0:
		return errNoStream
	}
	return nil
}

// classify tells what the failure of a device calls for.
func classify(err error) faultKind {
	var ne nodeError
	var fe *formatError
	switch {
	case errors.Is(err, ErrAbsent):
		return faultAbsent
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return faultDenied
	case errors.As(err, &ne), errors.As(err, &fe), errors.Is(err, unix.EBUSY), errors.Is(err, unix.ENOSPC):
		return faultBarren
	}
	return faultOther
}

// A formatError says that a device has none of the formats wanted.
type formatError struct {
	want    []video.FourCC
	offered []DeviceFormat
}

func (e *formatError) Error() string {
	var want, have []string
	for _, w := range e.want {
		want = append(want, w.String())
	}
	for _, o := range e.offered {
		have = append(have, o.FourCC)
	}
	const shown = 12 // of some test drivers' eighty
	switch {
	case len(have) == 0:
		have = []string{"none"}
	case len(have) > shown:
		have = append(have[:shown], fmt.Sprintf("%d more", len(have)-shown))
	}
	return fmt.Sprintf("no supported format: it offers %s; wanted is %s (see format: in the configuration)", strings.Join(have, ", "), strings.Join(want, ", "))
}

// explain turns the failure of one step of opening into a line that says what to do.
func (h host) explain(p, op string, form video.Format, err error) error {
	var ne nodeError
	var fe *formatError
	nodes, _ := h.nodes() // only to name them
	switch {
	case errors.As(err, &ne):
		if ne == errNotCapture {
			return fmt.Errorf("camera %s: %w; %s", p, err, h.choice(nodes))
		}
		return fmt.Errorf("camera %s: %w", p, err)
	case errors.As(err, &fe):
		return fmt.Errorf("camera %s: %w", p, err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("camera %s: %w; %s", p, ErrAbsent, h.choice(nodes))
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("camera %s: %s: %w", p, permission(p), err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("camera %s is busy: %s: %w", p, h.holders(p), err)
	case errors.Is(err, unix.ENOSPC) && op == opStream:
		return fmt.Errorf("camera %s: the USB bus has not the bandwidth for %v: take MJPG, a smaller size or rate, or another USB controller: %w", p, form, err)
	case errors.Is(err, unix.ENOTTY) && op == "query":
		return fmt.Errorf("camera %s: not a V4L2 device; %s", p, h.choice(nodes))
	}
	return fmt.Errorf("camera %s: %s: %w", p, op, err)
}

// permission says who may open the node and how to become one of them.
func permission(p string) string {
	who := "uid " + strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	group := "video"
	if fi, err := os.Stat(p); err == nil {
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			group = strconv.Itoa(int(st.Gid))
			if g, err := user.LookupGroupId(group); err == nil {
				group = g.Name
			}
		}
	}
	return fmt.Sprintf("user %s may not open it: it belongs to group %s (sudo usermod -aG %s %s, then sign in anew)", who, group, group, who)
}

// holders names the processes that have the node open, as far as we may look.
func (h host) holders(p string) string {
	target := p
	if real, err := filepath.EvalSymlinks(p); err == nil {
		target = real
	}
	processes, _ := fs.ReadDir(h.proc, ".")
	var found []string
	for _, e := range processes {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !h.holds(e.Name(), target) {
			continue
		}
		if pid == h.pid {
			found = append(found, "this program itself (two cameras with one source?)")
			continue
		}
		comm, _ := fs.ReadFile(h.proc, path.Join(e.Name(), "comm"))
		found = append(found, fmt.Sprintf("pid %d (%s)", pid, strings.TrimSpace(string(comm))))
	}
	if len(found) == 0 {
		return "held by a process that only root can see (sudo fuser -v " + target + ")"
	}
	return "held by " + strings.Join(found, ", ")
}

// holds reports whether a process has a descriptor for target.
func (h host) holds(pid, target string) bool {
	dir := path.Join(pid, "fd")
	fds, _ := fs.ReadDir(h.proc, dir) // not ours to read, or just gone
	return slices.ContainsFunc(fds, func(e fs.DirEntry) bool {
		l, err := fs.ReadLink(h.proc, path.Join(dir, e.Name()))
		return err == nil && l == target
	})
}
