# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# qemu_drivers.sh - vdevd i2c and gpio under QEMU's vhost-user-i2c-pci and vhost-user-gpio-pci, with the kernel's own drivers
# of a thermometer and an EEPROM on top.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# need_tools PROGRAM... - skip unless this machine has them for the guest.
need_tools() {
	for tool; do
		command -v "$tool" >/dev/null || lacking "no $tool"
	done
}

# i2c_qemu [PROPERTY [OPTION]] - a thermometer and an EEPROM, with this property of QEMU's device, this option of vdevd.
i2c_qemu() {
	need_device i2c
	need_qemu_drivers
	need_tools i2cdetect i2ctransfer
	vdevd_start i2c --sim=lm75@0x48:21.5 --sim=eeprom@0x50:256 ${2:+"$2"}
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/qemu-run" --vu i2c="$vdevd_socket${1:+,$1}" --mod i2c-virtio --mod i2c-dev --mod lm75 --mod at24 \
		--bin i2cdetect --bin i2ctransfer "set -e; ${1:+$(guest_packed 34)}"'
		name=$(grep -l i2c_virtio /sys/bus/i2c/devices/i2c-*/name)
		bus=${name%/name} bus=${bus##*/i2c-}
		i2cdetect -y "$bus" | grep -Eo " (48|50)" | sort -u
		i2ctransfer -y "$bus" w1@0x48 0 r2
		echo lm75 0x48 >"/sys/bus/i2c/devices/i2c-$bus/new_device"
		cat /sys/class/hwmon/hwmon*/temp1_input
		echo 24c02 0x50 >"/sys/bus/i2c/devices/i2c-$bus/new_device"
		at="/sys/bus/i2c/devices/$bus-0050/eeprom"
		seq 1 90 | head -c 256 >written
		cat written >"$at"
		cmp written "$at"
		wc -c <"$at"
	' >got
	printf ' 48\n 50\n0x15 0x80\n21500\n256\n' >wanted
	diff wanted got >&2 || fail 'not what the targets have'
	vdevd_stop
}

case_i2c_qemu() { i2c_qemu; }
case_i2c_qemu_packed() { i2c_qemu packed=on --features=+ring_packed; }

case_gpio_qemu() {
	need_device gpio
	need_qemu_drivers
	need_tools gpioset gpioget gpiodetect socat
	case $(gpioset --version) in
	*'v1.'*) set_and_hold='gpioset -m time -u 300000 0 0=1' get='gpioget 0 1' ;;
	*) set_and_hold='gpioset -t 300ms,0 -c 0 0=1' get='gpioget --numeric -c 0 1' ;;
	esac
	vdevd_start gpio --backend=sim --sim-lines=4 --sim-names=LED,BUTTON --control="$dir/control"
	echo 'set 1 1' | socat -t1 - "UNIX-CONNECT:$dir/control" >&2
	mkfifo lines
	socat -t1 - "UNIX-CONNECT:$dir/control" <lines >seen &
	watcher=$!
	exec 8>lines
	echo watch >&8
	"$here/qemu-run" --vu gpio="$vdevd_socket" --mod gpio-virtio --bin gpioset --bin gpioget --bin gpiodetect "
		gpiodetect | grep -c '4 lines'
		$get
		$set_and_hold
	" >got
	exec 8>&-
	wait "$watcher"
	printf '1\n1\n' >wanted
	diff wanted got >&2 || fail 'not what the lines have'
	grep -q 'LED output 1' seen || fail "the line was not seen high while it was held: $(cat seen)"
	grep -q 'LED unused 0' seen || fail "the line was not released: $(cat seen)"
	vdevd_stop
}

# vdevd is killed, and another one started: QEMU calls it, and the guest goes on.  vdevd-protocol(7) tells which of QEMU's devices can.
case_gpio_qemu_restarted() {
	need_device gpio
	need_qemu_drivers
	need_tools gpioget socat
	case $("${VDEVD_QEMU:-qemu-system-x86_64}" --version) in
	*' version '[78].*) ;;
	*) skip 'this QEMU cannot use a gpio back end that comes back' ;;
	esac
	case $(gpioget --version) in
	*'v1.'*) get='gpioget 0 1' ;;
	*) get='gpioget --numeric -c 0 1' ;;
	esac
	vdevd_start gpio --backend=sim --sim-lines=4
	(
		tries=0
		while [ ! -s got ]; do
			tries=$((tries + 1))
			[ "$tries" -lt 6000 ] || exit 0
			sleep 0.01
		done
		kill -9 "$vdevd_pid"
	) &
	killer=$!
	"$here/qemu-run" --reconnect --timeout 60 --vu gpio="$vdevd_socket" --mod gpio-virtio --bin gpioget "
		$get
		while [ \"\$($get)\" != 1 ]; do sleep 0.1; done
		echo high" >got &
	guest=$!
	wait "$killer"
	wait "$vdevd_pid" 2>/dev/null || :
	vdevd_start gpio --backend=sim --sim-lines=4 --control="$dir/control"
	echo 'set 1 1' | socat -t1 - "UNIX-CONNECT:$dir/control" >&2
	wait "$guest" || fail 'the guest saw no line of the second vdevd'
	printf '0\nhigh\n' >wanted
	diff wanted got >&2 || fail 'not what the line has'
	vdevd_stop
}
