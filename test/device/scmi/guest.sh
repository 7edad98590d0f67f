# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's own SCMI drivers under vdevd scmi: hwmon, IIO, clocks, regulators; every message by the kernel's raw
# mode; and the adapters to the host's things, on simulated ones in a guest.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# need_scmi - skip unless the guest can be told of the device.
need_scmi() {
	need_device scmi
	need_uml
	command -v dtc >/dev/null || lacking 'no dtc (apt-get install device-tree-compiler)'
}

# need_scmi_full - the same for a kernel with more drivers: the one that stands beside as NAME-full, or one that uml-build has made.
need_scmi_full() {
	need_scmi
	command -v python3 >/dev/null || lacking 'no python3'
	if [ -n "${VDEVD_UML:-}" ] && [ -x "$VDEVD_UML-full" ]; then
		VDEVD_UML=$VDEVD_UML-full
		export VDEVD_UML
	fi
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/uml-run" --timeout 60 'zcat /proc/config.gz 2>/dev/null | grep -q ARM_SCMI_RAW_MODE_SUPPORT=y || grep -q scmi_raw /proc/kallsyms' \
		>/dev/null 2>&1 || skip 'this kernel has no CONFIG_ARM_SCMI_RAW_MODE_SUPPORT'
}

# scmi_tree - write guest.dtb: the protocols, and drivers that use the things.
scmi_tree() {
	{
		echo '/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; compatible = "linux,uml"; model = "uml"; };'
		cat "$here/../device/scmi/board.dtsi"
	} >guest.dts
	dtc -q -O dtb -o guest.dtb guest.dts || fail 'no device tree'
}

# scmi_in COMMAND [OPTION]... - run COMMAND in a guest that has the device; stdout to $dir/got.
scmi_in() {
	command=$1
	shift
	scmi_tree
	"$here/uml-run" --vu scmi="$vdevd_socket" --append "dtb=$dir/guest.dtb" "$@" "set -e; $command" >got ||
		fail "the guest failed: $(cat got)"
	vdevd_alive
}

# has LINE... - fail unless the guest said each of these.
has() {
	for line in "$@"; do
		grep -qxF -- "$line" got || fail "no '$line' in: $(cat got)"
	done
}

# What the drivers make of a board, in the units that they have.  The second guest finds it as the first one did.
case_scmi_uml() {
	need_scmi
	vdevd_start scmi --device=board --control="$dir/control"
	for guest in 1 2; do
		# shellcheck disable=SC2016 # for the guest's shell
		scmi_in '
			hwmon=$(dirname "$(grep -l scmi_sensors /sys/class/hwmon/*/name)")
			cd "$hwmon"
			grep . temp1_input in0_input curr1_input power1_input energy1_input temp1_label
			iio=$(dirname "$(grep -lx accel /sys/bus/iio/devices/*/name)")
			cd "$iio"
			grep . in_accel_x_raw in_accel_z_raw in_accel_x_scale in_accel_sampling_frequency
			echo 100 >in_accel_sampling_frequency
			cat in_accel_sampling_frequency
			# Updates: 64 bits an axis, little-endian.
			for axis in x y z; do echo 1 >buffer0/in_accel_${axis}_en; done
			echo 1 >buffer0/enable
			dd if=/dev/"$(basename "$iio")" bs=24 count=5 2>/dev/null | od -An -v -td8 -w24
			echo 0 >buffer0/enable
			cd /
			mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
			cd /sys/kernel/debug/clk
			grep . osc/clk_rate pll-of-the-video-engine/clk_rate uart/clk_rate uart/clk_min_rate uart/clk_max_rate
			cat pll-of-the-video-engine/clk_parent
			cd /sys/class/regulator
			for r in *; do echo "$(cat $r/name) $(cat $r/microvolts 2>/dev/null)"; done
		'
		has temp1_input:42000 in0_input:3300 curr1_input:500 power1_input:1650000 energy1_input:7200000 temp1_label:temperature \
			in_accel_x_raw:1000 in_accel_z_raw:3000 in_accel_x_scale:0.001000000 in_accel_sampling_frequency:1.000000 100.000000 \
			osc/clk_rate:24000000 pll-of-the-video-engine/clk_rate:24000000 uart/clk_min_rate:1843200 uart/clk_max_rate:24000000 osc \
			'v0 1800000' 'v1 1200000'
		[ "$(grep -c '^ *1000 *2000 *3000$' got)" -eq 5 ] || fail "not five updates: $(cat got)"
		[ "$guest" = 2 ] || "$here/control" "$dir/control" 'set temperature 42000'
	done
	vdevd_stop
}

