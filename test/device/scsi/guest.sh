# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio_scsi driver under vdevd scsi: sg3-utils, a file system, checksums under load, units that come, go
# and grow, and libiscsi's conformance tests at the guest's /dev/sg.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

need_scsi() {
	need_device scsi
	need_uml
	command -v sg_inq >/dev/null || lacking 'no sg_inq (apt-get install sg3-utils)'
	command -v lsscsi >/dev/null || lacking 'no lsscsi (apt-get install lsscsi)'
	command -v fio >/dev/null || lacking 'no fio (apt-get install fio)'
}

# scsi_in COMMAND - run COMMAND in a guest that has the host; its output to $dir/got.
scsi_in() {
	"$here/uml-run" --timeout 120 --vu scsi="$vdevd_socket" "set -e; $1" >got 2>&1 || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# got_has LINE... - fail unless each of these is in what the guest said.
got_has() {
	for line; do
		grep -qF -- "$line" got || fail "no '$line' in: $(cat got)"
	done
}

# What the tools see of two units.
case_scsi_uml() {
	need_scsi
	truncate -s 64M disk
	vdevd_start scsi --lun=0:path="$PWD/disk",serial=vdevd-0123 --lun=5:sim=8M,removable,block-size=4096
	scsi_in '
		lsscsi; lsscsi -s
		sg_inq /dev/sg0; sg_vpd -p sn /dev/sg0; sg_vpd -p bl /dev/sg0; sg_vpd -p lbpv /dev/sg0
		sg_readcap --long /dev/sg0; sg_luns /dev/sg0; sg_opcodes /dev/sg0 | wc -l
		sg_modes --page=8 /dev/sg0
		sg_turs /dev/sg0; sg_sync /dev/sg0; sg_requests /dev/sg0
		head -c 1024 /dev/urandom >/tmp/two; head -c 512 /tmp/two >/tmp/one
		dd if=/tmp/one of=/dev/sda bs=512 seek=100 oflag=direct 2>/dev/null
		sg_compare_and_write --in=/tmp/two --lba=100 --num=1 /dev/sg0 && echo swapped
		sg_compare_and_write --in=/tmp/two --lba=100 --num=1 /dev/sg0 2>/dev/null || echo miscompare
		sg_unmap --force --lba=96 --num=16 /dev/sg0
		dd if=/dev/sda bs=512 skip=100 count=1 iflag=direct 2>/dev/null | tr -d "\0" | wc -c
		sg_write_same --16 --lba=0 --num=256 --in=/tmp/one /dev/sg0 && echo same
		sg_verify --lba=0 --count=1 --in=/tmp/one --ndo=512 /dev/sg0 && echo verified
		sg_persist --out --register --param-sark=0x11 /dev/sg0 >/dev/null
		sg_persist --out --reserve --param-rk=0x11 --prout-type=5 /dev/sg0 >/dev/null
		sg_persist --in --read-reservation /dev/sg0
		sg_persist --out --release --param-rk=0x11 --prout-type=5 /dev/sg0 >/dev/null
		sg_get_lba_status --lba=0 /dev/sg0 >/dev/null && echo status
		sg_reset --device /dev/sg0 && echo reset
		sg_start --stop /dev/sg1; sg_turs /dev/sg1 2>/dev/null || echo stopped
		sg_start --start /dev/sg1; sg_turs /dev/sg1 || sg_turs /dev/sg1 && echo started
	'
	got_has 'VDEVD    DISK' '67.1MB' '8.38MB' 'Unit serial number: vdevd-0123' 'Optimal unmap granularity: 128 blocks' \
		'Unmap command supported (LBPU): 1' 'Number of logical blocks=131072' 'Lun list length = 16' swapped miscompare same \
		verified 'Key=0x11' 'Write Exclusive, registrants only' status reset stopped started
	vdevd_stop
}

# A file system that is whole, and random writes with checksums by many at once.
case_scsi_uml_verify() {
	need_scsi
	command -v mke2fs >/dev/null || lacking 'no mke2fs (apt-get install e2fsprogs)'
	truncate -s 32M disk
	vdevd_start scsi --lun=0:path="$PWD/disk" --cache=none
	scsi_in '
		fio --name=v --filename=/dev/sda --direct=1 --ioengine=libaio --iodepth=32 --rw=randwrite \
			--bsrange=512-64k --blockalign=512 --io_size=24M --verify=crc32c --verify_fatal=1 \
			--do_verify=1 --randrepeat=0 --fsync=64 --minimal >/tmp/out || { cat /tmp/out; exit 1; }
		mke2fs -q -t ext4 /dev/sda
		e2fsck -fn /dev/sda >/dev/null 2>&1 && echo clean
		blkdiscard /dev/sda
		echo verified
	'
	got_has clean verified
	[ "$(stat -c %b disk)" -le 1024 ] || fail "the disk still takes $(stat -c %b disk) blocks"
	vdevd_stop
}

# Units come, go and grow while the guest runs.
case_scsi_uml_hotplug() {
	need_scsi
	mkdir disks
	truncate -s 16M disk disks/more
	vdevd_start scsi --lun=0:path="$PWD/disk" --folder="$PWD/disks" --control="$PWD/ctl"
	{
		until grep -q begun got 2>/dev/null; do sleep .05; done
		"$VDEVD" ctl "$PWD/ctl" add "3:path=$PWD/disks/more"
		until grep -q came got; do sleep .05; done
		truncate -s 24M disks/more
		"$VDEVD" ctl "$PWD/ctl" resize 3
		until grep -q grew got; do sleep .05; done
		"$VDEVD" ctl "$PWD/ctl" remove 3
	} >told 2>&1 &
	operator=$!
	# shellcheck disable=SC2016 # for the guest's shell
	scsi_in '
		until_is() { for i in $(seq 200); do eval "$1" && break; sleep .05; done; eval "$1"; }
		echo begun
		until_is "[ -e /sys/block/sdb ]"; echo came
		until_is "[ \$(cat /sys/block/sdb/size) = 49152 ]"; echo grew
		until_is "[ ! -e /sys/block/sdb ]"; echo gone
	'
	wait "$operator"
	got_has came grew gone
	vdevd_stop
}

# libiscsi's tests of commands.  A few cases of three suites fail, and no others may.  WRITE SAME with more or less data than a
# block is refused by an iSCSI target; here it leaves a residual, or is an overrun.  A case of WriteSame16 reads more at once than
# /dev/sg takes (SG_IO fails).  Of Inquiry it is one of seven.
case_scsi_uml_conformance() {
	need_scsi
	command -v iscsi-test-cu >/dev/null || lacking 'no iscsi-test-cu (apt-get install libiscsi-bin)'
	truncate -s 64M disk
	vdevd_start scsi --lun=0:path="$PWD/disk"
	# shellcheck disable=SC2016 # for the guest's shell
	scsi_in '
		for suite in TestUnitReady Inquiry ReadCapacity10 ReadCapacity16 Read6 Read10 Read12 Read16 Write10 Write12 Write16 \
			WriteSame10 WriteSame16 Verify10 Verify12 Verify16 WriteVerify10 WriteVerify12 WriteVerify16 Unmap \
			CompareAndWrite ModeSense6 ReportSupportedOpcodes StartStopUnit Mandatory; do
			iscsi-test-cu --dataloss --normal --silent -t "SCSI.$suite" /dev/sg0 2>&1 |
				awk -v suite="$suite" "\$1 == \"tests\" { print suite, \$3, \$5 }"
		done
	'
	[ "$(wc -l <got)" -eq 25 ] || fail "not all of them ran: $(cat got)"
	awk '{ most = 0 }
		$1 == "Inquiry" || $1 == "WriteSame10" { most = 1 }
		$1 == "WriteSame16" { most = 2 }
		!$2 || $3 > most { print "suite " $1 ": " $3 " of " $2 " failed"; wrong = 1 }
		END { exit wrong }' got || fail 'not as SCSI has it'
	vdevd_stop
}

# The other way round: vdevd in a guest, and commands passed to a SCSI device of the kernel's, scsi_debug: by sg and bsg, with
# an abort.  The kernel has it built in, or beside it with its modules.
case_scsi_host_uml() {
	need_scsi
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	mods=
	for kernel in "${VDEVD_UML:-$here/../../build/uml/linux}"*; do
		VDEVD_UML=$kernel "$here/uml-run" '[ -d /sys/bus/pseudo/drivers/scsi_debug ]' >/dev/null 2>&1 && mods=none && break
	done
	if [ ! "$mods" ]; then
		kernel=${VDEVD_UML:-$here/../../build/uml/linux}
		VDEVD_UML=$kernel "$here/uml-run" --mod scsi_debug true >/dev/null 2>&1 ||
			skip 'the guest has no scsi_debug that can be loaded (uml-build makes a kernel with it)'
	fi
	set -- --timeout 120 --share "$build" --share "${VDEVD%/*}"
	[ "$mods" ] || set -- "$@" --mod scsi_debug
	VDEVD_UML=$kernel "$here/uml-run" "$@" \
		"VDEVD='$VDEVD' '$(realpath "$build")/test/run-tests' hw_scsi" >got 2>&1 || fail "$(cat got)"
	tail -n 1 got
	grep -q ' 0 skipped' got || fail "$(cat got)"
}

# Both devices with disks under QEMU, in one guest with Debian's kernel: bytes there and back, and disks that grow, come and go.
case_disks_qemu() {
	need_scsi
	need_device blk
	need_qemu
	case $("$here/qemu-run" --check) in *cloud*) skip 'the kernel for clouds has not all drivers' ;; esac
	mkdir disks
	truncate -s 16M disks/blk disks/scsi disks/more
	vdevd_start blk --file="$PWD/disks/blk"
	blk_socket=$vdevd_socket blk_pid=$vdevd_pid
	vdevd_start scsi --lun=0:path="$PWD/disks/scsi" --folder="$PWD/disks" --control="$PWD/ctl"
	{
		until grep -q same.sda got 2>/dev/null; do sleep .05; done
		truncate -s 24M disks/blk disks/scsi
		"$VDEVD" ctl "$PWD/ctl" add "3:path=$PWD/disks/more"
		until grep -q grown got; do sleep .05; done
		"$VDEVD" ctl "$PWD/ctl" remove 3
	} >told 2>&1 &
	operator=$!
	status=0
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/qemu-run" --vu blk="$blk_socket" --vu scsi="$vdevd_socket" --mod virtio_blk --mod virtio_scsi --mod sd_mod --mod sg \
		--bin sg_inq --bin sg_unmap '
		until_is() { i=0; until eval "$1"; do i=$((i + 1)); [ $i -lt 300 ] || { echo "never: $1"; exit 1; }; usleep 100000; done; }
		until_is "[ -e /sys/block/sda ]"
		sg_inq /dev/sda
		head -c 4194304 /dev/urandom >/tmp/r
		for d in vda sda; do
			dd if=/tmp/r of=/dev/$d bs=64k oflag=direct 2>/dev/null
			dd if=/dev/$d bs=64k count=64 iflag=direct 2>/dev/null | cmp - /tmp/r && echo "same $d"
		done
		until_is "[ \$(cat /sys/block/vda/size) = 49152 ] && [ \$(cat /sys/block/sda/size) = 49152 ] && [ -e /sys/block/sdb ]"
		echo grown
		until_is "[ ! -e /sys/block/sdb ]"
		echo gone
		# The first command hears that there are other units now.
		until_is "sg_unmap --lba=0 --num=4096 --force /dev/sda"
		echo unmapped
	' >got 2>&1 || status=$?
	kill "$operator" 2>/dev/null || :
	wait "$operator" 2>/dev/null || :
	vdevd_stop
	vdevd_pid=$blk_pid vdevd_socket=$blk_socket
	vdevd_stop
	[ "$status" -eq 0 ] || fail "the guest failed: $(cat got)"
	got_has 'VDEVD' 'same vda' 'same sda' grown gone unmapped
	! cmp -n 4194304 disks/blk disks/scsi >/dev/null || fail 'what was unmapped is still there'
}
