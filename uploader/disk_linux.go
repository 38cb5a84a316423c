package uploader

import "golang.org/x/sys/unix"

// diskUse returns the bytes in use and the bytes in all on dir's disk, both without the part that
// only root may fill, as df reckons them. ok is false if the file system does not tell.
func diskUse(dir string) (used, total int64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return 0, 0, false
	}
	block := int64(st.Bsize)
	used = int64(st.Blocks-st.Bfree) * block
	return used, used + int64(st.Bavail)*block, true
}

// inMemory reports whether dir's file system has no disk behind it: tmpfs or ramfs (statfs(2)).
func inMemory(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && (uint32(st.Type) == unix.TMPFS_MAGIC || uint32(st.Type) == unix.RAMFS_MAGIC)
}

// memory is the size of the machine's memory in bytes, or 0 if it does not tell.
func memory() int64 {
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) != nil {
		return 0
	}
	return int64(si.Totalram) * int64(si.Unit)
}
