package lab

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A moduleTree is the kernel modules of one unpacked kernel package: name to file. Names use
// underscores, as the kernel does, whatever the file is called.
type moduleTree map[string]string

// findModules walks lib/modules of an unpacked package.
func findModules(dir string) (moduleTree, error) {
	t := moduleTree{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, _, ok := strings.Cut(d.Name(), ".ko"); ok && !d.IsDir() {
			t[moduleName(name)] = p
		}
		return nil
	})
	if err == nil && len(t) == 0 {
		err = fmt.Errorf("no kernel modules under %s", dir)
	}
	return t, err
}

func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// A module is one file to load and its place in the order.
type module struct {
	name string
	data []byte // an ELF object
}

// closure reads the modules of names and all they depend on, in an order in which each one
// comes after what it needs. A name without a file is built into the kernel.
func (t moduleTree) closure(names []string) ([]module, error) {
	var order []module
	seen := map[string]bool{}
	var visit func(string) error
	visit = func(name string) error {
		if seen[name] || t[name] == "" {
			return nil
		}
		seen[name] = true
		data, err := readModule(t[name])
		if err != nil {
			return err
		}
		deps, err := dependencies(data)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		for _, d := range deps {
			if err := visit(moduleName(d)); err != nil {
				return err
			}
		}
		order = append(order, module{name: name, data: data})
		return nil
	}
	for _, n := range names {
		if err := visit(moduleName(n)); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// readModule reads a module file; later Debian releases compress them with xz.
func readModule(file string) ([]byte, error) {
	if strings.HasSuffix(file, ".xz") {
		out, err := exec.Command("xz", "-dc", file).Output()
		if err != nil {
			return nil, fmt.Errorf("xz -dc %s: %w", file, err)
		}
		return out, nil
	}
	return os.ReadFile(file)
}

// dependencies reads the "depends=" tag out of a module's .modinfo section, which is a list of
// zero-terminated key=value strings.
func dependencies(ko []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, fmt.Errorf("no .modinfo section")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	for _, kv := range strings.Split(string(info), "\x00") {
		if v, ok := strings.CutPrefix(kv, "depends="); ok && v != "" {
			return strings.Split(v, ","), nil
		}
	}
	return nil, nil
}
