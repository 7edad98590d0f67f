# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio_snd driver under vdevd sound: aplay, arecord, amixer, alsactl and speaker-test in the guest,
# files and a simulated card outside; and vdevd itself in a guest, on the kernel's own cards of no hardware.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# need_sound - skip unless the guest, whose programs are this machine's, has the tools.
need_sound() {
	need_device sound
	need_uml
	command -v aplay >/dev/null || lacking 'no aplay (apt-get install alsa-utils)'
}

# sound_in COMMAND [OPTION]... - run COMMAND in a guest that has the device, as card $card; stdout to $dir/got.
sound_in() {
	command=$1
	shift
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/uml-run" --share "$dir" --timeout 180 --vu sound="$vdevd_socket" "$@" '
		set -e
		card=$(awk "/virtio-snd/{print \$1; exit}" /proc/asound/cards)
		[ -n "$card" ] || { echo "no virtio-snd"; exit 1; }
		'"$command" >got 2>err || fail "the guest failed: $(cat got err)"
	vdevd_alive
}

# played_is FILE SKIP - fail unless what was played is what was meant, behind SKIP bytes: aplay fills up the last period.
played_is() {
	tail -c "+$(($2 + 1))" "$1" | cmp -n "$(stat -c %s sent)" - sent >&2 || fail "$1: other bytes were played"
}

# files RANGE EXTENSION - --playback of a file for each.
files() {
	for n in $1; do
		printf -- ' --playback=%s/%s.%s' "$dir" "$n" "$2"
	done
}

