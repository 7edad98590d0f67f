#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# run.sh - vdevd run: a file of devices, held sockets, restarts, a file that changes, the end; vdevd status.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

# wrong TEXT PATTERN: a file of this line is a wrong call, told by a line like that.
wrong()
{
	printf '%s\n' "$1" >wrong
	refuses "file: $1" 2 "^vdevd run: wrong:1: $2" "$VDEVD" run --check --socket-dir=d wrong
}
wrong ': rng' 'a name is wanted before the colon$'
wrong 'a:' 'a device is wanted behind the colon$'
wrong 'a relai: rng' 'relai: relay, or restart= with a number'
wrong 'a restart=x: rng' 'restart=x: relay, or restart= '
wrong '../a: rng' '\.\./a: a name of 1 to 40 letters'
wrong 'rng "--max-bytes=1' 'a " is missing$'
wrong 'rng --fd=3' "--fd=3: the socket is run's; --socket-path=PATH is wanted$"
wrong 'rng --socket-mode=999' '--socket-mode=999: not a mode'
wrong 'a relay: rng --connect=x' '--connect goes without --socket-path and relay$'
wrong "rng --socket-path=$(printf %0120d 0)" "0*: a socket's path of 1 to "
printf 'rng\nrng\n' >twice
refuses 'a name twice' 2 '^vdevd run: twice:2: rng: line 1 has this name; another one is wanted' "$VDEVD" run --check twice
printf 'rng --socket-path=x\nb: rng --socket-path x\n' >twice
refuses 'a socket twice' 2 '^vdevd run: twice:2: x: line 1 has this socket$' "$VDEVD" run --check twice
printf '\0rng\n' >zero
refuses 'a zero byte first' 2 '^vdevd run: zero:1: longer than .*, or with a zero byte in it$' "$VDEVD" run --check zero
printf '# nothing\n\n' >empty
refuses 'no device' 2 '^vdevd run: empty: no device in it' "$VDEVD" run --check empty
refuses 'no file' 1 '^vdevd run: error: none: No such file' "$VDEVD" run --check none
refuses 'no file said' 2 '^vdevd run: one file is wanted' "$VDEVD" run
refuses 'no control socket' 1 '^vdevd status: error: none: No such file' "$VDEVD" status none
printf 'rng\nb: rng --max-bytes=x\n' >options
"$VDEVD" run --check options >out 2>err
expect "a device's options are looked at" test $? = 2
expect 'the line is told' grep -q '^vdevd run: options:2: b: ' err
expect 'and what is wrong' grep -q '^vdevd rng: --max-bytes=x: not a number' err
echo flux >options
"$VDEVD" run --check options >out 2>err
expect 'an unknown device' grep -q '^vdevd: flux: no such device or command' err

# until TEXT COMMAND...: ok when the command succeeds within 20 s.
until_ok()
{
	wanted=$1
	shift
	for _ in $(seq 400); do
		"$@" >/dev/null 2>&1 && break
		sleep 0.05
	done
	expect "$wanted" "$@"
}
row() { "$VDEVD" status d/run.ctl | awk -v name="$1" '$1 == name'; }
# is NAME COLUMN VALUE: of its row.
is() { [ "$(row "$1" | awk -v n="$2" '{ print $n }')" = "$3" ]; }
pid_of() { row "$1" | awk '{ print $4 }'; }
healthy() { "$VDEVD" ctl d/run.ctl health; }

cat >file <<'END'
# three devices, one of them twice
rng --max-bytes=4096
second: rng \
	--socket-path="a socket" --socket-mode=0600
kept relay restart=3: rng
ends restart=2: rng --source=/nonexistent
END
expect 'the file is as it should be' "$VDEVD" run --check --socket-dir=d file
expect 'and nothing was made' test ! -e d
if unshare -rm mount -t tmpfs -o ro none /dev 2>/dev/null; then
	# shellcheck disable=SC2016 # the inner shell's
	expect 'it is where there is no /dev/null' \
		unshare -rm sh -c 'mount -t tmpfs -o ro none /dev && "$VDEVD" run --check --socket-dir=d file'
else
	echo 'skip no /dev/null: no namespaces here'
fi
"$VDEVD" run --socket-dir=d file 2>log &
run=$!
until_ok 'one cannot start, and is given up' is ends 3 failed
expect 'the log says so' grep -q '^vdevd run: error: ends: exit status 1; it is given up$' log
expect 'it was tried three times' test "$(grep -c '^vdevd rng: error: --source=/nonexistent' log)" = 3
ready() { "$VDEVD" ctl d/run.ctl health 2>/dev/null | grep -qx "ready $1"; }
gone() { ! row "$1" | grep -q .; }
until_ok 'the others are ready' ready '3 of 4'
for socket in d/rng.sock 'a socket' d/kept.sock; do
	expect "$socket serves" "$VDEVD" probe --socket-path="$socket" --id=rng -q --timeout=20000
