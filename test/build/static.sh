#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# static.sh - an executable that needs no shared library.

# shellcheck source=test/build/common
. "${0%/*}/common"

expect 'a static build' build s --static --devices=rng
alone() { ! readelf -lW "$work/s/vdevd" | grep -q INTERP && ! readelf -dW "$work/s/vdevd" | grep -q NEEDED; }
expect 'it wants no interpreter and no library' alone
expect 'it runs' prints '"type": *"rng"' "$work/s/vdevd" rng --print-capabilities

exit $status
