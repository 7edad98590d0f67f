#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# static.sh - an executable that needs no shared library; and one without Xen, which is the same one because builds take
# their time.

# shellcheck source=test/build/common
. "${0%/*}/common"

expect 'a static build without Xen' build s --static --without-xen --devices=rng
alone() { ! readelf -lW "$work/s/vdevd" | grep -q INTERP && ! readelf -dW "$work/s/vdevd" | grep -q NEEDED; }
expect 'it wants no interpreter and no library' alone
expect 'it runs' prints '"type": *"rng"' "$work/s/vdevd" rng --print-capabilities

# shellcheck disable=SC2119,SC2120 # refuses and expect have arguments for it
rng() { "$work/s/vdevd" rng --socket-path="$work/rng" "$@" --print-capabilities; }
# shellcheck disable=SC2119
xenless() { rng >"$work/json" && ! grep -q xen "$work/json" && ! "$work/s/vdevd" rng --help-all | grep -q xen; }
expect 'it tells of no Xen' xenless
refuses 'it says why --xen=on cannot be' 2 '^vdevd rng: --xen=on: this vdevd was configured --without-xen' rng --xen=on
refuses 'it says why no grants are kept' 2 '^vdevd rng: --xen-grant-cache=8: this vdevd was configured --without-xen' \
	rng --xen-grant-cache=8
expect 'calls that ask for nothing of Xen hold for it, too' rng --xen=off --xen-grant-cache=0

exit $status
