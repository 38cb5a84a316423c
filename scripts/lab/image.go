package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"camward/scripts/internal/debian"
)

// A Machine is one kind of guest.
type Machine struct {
	Name    string   // Debian's architecture: arm64, armhf
	Binary  string   // suffix of the agent's file in dist/
	Goarch  []string // environment for pure-Go helpers
	kernel  string   // Debian's package that depends on the current kernel
	qemu    []string // emulator and board
	cross   string   // prefix of the compiler that builds kernel modules; empty: none are built
	console string
}

// Machines are the guests the lab knows.
var Machines = []Machine{
	{
		Name: "arm64", Binary: "arm64", Goarch: []string{"GOARCH=arm64"}, kernel: "linux-image-arm64",
		qemu: []string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53"}, console: "ttyAMA0", cross: "aarch64-linux-gnu-",
	}, {
		// Debian's armmp kernel has no LPAE, so all devices must lie below 4 GiB: highmem=off.
		Name: "armhf", Binary: "armv7", Goarch: []string{"GOARCH=arm", "GOARM=7"}, kernel: "linux-image-armmp",
		qemu: []string{"qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a7"}, console: "ttyAMA0",
	},
}

// MachineByName finds one of Machines.
func MachineByName(name string) (Machine, error) {
	for _, m := range Machines {
		if m.Name == name {
			return m, nil
		}
	}
	return Machine{}, fmt.Errorf("no guest %q: arm64 or armhf", name)
}

// Modules the guest always loads, in groups that may be loaded one after the other.
var (
	bootModules  = []string{"virtio_mmio", "virtio_net", "9pnet_virtio", "9p"}
	mediaModules = []string{"vivid", "uvcvideo", "vhci_hcd", "softdog", "v4l2_mem2mem"}
)

// An Image is a kernel with what the guest needs of its modules, cached in a folder:
// vmlinuz, busybox, order (module names, one a line, in loading order) and NAME.ko for each.
type Image struct {
	Machine
	dir string
}

// Prepare returns the machine's image. The one cached is used as it is, without a network;
// otherwise Debian's current kernel is fetched.
func Prepare(ctx context.Context, m Machine) (Image, error) {
	top, err := debian.CacheDir("lab", m.Name)
	if err != nil {
		return Image{}, err
	}
	if dirs, _ := filepath.Glob(filepath.Join(top, "linux-image-*")); len(dirs) > 0 {
		slices.Sort(dirs)
		img := Image{m, dirs[len(dirs)-1]}
		if img.complete() {
			return img, nil
		}
	}
	return fetch(ctx, m, top)
}

// complete tells whether a cached image holds the modules that this version of the lab loads.
func (i Image) complete() bool {
	b, err := os.ReadFile(filepath.Join(i.dir, "wanted"))
	return err == nil && string(b) == wanted()
}

func wanted() string { return strings.Join(append(slices.Clone(bootModules), mediaModules...), "\n") }

// fetch downloads the kernel that the machine's meta package stands for, and a static busybox,
// and keeps what the guest needs of them.
func fetch(ctx context.Context, m Machine, top string) (Image, error) {
	arch, err := debian.Open(m.Name)
	if err != nil {
		return Image{}, err
	}
	updateErr := arch.Update(ctx)
	deps, err := arch.Depends(ctx, m.kernel)
	if err != nil {
		return Image{}, errors.Join(err, updateErr)
	}
	at := slices.IndexFunc(deps, func(d string) bool { return strings.HasPrefix(d, "linux-image-") })
	if at < 0 {
		return Image{}, fmt.Errorf("%s depends on no kernel: %v", m.kernel, deps)
	}
	tmp, err := os.MkdirTemp(top, "unpack-")
	if err != nil {
		return Image{}, err
	}
	defer os.RemoveAll(tmp)
	tree, keep := filepath.Join(tmp, "tree"), filepath.Join(tmp, "keep")
	if err := arch.Fetch(ctx, tree, deps[at], "busybox-static"); err != nil {
		return Image{}, err
	}
	if err := extract(tree, keep); err != nil {
		return Image{}, fmt.Errorf("image of %s: %w", deps[at], err)
	}
	dir := filepath.Join(top, deps[at])
	if err := os.RemoveAll(dir); err != nil {
		return Image{}, err
	}
	return Image{m, dir}, os.Rename(keep, dir) // whole, or not at all
}

// extract copies the kernel, busybox and the modules' closure from an unpacked tree.
func extract(tree, keep string) error {
	if err := os.MkdirAll(keep, 0o755); err != nil {
		return err
	}
	for name, pattern := range map[string]string{"vmlinuz": "boot/vmlinuz-*", "busybox": "bin/busybox"} {
		found, _ := filepath.Glob(filepath.Join(tree, pattern))
		if len(found) != 1 {
			return fmt.Errorf("%d files are %s, want one", len(found), pattern)
		}
		if err := os.Rename(found[0], filepath.Join(keep, name)); err != nil {
			return err
		}
	}
	mods, err := findModules(filepath.Join(tree, "lib/modules"))
	if err != nil {
		return err
	}
	order, err := mods.closure(append(slices.Clone(bootModules), mediaModules...))
	if err != nil {
		return err
	}
	var names strings.Builder
	for _, mod := range order {
		names.WriteString(mod.name + "\n")
		if err := os.WriteFile(filepath.Join(keep, mod.name+".ko"), mod.data, 0o644); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(keep, "order"), []byte(names.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(keep, "wanted"), []byte(wanted()), 0o644)
}

// root is the guest's first root as a cpio archive: init, busybox, the modules and the given
// files (path in the guest, without the leading slash, to contents; all executable).
func (i Image) root(files map[string][]byte) ([]byte, error) {
	var a archive
	for _, d := range []string{"dev", "proc", "sys", "tmp", "share", "bin"} {
		a.addDir(d)
	}
	// Without a console node init would have no standard output.
	a.addCharDevice("dev/console", 0o600, 5, 1)
	a.addFile("init", 0o755, []byte(initScript))
	busybox, err := os.ReadFile(filepath.Join(i.dir, "busybox"))
	if err != nil {
		return nil, err
	}
	a.addFile("bin/busybox", 0o755, busybox)
	order, err := os.ReadFile(filepath.Join(i.dir, "order"))
	if err != nil {
		return nil, err
	}
	a.addFile("modules/order", 0o644, order)
	for _, name := range strings.Fields(string(order)) {
		ko, err := os.ReadFile(filepath.Join(i.dir, name+".ko"))
		if err != nil {
			return nil, err
		}
		a.addFile("modules/"+name+".ko", 0o644, ko)
	}
	for name, data := range files {
		a.addFile(name, 0o755, data)
	}
	return a.bytes(), nil
}
