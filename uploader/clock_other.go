//go:build !linux

package uploader

// kernelSynced is false where the kernel cannot be asked.
func kernelSynced() bool { return false }

// bootID names this process, since video.Now starts with it here.
func bootID() string { return processBoot() }
