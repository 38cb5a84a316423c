package capture

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"camward/video"
)

// A bus is a machine whose cameras come and go: its /sys and /dev, and the drivers behind the nodes.
type bus struct {
	t   *testing.T
	dev string

	mu      sync.Mutex
	devices []usbDevice
	drivers map[string]*driver // by node
	denied  bool               // udev has not come by yet
	opened  int
	plugs   chan struct{} // as watchNodes would tell
}

func newBus(t *testing.T) *bus {
	return &bus{t: t, dev: t.TempDir(), drivers: map[string]*driver{}, plugs: make(chan struct{}, 1)}
}

// host is the machine as the package sees it. Its nodes are watched through b.plugs unless the test has the real thing.
func (b *bus) host() host {
	return host{sys: b, proc: fstest.MapFS{}, dev: b.dev, open: b.open,
		watch: func(string) (<-chan struct{}, func(), error) { return b.plugs, func() {}, nil }}
}

// camera makes a camera on the bus, and gives what it tells.
func (b *bus) camera(c Config) (cam *Camera, sub *Subscription, changes chan Change, logs *observer.ObservedLogs) {
	b.t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	hub := NewHub()
	cam, err := New(c, hub, video.NewPool(8<<20), zap.New(core))
	if err != nil {
		b.t.Fatal(err)
	}
	cam.host = b.host()
	if rest, ok := strings.CutPrefix(c.Source, "/dev/"); ok {
		cam.src.path = b.node(rest)
	}
	changes = make(chan Change, 1000)
	cam.OnChange(func(c Change) { changes <- c })
	sub = hub.Subscribe("test", 1)
	b.t.Cleanup(sub.Close)
	return cam, sub, changes, logs
}

// run runs a camera until the test or stop ends it.
func run(t *testing.T, cam *Camera) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		cam.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (b *bus) open(p string) (kernel, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened++
	d := b.drivers[nodeName(p)]
	switch {
	case d == nil:
		return nil, unix.ENOENT
	case b.denied:
		return nil, unix.EACCES
	}
	return d.open(p)
}

func (b *bus) tree() fstest.MapFS {
	b.mu.Lock()
	defer b.mu.Unlock()
	return sysfs(b.devices...)
}

func (b *bus) Open(name string) (fs.File, error)      { return b.tree().Open(name) }
func (b *bus) ReadLink(name string) (string, error)   { return b.tree().ReadLink(name) }
func (b *bus) Lstat(name string) (fs.FileInfo, error) { return b.tree().Lstat(name) }
func (b *bus) node(name string) string                { return filepath.Join(b.dev, name) }
func (b *bus) tell() {
	select {
	case b.plugs <- struct{}{}:
	default:
	}
}

// plug connects a device; a node without a driver carries metadata.
func (b *bus) plug(u usbDevice, drivers ...*driver) {
	b.t.Helper()
	b.mu.Lock()
	b.devices = append(b.devices, u)
	for i, n := range u.nodes {
		d := newDriver()
		d.caps.deviceCaps = 0x00800000
		if i < len(drivers) && drivers[i] != nil {
			d = drivers[i]
			d.caps.card = cBytes[[32]byte](u.card)
		}
		d.caps.busInfo = cBytes[[32]byte]("usb-" + u.port)
		b.drivers[n] = d
	}
	b.mu.Unlock()
	for _, n := range u.nodes {
		if err := os.WriteFile(b.node(n), nil, 0o600); err != nil {
			b.t.Error(err)
		}
	}
	b.tell()
}

// unplug pulls the device at a port, and checks that it is let go.
func (b *bus) unplug(port string) {
	b.mu.Lock()
	i := slices.IndexFunc(b.devices, func(u usbDevice) bool { return u.port == port })
	u := b.devices[i]
	b.devices = slices.Delete(b.devices, i, i+1)
	for _, n := range u.nodes {
		b.drivers[n].pulled.Store(true)
		delete(b.drivers, n)
	}
	b.mu.Unlock()
	for _, n := range u.nodes {
		if err := os.Remove(b.node(n)); err != nil {
			b.t.Error(err)
		}
	}
	b.tell()
}

// allow is udev giving the nodes to their group.
func (b *bus) allow() {
	b.mu.Lock()
	b.denied = false
	b.mu.Unlock()
	b.tell()
}

func (b *bus) opens() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened
}

// webcam is a driver that gives pictures without end.
func webcam() *driver {
	d := newDriver()
	d.film = aJPEG
	return d
}

var (
	logitech = usbDevice{"1-1.2", "046d:0825", "A1B2", "HD Webcam", []string{"video0", "video1"}}
	generic  = usbDevice{"1-1.3", "0c45:6366", "", "USB 2.0 Camera", []string{"video0"}}
)

// at gives a device other nodes.
func (u usbDevice) at(nodes ...string) usbDevice {
	u.nodes = nodes
	return u
}