done
expect 'its mode is as said' test "$(stat -c %a 'a socket')" = 600

# What is killed comes back; its socket was there all the time.
old=$(pid_of second)
inode=$(stat -c %i 'a socket')
kill -KILL "$old"
"$VDEVD" probe --socket-path='a socket' --id=rng -q --timeout=20000 >probed 2>&1
expect 'who comes meanwhile waits and is served' test $? = 0
until_ok 'it is ready again' is second 3 ready
expect 'it is another process' test "$(pid_of second)" != "$old"
expect 'on the same socket' test "$(stat -c %i 'a socket')" = "$inode"
expect 'how it ended is shown' is second 8 'signal_9_(Killed)'

# Behind a relay the front-end does not notice.
"$VDEVD" probe --socket-path=d/kept.sock --id=rng --bench --requests=40000 --timeout=20000 >bench 2>&1 &
bench=$!
until_ok 'a front-end is there' is kept 5 yes
kill -KILL "$(pid_of kept)"
wait $bench
expect 'all requests are answered' test $? = 0
until_ok 'it is ready, too' is kept 3 ready

# Stopped and started.
expect 'stop' "$VDEVD" ctl d/run.ctl stop second
until_ok 'it is stopped' is second 3 stopped
expect 'its socket stays' test -S 'a socket'
expect 'start' "$VDEVD" ctl d/run.ctl start second
until_ok 'and is ready' is second 3 ready
refuses 'no such device' 1 "^vdevd ctl: error: 'third': no device of this name" "$VDEVD" ctl d/run.ctl stop third

# The file changes: what differs alone.
rng=$(pid_of rng) second=$(pid_of second)
printf 'rng --max-bytes=8192\nsecond: rng --socket-path="a socket" --socket-mode=0600\nnew: rng\n' >file
kill -HUP $run
until_ok 'a new one is there' is new 3 ready
until_ok 'what is gone is gone' gone kept
until_ok 'and so is what could not start' gone ends
another() { is "$1" 3 ready && ! is "$1" 4 "$2"; }
until_ok 'what has changed is another process' another rng "$rng"
expect 'what has not is the same' is second 4 "$second"
expect 'a socket that is gone' test ! -e d/kept.sock -a ! -e d/kept.back
echo 'a: rng "' >file
kill -HUP $run
until_ok 'a wrong file is told' grep -q '^vdevd run: file:1: a " is missing$' log
echo 'rng --max-bytes=x' >file
kill -HUP $run
until_ok 'a wrong option, too' grep -q '^vdevd run: file:1: rng: the line above says what is wrong$' log
expect 'and nothing has changed' ready '3 of 3'

# The end.  While it goes on nothing is started, which nobody would end.
second=$(pid_of second)
expect 'stop, before the end' "$VDEVD" ctl d/run.ctl stop new
until_ok 'it is stopped, too' is new 3 stopped
kill -STOP "$second"
kill $run
until_ok 'the end has begun' is rng 3 stopped
refuses 'no start any more' 1 '^vdevd ctl: error: .*vdevd run is about to end$' "$VDEVD" ctl d/run.ctl start new
refuses 'and no other file' 1 '^vdevd ctl: error: .*vdevd run is about to end$' "$VDEVD" ctl d/run.ctl reload
kill -CONT "$second"
wait $run
expect 'it ends well' test $? = 0
expect 'with all devices' sh -c "! kill -0 $second 2>/dev/null"
expect 'and leaves no socket' test -z "$(ls d)" -a ! -e 'a socket'

# What is waited for at the beginning may go before it is there: those behind it are started.
printf 'bad restart=1000: rng --source=/nonexistent\nrng\n' >file
"$VDEVD" run --socket-dir=d file 2>log &
run=$!
until_ok 'the first one waits' is bad 3 waits
expect 'the second for the first' is rng 3 stopped
printf 'rng\nlate: rng -slate --max-bytes=8\n' >file
kill -HUP $run
until_ok 'the first is gone' gone bad
until_ok 'and the others serve' ready '2 of 2'
expect 'one on a socket given in short' test -S late
sleep 11
expect 'nobody is waited for any more' ready '2 of 2'
kill $run
wait $run
expect 'it ends well again' test $? = 0

# Who ends without a word takes the devices along.
echo rng >file
"$VDEVD" run --socket-dir=d file 2>log &
run=$!
until_ok 'once more' healthy
rng=$(pid_of rng)
kill -KILL $run
wait $run 2>/dev/null
# Where nobody takes in orphans it stays as a zombie.
ended() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.*Z' "/proc/$1/status"; }
until_ok 'the device ends with its parent' ended "$rng"
exit $status
