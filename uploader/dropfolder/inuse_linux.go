package dropfolder

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// usageOf asks the kernel whether a process has the file open for writing: it grants a read lease only if
// none has (fcntl(2), F_SETLEASE), and only on files of this user or with CAP_LEASE. The lease is given
// back at once; who opens the file for writing meanwhile waits for that.
func usageOf(f *os.File) usage {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case err == nil:
		unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK) // closing the file would do it too
		return closed
	case errors.Is(err, unix.EAGAIN):
		return writing
	}
	return unknown
}

// remote reports whether the file system under dir has other writers than this kernel's processes, so
// that neither its notifications nor its leases tell all.
func remote(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	switch uint32(st.Type) { // int32 on 32-bit systems
	case unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC,
		unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CODA_SUPER_MAGIC:
		return true
	}
	return false
}
