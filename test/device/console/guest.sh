# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio_console driver under vdevd console: its log, logins through every kind of other side, and ports
# with many bytes.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# need_console - skip unless this machine has what the cases are made of.
need_console() {
	need_device console
	command -v python3 >/dev/null || lacking 'no python3'
	command -v socat >/dev/null || lacking 'no socat (apt-get install socat)'
	person=$here/../device/console/person
	mib=10
	[ "${VDEVD_TEST_DEPTH:-}" != all ] || mib=100
	# Of this process's own: cases may run beside each other.
	tcp=127.77.$(($$ / 256 % 256)).$(($$ % 256)):12345
}

# said_soon FILE LINE - wait until a program has written the line.
said_soon() {
	tries=0
	until grep -qx "$2" "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "no '$2' in a minute: $(cat "$1")"
		sleep 0.1
	done
}

# The guest's words: consoles N gives a login at each of N consoles, and returns when they are over; port_of NAME prints its device.
# shellcheck disable=SC2016 # for the guest's shell
guest_console='
	set -e
	hash=\$6\$vdevd1\$kFoVfUqHCak1a2.idTORHPMF/lyTl2ourcZZry/cwckZ0cKrbEFzE7SVyJ6v7nsTcnygDm5qAhkG9kHFUrMGm.
	user() {
		echo "root:x:0:0:root:/:/bin/sh" >/tmp/passwd
		echo "root:$hash:20000::::::" >/tmp/shadow
		for file in passwd shadow; do
			[ -e /etc/$file ] || : >/etc/$file
			mount --bind /tmp/$file /etc/$file
		done
	}
	# The kernel says something at its console.
	kernel_says() {
		until grep -q ^hvc0 /proc/consoles; do sleep 0.05; done
		echo "<1>that is all" >/dev/kmsg
	}
	consoles() {
		user
		kernel_says
		logins=
		i=0
		while [ $i -lt $1 ]; do
			busybox getty -L 115200 hvc$i vt100 &
			logins="$logins $!"
			i=$((i + 1))
		done
		for login in $logins; do
			wait $login || :
		done
	}
	port_of() {
		for port in /sys/class/virtio-ports/*; do
			[ "$(cat $port/name 2>/dev/null)" != "$1" ] || echo /dev/${port##*/}
		done
	}
	# echo_port DEVICE: what is written to it comes back.
	echo_port() (
		exec 3<>"$1"
		echo "$1 and more" >&3
		read -r line <&3
		[ "$line" = "$1 and more" ]
		echo "echo ok"
	)
	# data_port DEVICE FILE BYTES: so many of it both ways, at the same time.
	data_port() (
		exec 3<>"$1"
		head -c $3 <&3 | sha256sum >/tmp/sum & reader=$!
		head -c $3 "$2" >&3
		wait $reader
		echo "data $(cut -d" " -f1 /tmp/sum)"
	)
	all_ports() {
		pids=
		for port in /sys/class/virtio-ports/*; do
			case $(cat $port/name 2>/dev/null) in
			echo*) echo_port /dev/${port##*/} & pids="$pids $!" ;;
			esac
		done
		data_port $(port_of data) "$1" "$2" & pids="$pids $!"
		for pid in $pids; do wait $pid; done
	}
'

