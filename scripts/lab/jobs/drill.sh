# Faults on purpose; what becomes of them goes to /share/rows. Before it the driver sets SETS and QUICK.
drill -sets "$SETS" -share /share -cloud "$CLOUD" -token "$TOKEN" $QUICK
code=$?
dmesg | tail -n 200 >/share/dmesg
exit $code
