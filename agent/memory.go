package agent

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.uber.org/zap"

	"camward/uploader"
	"camward/video"
)

// The bounds of what the agent allows itself without a configured budget: a quarter of the memory that there is, within these.
const (
	leastMemory, mostMemory = 32 * uploader.MiB, 256 * uploader.MiB
	// minMemory is the smallest budget that can be configured; the program alone takes half of it.
	minMemory = 24 * uploader.MiB
)

// What the agent's memory goes to, measured on amd64 with static binaries (docs/performance.md).
const (
	codecBytes  = 1 << 20 // of an encoder or decoder outside Go's heap, whatever the size of its pictures
	codecPixel  = 12      // and for each pixel: OpenH264 keeps 11 to 13 bytes
	baseBytes   = 10 << 20
	leastHeap   = 16 << 20 // less would make the collector run without end
	leastRing   = 1 << 20  // what clip.Config accepts
	assumedSize = 640 * 480
)

// A memory shares the agent's budget between the codecs, which C allocates, and Go's heap, and bounds the recorders' rings by what is
// left. It is a goal, which the collector works for, and no wall: a viewer's encoder comes on top. Safe for concurrent use.
type memory struct {
	budget int64
	set    func(limit int64) int64 // debug.SetMemoryLimit; nil: GOMEMLIMIT says it
	log    *zap.Logger

	mu     sync.Mutex
	pixels []int // of each camera's pictures
}

// newMemory takes a budget in bytes, 0 for one of the machine's or the control group's memory, as the kernel tells it under root; and limits
// Go's heap by it for cameras of their configured size. A GOMEMLIMIT in the environment stands, unless a budget is configured.
func newMemory(budget uploader.Bytes, cameras []CameraConfig, root fs.FS, log *zap.Logger) *memory {
	m := &memory{budget: int64(budget), set: debug.SetMemoryLimit, log: log.Named("memory"), pixels: make([]int, len(cameras))}
	if budget == 0 {
		m.budget = int64(min(max(uploader.Bytes(memoryOf(root)/4), leastMemory), mostMemory))
		if given := os.Getenv("GOMEMLIMIT"); given != "" && given != "off" { // the runtime has read it
			m.budget, m.set = debug.SetMemoryLimit(-1), nil
		}
	}
	for i, c := range cameras {
		m.pixels[i] = assumedSize
		if c.Size.Width > 0 {
			m.pixels[i] = c.Size.Width * c.Size.Height
		}
	}
	if err := giveBackLargeBlocks(); err != nil {
		m.log.Warn("memory that the codecs free may stay with the process", zap.Error(err))
	}
	limit := m.apply()
	m.log.Info("memory is shared out", zap.Int64("budget", m.budget), zap.Int64("heap", limit), zap.Int("ring", m.ring(math.MaxInt)))
	return m
}

// validateMemory checks a configured budget.
func validateMemory(b uploader.Bytes) error {
	if b != 0 && b < minMemory {
		return fmt.Errorf("memory: %v is less than %v, and not 0", b, minMemory)
	}
	return nil
}

// ring bounds one camera's ring, in bytes: what is configured, or what the budget leaves each camera, if that is less.
func (m *memory) ring(configured int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	share := (m.heap() - baseBytes) * 3 / 4 / int64(max(len(m.pixels), 1)) // the rest is for what waits to be collected
	return int(min(int64(configured), max(share, leastRing)))
}

// granted notes what a camera's pictures are, and limits Go's heap accordingly.
func (m *memory) granted(camera int, f video.Format) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := f.Width * f.Height; n > 0 && n != m.pixels[camera] {
		m.pixels[camera] = n
		m.log.Debug("memory is shared out anew", zap.Int("camera", camera), zap.Stringer("format", f), zap.Int64("heap", m.apply()))
	}
}

// apply limits Go's heap, and all else that Go's runtime takes, and gives that limit.
func (m *memory) apply() int64 {
	limit := max(m.heap(), leastHeap)
	if m.set != nil {
		m.set(limit)
	}
	return limit
}

// heap is what the budget leaves after the codecs.
func (m *memory) heap() int64 {
	left := m.budget
	for _, n := range m.pixels {
		left -= codecBytes + codecPixel*int64(n)
	}
	return left
}

// memoryOf is the memory in bytes that this process may use at most: the machine's, or that of the smallest control group around it. It is 0 if
// the kernel does not tell.
func memoryOf(root fs.FS) int64 {
	most := int64(math.MaxInt64)
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		_, rest, _ := strings.Cut(string(text), "MemTotal:")
		if f := strings.Fields(rest); len(f) > 0 {
			most = atMost(most, f[0], 1024)
		}
	}
	text, err := fs.ReadFile(root, "proc/self/cgroup") // cgroups(7), "/proc files": hierarchy:controllers:path
	if err != nil {
		text = nil
	}
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch {
		case controllers == "": // version 2
			most = groupLimit(root, "sys/fs/cgroup", group, "memory.max", most)
		case slices.Contains(strings.Split(controllers, ","), "memory"):
			most = groupLimit(root, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes", most)
		}
	}
	if most == math.MaxInt64 {
		return 0
	}
	return most
}

// groupLimit is most, or the smallest limit of a group and those around it that is less. In a container the group's own path may not be seen, but the
// top one is.
func groupLimit(root fs.FS, mount, group, file string, most int64) int64 {
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		if text, err := fs.ReadFile(root, path.Join(mount, group, file)); err == nil {
			most = atMost(most, strings.TrimSpace(string(text)), 1)
		}
		if group == "/" {
			return most
		}
	}
}

// atMost is most, or the number in text if that is less; text may also be "max".
func atMost(most int64, text string, unit int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/unit {
		return most
	}
	return min(most, n*unit)
}
