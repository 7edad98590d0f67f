#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# checks.sh - the checks of the tree find what they are there for: each is shown a small tree that is good, and then one fault.

# shellcheck disable=SC2317 # functions that expect calls
# shellcheck source=test/build/common
. "${0%/*}/../build/common"
export VDEVD_BUILD="$work"

# tree: a good one.
tree()
{
	rm -rf "$work/tree"
	for folder in core mem transport/ring transport/driver transport/frontend transport/relay devices/lib devices/one devices/two cmd; do
		mkdir -p "$work/tree/$folder"
	done
	cd "$work/tree" || exit 2
	printf 'one  one.c\ntwo  two.c two_sim.c\n' >devices/list
	echo '#include <stdio.h>' >core/base.h
	echo '/* "one" is a device */' >core/name.c
	echo '#include "core/base.h"' >mem/mem.c
	echo '#include "mem/mem.h"' >transport/chain.h
	echo '#include "transport/chain.h"' >transport/ring/ring.h
	echo '#include "transport/ring/ring.h"' >transport/driver/driver.h
	echo '#include "transport/driver/driver.h"' >transport/frontend/frontend.c
	echo '#include "transport/ring/ring.h"' >transport/relay/relay.c
	echo '#include "core/base.h"' >devices/lib/lib.h
	printf '#include "transport/chain.h"\n#include "devices/lib/lib.h"\n#include "devices/one/one.h"\n' >devices/one/one.c
	echo '#include "devices/two/two.h"' >devices/two/two.c
	echo '#include "transport/relay/relay.h"' >cmd/main.c
	cd "$work" || exit 2
}

# finds CHECK NAME FILE LINE: the line makes a good tree a wrong one, which the check says of this file.
finds()
{
	tree
	echo "$4" >>"$work/tree/$3"
	"$src/test/tools/$1" "$work/tree" >"$work/out" 2>&1
	found=$?
	result "$1: $2" "$([ "$found" -ne 0 ] && grep -q "^$3:" "$work/out" && grep -q '^not ok' "$work/out"; echo $?)"
}

tree
expect 'check-includes: a good tree' "$src/test/tools/check-includes" "$work/tree"
finds check-includes 'core sees mem' core/name.c '#include "mem/mem.h"'
finds check-includes 'mem sees a device' mem/mem.c '#include "devices/one/one.h"'
finds check-includes 'mem logs' mem/mem.c '#include "core/log.h"'
finds check-includes 'mem has an event loop' mem/mem.c '#include <ev.h>'
finds check-includes 'transport sees a device' transport/chain.h '#include "devices/one/one.h"'
finds check-includes 'the ground sees a room' transport/chain.h '#include "transport/ring/ring.h"'
finds check-includes 'a room sees its neighbour' transport/relay/relay.c '#include "transport/frontend/frontend.h"'
finds check-includes 'ring sees driver' transport/ring/ring.h '#include "transport/driver/driver.h"'
finds check-includes 'a device sees another' devices/one/one.c '#include "devices/two/two.h"'
finds check-includes 'lib sees a device' devices/lib/lib.h '#include "devices/one/one.h"'
finds check-includes 'a device sees a ring' devices/one/one.c '#include "transport/ring/ring.h"'
finds check-includes 'a device sees memory' devices/one/one.c '#include "mem/mem.h"'
finds check-includes 'no path from the root' cmd/main.c '#include "main.h"'

tree
expect 'check-devices: a good tree' "$src/test/tools/check-devices" "$work/tree"
finds check-devices 'its name as a string' core/name.c 'const char *name = "two"; /* a comment */'
finds check-devices 'behind a comment' mem/mem.c '/* it is */ f("one");'
finds check-devices 'its class' transport/ring/ring.h 'extern const struct vdev_class vdev_two_class;'
finds check-devices 'its folder' cmd/main.c '#include "devices/one/one.h"'

exit $status
