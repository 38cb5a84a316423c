//go:build !unix

package atomicfile

// SyncDir does nothing: directories cannot be synced here.
func SyncDir(string) error { return nil }
