#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# probe.sh - the built `vdevd probe` against the built `vdevd rng`: every row holds, people and programs can read it.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

"$VDEVD" probe --help >help
expect 'probe --help fits a screen' test "$(wc -l <help)" -le 24 -a "$(wc -L <help)" -le 80
refuses 'no socket' 2 '^vdevd probe: --socket-path=PATH is needed' "$VDEVD" probe
refuses 'no request' 2 '^vdevd probe: --send=xy: hexadecimal digits' "$VDEVD" probe --socket-path=s --send=xy
refuses 'half a byte' 2 '^vdevd probe: --send=123: two digits' "$VDEVD" probe --socket-path=s --send=123
refuses 'a request for programs' 2 '^vdevd probe: --send goes without --json' "$VDEVD" probe --socket-path=s --json --send=00
refuses 'two things at once' 2 '^vdevd probe: --table goes alone' "$VDEVD" probe --socket-path=s --table --json
refuses 'nothing to measure' 2 '^vdevd probe: --bench needs --id=DEVICE' "$VDEVD" probe --socket-path=s --bench
refuses 'nobody there' 1 '^vdevd probe: error: --socket-path=s: No such file' "$VDEVD" probe --socket-path=s

# built DEVICE: whether it is.
built()
{
	case " $VDEVD_DEVICES " in
	*" $1 "*) return 0 ;;
	esac
	echo "skip probing $1: it is not built"
	return 1
}

# a camera's next picture as a file
saved()
{
	built media || return
	start media --backend=pattern
	expect 'a picture is saved' "$VDEVD" probe -s s --id=media --save=seen.ppm --timeout=20000
	expect 'of the size that is set' test "$(head -c 11 seen.ppm)" = "$(printf 'P6\n640 480')"
	expect 'and as long' test "$(wc -c <seen.ppm)" = $((15 + 640 * 480 * 3))
	refuses 'a file that cannot be' 1 '^vdevd probe: error: --save: no/x: No such file' "$VDEVD" probe -s s --id=media --save=no/x
	refuses 'a picture of nothing' 2 '^vdevd probe: --save needs --id=DEVICE' "$VDEVD" probe -s s --save=seen.ppm
	refuses 'a picture with a table' 2 '^vdevd probe: --save goes alone' "$VDEVD" probe -s s --id=media --save=seen.ppm --table
	kill $pid
	wait $pid
}

# a request that is spelled out: two bytes of a thermometer, then a target there is not
spelled()
{
	built i2c || return
	start i2c --sim=lm75@0x48:21.5
	"$VDEVD" probe -s s --id=i2c --send=9000000002000000/3 --send=a000000002000000/2 >sent
	printf '> 90 00 00 00 02 00 00 00\n< 15 80 00\n> a0 00 00 00 02 00 00 00\n< 00 01\n' >wanted
	expect 'a request that is spelled out' cmp sent wanted
	kill $pid
	wait $pid
}

# what is measured: the device's own request, or the last that is spelled out, when those before it were answered
measured()
{
	built i2c || return
	start i2c --sim=lm75@0x48:21.5
	expect 'a request that is spelled out is measured' prints '"answer": "158000"' \
		"$VDEVD" probe -s s --id=i2c --bench --json --requests=1000 --send=a000000002000000/2 --send=9000000002000000/3
	expect 'and shown' prints '^answer: 15 80 00$' \
		"$VDEVD" probe -s s --id=i2c --bench --requests=1000 --send=9000000002000000/3
	expect 'i2c: a chip is found that answers' prints '^request: 90 00 00 00 02 00 00 00$' \
		"$VDEVD" probe -s s --id=i2c --bench --requests=1000
	kill $pid
	wait $pid
	start i2c --sim=lm75@0x48 --addr=0x50
	"$VDEVD" probe -s s --id=i2c --bench --requests=1000 >out 2>err
	result 'i2c: no chip answers' "$(grep -q '^vdevd probe: error: --bench: no request is answered well (no chip has answered): --send=' err; echo $?)"
	kill $pid
	wait $pid
	built gpio || return
	start gpio --backend=sim
	expect 'gpio: a value is read' prints '(GET_VALUE of an input: ' "$VDEVD" probe -s s --id=gpio --bench --requests=1000
	kill $pid
	wait $pid
	start gpio --backend=sim --output-only=0
	expect 'gpio: of a line that can be read' prints '^request: 04 00 01 00 00 00 00 00$' \
		"$VDEVD" probe -s s --id=gpio --bench --requests=1000
	kill $pid
	wait $pid
	start gpio --backend=sim --output-only=0-7
	expect 'gpio: where none can, a direction' prints '(GET_DIRECTION: ' "$VDEVD" probe -s s --id=gpio --bench --requests=1000
	kill $pid
	wait $pid
}

