//go:build cgo

package agent

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
// Returns 0 on failure (mallopt(3)).
static int give_back_large_blocks(void) { return mallopt(M_MMAP_THRESHOLD, 128 << 10); }
#else
static int give_back_large_blocks(void) { return 1; }
#endif
*/
import "C"

import "errors"

// giveBackLargeBlocks makes the C library give freed blocks of 128 KiB and more back to the kernel at once, which is what it does at first. By
// itself it raises that bound to the largest block freed so far, and from then on the planes of each encoder that is closed stay, in a heap of
// the thread that made them: an agent that made one encoder after the other grew by 8 MB each at 1280x720.
func giveBackLargeBlocks() error {
	if C.give_back_large_blocks() == 0 {
		return errors.New("mallopt refuses")
	}
	return nil
}
