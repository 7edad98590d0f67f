#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# smallest.sh - what can be left out of an image: the command probe, and the text of the manual pages.

# shellcheck source=test/build/common
. "${0%/*}/common"

expect 'a whole one' build whole --devices=rng
expect 'a build without probe and manual' build s --devices=rng --without-probe --without-help
vdevd=$work/s/vdevd
refuses 'there is no probe' 2 '^vdevd: probe: no such device or command' "$vdevd" probe --help
expect 'which the whole one has' prints '^Usage: vdevd probe' "$work/whole/vdevd" probe --help
expect 'help says nothing of it' prints '^Usage: vdevd DEVICE' "$vdevd" help
expect 'really' test "$(grep -c 'vdevd probe' "$work/prints.log")" = 0
refuses 'there is no manual' 2 '^vdevd rng: --print-man: unknown option' "$vdevd" rng --print-man
expect 'the options are shown all the same' prints '  --max-bytes=N ' "$vdevd" rng --help
"$work/whole/vdevd" rng --print-man >"$work/page"
expect 'the whole one has the page' grep -q 'never repeated' "$work/page"
expect 'and its text' grep -aq 'bytes are never repeated' "$work/whole/vdevd"
result 'this one does not' "$(! grep -aq 'bytes are never repeated' "$vdevd"; echo $?)"
strip -o "$work/small" "$vdevd" && strip -o "$work/large" "$work/whole/vdevd"
expect 'a quarter less at least' test "$(($(wc -c <"$work/small") * 4))" -le "$(($(wc -c <"$work/large") * 3))"
expect 'its tests are built' in_build s make build/test/run-tests
expect 'and pass' in_build s build/test/run-tests rng device opt
exit $status
