#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# sdk.sh - a device that is built outside the tree with what make install-dev has installed, and nothing else: as a module and as
# a program of its own.

# shellcheck source=test/build/common
. "${0%/*}/common"

expect 'a vdevd that loads modules' build s --devices=rng --enable-modules --prefix="$work/root"
expect 'is installed with what devices are built with' in_build s make install-dev
cp -r "$src/cmd/pack/example-device" "$work/example" && mv "$work/s" "$work/away"
PKG_CONFIG_PATH=$work/root/lib/pkgconfig
export PKG_CONFIG_PATH
expect 'the example is built' in_build example make CC="$VDEVD_CC" CFLAGS='-O0 -Wconversion -Wshadow -Werror'
expect 'and installed' in_build example make CC="$VDEVD_CC" install
expect 'by a hundred lines or so' test "$(wc -l <"$work/example/dice.c")" -le 115
vdevd=$work/root/bin/vdevd
expect 'vdevd has it' prints '^  dice  *63  dice, an example (module)' "$vdevd"
expect 'with its options' prints '--sides=N .*\[6\]$' "$vdevd" dice --help
expect 'the program has nothing else' test "$("$work/example/diced" list | wc -l)" = 1

# serves COMMAND...: whether it does.
serves()
{
	"$@" dice --socket-path="$work/socket" --control="$work/control" --sides=20 &
	pid=$!
	for _ in $(seq 200); do
		[ ! -S "$work/socket" ] || break
		sleep 0.05
	done
	"$work/example/diced" probe --socket-path="$work/socket" --id=63 -q && "$vdevd" ctl "$work/control" thrown | grep -qx '[1-9][0-9]*' &&
		"$vdevd" ctl "$work/control" policy | grep -qx 'given --sides=20'
	served=$?
	"$vdevd" ctl "$work/control" quit
	wait "$pid" && return "$served"
}
expect 'the module serves' serves "$vdevd"
expect 'the program serves' serves "$work/example/diced"
expect 'uninstall' in_build away make uninstall
expect 'leaves what is the vendor'"'s" \
	test "$(cd "$work/root" && find . ! -type d)" = ./lib/vdevd/dice.so

exit $status
