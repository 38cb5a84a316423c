// Package servers runs the FTP servers of Debian on loopback for tests: vsftpd, proftpd and pure-ftpd, each
// with its own defaults wherever a test does not need something else.
//
// The packages conflict with each other, so they are downloaded once and unpacked into one tree in the user's
// cache folder, never installed. It needs apt-get, dpkg-deb, unshare and root: the servers start as root and
// become another user for each login, and vsftpd's PAM file is seen only in a mount namespace of its own.
package servers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The servers, their plug-ins, and those of their libraries that a small Debian may lack.
var packages = []string{
	"vsftpd", "libwrap0", "libnsl2", "libtirpc3",
	"proftpd-core", "proftpd-mod-crypto", "libhiredis0.14", "libmemcached11", "libmemcachedutil2", "libhashkit2",
	"libpcre2-posix3", "libsasl2-2",
	"pure-ftpd", "libsodium23",
}

// tree returns the folder with the unpacked packages, downloading them if this is the first use.
var tree = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache folder: %w", err)
	}
	// Another list of packages gets another tree.
	sum := sha256.Sum256([]byte(strings.Join(packages, " ")))
	root := filepath.Join(cache, "camward", "ftpd", hex.EncodeToString(sum[:4]))
	if _, err := os.Stat(filepath.Join(root, "usr/sbin/vsftpd")); err == nil {
		return root, nil
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(root), "ftpd-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := fetch(tmp); err != nil {
		return "", err
	}
	// Another process may have been first, and then its tree does as well.
	if err := os.Rename(filepath.Join(tmp, "tree"), root); err != nil && !os.IsExist(err) {
		return "", err
	}
	return root, nil
})

// fetch downloads the packages into dir and unpacks them into dir/tree.
func fetch(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx, dir, "apt-get", append([]string{"-q", "download"}, packages...)...); err != nil {
		return fmt.Errorf("download the FTP servers (is \"apt-get update\" due?): %w", err)
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != len(packages) {
		return fmt.Errorf("asked apt-get for %d packages, got %d files", len(packages), len(debs))
	}
	root := filepath.Join(dir, "tree")
	for _, deb := range debs {
		if err := run(ctx, dir, "dpkg-deb", "-x", deb, root); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
		}
	}
	return os.Chmod(root, 0o755)
}

func run(ctx context.Context, dir, tool string, args ...string) error {
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", tool, err, lastLine(out))
	}
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	return lines[len(lines)-1]
}
