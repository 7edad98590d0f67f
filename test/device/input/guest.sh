# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio_input driver under vdevd input: evtest, evemu and libinput in the guest, simulated devices
# outside; and vdevd itself in a guest, on devices that uinput makes.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# need_input - skip unless the guest, whose programs are this machine's, has the tools.
need_input() {
	need_device input
	need_uml
	command -v evtest >/dev/null || lacking 'no evtest (apt-get install evtest)'
	command -v evemu-record >/dev/null || lacking 'no evemu-record (apt-get install evemu-tools)'
	command -v libinput >/dev/null || lacking 'no libinput (apt-get install libinput-tools)'
}

# The guest's words: $event is the device's node; ready FILE TEXT waits until a program has written that, and says so.
# shellcheck disable=SC2016 # for the guest's shell
guest_input='
	event=
	for device in /sys/class/input/event*; do
		case $(readlink -f "$device") in
		*virtio*) event=/dev/input/${device##*/} ;;
		esac
	done
	[ -e "$event" ] || { echo "no virtio_input"; exit 1; }
	wait_for() {
		tries=0
		until grep -q "$2" "$1" 2>/dev/null; do
			tries=$((tries + 1))
			[ $tries -lt 600 ] || { echo "no $2"; cat "$1"; exit 1; }
			sleep 0.1
		done
	}
	ready() { wait_for "$@"; echo ready; }
'

# guest_of COMMAND - run it in the guest of a case; input_qemu in QEMU's.
guest_of() {
	"$here/uml-run" --timeout 120 --vu input="$vdevd_socket" "$1"
}

# input_in COMMAND [WORDS]... - run COMMAND in a guest that has the device, stdout to $dir/got; when it says "ready", give
# the device these commands.
input_in() {
	command=$1
	shift
	guest_of "set -e; $guest_input $command" >got 2>&1 &
	guest_pid=$!
	tries=0
	until [ $# -eq 0 ] || grep -qx ready got 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 1200 ] || fail "the guest is not ready: $(cat got)"
		kill -0 "$guest_pid" 2>/dev/null || fail "the guest has ended: $(cat got)"
		sleep 0.1
	done
	[ $# -eq 0 ] || "$here/control" "$dir/control" "$@" >said || fail "$(cat said)"
	wait "$guest_pid" || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# got_has LINE... - fail unless each line is there.
got_has() {
	for line; do
		grep -qF -- "$line" got || fail "not '$line': $(cat got)"
	done
}

# A keyboard: what the guest is told is what evemu records, event for event; its LED comes back.
case_input_uml() {
	need_input
	vdevd_start input --sim=keyboard --record="$dir/record" --control="$dir/control"
	# shellcheck disable=SC2016 # for the guest's shell
	input_in '
		evemu-record "$event" >/tmp/record 2>/dev/null & pid=$!
		ready /tmp/record "^B: 15"
		wait_for /tmp/record "0001 001c 0000"
		kill $pid
		grep "^[NIPBAE]:" /tmp/record
		python3 -c "
import struct, sys
open(sys.argv[1], \"wb\", 0).write(struct.pack(\"qqHHi\", 0, 0, 0x11, 1, 1))
" "$event"
		sleep 0.2
	' 'type Hello world' 'key enter'
	"$here/control" "$dir/control" show | grep -qx 'status 1' || fail 'the LED of Caps Lock was not told'
	grep '^E:' got | tr '\t' ' ' | cut -d' ' -f3-5 >events
	grep '^E:' record | cut -d' ' -f3-5 | head -n "$(wc -l <events)" | diff - events >&2 || fail 'not the events that were told'
	[ "$(wc -l <events)" -ge 50 ] || fail 'too few events'
	got_has 'N: vdevd keyboard' 'I: 0006 0000 0001 0001'
	vdevd_stop
}

# Mouse, tablet and touch panel, as evtest knows them.
case_input_uml_kinds() {
	need_input
	for kind in mouse tablet touch; do
		case $kind in
		mouse) set -- 'move 5 -3' 'key BTN_LEFT' ;;
		tablet) set -- 'at 100,200' 'key BTN_LEFT' ;;
		touch) set -- 'touch 0 100,200' 'touch 1 300,400' 'lift 1' 'lift 0' ;;
		esac
		vdevd_start input --sim="$kind" --abs-range=ABS_X=0:3839 --control="$dir/control"
		# shellcheck disable=SC2016 # for the guest's shell
		input_in '
			evtest "$event" >/tmp/log & pid=$!
			ready /tmp/log "Testing"
			wait_for /tmp/log "EV_KEY.*value 0"
			kill $pid
			cat /tmp/log
		' "$@"
		case $kind in
		mouse) got_has '(REL_X), value 5' '(REL_Y), value -3' '(BTN_LEFT), value 1' ;;
		tablet) got_has '(ABS_X), value 200' '(ABS_Y), value 200' 'Max     3839' ;;
		touch)
			got_has '(ABS_MT_POSITION_X), value 200' '(ABS_MT_POSITION_X), value 600' \
				'(ABS_MT_TRACKING_ID), value -1' 'INPUT_PROP_DIRECT' 'Max     3839'
			;;
		esac
		vdevd_stop
		rm -f got
	done
}

