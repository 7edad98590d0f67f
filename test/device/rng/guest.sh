# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio_rng driver under vdevd rng: what a guest reads is what the source has, byte for byte.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket, stream_at, guest_hwrng are of lib.sh

mib=1048576

# rng_in GUEST COMMAND [OPTION]... - run COMMAND in a guest (uml, qemu) that has the device; stdout to $dir/got.
rng_in() {
	guest=$1 command=$2
	shift 2
	[ "$guest" = uml ] || set -- --mod virtio_rng "$@"
	"$here/$guest-run" --vu rng="$vdevd_socket" "$@" "$guest_hwrng$command" >got
	vdevd_alive
}

# rng_mib GUEST [OPTION]... - a vdevd with these options serves a guest that reads 1 MiB.
rng_mib() {
	guest=$1
	shift
	need_device rng
	"need_$guest"
	stream_make source 2048
	vdevd_start rng --source="$dir/source" "$@"
	rng_in "$guest" "hwrng_read $mib"
	stream_find source got "$mib"
}

# rng_kick_fds - print how many eventfds vdevd has, as a UML guest sees them while it has the device.  Such a guest
# gives one for the kicks, unless kicks go in band.
rng_kick_fds() {
	rng_in uml "fd=\$(mktemp -d); mount -t hostfs none \$fd -o /proc/$vdevd_pid/fd; ls -l \$fd | grep -c eventfd || :"
	cat got
}

# rng_advance PART SIZE - PART is of the source, after all that was read before: no guest is given the randomness
# another has had.  rng_end is where the last part ended.
rng_advance() {
	stream_find source "$1" "$2"
	[ "$stream_at" -ge "$rng_end" ] || fail "bytes from $stream_at on were given twice (up to $rng_end before)"
	rng_end=$((stream_at + $2))
}

# rng_again GUEST - two guests one after the other on the same vdevd.
rng_again() {
	need_device rng
	"need_$1"
	stream_make source 2048
	rng_end=0
	vdevd_start rng --source="$dir/source"
	for boot in 1 2; do
		rng_in "$1" 'hwrng_read 65536'
		rng_advance got 65536
	done
	vdevd_stop
}

# rng_rebind GUEST - a guest whose driver lets go of the device and takes it again.
rng_rebind() {
	need_device rng
	"need_$1"
	stream_make source 2048
	rng_end=0
	vdevd_start rng --source="$dir/source"
	rng_in "$1" 'hwrng_read 65536; hwrng_rebind; hwrng_read 65536'
	head -c 65536 got >part
	rng_advance part 65536
	tail -c +65537 got >part
	rng_advance part 65536
	vdevd_stop
}

case_rng_uml_in_band() {
	rng_mib uml --features=+inband_notifications
	before=$(find "/proc/$vdevd_pid/fd" -lname '*eventfd*' | wc -l)
	[ "$(rng_kick_fds)" -eq "$before" ] || fail 'the guest does not kick in band'
	vdevd_stop
}

case_rng_uml() {
	rng_mib uml
	before=$(find "/proc/$vdevd_pid/fd" -lname '*eventfd*' | wc -l)
	[ "$(rng_kick_fds)" -eq $((before + 1)) ] || fail 'the guest does not kick by an eventfd'
	vdevd_stop
}

case_rng_uml_again() {
	rng_again uml
	# A vdevd that is started anew on the same path starts anew with its file.
	vdevd_start rng --source="$dir/source"
	rng_in uml 'hwrng_read 65536'
	stream_find source got 65536
	[ "$stream_at" -lt 65536 ] || fail "a new vdevd went on at $stream_at"
	vdevd_stop
}

# The guest is killed while it reads; the next one finds a device that works.
case_rng_uml_killed() {
	need_device rng
	need_uml
	vdevd_start rng
	status=0
	"$here/uml-run" --timeout 2 --vu rng="$vdevd_socket" 'cat /dev/hwrng >/dev/null' 2>/dev/null || status=$?
	[ "$status" -eq 124 ] || fail "the guest was not killed: status $status"
	rng_in uml 'hwrng_read 65536'
	[ "$(wc -c <got)" -eq 65536 ] || fail 'the next guest reads less'
	vdevd_stop
}

# Packed rings: the kernel's other half of its virtio_ring.c.
case_rng_uml_packed() {
	vdevd_more=--features=+ring_packed
	rng_again uml
	vdevd_start rng --source="$dir/source"
	rng_in uml "$(guest_packed 4)hwrng_rebind; hwrng_read 65536"
	stream_find source got 65536
	vdevd_stop
}

case_rng_qemu_packed() {
	need_device rng
	need_qemu
	stream_make source 2048
	vdevd_start rng --source="$dir/source" --features=+ring_packed
	"$here/qemu-run" --vu rng="$vdevd_socket",packed=on --mod virtio_rng \
		"$guest_hwrng$(guest_packed 4)hwrng_read $mib" >got
	stream_find source got "$mib"
	vdevd_stop
}

# Behind an IOMMU: the guest's driver maps each buffer for itself, QEMU is asked where it is, and takes it back afterwards.
case_rng_qemu_iommu() {
	need_device rng
	need_qemu
	stream_make source 2048
	vdevd_start rng --source="$dir/source" --features=+access_platform,+ring_packed --log-level=debug
	"$here/qemu-run" --vu rng="$vdevd_socket",iommu_platform=on,ats=on,packed=on --mod virtio_rng \
		--qemu '-device intel-iommu,device-iotlb=on' --append 'intel_iommu=on iommu.strict=1' \
		"$guest_hwrng$(guest_packed 4)hwrng_read 16384" >got
	stream_find source got 16384
	vdevd_stop
	[ "$(grep -c 'waits for the translation' vdevd.log)" -ge 256 ] || fail 'fewer misses than buffers'
}

case_rng_uml_rebind() { rng_rebind uml; }

case_rng_qemu() {
	rng_mib qemu
	vdevd_stop
}

case_rng_qemu_again() { rng_again qemu; }
case_rng_qemu_rebind() { rng_rebind qemu; }

# One QEMU whose guest boots three times: the same connection, the device reset by each new kernel.  The guest counts
# its boots on a disk.
case_rng_qemu_reboot() {
	need_device rng
	need_qemu
	stream_make source 2048
	rng_end=0
	vdevd_start rng --source="$dir/source"
	truncate -s 512 disk
	# shellcheck disable=SC2016 # for the guest's shell
	rng_in qemu '
		hwrng_read 65536
		boot=$(tr -d "\\000" </dev/vda)
		printf %s "${boot}x" | dd of=/dev/vda conv=sync,fsync 2>/dev/null
		[ "$boot" = xx ] || { sync; reboot -f; }
	' --reboot --mod virtio_blk --qemu "-drive if=virtio,format=raw,file=$dir/disk"
	[ "$(wc -c <got)" -eq $((3 * 65536)) ] || fail "$(wc -c <got) bytes from three boots"
	for boot in 0 1 2; do
		tail -c +$((boot * 65536 + 1)) got | head -c 65536 >part
		rng_advance part 65536
	done
	vdevd_stop
}
