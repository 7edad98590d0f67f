# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the virtio-media driver of a guest under vdevd media, with v4l-utils.
#
# The driver is not in Linux yet, and User-Mode Linux has no shared memory regions: VDEVD_UML names a kernel that has them, and
# VDEVD_MEDIA_KO the driver that was built for it (virtio-media.ko).  Without the two the cases are skipped.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

need_media() {
	need_device media
	need_uml
	[ "${VDEVD_MEDIA_KO:-}" ] || skip 'the virtio-media driver is not in Linux: VDEVD_MEDIA_KO=virtio-media.ko, built for the kernel of VDEVD_UML'
	command -v v4l2-ctl >/dev/null || lacking 'no v4l2-ctl (apt-get install v4l-utils)'
}

# media_in COMMAND - run COMMAND in a guest that has the device as $D, and media_second, if set, too; stdout to $dir/got.
media_in() {
	"$here/uml-run" --vu media="$vdevd_socket" ${media_second:+--vu media="$media_second"} --share "$(dirname "$VDEVD_MEDIA_KO")" --append seccomp=on --timeout 100 "
		insmod '$VDEVD_MEDIA_KO' driver_name=vivid
		nodes=\$(grep -l virtio-media /sys/class/video4linux/video*/name)
		D=/dev/\$(basename \$(dirname \$(echo \"\$nodes\" | head -n 1)))
		$1" >got 2>guest.log || {
		[ -z "${decoder:-}" ] || kill "$decoder"
		fail "the guest failed: $(tail -n 40 got guest.log)"
	}
	vdevd_alive
}

# V4L2's own tests find nothing wrong, with frames.  Formats whose names older tools do not know are left out.
case_media_uml() {
	need_media
	vdevd_start media --backend=pattern --formats=YUYV,YU12,RGB3,GREY
	# shellcheck disable=SC2016 # for the guest's shell
	media_in '
		v4l2-compliance -d $D -s | grep -v Frame
		v4l2-ctl -d $D -v width=1280,height=720,pixelformat=YU12 -p 60 --stream-mmap=4 --stream-count=60 --stream-to=/dev/null --verbose 2>&1 |
			grep "cap dqbuf"
	'
	grep -q '^Total .* Failed: 0, Warnings: 0' got || fail "$(grep -iE 'fail|warn|total' got)"
	[ "$(grep -c 'bytesused: 1382400' got)" -eq 60 ] || fail "$(grep -c 'bytesused: 1382400' got) frames of 60"
	vdevd_stop
}

# Frames have the bytes that were painted: in a picture that is black, only marks and text are not.
case_media_uml_picture() {
	need_media
	vdevd_start media --backend=pattern
	# shellcheck disable=SC2016 # for the guest's shell
	media_in '
		v4l2-ctl -d $D -c test_pattern=2,brightness=128 -v width=640,height=480,pixelformat=GREY --stream-mmap=3 --stream-count=5 \
			--stream-to=/tmp/frames
		wc -c </tmp/frames
		for i in 0 1 2 3 4; do dd if=/tmp/frames bs=307200 skip=$i count=1 2>/dev/null | tail -c +100000 | head -c 150000 | md5sum; done |
			sort -u | wc -l
		for i in 0 1 2 3 4; do dd if=/tmp/frames bs=307200 skip=$i count=1 2>/dev/null | md5sum; done | sort -u | wc -l
		dd if=/tmp/frames bs=1 skip=150000 count=1 2>/dev/null | od -An -tu1
	'
	tr -d ' ' <got >got.plain
	printf '%s\n' 1536000 1 5 16 | diff got.plain - || fail 'other pictures'
	vdevd_stop
}

# The codecs that are made up, one device each: V4L2's own tests find one thing wrong, which is the guest's (its kernel answers G_PARM of no
# type with EINVAL, whatever device it is, and they know no VDRL, so that they take neither for a stateful codec); and the encoder gives a picture for each it gets, packed.
# v4l2-ctl cannot decode here: it takes the driver's EPOLLERR, before CAPTURE streams, for a buffer that is done.
case_media_codec_uml() {
	need_media
	vdevd_start media --backend=sim --codec=encoder --formats=YU12,GREY
	media_second=$dir/decoder.sock
	"$VDEVD" media --backend=sim --formats=YU12,GREY --socket-path="$media_second" >>"$dir/vdevd.log" 2>&1 &
	decoder=$!
	until [ -S "$media_second" ]; do
		kill -0 $decoder || fail 'no decoder'
		sleep 0.02
	done
	# shellcheck disable=SC2016 # for the guest's shell
	media_in '
		for d in /dev/video*; do
			case $(v4l2-ctl -d $d -D | grep "Card type") in *encoder) E=$d ;; *decoder) D=$d ;; esac
		done
		head -c $((12 * 160 * 128)) /dev/zero >/tmp/raw
		v4l2-ctl -d $E -x width=160,height=128,pixelformat=GREY -v pixelformat=VDRL --stream-mmap=3 --stream-out-mmap=3 \
			--stream-from=/tmp/raw --stream-to=/tmp/coded >/dev/null 2>&1
		wc -c </tmp/coded
		v4l2-compliance -d $E | grep -E "fail|^Total"
		v4l2-compliance -d $D | grep -E "fail|^Total"
	'
	kill $decoder
	wait $decoder || fail 'the decoder ended badly'
	media_second=
	# A head of 16 bytes, and 160 runs of 128.
	grep -qx "$((12 * (16 + 2 * 160)))" got || fail "$(cat got)"
	[ "$(grep -c '^Total .* Failed: 1, Warnings: 0' got)" -eq 2 ] || fail "$(cat got)"
	[ "$(grep -c 'fail: .*node->is_m2m && !is_stateful_enc' got)" -eq 2 ] || fail "$(cat got)"
	vdevd_stop
}

# The other way round: vdevd in a guest that has vivid and vicodec, a camera and codecs of the kernel's.
case_media_vivid_uml() {
	need_device media
	need_uml
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	"$here/uml-run" --timeout 120 --share "$build" --share "${VDEVD%/*}" "
		video=\$(grep -l vivid-000-vid-cap /sys/class/video4linux/video*/name) || { echo none; exit 0; }
		node() { name=\$(grep -l \"\$1\" /sys/class/video4linux/video*/name) && echo /dev/\$(basename \"\$(dirname \"\$name\")\"); }
		VDEVD_TEST_ENCODER=\$(node stateful-encoder) && VDEVD_TEST_DECODER=\$(node stateful-decoder) && export VDEVD_TEST_ENCODER VDEVD_TEST_DECODER
		VDEVD_TEST_VIDEO=/dev/\$(basename \"\$(dirname \"\$video\")\") VDEVD='$VDEVD' VDEVD_TEST_DEPTH=few CK_FORK=yes \\
			'$(realpath "$build")/test/run-tests' hw_media
	" >got 2>&1 || fail "$(cat got)"
	! grep -qx none got || skip 'the guest kernel has no vivid'
	grep -q '^100%: Checks: [1-9]' got || fail "$(cat got)"
}
