#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# devices.sh - what every device answers on its control socket, all of them served by one vdevd run.

# shellcheck source=test/build/common
# shellcheck disable=SC2016,SC2094 # the inner shell expands; what is read is not what is written
. "${0%/*}/../build/common"
cd "$work" || exit 2
mkdir folder

# How a device is served without hardware.
cat >calls <<'END'
blk --backend=sim
can --backend=sim
console --backend=sim
fs --shared-dir=folder
gpio --backend=sim
i2c --backend=sim
input --sim=keyboard
rng --max-bytes=4096
rtc --backend=sim
scmi
scsi --lun=0:sim=1M
sound --backend=null
spi --backend=sim
vsock --backend=sim
END
for name in $VDEVD_DEVICES; do
	grep "^$name\>" calls || [ "$name" = null ] || echo "$name"
done >file
expect 'the options are right' "$VDEVD" run --check --socket-dir=d file
"$VDEVD" run --socket-dir=d file 2>log &
run=$!
count=$(wc -l <file)
for _ in $(seq 600); do
	"$VDEVD" ctl d/run.ctl health 2>/dev/null | grep -qx "ready $count of $count" && break
	sleep 0.05
done
expect 'all are ready' sh -c '"$VDEVD" ctl d/run.ctl health | grep -qx "ready '"$count of $count"'" || { cat log; false; }'

while read -r name options; do
	ctl() { "$VDEVD" ctl "d/$name.ctl" "$@"; }
	ctl stat >stat
	expect "$name: stat" grep -qx "device $name" stat
	expect "$name: a queue" grep -qx 'queue.0.state stopped' stat
	expect "$name: stat json" sh -c '"$VDEVD" ctl "$1" stat json | python3 -m json.tool' sh "d/$name.ctl"
	ctl health >health
	expect "$name: health" grep -qx 'front-end none' health
	ctl log-level debug
	expect "$name: log-level" test "$(ctl log-level)" = debug
	ctl policy >policy
	for option in $options; do
		expect "$name: policy has $option" grep -qx -e "given $option" policy
	done
	expect "$name: policy has the control socket" grep -qx "given --control=d/$name.ctl" policy
	ctl help >help
	for command in stat health policy log-level watch quit help; do
		grep -q "^$command " help || echo "$command"
	done >missing
	expect "$name: help" test ! -s missing
done <file

kill $run
wait $run
expect 'all end' test $? = 0
exit $status
