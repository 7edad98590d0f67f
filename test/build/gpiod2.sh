#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# gpiod2.sh - the GPIO device with libgpiod 2 on a machine whose own is libgpiod 1: the adapter is built and its tests are run,
# in User-Mode Linux with the kernel's simulated chip, where there is one.
#
# The library is that of bookworm-backports, unpacked below $VDEVD_BUILD/gpiod2; it is fetched in CI only (CI=true).

# shellcheck disable=SC2317 # functions that expect calls
# shellcheck source=test/build/common
. "${0%/*}/common"

root=$VDEVD_BUILD/gpiod2
if pkg-config --atleast-version=2 libgpiod 2>/dev/null; then
	echo 'skip libgpiod 2: it is what the ordinary build has'
	exit 0
fi
if [ ! -e "$root/usr/include/gpiod.h" ]; then
	if [ "${CI-}" != true ]; then
		echo "skip libgpiod 2: not here (test/tools/debian-unpack bookworm-backports $root libgpiod-dev libgpiod3)"
		exit 0
	fi
	expect 'libgpiod 2 is fetched' "$src/test/tools/debian-unpack" bookworm-backports "$root" libgpiod-dev libgpiod3
fi
lib=$(dirname "$(dirname "$(find "$root" -name libgpiod.pc)")")
with_gpiod2()
{
	build g --devices=gpio LDFLAGS="-Wl,-rpath,$lib" \
		PKG_CONFIG="env PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$lib/pkgconfig pkg-config"
}

expect 'a build with libgpiod 2' with_gpiod2
expect 'it has the adapter for it' in_build g test -e build/devices/gpio/gpio_gpiod.o
expect 'the executable is linked with it' prints 'libgpiod\.so\.3' readelf -dW "$work/g/vdevd"
if why=$("$src/test/guest/uml-run" --check); then
	expect 'the tests are built' in_build g make build/test/run-tests
	on_chip()
	{
		prints ' 0 failed, 0 skipped' "$src/test/guest/uml-run" --timeout 120 --share "$root" --share "$work/g" \
			"VDEVD='$work/g/build/vdevd' '$work/g/build/test/run-tests' hw_gpio"
	}
	expect "the kernel's simulated chip" on_chip
else
	echo "skip libgpiod 2 on the kernel's simulated chip: $why"
fi

exit $status
