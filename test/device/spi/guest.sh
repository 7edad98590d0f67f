# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's spi-virtio driver under vdevd spi: spidev, spi-tools and flashrom in the guest, simulated chips
# outside; and vdevd itself in a guest, on the kernel's own spidev nodes.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# need_spi - skip unless the guest, whose programs are this machine's, has the tools.
need_spi() {
	need_device spi
	need_uml
	command -v dtc >/dev/null || lacking 'no dtc (apt-get install device-tree-compiler)'
	command -v spi-pipe >/dev/null || lacking 'no spi-pipe (apt-get install spi-tools)'
	command -v flashrom >/dev/null || lacking 'no flashrom (apt-get install flashrom)'
}

# spi_tree - write guest.dtb: the device, with spidev at four chip selects, but at $spi_nor, where that is set, a NOR flash.  The driver
# has no other way to know its chips.
spi_tree() {
	{
		cat <<-END
			/dts-v1/;
			/ { #address-cells = <2>; #size-cells = <2>; compatible = "linux,uml"; model = "uml";
			vu-spi { compatible = "virtio,uml"; virtio-device-id = <45>; socket-path = "$vdevd_socket";
			spi { compatible = "virtio,device2d"; #address-cells = <1>; #size-cells = <0>;
		END
		for cs in 0 1 2 3; do
			chip=rohm,dh2228fv
			[ $cs != "${spi_nor:-}" ] || chip=jedec,spi-nor
			echo "chip@$cs { compatible = \"$chip\"; reg = <$cs>; spi-max-frequency = <1000000>; };"
		done
		echo '}; }; };'
	} >guest.dts
	dtc -q -O dtb -o guest.dtb guest.dts || fail 'no device tree'
}

# spi_in COMMAND [OPTION]... - run COMMAND in a guest that has the device; stdout to $dir/got.
spi_in() {
	command=$1
	shift
	spi_tree
	"$here/uml-run" --append "dtb=$dir/guest.dtb" "$@" "set -e; $command" >got || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# got_is LINE... - fail unless the guest said this.
got_is() {
	printf '%s\n' "$@" >wanted
	diff wanted got >&2 || fail 'not what the chips have'
}

# Both directions, one after the other in one message, modes and word sizes.
case_spi_uml() {
	need_spi
	vdevd_start spi --cs-hold-us=1000000 --backend=sim
	# shellcheck disable=SC2016 # for the guest's shell
	spi_in '
		show() { od -An -tx1 | tr -d "\n"; echo; }
		ls /dev/spidev0.*
		head -c 4096 /dev/urandom >/tmp/sent
		spi-pipe -d /dev/spidev0.0 -b 4096 -n 1 </tmp/sent | cmp - /tmp/sent
		spi-config -d /dev/spidev0.0 -m 3 -b 16
		spi-config -d /dev/spidev0.0 -q
		spi-pipe -d /dev/spidev0.0 -b 64 -n 1 </tmp/sent | cmp -n 64 - /tmp/sent
		printf "\005hello" | spi-pipe -d /dev/spidev0.2 -b 6 -n 1 >/dev/null
		printf "\205\0\0\0\0\0" | spi-pipe -d /dev/spidev0.2 -b 6 -n 1 | show
		printf "\001\260\0" | spi-pipe -d /dev/spidev0.3 -b 3 -n 1 | show
		# A mode that the ADC does not have.
		spi-config -d /dev/spidev0.3 -m 1
		! printf "\001\260\0" | spi-pipe -d /dev/spidev0.3 -b 3 -n 1 >/tmp/none 2>/dev/null || echo transferred
	'
	got_is /dev/spidev0.0 /dev/spidev0.1 /dev/spidev0.2 /dev/spidev0.3 \
		'/dev/spidev0.0: mode=3, lsb=0, bits=16, speed=1000000, spiready=0' ' 00 68 65 6c 6c 6f' ' 00 01 2c'
	vdevd_stop
}

# A flash is found, erased, written, verified and read by flashrom: messages of several transfers, and of one right behind
# another (write enable, program).
case_spi_uml_flash() {
	need_spi
	vdevd_start spi --cs-hold-us=1000000 --sim=loopback --sim=flash:size=1M
	# shellcheck disable=SC2016 # for the guest's shell
	spi_in '
		programmer=linux_spi:dev=/dev/spidev0.1,spispeed=1000
		head -c 20000 /dev/urandom >/tmp/image
		head -c 1028576 /dev/zero | tr "\0" "\377" >>/tmp/image
		flashrom -p "$programmer" -c W25Q80.V -w /tmp/image >/tmp/log 2>&1 || { tail -n 20 /tmp/log; exit 1; }
		grep -o "VERIFIED" /tmp/log
		flashrom -p "$programmer" -c W25Q80.V -r /tmp/back >/tmp/log 2>&1
		cmp /tmp/image /tmp/back
		flashrom -p "$programmer" -c W25Q80.V -E >/tmp/log 2>&1
		flashrom -p "$programmer" -c W25Q80.V -r /tmp/back >/tmp/log 2>&1
		tr -d "\377" </tmp/back | wc -c
	' --timeout 240
	got_is VERIFIED 0
	vdevd_stop
}

# The kernel's own driver of NOR flashes finds it, erases, writes and reads it; and the operator sees the bytes.
case_spi_uml_mtd() {
	need_spi
	command -v mtd_debug >/dev/null || lacking 'no mtd_debug (apt-get install mtd-utils)'
	spi_nor=1
	vdevd_start spi --cs-hold-us=1000000 --backend=sim --control="$dir/control"
	mkdir image
	stream_make image/all 68
	# shellcheck disable=SC2016 # for the guest's shell
	spi_in '
		[ -d /sys/class/mtd ] || { echo lacking; exit 0; }
		all='"$dir"'/image/all
		cat /sys/class/mtd/mtd0/type /sys/class/mtd/mtd0/size
		cat /sys/bus/spi/devices/spi0.1/spi-nor/jedec_id
		mtd_debug write /dev/mtd0 4000 69632 $all >/tmp/log
		mtd_debug read /dev/mtd0 4000 69632 /tmp/back >/tmp/log
		cmp $all /tmp/back
		mtd_debug erase /dev/mtd0 8192 4096 >/tmp/log 2>&1
		{ head -c 4192 $all; head -c 4096 /dev/zero | tr "\0" "\377"; tail -c +8289 $all; } >/tmp/want
		mtd_debug read /dev/mtd0 4000 69632 /tmp/back >/tmp/log
		cmp /tmp/want /tmp/back
	' --timeout 240 --share "$dir/image"
	[ "$(cat got)" != lacking ] || skip "the guest's kernel has no driver of NOR flashes (CONFIG_MTD_SPI_NOR)"
	"$VDEVD" ctl "$dir/control" dump 1 8160 48 >>got
	got_is nor 1048576 ef4014 \
		"001fe0: $(tail -c +4161 image/all | head -c 16 | od -An -tx1 | cut -c2-)" \
		"001ff0: $(tail -c +4177 image/all | head -c 16 | od -An -tx1 | cut -c2-)" \
		'002000: ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff'
	vdevd_stop
}

case_spi_uml_packed() {
	vdevd_more=--features=+ring_packed
	case_spi_uml
}

# The other way round: vdevd in a guest, on spidev nodes that are another vdevd's.
case_spi_adapter_uml() {
	need_spi
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	vdevd_start spi --cs-hold-us=1000000 --backend=sim
	spi_in "VDEVD='$VDEVD' '$(realpath "$build")/test/run-tests' hw_spi" --timeout 120 --share "$build" --share "${VDEVD%/*}"
	tail -n 1 got
	grep -q ' 0 skipped' got || fail "$(cat got)"
	vdevd_stop
}
