//go:build !cgo

package agent

// giveBackLargeBlocks does nothing: Go's heap is all there is.
func giveBackLargeBlocks() error { return nil }
