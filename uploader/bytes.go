package uploader

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of data that reads and prints like "512MiB".
type Bytes int64

// The binary units.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// units lists what may follow the number, longest first so that "MB" is not read as "B".
var units = []struct {
	suffix string
	size   Bytes
}{
	{"kib", KiB}, {"mib", MiB}, {"gib", GiB}, {"tib", TiB},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"b", 1}, {"", 1},
}

// ParseBytes reads a number with B, kB, MB, GB, TB, KiB, MiB, GiB, TiB or no unit (bytes) after it.
// Fractions, a space before the unit and any case are accepted.
func ParseBytes(s string) (Bytes, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		digits = strings.TrimSpace(digits)
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/int64(u.size) {
			return Bytes(n) * u.size, nil
		}
		x, err := strconv.ParseFloat(digits, 64)
		if total := x * float64(u.size); err == nil && total >= 0 && total < math.MaxInt64 {
			return Bytes(total), nil
		}
		break
	}
	return 0, fmt.Errorf("size %q is not like 512MiB", s)
}

// UnmarshalText reads what ParseBytes accepts.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBytes(string(text))
	return err
}

// MarshalText writes what String gives.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String uses the largest binary unit that divides b, so nothing is rounded.
func (b Bytes) String() string {
	for _, u := range []struct {
		size Bytes
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if b != 0 && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}
