#!/bin/busybox sh
# The guest's first process: mounts, modules, network, then the job; its exit code goes to /share/exit.
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs devtmpfs /dev
$B mount -t tmpfs tmpfs /tmp
$B --install -s /bin
export PATH=/job:/bin HOME=/tmp

# vivid gets its parameters from the job: capture and output nodes, one of each.
while read -r m; do
	case $m in
	vivid) insmod /modules/$m.ko n_devs=1 node_types=0x101 ;;
	*) insmod /modules/$m.ko ;;
	esac || echo "lab: module $m did not load"
done </modules/order

mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /share || echo "lab: no share"
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2

read -r up rest </proc/uptime
echo "lab: job starts $up s after boot"
cd /tmp
sh /job/run
echo $? >/share/exit
sync
poweroff -f
