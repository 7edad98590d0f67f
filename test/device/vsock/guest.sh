# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtio transport of AF_VSOCK under vdevd vsock: socat in the guest, socat and python on the host.
#
# VDEVD_VSOCK_MIB is how much a long stream carries, in MiB; without it 64, and 16 under QEMU, which takes its time.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

mib=

# vsock_start GUEST [OPTION]... - a vdevd for this kind of guest, or a skip; and what both sides run.
vsock_start() {
	vsock_guest=$1
	shift
	need_device vsock
	"need_$vsock_guest"
	case $vsock_guest in
	uml) mib=${VDEVD_VSOCK_MIB:-64} ;;
	qemu) mib=${VDEVD_VSOCK_MIB:-16} ;;
	esac
	command -v socat >/dev/null || lacking 'no socat'
	command -v python3 >/dev/null || lacking 'no python3'
	host_pids=
	# Also where the case fails.
	trap 'status=$?; set +e; kill $host_pids 2>/dev/null; (exit $status); tidy' EXIT
	mkdir both
	stream_make both/source 1024
	# data MIB: that much, and what it sums up to.
	# shellcheck disable=SC2016 # for the shell that runs it
	echo 'i=$1; while [ "$i" -gt 0 ]; do cat "${0%/*}/source"; i=$((i - 1)); done' >both/data
	data_sum="$(sh both/data "$mib" | md5sum)"
	# It says MIB while it listens, and then what sum it heard.
	cat >duplex.py <<-'END'
		import hashlib, socket, sys, threading
		path, source, mib = sys.argv[1:]
		s = socket.socket(socket.AF_UNIX)
		s.bind(path)
		s.listen()
		c, _ = s.accept()
		def talk():
		    data = open(source, 'rb').read()
		    for i in range(int(mib)): c.sendall(data)
		    c.shutdown(socket.SHUT_WR)
		t = threading.Thread(target=talk)
		t.start()
		heard = hashlib.md5()
		while d := c.recv(1 << 16): heard.update(d)
		t.join()
		print(heard.hexdigest(), ' -')
	END
	vdevd_start vsock --uds-path="$dir/v" "$@"
}

# vsock_in COMMAND - run COMMAND in the guest, which has $dir/both as /tmp/both; stdout to $dir/got.
vsock_in() {
	case $vsock_guest in
	uml) set -- --mem 512M --share "$dir" "set -e; cp -r $dir/both /tmp/; $1" ;;
	qemu) set -- --mod vmw_vsock_virtio_transport --bin socat --file "$dir/both:/tmp/both" "set -e; $1" ;;
	esac
	"$here/$vsock_guest-run" --timeout "$((120 + mib))" --vu vsock="${vsock_socket:-$vdevd_socket}" "$@" >got 2>errors ||
		fail "the guest failed: $(cat got errors)"
	vdevd_alive
}

