package ntp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"camward/internal/atomicfile"
)

// A service is a time service of the system that runs now.
type service interface {
	name() string
	set(ctx context.Context, s *Service, server string) error // empty: its own again
}

// detect finds the time service among the running processes: one that is only installed keeps no clock. nil: none runs.
func detect(root *os.Root) service {
	entries, err := fs.ReadDir(root.FS(), "proc")
	if err != nil {
		return nil
	}
	var found service
	for _, e := range entries {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		comm, _ := fs.ReadFile(root.FS(), path.Join("proc", e.Name(), "comm"))
		switch strings.TrimSpace(string(comm)) {
		case "chronyd":
			return chrony{}
		case "systemd-timesyn": // the kernel keeps 15 characters
			found = timesyncd{}
		case "ntpd", "busybox":
			if d, ok := ntpdOf(root, e.Name()); ok && found == nil {
				found = d
			}
		}
	}
	return found
}

// ntpdOf tells busybox's ntpd from others, and from other applets.
func ntpdOf(root *os.Root, pid string) (service, bool) {
	b, _ := fs.ReadFile(root.FS(), path.Join("proc", pid, "cmdline"))
	args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	exe, _ := root.Readlink(path.Join("proc", pid, "exe"))
	isBusybox := path.Base(exe) == "busybox"
	if path.Base(args[0]) == "busybox" {
		isBusybox, args = true, args[1:]
	}
	if len(args) == 0 || path.Base(args[0]) != "ntpd" {
		return nil, false
	}
	if isBusybox {
		return busybox{args: args[1:]}, true
	}
	return otherNTPD{}, true
}

// timesyncd is systemd-timesyncd. It has a drop-in (timesyncd.conf(5)); the empty NTP= drops the servers before it.
type timesyncd struct{}

const (
	timesyncdFile = "etc/systemd/timesyncd.conf.d/camward.conf"
	timesyncdUnit = "systemd-timesyncd.service"
)

func (timesyncd) name() string { return "systemd-timesyncd" }

func (timesyncd) set(ctx context.Context, s *Service, server string) error {
	text := ""
	if server != "" {
		host, port := split(server)
		if port != "" {
			return errors.New("it cannot use a port")
		}
		text = "# Written by camward.\n[Time]\nNTP=\nNTP=" + host + "\n"
	}
	return s.change(timesyncdFile, text, func() error { return s.run(ctx, "systemctl", "try-restart", timesyncdUnit) })
}

// chrony reads *.sources from the directories that its configuration names by sourcedir (chrony.conf(5)).
type chrony struct{}

func (chrony) name() string { return "chrony" }

func (chrony) set(ctx context.Context, s *Service, server string) error {
	dir := sourceDir(s.root.FS())
	if dir == "" {
		return errors.New(`its configuration names no directory for sources: add "sourcedir /etc/chrony/sources.d" to it`)
	}
	text := ""
	if server != "" {
		host, port := split(server)
		if port != "" {
			port = " port " + port
		}
		text = "# Written by camward.\nserver " + host + port + " iburst prefer\n"
	}
	return s.change(path.Join(dir, "camward.sources"), text, func() error { return s.run(ctx, "chronyc", "reload", "sources") })
}

// sourceDir is the first such directory, best one that outlasts a restart; without its leading slash.
func sourceDir(root fs.FS) string {
	best := ""
	for _, file := range []string{"etc/chrony/chrony.conf", "etc/chrony.conf"} {
		b, err := fs.ReadFile(root, file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 2 || !strings.EqualFold(f[0], "sourcedir") || !path.IsAbs(f[1]) {
				continue
			}
			dir := path.Clean(f[1])[1:]
			if best == "" || strings.HasPrefix(dir, "etc/") && !strings.HasPrefix(best, "etc/") {
				best = dir
			}
		}
	}
	return best
}

// busybox is busybox's ntpd, which reads the "server" lines of /etc/ntp.conf unless it was given servers by -p.
type busybox struct{ args []string }

const (
	ntpConf = "etc/ntp.conf"
	mark    = "# camward: "
)

func (busybox) name() string { return "busybox ntpd" }

func (b busybox) set(ctx context.Context, s *Service, server string) error {
	for _, a := range b.args {
		if strings.HasPrefix(a, "-") && strings.Contains(a, "p") {
			return errors.New("it was started with servers of its own (-p), so it does not read /etc/ntp.conf")
		}
	}
	if host, port := split(server); port != "" {
		return fmt.Errorf("it cannot use a port, as in %s:%s", host, port)
	}
	script := initScript(s.root.FS())
	if script == "" {
		return errors.New("it has no script in /etc/init.d that could restart it")
	}
	old, err := fs.ReadFile(s.root.FS(), ntpConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.change(ntpConf, ntpConfWith(string(old), server), func() error { return s.run(ctx, script, "restart") })
}

// ntpConfWith keeps what else the file says. Servers that camward replaces stay as comments, and come back when it takes its own away.
func ntpConfWith(old, server string) string {
	var b strings.Builder
	for line := range strings.Lines(old) {
		line = strings.TrimSuffix(line, "\n")
		if kept, ok := strings.CutPrefix(line, mark); ok {
			line = kept
		} else if strings.HasSuffix(line, " "+strings.TrimSpace(mark)) {
			continue // its own server
		}
		if f := strings.Fields(line); server != "" && len(f) > 1 && slices.Contains([]string{"server", "peer", "pool"}, f[0]) {
			line = mark + line
		}
		b.WriteString(line + "\n")
	}
	if server != "" {
		b.WriteString("server " + server + " " + strings.TrimSpace(mark) + "\n")
	}
	return b.String()
}

// initScript is the script of System V style that starts ntpd.
func initScript(root fs.FS) string {
	for _, pattern := range []string{"etc/init.d/S*ntpd*", "etc/init.d/S*ntp*", "etc/init.d/ntpd", "etc/init.d/busybox-ntpd"} {
		if found, _ := fs.Glob(root, pattern); len(found) > 0 {
			return "/" + found[0]
		}
	}
	return ""
}

// otherNTPD is the reference implementation, ntpsec or OpenNTPD: whoever installed one has a reason.
type otherNTPD struct{}

func (otherNTPD) name() string { return "ntpd" }

func (otherNTPD) set(_ context.Context, _ *Service, server string) error {
	if server == "" {
		return nil
	}
	return errors.New("camward does not change its configuration: set the server there, or use systemd-timesyncd or chrony")
}

// change makes text the contents of file, removes it for an empty text, and has the service read it. A file that is as it should be
// is left alone, and the service with it. If the service can't be told, the file is as it was.
func (s *Service) change(file, text string, reload func() error) error {
	old, err := fs.ReadFile(s.root.FS(), file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if string(old) == text {
		return nil
	}
	if err := s.write(file, text); err != nil {
		return err
	}
	if err := reload(); err != nil {
		return errors.Join(err, s.write(file, string(old)))
	}
	return nil
}

func (s *Service) write(file, text string) error {
	if text == "" {
		if err := s.root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := s.root.MkdirAll(path.Dir(file), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(s.root.Name(), file), []byte(text), 0o644)
}

// command runs a program and waits for it. Its output is part of the error.
func command(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		if text, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n")); len(text) > 0 {
			return fmt.Errorf("%s %s: %w: %.200s", name, strings.Join(args, " "), err, text)
		}
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}
