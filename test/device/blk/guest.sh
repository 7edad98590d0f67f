# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio_blk driver under vdevd blk: file systems, checksums under load, discards and a disk that grows.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

need_blk() {
	need_device blk
	need_uml
	command -v mke2fs >/dev/null || lacking 'no mke2fs (apt-get install e2fsprogs)'
	command -v fio >/dev/null || lacking 'no fio (apt-get install fio)'
}

# blk_in COMMAND - run COMMAND in a guest that has the disk as /dev/vda; stdout to $dir/got.
blk_in() {
	"$here/uml-run" --vu blk="$vdevd_socket" "set -e; $1" >got 2>&1 || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# blocks FILE - print the blocks of 512 bytes that a sparse file takes.
blocks() { stat -c %b "$1"; }

# What the guest is told; a file system that it makes is whole on the host, with the file that is in it.
case_blk_uml() {
	need_blk
	truncate -s 64M disk
	vdevd_start blk --file="$PWD/disk" --serial=vdevd-0123 --num-queues=2
	blk_in '
		cat /sys/block/vda/size /sys/block/vda/serial; echo
		cat /sys/block/vda/queue/write_cache /sys/block/vda/queue/logical_block_size
		cat /sys/block/vda/queue/physical_block_size
		mke2fs -q -t ext4 /dev/vda
		head -c 3000000 /dev/urandom >/tmp/file
		debugfs -w -R "write /tmp/file file" /dev/vda >/dev/null 2>&1
		e2fsck -fn /dev/vda >/dev/null 2>&1 && echo clean
		md5sum </tmp/file
	'
	head -n 5 got >told
	printf '%s\n' 131072 vdevd-0123 'write back' 512 4096 | diff - told || fail 'the guest was told something else'
	grep -q clean got || fail "e2fsck: $(cat got)"
	e2fsck -fn disk >/dev/null 2>&1 || fail 'the file system is not whole on the host'
	debugfs -R 'dump file copy' disk >/dev/null 2>&1
	grep -q "$(md5sum <copy)" got || fail 'not the file that was written'
	vdevd_stop
}

# Random writes with checksums, many at once, by each way to the host's files.
case_blk_uml_verify() {
	need_blk
	for way in '--cache=writeback' '--cache=none' '--aio=threads'; do
		truncate -s 32M disk
		vdevd_start blk --file="$PWD/disk" "$way" --num-queues=2
		blk_in '
			fio --name=v --filename=/dev/vda --direct=1 --ioengine=libaio --iodepth=32 --rw=randwrite \
				--bsrange=512-64k --blockalign=512 --io_size=24M --verify=crc32c --verify_fatal=1 \
				--do_verify=1 --randrepeat=0 --fsync=64 --minimal >/tmp/out || { cat /tmp/out; exit 1; }
			fio --name=s --filename=/dev/vda --direct=1 --rw=write --bs=1M --verify=md5 --verify_fatal=1 \
				--minimal >/tmp/out || { cat /tmp/out; exit 1; }
			echo verified
		'
		grep -q verified got || fail "$way: $(cat got)"
		vdevd_stop
	done
}

# What the guest throws away takes no room on the host, and reads as zeros where it was zeroed.
case_blk_uml_discard() {
	need_blk
	truncate -s 16M disk
	vdevd_start blk --file="$PWD/disk"
	blk_in '
		dd if=/dev/urandom of=/dev/vda bs=1M count=16 oflag=direct 2>/dev/null
		sync
	'
	[ "$(blocks disk)" -ge 32768 ] || fail 'the disk is sparse, and should not be'
	blk_in '
		blkdiscard --offset 1M --length 8M /dev/vda
		blkdiscard --zeroout --offset 10M --length 4M /dev/vda
		dd if=/dev/vda bs=1M skip=10 count=4 iflag=direct 2>/dev/null | tr -d "\0" | wc -c
	'
	[ "$(cat got)" = 0 ] || fail "not zeros: $(cat got)"
	[ "$(blocks disk)" -le 16384 ] || fail "the disk still takes $(blocks disk) blocks"
	vdevd_stop
}

# A disk that grows while it is used; and one that is not to be written.
case_blk_uml_resize() {
	need_blk
	truncate -s 16M disk
	vdevd_start blk --file="$PWD/disk"
	{
		until grep -q begun got 2>/dev/null; do sleep .05; done
		truncate -s 24M disk
	} &
	grower=$!
	# shellcheck disable=SC2016 # for the guest's shell
	blk_in '
		cat /sys/block/vda/size; echo begun
		for i in $(seq 200); do
			[ "$(cat /sys/block/vda/size)" = 49152 ] && break
			sleep .05
		done
		cat /sys/block/vda/size
		dd if=/dev/zero of=/dev/vda bs=1M seek=23 count=1 oflag=direct 2>/dev/null && echo written
	'
	wait "$grower"
	printf '%s\n' 32768 begun 49152 written | diff - got || fail 'the guest did not see the disk grow'
	vdevd_stop
	vdevd_start blk --file="$PWD/disk" --read-only
	blk_in '
		cat /sys/block/vda/ro
		dd if=/dev/zero of=/dev/vda bs=512 count=1 oflag=direct 2>/dev/null && echo written || echo refused
	'
	printf '%s\n' 1 refused | diff - got || fail 'a read-only disk was written'
	vdevd_stop
}

# cut_once - for the guest's shell: files are written, some of them to be kept; the host is asked for a power cut in the midst of
# that, after which the disk fails; the disk goes, comes back, and has what was to be kept.
# shellcheck disable=SC2016 # the guest's shell expands it
cut_once='
disk() { for d in /sys/block/vd*; do echo "/dev/${d##*/}"; done; }
cut_once() {
	mount -t ext4 "$(disk)" /tmp/m
	(while :; do dd if=/dev/urandom of=/tmp/m/junk$((RANDOM % 8)) bs=4k count=$((RANDOM % 64)) 2>/dev/null || exit 0; done) &
	junk=$!
	for i in 1 2 3; do
		dd if=/dev/urandom of=/tmp/m/kept$i bs=1k count=$((RANDOM % 200 + 1)) conv=fsync 2>/dev/null
		md5sum </tmp/m/kept$i >/tmp/sum$i
	done
	echo "cut $1"
	until [ -e "$share/done$1" ]; do sleep .02; done
	kill $junk; wait $junk 2>/dev/null || :
	echo "$device" >/sys/bus/virtio/drivers/virtio_blk/unbind
	umount /tmp/m 2>/dev/null || :
	echo "back $1"
	until [ -e "$share/well$1" ]; do sleep .02; done
	echo "$device" >/sys/bus/virtio/drivers/virtio_blk/bind
	until [ -b "$(disk)" ]; do sleep .02; done
	e2fsck -fp "$(disk)" >/tmp/fsck 2>&1 || [ $? -eq 1 ] || { cat /tmp/fsck; exit 1; }
	mount -t ext4 "$(disk)" /tmp/m
	for i in 1 2 3; do md5sum </tmp/m/kept$i | cmp - /tmp/sum$i || { echo "kept$i is lost"; exit 1; }; done
	umount /tmp/m
}
'

# ext4 survives power cuts: what was flushed is there, and the file system needs no repair but its journal.  VDEVD_CUTS is how
# many, VDEVD_CUTS_FIRST the first one's seed: so many can be shared out.
case_blk_uml_cuts() {
	need_blk
	ext4=
	for kernel in "${VDEVD_UML:-$here/../../build/uml/linux}"*; do
		VDEVD_UML=$kernel "$here/uml-run" 'grep -qw ext4 /proc/filesystems' >/dev/null 2>&1 && ext4=$kernel && break
	done
	[ "$ext4" ] || skip 'the guest has no ext4 (uml-build makes a kernel with it)'
	# A case has five minutes; `check-guest --run` has no limit.
	first=${VDEVD_CUTS_FIRST:-1} cuts=${VDEVD_CUTS:-6}
	[ "${VDEVD_TEST_DEPTH:-}" != all ] || cuts=${VDEVD_CUTS:-100}
	last=$((first + cuts - 1))
	vdevd_start blk --backend=sim --sim-size=32M --control="$PWD/ctl"
	mkdir share
	{
		n=$first
		while [ "$n" -le "$last" ]; do
			until grep -q "^cut $n\$" got 2>/dev/null; do sleep .02; done
			"$VDEVD" ctl "$PWD/ctl" power off
			"$VDEVD" ctl "$PWD/ctl" cut "$n"
			touch share/done"$n"
			until grep -q "^back $n\$" got; do sleep .02; done
			"$VDEVD" ctl "$PWD/ctl" power on
			touch share/well"$n"
			n=$((n + 1))
		done
	} >told 2>&1 &
	operator=$!
	status=0
	VDEVD_UML=$ext4 "$here/uml-run" --timeout $((60 + cuts * 20)) --share "$PWD/share" --vu blk="$vdevd_socket" "bash -c '
		set -e
		share=$PWD/share device=\$(basename /sys/bus/virtio/drivers/virtio_blk/virtio*)
		$cut_once
		mkdir /tmp/m
		mke2fs -q -t ext4 /dev/vda
		for n in \$(seq $first $last); do cut_once \$n; done
		echo survived
	'" >got 2>&1 || status=$?
	kill "$operator" 2>/dev/null || :
	wait "$operator" 2>/dev/null || :
	[ "$status" -eq 0 ] || fail "after a power cut: $(tail -n 20 got)"
	grep -q survived got || fail "$(tail -n 20 got)"
	awk '/^kept/ { all++; lost += $2 < $4 } END { print all " cuts, " lost " with writes lost"; exit !lost }' told ||
		fail "no cut has lost a write: $(cat told)"
	vdevd_stop
}
