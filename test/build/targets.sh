#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# targets.sh - what make does for people at work on the tree: one suite, one case, and how each source is compiled.

# shellcheck disable=SC2317 # functions that expect calls
# shellcheck source=test/build/common
. "${0%/*}/common"

# The build that is tested; nothing is to be built in it any more.
target() { (cd "$src" && make BUILD="$VDEVD_BUILD" "$@"); }
fails() { ! "$@"; }

expect 'one suite' prints '^[1-9][0-9]* passed, 0 failed' target check T=opt
expect 'one test case of it' prints '^[1-9][0-9]* passed, 0 failed' target check T=opt C=opt
expect 'none is no success' fails target check T=opt C=flux
expect 'one script' prints '^ok core/ names no device' target check T=check-devices
expect 'what there is not' fails target check T=flux
expect 'a suite under gdb' prints 'CK_FORK=no .*gdb .*--args .*run-tests opt' target -n gdb T=opt

mkdir "$work/c" && cd "$work/c" || exit 2
expect 'a build is prepared' "$src/configure" CC="$VDEVD_CC" --devices=rng
expect 'how sources are compiled' make compile_commands.json
cat >look.py <<'END'
import json, os, subprocess
entries = json.load(open("compile_commands.json"))
names = [os.path.relpath(e["file"], os.environ["VDEVD_SRC"]) for e in entries]
assert {"core/opt.c", "cmd/main.c", "devices/rng/rng.c", "test/unit/test_opt.c"} <= set(names) and len(set(names)) == len(names)
one = entries[names.index("core/opt.c")]
subprocess.run(one["command"] + " -fsyntax-only", shell=True, cwd=one["directory"], check=True)
END
expect 'as it is' python3 look.py

exit $status
