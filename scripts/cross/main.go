// Command cross builds the agent for the devices it is made for, into dist/:
//
//	camward-linux-amd64  static, with OpenH264 and libjpeg-turbo
//	camward-linux-arm64  the same
//	camward-linux-armv7  the same
//	camward-linux-armv6  pure Go: Debian's armhf objects need ARMv7 and die on a Pi Zero with SIGILL
//
// The foreign static libraries come out of Debian's -dev packages, unpacked beside and never
// installed. Each binary is started once (under qemu-user where it is foreign) and its size printed;
// the arm64 one must stay within sizeLimit.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"camward/scripts/internal/debian"
)

// sizeLimit is what the flash of a small camera leaves for the agent.
const sizeLimit = 15 << 20

// A target is one binary of dist/.
type target struct {
	name     string   // after camward-linux-
	env      []string // GOARCH and its variant
	deb      string   // Debian's architecture of the C libraries; empty builds without cgo
	triplet  string   // of the C compiler and of the library folder
	emulator []string // runs the binary on another processor
}

var targets = []target{
	{name: "amd64", env: []string{"GOARCH=amd64"}, deb: "amd64", triplet: "x86_64-linux-gnu", emulator: []string{"qemu-x86_64-static"}},
	{name: "arm64", env: []string{"GOARCH=arm64"}, deb: "arm64", triplet: "aarch64-linux-gnu", emulator: []string{"qemu-aarch64-static"}},
	{name: "armv7", env: []string{"GOARCH=arm", "GOARM=7"}, deb: "armhf", triplet: "arm-linux-gnueabihf", emulator: []string{"qemu-arm-static", "-cpu", "cortex-a7"}},
	{name: "armv6", env: []string{"GOARCH=arm", "GOARM=6"}, emulator: []string{"qemu-arm-static", "-cpu", "arm1176"}},
}

func main() {
	version := flag.String("version", "dev", "stamped into the binaries")
	pkg := flag.String("pkg", "./cmd/camward", "main package to build")
	out := flag.String("o", "dist", "folder for the binaries")
	only := flag.String("only", "", "comma-separated names; all if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, *pkg, *out, *version, *only); err != nil {
		fmt.Fprintln(os.Stderr, "cross:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, pkg, out, version, only string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, t := range targets {
		if only != "" && !strings.Contains(","+only+",", ","+t.name+",") {
			continue
		}
		file := filepath.Join(out, filepath.Base(pkg)+"-linux-"+t.name)
		if err := t.compile(ctx, pkg, file, version); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		says, err := t.start(ctx, file)
		if err != nil {
			return fmt.Errorf("%s: start it once: %w", t.name, err)
		}
		fi, err := os.Stat(file)
		if err != nil {
			return err
		}
		fmt.Printf("%-28s %5.1f MiB  %s\n", file, float64(fi.Size())/(1<<20), says)
		if t.name == "arm64" && fi.Size() > sizeLimit {
			return fmt.Errorf("arm64: %d bytes, the limit is %d", fi.Size(), sizeLimit)
		}
	}
	return nil
}

// compile builds one static binary.
func (t target) compile(ctx context.Context, pkg, file, version string) error {
	tmp, err := os.MkdirTemp("", "camward-cross-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	overlay, err := withSmaller(ctx, tmp)
	if err != nil {
		return err
	}
	ldflags := "-s -w -X main.version=" + version
	args := append([]string{"build", "-trimpath", "-o", file, overlay}, inlining()...)
	env := append(os.Environ(), "GOOS=linux")
	env = append(env, t.env...)
	if t.deb == "" {
		env = append(env, "CGO_ENABLED=0")
	} else {
		root, err := sysroot(ctx, t.deb)
		if err != nil {
			return err
		}
		lib := filepath.Join(root, "usr/lib", t.triplet)
		if err := t.trimArchive(ctx, tmp, lib); err != nil {
			return err
		}
		unwind := filepath.Join(tmp, "unwind.ld")
		if err := os.WriteFile(unwind, unwindScript, 0o600); err != nil {
			return err
		}
		// Pages of 16 KiB are the largest that boards' kernels have; the linker's 64 KiB would be padded for.
		ldflags += ` -linkmode external -extldflags "-static -Wl,-z,max-page-size=16384,-T,` + unwind + `,-u,` + strings.Join(trimmed, ",-u,") + `"`
		args = append(args, "-tags", "netgo,osusergo")
		env = append(env, "CGO_ENABLED=1", "CC="+t.triplet+"-gcc", "CXX="+t.triplet+"-g++",
			// -I/usr/include/TRIPLET too: jconfig.h and its like are there
			"CGO_CFLAGS=-O2 -I"+root+"/usr/include -I"+root+"/usr/include/"+t.triplet,
			"CGO_LDFLAGS=-L"+lib+" -l:"+trimLibrary)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "-ldflags", ldflags, pkg)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, os.Stdout, os.Stderr
	return cmd.Run()
}

// start proves that the binary runs on its processor: the first line of "camward version".
func (t target) start(ctx context.Context, file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, abs, "version")
	if t.name != runtime.GOARCH {
		emu, err := exec.LookPath(t.emulator[0])
		if err != nil {
			return "(not started: " + t.emulator[0] + " is absent)", nil
		}
		cmd = exec.CommandContext(ctx, emu, append(t.emulator[1:], abs, "version")...)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// libraries are the packages with the static libraries that the codecs link.
var libraries = []string{"libopenh264-dev", "libturbojpeg0-dev"}

// sysroot returns a folder with the C libraries of one architecture, fetched on first use.
func sysroot(ctx context.Context, arch string) (string, error) {
	dir, err := debian.CacheDir("sysroot")
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, arch)
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	archive, err := debian.Open(arch)
	if err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(dir, arch+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := archive.Fetch(ctx, tmp, libraries...); err != nil {
		return "", err
	}
	// Renamed whole, so a half-fetched tree is never taken for one.
	return root, os.Rename(tmp, root)
}
