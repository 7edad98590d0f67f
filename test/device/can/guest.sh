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

# can_in COMMAND - run COMMAND in a guest that has the device; stdout to $dir/got.
can_in() {
	"$here/uml-run" --vu can="$vdevd_socket" "set -e; $1" >got || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# Classic and FD frames, of either kind of id, and remote ones, to a node that answers each.
case_can_uml() {
	need_can
	vdevd_start can --sim-echo
	# shellcheck disable=SC2016 # for the guest's shell
	can_in '
		ip link set can0 up
		candump -L -x -n 8 -T 5000 can0 >/tmp/log &
		sleep .2
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
		candump -r 8388608 -L -n 5000 -T 5000 can0,700:7FF >/tmp/log &
		sleep .2
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
		VDEVD='$VDEVD' VDEVD_TEST_DEPTH=few CK_FORK=yes '$(realpath "$build")/test/run-tests' hw_can
	" >got 2>&1 || fail "$(cat got)"
	grep -q '^100%: Checks: [1-9]' got || fail "$(cat got)"
}
