#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# replaced.sh - can, gpio, i2c, spi and vsock in place of vhost-device-gpio and so on: by their names, with their options.

# shellcheck disable=SC2317 # functions that expect calls
# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2
ln -s "$VDEVD" vhost-device-can
ln -s "$VDEVD" vhost-device-gpio
ln -s "$VDEVD" vhost-device-i2c
ln -s "$VDEVD" vhost-device-spi
ln -s "$VDEVD" vhost-device-vsock

# built DEVICE: whether it is.
built()
{
	case " $VDEVD_DEVICES " in
	*" $1 "*) return 0 ;;
	esac
	echo "skip vhost-device-$1: $1 is not built"
	return 1
}

# lines SOCKET N: whether the chip there has so many.
lines()
{
	for _ in $(seq 500); do
		[ ! -S "$1" ] || break
		sleep 0.02
	done
	"$VDEVD" probe --socket-path="$1" --id=gpio --quiet | grep -q "^  configuration      0$2 00 00 00"
}

# With interfaces that are there: test/device/can/guest.sh.
if built can; then
	./vhost-device-can --socket-path c --socket-count=1 --backend=sim 2>log &
	pid=$!
	for _ in $(seq 500); do
		[ ! -S c0 ] || break
		sleep 0.02
	done
	expect 'can: it answers' prints '^[0-9]* ok, 0 failed' "$VDEVD" probe -s c0 --id=can
	kill $pid
	wait $pid
	refuses 'can: fewer interfaces than sockets' 2 '^vdevd can: --can-devices=can0: names of 2 interfaces' \
		./vhost-device-can -s c -c 2 -d can0
	refuses 'can: more' 2 '^vdevd can: --can-devices=can0 can1: names of 1 interfaces' ./vhost-device-can -s c -d 'can0 can1'
	refuses 'can: none' 2 '^vdevd can: --can-devices=: names of 1 interfaces' ./vhost-device-can -s c
	refuses 'can: one that is not there' 1 '^vdevd can: .*--interface=nocan0: ' ./vhost-device-can -s c -c 1 -d nocan0
	expect 'can: no socket was left behind' test ! -e c0
fi
if built gpio; then
	./vhost-device-gpio --socket-path g --socket-count=2 --device-list s8:s4 2>log &
	pid=$!
	expect 'gpio: a chip of its own for the first socket' lines g0 8
	expect 'gpio: and for the second' lines g1 4
	kill $pid
	wait $pid
	expect 'gpio: both are gone' test ! -e g0 -a ! -e g1
	./vhost-device-gpio -s g -c 1 -l s3 2>log &
	pid=$!
	expect 'gpio: short options' lines g0 3
	kill $pid
	wait $pid
	refuses 'gpio: fewer chips than sockets' 2 '^vdevd gpio: --device-list=s8: numbers of 2 different GPIO chips' \
		./vhost-device-gpio -s g -c 2 -l s8
	refuses 'gpio: more' 2 '^vdevd gpio: --device-list=0:1: numbers of 1 ' ./vhost-device-gpio -s g -l 0:1
	refuses 'gpio: one twice' 2 '^vdevd gpio: --device-list=0:0: ' ./vhost-device-gpio -s g -c 2 -l 0:0
	refuses 'gpio: none' 2 '^vdevd gpio: --device-list=: ' ./vhost-device-gpio -s g
fi
if built i2c; then
	./vhost-device-i2c -s i -c 2 -l a:32:0x48,b:80 --backend=sim 2>log &
	pid=$!
	for _ in $(seq 500); do
		[ ! -S i0 ] || [ ! -S i1 ] || break
		sleep 0.02
	done
	expect 'i2c: a socket for each of two guests' test -S i0 -a -S i1
	expect 'i2c: it answers' prints '^[0-9]* ok, 0 failed' "$VDEVD" probe -s i1 --id=i2c
	kill $pid
	wait $pid
	refuses 'i2c: an address on two buses' 2 '^vdevd i2c: -l 1:32,2:32: 0x20 is given already, on --bus=1' \
		./vhost-device-i2c -s i -c 1 -l 1:32,2:32
	refuses 'i2c: a bus twice' 2 '^vdevd i2c: --device-list=1:32,1:33: given twice' \
		./vhost-device-i2c --socket-path=i --device-list=1:32,1:33
	refuses 'i2c: no list, told once' 2 '^vdevd i2c: \(no bus\|this build is without\)' ./vhost-device-i2c -s i -c 3
	expect 'i2c: no socket was left behind' test ! -e i0
