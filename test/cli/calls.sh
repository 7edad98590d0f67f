#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# calls.sh - what vdevd answers to calls, right and wrong: one clear line, status 2 for a wrong call, 1 for a
# host that would not; lists and descriptions for people and programs.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

# Wrong calls, before anything of the host is opened.
refuses 'no socket' 2 '^vdevd rng: no socket: --socket-path=PATH, .* is wanted$' "$VDEVD" rng
refuses 'two sockets' 2 '^vdevd rng: --socket-path and --fd: exactly one' "$VDEVD" rng --socket-path=s --fd=0
refuses 'two more sockets' 2 '^vdevd rng: --socket-fd and --connect: exactly one' "$VDEVD" rng --connect=s --socket-fd=0
refuses 'two protocols' 2 '^vdevd rng: --socket-path and --vfio-user: exactly one socket is wanted$' \
	"$VDEVD" rng --socket-path=s --vfio-user=v
refuses 'two ways' 2 '^vdevd rng: --vfio-user and --fd: exactly one socket is wanted$' "$VDEVD" rng --vfio-user=v --fd=0
refuses 'vfio-user nowhere' 1 '^vdevd rng: error: cannot listen on no/v: No such file' "$VDEVD" rng --vfio-user=no/v
refuses 'an unknown option' 2 '^vdevd rng: --sorce: unknown option (did you mean --source?)$' "$VDEVD" rng --sorce=x
refuses 'a bad value' 2 '^vdevd rng: --period=abc: not a number (a number from 1 to 65536 is wanted)$' \
	"$VDEVD" rng --socket-path=s --period=abc
refuses 'a relay from nowhere' 2 '^vdevd relay: --socket-path=PATH is needed$' "$VDEVD" relay --to=x
refuses 'a relay to nowhere' 2 '^vdevd relay: --to=PATH is needed$' "$VDEVD" relay --socket-path=x
refuses 'a relay to itself' 2 '^vdevd relay: --to=x: is the socket made here' "$VDEVD" relay --socket-path=x --to=x
refuses 'a relay where none can be' 1 '^vdevd relay: error: cannot listen on no/x: No such file' "$VDEVD" relay -s no/x --to=y
expect 'relay --help fits a screen' test "$("$VDEVD" relay --help | wc -l)" -le 24 -a "$("$VDEVD" relay --help | wc -L)" -le 80
refuses 'an argument too many' 2 '^vdevd rng: extra: ' "$VDEVD" rng --socket-path=s extra
refuses 'an unknown device' 2 '^vdevd: rgn: no such device or command (did you mean rng?)$' "$VDEVD" rgn
refuses 'an unknown device like none' 2 '^vdevd: flux: no such device or command (vdevd lists ' "$VDEVD" flux
refuses 'an unknown command' 2 '^vdevd: relai: no such device or command (did you mean relay?)$' "$VDEVD" relai
refuses 'an unknown option of vdevd' 2 '^vdevd: --flux: ' "$VDEVD" --flux
refuses 'a bad mode' 2 '^vdevd rng: --socket-mode=980: not a mode' "$VDEVD" rng --socket-path=s --socket-mode=980
refuses 'no mode' 2 '^vdevd rng: --socket-mode=: ' "$VDEVD" rng --socket-path=s --socket-mode=
refuses 'a mode without a path' 2 '^vdevd rng: --socket-mode: goes with' "$VDEVD" rng --fd=0 --socket-mode=600
refuses 'a bad level' 2 '^vdevd rng: --log-level=loud: unknown (error, warn, info or debug is wanted)' "$VDEVD" rng --socket-path=s --log-level=loud
refuses 'a bad priority' 2 '^vdevd rng: --realtime=100: out of range (a number from 1 to 99 is wanted)' "$VDEVD" rng --socket-path=s --realtime=100
refuses 'a bad quirk' 2 '^vdevd rng: --quirks=flux: .*there is shmem-bit-21' "$VDEVD" rng --socket-path=s --quirks=flux
refuses 'a bad feature' 2 '^vdevd rng: --features=+flux: .*flux' "$VDEVD" rng --socket-path=s --features=+flux
if "$VDEVD" rng --help-all | grep -q -e '--xen='; then
	refuses 'a bad --xen' 2 '^vdevd rng: --xen=yes: unknown (auto, on or off is wanted)' "$VDEVD" rng --socket-path=s --xen=yes
	refuses 'a bad --xen-grant-cache' 2 '^vdevd rng: --xen-grant-cache=-1: not a number' \
		"$VDEVD" rng --socket-path=s --xen-grant-cache=-1
	refuses 'a domain that no guest has' 2 '^vdevd rng: --xen-domid=32752: out of range' \
		"$VDEVD" rng --socket-path=s --xen-domid=32752
	refuses 'nor is dom0 one' 2 '^vdevd rng: --xen-domid=0: out of range' "$VDEVD" rng --socket-path=s --xen-domid=0
	refuses 'a domain without Xen' 2 '^vdevd rng: --xen-domid=7: goes with --xen=on' \
		"$VDEVD" rng --socket-path=s --xen=off --xen-domid=7
	refuses 'another protocol than that of Xen' 2 '^vdevd rng: --xen=on: goes with vhost-user only' \
		"$VDEVD" rng --vfio-user=v --xen=on
	refuses 'no domain' 2 '^vdevd rng: no socket' "$VDEVD" rng --xen=off
	offers_xen() { "$VDEVD" rng --xen="$1" --xen-grant-cache=64 --print-capabilities | grep -q '"xen_mmap"'; }
	expect '--xen=on offers xen_mmap' offers_xen on
	# shellcheck disable=SC2016 # the inner shell's
	expect '--xen=off does not' sh -c '! "$VDEVD" rng --xen=off --print-capabilities | grep -q xen_mmap'
	if [ -e /dev/xen/privcmd ] || [ -e /dev/xen/gntdev ]; then
		expect '--xen=auto does on Xen' offers_xen auto
	else
		# shellcheck disable=SC2016
		expect '--xen=auto does not without Xen' sh -c '! "$VDEVD" rng --print-capabilities | grep -q xen_mmap'
	fi