# start DEVICE OPTION...: serves it on the socket s.
start()
{
	"$VDEVD" "$@" --socket-path=s 2>log &
	pid=$!
	socket_comes s
}

# socket_comes NAME: waits until it is there.
socket_comes()
{
	for _ in $(seq 500); do
		[ ! -S "$1" ] || break
		sleep 0.02
	done
}

# holds DEVICE OPTION...: one that is simulated is probed, every row.
holds()
{
	built "$1" || return
	start "$@" --backend=sim
	expect "$1: every row holds" prints '^[0-9]* ok, 0 failed, [0-9]* n.a.$' "$VDEVD" probe -s s --id="$1"
	expect "$1: requests were tried" grep -q '^ok    request ' prints.log
	kill $pid
	wait $pid
}

# holds_more DEVICE OPTION...: the same with packed rings and a log of written memory, which are offered when asked for.
holds_more()
{
	holds "$@"
	! built "$1" || expect "$1: packed rings were tried" test "$(grep -c '^ok    packed' prints.log)" = 5
	! built "$1" || expect "$1: what is written is logged" grep -q '^ok    logged ' prints.log
}

holds gpio
holds i2c
holds_more gpio --features=+ring_packed,+log_all
holds_more i2c --features=+ring_packed,+log_all,+in_order,+gpa_addresses,+access_platform
! built i2c || expect 'i2c: behind an IOMMU' grep -q '^ok    iommu ' prints.log
! built i2c || expect 'i2c: guest addresses' grep -q '^ok    guest-addresses ' prints.log
! built i2c || expect 'i2c: in order' test "$(grep -c '^ok    in-order' prints.log)" = 2
saved
spelled
measured
built rng || exit $status
start rng --features=+inband_notifications
expect 'every row holds' prints '^[0-9]* ok, 0 failed, [0-9]* n.a.$' "$VDEVD" probe -s s --id=rng
expect 'no row that could be tried was left out' test "$(grep -c '^ok ' prints.log)" -ge 68
"$VDEVD" relay -s r --to=s 2>relay.log &
relay=$!
socket_comes r
expect 'every row holds through a relay' prints '^[0-9]* ok, 0 failed, [0-9]* n.a.$' "$VDEVD" probe -s r --id=rng
kill $relay
wait $relay
result 'a relay ends well' $?
expect 'and takes its socket along' test ! -e r
expect 'without the device, too' prints '^[0-9]* ok, 0 failed, [0-9]* n.a.$' "$VDEVD" probe -s s
"$VDEVD" probe -s s --id=rng --table >table
result 'a column of the table' $?
expect 'it is named after the socket' test "$(head -n 1 table)" = '| | s |'
expect 'every feature and every message has a row' test "$(grep -c '^| [0-9]' table)" = 96
expect 'and two cells' test "$(grep -c '^|[^|]*|[^|]*|$' table)" = "$(wc -l <table)"
expect 'all that is offered works' test "$(grep -Ec '\| (refused|ends the|no answer|a wrong|not reached)' table)" = 1
expect 'but what is unknown' grep -q '^| unknown, with need_reply | refused |$' table
expect 'what is counted is told' grep -q '^| 17 GET_QUEUE_NUM | yes: 1 |$' table
"$VDEVD" probe -s s --id=4 --json >rows.json
result 'with --json, too' $?
"$VDEVD" probe -s s --id=4 --json --bench --requests=1000 >bench.json
result 'it measures' $?
cat >look.py <<'END'
import json
rows, bench = json.load(open("rows.json")), json.load(open("bench.json"))
assert rows["ok"] is True and rows["virtio-id"] == 4 and rows["queues"] == 1
assert {"version_1", "event_idx"} <= set(rows["features"]) and "reply_ack" in rows["protocol-features"]
assert {c["result"] for c in rows["checks"]} == {"ok", "n.a."}
assert all(c["name"] and c["sent"] and c["wanted"] and c["got"] for c in rows["checks"])
assert len({c["name"] for c in rows["checks"]}) == len(rows["checks"])
b = bench["bench"]
assert bench["ok"] and b["requests"] == 1000 and b["requests-per-second"] > 0
assert 0 < b["p50"]["floor-us"] <= b["p99"]["floor-us"] <= b["p99.9"]["floor-us"]
assert 0 < b["p50"]["request-us"] <= b["p99"]["request-us"] <= b["p99.9"]["request-us"]
END
if command -v python3 >/dev/null; then
	expect 'what programs read' python3 look.py
else
	echo 'skip what programs read: no python3'
fi
kill $pid
wait $pid
expect 'the back end ends as ever' test $? = 0
exit $status
