package agent

import (
	"math"
	"runtime/debug"
	"testing"
	"testing/fstest"

	"go.uber.org/zap"

	"camward/capture"
	"camward/uploader"
	"camward/video"
)

const mib = 1 << 20

// kernel is what the kernel tells, by file name.
func kernel(files map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestMemoryIsThatOfTheSmallestGroupAround(t *testing.T) {
	const pi = "MemTotal:         949328 kB\nMemFree:          612280 kB\n"
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no control groups", map[string]string{"proc/meminfo": pi}, 949328 << 10},
		{"version 2, a service", map[string]string{"proc/meminfo": pi, "proc/self/cgroup": "0::/system.slice/camward.service\n",
			"sys/fs/cgroup/system.slice/camward.service/memory.max": "67108864\n", "sys/fs/cgroup/system.slice/memory.max": "max\n"}, 64 * mib},
		{"version 2, the slice around has less", map[string]string{"proc/meminfo": pi, "proc/self/cgroup": "0::/system.slice/camward.service\n",
			"sys/fs/cgroup/system.slice/camward.service/memory.max": "67108864\n", "sys/fs/cgroup/system.slice/memory.max": "50331648\n"}, 48 * mib},
		{"version 2, no limit", map[string]string{"proc/meminfo": pi, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 949328 << 10},
		{"version 1 beside others", map[string]string{"proc/meminfo": pi, "proc/self/cgroup": "9:name=systemd:/\n4:memory:/camward\n3:cpu,cpuacct:/\n0::/\n",
			"sys/fs/cgroup/memory/camward/memory.limit_in_bytes": "67108864\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 64 * mib},
		{"version 1 in a container, whose path is not seen", map[string]string{"proc/meminfo": pi, "proc/self/cgroup": "4:memory:/docker/0123\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n"}, 128 * mib},
		{"a group outside the namespace", map[string]string{"proc/meminfo": pi, "proc/self/cgroup": "0::/../../a\n", "sys/fs/cgroup/memory.max": "134217728\n"}, 128 * mib},
		{"a limit above the machine's memory", map[string]string{"proc/meminfo": pi, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "8589934592\n"}, 949328 << 10},
		{"nothing is told", nil, 0},
		{"nonsense", map[string]string{"proc/meminfo": "MemTotal: a lot", "proc/self/cgroup": "\n:\n0\n0::\n", "sys/fs/cgroup/memory.max": "-1"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := memoryOf(kernel(tt.files)); got != tt.want {
				t.Errorf("memoryOf = %d, want %d", got, tt.want)
			}
		})
	}
}

// camerasOf gives cameras of these sizes; the zero size is a camera without one.
func camerasOf(sizes ...capture.Size) (cameras []CameraConfig) {
	for _, s := range sizes {
		c := DefaultCamera()
		c.Size = s
		cameras = append(cameras, c)
	}
	return cameras
}

func testMemory(t *testing.T, budget uploader.Bytes, meminfo string, cameras ...capture.Size) *memory {
	t.Helper()
	t.Setenv("GOMEMLIMIT", "")
	m := newMemory(budget, camerasOf(cameras...), kernel(map[string]string{"proc/meminfo": meminfo}), zap.NewNop())
	t.Cleanup(func() { debug.SetMemoryLimit(math.MaxInt64) })
	return m
}

func TestBudgetIsAQuarterOfTheMemoryWithinBounds(t *testing.T) {
	for meminfo, want := range map[string]int64{
		"MemTotal: 65536 kB": 32 * mib, "MemTotal: 262144 kB": 64 * mib, "MemTotal: 524288 kB": 128 * mib, "MemTotal: 8388608 kB": 256 * mib, "": 32 * mib,
	} {
		if m := testMemory(t, 0, meminfo); m.budget != want {
			t.Errorf("%q: budget %d MiB, want %d", meminfo, m.budget/mib, want/mib)
		}
	}
	if m := testMemory(t, 40*uploader.MiB, "MemTotal: 8388608 kB"); m.budget != 40*mib {
		t.Errorf("budget %d, want the configured 40 MiB", m.budget)
	}
}

func TestGoGetsWhatTheCodecsLeave(t *testing.T) {
	m := testMemory(t, 64*uploader.MiB, "", capture.Size{}, capture.Size{Width: 1280, Height: 720})
	want := int64(64*mib - 2*codecBytes - codecPixel*(640*480+1280*720))
	if got := debug.SetMemoryLimit(-1); got != want {
		t.Errorf("heap limit %d, want %d", got, want)
	}
	m.granted(0, video.Format{FourCC: video.MJPEG, Width: 320, Height: 240})
	if got := debug.SetMemoryLimit(-1); got != want+codecPixel*(640*480-320*240) {
		t.Errorf("heap limit %d once the first camera is smaller than thought", got)
	}
	m.granted(1, video.Format{FourCC: video.MJPEG, Width: 3840, Height: 2160})
	if got := debug.SetMemoryLimit(-1); got != leastHeap {
		t.Errorf("heap limit %d where the codecs take all, want %d", got, leastHeap)
	}
}

func TestRingsFitIntoTheBudget(t *testing.T) {
	vga, hd := capture.Size{}, capture.Size{Width: 1280, Height: 720}
	configured := DefaultCamera().Clip.RingBytes
	tests := []struct {
		budget  uploader.Bytes
		cameras []capture.Size
		want    int // 0: as configured
	}{
		{256 * uploader.MiB, []capture.Size{vga}, 0},
		{256 * uploader.MiB, []capture.Size{hd, hd, hd, hd}, 0},
		{64 * uploader.MiB, []capture.Size{vga}, 0},
		{64 * uploader.MiB, []capture.Size{hd, hd}, (64*mib - 10*mib - 2*(mib+12*1280*720)) * 3 / 4 / 2},
		{32 * uploader.MiB, []capture.Size{hd}, (32*mib - 10*mib - mib - 12*1280*720) * 3 / 4},
		{32 * uploader.MiB, []capture.Size{{Width: 2592, Height: 1944}}, leastRing},
		{32 * uploader.MiB, nil, 16*mib + mib/2},
	}
	for _, tt := range tests {
		want := tt.want
		if want == 0 {
			want = configured
		}
		if got := testMemory(t, tt.budget, "", tt.cameras...).ring(configured); got != want {
			t.Errorf("%v for %v: ring of %d bytes, want %d", tt.budget, tt.cameras, got, want)
		}
	}
	if got := testMemory(t, 256*uploader.MiB, "", vga).ring(2 * mib); got != 2*mib {
		t.Errorf("ring of %d bytes, want the configured 2 MiB", got)
	}
}

func TestGOMEMLIMITStandsWithoutABudget(t *testing.T) {
	t.Cleanup(func() { debug.SetMemoryLimit(math.MaxInt64) })
	t.Setenv("GOMEMLIMIT", "50MiB")
	debug.SetMemoryLimit(50 * mib) // as the runtime does at start-up
	m := newMemory(0, camerasOf(capture.Size{}), kernel(nil), zap.NewNop())
	if got := debug.SetMemoryLimit(-1); got != 50*mib || m.budget != 50*mib {
		t.Errorf("heap limit %d and budget %d, want 50 MiB each", got, m.budget)
	}
	m.granted(0, video.Format{FourCC: video.MJPEG, Width: 1920, Height: 1080})
	if got := debug.SetMemoryLimit(-1); got != 50*mib {
		t.Errorf("heap limit %d once the camera is known, want 50 MiB", got)
	}
}

func TestSmallBudgetIsRefused(t *testing.T) {
	for b, ok := range map[uploader.Bytes]bool{0: true, 1: false, 23 * uploader.MiB: false, 24 * uploader.MiB: true} {
		if err := validateMemory(b); (err == nil) != ok {
			t.Errorf("validateMemory(%v) = %v", b, err)
		}
	}
}
