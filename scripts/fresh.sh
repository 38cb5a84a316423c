#!/usr/bin/env bash
# fresh.sh [run|test] - proves make run and make test on a fresh machine: a bare Debian 12 with nothing
# but Go, in a chroot that is thrown away (KEEP=1 keeps it). As root. Without an argument: both.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || { echo "fresh: debootstrap and chroot need root" >&2; exit 1; }
	scripts/deps.sh fresh
	root=$(mktemp -d "${TMPDIR:-/var/tmp}/camward-fresh-XXXXXX")
	[ -n "${KEEP:-}" ] || trap 'rm -rf --one-file-system "$root"' EXIT
	# What is mounted in a namespace of its own is gone when it ends, whatever happens.
	ROOT=$root unshare --mount --pid --mount-proc --fork --kill-child "$0" inside "$@"
	exit
fi

shift
what=${1:-run test}
echo "fresh: a bare Debian 12 in $ROOT"
debootstrap --variant=minbase bookworm "$ROOT" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$ROOT.log" 2>&1 ||
	{ tail -n 5 "$ROOT.log" >&2; exit 1; }
rm "$ROOT.log"
mount --bind "$ROOT" "$ROOT" # the tests' network namespaces want / to be a mount point
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/dev/shm"
for f in /etc/resolv.conf /etc/hosts; do
	[ ! -e $f ] || cp $f "$ROOT$f"
done
# The network may be behind an authority of its own that only this machine knows.
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/fresh-ca.crt"
cp -a "$(go env GOROOT)" "$ROOT/usr/local/go"
git clone -q --no-hardlinks . "$ROOT/root/camward"

fresh() {
	chroot "$ROOT" /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 \
		PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		GOPROXY="$(go env GOPROXY)" GOSUMDB="$(go env GOSUMDB)" \
		SSL_CERT_FILE=/etc/fresh-ca.crt http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" no_proxy="${no_proxy:-}" \
		sh -c "cd /root/camward && $1"
}

# The one thing that make itself can't install is make.
fresh "scripts/deps.sh run"

case $what in *run*)
	echo "fresh: make run"
	set -m # a process group of its own, as a terminal gives it
	fresh "exec make run PORT=${PORT:-18080}" >"$ROOT/run.log" 2>&1 &
	pid=$!
	set +m
	until grep -q 'The cloud: .*http' "$ROOT/run.log"; do
		kill -0 $pid 2>/dev/null || { cat "$ROOT/run.log"; exit 1; }
		sleep 1
	done
	cat "$ROOT/run.log"
	clips() { find "$ROOT/root/camward/var/cloud" -name '*.mp4' -o -name '*.mp4.*' | head -n 1; }
	for _ in $(seq 30); do
		[ -z "$(clips)" ] || break
		sleep 1
	done
	[ -n "$(clips)" ] || { echo "fresh: no clip reached the cloud within 30 s" >&2; exit 1; }
	echo "fresh: a clip is in the cloud: $(clips | sed "s|$ROOT||")"
	kill -INT -- -$pid # Ctrl-C
	wait $pid || true
	for log in camward cloud; do
		for _ in $(seq 30); do
			! grep -q stopped "$ROOT/root/camward/var/$log.log" || continue 2
			sleep 1
		done
		echo "fresh: $log did not stop cleanly" >&2
		exit 1
	done
	echo "fresh: Ctrl-C ended both cleanly"
	;;
esac
case $what in *test*)
	echo "fresh: make test"
	fresh "make test"
	;;
esac
echo "fresh: passed ($what)"
