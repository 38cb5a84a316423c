package lab

import (
	"bytes"
	"fmt"
	"path"
)

// Mode bits of a cpio entry, as in stat(2).
const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeChar = 0o020000
)

// An archive is a cpio file in the "newc" format, the one the kernel unpacks as its first root
// (Documentation/driver-api/early-userspace/buffer-format.rst). Archives may be concatenated.
type archive struct {
	buf  bytes.Buffer
	ino  int
	dirs map[string]bool
}

// addFile adds a regular file and the folders above it. Names have no leading slash.
func (a *archive) addFile(name string, perm int, data []byte) {
	a.addDir(path.Dir(name))
	a.entry(name, modeFile|perm, 0, 0, data)
}

// addDir adds a folder and those above it, each once.
func (a *archive) addDir(name string) {
	if name == "." || a.dirs[name] {
		return
	}
	a.addDir(path.Dir(name))
	if a.dirs == nil {
		a.dirs = map[string]bool{}
	}
	a.dirs[name] = true
	a.entry(name, modeDir|0o755, 0, 0, nil)
}

// addCharDevice adds a character device node.
func (a *archive) addCharDevice(name string, perm, major, minor int) {
	a.addDir(path.Dir(name))
	a.entry(name, modeChar|perm, major, minor, nil)
}

// bytes ends the archive with the trailer the kernel looks for and returns it whole.
func (a *archive) bytes() []byte {
	a.entry("TRAILER!!!", 0, 0, 0, nil)
	return a.buf.Bytes()
}

// entry writes a header of 13 eight-digit hexadecimal fields behind the magic, the name and the
// data, each of the two padded to four bytes.
func (a *archive) entry(name string, mode, major, minor int, data []byte) {
	a.ino++
	fmt.Fprintf(&a.buf, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0)
	a.buf.WriteString(name + "\x00")
	a.pad()
	a.buf.Write(data)
	a.pad()
}

func (a *archive) pad() {
	for a.buf.Len()%4 != 0 {
		a.buf.WriteByte(0)
	}
}