# Every format, to the bit, both ways: eight streams in each of three guests.
case_sound_uml_formats() {
	need_sound
	head -c 240000 /dev/urandom >sent
	set -- S8 U8 S16_LE U16_LE S18_3LE U18_3LE S20_3LE U20_3LE S24_3LE U24_3LE S20_LE U20_LE S24_LE U24_LE S32_LE U32_LE FLOAT_LE \
		FLOAT64_LE MU_LAW A_LAW DSD_U8 DSD_U16_LE DSD_U32_LE IEC958_SUBFRAME_LE
	while [ $# -gt 0 ]; do
		chunk="$1 $2 $3 $4 $5 $6 $7 $8"
		shift 8
		# shellcheck disable=SC2046 # options
		vdevd_start sound --backend=wav --pace=free $(files '0 1 2 3 4 5 6 7' raw) --capture="$dir/sent"
		# shellcheck disable=SC2016 # for the guest's shell
		sound_in '
			n=0
			for format in '"$chunk"'; do
				aplay -q -D hw:$card,$n -t raw -f $format -c 2 -r 48000 '"$dir"'/sent 2>/dev/null
				timeout 90 arecord -q -B 3000000 -D hw:$card,0 -t raw -f $format -c 2 -r 192000 -d 5 2>/dev/null | head -c 240000 | cmp - '"$dir"'/sent
				echo $format
				n=$((n + 1))
			done
		'
		vdevd_stop
		# shellcheck disable=SC2086 # a list
		printf '%s\n' $chunk | diff - got >&2 || fail 'not every format was played and recorded'
		for n in 0 1 2 3 4 5 6 7; do
			played_is "$n.raw" 0
		done
		rm -f ./*.raw
	done
}

# Several rates and numbers of channels, into WAVE files.
case_sound_uml_rates() {
	need_sound
	head -c 768000 /dev/urandom >sent
	# shellcheck disable=SC2046 # options
	vdevd_start sound --backend=wav --pace=free $(files '0 1 2 3 4 5 6 7' wav)
	# shellcheck disable=SC2016 # for the guest's shell
	sound_in '
		n=0
		for what in 5512:1 8000:1 11025:2 22050:4 44100:2 96000:2 176400:6 192000:8; do
			aplay -q -D hw:$card,$n -t raw -f S16_LE -c ${what#*:} -r ${what%:*} '"$dir"'/sent 2>/dev/null
			n=$((n + 1))
		done
	'
	vdevd_stop
	n=0
	for what in 5512:1 8000:1 11025:2 22050:4 44100:2 96000:2 176400:6 192000:8; do
		# The header: its channels and rate, and that it fits the file.
		# shellcheck disable=SC2046 # words
		set -- $(od -An -j22 -N2 -tu2 $n.wav) $(od -An -j24 -N4 -tu4 $n.wav) $(od -An -j40 -N4 -tu4 $n.wav) "$(stat -c %s $n.wav)"
		[ "$2:$1" = "$what" ] || fail "$n.wav: $2 Hz and $1 channels, and not $what"
		[ $(($3 + 44)) -eq "$4" ] || fail "$n.wav: its header says $3 bytes, and it has $4 with that"
		played_is $n.wav 44
		n=$((n + 1))
	done
}

# Two streams at once at the pace of time, one of them held and let go on; then another guest, after one that died in
# mid-play.
case_sound_uml_life() {
	need_sound
	head -c 384000 /dev/urandom >sent
	vdevd_start sound --backend=wav --playback="$dir/a.raw" --playback="$dir/b.raw" --capture="$dir/sent" --control="$dir/control"
	"$here/uml-run" --share "$dir" --vu sound="$vdevd_socket" "
		card=\$(awk '/virtio-snd/{print \$1; exit}' /proc/asound/cards)
		aplay -q -D hw:\$card,0 -t raw -f S16_LE -c 2 -r 48000 /dev/zero & wait
	" >/dev/null 2>&1 &
	guest_pid=$!
	tries=0
	until "$here/control" "$dir/control" streams | grep '^0 .* running .* bytes [1-9][0-9][0-9][0-9][0-9]' >/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail 'nothing is played in a minute'
		sleep 0.1
	done
	kill "$guest_pid"
	wait "$guest_pid" || :
	# shellcheck disable=SC2016 # for the guest's shell
	sound_in '
		aplay -q -D hw:$card,0 -t raw -f S24_3LE -c 2 -r 48000 '"$dir"'/sent &
		(while sleep .6; do printf " "; done) |
			script -qec "aplay -i -q -D hw:$card,1 -t raw -f S16_LE -c 2 -r 48000 '"$dir"'/sent" /tmp/typescript >/dev/null &
		timeout 90 arecord -q -B 3000000 -D hw:$card,0 -t raw -f S16_LE -c 2 -r 48000 -d 2 2>/dev/null | head -c 384000 | cmp - '"$dir"'/sent
		wait
		speaker-test -D hw:$card,0 -c 2 -F S16_LE -r 48000 -t sine -l 1 -p 200000 >/dev/null
		echo ended
	'
	# What a space held for a moment was let go on by the next.
	grep -qx ended got || fail "$(cat got err)"
	vdevd_stop
	played_is b.raw 0
}

# The simulated card's elements with the tools that people use: values, names of items, a scale, changes from outside.
case_sound_uml_controls() {
	need_sound
	vdevd_start sound --backend=sim --pace=real --control="$dir/control"
	# shellcheck disable=SC2016 # for the guest's shell
	sound_in '
		amixer -c $card contents
		amixer -q -c $card sset Master 40,60 mute
		amixer -c $card sget Master
		amixer -q -c $card cset "name=Capture Source" Line
		amixer -c $card cset "name=Coefficients" 1,2,3,4
		alsactl -f /tmp/state store $card
		amixer -q -c $card sset Master 1
		alsactl -U -I -f /tmp/state restore $card
		amixer -c $card contents
		grep . /proc/asound/card$card/id
		timeout 90 stdbuf -oL alsactl monitor hw:$card >/tmp/changes &
		monitor=$!
		echo listens >&2
		until grep -q "Mic Capture Volume" /tmp/changes; do sleep .1; done
		kill $monitor
		amixer -c $card cget "name=Mic Capture Volume"
	' &
	guest=$!
	# The guest listens soon: a change is made again and again, each another one.
	level=-50
	while kill -0 "$guest" 2>/dev/null; do
		sleep 0.2
		grep -q listens err 2>/dev/null || continue
		"$here/control" "$dir/control" "control 3 $level" >/dev/null || :
		level=$((level < 19 ? level + 1 : -50))
	done
	wait "$guest" || fail "$(cat got err)"
	grep -q "name='Master Playback Volume'" got || fail "no volume: $(cat got)"
	grep -q 'dBscale-min=-50.00dB,step=0.50dB,mute=0' got || fail "no scale: $(cat got)"
	grep -q 'Front Left: Playback 40 \[40%\] \[-30.00dB\] \[off\]' got || fail "not 40: $(cat got)"
	grep -q "Item #1 'Line'" got || fail "no items: $(cat got)"
	sed '1,/Front Left: Playback 40/d' got | grep -q 'values=40,60' || fail "not restored: $(cat got)"
	grep -q 'values=0x01,0x02,0x03,0x04' got || fail "no bytes: $(cat got)"
	vdevd_stop
}

# The driver of Debian's kernel, on a PCI device of QEMU's.
case_sound_qemu() {
	need_device sound
	need_qemu
	find "${VDEVD_QEMU_KERNEL:-$here/../../build/guest-kernel}" -name 'virtio_snd.ko*' 2>/dev/null | grep . >/dev/null ||
		skip 'the guest kernel has no virtio_snd (that of bookworm-backports has; VDEVD_QEMU_KERNEL names another)'
	command -v aplay >/dev/null || lacking 'no aplay (apt-get install alsa-utils)'
	"${VDEVD_QEMU:-qemu-system-x86_64}" -device help 2>/dev/null | grep '"vhost-user-snd-pci"' >/dev/null ||
		skip 'this QEMU has no vhost-user-snd-pci (10.0 has)'
	head -c 192000 /dev/urandom >sent
	vdevd_start sound --backend=wav --playback="$dir/heard.raw" --capture="$dir/sent"
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/qemu-run" --vu vhost-user-snd-pci="$vdevd_socket" --mod virtio_snd --bin "$(command -v aplay)" --bin "$(command -v arecord)" \
		--file "$dir/sent:/sent" --file /usr/share/alsa:/usr/share/alsa '
		cat /proc/asound/cards
		aplay -q -B 3000000 -D hw:0,0 -t raw -f S16_LE -c 2 -r 48000 /sent 2>/dev/null
		arecord -q -B 3000000 -D hw:0,0 -t raw -f S16_LE -c 2 -r 48000 -d 2 2>/dev/null | head -c 192000 | cmp - /sent && echo same
	' >got || fail "the guest failed: $(cat got)"
	vdevd_alive
	grep -q virtio-snd got || fail "no virtio-snd: $(cat got)"
	grep -qx same got || fail 'other bytes were recorded'
	vdevd_stop
	played_is heard.raw 0
}

# The other way round: vdevd in a guest that has cards of no hardware, one of which records what is played on it.
case_sound_aloop_uml() {
	need_sound
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	"$build/test/run-tests" --list | grep -qx hw_sound || skip 'a build without alsa-lib'
	for one in loop pauses 'runs empty' refuses mixer jacks steady unplugged; do
		echo "VDEVD='$VDEVD' VDEVD_TEST_CASE='$one' CK_FORK=yes '$(realpath "$build")/test/run-tests' hw_sound || exit 1"
	done >tests
	"$here/uml-run" --timeout 200 --share "$build" --share "${VDEVD%/*}" "$(cat tests)" >got 2>&1 || fail "$(cat got)"
	[ "$(grep -c '^100%: Checks: [1-9]' got)" -eq 8 ] || fail "$(cat got)"
}
