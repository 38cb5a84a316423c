// Package debian fetches packages of any Debian architecture without touching the machine: apt-get
// works in a private state directory, and packages are unpacked, never installed. It serves the
// cross build (foreign static libraries) and the virtual-camera lab (foreign kernels).
//
// It needs apt-get and dpkg-deb but neither root nor "dpkg --add-architecture".
package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// CacheDir is where downloads are kept between runs: sub under camward in the user's cache folder
// ($XDG_CACHE_HOME, else ~/.cache). It is created if need be.
func CacheDir(sub ...string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache folder: %w", err)
	}
	dir := filepath.Join(append([]string{base, "camward"}, sub...)...)
	return dir, os.MkdirAll(dir, 0o755)
}

// Open returns the archive of one architecture, with its state in the user's cache folder.
func Open(arch string) (*Archive, error) {
	dir, err := CacheDir("apt", arch)
	if err != nil {
		return nil, err
	}
	return &Archive{Arch: arch, Dir: dir}, nil
}

// An Archive is the machine's package sources seen as one architecture. It is not safe for
// concurrent use with the same Dir; processes lock each other out through apt's own locks.
type Archive struct {
	Arch string // Debian's name: amd64, arm64, armhf
	Dir  string // apt's lists and downloads, kept between runs
}

// keyring signs the archive on systems that are not Debian but have its key (package
// debian-archive-keyring).
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Fetch downloads the newest version of each package, without its dependencies, and unpacks
// all of them into root. It refreshes the package lists first; that may fail in part (an index
// of a third-party source), as long as the packages can be had afterwards.
func (a *Archive) Fetch(ctx context.Context, root string, packages ...string) error {
	updateErr := a.Update(ctx)
	tmp, err := os.MkdirTemp(a.Dir, "debs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if _, err := a.apt(ctx, tmp, "apt-get", append([]string{"-q", "download"}, packages...)...); err != nil {
		return errors.Join(fmt.Errorf("download %s for %s: %w", strings.Join(packages, " "), a.Arch, err), updateErr)
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return err
	}
	if len(debs) != len(packages) {
		return fmt.Errorf("asked apt-get for %d packages, got %d files", len(packages), len(debs))
	}
	for _, deb := range debs {
		if _, err := run(exec.CommandContext(ctx, "dpkg-deb", "-x", deb, root)); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
		}
	}
	return nil
}

// Update refreshes the package lists.
func (a *Archive) Update(ctx context.Context) error {
	if err := a.prepare(); err != nil {
		return err
	}
	if _, err := a.apt(ctx, a.Dir, "apt-get", "-q", "update"); err != nil {
		return fmt.Errorf("package lists for %s: %w", a.Arch, err)
	}
	return nil
}

// Depends names the packages that pkg depends on directly, as of the last Update.
func (a *Archive) Depends(ctx context.Context, pkg string) ([]string, error) {
	out, err := a.apt(ctx, a.Dir, "apt-cache", "show", "--no-all-versions", pkg)
	if err != nil {
		return nil, fmt.Errorf("look up %s for %s: %w", pkg, a.Arch, err)
	}
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(line, "Depends: "); ok {
			return parseDepends(v), nil
		}
	}
	return nil, nil
}

// Version is the version of pkg that would be fetched, as of the last Update.
func (a *Archive) Version(ctx context.Context, pkg string) (string, error) {
	out, err := a.apt(ctx, a.Dir, "apt-cache", "show", "--no-all-versions", pkg)
	if err != nil {
		return "", fmt.Errorf("look up %s for %s: %w", pkg, a.Arch, err)
	}
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(line, "Version: "); ok {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("%s for %s has no version", pkg, a.Arch)
}

// parseDepends reads the names out of a Depends field (Debian policy 7.1); of alternatives it
// takes the first.
func parseDepends(field string) []string {
	var names []string
	for _, d := range strings.Split(field, ",") {
		if f := strings.FieldsFunc(d, func(r rune) bool { return strings.ContainsRune(" \t\n(|:[", r) }); len(f) > 0 {
			names = append(names, f[0])
		}
	}
	return names
}

// prepare lays out the directories apt expects.
func (a *Archive) prepare() error {
	for _, d := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.Dir, d), 0o755); err != nil {
			return err
		}
	}
	status := filepath.Join(a.Dir, "state/status") // nothing is installed
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return err
	}
	if isDebian() {
		return nil
	}
	if _, err := os.Stat(keyring); err != nil {
		return fmt.Errorf("this is not Debian, so its archive key is needed: install debian-archive-keyring: %w", err)
	}
	mirror := os.Getenv("DEBIAN_MIRROR")
	if mirror == "" {
		return errors.New("this is not Debian: name a mirror of Debian, address and path, in DEBIAN_MIRROR")
	}
	sources := fmt.Sprintf("deb [signed-by=%s] %s bookworm main\n", keyring, mirror)
	return os.WriteFile(filepath.Join(a.Dir, "sources.list"), []byte(sources), 0o644)
}

// isDebian tells Debian itself, whose configured sources hold every architecture, from its
// derivatives, whose don't.
func isDebian() bool {
	b, _ := os.ReadFile("/etc/os-release")
	return slices.Contains(strings.Split(string(b), "\n"), "ID=debian")
}

// apt runs an apt tool against the private state, in dir.
func (a *Archive) apt(ctx context.Context, dir, tool string, args ...string) ([]byte, error) {
	state := filepath.Join(a.Dir, "state")
	opts := []string{
		"-o", "APT::Architecture=" + a.Arch,
		"-o", "APT::Architectures::=" + a.Arch,
		"-o", "Dir::State=" + state,
		"-o", "Dir::State::status=" + filepath.Join(state, "status"),
		"-o", "Dir::Cache=" + filepath.Join(a.Dir, "cache"),
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "Acquire::Retries=3",
	}
	if !isDebian() {
		opts = append(opts, "-o", "Dir::Etc::sourcelist="+filepath.Join(a.Dir, "sources.list"), "-o", "Dir::Etc::sourceparts=-")
	}
	cmd := exec.CommandContext(ctx, tool, append(opts, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return run(cmd)
}

// run returns the command's standard output, and on failure the last lines of what it said.
func run(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.Join(lines[max(0, len(lines)-3):], "; "))
	}
	return out, nil
}
