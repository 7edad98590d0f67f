#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# configure.sh - what configure says to a wrong call, how it chooses devices by their libraries, and that it
# never runs what it has built.

# shellcheck source=test/build/common
. "${0%/*}/common"
mkdir "$work/c"
cd "$work/c" || exit 2
configure() { "$src/configure" CC="$VDEVD_CC" "$@"; }

refuses 'an unknown option' 2 "unknown option '--enable-sound'" configure --enable-sound
refuses 'an unknown variable' 2 "unknown variable 'CXX'" configure CXX=g++
refuses 'a stray word' 2 "unexpected argument 'rng'" configure rng
refuses 'a relative prefix' 2 "wants an absolute path, not 'usr'" configure --prefix=usr
refuses 'an unknown device in --devices' 2 "no device 'rgn'; there are: .*rng" configure --devices=rgn
refuses 'an unknown device in --modules' 2 "no device 'rgn'" configure --modules=rgn
refuses 'an unknown --with' 2 "unknown option '--with-rgn'" configure --with-rgn
refuses 'an unknown --without' 2 "unknown option '--without-rgn'" configure --without-rgn
refuses 'wanted and not wanted' 2 "'rng' is both wanted and not wanted" configure --with-rng --without-rng
refuses 'static with modules' 2 'exclude each other' configure --static --modules=rng
refuses 'no device' 1 'no device is left' configure --devices=
refuses 'no such compiler' 1 'CC=no-such-cc: there is no such program' configure CC=no-such-cc
refuses 'a compiler that fails' 1 'cannot make an executable; see build/config.log' configure CC=false
refuses 'no such host' 1 'there is no no-such-host-gcc' "$src/configure" --host=no-such-host
refuses 'no libev there' 1 'libev 4 not found in .* (Debian: libev-dev' configure CFLAGS=-nostdinc --with-libev="$work/c"
expect 'the failing program is in the log' grep -q '^| #include <ev.h>' build/config.log
refuses 'a vendor directory without a list' 1 'no readable .*/list' configure --extra-devices="$work/c"
refuses 'a build directory elsewhere' 1 'must be below this directory' configure --builddir=/tmp/x
mkdir "$work/a b"
refuses 'a path with a space' 1 'make cannot work with' in_build 'a b' "$src/configure"

# Devices that want libraries, of a vendor; the library foo is known to a pkg-config of our own.
mkdir "$work/lists"
cat >"$work/lists/list" <<'END'
library nosuch  header=no/such.h symbol=no_such link=-lnosuch  package=libnosuch-dev
library foo     pkg-config=libfoo  package=libfoo-dev
library math    header=math.h symbol=cos link=-lm  package=libc6-dev
lonely  dev.c  lib:nosuch
choosy  dev.c  lib:foo>=2:foo2.c|foo>=1.5:foo1.c,more.c
plain   dev.c  lib:math:math.c
either  dev.c  lib:nosuch:no.c|math:math.c
END
touch "$work/lists/dev.c" "$work/lists/foo1.c" "$work/lists/foo2.c" "$work/lists/more.c" "$work/lists/math.c"
cat >"$work/pkg-config" <<'END'
#!/bin/sh
# libfoo has the version $FOO.
case "$*" in
*--exists*libfoo' >= 2'*) [ "$FOO" = 2 ] ;;
*--exists*libfoo' >= 1.5'*) [ "$FOO" != 1 ] ;;
*--cflags*libfoo*) echo -DFOO ;;
*--libs*libfoo*) echo -lm ;;
*) exec pkg-config "$@" ;;
esac
END
chmod +x "$work/pkg-config"
vendor() { configure PKG_CONFIG="$work/pkg-config" --extra-devices="$work/lists" "$@"; }
export FOO=2
expect 'a missing library leaves its device out, and the summary says why' \
	prints '^  left out  *lonely: nosuch not found (Debian: libnosuch-dev)' vendor
