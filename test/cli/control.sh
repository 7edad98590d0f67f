#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# control.sh - --control and vdevd ctl: commands to a running device.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

# until_true COMMAND...: waits, at most 10 s, until the command succeeds.
until_true()
{
	for _ in $(seq 500); do
		"$@" && return 0
		sleep 0.02
	done
	return 1
}

# answers TEXT WORD...: whether the command's answer is this.
answers()
{
	text=$1
	shift
	[ "$("$VDEVD" ctl c "$@")" = "$text" ]
}

ctl()
{
	"$VDEVD" ctl "$@"
}

umask 027
"$VDEVD" rng -s s --control=c &
pid=$!
expect 'there is a control socket' until_true test -S s -a -S c
expect 'with the mode that the umask leaves' test "$(stat -c %a c)" = 750
expect 'the log level is shown' answers info log-level
expect 'and set' answers '' log-level debug
expect 'indeed' answers debug log-level
refuses 'an unknown level' 1 "^vdevd ctl: error: 'loud': error, warn, info or debug is wanted" ctl c log-level loud
refuses 'an unknown command' 1 "^vdevd ctl: error: 'what': no such command; help lists them" ctl c what
refuses 'a word that is none' 2 "^vdevd ctl: 'a b': a word without blanks" ctl c 'a b'
refuses 'no command' 2 '^vdevd ctl: the path of a control socket and a command' ctl c
refuses 'a socket that is not there' 1 '^vdevd ctl: error: none: No such file' ctl none help
refuses 'an empty path' 2 "^vdevd ctl: '': a path" ctl '' help
refuses 'a file that is not open' 2 '^vdevd ctl: --fd=77: the number of an open file' ctl --fd=77 c help
expect 'descriptors that nobody wants do no harm' ctl --fd=0 --fd=1 c log-level info
refuses 'a socket that is in use' 1 '^vdevd rng: error: --control=c: .*in use' "$VDEVD" rng -s t --control=c
refuses 'a path too long' 2 '^vdevd rng: --control=.*: a path of 1 to 107 bytes' "$VDEVD" rng -s t --control="$(seq -s x 99)"
expect 'no socket of a start that failed' test ! -e t

# What was served is counted, and front-ends come and go.
ctl c stat >before
"$VDEVD" probe --socket-path=s --id=rng --bench --requests=1000 >/dev/null
ctl c stat >after
expect 'nothing was served at first' grep -qx 'queue.0.requests 0' before
# shellcheck disable=SC2016 # awk's
expect 'requests are counted' awk '$1 == "queue.0.requests" { n = $2 } END { exit n < 100 }' after
# shellcheck disable=SC2016 # awk's
expect 'with how long each took' awk '
	$1 == "queue.0.requests" { n = $2 }
	$1 ~ /^queue\.0\.latency\./ { sum += $2 }
	END { exit !(sum && sum == n) }' after
# shellcheck disable=SC2016 # the inner shell's
expect 'the same in JSON' sh -c '"$VDEVD" ctl c stat json | python3 -c "
import json, sys
stat = json.load(sys.stdin)
queue = stat[\"queues\"][0]
assert queue[\"requests\"] >= 100 and sum(queue[\"latency\"].values()) == queue[\"requests\"] and stat[\"front-ends\"] >= 1
"'

# What watch shows comes as it happens.
"$VDEVD" gpio -s g --backend=sim --sim-names=LAMP --control=gc &
gpio=$!
until_true test -S g
: >seen
"$VDEVD" ctl gc watch >>seen &
watcher=$!
# shellcheck disable=SC2016 # the inner shell's
until_true sh -c '"$VDEVD" ctl gc set LAMP 1 0; grep -q "^! 0 LAMP unused 1" seen'
expect 'watch shows what happens' grep -q '^! 0 LAMP unused 0' seen
"$VDEVD" ctl gc quit
expect 'and ends with the device' wait "$watcher"
wait "$gpio"

expect 'quit is answered' answers '' quit
wait "$pid"
expect 'and ends it well' test $? = 0
expect 'and both sockets are gone' test ! -e s -a ! -e c

# Each instance has its own.
ln -s "$VDEVD" vhost-device-rng
./vhost-device-rng -s m -c 2 --control=n &
pid=$!
until_true test -S m0 -a -S m1
expect 'each instance has a socket of its own' ctl n1 quit
expect 'and ends alone' until_true test ! -e n1 -a ! -e m1 -a -S n0 -a -S m0
ctl n0 quit
expect 'the last one ends it all' wait "$pid"

"$VDEVD" relay -s r --to=nobody --control=rc &
pid=$!
until_true test -S r
expect 'a relay has one, too' test "$("$VDEVD" ctl rc health | head -n 2)" = "front-end none
back-end none"
expect 'and ends by it' ctl rc quit
wait "$pid"
refuses 'its path is looked at' 2 '^vdevd relay: --control=: a path' "$VDEVD" relay -s r --to=t --control=

# A vdevd that is there and does not answer.
"$VDEVD" rng -s s --control=c &
pid=$!
until_true test -S s
kill -s STOP "$pid"
refuses 'nobody waits for ever' 1 '^vdevd ctl: error: c: no answer within 1 seconds' ctl --timeout=1 c help
kill -s CONT "$pid"
ctl c quit
wait "$pid"

exit $status
