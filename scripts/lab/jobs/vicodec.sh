# The tests of the memory-to-memory encoder on the kernel's own codec.
insmod /job/vicodec.ko multiplanar=1 || exit 1
m2m.test -test.v -test.run '^TestVicodec' >/share/out 2>&1
