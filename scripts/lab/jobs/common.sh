# What the jobs share. Before it the driver sets CLOUD and TOKEN (the cloud on the host) and NAME.
STATUS=http://127.0.0.1:8090

# log what happens on the console, with the guest's uptime
note() {
	read -r up rest </proc/uptime
	echo "job: $up $*"
}

# uptime_s - whole seconds since boot; the date may be set in between
uptime_s() { cut -d. -f1 /proc/uptime; }

# wait_for SECONDS COMMAND... - until the command succeeds; the job fails if it never does
wait_for() {
	deadline=$(($(uptime_s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(uptime_s)" -lt $deadline ] || { note "gave up waiting: $*"; finish 1; }
		sleep 0.2
	done
}

# shown N - whether the camera has shown N pictures
shown() { [ "$(wc -l </tmp/shown)" -ge "$1" ]; }

# metric NAME - the value of one of the agent's metrics
metric() { wget -q -O - $STATUS/metrics | sed -n "s/^camward_$1\({[^}]*}\)\? //p"; }

# idle - everything recorded has been sent
idle() { [ "$(metric spool_items)" = 0 ] && [ "$(metric recording)" = 0 ] && [ "$(metric uploads_total)" -gt 0 ]; }

# agent DEVICE RATE FORMAT - starts it, with EXTRA as a further line of its configuration; the heartbeat is off, so that every upload belongs to an event
agent() {
	cat >/tmp/camward.yml <<-END
		cloud: {url: "$CLOUD", upload_token: "$TOKEN"}
		cameras:
		  - {name: $NAME, source: $1, rate: $2, format: $3, size: 640x480, clip: {pre_roll: 5s, post_roll: 3s, heartbeat: 0s}}
		spool: {dir: /tmp/spool}
		state_dir: /tmp/state
		$EXTRA
	END
	camward run -c /tmp/camward.yml >/share/agent.log 2>&1 &
	AGENT=$!
	wait_for 30 wget -q -O - $STATUS/healthz
	note "agent runs"
}

# finish CODE - ends the agent, hands over what is to be compared, and ends the job
finish() {
	code=$1
	wget -q -O /share/metrics $STATUS/metrics
	wget -q -O /share/status.json $STATUS/api/status
	if [ -n "$AGENT" ]; then
		kill -TERM $AGENT
		wait $AGENT || { note "the agent ended with $?"; code=1; }
	fi
	cp /tmp/shown /share/
	note "done, $code"
	exit $code
}
