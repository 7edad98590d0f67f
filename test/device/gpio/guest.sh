# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's gpio-virtio driver under vdevd gpio, with the tools of libgpiod in the guest and a
# simulated chip, or the kernel's own simulated one, outside.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_pid is of lib.sh

# guest_gpio - for the guest's shell, whichever version of libgpiod's tools there is: `chip` is the virtio device's;
# get LINE; hold LINE=VALUE, in the background until it is killed; monitor EDGES LINE COUNT prints r and f.  The kernel
# keeps 16 events for the monitor, so it must run before the kernel thread that handles the next interrupt.
# shellcheck disable=SC2016 # the guest's shell expands it
guest_gpio='
set -e
chip=$(gpiodetect | sed -n "s/ \[virtio.*//p")
[ "$chip" ] || { echo "the guest has no virtio GPIO chip" >&2; exit 1; }
if gpiodetect --version | grep -q " v1"; then
	get() { gpioget "$chip" "$1"; }
	hold() { exec gpioset --mode=signal "$chip" "$1"; }
	monitor() {
		case $1 in both) edges="" ;; *) edges=--$1-edge ;; esac
		chrt -f 99 gpiomon --num-events="$3" --format=%e $edges "$chip" "$2" | tr 10 rf
	}
else
	get() { gpioget --chip "$chip" --numeric "$1"; }
	hold() { exec gpioset --chip "$chip" "$1"; }
	monitor() { chrt -f 99 gpiomon --chip "$chip" --num-events "$3" --format %e --edges "$1" "$2" | tr 12 rf; }
fi
'

# need_gpio - skip unless the guest, whose programs are this machine's, has the tools, and a client for the socket.
need_gpio() {
	need_device gpio
	need_uml
	command -v gpiodetect >/dev/null || lacking 'no gpiodetect (apt-get install gpiod)'
	command -v python3 >/dev/null || lacking 'no python3'
}

# gpio_start - serve a simulated chip.
gpio_start() {
	vdevd_start gpio --backend=sim --sim-names=LED,BUTTON,,RELAY --control="$dir/control"
}

# world COMMAND... - what happens outside the chip.
world() {
	"$here/control" "$dir/control" "$@"
}

# guest_start COMMAND - run COMMAND in a guest that has the device, in the background; its output goes to $dir/got.
guest_start() {
	"$here/uml-run" --vu gpio="$vdevd_socket" "$guest_gpio$1" >got &
	guest_pid=$!
}

# guest_wait - until it has ended well.
guest_wait() {
	status=0
	wait "$guest_pid" || status=$?
	[ "$status" -eq 0 ] || fail "the guest ended with status $status: $(cat got)"
	vdevd_alive
}

# line_becomes NUMBER USE - wait until the guest uses a line so.  It need not live for it to be unused.
line_becomes() {
	tries=0
	until world list | grep -q "^$1 [^ ]* $2 "; do
		[ "$2" = unused ] || kill -0 "$guest_pid" 2>/dev/null || fail "the guest has ended: $(cat got)"
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || fail "line $1 has not become $2 in 10 s: $(world list)"
		sleep 0.05
	done
}

# level_is NUMBER LEVEL - fail unless the world sees that level.
level_is() {
	[ "$(world "get $1")" = "$2" ] || fail "line $1 is $(world "get $1"), not $2"
}

# Names, and values both ways; what the guest holds is seen outside while it is held.
case_gpio_uml() {
	need_gpio
	gpio_start
	world 'set BUTTON 1'
	# shellcheck disable=SC2016
	guest_start '
		gpioinfo
		get 1; get 2
		hold 0=1 & held=$!
		monitor rising 7 1
		kill $held
		wait $held || :
		hold 3=1 & held=$!
		monitor falling 7 1
		kill $held
		wait $held || :
	'
	line_becomes 7 interrupt
	line_becomes 0 output
	level_is 0 1
	level_is 3 0
	world 'set 7 1'
	line_becomes 0 unused
	line_becomes 3 output
	line_becomes 7 interrupt
	level_is 3 1
	world 'set 7 0'
	guest_wait
	for name in LED BUTTON RELAY; do
		grep -q "\"$name\"" got || fail "gpioinfo shows no $name: $(cat got)"
	done
	[ "$(grep -c 'line  *[0-9]' got)" -eq 8 ] || fail "gpioinfo shows other lines: $(cat got)"
	[ "$(tail -n 4 got | tr '\n' ' ')" = '1 0 r f ' ] || fail "the guest saw: $(cat got)"
	world list | grep -v unused && fail 'a line is still in use'
	vdevd_stop
}

# gpio_edges EDGES COUNT - a thousand changes a second, of which the guest sees COUNT edges, in order.
gpio_edges() {
	guest_start "monitor $1 2 $2"
	line_becomes 2 interrupt
	world --every 1 1000 'set 2 1' 'set 2 0'
	guest_wait
	tr -d '\n' <got
	echo
	case $1 in
	rising) period=r ;;
	falling) period=f ;;
	both) period='r
