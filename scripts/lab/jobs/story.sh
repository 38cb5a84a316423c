# A camera without upload token and with a clock that is years late is switched on: the cloud tells it the time server, somebody claims it, and what
# it has recorded since arrives. Before it the driver sets NOW (seconds since 1970). The watchdog is the kernel's softdog.
date -s '2020-01-01 00:00:00'
sntpd -at "$NOW" &
cat >/tmp/camward.yml <<-END
	cloud: {url: "$CLOUD", poll: {period: 2s}}
	cameras:
	  - {name: $NAME, source: "demo:?first=5s&every=20s", rate: 5, size: 320x240, clip: {pre_roll: 2s, post_roll: 2s, heartbeat: 0s}}
	spool: {dir: /tmp/spool}
	state_dir: /tmp/state
	board: {mac: "$MAC", watchdog: {device: /dev/watchdog, timeout: 10s}}
END
camward run -c /tmp/camward.yml >/share/agent.log 2>&1 &
AGENT=$!
: >/tmp/shown
wait_for 30 wget -q -O - $STATUS/healthz
note "agent runs"

year() { [ "$(date +%Y)" -ge 2026 ]; }
wait_for 60 year
note "the clock says $(date)"
wait_for 90 idle
note "something has arrived"
camward status -c /tmp/camward.yml
camward commands -c /tmp/camward.yml --journal
wait_for 20 grep -q '^active' /sys/class/watchdog/watchdog0/state
note "the watchdog is $(cat /sys/class/watchdog/watchdog0/state)"
camward commands -c /tmp/camward.yml --json >/share/commands.json
date +%s >/share/date

# A stop that was asked for disarms it; an agent that hangs is what it is for.
kill -TERM $AGENT
wait $AGENT
wait_for 5 grep -q '^inactive' /sys/class/watchdog/watchdog0/state
note "the watchdog is $(cat /sys/class/watchdog/watchdog0/state)"
camward run -c /tmp/camward.yml >>/share/agent.log 2>&1 &
AGENT=$!
wait_for 30 grep -q '^active' /sys/class/watchdog/watchdog0/state
kill -STOP $AGENT
note "the agent hangs; the board must restart within 10 s"
echo >/share/hangs
sync
sleep 60
note "the board did not restart"
exit 1
