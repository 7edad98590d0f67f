#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# vendor.sh - a device from outside the tree, built in; modules.sh has it as a module.

# shellcheck source=test/build/common
. "${0%/*}/common"

cp -r "$src/test/build/vendor" "$work/mine"
expect 'a vendor device builds' build v --extra-devices="$work/mine" --enable-werror
vdevd=$work/v/vdevd
for name in rng null; do
	expect "$name is served" prints "\"type\": *\"$name\"" "$vdevd" "$name" --print-capabilities
	expect "$name is listed" prints "^ *$name " "$vdevd"
done
expect 'the vendor device has its options' prints '--limit' "$vdevd" null --help

sed 's/null/zero/g' "$work/mine/null.c" >"$work/mine/zero.c"
echo 'zero zero.c' >>"$work/mine/list"
expect 'make notices a new device in the list' in_build v make
expect 'the new device is there' prints '"type": *"zero"' "$vdevd" zero --print-capabilities

exit $status