else
	refuses '--xen=on without Xen' 2 '^vdevd rng: --xen=on: .* --without-xen' "$VDEVD" rng --socket-path=s --xen=on
fi
refuses 'a closed descriptor' 2 '^vdevd rng: --fd=99: not open' "$VDEVD" rng --fd=99
refuses 'an argument too many for list' 2 '^vdevd list: x: ' "$VDEVD" list x
refuses 'an unknown option of list' 2 '^vdevd list: --jsn: .*--json' "$VDEVD" list --jsn
refuses 'links without a directory' 2 '^vdevd: --install-links: a directory' "$VDEVD" --install-links -s

refuses 'an option twice' 2 '^vdevd rng: -s b: given twice (the first is --socket-path=a)$' "$VDEVD" rng --socket-path=a -s b
refuses 'one dash' 2 '^vdevd rng: -socket-path=x: two dashes are wanted: --socket-path=x$' "$VDEVD" rng -socket-path=x
refuses 'an option as QEMU has it' 2 '^vdevd rng: path=x: .*--socket-path=x)$' "$VDEVD" rng path=x
long=$(printf '%0120d' 1)
for path in '' "$long"; do
	refuses "no such path for a socket: '$path'" 2 '^vdevd rng: --socket-path=.*: a path of 1 to 107 bytes is wanted$' \
		"$VDEVD" rng --socket-path="$path"
	refuses 'nor to connect to' 2 '^vdevd rng: --connect=.*: a path of 1 to 107' "$VDEVD" rng --connect="$path"
	refuses 'nor for control' 2 '^vdevd rng: --control=.*: a path of 1 to 107' "$VDEVD" rng -s s --control="$path"
	refuses 'nor for a relay' 2 '^vdevd relay: --to=.*: a path of 1 to 107' "$VDEVD" relay -s s --to="$path"
	refuses 'nor for a relay to listen' 2 '^vdevd relay: -s .*: a path of 1 to 107' "$VDEVD" relay -s "$path" --to=t
	refuses 'nor for probe' 2 '^vdevd probe: -s .*: a path of 1 to 107' "$VDEVD" probe -s "$path"
