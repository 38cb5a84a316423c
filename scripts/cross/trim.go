package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// inlined are the packages in which calls are inlined: what runs for each picture and packet, and what everything runs on. In all
// others they are not, which makes the program an eighth smaller (the code, and the tables that tell where it came from).
var inlined = []string{
	"camward/video/...", "camward/codec/jpeg/...", "camward/motion/...",
	"github.com/pion/rtp/...", "github.com/pion/srtp/...",
	"runtime/...", "internal/runtime/...", "sync/...", "internal/sync", "math/bits",
}

// inlining is the compiler's flags for that; of two patterns that match, the last one holds.
func inlining() []string {
	flags := []string{"-gcflags=all=-l"}
	for _, pattern := range inlined {
		flags = append(flags, "-gcflags="+pattern+"=")
	}
	return flags
}

//go:embed trim/gob.txt
var gobSource []byte

//go:embed trim/idna.txt
var idnaSource []byte

//go:embed trim/trim.txt
var trimSource []byte

// unwindScript is for the linker: what it leaves out of the C and C++ libraries.
//
//go:embed trim/unwind.ld
var unwindScript []byte

// smaller are packages of the standard library that others stand in for, by their folder.
var smaller = map[string][]byte{
	"encoding/gob":                 gobSource,
	"vendor/golang.org/x/net/idna": idnaSource,
}

// withSmaller writes an overlay for the go command that replaces them, and returns the flag for it.
func withSmaller(ctx context.Context, dir string) (flag string, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the standard library: %w", err)
	}
	goroot, replace := strings.TrimSpace(string(out)), map[string]string{}
	for name, source := range smaller {
		pkg := filepath.Join(goroot, "src", filepath.FromSlash(name))
		files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
		if err != nil || len(files) == 0 {
			return "", fmt.Errorf("no package %s in %s: %v", name, pkg, err)
		}
		for _, f := range files {
			replace[f] = "" // gone
		}
		stub := filepath.Join(dir, filepath.Base(pkg)+".go")
		if err := os.WriteFile(stub, source, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(pkg, filepath.Base(stub))] = stub
	}
	if err := withEdits(goroot, dir, replace); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return "-overlay=" + overlay, os.WriteFile(overlay, b, 0o600)
}

// An edit replaces what stands in a file of the standard library between two texts.
type edit struct{ file, after, before, with string }

// edits make large parts of it superfluous.
var edits = []edit{
	// Package slices sorts by its own heap sort. The pattern-defeating quicksort that it uses is compiled for each type that is sorted, 7 KB each
	// time, and gains nothing on the short lists of an agent; n log n is kept.
	{"slices/zsortanyfunc.go", "func pdqsortCmpFunc[E any](data []E, a, b, limit int, cmp func(a, b E) int) {\n", "\n}\n", "heapSortCmpFunc(data, a, b, cmp)"},
	{"slices/zsortordered.go", "func pdqsortOrdered[E cmp.Ordered](data []E, a, b, limit int) {\n", "\n}\n", "heapSortOrdered(data, a, b)"},
	// Regular expressions know no classes by script, such as \p{Greek}: 70 KB of tables. Those by category stay.
	{"regexp/syntax/parse.go", "\tif t := unicode.Scripts[name]; t != nil {\n", "\t}\n", ""},
}

// withEdits writes the changed files into dir, and into the overlay.
func withEdits(goroot, dir string, replace map[string]string) error {
	for i, e := range edits {
		path := filepath.Join(goroot, "src", filepath.FromSlash(e.file))
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		head, rest, found := strings.Cut(string(b), e.after)
		_, tail, ends := strings.Cut(rest, e.before)
		if !found || !ends {
			return fmt.Errorf("%s is not as expected: no %q", path, e.after)
		}
		with := e.after + e.with + e.before
		if e.with == "" {
			with = ""
		}
		changed := filepath.Join(dir, fmt.Sprintf("edit%d.go", i))
		if err := os.WriteFile(changed, []byte(head+with+tail), 0o600); err != nil {
			return err
		}
		replace[path] = changed
	}
	return nil
}

// trimLibrary is what trimArchive makes, to be linked before all other libraries.
const trimLibrary = "libcamwardtrim.a"

// trimmed are the symbols in it, which the linker is to take from there.
var trimmed = []string{"_ZN9__gnu_cxx27__verbose_terminate_handlerEv", "__isoc99_sscanf"}

// trimArchive compiles what stands in for parts of the C and C++ libraries, into the folder lib.
func (t target) trimArchive(ctx context.Context, dir, lib string) error {
	source, object := filepath.Join(dir, "trim.cc"), filepath.Join(dir, "trim.o")
	if err := os.WriteFile(source, trimSource, 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{t.triplet + "-g++", "-O2", "-c", source, "-o", object},
		{t.triplet + "-ar", "rcsD", filepath.Join(lib, trimLibrary), object},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	return nil
}
