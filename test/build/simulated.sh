#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# simulated.sh - the devices on a machine without libgpiod, libi2c and alsa-lib: they are built with their simulators alone, configure
# says so, and who asks for real hardware is told.

# shellcheck disable=SC2317 # functions that expect calls
# shellcheck source=test/build/common
. "${0%/*}/common"

# A list of a vendor's is looked at first, so it can take the libraries away.
mkdir "$work/none"
cat >"$work/none/list" <<'END'
library  gpiod  pkg-config=no-such-gpiod                       package=libgpiod-dev
library  i2c    header=no/such.h  symbol=no_such  link=-lnone  package=libi2c-dev
library  alsa   pkg-config=no-such-alsa                        package=libasound2-dev
END
without() { build s --devices=rng,gpio,i2c,sound --extra-devices="$work/none" "$@"; }

expect 'a build without libraries' without
cp "$work/expect.log" "$work/summary"
result 'configure names the library of gpio' \
	"$(grep -q '^  simulated  *gpio: gpiod >= 1\.6 not found (Debian: libgpiod-dev); its simulator' "$work/summary"; echo $?)"
result 'and that of i2c' "$(grep -q '^  simulated  *i2c: i2c not found (Debian: libi2c-dev)' "$work/summary"; echo $?)"
result 'and that of sound' "$(grep -q '^  simulated  *sound: alsa >= 1\.2 not found (Debian: libasound2-dev)' "$work/summary"; echo $?)"
refuses '--with-gpio wants the library' 1 'device gpio: gpiod >= 1\.6 not found' in_build s "$src/configure" \
	--builddir=w --extra-devices="$work/none" --with-gpio
expect 'no adapter is in' in_build s test ! -e build/devices/gpio/gpio_gpiod.o -a ! -e build/devices/gpio/gpio_gpiod1.o \
	-a ! -e build/devices/i2c/i2c_dev.o -a ! -e build/devices/sound/sound_alsa.o
vdevd=$work/s/vdevd
refuses '--chip' 2 '^vdevd gpio: this build is without libgpiod .*--backend=sim' "$vdevd" gpio --socket-path="$work/x" --chip=0
refuses '--bus' 2 '^vdevd i2c: this build is without libi2c .*--backend=sim' \
	"$vdevd" i2c --socket-path="$work/x" --bus=1 --addr=0x20
refuses '--playback' 2 '^vdevd sound: this build is without alsa-lib' "$vdevd" sound --socket-path="$work/x" --playback=hw:0,0

# serves DEVICE: the simulator is probed, every row.
serves()
{
	"$vdevd" "$1" --backend=sim --socket-path="$work/sock" 2>"$work/serves.log" &
	pid=$!
	for _ in $(seq 500); do
		[ ! -S "$work/sock" ] || break
		sleep 0.02
	done
	expect "$1 --backend=sim serves" prints '^[0-9]* ok, 0 failed' "$vdevd" probe --socket-path="$work/sock" --id="$1"
	kill $pid
	wait $pid
}
serves gpio
serves i2c
serves sound
expect 'the tests are built, without those on hardware' in_build s make build/test/run-tests
expect 'they are there' prints '^gpio$' "$work/s/build/test/run-tests" --list
# Those of the adapters apart, they pass: what an adapter says is not wanted of a build that has none.
expect 'they pass' in_build s build/test/run-tests gpio i2c sound
# shellcheck disable=SC2016 # the inner shell's
expect 'and so do calls' in_build s env VDEVD="$vdevd" VDEVD_BUILD="$work/s/build" VDEVD_DEVICES='rng gpio i2c sound' sh -c '
	for script in calls probe replaced; do "$VDEVD_SRC/test/cli/$script.sh" || exit; done'
expect 'those are not' in_build s sh -c '! build/test/run-tests --list | grep -e hw_gpio -e hw_i2c'

exit $status