done
ln -s "$VDEVD" vhost-device-rng
refuses 'too long with a number' 2 '^vdevd rng: --socket-path=0*1: too long with' ./vhost-device-rng -s "$(printf '%0107d' 1)"

# Options that do not make sense together: devices look at them as a whole.
# teaches NAME PATTERN DEVICE OPTION...: where the device is built, its call is refused with this line.
teaches()
{
	case " $VDEVD_DEVICES " in
	*" $3 "*) ;;
	*)
		echo "skip $1: $3 is not built"
		return
		;;
	esac
	taught=$1 line=$2
	shift 2
	refuses "$taught" 2 "$line" "$VDEVD" "$@" --socket-path=s
}
teaches 'no chip' '^vdevd gpio: \(no chip: --chip=/dev/gpiochipN, a number or\|this build is without libgpiod\)' gpio
teaches 'a chip for the simulator' '^vdevd gpio: --chip goes with --backend=gpiod only$' gpio --backend=sim --chip=0
teaches 'simulated wires on a chip' '^vdevd gpio: --sim-names and --sim-wire go' gpio --chip=0 --sim-wire=0-1
teaches 'a wire too far' '^vdevd gpio: --sim-wire=0-8: pairs of lines below 8' gpio --backend=sim --sim-wire=0-8
teaches 'no bus' '^vdevd i2c: \(no bus (--bus=/dev/i2c-1 --addr=0x20 is wanted\|this build is without libi2c\)' i2c
teaches 'a bus without addresses' '^vdevd i2c: \(--bus=1: which addresses\|this build is without libi2c\)' i2c --bus=1
teaches 'targets on a bus' '^vdevd i2c: --sim and --sim-delay go with' i2c --backend=i2c-dev --sim=lm75@0x48
teaches 'no node' '^vdevd spi: no chip (--device=/dev/spidev0.0 is wanted, or --backend=sim)$' spi

# The host would not.
refuses 'no directory for the socket' 1 '^vdevd rng: error: .*/nonexistent/s: No such' "$VDEVD" rng --socket-path=/nonexistent/s
refuses 'no source' 1 '^vdevd rng: error: --source=/nonexistent: No such' "$VDEVD" rng --socket-path=s --source=/nonexistent
refuses 'links in no directory' 1 '^vdevd: error: /nonexistent: No such' "$VDEVD" --install-links /nonexistent
# shellcheck disable=SC2016 # the inner shell's
refuses 'a full disk' 1 '^vdevd: error: standard output: No space' sh -c '"$VDEVD" list >/dev/full'
expect 'no socket was left behind' test ! -e s

# People ask.
expect 'vdevd alone lists the devices' prints '^  rng  *4  ' "$VDEVD"
expect 'vdevd --help' prints '^Usage: vdevd DEVICE' "$VDEVD" --help
expect 'vdevd --version' prints '^vdevd [0-9]' "$VDEVD" --version
expect 'vdevd -v' prints '^vdevd [0-9]' "$VDEVD" -v
expect 'rng -v' prints '^vdevd [0-9]' "$VDEVD" rng -v
for call in 'help' 'help help' '--help help' '-h'; do
	# shellcheck disable=SC2086 # words
	expect "vdevd $call" prints '^Usage: vdevd DEVICE' "$VDEVD" $call
done
for call in 'help rng' '--help rng' '-h rng' 'rng help' 'rng --help'; do
	# shellcheck disable=SC2086 # words
	expect "vdevd $call" prints '^Usage: vdevd rng ' "$VDEVD" $call
