#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# packagers.sh - what the tools of distributions pass to configure and call of make, and that two builds in two places, at
# two times, give the same bytes.

# shellcheck disable=SC2016 # ${prefix} is for configure
# shellcheck source=test/build/common
. "${0%/*}/common"

# reproducible DIRECTORY: a build with all that debhelper passes; debug information has paths, too.
reproducible()
{
	mkdir -p "$work/$1" && (
		cd "$work/$1" || exit 1
		CCACHE_DISABLE=1 SOURCE_DATE_EPOCH=1700000000
		export CCACHE_DISABLE SOURCE_DATE_EPOCH
		"$src/configure" CC="$VDEVD_CC" CFLAGS='-O0 -g' --devices=rng --without-probe --without-help \
			--build=any-edge-linux --host=any-edge-linux --prefix=/usr '--includedir=${prefix}/include' \
			'--mandir=${prefix}/share/man' '--infodir=${prefix}/share/info' --sysconfdir=/etc --localstatedir=/var \
			--disable-option-checking --disable-silent-rules '--libdir=${prefix}/lib/any-edge-linux' \
			--libexecdir=/usr/libexec --runstatedir=/run --disable-maintainer-mode --disable-dependency-tracking \
			--disable-static --enable-shared --sbindir=/usr/sbin --program-prefix= --disable-nls --target=any-edge-linux &&
			make -j2 && make install DESTDIR="$PWD/to"
	)
}

expect 'a build as debhelper calls it' reproducible one
expect 'the compiler is of this machine' grep -q "^CC := $VDEVD_CC\$" "$work/one/build/config.mk"
expect 'a name in a path is replaced' grep -qx 'LIBDIR := \$(PREFIX)/lib/any-edge-linux' "$work/one/build/config.mk"
expect 'the manual is where it was told' test -f "$work/one/to/usr/share/man/man1/vdevd-rng.1"
expect 'another, elsewhere' reproducible a/place/two
expect 'gives the same bytes' diff -r "$work/one/to" "$work/a/place/two/to"
expect 'also of the library' cmp "$work/one/build/libvdevd.a" "$work/a/place/two/build/libvdevd.a"
result 'no path of the build is in it' "$(! grep -aq "$work" "$work/one/to/usr/bin/vdevd"; echo $?)"

mkdir "$work/c" && cd "$work/c" || exit 2
refuses 'an unknown --enable' 2 "unknown option '--enable-sound'" "$src/configure" --enable-sound
refuses 'an unknown --disable' 2 "unknown option '--disable-sound'" "$src/configure" --disable-sound
refuses 'a relative --libdir' 2 "libdir wants an absolute path, not 'lib'" "$src/configure" --libdir=lib
refuses 'a space in a directory' 2 'make cannot work with such characters' "$src/configure" --unitdir='/a b'

cp "$src/Makefile" .
expect 'distclean where nothing was configured' make distclean
expect 'does nothing' test "$(ls)" = Makefile
expect 'distclean of a build' in_build one make distclean
expect 'leaves nothing of it' test "$(ls "$work/one")" = to

exit $status