fi
if built spi; then
	./vhost-device-spi -s p -c 2 --backend=sim 2>log &
	pid=$!
	for _ in $(seq 500); do
		[ ! -S p0 ] || [ ! -S p1 ] || break
		sleep 0.02
	done
	expect 'spi: a socket for each of two guests' test -S p0 -a -S p1
	expect 'spi: it answers' prints '^[0-9]* ok, 0 failed' "$VDEVD" probe -s p1 --id=spi
	kill $pid
	wait $pid
	refuses 'spi: no spidev node' 1 '^vdevd spi: .*--device=/dev/null: not a spidev node' ./vhost-device-spi -s p -l /dev/null
	refuses 'spi: no device, told once' 2 '^vdevd spi: no chip' ./vhost-device-spi -s p -c 3
	expect 'spi: no socket was left behind' test ! -e p0
fi
if built vsock; then
	./vhost-device-vsock --guest-cid=4 --socket=v --uds-path=vm4 --tx-buffer-size=65536 --queue-size 256 --groups=default 2>log &
	pid=$!
	for _ in $(seq 500); do
		[ ! -S v ] || break
		sleep 0.02
	done
	expect 'vsock: its CID' prints '^  configuration      04 00 00 00 00 00 00 00' "$VDEVD" probe -s v --id=vsock --quiet
	expect 'vsock: a socket to the guest' test -S vm4
	kill $pid
	wait $pid
	expect 'vsock: both are gone' test ! -e v -a ! -e vm4
	./vhost-device-vsock --vm guest_cid=5,socket=v,uds-path=vm5,tx_buffer_size=65536,queue-size=256,groups=default \
		--control=ctl 2>log &
	pid=$!
	for _ in $(seq 500); do
		[ ! -S v ] || break
		sleep 0.02
	done
	expect 'vsock: a guest by its keys' prints '^  configuration      05 00 00 00 00 00 00 00' "$VDEVD" probe -s v --id=vsock --quiet
	expect 'vsock: the socket its keys name' test -S vm5
	"$VDEVD" ctl ctl policy >told
	expect 'vsock: policy has the keys' grep -qx \
		'given --vm guest_cid=5,socket=v,uds-path=vm5,tx_buffer_size=65536,queue-size=256,groups=default' told
	expect 'vsock: what a key gives is no default' test "$(grep -c guest-cid told)" = 0
	kill $pid
	wait $pid
	refuses 'vsock: a key that is none' 2 "^vdevd vsock: --vm: unknown key 'cid'" ./vhost-device-vsock --vm=cid=5
	refuses 'vsock: a key without a value' 2 "^vdevd vsock: --vm: the value of 'socket' is missing" ./vhost-device-vsock --vm=socket
	refuses 'vsock: what a key cannot be' 2 '^vdevd vsock: --guest-cid=2: ' ./vhost-device-vsock --vm=guest_cid=2,socket=v
	refuses 'vsock: several guests' 2 '^vdevd vsock: --vm: a second one, but a process serves one guest' \
		./vhost-device-vsock --vm guest-cid=3,socket=v --vm guest-cid=4,socket=w
	refuses 'vsock: a file of them' 2 '^vdevd vsock: --config=vm.yaml: no such file is read' \
		./vhost-device-vsock --config=vm.yaml
	refuses 'vsock: groups' 2 '^vdevd vsock: --groups=a+b: ' ./vhost-device-vsock --socket=v --uds-path=w --groups=a+b
	refuses 'vsock: two ways' 2 '^vdevd vsock: --forward-cid: ' ./vhost-device-vsock --socket=v --uds-path=w --forward-cid=1
	refuses 'vsock: no way' 2 '^vdevd vsock: --uds-path is wanted' ./vhost-device-vsock --socket=v
	refuses 'vsock: a port of another machine' 2 '^vdevd vsock: --map=guest:80=tcp:10.0.0.1:80: .*127.0.0.1' \
		"$VDEVD" vsock -s v --map=guest:80=tcp:10.0.0.1:80
	refuses 'vsock: a CID that is reserved' 2 '^vdevd vsock: --guest-cid=2: ' "$VDEVD" vsock -s v --uds-path=w --guest-cid=2
	refuses 'vsock: what is no port' 2 '^vdevd vsock: --forward-listen=1+x: ' "$VDEVD" vsock -s v --forward-listen=1+x