expect 'the others are in' grep -q '^DEVICES := .*choosy plain either' build/devices.mk
expect 'the first choice is taken' grep -q '^DEV_choosy_SRCS := extra/dev.c extra/foo2.c$' build/devices.mk
expect 'a choice falls to the next' grep -q '^DEV_either_SRCS := extra/dev.c extra/math.c$' build/devices.mk
expect 'its flags are taken' grep -q '^DEV_choosy_CFLAGS :=.*-DFOO' build/devices.mk
expect 'a library without pkg-config' grep -q '^DEV_plain_LIBS :=.*-lm' build/devices.mk
FOO=1.5
expect 'with the older library' vendor
expect 'the second choice is taken' grep -q '^DEV_choosy_SRCS := extra/dev.c extra/foo1.c extra/more.c$' build/devices.mk
FOO=1
expect 'a library that is too old leaves its device out' \
	prints 'left out  *choosy: foo >= 1.5 not found (Debian: libfoo-dev)' vendor
refuses '--with-NAME and a missing library' 1 'device lonely: nosuch not found (Debian: libnosuch-dev)' vendor --with-lonely
refuses '--devices and a missing library' 1 'device lonely: nosuch not found' vendor --devices=lonely
expect '--without-NAME' vendor --without-plain --without-lonely
expect 'is not in' grep -q '^DEVICES := rng.* either$' build/devices.mk
expect 'exactly these devices' vendor --devices=either,plain
expect 'are in' grep -q '^DEVICES := plain either$' build/devices.mk

sum=$(cd "$src" && cat core/*.h devices/lib/*.h transport/chain.h | cksum)
expect 'the contract of modules is of all their headers' grep -q "^#define VDEV_CONTRACT  *${sum%% *}u\$" build/config.h
expect 'without liburing files are for threads' prints '^  files  *worker threads' configure --without-liburing
expect 'and nothing of it is asked for' grep -q '^URING_LIBS := $' build/config.mk
expect 'so it is where there is none' prints '^  files  *worker threads: no liburing' configure PKG_CONFIG=false

# What is built for another machine cannot be run here: programs that leave a file when they are.
cat >"$work/noexec.c" <<END
#include <fcntl.h>
__attribute__((constructor)) static void ran(void) { open("$work/ran", O_CREAT, 0600); }
END
$VDEVD_CC -c -o "$work/noexec.o" "$work/noexec.c"
expect 'configure with such programs' configure LDFLAGS="$work/noexec.o"
expect 'configure ran none' test ! -e "$work/ran"
echo 'int main(void) { return 0; }' >"$work/tells.c"
# shellcheck disable=SC2086 # a compiler is a list of words
expect 'one that is run does leave its file' in_build . $VDEVD_CC -o tells tells.c noexec.o
"$work/tells"
expect 'here it is' test -e "$work/ran"

# TRIPLE-gcc and TRIPLE-pkg-config are what --host asks for.
mkdir "$work/bin"
for tool in gcc ar pkg-config; do
	real=$tool
	[ $tool != gcc ] || real=$VDEVD_CC
	printf '#!/bin/sh\necho %s >>%s\nexec %s "$@"\n' "$tool" "$work/called" "$real" >"$work/bin/any-edge-linux-$tool"
done
chmod +x "$work/bin"/*
cross() { PATH=$work/bin:$PATH "$src/configure" --host=any-edge-linux; }
expect '--host' cross
expect 'uses its compiler' grep -q '^CC := any-edge-linux-gcc$' build/config.mk
expect 'and its ar' grep -q '^AR := any-edge-linux-ar$' build/config.mk
expect 'CC from the environment' env CC="$VDEVD_CC" CFLAGS='-O1 -DX=1' "$src/configure"
expect 'is kept for when make repeats the call' grep -q "^CC='$VDEVD_CC' CFLAGS='-O1 -DX=1'" build/config.status

exit $status