# libinput takes it for a touch panel, and sees the fingers.
case_input_uml_libinput() {
	need_input
	[ -x /lib/systemd/systemd-udevd ] || lacking 'no udevd (apt-get install udev)'
	vdevd_start input --sim=touch --control="$dir/control"
	# shellcheck disable=SC2016 # for the guest's shell
	input_in '
		mkdir -p /run/udev
		/lib/systemd/systemd-udevd --daemon >/dev/null 2>&1
		udevadm trigger --action=add --subsystem-match=input
		udevadm settle
		libinput list-devices
		stdbuf -oL libinput debug-events --device "$event" >/tmp/log 2>&1 & pid=$!
		ready /tmp/log DEVICE_ADDED
		wait_for /tmp/log TOUCH_UP
		kill $pid
		cat /tmp/log
	' 'touch 0 960,540' 'touch 0 970,540' 'lift 0'
	got_has 'vdevd touch panel' 'Capabilities:     touch' TOUCH_DOWN TOUCH_MOTION TOUCH_UP
	vdevd_stop
}

# The driver lets go of the device and takes it again: keys that are down are told once more.
case_input_uml_rebind() {
	need_input
	vdevd_start input --sim=keyboard --control="$dir/control"
	# shellcheck disable=SC2016 # for the guest's shell
	input_in '
		echo ready
		tries=0
		until evtest --query "$event" EV_KEY KEY_LEFTSHIFT; [ $? -eq 10 ]; do
			tries=$((tries + 1)); [ $tries -lt 600 ]; sleep 0.1
		done
		cd /sys/bus/virtio/drivers/virtio_input
		for device in virtio*; do
			echo "$device" >unbind
			echo "$device" >bind
		done
		cd /
		'"$guest_input"'
		tries=0
		until evtest --query "$event" EV_KEY KEY_LEFTSHIFT; [ $? -eq 10 ]; do
			tries=$((tries + 1)); [ $tries -lt 600 ]; sleep 0.1
		done
		echo down
	' 'key leftshift down'
	got_has down
	vdevd_stop
}

# QEMU's vhost-user-input-pci, which knows no packed rings, and the driver of Debian's kernel.
case_input_qemu() {
	need_device input
	need_qemu
	command -v evtest >/dev/null || lacking 'no evtest (apt-get install evtest)'
	guest_of() {
		"$here/qemu-run" --vu input="$vdevd_socket" --mod virtio_input --mod evdev --bin evtest "$1"
	}
	vdevd_start input --sim=touch --abs-range=ABS_X=0:3839 --control="$dir/control"
	# shellcheck disable=SC2016 # for the guest's shell
	input_in '
		evtest "$event" >/tmp/log & pid=$!
		ready /tmp/log "Testing"
		wait_for /tmp/log "EV_KEY.*value 0"
		kill $pid
		cat /tmp/log
	' 'touch 0 100,200' 'touch 1 300,400' 'lift 1' 'lift 0'
	got_has 'Input device name: "vdevd touch panel"' 'INPUT_PROP_DIRECT' 'Max     3839' '(ABS_MT_POSITION_X), value 200' \
		'(ABS_MT_POSITION_X), value 600' '(ABS_MT_POSITION_Y), value 400' '(ABS_MT_TRACKING_ID), value -1' '(BTN_TOUCH), value 1'
	vdevd_stop
}

