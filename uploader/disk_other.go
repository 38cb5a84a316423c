//go:build !linux

package uploader

// diskUse does not know here; only MaxBytes holds.
func diskUse(string) (used, total int64, ok bool) { return 0, 0, false }

func inMemory(string) bool { return false }

func memory() int64 { return 0 }