# console_begin CONSOLE... - a vdevd with these consoles, a port "data" on a socket, and echoing ports up to 31.
console_begin() {
	for i in $(seq $#); do
		set -- "$@" "--console=$1"
		shift
	done
	set -- "$@" "--port=data=unix:$dir/data"
	for i in $(seq $(($# + 1)) 31); do set -- "$@" "--port=echo$i=sim:echo"; done
	vdevd_start console "$@" --control="$dir/control"
}

# data_begin - the other side of the port "data": socat gives it to_guest, and has from_guest of it.
data_begin() {
	bytes=$((mib << 20))
	head -c "$bytes" /dev/urandom >to_guest
	socat "UNIX-CONNECT:$dir/data" "SYSTEM:cat '$dir/to_guest' & head -c $bytes >'$dir/from_guest'; wait" &
	socat_pid=$!
}

# data_end - what has come is the file of the guest, and the guest got ours.
data_end() {
	wait "$socat_pid" || fail 'socat failed'
	cmp "$1" from_guest || fail 'not the bytes of the guest'
	grep -qx "data $(sha256sum <to_guest | cut -d' ' -f1)" got || fail "not our bytes: $(cat got)"
}

# got_ports - all of them have echoed.
got_ports() {
	[ "$(grep -cx 'echo ok' got)" -eq "$1" ] || fail "not $1 ports: $(cat got)"
}

# log_check FILE - the kernel's log, which has come to a console, is that of the guest (got), without a gap from the first line
# on.  Linux has that line when its driver has set the console up: what it said before is not told there.
log_check() {
	python3 - "$1" got <<-'END'
		import re, sys

		def lines(name):
		    with open(name, errors="replace") as f:
		        return [re.sub(r"^\[ *[0-9.]*\] ", "", line.rstrip("\r\n")) for line in f]

		log, ring = lines(sys.argv[1]), lines(sys.argv[2])
		if len(log) < 20:
		    sys.exit(f"only {len(log)} lines")
		for at in [i for i, line in enumerate(ring) if line == log[0]]:
		    if ring[at : at + len(log)] == log:
		        sys.exit(0)
		sys.exit(f"not what dmesg shows, from {log[0]!r} on: {log}")
	END
}

# The last console= is that of /dev/console, which must be there when the guest begins: the driver makes its ports later.
#
# One boot with everything: the kernel's log on a terminal, logins through six kinds of other side, and 31 ports at once.
case_console_uml() {
	need_console
	need_uml
	"$person" login "$dir" stdio tty there pty unix "tcp:$tcp" >seen 2>&1 &
	person_pid=$!
	said_soon seen made
	head -c $((mib << 20)) /dev/urandom >of_guest
	# The terminal is standard input and output of this vdevd.
	printf '%s\n' '#!/bin/sh' "exec '$VDEVD' \"\$@\" <'$dir/stdio' >'$dir/stdio'" >on-terminal
	chmod +x on-terminal
	VDEVD=$dir/on-terminal
	console_begin stdio "tty:$dir/line,9600n8" "unix-connect:$dir/there" "pty:$dir/pty" "unix:$dir/con" "tcp:$tcp"
	data_begin
	"$here/uml-run" --timeout 200 --share "$dir" --append 'console=hvc0 console=tty0 ignore_loglevel' --vu console="$vdevd_socket" "$guest_console
		consoles 6 >/dev/null 2>&1 & logins=\$!
		all_ports '$dir/of_guest' $((mib << 20))
		wait \$logins" >got || fail "the guest failed: $(cat got seen)"
	wait "$person_pid" || fail "not all was seen: $(cat seen)"
	printf '%s\n' made 'stdio log' 'stdio login' 'stdio ctrl-c' 'stdio stty size' 'tty login' 'tty ctrl-c' \
		'there login' 'there ctrl-c' 'pty login' 'pty ctrl-c' 'unix login' 'unix ctrl-c' 'tcp login' 'tcp ctrl-c' | diff - seen >&2 ||
		fail 'not all was seen'
	got_ports 24
	data_end of_guest
	vdevd_alive
	vdevd_stop
}

# The log of a boot through each kind of other side, of a driver that knows of no ports: that has the console at once.
case_console_uml_log() {
	need_console
	need_uml
	for side in pty unix "tcp:$tcp" there tty file; do
		person_pid=
		if [ "$side" != file ]; then
			"$person" log "$dir" "$side" >seen 2>&1 &
			person_pid=$!
			said_soon seen made
		fi
		case $side in
		pty) console=pty:$dir/pty ;;
		unix) console=unix:$dir/con ;;
		there) console=unix-connect:$dir/there ;;
		tty) console=tty:$dir/line,115200n8 ;;
		file) console=file:$dir/log ;;
		*) console=$side ;;
		esac
		vdevd_start console --console="$console" --port=null --size=132x50 --features=-multiport
		"$here/uml-run" --append 'console=hvc0 console=tty0 ignore_loglevel' --vu console="$vdevd_socket" "$guest_console
			kernel_says; dmesg
			# The driver sets it behind the console's back.
			for turn in \$(seq 100); do [ \"\$(stty size </dev/hvc0)\" = '0 0' ] || break; sleep 0.1; done
			stty size </dev/hvc0" >got || fail "the guest failed: $side"
		[ ! "$person_pid" ] || wait "$person_pid" || fail "no log: $(cat seen)"
		vdevd_stop
		[ "$(tail -n 1 got)" = '50 132' ] || fail "not the size: $(tail -n 1 got)"
		log_check log || fail "$side: not the log"
		rm -f log
	done
}

# QEMU knows the device only as one of any kind, which Debian's 11.1 has.
case_console_qemu() {
	need_console
	need_qemu
	"${VDEVD_QEMU:-qemu-system-x86_64}" -device help 2>&1 | grep vhost-user-test-device-pci >/dev/null ||
		skip 'this QEMU has no vhost-user-test-device-pci (QEMU 11.1)'
	"$person" login "$dir" "tcp:$tcp" pty >seen 2>&1 &
	person_pid=$!
	said_soon seen made
	head -c $((mib << 20)) /dev/urandom >of_guest
	console_begin "tcp:$tcp" "pty:$dir/pty"
	data_begin
	"$here/qemu-run" --timeout 200 --append ' console=hvc0 console=ttyS0' --file "$dir/of_guest:/of_guest" --mem 768M \
		--vu "vhost-user-test-device-pci=$vdevd_socket,virtio-id=3,num_vqs=64,vq_size=128,config_size=12" "$guest_console
		consoles 2 >/dev/null 2>&1 & logins=\$!
		all_ports /of_guest $((mib << 20))
		wait \$logins" >got || fail "the guest failed: $(cat got seen)"
	wait "$person_pid" || fail "not all was seen: $(cat seen)"
	printf '%s\n' made 'tcp log' 'tcp login' 'tcp ctrl-c' 'tcp stty size' 'pty login' 'pty ctrl-c' | diff - seen >&2 ||
		fail 'not all was seen'
	got_ports 28
	data_end of_guest
	vdevd_stop
}
