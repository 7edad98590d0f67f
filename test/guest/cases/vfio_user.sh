# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# vfio_user.sh - devices over vfio-user, as the kernel's drivers see them in QEMU: nobody tells QEMU what they are.  Wanted are QEMU
# 11.1 (VDEVD_QEMU) and a kernel with the drivers.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket, stream_at, guest_hwrng are of lib.sh

# need_vfio_user MODULE... - skip unless QEMU is a client of vfio-user, and the guest's kernel has these drivers.
need_vfio_user() {
	need_qemu
	"${VDEVD_QEMU:-qemu-system-x86_64}" -device help 2>/dev/null | grep '"vfio-user-pci"' >/dev/null ||
		skip 'this QEMU has no vfio-user-pci (11.1 has)'
	for module; do
		modules=${VDEVD_QEMU_KERNEL:-$here/../../build/guest-kernel}/lib/modules/
		find "$modules" -name "$module.ko*" | grep -q . || grep -q "/$module.ko" "$modules"/*/modules.builtin ||
			skip "the guest kernel has no $module (test/guest/qemu-run --fetch gets one that has)"
	done
}

# serve DEVICE [OPTION]... - as vdevd_start, over vfio-user.
serve() {
	vdevd_way=vfio-user
	vdevd_start "$@"
}

# in_guest OPTION... COMMAND - run it in a guest that has the device.
in_guest() {
	"$here/qemu-run" --timeout 280 --vfio-user "$vdevd_socket" "$@" >got || fail "the guest failed: $(tail -n 5 got)"
	vdevd_alive
}

# random_bytes [PARAMETER [OPTION]] - what a guest reads is what the source has; twice, with a reset between.
random_bytes() {
	need_device rng
	need_vfio_user
	stream_make source 512
	serve rng --source="$dir/source" ${2:+"$2"}
	# shellcheck disable=SC2016 # for the guest's shell
	in_guest --mod virtio_rng ${1:+--append "$1"} "$guest_hwrng
		hwrng_read 65536; hwrng_rebind; hwrng_read 65536"
	head -c 65536 got >first
	tail -c 65536 got >second
	stream_find source first 65536
	stream_find source second 65536
	vdevd_stop
}

case_vfio_user_rng() { random_bytes; }
case_vfio_user_rng_intx() { random_bytes pci=nomsi; }
case_vfio_user_rng_packed() { random_bytes '' --features=+ring_packed; }

case_vfio_user_blk() {
	need_device blk
	need_vfio_user virtio_blk
	head -c 4194304 /dev/urandom >disk
	md5sum <disk >before
	serve blk --file="$dir/disk"
	in_guest --mod virtio_blk 'md5sum </dev/vda; seq 1 100000 | head -c 65536 >w; dd if=w of=/dev/vda bs=4096 seek=100 conv=fsync 2>/dev/null'
	diff before got >&2 || fail 'the guest reads other bytes'
	vdevd_stop
	seq 1 100000 | head -c 65536 >wanted
	tail -c +$((100 * 4096 + 1)) disk | head -c 65536 | cmp - wanted || fail 'the guest has written other bytes'
}

case_vfio_user_fs() {
	need_device fs
	need_vfio_user virtiofs
	mkdir share
	stream_make share/file 1024
	serve fs --shared-dir="$dir/share" --tag=share
	in_guest --mod virtiofs 'mkdir /m && mount -t virtiofs share /m && md5sum </m/file && cp /m/file /m/copy && umount /m'
	md5sum <share/file | diff - got >&2 || fail 'the guest reads other bytes'
	cmp share/file share/copy || fail 'the copy differs'
	vdevd_stop
}

case_vfio_user_vsock() {
	need_device vsock
	need_vfio_user vmw_vsock_virtio_transport
	command -v socat >/dev/null || lacking 'no socat'
	stream_make source 1024
	serve vsock --backend=sim
	in_guest --mod vmw_vsock_virtio_transport --bin socat --file "$dir/source:/tmp/source" \
		'socat -t60 - VSOCK-CONNECT:2:7 </tmp/source | md5sum'
	md5sum <source | diff - got >&2 || fail 'other bytes came back'
	vdevd_stop
}

case_vfio_user_sound() {
	need_device sound
	need_vfio_user virtio_snd
	command -v aplay >/dev/null || lacking 'no aplay (apt-get install alsa-utils)'
	head -c 192000 /dev/urandom >sent
	serve sound --backend=wav --playback="$dir/heard.raw" --capture="$dir/sent"
	in_guest --mod virtio_snd --bin "$(command -v aplay)" --bin "$(command -v arecord)" \
		--file "$dir/sent:/sent" --file /usr/share/alsa:/usr/share/alsa '
		aplay -q -B 3000000 -D hw:0,0 -t raw -f S16_LE -c 2 -r 48000 /sent 2>/dev/null
		arecord -q -B 3000000 -D hw:0,0 -t raw -f S16_LE -c 2 -r 48000 -d 2 2>/dev/null | head -c 192000 | cmp - /sent && echo same'
	grep -qx same got || fail 'other bytes were recorded'
	vdevd_stop
	head -c 192000 heard.raw | cmp - sent || fail 'other bytes were played'
}
