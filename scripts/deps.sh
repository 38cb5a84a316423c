#!/bin/sh
# deps.sh GROUP - install the Debian packages that a group of make targets needs and that are missing.
#
#   run    build camward and camward-cloud and run them here
#   test   run, and everything that make test, check, lab and cross call
#   fresh  what make fresh needs beside that
#
# Asks nothing, and says what it installs and why; with everything there it says nothing.
# Tested on Debian 12. Ubuntu and Raspberry Pi OS take the same path, untested.
# DEPS=skip leaves packages alone (another system, or an installation by hand).
set -eu

# group, package, why
wanted() {
	cat <<-'END'
	run   ca-certificates         Go fetches modules over HTTPS
	run   make                    the targets are in the Makefile
	run   gcc                     cgo: the OpenH264 and libjpeg-turbo bindings
	run   g++                     libopenh264.a is C++ and needs libstdc++.a
	run   libc6-dev               C headers and libc.a for the static link
	run   libopenh264-dev         H.264 encoder and decoder (static library)
	run   libturbojpeg0-dev       fast JPEG decoder (static library)
	test  git                     stamps the version into the binaries
	test  ffmpeg                  tests check clips with ffprobe and make recordings with ffmpeg
	test  libjpeg-turbo-progs     tests make and compare JPEGs with cjpeg and djpeg
	test  curl                    tests upload to the cloud with it, over HTTP and FTP
	test  wget                    tests poll the cloud with it, as firmware does
	test  python3                 tests upload over FTP with its ftplib
	test  perl                    tests upload over FTP with its Net::FTP
	test  chromium                tests play a clip in a browser
	test  fonts-dejavu-core       text on the screenshots of the pages
	test  python3-aiortc          an independent viewer watches by WHEP
	test  mosquitto               tests announce the camera to a real MQTT broker
	test  mosquitto-clients       tests read there what Home Assistant would
	test  avahi-daemon            another responder of multicast DNS on the same machine
	test  avahi-utils             tests look for the camera by its name
	test  dbus                    avahi-daemon wants it
	test  python3-zeroconf        a second program that looks for the camera
	test  openssl                 tests make and read certificates
	test  iproute2                network namespaces of the NAT tests
	test  nftables                NAT and packet loss of the NAT tests
	test  gcc-aarch64-linux-gnu   cross build for arm64
	test  g++-aarch64-linux-gnu   cross build for arm64 (libstdc++.a)
	test  gcc-arm-linux-gnueabihf cross build for armv7
	test  g++-arm-linux-gnueabihf cross build for armv7 (libstdc++.a)
	test  qemu-system-arm         the virtual-camera lab boots arm64 and armhf guests
	test  xz-utils                unpacks the kernel's source, of which the lab builds a driver
	test  libc6-dev-arm64-cross   the headers that this needs
	test  qemu-user-static        runs the cross-built binaries once
	fresh debootstrap             builds the bare Debian that stands for a fresh machine
	END
}

say() { echo "deps: $*" >&2; }
die() { say "$*"; exit 1; }

group=${1:-run}
case $group in
run) groups=' run ' ;;
test) groups=' run test ' ;;
fresh) groups=' run test fresh ' ;;
*) die "unknown group $group: run, test or fresh" ;;
esac

# Go 1.26 or newer. Debian 12's own is too old, so it isn't installed from there.
go=$(command -v go || echo /usr/local/go/bin/go)
have=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null || echo none)
case $have in
go1.2[6-9]* | go1.[3-9][0-9]* | go1.[1-9][0-9][0-9]* | go[2-9]* | devel*) ;;
*) die "Go 1.26 or newer is needed (found: $have); get it from https://go.dev/dl/ and put its bin folder on PATH or the tree in /usr/local/go" ;;
esac

[ "${DEPS:-}" != skip ] || exit 0

list=$(wanted | while read -r g p why; do
	case $groups in *" $g "*) echo "$p" ;; esac
done)
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	say "no apt-get here. Install what these Debian packages hold, then repeat with DEPS=skip:"
	die $list
fi

# shellcheck disable=SC2086  # a list of words
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $list 2>/dev/null | sed -n 's/^installed //p' | tr '\n' ' ' || true)
missing=
for p in $list; do
	case " $installed " in *" $p "*) continue ;; esac
	missing="$missing $p"
	say "installing $p: $(wanted | sed -n "s/^[a-z]* *$p  *//p")"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
sudo=
if [ "$(id -u)" != 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		say "not root, and sudo asks for a password here. Run this, then repeat:"
		die "  sudo apt-get update && sudo $install"
	fi
	sudo="sudo -n"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# One index that can't be fetched (a third-party source, a mirror that is syncing) doesn't stop us:
# the installation tells whether the packages are to be had.
$sudo apt-get update -qq >"$log" 2>&1 || say "apt-get update had a problem, going on: $(tail -n 1 "$log")"
if ! $sudo env DEBIAN_FRONTEND=noninteractive $install >"$log" 2>&1 </dev/null; then
	tail -n 20 "$log" >&2
	die "the installation failed; the command was: $sudo $install"
fi
