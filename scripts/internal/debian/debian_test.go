package debian

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDependsFieldGivesPackageNames(t *testing.T) {
	tests := []struct {
		field string
		want  []string
	}{
		{"linux-image-6.1.0-42-arm64 (= 6.1.159-1)\n", []string{"linux-image-6.1.0-42-arm64"}},
		{"kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool", []string{"kmod", "linux-base", "initramfs-tools"}},
		{"python3:any, libc6 [arm64]", []string{"python3", "libc6"}},
		{"", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, parseDepends(tt.field)); diff != "" {
			t.Errorf("parseDepends(%q): -want +got\n%s", tt.field, diff)
		}
	}
}
