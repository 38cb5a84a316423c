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
