#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# demo.sh - show in half a minute what vdevd does in a real Linux guest; then a front-end tests a back end.
#
# usage: demo.sh
#
# Needs no hardware and no root.  What the guest does depends on the drivers its kernel has.  The kernels are tried in this
# order:
#
#	VDEVD_UML, or what test/guest/uml-build made     a thermometer, a lamp, entropy
#	Debian's package user-mode-linux, if it starts   a talk with a program on the host, over vsock
#	QEMU with a kernel of the distribution           vsock and entropy; with test/guest/qemu-drivers all of it
#
# The last is fetched (27 to 35 MB) and unpacked below build/, not installed.  Environment: VDEVD, and VDEVD_UML and the others of
# test/guest.
#
# shellcheck disable=SC2154 # stream_at, guest_hwrng are of lib.sh
set -eu

here=$(cd "$(dirname "$0")/guest" && pwd)
top=$(cd "$here/../.." && pwd)
VDEVD=$(realpath "${VDEVD:-$top/vdevd}")

vdevd_pid='' others='' guest_pid='' dir=''
# shellcheck disable=SC2317 # reached by the traps
tidy() {
	for pid in $guest_pid $vdevd_pid $others; do kill "$pid" 2>/dev/null || :; done
	[ -z "$dir" ] || rm -rf "$dir"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
dir=$(mktemp -d "${TMPDIR:-/tmp}/vdevd-demo.XXXXXX")
# shellcheck source=/dev/null
. "$here/lib.sh"
cd "$dir"

if [ -t 1 ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold='' plain=''
fi
step=0
title() {
	step=$((step + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$step" "$*" "$plain"
}
shown() { printf '    $ %s\n' "$*"; }
said() { sed 's/^/    /'; }
now() { date +%s%N; }
# lasted BEGIN - the time since then, in a unit that suits it.
lasted() {
	awk -v ns="$(($(now) - $1))" 'BEGIN { if (ns < 1e9) printf "%.0f ms", ns / 1e6; else printf "%.1f s", ns / 1e9 }'
}

# serve OPTION... - vdevd on a socket here, the command shown as one would type it.
serve() {
	shown "vdevd $* --socket-path=$1.sock &"
	begin=$(now)
	vdevd_start "$@"
	printf '    listens after %s, holds %s of memory\n' "$(lasted "$begin")" \
		"$(awk '/^RssAnon/ { printf "%d kB", $2 }' "/proc/$vdevd_pid/status")"
}

# told FILE TEXT - wait until the line is in the file.
told() {
	tries=0
	until grep -qs "$2" "$1"; do
		tries=$((tries + 1))
		[ "$tries" -lt 20000 ] || fail "no '$2' came in minutes: $(cat "$1")"
		sleep 0.01
	done
}

# Prepares the guest: sets guest to uml, debian (User-Mode Linux of the package) or qemu, or to nothing; what: in words.
uml='' guest=''
choose_guest() {
	if what=$("$here/uml-run" --check); then
		uml=1 guest=uml
		return
	fi
	[ -z "${VDEVD_UML:-}" ] || fail "$what"
	if command -v linux.uml >/dev/null && VDEVD_UML=linux.uml "$here/uml-run" --timeout 20 true >/dev/null 2>&1; then
		what=$(VDEVD_UML=linux.uml "$here/uml-run" --check)
		guest=debian
		return
	fi
	if ! what=$("$here/qemu-run" --check) && ! what=$("$here/qemu-run" --fetch-small); then
		return
	fi
	guest=qemu
}
choose_guest

# The guest reads the thermometer, lights the lamp, and waits until it is warmer.
# shellcheck disable=SC2016 # the guest's shell expands it
in_guest='
name=$(grep -l i2c_virtio /sys/bus/i2c/devices/i2c-*/name) bus=${name%/name} bus=${bus##*/i2c-}
degrees() { set -- $(i2ctransfer -y "$bus" w1@0x48 0 r2); echo "$(($1)).$((($2 >> 4) * 10 / 16)) degrees"; }
echo "the thermometer says: $(degrees)"
echo "the lamp goes on"
gpioset --mode=time --usec=200000 gpiochip0 0=1
echo "the lamp goes off"
while t=$(degrees) && [ "$t" = "21.5 degrees" ]; do sleep 0.05; done
echo "the thermometer says: $t"
'

has() { "$VDEVD" list | awk -v name="$1" '$1 == name { found = 1 } END { exit !found }'; }

# Whether the guest has drivers for i2c and gpio, and there are the tools that it runs.
buses=''
if has i2c && has gpio && command -v gpioset >/dev/null && command -v i2ctransfer >/dev/null; then
	case $guest in
	uml) buses='uml-run' ;;
	qemu)
		! ls "$top"/build/guest-kernel/lib/modules/*/extra >/dev/null 2>&1 ||
			buses='qemu-run --mod i2c-virtio --mod i2c-dev --mod gpio-virtio --bin gpioset --bin i2ctransfer'
		;;
	esac
fi

if [ "$buses" ] || { [ ! "$guest" ] && has i2c && has gpio; }; then
	title 'Two devices: a thermometer on an I2C bus, a lamp on a GPIO line. Both are simulated.'
	serve i2c --sim=lm75@0x48:21.5 --control="$dir/i2c.ctl"
	others=$vdevd_pid
	serve gpio --backend=sim --sim-names=LAMP,BUTTON --control="$dir/gpio.ctl"
	others="$others $vdevd_pid" vdevd_pid=''
	: >told
	{ echo watch; while [ -e "$dir/gpio.ctl" ]; do sleep 0.1; done; } | socat -t1 - "UNIX-CONNECT:$dir/gpio.ctl" >told &
	told told ok

	if [ "$buses" ]; then
		title 'A guest: a real Linux kernel, its own drivers, the tools people use.'
		echo "    $what"
		case $(gpioset --version) in
		*'v1.'*) ;;
		*) in_guest=$(echo "$in_guest" | sed 's/gpioset .*/gpioset -t 200ms,0 -c gpiochip0 0=1/') ;;
		esac
		# shellcheck disable=SC2086 # several words
		"$here/"$buses --timeout 240 --vu "i2c=$dir/i2c.sock" --vu "gpio=$dir/gpio.sock" "$in_guest" >said 2>&1 &
		guest_pid=$!
		told said 'goes off'
		sed 's/^/    guest:    /' said
		grep LAMP told | sed 's/^! /    outside:  line /'
		shown "echo 'set 0x48 36.5' | socat - UNIX-CONNECT:i2c.ctl      # somebody warms the sensor"
		echo 'set 0x48 36.5' | socat -t1 - "UNIX-CONNECT:$dir/i2c.ctl" >/dev/null
		wait "$guest_pid" || fail "the guest failed (status $?): $(cat said)"
		guest_pid=''
		tail -n 1 said | sed 's/^/    guest:    /'
		grep -q 'LAMP output 1' told || fail 'the lamp never went on'
		grep -q 'says: 36.5' said || fail 'the guest did not see it get warmer'
	else
		title 'No guest here: vdevd probe takes its place.'
		echo "    $what"
		echo '    For a guest install what .ci/packages lists for the demo.'
		echo '    Two bytes of the thermometer, 0x15 0x80 are 21.5 degrees; then the lamp an output, and on:'
		for call in 'i2c --send=9000000002000000/3' \
			'gpio --send=0500000000000000/2 --send=0300000001000000/2 --send=0500000001000000/2'; do
			shown "vdevd probe --socket-path=${call%% *}.sock --id=$call"
			# shellcheck disable=SC2086 # several words
			"$VDEVD" probe --socket-path="$dir/${call%% *}.sock" --id=$call | said
		done
		told told 'LAMP output 1'
		grep LAMP told | sed 's/^! /    outside:  line /'
	fi
	for pid in $others; do kill "$pid"; done
	for pid in $others; do wait "$pid" || fail "vdevd ended with status $?"; done
	others=''
fi

talker=''
case $guest in
debian)
	talker='env VDEVD_UML=linux.uml uml-run --mod vsock --mod vmw_vsock_virtio_transport_common --mod vmw_vsock_virtio_transport'
	;;
qemu) talker='qemu-run --mod vmw_vsock_virtio_transport --bin socat' ;;
esac
if [ "$talker" ] && has vsock; then
	title 'A guest talks with a program on the host: a socket of AF_VSOCK there is a Unix socket here.'
	echo "    $what"
	serve vsock --guest-cid=3 --uds-path="$dir/talk"
	shown 'socat UNIX-LISTEN:talk_1234 -      # on the host: port 1234'
	socat -t5 "UNIX-LISTEN:$dir/talk_1234" "SYSTEM:echo 'hello, guest'; head -n 1 >heard" &
	others=$!
	tries=0
	until [ -S "$dir/talk_1234" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail 'socat made no socket in 5 s'
		sleep 0.01
	done
	shown "echo hello, host | socat - VSOCK-CONNECT:2:1234      # in the guest"
	# shellcheck disable=SC2016,SC2086 # the guest's shell expands it; several words
	PATH=$here:$PATH $talker --timeout 240 --vu "vsock=$dir/vsock.sock" \
		'echo "hello, host, this is Linux $(uname -r)" | socat -t5 - VSOCK-CONNECT:2:1234' >said 2>&1 ||
		fail "the guest failed (status $?): $(cat said)"
	wait "$others" || :
	others=''
	sed 's/^/    guest:    /' said
	sed 's/^/    outside:  /' heard
	grep -q 'hello, guest' said || fail 'the guest heard nothing'
	grep -q 'hello, host, this is Linux' heard || fail 'the host heard nothing'
	vdevd_stop
fi

bytes=1048576
stream_make source 4096
title 'Entropy, from a file of numbered lines, so that every byte tells where it is from.'
serve rng --source=source
if [ "$guest" = uml ] || [ "$guest" = qemu ]; then
	[ "$uml" ] || echo "    $what"
	shown "head -c $bytes /dev/hwrng      # in a guest"
	set -- --timeout 240 --vu "rng=$dir/rng.sock"
	[ "$uml" ] || set -- "$@" --mod virtio_rng
	begin=$(now)
	"$here/$guest-run" "$@" "$guest_hwrng hwrng_read $bytes" >got || fail "the guest failed (status $?)"
	took=$(lasted "$begin")
	vdevd_alive
	stream_find source got "$bytes"
	printf '    booted, read %s bytes and was gone in %s; they are those of the source, one by one,\n' "$bytes" "$took"
	printf '    from number %s on: the guest has what vdevd read, and nothing twice.\n' "$((stream_at / 8))"
fi

title 'A front-end that tests: vdevd probe connects as a virtual machine would.'
shown 'vdevd probe --socket-path=rng.sock --id=rng'
# shellcheck disable=SC2094 # the socket's name is no file that is written
"$VDEVD" probe --socket-path="$dir/rng.sock" --id=rng >probe 2>&1 || {
	grep -Ev '^(ok|n\.a\.) ' probe | said
	fail 'the probe failed'
}
# What it is, some of what was tried, and the count.
sed -n '/^$/q;2,$p' probe | said
grep -E '^ok +(ack-unknown|request-indirect|reconnect|bad-loop) ' probe | sed 's/ *|/ |/g' | said
echo '    ...'
tail -n 1 probe | said

title 'The end: SIGTERM.'
begin=$(now)
vdevd_stop
printf '    vdevd ended after %s and took its socket along.\n' "$(lasted "$begin")"
echo
echo "vdevd NAME --help tells the options, README.md the command lines of QEMU and others."
