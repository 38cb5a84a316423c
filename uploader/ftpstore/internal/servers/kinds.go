package servers

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// vsftpd knows logins only by PAM and passwd(5), which are in /etc alone: a mount namespace shows it others there.
func (s *Server) vsftpd() (*exec.Cmd, error) {
	port, err := s.port()
	if err != nil {
		return nil, err
	}
	users, err := s.write("users", s.opts.User+"\n", 0o600)
	if err != nil {
		return nil, err
	}
	// The password is not looked at: pam_exec cannot wait for a child under vsftpd.
	pam := "auth required pam_listfile.so onerr=fail item=user sense=allow file=" + users +
		"\naccount required pam_permit.so\nsession required pam_permit.so\n"
	if _, err := s.write("pam.d/vsftpd", pam, 0o644); err != nil {
		return nil, err
	}
	// nobody's home does not exist, and vsftpd insists on it.
	accounts := fmt.Sprintf("root:x:0:0::/root:/bin/sh\nnobody:x:%d:%d::%s:/bin/false\n", owner, owner, s.Root)
	if _, err := s.write("passwd", accounts, 0o644); err != nil {
		return nil, err
	}
	lines := []string{
		"listen=YES", "listen_address=127.0.0.1", "listen_port=" + port, "background=NO",
		"anonymous_enable=NO", "local_enable=YES", "write_enable=YES",
		"guest_enable=YES", "guest_username=nobody", "virtual_use_local_privs=YES", "local_root=" + s.Root,
		"chroot_local_user=YES", "allow_writeable_chroot=YES", "secure_chroot_dir=" + filepath.Join(s.dir, "empty"),
		"nopriv_user=nobody", "pam_service_name=vsftpd", "local_umask=022", "seccomp_sandbox=NO",
		"xferlog_enable=NO", "max_login_fails=3", "delay_failed_login=0",
	}
	if s.opts.TLS != "none" {
		lines = append(lines, "ssl_enable=YES", "rsa_cert_file="+s.key, "rsa_private_key_file="+s.key)
	}
	if s.opts.TLS == "implicit" {
		lines = append(lines, "implicit_ssl=YES")
	}
	conf, err := s.write("vsftpd.conf", join(append(lines, s.opts.Extra...)), 0o644)
	if err != nil {
		return nil, err
	}
	return exec.Command("unshare", "-m", "sh", "-c", `mount --bind "$0/pam.d" /etc/pam.d && mount --bind "$0/passwd" /etc/passwd && exec "$1" "$2"`,
		s.dir, filepath.Join(s.tree, "usr/sbin/vsftpd"), conf), nil
}

func (s *Server) proftpd() (*exec.Cmd, error) {
	port, err := s.port()
	if err != nil {
		return nil, err
	}
	line, err := s.passwd()
	if err != nil {
		return nil, err
	}
	users, err := s.write("users", line+":/bin/false\n", 0o600)
	if err != nil {
		return nil, err
	}
	lines := []string{
		"ServerName test", "ServerType standalone", "DefaultAddress 127.0.0.1", "Port " + port, "UseIPv6 off",
		"User nobody", "Group nogroup", "UseReverseDNS off", "Umask 022", "DefaultServer on",
		"PidFile " + filepath.Join(s.dir, "pid"), "ScoreboardFile none", "DelayEngine off",
		"AuthOrder mod_auth_file.c", "AuthUserFile " + users, "RequireValidShell off", "DefaultRoot ~",
		"SystemLog none", "TransferLog none", "WtmpLog off", "AllowOverwrite on", "ModulePath " + filepath.Join(s.tree, "usr/lib/proftpd"),
	}
	if s.opts.TLS != "none" {
		lines = append(lines, "LoadModule mod_tls.c", "TLSEngine on", "TLSRequired on", "TLSRSACertificateFile "+s.key,
			"TLSRSACertificateKeyFile "+s.key, "TLSLog "+filepath.Join(s.dir, "tls.log"))
	}
	if s.opts.TLS == "implicit" {
		lines = append(lines, "TLSOptions UseImplicitSSL")
	}
	conf, err := s.write("proftpd.conf", join(append(lines, s.opts.Extra...)), 0o644)
	if err != nil {
		return nil, err
	}
	return exec.Command(filepath.Join(s.tree, "usr/sbin/proftpd"), "-n", "-c", conf), nil
}

func (s *Server) pureftpd() (*exec.Cmd, error) {
	port, err := s.port()
	if err != nil {
		return nil, err
	}
	line, err := s.passwd()
	if err != nil {
		return nil, err
	}
	// "/./" asks for a chroot; the rest are limits that are not set.
	users, err := s.write("users", line+"/./::::::::::::\n", 0o600)
	if err != nil {
		return nil, err
	}
	db := filepath.Join(s.dir, "users.pdb")
	mkdb := exec.Command(filepath.Join(s.tree, "usr/bin/pure-pw"), "mkdb", db, "-f", users)
	mkdb.Env = []string{"LD_LIBRARY_PATH=" + s.libraries()}
	if out, err := mkdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pure-pw: %w: %s", err, lastLine(out))
	}
	args := []string{"-S", "127.0.0.1," + port, "-l", "puredb:" + db, "-E", "-A", "-H", "-g", filepath.Join(s.dir, "pid"), "-C", "50"}
	switch s.opts.TLS {
	case "explicit":
		args = append(args, "-Y", "3", "-2", s.key) // 3: for data as well
	case "implicit":
		return nil, errors.New("pure-ftpd has no implicit TLS")
	}
	return exec.Command(filepath.Join(s.tree, "usr/sbin/pure-ftpd"), append(args, s.opts.Extra...)...), nil
}

// passwd is the login as the beginning of a line of passwd(5).
func (s *Server) passwd() (string, error) {
	h, err := hash(s.opts.Password)
	return fmt.Sprintf("%s:%s:%d:%d::%s", s.opts.User, h, owner, owner, s.Root), err
}

func (s *Server) libraries() string {
	var dirs []string
	for _, d := range []string{"usr/lib", "lib"} {
		found, _ := filepath.Glob(filepath.Join(s.tree, d, "*-linux-gnu*"))
		dirs = append(dirs, found...)
	}
	return strings.Join(dirs, ":")
}

func join(lines []string) string { return strings.Join(lines, "\n") + "\n" }