f' ;;
	esac
	yes "$period" | head -n "$2" >expected
	cmp -s expected got || fail "$(diff expected got | grep -c '^>') of $2 edges are not as they were made"
}

case_gpio_uml_packed() {
	vdevd_more=--features=+ring_packed
	case_gpio_uml
}

case_gpio_uml_rising() {
	need_gpio
	gpio_start
	gpio_edges rising 500
	vdevd_stop
}

case_gpio_uml_falling() {
	need_gpio
	gpio_start
	gpio_edges falling 500
	vdevd_stop
}

case_gpio_uml_both() {
	need_gpio
	gpio_start
	gpio_edges both 1000
	vdevd_stop
}

# A guest that is killed lets go of its lines; the next one finds a device that works.
case_gpio_uml_killed() {
	need_gpio
	gpio_start
	guest_start 'hold 0=1'
	line_becomes 0 output
	level_is 0 1
	kill "$guest_pid"
	wait "$guest_pid" || :
	line_becomes 0 unused
	level_is 0 0
	world 'set 1 1'
	guest_start 'get 1; hold 3=1'
	line_becomes 3 output
	level_is 3 1
	[ "$(cat got)" = 1 ] || fail "the next guest reads: $(cat got)"
	kill "$guest_pid"
	wait "$guest_pid" || :
	vdevd_stop
}

# A driver that lets go of the device and takes it again.
case_gpio_uml_rebind() {
	need_gpio
	gpio_start
	world 'set BUTTON 1'
	# shellcheck disable=SC2016
	guest_start '
		cd /sys/bus/virtio/drivers/gpio_virtio
		for i in 1 2 3; do
			get 1
			device=$(echo virtio*)
			echo "$device" >unbind
			[ -z "$(gpiodetect)" ]
			echo "$device" >bind
		done
		monitor rising 2 2
	'
	line_becomes 2 interrupt
	world 'set 2 1 0 1'
	guest_wait
	[ "$(tr '\n' ' ' <got)" = '1 1 1 r r ' ] || fail "the guest saw: $(cat got)"
	vdevd_stop
}

# The other way round: the kernel's own simulated chip, in a guest, under vdevd and a driver beside it.
case_gpio_chip_uml() {
	need_device gpio
	need_uml
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	"$here/uml-run" --timeout 120 --share "$build" --share "${VDEVD%/*}" \
		"VDEVD='$VDEVD' '$(realpath "$build")/test/run-tests' hw_gpio" >got || fail "$(cat got)"
	tail -n 1 got
	grep -q ' 0 skipped' got || fail "$(cat got)"
}

# need_qemu_irq - skip unless there is a QEMU that lets guests have GPIO interrupts, which Debian 12's does not.
need_qemu_irq() {
	need_qemu_drivers
	newer=$here/../../build/qemu
	major=$("${VDEVD_QEMU:-qemu-system-x86_64}" --version | sed -n '1s/[^0-9]*\([0-9]*\).*/\1/p')
	[ "$major" -lt 9 ] || return 0
	set -- bookworm-backports "$newer" qemu-system-x86 qemu-system-common qemu-system-data seabios
	if [ "${CI:-}" = true ] && [ ! -d "$newer" ]; then
		"$here/../tools/debian-unpack" "$@" >&2
	fi
	[ -d "$newer" ] || skip "QEMU $major has no GPIO interrupts, 9 has (test/tools/debian-unpack $*)"
	export VDEVD_QEMU="$newer/usr/bin/qemu-system-x86_64"
}

# Level interrupts, with a driver of the kernel's that must get as many as it takes to make the line inactive.
case_gpio_qemu_level() {
	need_device gpio
	need_qemu_irq
	vdevd_start gpio --backend=sim --sim-wire=0-1 --control="$dir/control"
	module=$(echo "$here"/../../build/guest-kernel/lib/modules/*/extra/gpio_level.ko)
	# shellcheck disable=SC2016 # the guest's shell expands it
	"$here/qemu-run" --vu gpio="$vdevd_socket" --mod gpio-virtio --file "$module:gpio_level.ko" '
		set -e
		chip=$(basename /sys/bus/virtio/drivers/gpio_virtio/virtio*)
		for low in 0 1 0; do
			insmod /gpio_level.ko chip="$chip" low=$low limit=20
			sleep 1
			cat /sys/module/gpio_level/parameters/count
			rmmod gpio_level
		done
	' >got
	[ "$(tr '\n' ' ' <got)" = '20 20 20 ' ] || fail "interrupts: $(cat got)"
	[ "$(world list | grep -c unused)" -eq 8 ] || fail "a line is still in use: $(world list)"
	vdevd_stop
}
