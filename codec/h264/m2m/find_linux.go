package m2m

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"camward/video"
)

// A host is where nodes are looked for.
type host struct {
	dir  string // of the device nodes
	open func(path string) (device, error)
}

func system() host { return host{dir: "/dev", open: openNode} }

// inputs are the formats that can be given to an encoder, the best first: I420 is what pictures are held in,
// and one memory plane is one buffer to look after.
var inputs = []video.FourCC{video.YU12, video.NV12, ym12, nm12}

// Find looks at the video nodes of this machine, each of which it opens for a moment, and returns the first
// that encodes H.264. The error is ErrAbsent if there is none, and tells of nodes that may not be opened.
func Find() (Node, error) { return system().find(video.H264) }

// find is Find for any compressed format.
func (h host) find(coded video.FourCC) (Node, error) {
	var refused []error
	for _, path := range h.nodes() {
		n, err := h.look(path, coded)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EBUSY):
			refused = append(refused, fmt.Errorf("%s: %w", path, err))
		}
	}
	if len(refused) > 0 {
		return Node{}, fmt.Errorf("%w (%w)", ErrAbsent, errors.Join(refused...))
	}
	return Node{}, ErrAbsent
}

// nodes lists the video nodes in the order of their numbers.
func (h host) nodes() []string {
	entries, _ := os.ReadDir(h.dir) // without a directory there is no node
	var numbers []int
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "video")
		if n, err := strconv.Atoi(digits); ok && err == nil && n >= 0 {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, cmp.Compare[int])
	paths := make([]string, len(numbers))
	for i, n := range numbers {
		paths[i] = filepath.Join(h.dir, "video"+strconv.Itoa(n))
	}
	return paths
}

// look opens one node and judges it.
func (h host) look(path string, coded video.FourCC) (n Node, err error) {
	d, err := h.open(path)
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return judge(d, path, coded)
}

// judge says what an open node is, or ErrAbsent if it is not an encoder.
func judge(d device, path string, coded video.FourCC) (Node, error) {
	var c v4l2Capability
	if err := d.ioctl(vidiocQuerycap, unsafe.Pointer(&c)); err != nil {
		return Node{}, fmt.Errorf("query %s: %w", path, err)
	}
	caps := c.capabilities
	if caps&capDeviceCaps != 0 {
		caps = c.deviceCaps
	}
	if caps&capM2MMplane == 0 || caps&capStreaming == 0 || !slices.Contains(formats(d, bufCapture), coded) {
		return Node{}, ErrAbsent
	}
	offered := formats(d, bufOutput)
	for _, in := range inputs {
		if slices.Contains(offered, in) {
			return Node{Path: path, Driver: cString(c.driver[:]), Card: cString(c.card[:]), Input: in}, nil
		}
	}
	return Node{}, ErrAbsent
}

// formats lists what one side of a node offers. The list is cut where a driver does not end it.
func formats(d device, side uint32) (all []video.FourCC) {
	for i := range uint32(128) {
		f := v4l2Fmtdesc{index: i, typ: side}
		if d.ioctl(vidiocEnumFmt, unsafe.Pointer(&f)) != nil {
			break
		}
		all = append(all, video.FourCC(f.pixelformat))
	}
	return all
}

// cString is the text before the first NUL.
func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(bytes.ToValidUTF8(s, []byte("?")))
}
