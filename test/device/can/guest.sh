# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio_can driver under vdevd can, with can-utils in the guest.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

need_can() {
	need_device can
	need_uml
	command -v candump >/dev/null || lacking 'no candump (apt-get install can-utils)'
}

# For the guest's shell: bound ID... waits until a program in the background receives each of these ids on can0 (all: every one).  What
# was sent before that would never come, on a busy machine that is seconds later.  say FRAME sends a frame, also behind so many that the
# interface has no room now.
# shellcheck disable=SC2016 # for the guest's shell
can_bound='
bound() {
	for id; do
		[ $id != all ] || id=000
		until grep -q "^ *can0  *$id " /proc/net/can/rcvlist_all /proc/net/can/rcvlist_fil; do sleep .02; done
	done
}
say() {
	until cansend can0 "$1" 2>/dev/null; do sleep .02; done
}
'

# can_in COMMAND - run COMMAND in a guest that has the device; stdout to $dir/got.
can_in() {
	"$here/uml-run" --vu can="$vdevd_socket" "set -e; $can_bound $1" >got || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# Classic and FD frames, of either kind of id, and remote ones, to a node that answers each.
case_can_uml() {
	need_can
	vdevd_start can --sim-echo
	# shellcheck disable=SC2016 # for the guest's shell
	can_in '
		ip link set can0 up
		candump -L -x -n 8 -T 20000 can0 >/tmp/log &
		bound all
		cansend can0 123#0102
		cansend can0 12345678#
		cansend can0 042#R3
		cansend can0 001##0000102030405060708090A0B
		wait
		cut -d" " -f3- /tmp/log | sort
	'
	printf '%s\n' '001##4000102030405060708090A0B T' '002##40102030405060708090A0B0C R' '042#R3 T' '043#R3 R' \
		'123#0102 T' '124#0203 R' '12345678# T' '12345679# R' | sort >want
	cut -d' ' -f1,2 got | sort | diff want - || fail 'other frames'
	vdevd_stop
}

# Each of many frames is answered once, and in order.
case_can_uml_many() {
	need_can
	vdevd_start can --sim-echo
	can_in '
		ip link set can0 up
		candump -r 8388608 -L -n 5000 -T 20000 can0,700:7FF >/tmp/log &
		bound 700
		cangen can0 -g 0 -n 5000 -L 8 -I 6ff -D i -p 10
		wait
		cut -d" " -f3- /tmp/log
	'
	[ "$(wc -l <got)" -eq 5000 ] || fail "$(wc -l <got) answers to 5000 frames"
	[ "$(sort -u got | wc -l)" -eq 5000 ] || fail 'an answer is there twice'
	vdevd_stop
}

# The other way round: vdevd in a guest that has a virtual CAN interface.
case_can_vcan_uml() {
	need_can
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	"$here/uml-run" --timeout 120 --share "$build" --share "${VDEVD%/*}" "
		ip link add vcan0 type vcan && ip link set vcan0 mtu 72 up &&
		VDEVD='$VDEVD' CK_FORK=yes '$(realpath "$build")/test/run-tests' hw_can
	" >got 2>&1 || fail "$(cat got)"
	grep -q '^100%: Checks: [1-9]' got || fail "$(cat got)"
}

# until_said TEXT FILE - wait until the file has a line of this text.
until_said() {
	tries=0
	until grep -qx "$1" "$2"; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "no '$1' in $2: $(cat "$2")"
		sleep 0.1
	done
}

# Bus-off is seen by the guest, and ends when it starts the controller again.
case_can_uml_busoff() {
	need_can
	vdevd_start can --sim-echo --control="$dir/control"
	: >got
	can_in '
		ip link set can0 up
		echo up
		until ip -details link show can0 | grep -q "state BUS-OFF"; do sleep .1; done
		! timeout 5 candump -n 1 -T 1000 can0 | grep . || exit 1
		echo off
		ip link set can0 down
		ip link set can0 up
		ip -details link show can0 | grep -o "state ERROR-ACTIVE"
		candump -n 2 -T 20000 can0,043:7FF >/tmp/log &
		bound 043
		cansend can0 042#01
		cansend can0 042#02
		wait
		wc -l </tmp/log
	' &
	guest=$!
	until_said up got
	"$VDEVD" ctl "$dir/control" bus-off
	wait "$guest" || fail "$(cat got)"
	printf '%s\n' up off 'state ERROR-ACTIVE' 2 | diff got - || fail 'another course'
	vdevd_stop
}

# can_other [OPTION]... - a second vdevd on the simulated bus of the first, at other.sock.
can_other() {
	"$VDEVD" can --sim-bus="$dir/bus" --rate=1000/s:4 "$@" --control="$dir/other.ctl" --socket-path="$dir/other.sock" >>vdevd.log 2>&1 &
	other=$!
	tries=0
	until [ -S other.sock ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail 'no other vdevd'
		sleep 0.02
	done
}

# can_guest FILE SOCKET COMMAND - one of two guests: what it says to FILE, and how it ended to FILE.ok or FILE.failed.
can_guest() {
	"$here/uml-run" --vu can="$2" --timeout 280 "set -e; $can_bound ip link set can0 up; $3" >"$1" &
	run=$!
	trap 'kill $run' TERM
	if wait $run; then : >"$1.ok"; else : >"$1.failed"; fi
}

# can_pair BEFORE AFTER BEFORE AFTER - two guests at once, the first and the other: BEFORE when the controller is up, AFTER when those
# of both are; what they say to got and got.other.
can_pair() {
	# meet OWN OTHER: each says that it is there until it has heard the other, and then that it says no more; ids are 7OWN1, 7OWN2.
	# A guest's own frames come back to all its programs.  Nothing is said before the programs that hear are there: the other
	# one answers once.
	meet() {
		echo "
			candump can0,7${2}1:7FF >/tmp/here & here=\$!
			candump -n 1 can0,7${2}2:7FF >/dev/null & last=\$!
			bound 7${2}1 7${2}2
			until [ -s /tmp/here ]; do say 7${1}1#; sleep .1; done
			say 7${1}1#
			say 7${1}2#
			wait \$last
			kill \$here
		"
	}
	can_guest got "$vdevd_socket" "$1$(meet d e)$2" &
	first=$!
	can_guest got.other "$dir/other.sock" "$3$(meet e d)$4" &
	second=$!
	# Where one has failed the other would wait for it.
	until [ -e got.failed ] || [ -e got.other.failed ] || { [ -e got.ok ] && [ -e got.other.ok ]; }; do sleep .1; done
	for log in got got.other; do
		[ -e $log.ok ] || { kill $first $second "$other" || :; fail "a guest failed: $log: $(tail -n 3 $log)"; }
	done
	wait $first $second
	"$VDEVD" ctl "$dir/own.ctl" bus >counters
	"$VDEVD" ctl "$dir/other.ctl" bus >counters.other
	kill "$other"
	wait "$other" || fail "the other vdevd ended with status $?"
	vdevd_stop
}

# What each of two guests sends comes to the other once, and in order, both ways at the same time.  A guest that is too slow loses
# frames as on every bus, so the device has room for all; what candump is too slow for is lost there, so what the devices have counted is
# compared.
case_can_uml_two() {
	need_can
	frames=${VDEVD_CAN_FRAMES:-2000}
	vdevd_start can --sim-bus="$dir/bus" --rate=1000/s:4 --rx-queue=65536 --control="$dir/own.ctl"
	can_other --rx-queue=65536
	# hears ID OTHER OWN, sends ID OWN: the frames of one id, and what has come of the other's until it says that there are no more, and
	# what was sent is known to be on the bus.
	hears() {
		echo "candump -r 8388608 -L can0,$1:7FF >/tmp/log & log=\$!
			candump -n 1 can0,7${2}3:7FF >/dev/null & end=\$!
			candump -n 1 can0,7${3}3:7FF >/dev/null & sent=\$!
			bound $1 7${2}3 7${3}3"
	}
	sends() {
		echo "cangen can0 -g 0 -n $frames -L 8 -I $1 -D i -p 1000; say 7${2}3#; wait \$end \$sent
			size=; until [ \"\$size\" = \$(wc -c </tmp/log) ]; do size=\$(wc -c </tmp/log); sleep .5; done
			kill \$log; wait \$log || :
			cut -d' ' -f3- /tmp/log"
	}
	# As many with cansequence, which ends where one is not the next; what is received has room while it does not run.
	sequence='echo 8388608 >/proc/sys/net/core/rmem_default; cansequence can0 -r -v --quit=1 >/tmp/seq & seq=$!; bound 002;'
	can_pair "$sequence $(hears 200 e d)" "$(sends 100 d); kill \$seq; wait \$seq || :; sed 's/^/seq /' /tmp/seq" \
		"$(hears 100 d e)" "cansequence can0 -p --loop=$frames >/dev/null; $(sends 200 e)"
	wraps=$(grep -c '^seq .*wrap' got) || :
	[ "$wraps" -eq $((frames / 256)) ] || fail "cansequence: $(grep '^seq' got)"
	sed -i '/^seq /d' got
	for log in got got.other; do
		awk '{ sub(/.*#/, ""); s = ""; for (i = 15; i > 0; i -= 2) s = s substr($1, i, 2); print s }' "$log" >numbers
		[ "$(wc -l <numbers)" -gt $((frames / 2)) ] || fail "$log: $(wc -l <numbers) frames"
		LC_ALL=C sort -u numbers | cmp - numbers || fail "$log: not in order, or twice"
	done
	# What one has sent the other has received: the frames, three that say so, and more of those that said "here" when both were up.
	for way in 'counters counters.other' 'counters.other counters'; do
		# shellcheck disable=SC2086 # two names
		set -- $way
		sent=$(sed -n 's/^tx //p' "$1") came=$(sed -n 's/^rx //p' "$2")
		if [ "$came" -lt $((frames + 3)) ] || [ "$came" -gt "$sent" ]; then
			fail "$came of $sent frames have come"
		fi
	done
	! grep -E '^(rx-lost|tx-failed|host-lost) [1-9]' counters counters.other || fail 'lost'
}

# A bit rate is set where there is one: a virtual interface has none, and stays as it is.  And what was written for vhost-device-can
# serves an interface at each socket.
case_can_bitrate_uml() {
	need_can
	"$here/uml-run" --share "${VDEVD%/*}" "
		ip link add vcan0 type vcan && ip link set vcan0 up
		'$VDEVD' can --interface=vcan0 --bitrate=500000 --socket-path=/tmp/s
		echo \$?
		ip link show vcan0 | grep -o ',UP,'
		'$VDEVD' can --interface=lo --bitrate=500000 --socket-path=/tmp/s
		ip link add vcan1 type vcan && ip link set vcan1 mtu 72 up
		ln -s '$VDEVD' /tmp/vhost-device-can
		/tmp/vhost-device-can -s /tmp/c -c 2 -d 'vcan0 vcan1' 2>/tmp/log &
		pid=\$!
		until [ -S /tmp/c0 ] && [ -S /tmp/c1 ]; do sleep .05; done
		for i in 0 1; do '$VDEVD' probe -s /tmp/c\$i --id=can | grep -o '[1-9][0-9]* ok, 0 failed'; done
		kill \$pid
	" >got 2>&1 || :
	printf '%s\n' 'vdevd can: error: --bitrate=500000: vcan0: Operation not supported (it has no bit rate)' 1 ',UP,' \
		'vdevd can: error: --bitrate=500000: lo: Address family not supported by protocol (it is no CAN interface)' \
		'N ok, 0 failed' 'N ok, 0 failed' | sort >want
	sed 's/^[1-9][0-9]* ok/N ok/' got | sort | diff want - || fail 'another answer'
}
