# Faults on purpose; what becomes of them goes to /share/rows. Before it the driver sets SETS and QUICK.
drill -sets "$SETS" -share /share -cloud "$CLOUD" -token "$TOKEN" $QUICK
code=$?
dmesg | grep -E 'uvc|usb [0-9]+-|vivid|segfault|oom' | tail -n 60 >/share/dmesg
exit $code
