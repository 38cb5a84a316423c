package servers

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Kind is one of the servers.
type Kind string

// The servers that Debian has.
const (
	VSFTPD   Kind = "vsftpd"
	ProFTPD  Kind = "proftpd"
	PureFTPD Kind = "pure-ftpd"
)

// Options say how a server runs.
type Options struct {
	Kind     Kind
	TLS      string   // none, explicit or implicit
	User     string   // of the only login; no colon or white space
	Password string   // which vsftpd does not look at here
	Extra    []string // more lines of configuration, of arguments for pure-ftpd
}

// A Server runs until its test ends. Methods are for one goroutine at a time.
type Server struct {
	Addr   string // host:port
	Root   string // directory of the login
	CAFile string // authority of the certificate, which is for 127.0.0.1 and localhost

	t    testing.TB
	opts Options
	tree string
	dir  string // configuration
	key  string // key and certificate in one file

	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}
}

// owner is the user that logins become: nobody, which every Debian has.
const owner = 65534

// Start runs a server on a free port of loopback. Where it cannot, the test is skipped; scripts/notrun.sh says so at the end of
// make test.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
		t.Skip("not run: the FTP servers of this test need root and mount namespaces, which a chroot does not have")
	}
	tree, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir, whose folders are closed to the user of the login.
	dir, err := os.MkdirTemp("", "camward-ftpd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{t: t, opts: opts, tree: tree, dir: dir, Root: filepath.Join(dir, "files"), CAFile: filepath.Join(dir, "ca.pem"),
		key: filepath.Join(dir, "key.pem")}
	for _, err := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(s.Root, 0o755), os.Chown(s.Root, owner, owner),
		os.Mkdir(filepath.Join(dir, "empty"), 0o755), writeCertificate(s.CAFile, s.key),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = l.Addr().String()
	l.Close()
	s.Run()
	t.Cleanup(s.Stop)
	return s
}

// SetLogin restarts the server with another login.
func (s *Server) SetLogin(user, password string) {
	s.Stop()
	s.opts.User, s.opts.Password = user, password
	s.Run()
}

// Run starts a stopped server on the same address and waits until it listens.
func (s *Server) Run() {
	s.t.Helper()
	cmd, err := s.command()
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = &logBuffer{}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+s.libraries())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // sessions may hold the log open
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait() // its exit is looked at below
		close(done)
	}()
	s.cmd, s.done = cmd, done
	for range 500 {
		if c, err := net.Dial("tcp", s.Addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-done:
			s.t.Fatalf("%s ended: %v: %s", s.opts.Kind, cmd.ProcessState, s.Log())
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.t.Fatalf("%s does not listen: %s", s.opts.Kind, s.Log())
}

// Stop ends the server and its sessions.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	for _, pid := range family(s.cmd.Process.Pid) { // sessions of vsftpd leave its process group
		syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.done
	s.cmd = nil
}

// family lists a process and all that descend from it.
func family(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var child, parent int
		var state string
		// pid (name) state ppid ...; the name may hold anything (proc(5)).
		fmt.Sscan(string(b), &child)
		fmt.Sscan(string(b[bytes.LastIndexByte(b, ')')+1:]), &state, &parent)
		children[parent] = append(children[parent], child)
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// Log is what the server has written so far.
func (s *Server) Log() string { return s.log.String() }

// Files is what stands in the login's directory, by path below it.
func (s *Server) Files() map[string][]byte {
	files := map[string][]byte{}
	err := filepath.WalkDir(s.Root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) { // renamed just now
			return nil
		}
		name, _ := filepath.Rel(s.Root, path)
		files[name] = b
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
	return files
}

// Mkdir makes a directory that the login may write to, with its parents.
func (s *Server) Mkdir(name string) {
	s.t.Helper()
	path := s.Root
	for _, part := range bytes.Split([]byte(name), []byte("/")) {
		path = filepath.Join(path, string(part))
		if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
			s.t.Fatal(err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *Server) write(name, text string, mode os.FileMode) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		return "", err
	}
	return path, os.Chmod(path, mode)
}

func (s *Server) port() (string, error) {
	_, port, err := net.SplitHostPort(s.Addr)
	return port, err
}

func (s *Server) command() (*exec.Cmd, error) {
	switch s.opts.Kind {
	case VSFTPD:
		return s.vsftpd()
	case ProFTPD:
		return s.proftpd()
	case PureFTPD:
		return s.pureftpd()
	}
	return nil, fmt.Errorf("no server %q", s.opts.Kind)
}

// A logBuffer is written by the server's copier and read by tests.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
