# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# lib.sh - what the cases in cases/*.sh are written with; check-guest reads it before them.
#
# A case is a function case_NAME.  It runs with set -eu in a shell of its own, in an empty directory $dir that is
# removed afterwards, and fails when a command fails, when it calls fail, or when it leaves a vdevd that has died.
#
# shellcheck disable=SC2154 # dir, here, top are check-guest's

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

# vdevd_start DEVICE [OPTION]... - serve the device on $dir/DEVICE.sock; one vdevd at a time.
vdevd_start() {
	vdevd_socket=$dir/$1.sock
	"$VDEVD" "$@" --socket-path="$vdevd_socket" >>"$dir/vdevd.log" 2>&1 &
	vdevd_pid=$!
	tries=0
	while [ ! -S "$vdevd_socket" ]; do
		vdevd_alive
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || fail "vdevd made no socket in 5 s"
		sleep 0.05
	done
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
	cmp "$2.expected" "$2" >&2 || fail "not the bytes of the source from $stream_at on"
	rm "$2.expected"
}
