#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# demo.sh - show in half a minute what vdevd does: a back end, a front-end that tests it, a Linux guest that uses it.
#
# usage: demo.sh
#
# Needs no hardware and no root.  The guest is User-Mode Linux or QEMU, where one can run; else the demo says what is
# wanted for it and ends well without.  Environment: VDEVD, and VDEVD_UML and the others of test/guest.
#
# shellcheck disable=SC2154 # stream_at, guest_hwrng are of lib.sh
set -eu

here=$(cd "$(dirname "$0")/guest" && pwd)
top=$(cd "$here/../.." && pwd)
VDEVD=$(realpath "${VDEVD:-$top/vdevd}")

vdevd_pid='' dir=''
# shellcheck disable=SC2317 # reached by the traps
tidy() {
	[ -z "$vdevd_pid" ] || kill "$vdevd_pid" 2>/dev/null || :
	[ -z "$dir" ] || rm -rf "$dir"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
dir=$(mktemp -d "${TMPDIR:-/tmp}/vdevd-demo.XXXXXX")
# shellcheck source=/dev/null
. "$here/lib.sh"

if [ -t 1 ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold='' plain=''
fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
shown() { printf '    $ %s\n' "$*"; }
said() { sed 's/^/    /'; }
now() { date +%s%N; }
# lasted BEGIN - the time since then, in a unit that suits it.
lasted() {
	awk -v ns="$(($(now) - $1))" 'BEGIN { if (ns < 1e9) printf "%.0f ms", ns / 1e6; else printf "%.1f s", ns / 1e9 }'
}

bytes=1048576
source=$dir/source
socket=$dir/rng.sock
stream_make "$source" 4096

title '1. The back end: vdevd serves an entropy device on a socket.'
shown "vdevd rng --socket-path=$socket --source=$source &"
begin=$(now)
vdevd_start rng --source="$source"
printf '    process %s listens after %s; it holds %s of memory\n' "$vdevd_pid" "$(lasted "$begin")" \
	"$(awk '/^VmRSS/ { printf "%.1f MB", $2 / 1024 }' "/proc/$vdevd_pid/status")"
echo '    The source is a file of numbered lines, so that every byte tells where it is from.'

title '2. A front-end: vdevd probe connects as a virtual machine would, and tests the back end.'
shown "vdevd probe --socket-path=$socket --id=rng"
"$VDEVD" probe --socket-path="$socket" --id=rng >"$dir/probe" 2>&1 || {
	grep -Ev '^(ok|n\.a\.) ' "$dir/probe" | said
	fail 'the probe failed'
}
# What it is, some of what was tried, and the count.
sed -n '/^$/q;p' "$dir/probe" | said
grep -E '^ok +(ack-unknown|request-indirect|in-band|reconnect|bad-loop) ' "$dir/probe" | sed 's/ *|/ |/g' | said
echo '    ...'
tail -n 1 "$dir/probe" | said

title '3. A guest: the virtio driver of a real Linux kernel.'
guest=
for kind in uml qemu; do
	if what=$("$here/$kind-run" --check); then
		guest=$kind
		break
	fi
	echo "    no $kind guest: $what"
done
if [ "$guest" ]; then
	echo "    $what"
	shown "head -c $bytes /dev/hwrng      # in the guest"
	set -- --timeout 25 --vu "rng=$socket"
	[ "$guest" = uml ] || set -- "$@" --mod virtio_rng
	begin=$(now)
	"$here/$guest-run" "$@" "$guest_hwrng hwrng_read $bytes" >"$dir/got" || fail "the guest failed (status $?)"
	took=$(lasted "$begin")
	vdevd_alive
	stream_find "$source" "$dir/got" "$bytes"
	printf '    booted, read %s bytes and was gone in %s; they are those of the source, one by one,\n' "$bytes" "$took"
	printf '    from number %s on: the guest has what vdevd read, and nothing twice.\n' "$((stream_at / 8))"
else
	echo '    The rest has run; the guest is left out.'
fi

title '4. The end: SIGTERM.'
begin=$(now)
vdevd_stop
printf '    vdevd ended after %s and took its socket along.\n' "$(lasted "$begin")"
echo
echo "vdevd rng --help tells the options, README.md the command lines of QEMU and others."
