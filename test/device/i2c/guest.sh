# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's i2c-virtio driver under vdevd i2c: i2c-tools and Linux's drivers of a thermometer and of EEPROMs in the
# guest, simulated targets outside; and vdevd itself in a guest, on the kernel's own adapters.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# need_i2c - skip unless the guest, whose programs are this machine's, has the tools, and a client for the socket.
need_i2c() {
	need_device i2c
	need_uml
	command -v i2ctransfer >/dev/null || lacking 'no i2ctransfer (apt-get install i2c-tools)'
	command -v python3 >/dev/null || lacking 'no python3'
}

# i2c_in COMMAND [OPTION]... - run COMMAND in a guest that has the device as bus 0; stdout to $dir/got.
i2c_in() {
	command=$1
	shift
	"$here/uml-run" --vu i2c="$vdevd_socket" "$@" "set -e; $command" >got || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# need_modules INSTEAD NAME... - skip unless these modules are beside the kernel of the guest; INSTEAD is what shows the same.
need_modules() {
	kernels=$(dirname "${VDEVD_UML:-$here/../../build/uml/linux}")
	instead=$1
	shift
	for module; do
		[ -f "$kernels/$module.ko" ] || skip "no $module.ko beside the guest's kernel (uml-build makes it); $instead"
	done
}

# got_is LINE... - fail unless the guest said this.
got_is() {
	printf '%s\n' "$@" >wanted
	diff wanted got >&2 || fail 'not what the targets have'
}

# Every kind of request that the tools know; only what is listed answers.
case_i2c_uml() {
	need_i2c
	vdevd_start i2c --sim=lm75@0x48:21.5 --sim=eeprom@0x50 --sim=eeprom@0x51 --sim=regs@0x20:64 \
		--addr=0x20,0x48,0x50,0x23 --addr=0x51:ro
	i2c_in '
		i2cdetect -y 0 | tr " " "\n" | grep -E "^[0-9a-f]{2}$" | tr "\n" " "; echo
		i2cget -y 0 0x48 0 w
		i2cset -y 0 0x20 5 0xab
		i2cget -y 0 0x20 5
		i2cset -y 0 0x20 6 0x1234 w
		i2cget -y 0 0x20 6 w
		i2cset -y 0 0x20 8 1 2 3 4 i
		i2cget -y 0 0x20 8 i 4
		i2cset -y 0 0x20 9
		i2cget -y 0 0x20
		i2ctransfer -y 0 w1@0x48 0 r2 w1@0x20 5 r1
		# A repeated START makes an EEPROM forget what a STOP would have made it keep.
		i2ctransfer -y 0 w2@0x50 0x20 0x61 r1
		i2ctransfer -y 0 w1@0x50 0x20 r1
		i2ctransfer -y 0 w2@0x50 0x20 0x61
		i2ctransfer -y 0 w1@0x50 0x20 r1
		! i2cset -y 0 0x51 0x20 0x61 2>/dev/null || echo written
		i2cget -y 0 0x51 0x20
		! i2cget -y 0 0x22 2>/dev/null || echo there
		i2ctransfer -y 0 w1@0x20 5 r1@0x23 2>&1
	'
	got_is '20 48 50 51 ' 0x8015 0xab 0x1234 '0x01 0x02 0x03 0x04' 0x02 '0x15 0x80' 0xab 0xff 0xff 0x61 0xff \
		'Warning: only 0/2 messages were sent'
	vdevd_stop
}

# i2c_drivers - set modules to the options that give the guest the drivers lm75 and at24; skip where there are none, which
# loses little: case_i2c_qemu has the same drivers of Debian's kernel, on the same targets.
# The kernel gives lm75 no regulator before it has seen a device tree: one with nothing in it but its own
# properties will do, here in binary form.
i2c_drivers() {
	need_modules 'case i2c_qemu has these drivers' regmap-i2c lm75 at24
	modules='--mod regmap-i2c --mod lm75 --mod at24'
	{
		printf '\320\015\376\355\0\0\0\242\0\0\0\070\0\0\0\174\0\0\0\050\0\0\0\021\0\0\0\020\0\0\0\0\0\0\0\046\0\0\0\104'
		printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		printf '\0\0\0\1\0\0\0\0'
		printf '\0\0\0\3\0\0\0\4\0\0\0\0\0\0\0\1'
		printf '\0\0\0\3\0\0\0\4\0\0\0\017\0\0\0\1'
		printf '\0\0\0\3\0\0\0\6\0\0\0\033vdevd\0\0\0'
		printf '\0\0\0\2\0\0\0\011'
		printf '#address-cells\0#size-cells\0compatible\0'
	} >guest.dtb
	append="dtb=$dir/guest.dtb"
}

# Linux's own drivers: a temperature that is set outside is seen, limits and EEPROMs keep what is written.
case_i2c_uml_drivers() {
	need_i2c
	i2c_drivers
	vdevd_start i2c --sim=lm75@0x48:21.5 --sim=eeprom@0x50 --sim=eeprom@0x51:32K --control="$dir/control"
	# shellcheck disable=SC2016 # for the guest's shell
	guest='
		cd /sys/bus/i2c/devices/i2c-0
		echo lm75b 0x48 >new_device
		echo 24c02 0x50 >new_device
		echo 24c256 0x51 >new_device
		cd 0-0048/hwmon/hwmon*
		echo -5000 >temp1_max
		cat temp1_max temp1_max_hyst
		cat temp1_input
		while [ "$(cat temp1_input)" = 21500 ]; do sleep 0.1; done
		cat temp1_input
		cd /sys/bus/i2c/devices
		for at in 0-0050 0-0051; do
			size=$(wc -c <$at/eeprom)
			head -c "$size" /dev/urandom >/tmp/written
			cat /tmp/written >$at/eeprom
			cmp /tmp/written $at/eeprom
			echo "$size"
		done
	'
	# shellcheck disable=SC2086 # a list of options
	i2c_in "$guest" $modules --append "$append" &
	guest_pid=$!
	tries=0
	until grep -qx 21500 got 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "no temperature in a minute: $(cat got)"
		kill -0 "$guest_pid" 2>/dev/null || break
		sleep 0.1
	done
	"$here/control" "$dir/control" 'set 0x48 -12.5'
	wait "$guest_pid" || fail 'the guest failed'
	got_is -5000 75000 21500 -12500 256 32768
	vdevd_stop
}

# A guest whose driver lets go of the device and takes it again; then another guest.
case_i2c_uml_packed() {
	vdevd_more=--features=+ring_packed
	case_i2c_uml
}

case_i2c_uml_rebind() {
	need_i2c
	vdevd_start i2c --sim=regs@0x20:64
	# shellcheck disable=SC2016 # for the guest's shell
	i2c_in '
		i2cset -y 0 0x20 5 0xab
		cd /sys/bus/virtio/drivers/i2c_virtio
		for device in virtio*; do
			echo "$device" >unbind
			echo "$device" >bind
		done
		i2cget -y 0 0x20 5
	'
	got_is 0xab
	i2c_in 'i2cget -y 0 0x20 5'
	got_is 0xab
	vdevd_stop
}

# The guest is killed in the midst of a transfer; the next one is served.
case_i2c_uml_killed() {
	need_i2c
	vdevd_start i2c --sim=regs@0x20:64 --sim-delay=700
	status=0
	"$here/uml-run" --timeout 2 --vu i2c="$vdevd_socket" 'while :; do i2cget -y 0 0x20 5; done' >/dev/null 2>&1 || status=$?
	[ "$status" -eq 124 ] || fail "the guest was not killed: status $status"
	i2c_in 'i2cget -y 0 0x20 5'
	got_is 0x00
	vdevd_stop
}

# The other way round: vdevd in a guest, on an adapter that knows SMBus commands only, and on one that makes any transfer,
# which is another vdevd's.
case_i2c_adapter_uml() {
	need_i2c
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	need_modules 'nothing else has an adapter of SMBus commands' i2c-stub
	vdevd_start i2c --sim=lm75@0x48:21.5 --sim=eeprom@0x50 --sim=eeprom@0x51:4K
	i2c_in "VDEVD='$VDEVD' '$(realpath "$build")/test/run-tests' hw_i2c" --timeout 120 \
		--share "$build" --share "${VDEVD%/*}" --mod 'i2c-stub chip_addr=0x20,0x21,0x22 functionality=0x0fff0000'
	tail -n 1 got
	grep -q ' 0 skipped' got || fail "$(cat got)"
	vdevd_stop
}
