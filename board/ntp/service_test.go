package ntp

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beevik/ntp"
)

// put lays files into the service's file system. A text that begins with "->" is a link.
func put(t *testing.T, s *Service, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(s.root.Name(), name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if target, ok := strings.CutPrefix(text, "->"); ok {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func content(t *testing.T, s *Service, name string) string {
	t.Helper()
	b, err := s.root.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

// The processes of /proc as the programs show themselves.
var (
	shell       = map[string]string{"proc/1/comm": "init\n", "proc/7/comm": "busybox\n", "proc/7/cmdline": "/bin/busybox\x00sh\x00", "proc/self/comm": "camward\n"}
	timesyncdUp = map[string]string{"proc/311/comm": "systemd-timesyn\n", "proc/311/cmdline": "/lib/systemd/systemd-timesyncd\x00"}
	chronyUp    = map[string]string{"proc/402/comm": "chronyd\n",
		"etc/chrony/chrony.conf": "pool 2.debian.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\n! comment\nsourcedir /etc/chrony/sources.d\n"}
	busyboxUp = map[string]string{"proc/88/comm": "ntpd\n", "proc/88/cmdline": "/usr/sbin/ntpd\x00-N\x00", "proc/88/exe": "->/bin/busybox",
		"etc/init.d/S49ntpd": "#!/bin/sh\n", "etc/ntp.conf": "# the maker's\nserver 0.pool.ntp.org iburst\nserver 1.pool.ntp.org\ndriftfile /x\n"}
)

func TestTheSystemsTimeServiceIsFoundWhereItRuns(t *testing.T) {
	tests := []struct {
		name  string
		files []map[string]string
		want  string
	}{
		{"none", []map[string]string{shell}, ""},
		{"nothing at all", nil, ""},
		{"timesyncd", []map[string]string{shell, timesyncdUp}, "systemd-timesyncd"},
		{"installed, but it does not run", []map[string]string{{"lib/systemd/systemd-timesyncd": "", "etc/chrony/chrony.conf": ""}}, ""},
		{"chrony before others", []map[string]string{timesyncdUp, chronyUp, busyboxUp}, "chrony"},
		{"busybox", []map[string]string{shell, busyboxUp}, "busybox ntpd"},
		{"busybox by its own name", []map[string]string{shell, {"proc/9/comm": "busybox\n", "proc/9/cmdline": "busybox\x00ntpd\x00-n\x00"}}, "busybox ntpd"},
		{"another ntpd", []map[string]string{{"proc/9/comm": "ntpd\n", "proc/9/cmdline": "/usr/sbin/ntpd\x00-p\x00/run/ntpd.pid\x00", "proc/9/exe": "->/usr/sbin/ntpd"}}, "ntpd"},
		{"a process that has just ended", []map[string]string{{"proc/9/comm": "ntpd\n"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _, _ := newService(t)
			for _, f := range tt.files {
				put(t, s, f)
			}
			got := ""
			if svc := detect(s.root); svc != nil {
				got = svc.name()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheSystemsTimeServiceIsTold(t *testing.T) {
	tests := []struct {
		name           string
		files          map[string]string
		server         string
		file, text     string
		told           string
		otherwise      string // the file without camward
		refusedAsWhole string // an error for this server
	}{
		{"timesyncd", timesyncdUp, "time.nist.gov", "etc/systemd/timesyncd.conf.d/camward.conf", "# Written by camward.\n[Time]\nNTP=\nNTP=time.nist.gov\n",
			"systemctl try-restart systemd-timesyncd.service", "", "a:99"},
		{"chrony", chronyUp, "10.0.0.1:1123", "etc/chrony/sources.d/camward.sources", "# Written by camward.\nserver 10.0.0.1 port 1123 iburst prefer\n", "chronyc reload sources", "", ""},
		{"busybox", busyboxUp, "fd00::1", "etc/ntp.conf",
			"# the maker's\n# camward: server 0.pool.ntp.org iburst\n# camward: server 1.pool.ntp.org\ndriftfile /x\nserver fd00::1 # camward:\n",
			"/etc/init.d/S49ntpd restart", busyboxUp["etc/ntp.conf"], "a:99"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, clock, _ := newService(t)
			put(t, s, tt.files)
			var told []string
			fail := error(nil)
			s.run = func(_ context.Context, name string, args ...string) error {
				told = append(told, strings.Join(append([]string{name}, args...), " "))
				return fail
			}
			set := func(server string) {
				t.Helper()
				if err := s.Set(t.Context(), server); err != nil {
					t.Fatal(err)
				}
			}
			set(tt.server)
			set(tt.server)
			if got := content(t, s, tt.file); got != tt.text || !slices.Equal(told, []string{tt.told}) {
				t.Errorf("%s is %q; told %q", tt.file, got, told)
			}
			if st := s.Status(); st.By != detect(s.root).name() || st.Server != tt.server || len(clock.stepped) > 0 {
				t.Errorf("%+v", st)
			}

			again := &Service{root: s.root, log: s.log, clock: clock, run: s.run, changed: make(chan struct{}, 1)} // after a restart of the agent
			if err := again.Set(t.Context(), tt.server); err != nil || len(told) != 1 {
				t.Errorf("told again for nothing: %v %q", err, told)
			}

			for _, bad := range []string{"a b", tt.refusedAsWhole} {
				if bad != "" && s.Set(t.Context(), bad) == nil {
					t.Errorf("%q is taken", bad)
				}
			}
			fail = errors.New("exit status 1")
			if err := s.Set(t.Context(), "other.example"); !errors.Is(err, fail) || content(t, s, tt.file) != tt.text || s.Status().Server != tt.server {
				t.Errorf("a refused change stays: %v %q %+v", err, content(t, s, tt.file), s.Status())
			}
			fail = nil
			set("other.example")
			if got := content(t, s, tt.file); !strings.Contains(got, "other.example") || strings.Contains(got, tt.server) {
				t.Errorf("%q", got)
			}
			set("")
			if got := content(t, s, tt.file); got != tt.otherwise {
				t.Errorf("what is left is %q, want %q", got, tt.otherwise)
			}
		})
	}
}

func TestAServiceThatCannotBeConfiguredSaysWhy(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"chrony without a directory", map[string]string{"proc/4/comm": "chronyd\n", "etc/chrony.conf": "server a\n"}, "sourcedir"},
		{"busybox with -p", map[string]string{"proc/8/comm": "busybox\n", "proc/8/cmdline": "busybox\x00ntpd\x00-Nnp\x00a\x00"}, "-p"},
		{"busybox without a script", map[string]string{"proc/8/comm": "busybox\n", "proc/8/cmdline": "busybox\x00ntpd\x00"}, "/etc/init.d"},
		{"another ntpd", map[string]string{"proc/9/comm": "ntpd\n", "proc/9/cmdline": "ntpd\x00"}, "set the server there"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _, _ := newService(t)
			put(t, s, tt.files)
			if err := s.Set(t.Context(), "time.nist.gov"); err == nil || !strings.Contains(err.Error(), tt.want) || s.Status().Server != "" {
				t.Errorf("got %v, want %q; %+v", err, tt.want, s.Status())
			}
		})
	}
}

func TestAServiceThatIsStartedLaterTakesTheClockOver(t *testing.T) {
	var told int
	at, s, _ := asked(t, 24*time.Hour, func(int) (*ntp.Response, error) { return good(0), nil }, func(s *Service, _ *fakeClock) {
		s.run = func(context.Context, string, ...string) error { told++; return nil }
		time.Sleep(30 * time.Second)
		synctest.Wait()
		put(t, s, timesyncdUp)
	})
	if len(at) != 1 || told != 1 || s.Status().By != "systemd-timesyncd" || !strings.Contains(content(t, s, timesyncdFile), "NTP=time.example\n") {
		t.Errorf("asked at %v, told %d times, %+v", at, told, s.Status())
	}
}

func TestAProgramsOutputIsPartOfItsError(t *testing.T) {
	if err := command(t.Context(), "sh", "-c", "echo no such unit >&2; exit 5"); err == nil || !strings.Contains(err.Error(), "exit status 5: no such unit") {
		t.Error(err)
	}
	if err := command(t.Context(), "true"); err != nil {
		t.Error(err)
	}
}
