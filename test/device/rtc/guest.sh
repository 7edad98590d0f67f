# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio_rtc driver under vdevd rtc: hwclock and rtcwake in the guest, clocks outside; guests that sleep.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# need_rtc - skip unless the guest, whose programs are this machine's, has the tools.
need_rtc() {
	need_device rtc
	need_uml
	command -v hwclock >/dev/null || lacking 'no hwclock (apt-get install util-linux-extra)'
	command -v rtcwake >/dev/null || lacking 'no rtcwake (apt-get install util-linux)'
}

# The guest's words: $rtc is the device that the driver has made of the clock.
# shellcheck disable=SC2016 # for the guest's shell
guest_rtc='
	for rtc in /sys/class/rtc/*; do
		grep -q "^virtio_rtc " "$rtc/name" && break
	done
	rtc=${rtc##*/}
	grep -q "^virtio_rtc " "/sys/class/rtc/$rtc/name" || { echo "no virtio_rtc"; exit 1; }
	seconds() { cat "/sys/class/rtc/$rtc/since_epoch"; }
'

# rtc_in COMMAND [OPTION]... - run COMMAND in a guest that has the device; stdout to $dir/got.
rtc_in() {
	command=$1
	shift
	"$here/uml-run" --vu rtc="$vdevd_socket" "$@" "set -e; $guest_rtc $command" >got || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# The host's time, in another one: hwclock reads what the host has, 30 days ago.
case_rtc_uml() {
	need_rtc
	vdevd_start rtc --offset=-30d
	before=$(date +%s)
	# shellcheck disable=SC2016 # for the guest's shell
	rtc_in 'date -u +%s -d "$(hwclock -r -u -f /dev/$rtc)"; seconds; cat /sys/class/ptp/*/clock_name'
	after=$(date +%s)
	for line in 1 2; do
		got=$(($(sed -n ${line}p got) + 30 * 86400))
		{ [ "$got" -ge "$before" ] && [ "$got" -le $((after + 1)) ]; } ||
			fail "the guest's time is $got, and not between $before and $after"
	done
	grep -qx 'Virtio PTP type 3/variant 0' got || fail "no clock of smeared UTC: $(cat got)"
	grep -qx 'Virtio PTP type 2/variant 0' got || fail "no monotonic clock: $(cat got)"
	vdevd_stop
}

# An alarm wakes who sleeps for it: when its time comes, and when the clock is stepped over it.
case_rtc_uml_alarm() {
	need_rtc
	command -v python3 >/dev/null || lacking 'no python3'
	vdevd_start rtc --backend=sim --control="$dir/control"
	# shellcheck disable=SC2016 # for the guest's shell
	rtc_in '
		begin=$(seconds)
		rtcwake -u -d $rtc -m on -s 2 >/dev/null
		end=$(seconds)
		[ $((end - begin)) -ge 2 ]
		[ $((end - begin)) -lt 30 ]
		echo asleep
		rtcwake -u -d $rtc -m on -s 3600 >/dev/null
		echo $(($(seconds) - end >= 3600))
	' &
	guest_pid=$!
	tries=0
	until grep -qx asleep got 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "no alarm in a minute: $(cat got)"
		kill -0 "$guest_pid" 2>/dev/null || break
		sleep 0.1
	done
	# Until the guest has set it.
	until "$here/control" "$dir/control" list | grep '^0 .* on$' >/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail 'the guest sets no alarm in a minute'
		sleep 0.1
	done
	"$here/control" "$dir/control" 'step 3700'
	wait "$guest_pid" || fail "the guest failed: $(cat got)"
	printf 'asleep\n1\n' | diff - got >&2 || fail 'the alarm did not follow the clock'
	vdevd_stop
}

# A guest that sleeps while its alarm expires: who watches is told, wakes it, and it knows the time; alarms go on.
case_rtc_uml_suspend() {
	need_rtc
	vdevd_start rtc --control="$dir/control"
	"$VDEVD" ctl "$dir/control" watch >told &
	# The guest's kernel writes its process id where TMPDIR is.
	export TMPDIR="$dir"
	# shellcheck disable=SC2016 # for the guest's shell
	rtc_in '
		grep -q mem /sys/power/state || { echo "this kernel cannot sleep"; exit 0; }
		rtcwake -u -d $rtc -m no -s 2 >/dev/null
		echo mem >/sys/power/state
		echo "awake $(date +%s) $(seconds) $(date -u +%s -d "$(hwclock -r -u -f /dev/$rtc)")"
		rtcwake -u -d $rtc -m on -s 1 >/dev/null
		echo "alarms go on"
		dmesg | grep -c "PM: suspend exit"
	' &
	guest_pid=$!
	tries=0
	until grep -q '^! alarm 0 ' told && grep -q . got 2>/dev/null; do
		# It sleeps, and is woken, again and again until it is awake: it may not sleep yet.
		! grep -q '^! alarm 0 ' told || kill -USR1 "$(cat "$dir"/uml-run.*/guest/pid)" 2>/dev/null || :
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "not awake in a minute: $(cat told got)"
		kill -0 "$guest_pid" 2>/dev/null || break
		sleep 0.1
	done
	wait "$guest_pid" || fail "the guest failed: $(cat told got)"
	! grep -qx 'this kernel cannot sleep' got || skip 'the guest kernel cannot sleep'
	now=$(date +%s)
	alarm=$(sed -n 's/^! alarm 0 \([0-9]*\)[0-9]\{9\}$/\1/p' told | head -n 1)
	times=$(sed -n 's/^awake //p' got)
	for time in $times; do
		{ [ "$time" -ge "$alarm" ] && [ "$time" -le "$now" ]; } ||
			fail "the guest's time is $time after an alarm at $alarm, at $now: $(cat got)"
	done
	[ "$(sed -n '1s/^awake \([0-9]* *\)\{3\}$/ok/p;2,3p' got | tr '\n' ' ')" = 'ok alarms go on 1 ' ] || fail "$(cat got)"
	vdevd_stop
}

# QEMU knows the device since 11.1, Linux since 6.16.  A guest that is suspended is woken as the one above, by QEMU.
case_rtc_qemu() {
	need_device rtc
	need_qemu
	"${VDEVD_QEMU:-qemu-system-x86_64}" -device help 2>&1 | grep '"vhost-user-rtc-pci"' >/dev/null ||
		skip 'this QEMU has no vhost-user-rtc-pci (QEMU 11.1)'
	case $("$here/qemu-run" --check) in
	*Linux\ [1-5].* | *Linux\ 6.[0-9][!0-9]* | *Linux\ 6.1[0-5]*) skip 'the guest kernel has no virtio_rtc (Linux 6.16)' ;;
	esac
	[ "${VDEVD_QEMU_KERNEL:-}" ] || need_qemu_drivers
	command -v python3 >/dev/null || lacking 'no python3'
	vdevd_start rtc --control="$dir/control"
	"$VDEVD" ctl "$dir/control" watch >told &
	python3 - "$dir/qmp" told >woken <<-'END' &
		import json, socket, sys, time

		def connect():
		    for _ in range(1200):
		        try:
		            qmp = socket.socket(socket.AF_UNIX)
		            qmp.connect(sys.argv[1])
		            return qmp
		        except OSError:
		            time.sleep(0.1)
		    sys.exit("no QEMU")

		qmp = connect().makefile("rw")

		def command(name):
		    qmp.write(json.dumps({"execute": name}) + "\n")
		    qmp.flush()

		command("qmp_capabilities")
		for line in qmp:
		    event = json.loads(line).get("event")
		    if event == "SUSPEND":
		        while "alarm 0 " not in open(sys.argv[2]).read():
		            time.sleep(0.1)
		        command("system_wakeup")
		    if event in ("SUSPEND", "WAKEUP"):
		        print(event, flush=True)
	END
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/qemu-run" --timeout 300 --qemu "-global ICH9-LPC.disable_s3=0 -qmp unix:$dir/qmp,server=on,wait=off" \
		--vu rtc="$vdevd_socket" --mod virtio_rtc --bin hwclock --bin rtcwake "set -e; $guest_rtc"'
		cat /sys/class/ptp/*/clock_name
		rtcwake -u -d $rtc -m no -s 5 >/dev/null
		echo deep >/sys/power/mem_sleep
		echo mem >/sys/power/state
		# Not the one of the shell, which is busybox.
		echo "awake $(seconds) $(/usr/bin/hwclock -r -u -f /dev/$rtc | cut -d. -f1)Z"
		rtcwake -u -d $rtc -m on -s 1 >/dev/null
		echo "alarms go on"' >got || fail "the guest failed: $(cat got told woken)"
	now=$(date +%s)
	printf 'SUSPEND\nWAKEUP\n' | diff - woken >&2 || fail 'it was not suspended and woken'
	grep -qx 'Virtio PTP type 3/variant 0' got || fail "no clock of smeared UTC: $(cat got)"
	grep -qx 'alarms go on' got || fail "$(cat got)"
	alarm=$(sed -n 's/^! alarm 0 \([0-9]*\)[0-9]\{9\}$/\1/p' told | head -n 1)
	since=$(sed -n 's/^awake \([0-9]*\) .*/\1/p' got)
	hwclock=$(date -u +%s -d "$(sed -n 's/^awake [0-9]* //p' got)")
	for time in "$since" "$hwclock"; do
		{ [ "$time" -ge "$alarm" ] && [ "$time" -le "$now" ]; } || fail "the guest's time is $time after an alarm at $alarm, at $now: $(cat got)"
	done
	vdevd_stop
}

