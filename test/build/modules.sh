#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# modules.sh - the same sources as a module: it is found where it was installed and used, and refused when its contract
# is another or somebody else could have written it.

# shellcheck source=test/build/common
. "${0%/*}/common"
umask 022

expect 'rng and a vendor device as modules build' \
	build m --modules=rng,null --devices= --extra-devices="$src/test/build/vendor" --prefix="$work/root"
expect 'modules install' in_build m make install
bin=$work/root/bin folder=$work/root/lib/vdevd

no_class() { ! nm "$bin/vdevd" | grep -q 'vdev_rng_class'; }
expect 'the executable does not hold what is a module' no_class
for name in rng null; do
	expect "module $name is used" prints "\"type\": *\"$name\"" "$bin/vdevd" "$name" --print-capabilities
	expect "module $name is used by the link's name" prints "\"type\": *\"$name\"" "$bin/vdevd-$name" --print-capabilities
	expect "module $name is listed" prints "^ *$name " "$bin/vdevd"
done

capabilities="$bin/vdevd rng --print-capabilities"
for path in "$folder/rng.so" "$folder"; do
	what=${path##*/}
	for mode in g+w o+w; do
		chmod $mode "$path"
		# shellcheck disable=SC2086 # a command with its arguments
		refuses "$what with $mode is refused" 1 "$path: .*neither group nor others may write" $capabilities
		chmod go-w "$path"
	done
done
# shellcheck disable=SC2086
expect 'the same module is used again' prints '"type"' $capabilities

# other_module CONTRACT: an rng.so that says so of itself.
other_module()
{
	cat >"$work/other.c" <<-END
	#include "config.h"
	#include "core/module.h"
	static const struct vdev_class other = { .name = "rng" };
	const struct vdev_module vdev_module = { $1, &other };
	END
	# shellcheck disable=SC2086 # a compiler is a list of words
	$VDEVD_CC -shared -fPIC -I"$work/m/build" -I"$src" -o "$folder/rng.so" "$work/other.c"
}
expect 'a module with another contract builds' other_module 'VDEV_CONTRACT + 1'
# shellcheck disable=SC2086
refuses 'a module with another contract is refused' 1 'rng\.so: built for contract' $capabilities
echo 'not a module' >"$folder/rng.so"
# shellcheck disable=SC2086
refuses 'a file that is no module is refused' 1 'rng\.so: ' $capabilities
rm "$folder/rng.so"

# contract: what config.h says in a copy of the tree's headers.
contract()
{
	(cd "$work/copy" && ./configure CC="$VDEVD_CC" --devices=rng >/dev/null && sed -n 's/^#define VDEV_CONTRACT *//p' build/config.h)
}
mkdir "$work/copy"
cp -R "$src/configure" "$src/core" "$src/devices" "$src/transport" "$work/copy/"
same=$(contract)
was=$(sed -n 's/^#define VDEV_CONTRACT *//p' "$work/m/build/config.h")
expect 'the same headers have the same contract' [ "$same" = "${was:-none}" ]
echo >>"$work/copy/core/state.h"
changed=$(contract)
expect 'another header has another contract' [ "${changed:-$was}" != "$was" ]
# shellcheck disable=SC2086
refuses 'a missing module is an unknown device' 2 'rng' $capabilities

exit $status