# on_host PORT ADDRESS [SOCAT-OPTION]... - what the guest finds at a port of the host: socat's ADDRESS.
on_host() {
	port=$1 address=$2
	shift 2
	socat "$@" "UNIX-LISTEN:$dir/v_$port,fork,backlog=64" "$address" 2>>host.log &
	host_pids="$host_pids $!"
	tries=0
	while [ ! -S "v_$port" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail "socat made no socket in 5 s"
		sleep 0.01
	done
}

vsock_stop() {
	# shellcheck disable=SC2086 # a list
	[ -z "$host_pids" ] || kill $host_pids 2>/dev/null || :
	vdevd_stop
}

# got_is LINE... - fail unless the guest said this.
got_is() {
	printf '%s\n' "$@" >wanted
	diff wanted got >&2 || fail "not what was to be said; host: $(cat host.log); guest: $(cat errors)"
}

# file_is FILE LINE - the same of what a program of the host wrote, which may come a little later.
file_is() {
	tries=0
	while [ "$(cat "$1" 2>/dev/null)" != "$2" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail "$1 has '$(cat "$1")', not '$2'"
		sleep 0.01
	done
}

# Long streams one way, the other, and both at once; where a side has said all, it closes its half and listens on.
vsock_streams() {
	vsock_start "$1"
	on_host 1 "EXEC:sh $dir/both/data $mib" -U
	on_host 2 "SYSTEM:md5sum >$dir/sum2" -u
	on_host 3 'EXEC:md5sum' -t60
	python3 duplex.py "$dir/v_4" both/source "$mib" >sum4 2>&1 &
	host_pids="$host_pids $!"
	vsock_in "
		socat -u VSOCK-CONNECT:2:1 - | md5sum
		sh /tmp/both/data $mib | socat -u - VSOCK-CONNECT:2:2
		sh /tmp/both/data $mib | socat -t60 - VSOCK-CONNECT:2:3
		sh /tmp/both/data $mib | socat -t60 - VSOCK-CONNECT:2:4 | md5sum"
	got_is "$data_sum" "$data_sum" "$data_sum"
	file_is sum2 "$data_sum"
	file_is sum4 "$data_sum"
	vsock_stop
}

# An archive through a stream; many connections at once; a port where nobody listens, at once.
vsock_connections() {
	vsock_start "$1"
	on_host 1 "SYSTEM:cd $dir && tar xf - && touch unpacked" -u
	on_host 2 'EXEC:cat' -t60
	mkdir -p both/some/tree
	head -c 300000 both/source >both/some/tree/file
	vsock_in "
		cd /tmp/both
		ln -s tree some/link
		tar cf - some | socat -u - VSOCK-CONNECT:2:1
		head -c 50000 source >short
		for i in \$(seq 64); do
			socat -t60 - VSOCK-CONNECT:2:2 <short | md5sum >/tmp/sum.\$i &
		done
		wait
		cat /tmp/sum.* | sort -u
		ls /tmp/sum.* | wc -l
		for i in \$(seq 20); do
			! socat - VSOCK-CONNECT:2:99 </dev/null 2>/tmp/why || echo connected
			grep -o 'Connection reset by peer' /tmp/why
		done | sort | uniq -c | tr -s ' '"
	got_is "$(head -c 50000 both/source | md5sum)" 64 ' 20 Connection reset by peer'
	tries=0
	while [ ! -e unpacked ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail 'the archive has no end'
		sleep 0.01
	done
	diff -r some/tree both/some/tree >&2 || fail 'the archive has something else'
	[ "$(readlink some/link)" = tree ] || fail 'the archive has no link'
	vsock_stop
}

# A program of the host connects to the guest's, says much and reads the answer.
vsock_from_host() {
	vsock_start "$1"
	cat >ask.py <<-'END'
		import socket, sys, time
		path, source = sys.argv[1:]
		for i in range(2400):
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(path)
		    s.sendall(b'CONNECT 7\n')
		    line = s.recv(32)
		    if line: break
		    s.close()
		    time.sleep(0.05)
		assert line.startswith(b'OK '), line
		for i in range(16): s.sendall(open(source, 'rb').read())
		s.shutdown(socket.SHUT_WR)
		print(s.makefile().read(), end='')
	END
	python3 ask.py "$dir/v" both/source >answer 2>&1 &
	host_pids="$host_pids $!"
	vsock_in 'socat -t60 VSOCK-LISTEN:7 EXEC:md5sum'
	file_is answer "$(sh both/data 16 | md5sum)"
	vsock_stop
}

# The host's program is killed while it talks, and while it listens: the guest's ends, and the next connection is good.
vsock_killed_peer() {
	vsock_start "$1"
	# shellcheck disable=SC2016 # for the host's shell
	on_host 1 'SYSTEM:head -c 1000000 /dev/zero; kill -9 $PPID'
	# shellcheck disable=SC2016
	on_host 2 'SYSTEM:head -c 1000000 >/dev/null; kill -9 $PPID'
	on_host 3 'EXEC:md5sum' -t60
	# shellcheck disable=SC2016 # for the guest's shell
	vsock_in '
		socat -u VSOCK-CONNECT:2:1 - 2>/dev/null | head -c 100000000 | wc -c >/tmp/some || :
		[ "$(cat /tmp/some)" -lt 100000000 ]
		! socat -u OPEN:/dev/zero VSOCK-CONNECT:2:2 2>/tmp/why
		grep -qE "Broken pipe|Connection reset by peer|not connected" /tmp/why
		head -c 1000 /tmp/both/source | socat -t60 - VSOCK-CONNECT:2:3'
	got_is "$(head -c 1000 both/source | md5sum)"
	vsock_stop
}

# vdevd itself is killed: the guest's connections end, and the guest lives.  Neither UML nor QEMU calls another vdevd then; a
# relay between them does: vsock_restarted.
vsock_killed() {
	vsock_start "$1"
	# shellcheck disable=SC2016 # for the host's shell
	on_host 1 "SYSTEM:head -c 1000000 >/dev/null; kill -9 $vdevd_pid"
	vsock_pid=$vdevd_pid
	vdevd_alive() { :; }
	vsock_in "(socat -u OPEN:/dev/zero VSOCK-CONNECT:2:1 2>/dev/null || echo ended) & sleep 2; echo alive"
	# UML takes the device from its guest; QEMU tells it nothing.
	case $vsock_guest in
	uml) got_is ended alive ;;
	qemu) got_is alive ;;
	esac
	! kill -0 "$vsock_pid" 2>/dev/null || fail 'vdevd lives'
	vdevd_pid=
	# shellcheck disable=SC2086 # a list
	kill $host_pids
	# Another one serves another guest on the same path.
	vdevd_start vsock --backend=sim
	vsock_in 'echo again | socat -t60 - VSOCK-CONNECT:2:7'
	got_is again
	host_pids=
	vsock_stop
}

# vdevd is killed in the middle of a stream and another one takes its place, behind a relay: that connection ends, the guest keeps
# its device, and new connections are good.
vsock_restarted() {
	vsock_start "$1"
	on_host 1 "SYSTEM:head -c 1000000 >/dev/null; kill -9 $vdevd_pid"
	on_host 2 'EXEC:md5sum' -t60
	vsock_socket=$dir/relay.sock
	"$VDEVD" relay --socket-path="$vsock_socket" --to="$vdevd_socket" 2>>vdevd.log &
	host_pids="$host_pids $!"
	while [ ! -S "$vsock_socket" ]; do sleep 0.01; done
	(
		vdevd_alive() { :; }
		vsock_in "
			socat -u OPEN:/dev/zero VSOCK-CONNECT:2:1 2>/dev/null || echo ended
			sh /tmp/both/data 16 | socat -t60 - VSOCK-CONNECT:2:2"
	) &
	vsock_guest_pid=$!
	wait "$vdevd_pid" || :
	vdevd_start vsock --uds-path="$dir/v"
	wait "$vsock_guest_pid" || fail "the guest failed: $(cat got errors vdevd.log)"
	got_is ended "$(sh both/data 16 | md5sum)"
	vsock_stop
}

case_vsock_uml_restarted() { vsock_restarted uml; }
case_vsock_qemu_restarted() { vsock_restarted qemu; }
case_vsock_uml_streams() { vsock_streams uml; }
case_vsock_qemu_streams() { vsock_streams qemu; }
case_vsock_uml_connections() { vsock_connections uml; }
case_vsock_qemu_connections() { vsock_connections qemu; }
case_vsock_uml_from_host() { vsock_from_host uml; }
case_vsock_qemu_from_host() { vsock_from_host qemu; }
case_vsock_uml_killed_peer() { vsock_killed_peer uml; }
case_vsock_qemu_killed_peer() { vsock_killed_peer qemu; }
case_vsock_uml_killed() { vsock_killed uml; }
case_vsock_qemu_killed() { vsock_killed qemu; }

case_vsock_qemu_packed() {
	need_device vsock
	need_qemu
	command -v socat >/dev/null || lacking 'no socat'
	vdevd_start vsock --backend=sim --features=+ring_packed
	stream_make source 1024
	"$here/qemu-run" --vu vsock="$vdevd_socket",packed=on --mod vmw_vsock_virtio_transport --bin socat \
		--file "$dir/source:/tmp/source" "
		set -e; $(guest_packed 19)
		socat -t60 - VSOCK-CONNECT:2:7 </tmp/source | md5sum" >got
	[ "$(cat got)" = "$(md5sum <source)" ] || fail "not what was said: $(cat got)"
	vdevd_stop
}

# Messages, back as they went there; the guest's python is this machine's.
case_vsock_uml_messages() {
	vsock_start uml
	cat >echo.py <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.bind(sys.argv[1] + '_1')
		s.listen()
		c, _ = s.accept()
		c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
		while m := c.recv(1 << 20): c.send(m)
	END
	cat >both/guest.py <<-'END'
		import os, socket
		s = socket.socket(socket.AF_VSOCK, socket.SOCK_SEQPACKET)
		s.connect((2, 1))
		for n in 1, 2, 4096, 65536, 65537, 200000, 262144, 3:
		    m = os.urandom(n)
		    s.send(m)
		    assert s.recv(1 << 20) == m, n
		for i in range(200): s.send(b'%d' % i)
		for i in range(200): assert s.recv(100) == b'%d' % i, i
		s.shutdown(socket.SHUT_WR)
		assert s.recv(1) == b''
		print('all came back')
	END
	python3 echo.py "$dir/v" 2>host.log &
	host_pids="$host_pids $!"
	while [ ! -S v_1 ]; do sleep 0.01; done
	vsock_in 'python3 /tmp/both/guest.py'
	got_is 'all came back'
	vsock_stop
}

# Two guests reach each other.
case_vsock_uml_group() {
	vsock_start uml --guest-cid=4 --group="$dir"
	"$VDEVD" vsock --socket-path="$dir/other.sock" --guest-cid=5 --group="$dir" 2>>vdevd.log &
	host_pids="$host_pids $!"
	while [ ! -S other.sock ]; do sleep 0.01; done
	"$here/uml-run" --vu vsock="$dir/other.sock" 'socat -t60 VSOCK-LISTEN:7 EXEC:md5sum' 2>>host.log &
	# shellcheck disable=SC2016 # for the guest's shell
	vsock_in '
		sh /tmp/both/data 16 >/tmp/data
		for i in $(seq 300); do
			! socat -t60 - VSOCK-CONNECT:5:7 </tmp/data 2>/tmp/why || break
			sleep 0.1
		done'
	got_is "$(sh both/data 16 | md5sum)"
	vsock_stop
}

# The device suite's cases of forwarding (--forward-cid, --forward-listen), in a guest that has AF_VSOCK sockets which
# reach itself.
case_vsock_uml_forward() {
	need_device vsock
	need_uml
	tests=${VDEVD_BUILD:-$here/../../build}/test/run-tests
	[ -x "$tests" ] || skip "no $tests (make check makes it)"
	"$here/uml-run" --timeout 250 "VDEVD=$VDEVD VDEVD_TEST_CASE=forwarded $tests vsock 2>&1 | grep -aE ':[EF]:|passed,'" >got
	grep -q '^[1-9][0-9]* passed, 0 failed, 0 skipped$' got || fail "$(cat got)"
}
