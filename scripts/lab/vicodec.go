package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"camward/scripts/internal/debian"
)

// Vicodec gives the kernel module of that name for the image: a memory-to-memory encoder in software, which Debian's kernels leave out. It is built once from
// Debian's source of the same kernel, and kept beside the image's other modules. A kernel whose source is no longer to be had is replaced by
// the current one, so the image to boot is returned as well. Only arm64 has a compiler for it.
func Vicodec(ctx context.Context, img Image) (Image, []byte, error) {
	kept := func() string { return filepath.Join(img.dir, "vicodec.ko") }
	if b, err := os.ReadFile(kept()); err == nil {
		return img, b, nil
	}
	b, err := img.buildVicodec(ctx)
	if errors.Is(err, errNoSource) {
		if img, err = fetch(ctx, img.Machine, filepath.Dir(img.dir)); err == nil {
			b, err = img.buildVicodec(ctx)
		}
	}
	if err != nil {
		return img, nil, fmt.Errorf("build vicodec for %s: %w", filepath.Base(img.dir), err)
	}
	return img, b, os.WriteFile(kept(), b, 0o644)
}

var errNoSource = errors.New("headers and source of this kernel are no longer in the archive")

// buildVicodec fetches what building takes, all of one version, and builds in a folder of its own.
func (i Image) buildVicodec(ctx context.Context) ([]byte, error) {
	abi, ok := strings.CutSuffix(strings.TrimPrefix(filepath.Base(i.dir), "linux-image-"), "-"+i.Name) // 6.1.0-56
	if !ok || i.cross == "" {
		return nil, fmt.Errorf("not for %s", i.Name)
	}
	series := strings.Join(strings.SplitN(abi, ".", 3)[:2], ".") // 6.1
	tmp, err := os.MkdirTemp(filepath.Dir(i.dir), "vicodec-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	target, err := debian.Open(i.Name)
	if err != nil {
		return nil, err
	}
	host, err := debian.Open(hostArch())
	if err != nil {
		return nil, err
	}
	headers := "linux-headers-" + abi + "-" + i.Name
	updateErr := target.Update(ctx)
	version, err := target.Version(ctx, headers)
	if err != nil {
		return nil, errors.Join(errNoSource, err, updateErr)
	}
	common := "linux-headers-" + abi + "-common"
	if err := target.Fetch(ctx, tmp, headers+"="+version, common+"="+version, "linux-source-"+series+"="+version); err != nil {
		return nil, errors.Join(errNoSource, err)
	}
	if err := host.Fetch(ctx, tmp, "linux-kbuild-"+series+"="+version); err != nil {
		return nil, errors.Join(errNoSource, err)
	}
	return i.makeVicodec(ctx, tmp, filepath.Join(tmp, "usr/src"), headers, common, "linux-source-"+series)
}

// makeVicodec builds in tmp, where the packages are unpacked, as Documentation/kbuild/modules.rst has it.
func (i Image) makeVicodec(ctx context.Context, tmp, src, headers, common, source string) ([]byte, error) {
	const driver = "drivers/media/test-drivers/vicodec"
	// The archive is large and sorted by no order that would help; --occurrence ends the search with the folder's last file.
	untar := exec.CommandContext(ctx, "tar", "-xJf", filepath.Join(src, source+".tar.xz"), "-C", tmp, "--occurrence=1", source+"/"+driver)
	if out, err := untar.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("unpack %s: %w: %s", source, err, tail(out))
	}
	include := "include " + filepath.Join(src, common, "Makefile") + "\n" // Debian's has the place where it would be installed
	if err := os.WriteFile(filepath.Join(src, headers, "Makefile"), []byte(include), 0o644); err != nil {
		return nil, err
	}
	dir := filepath.Join(tmp, source, driver)
	build := exec.CommandContext(ctx, "make", "-C", filepath.Join(src, headers), "M="+dir, "ARCH="+i.Name, "CROSS_COMPILE="+i.cross, "CONFIG_VIDEO_VICODEC=m", "modules")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make: %w: %s", err, tail(out))
	}
	return os.ReadFile(filepath.Join(dir, "vicodec.ko"))
}

// tail is the end of what a program said.
func tail(out []byte) string {
	const most = 1000
	return string(out[max(0, len(out)-most):])
}

// hostArch is Debian's name for the machine this runs on.
func hostArch() string {
	if runtime.GOARCH == "arm" {
		return "armhf"
	}
	return runtime.GOARCH
}