done
expect 'vdevd help list' prints '^Usage: vdevd list' "$VDEVD" help list
refuses 'help for nothing' 2 '^vdevd: flux: no such device' "$VDEVD" help flux
refuses 'help with too much' 2 '^vdevd: list: an argument too many' "$VDEVD" help rng list
expect 'rng --version' prints '^vdevd [0-9]' "$VDEVD" rng -V
expect 'vdevd list' prints '^  rng  *4  ' "$VDEVD" list
expect 'list --help' prints '^Usage: vdevd list' "$VDEVD" list --help
"$VDEVD" rng --help >help
for name in $VDEVD_DEVICES; do
	"$VDEVD" "$name" --help >help
	expect "$name --help fits a screen" test "$(wc -l <help)" -le 24 -a "$(wc -L <help)" -le 80
	"$VDEVD" "$name" --help-all >all
	expect 'the rest is shown, too' grep -q -e '^      --features=' all
	result 'but not always' "$(! grep -q -e '--features=' help; echo $?)"
	sed -n 's/^ *\(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' all | sort | uniq -d >twice
	expect 'no option hides another' test ! -s twice
done

# Programs ask.
"$VDEVD" rng --print-capabilities >all.json
"$VDEVD" rng --features=-event_idx,-status --print-capabilities >less.json
"$VDEVD" list --json >list.json
cat >look.py <<'END'
import json
c, less = json.load(open("all.json")), json.load(open("less.json"))
assert c["type"] == "rng" and c["virtio-id"] == 4 and c["config-size"] == 0
assert {"version_1", "event_idx", "indirect_desc"} <= set(c["features"])
assert c["queues"][0]["name"] == "requestq" and c["queues"][0]["max-size"] >= c["queues"][0]["size"]
assert "reply_ack" in c["protocol-features"]
assert {"source", "socket-path", "fd"} <= {o["name"] for o in c["options"]}
assert set(c["features"]) - set(less["features"]) == {"event_idx"}
assert set(c["protocol-features"]) - set(less["protocol-features"]) == {"status"}
assert [d["virtio-id"] for d in json.load(open("list.json")) if d["name"] == "rng"] == [4]
END
expect 'JSON says it all' python3 look.py

# Names.
mkdir names && ln -s "$VDEVD" names/vhost-user-rng && ln -s "$VDEVD" names/vdevd-video && ln -s "$VDEVD" names/vdevd-flux && ln -s "$VDEVD" names/vdevd-list
expect 'vhost-user-rng is rng' prints '^Usage: vdevd rng ' names/vhost-user-rng --help
expect 'vdevd-list is list' prints '^  rng ' names/vdevd-list
if "$VDEVD" list | grep -q '^  media '; then
	expect 'video is another name of media' prints '^Usage: vdevd media ' "$VDEVD" video --help
	expect 'also behind vdevd-' prints '^Usage: vdevd media ' names/vdevd-video --help
fi
refuses 'vdevd-flux is nothing' 2 '^vdevd: flux: no such device' names/vdevd-flux --help
mkdir links bin && cp "$VDEVD" bin/vdevd
expect 'install symbolic links' bin/vdevd --install-links links -s
expect 'the link works' prints '^Usage: vdevd rng ' links/vdevd-rng --help
expect 'again is no error' bin/vdevd --install-links links -s
expect 'install links beside it' bin/vdevd --install-links bin -s
expect 'these name no folder' test "$(readlink bin/vdevd-rng)" = vdevd
mkdir hard
expect 'install hard links' bin/vdevd --install-links hard
expect 'a hard link is the same file' test hard/vdevd-rng -ef bin/vdevd
rm links/vdevd-rng && echo >links/vdevd-rng
refuses 'what is there stays' 1 '^vdevd: error: links/vdevd-rng: File exists' bin/vdevd --install-links links

exit $status