fi
if built fs; then
	ln -s "$VDEVD" virtiofsd
	mkdir shared

	# called ARGUMENT...: virtiofsd makes its socket, and serves.
	called()
	{
		./virtiofsd --socket-path=f "$@" 2>log &
		pid=$!
		for _ in $(seq 500); do
			[ ! -S f ] || break
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.02
		done
		"$VDEVD" probe --socket-path=f --id=fs --quiet >probe.log 2>&1
		set -- $?
		kill "$pid"
		wait "$pid"
		[ "$1" = 0 ] || cat log probe.log
		return "$1"
	}

	# As libvirt, its older releases, Kata, Incus and virtme-ng call it.
	expect 'fs: separate options' called --shared-dir shared --cache auto --xattr --thread-pool-size 4 --log-level off
	expect 'fs: -o' called -o cache=always,xattr,no_posix_lock,no_flock,allow_direct_io,loglevel=warn,source=shared
	expect 'fs: in the foreground' called --syslog --cache=never -d -f --shared-dir=shared --announce-submounts --sandbox=chroot
	expect 'fs: without a sandbox' called --sandbox none --seccomp none --cache=never --posix-acl=auto -o source=shared --modcaps=+sys_admin
	expect 'fs: ids' called --no-announce-submounts --sandbox none --translate-uid squash-host:0:1000:4000000000 \
		--translate-gid squash-guest:0:0:4000000000 --shared-dir shared --log-level error --inode-file-handles=fallback
	expect 'fs: a group' called --shared-dir=shared --socket-group="$(id -g)" --rlimit-nofile=2000
	expect 'fs: labels and moves' called --shared-dir=shared --security-label=auto --migration-mode find-paths \
		--migration-on-error guest-error --migration-confirm-paths --writeback --killpriv-v2 --allow-mmap --no-readdirplus
	expect 'fs: what libvirt looks for' prints '"separate-options"' ./virtiofsd --print-capabilities
	refuses 'fs: no folder' 2 '^vdevd fs: no folder: --shared-dir=DIR is wanted$' ./virtiofsd --socket-path=f
	refuses 'fs: one that is not there' 1 '^vdevd fs: error: --shared-dir=nowhere: No such file' ./virtiofsd --socket-path=f --shared-dir=nowhere
	refuses 'fs: a word of -o' 2 "^vdevd fs: -o sauce=x: 'sauce=x' is not known$" ./virtiofsd --socket-path=f -o sauce=x
	refuses 'fs: rules that end nowhere' 2 '^vdevd fs: --xattrmap=:ok:all:user.::: rule 1: no rule fits all' \
		./virtiofsd --socket-path=f --shared-dir=shared --xattrmap=:ok:all:user.::
	refuses 'fs: ids twice' 2 '^vdevd fs: --translate-uid=map:5:9:1: it has numbers' \
		./virtiofsd --socket-path=f --shared-dir=shared --translate-uid=map:0:0:10 --translate-uid=map:5:9:1
	refuses 'fs: ids and lists' 2 '^vdevd fs: --posix-acl goes with neither' \
		./virtiofsd --socket-path=f --shared-dir=shared --translate-uid=map:0:0:10 --posix-acl
	refuses 'fs: user namespaces' 2 '^vdevd fs: --uid-map=:0:1000:1:: not supported' \
		./virtiofsd --socket-path=f --shared-dir=shared --uid-map=:0:1000:1:
	refuses 'fs: a long tag' 2 '^vdevd fs: --tag=' ./virtiofsd --socket-path=f --shared-dir=shared --tag=1234567890123456789012345678901234567
fi

if built blk; then
	ln -s "$VDEVD" vhost-user-blk
	truncate -s 1M disk
	expect 'blk: what QEMU looks for' prints '"type": "block"' ./vhost-user-blk --print-capabilities
	expect 'blk: and by which options' prints '"read-only", "blk-file"' ./vhost-user-blk --print-capabilities
	./vhost-user-blk --socket-path=b --blk-file=disk --read-only 2>log &
	pid=$!
	served()
	{
		for _ in $(seq 500); do
			[ ! -S b ] || break
			sleep 0.02
		done
		"$VDEVD" probe --socket-path=b --id=2 --quiet | grep -q "^  configuration      00 08 00 00"
	}
	expect 'blk: is called as it is there' served
	kill $pid
	wait $pid
fi

exit $status