# The driver lets go of the device and takes it again; then another guest.
case_rtc_uml_rebind() {
	need_rtc
	vdevd_start rtc --backend=sim
	# shellcheck disable=SC2016 # for the guest's shell
	rtc_in '
		cd /sys/bus/virtio/drivers/virtio_rtc
		for device in virtio*; do
			echo "$device" >unbind
			echo "$device" >bind
		done
		cd /
		'"$guest_rtc"'
		seconds
		rtcwake -u -d $rtc -m on -s 1 >/dev/null
	'
	grep -q '^9466' got || fail "not the simulated time: $(cat got)"
	rtc_in 'seconds'
	grep -q '^9466' got || fail "not the simulated time in the next guest: $(cat got)"
	vdevd_stop
}

# The other way round: vdevd in a guest, whose clock is set, and has a leap second.
case_rtc_uml_host() {
	need_rtc
	build=${VDEVD_BUILD:-$here/../../build}
	[ -x "$build/test/run-tests" ] || skip "no $build/test/run-tests (make check)"
	"$here/uml-run" --timeout 120 --share "$build" --share "${VDEVD%/*}" \
		"VDEVD='$VDEVD' VDEVD_TEST_SET_CLOCK=1 VDEVD_TEST_CASE=set\ clock '$(realpath "$build")/test/run-tests' rtc" >got 2>&1 || fail "$(cat got)"
	grep -q '^100%: Checks: [1-9]' got || fail "$(cat got)"
	grep -q ' 0 skipped' got || fail "$(cat got)"
}
