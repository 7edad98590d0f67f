# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# rng.sh - the kernel's virtio_rng driver under vdevd rng: what a guest reads is what the source has, byte for byte.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket, stream_at come from lib.sh

mib=1048576

# The kernel may take random bytes for itself between a program's reads: a thread does while the quality is not 0,
# first when the driver finds the device.  It is told to stop (the parameter does from Linux 6.2 on, the file
# before), and what it takes before it hears of that is let by.
rng_append='rng_core.default_quality=0'

# The guest's side.  rng_read SIZE: that many bytes of the device.  rng_rebind: take the driver from the device and
# give it back, which resets the device.
# shellcheck disable=SC2016 # the guest's shell expands it
rng_guest='
set -e
rng_read() {
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		name=$(tr " " "\n" </sys/class/misc/hw_random/rng_available | grep virtio_rng) && break
		sleep 0.1
	done
	[ "$name" ] || { echo "the guest sees no virtio_rng" >&2; exit 1; }
	echo "$name" >/sys/class/misc/hw_random/rng_current
	if [ "$(cat /sys/class/misc/hw_random/rng_quality)" != 0 ]; then
		echo 0 >/sys/class/misc/hw_random/rng_quality
		sleep 0.3
		head -c 4096 /dev/hwrng >/dev/null
	fi
	head -c "$1" /dev/hwrng
}
rng_rebind() {
	for device in /sys/bus/virtio/drivers/virtio_rng/virtio*; do
		echo "${device##*/}" >/sys/bus/virtio/drivers/virtio_rng/unbind
		echo "${device##*/}" >/sys/bus/virtio/drivers/virtio_rng/bind
	done
}
'

# rng_in GUEST COMMAND [OPTION]... - run COMMAND in a guest (uml, qemu) that has the device; stdout to $dir/got.
rng_in() {
	guest=$1 command=$2
	shift 2
	[ "$guest" = uml ] || set -- --mod virtio_rng "$@"
	"$here/$guest-run" --append "$rng_append" --vu rng="$vdevd_socket" "$@" "$rng_guest$command" >got
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
	rng_in "$guest" "rng_read $mib"
	stream_find source got "$mib"
	vdevd_stop
}

# rng_advance PART SIZE - PART is of the source, after all that was read before: no guest is given the randomness
# another has had.  rng_end is where the last part ended.
rng_advance() {
	stream_find source "$1" "$2"
	[ "$stream_at" -ge "$rng_end" ] || fail "bytes from $stream_at on were given twice (up to $rng_end before)"
	rng_end=$((stream_at + $2))
}

# rng_again GUEST - two guests one after the other on the same vdevd, the driver bound twice in each; then a vdevd
# that is started anew on the same path serves a third.
rng_again() {
	need_device rng
	"need_$1"
	stream_make source 2048
	rng_end=0
	vdevd_start rng --source="$dir/source"
	for boot in 1 2; do
		rng_in "$1" 'rng_read 65536; rng_rebind; rng_read 65536'
		head -c 65536 got >part
		rng_advance part 65536
		tail -c +65537 got >part
		rng_advance part 65536
	done
	vdevd_stop
	vdevd_start rng --source="$dir/source"
	rng_in "$1" 'rng_read 65536'
	stream_find source got 65536
	vdevd_stop
}

case_rng_uml() { rng_mib uml; }
case_rng_uml_no_inband() { rng_mib uml --features=-inband_notifications; }
case_rng_uml_again() { rng_again uml; }
case_rng_qemu() { rng_mib qemu; }
case_rng_qemu_again() { rng_again qemu; }

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
		rng_read 65536
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