# The guest's words: features EVENT prints what evtest, evemu and libinput know of a device.
# shellcheck disable=SC2016 # for the guest's shell
guest_features='
	wait_for() {
		tries=0
		until grep -q "$2" "$1" 2>/dev/null; do
			tries=$((tries + 1))
			[ $tries -lt 600 ] || { echo "no $2 in $1"; cat "$1"; exit 1; }
			sleep 0.1
		done
	}
	# A device is there when udev knows it.
	libinput_begin() {
		mkdir -p /run/udev
		/lib/systemd/systemd-udevd --daemon >/dev/null 2>&1
		udevadm trigger --action=add --subsystem-match=input
		udevadm settle
	}
	features() {
		evtest "$1" >/tmp/log 2>&1 & pid=$!
		wait_for /tmp/log "^Testing"
		kill $pid
		sed "/^Testing/,\$d" /tmp/log
		evemu-describe "$1" | grep "^[NIPBAL]:"
		libinput list-devices | awk -v RS= -v node="$1" "\$0 ~ \"Kernel: *\" node \"\\n\"" | grep -v "^\(Kernel\|Group\):"
	}
'

# Two devices that a guest's kernel makes, served by one vhost-device-input in it, and what each is in another guest: all that
# evtest, evemu and libinput know is the same.  From the one guest to the other goes the description that --record writes.
case_input_uml_same() {
	need_input
	[ -x /lib/systemd/systemd-udevd ] || lacking 'no udevd (apt-get install udev)'
	mkdir edge
	for kind in keyboard touch; do
		vdevd_start input --sim="$kind" --record="$dir/edge/$kind"
		vdevd_stop
	done
	ln -s "$(realpath "$VDEVD")" edge/vhost-device-input
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/uml-run" --timeout 120 --share "$dir/edge" --share "$(dirname "$(realpath "$VDEVD")")" 'set -e; '"$guest_features"'
		cd '"'$dir/edge'"'
		nodes=
		for kind in keyboard touch; do
			evemu-device $kind >/tmp/$kind.node & makers="$makers $!"
			wait_for /tmp/$kind.node /dev/input/event
			node=$(grep -o "/dev/input/event[0-9]*" /tmp/$kind.node)
			nodes=$nodes,$node
		done
		libinput_begin
		./vhost-device-input -s /tmp/input -e ${nodes#,} & server=$!
		for i in 0 1; do
			until [ -S /tmp/input$i ]; do kill -0 $server; sleep 0.1; done
			'"'$VDEVD'"' probe -q --socket-path=/tmp/input$i --id=input --timeout=20000 >&2
		done
		[ "$(readlink /proc/[0-9]*/fd/* | grep -c "event[0-9]*$")" -ge 4 ]
		kill $server
		wait $server
		for kind in keyboard touch; do
			node=$(grep -o "/dev/input/event[0-9]*" /tmp/$kind.node)
			'"'$VDEVD'"' input --socket-path=/tmp/s --evdev=$node --record=/tmp/$kind.record & server=$!
			until [ -S /tmp/s ]; do kill -0 $server; sleep 0.1; done
			kill $server
			wait $server
			features $node | sed "s/^/$kind features /"
			sed "s/^/$kind record /" /tmp/$kind.record
		done
		kill $makers
	' >edge.got 2>edge.err || fail "the edge host failed: $(cat edge.got edge.err)"
	for kind in keyboard touch; do
		sed -n "s/^$kind features //p" edge.got >want
		sed -n "s/^$kind record //p" edge.got >record
		grep -q '^  Event type 1 (EV_KEY)' want || fail "evtest said nothing: $(cat edge.got edge.err)"
		grep -q '^Capabilities: ' want || fail "libinput does not know the device: $(cat edge.got edge.err)"
		vdevd_start input --replay="$dir/record"
		# shellcheck disable=SC2016 # for the guest's shell
		input_in "$guest_features"'
			libinput_begin
			features "$event"
		'
		diff want got >&2 || fail "the $kind is not the same in the guest"
		vdevd_stop
		rm got
	done
}

# The other way round: vdevd in a guest, on devices that its kernel makes.
case_input_evdev_uml() {
	need_input
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	"$here/uml-run" --timeout 120 --share "$build" --share "${VDEVD%/*}" \
		"VDEVD='$VDEVD' '$(realpath "$build")/test/run-tests' hw_input" >got 2>&1 || fail "$(cat got)"
	grep -q '^100%: Checks: [1-9]' got || fail "$(cat got)"
	grep -q ' 0 skipped' got || fail "$(cat got)"
}
