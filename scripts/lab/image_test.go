package lab

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entriesOf takes a newc archive apart, as the kernel does.
func entriesOf(t *testing.T, b []byte) (names []string, data map[string]string) {
	t.Helper()
	data = map[string]string{}
	field := func(i int) int {
		n, err := strconv.ParseInt(string(b[6+8*i:][:8]), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	align := func(n int) int { return (n + 3) &^ 3 }
	for {
		if string(b[:6]) != "070701" {
			t.Fatalf("magic %q", b[:6])
		}
		size, nameSize := field(6), field(11)
		name := string(b[110 : 110+nameSize-1])
		at := align(110 + nameSize)
		if name == "TRAILER!!!" {
			if rest := len(b) - at; rest != 0 {
				t.Errorf("%d bytes behind the trailer", rest)
			}
			return names, data
		}
		names = append(names, fmt.Sprintf("%s %o", name, field(1)))
		data[name] = string(b[at : at+size])
		b = b[align(at+size):]
	}
}

func TestArchiveHoldsFilesWithTheFoldersAboveThemOnce(t *testing.T) {
	var a archive
	a.addCharDevice("dev/console", 0o600, 5, 1)
	a.addFile("a/b/one", 0o755, []byte("odd"))
	a.addFile("a/b/two", 0o644, nil)
	names, data := entriesOf(t, a.bytes())
	want := []string{"dev 40755", "dev/console 20600", "a 40755", "a/b 40755", "a/b/one 100755", "a/b/two 100644"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	maps.DeleteFunc(data, func(_, v string) bool { return v == "" })
	if diff := cmp.Diff(map[string]string{"a/b/one": "odd"}, data); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestTheTreeOfModulesIsKnownByKernelNames(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"net/9p/9pnet.ko", "drivers/usb/usbip/vhci-hcd.ko.xz", "modules.order"} {
		p := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := findModules(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := moduleTree{"9pnet": filepath.Join(dir, "net/9p/9pnet.ko"), "vhci_hcd": filepath.Join(dir, "drivers/usb/usbip/vhci-hcd.ko.xz")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, err := findModules(t.TempDir()); err == nil {
		t.Error("a tree without modules is no error")
	}
}