# The operator changes a value, unplugs a sensor, makes an error: hwmon shows it.
case_scmi_uml_faults() {
	need_scmi
	vdevd_start scmi --device=board --control="$dir/control"
	"$here/control" "$dir/control" 'set temperature -5250' 'lose voltage' 'fail current busy 1' 'delay power 200'
	# shellcheck disable=SC2016 # for the guest's shell
	scmi_in '
		cd "$(dirname "$(grep -l scmi_sensors /sys/class/hwmon/*/name)")"
		grep . temp1_input power1_input
		cat in0_input 2>/dev/null || echo lost
		cat curr1_input 2>/dev/null || echo busy
		cat curr1_input
	'
	has temp1_input:-5250 power1_input:1650000 lost busy 500
	vdevd_stop
}

# operator - do what raw.py asks for, as it comes, until its last line, or the end of the case.
operator() {
	done=0
	while kill -0 $$ 2>/dev/null && ! grep -qs '^raw: [^o]\|^done' got; do
		command=$(sed -n 's/^raw: operator //p' got 2>/dev/null | sed -n "$((done + 1))p")
		if [ "$command" ]; then
			"$here/control" "$dir/control" "$command"
			done=$((done + 1))
		fi
		sleep 0.1
	done
}

# Every message by hand: the kernel's raw mode, and a table made from the specification.  Then notices, and what a consumer
# of a regulator does.
case_scmi_uml_raw() {
	need_scmi_full
	vdevd_start scmi --device=board --system-power=tell --control="$dir/control"
	operator &
	# shellcheck disable=SC2016 # for the guest's shell
	scmi_in '
		mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
		python3 '"$here/../device/scmi/raw.py"'
		consumer=/sys/devices/platform/consumer
		cat $consumer/state
		echo enabled >$consumer/state
		cat $consumer/state
		cat /sys/class/powercap/arm-scmi:*/name | head -n 1
		cd /sys/kernel/debug/scmi/0/transport/counters
		for c in err_* *_timeout sent_fail*; do [ "$(cat $c)" = 0 ] || echo "$c: $(cat $c)"; done
		echo done
	' --timeout 120
	has 'raw: all as it should be' disabled enabled powercap 'done'
	! grep -q '^err_\|_timeout\|^sent_fail' got || fail "$(cat got)"
	"$here/control" "$dir/control" list | grep -q 'voltage 0 regulator fake value 1800000$' || fail 'what the guest had set is still there'
	vdevd_stop
}

# The adapters, on what the drivers of a guest make of a board: files of the kernel's own, which a second vdevd serves from there.
case_scmi_board_uml() {
	need_scmi_full
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	vdevd_start scmi --device=board --device=fake,kind=clock,name=bus,levels=100000000:200000000:400000000 --control="$dir/control"
	scmi_in "
		mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
		VDEVD='$VDEVD' CK_RUN_CASE=board '$(realpath "$build")/test/run-tests' hw_scmi
	" --timeout 120 --share "$build" --share "${VDEVD%/*}"
	grep -q '^1[0-9] passed, 0 failed' got || fail "$(cat got)"
	"$here/control" "$dir/control" list | grep -q 'voltage 1 vio fake value 1200000$' || fail 'what the guest had set is still there'
	vdevd_stop
}

# The adapters, on things that the guest's kernel simulates: IIO and gpio lines.
case_scmi_adapter_uml() {
	need_device scmi
	need_uml
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	"$here/uml-run" --timeout 120 --share "$build" --share "${VDEVD%/*}" "VDEVD='$VDEVD' '$(realpath "$build")/test/run-tests' hw_scmi" >got ||
		fail "the guest failed: $(cat got)"
	tail -n 1 got
	grep -q ' 0 skipped' got || fail "$(cat got)"
}
