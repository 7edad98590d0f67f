# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# lib.sh - what the cases of guest.sh and cases/*.sh are written with; check-guest reads it before them.
#
# A case is a function case_NAME.  It runs with set -eu in a shell of its own, in an empty directory $dir that is
# removed afterwards, and fails when a command fails, when it calls fail, or when it leaves a vdevd that has died.
#
# shellcheck disable=SC2034,SC2154 # guest_hwrng is for the cases; dir, here are check-guest's

# fail TEXT - end the case as failed.
fail() {
	echo "$*" >&2
	exit 1
}

# skip REASON - end the case as skipped, for something that not every machine can have.
skip() {
	echo "$*" >"$dir/reason"
	exit 77
}

# lacking REASON - the same for something a package brings: in CI that is a failure.
lacking() {
	[ "${CI:-}" != true ] || fail "lacking in CI: $*"
	skip "$*"
}

# need_device NAME - skip unless this vdevd has the device.
need_device() {
	case " ${VDEVD_DEVICES-$1} " in
	*" $1 "*) ;;
	*) skip "vdevd is built without $1" ;;
	esac
}

# need_uml - skip unless a User-Mode Linux guest can run.  One that was asked for by name must run.
need_uml() {
	why=$("$here/uml-run" --check) && return 0
	[ -z "${VDEVD_UML:-}" ] || fail "$why"
	skip "$why"
}

# need_qemu - skip unless a QEMU guest can run.
need_qemu() {
	why=$("$here/qemu-run" --check) && return 0
	[ "${CI:-}" = true ] && "$here/qemu-run" --fetch >&2 && return 0
	lacking "$why"
}

# need_qemu_drivers - skip unless the guest kernel has or can get the drivers Debian leaves out.
need_qemu_drivers() {
	need_qemu
	[ -d "$here/../../build/guest-kernel" ] || skip 'the guest kernel is not the one of qemu-run --fetch'
	"$here/qemu-drivers" >&2 || lacking 'the drivers that Debian leaves out could not be built'
}

# vdevd_start DEVICE [OPTION]... - serve the device on $dir/DEVICE.sock; one vdevd at a time.  vdevd_more is one option
# more, for a case that runs another one with it; vdevd_way the option that names the socket, where it is not socket-path.
vdevd_start() {
	vdevd_socket=$dir/$1.sock
	"$VDEVD" "$@" ${vdevd_more:+"$vdevd_more"} --"${vdevd_way:-socket-path}"="$vdevd_socket" >>"$dir/vdevd.log" 2>&1 &
	vdevd_pid=$!
	tries=0
	while [ ! -S "$vdevd_socket" ]; do
		vdevd_alive
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail "vdevd made no socket in 5 s"
		sleep 0.01
	done
}

# guest_packed ID - for a guest's script: fails unless its driver of the virtio device has a packed ring (feature bit 34).
guest_packed() {
	# shellcheck disable=SC2016 # for the guest's shell
	printf 'for d in /sys/bus/virtio/devices/*; do [ $(($(cat $d/device))) != %s ] || grep -q "^.\\{34\\}1" $d/features; done || exit 1; ' "$1"
}

# vdevd_alive - fail unless the vdevd that was started is still there.
vdevd_alive() {
	kill -0 "$vdevd_pid" 2>/dev/null && return 0
	status=0
	wait "$vdevd_pid" || status=$?
	vdevd_pid=
	fail "vdevd has ended with status $status"
}

# vdevd_stop - end it as a service manager does, and see that it leaves well.
vdevd_stop() {
	vdevd_alive
	kill "$vdevd_pid"
	status=0
	wait "$vdevd_pid" || status=$?
	vdevd_pid=
	[ "$status" -eq 0 ] || fail "vdevd ended with status $status on SIGTERM"
	[ ! -e "$vdevd_socket" ] || fail "vdevd has left its socket behind"
}

# stream_make FILE KIB - a file in which every 8 bytes are a line with their own number: 0000000, 0000001, ...
# Part of it, wherever cut, tells where it is from, and what is lost, repeated or out of order shows.
stream_make() {
	awk -v n="$(($2 * 128))" 'BEGIN { for (i = 0; i < n; i++) printf "%07d\n", i }' >"$1"
}

# stream_find STREAM PART SIZE - fail unless PART is SIZE bytes, and those of STREAM from some place on without a
# gap; set stream_at to that place.
stream_find() {
	got=$(wc -c <"$2")
	[ "$got" -eq "$3" ] || fail "$got bytes where $3 were asked for"
	# The first line may be the tail of one; the second is whole.
	first=$(head -c 16 "$2" | sed -n 1p | wc -c)
	number=$(head -c 24 "$2" | sed -n '2s/^0*\([0-9]\)/\1/p')
	case $number in
	'' | *[!0-9]*) fail "not of the source: $(head -c 16 "$2" | od -An -c)" ;;
	esac
	stream_at=$((number * 8 - first))
	tail -c +$((stream_at + 1)) "$1" | head -c "$3" >"$2.expected"
	at=$(cmp "$2.expected" "$2" | sed 's/.* byte \([0-9]*\),.*/\1/')
	if [ "$at" ]; then
		echo "the source has, and the guest got, 64 bytes before and after byte $((at - 1)):"
		for file in "$2.expected" "$2"; do tail -c +$((at > 64 ? at - 64 : 1)) "$file" | head -c 128 | tr '\n' ' '; echo; done
		fail "not the bytes of the source from $stream_at on"
	fi
	rm "$2.expected"
}

# guest_hwrng - for the guest's shell: hwrng_read SIZE writes that many bytes of the virtio device to stdout;
# hwrng_rebind takes the driver from the device and gives it back, which resets the device.
#
# A thread of the kernel reads from the device as well, every few seconds, and what it reads is missing then in what
# a program reads.  It is stopped when no device is chosen, or there is none, and started with the next; where that
# fails, the kernel goes on without it.  So the device is chosen while no task can be made.
# shellcheck disable=SC2016 # the guest's shell expands it
guest_hwrng='
set -e
hwrng_rebind() {
	for device in /sys/bus/virtio/drivers/virtio_rng/virtio*; do
		echo "${device##*/}" >/sys/bus/virtio/drivers/virtio_rng/unbind
		echo "${device##*/}" >/sys/bus/virtio/drivers/virtio_rng/bind
	done
}
hwrng_read() (
	cd /sys/class/misc/hw_random
	name=$(tr " " "\n" <rng_available | grep virtio_rng) || { echo "the guest has no virtio_rng" >&2; exit 1; }
	tasks=$(cat /proc/sys/kernel/threads-max)
	if grep -q none rng_available; then
		echo none >rng_current
		echo 20 >/proc/sys/kernel/threads-max
		echo "$name" >rng_current
	else
		echo 20 >/proc/sys/kernel/threads-max
		hwrng_rebind
	fi
	echo "$tasks" >/proc/sys/kernel/threads-max
	if grep -qx hwrng /proc/[0-9]*/comm; then
		echo "the kernel still has its own hwrng thread" >&2
		exit 1
	fi
	head -c "$1" /dev/hwrng
)
'
