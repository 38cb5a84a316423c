#!/bin/sh
# notrun.sh - says which tests could not run on this machine, and why. The last lines of make test.
shared=${CAMWARD_SHARED:-../shared}
[ -d "$shared" ] ||
	echo "not run: the tests on the motion clips, since $shared is absent (CAMWARD_SHARED names the folder)"
[ "$(df --output=pcent "${TMPDIR:-/tmp}" | tr -dc 0-9)" -ge 1 ] ||
	echo "not run: the test of the spool on a disk that others fill, since this one is less than 1 % full"
unshare -m true 2>/dev/null ||
	echo "not run: the tests against vsftpd, proftpd and pure-ftpd and those of a full disk, which need root and mounts; a chroot may have none"
