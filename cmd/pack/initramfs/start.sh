#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# start.sh - in the initramfs: serves the devices of /etc/vdevd/initramfs, before the root is mounted.  Goes on when all their
# sockets are there, /run/vdevd/NAME.sock; vdevd status shows them.  Hardware that comes later is waited for: vdevd run starts
# a device again that found none.  vdevd=off on the kernel's command line leaves it out.
#
# For initramfs-tools it is /usr/share/initramfs-tools/scripts/init-premount/vdevd, which is run.  dracut sources it, so it does
# its work in a shell of its own.

vdevd_start()
(
	devices=/etc/vdevd/initramfs
	[ -f $devices ] || exit 0
	read -r line </proc/cmdline
	case " $line " in
	*' vdevd=off '*) exit 0 ;;
	esac
	# The kernel's log is the only one here, and dmesg shows it later.
	/usr/bin/vdevd run $devices </dev/null >/dev/kmsg 2>&1 &
	turns=100
	until /usr/bin/vdevd status >/dev/null 2>&1; do
		turns=$((turns - 1))
		if [ $turns = 0 ] || ! kill -0 $! 2>/dev/null; then
			echo "vdevd: the devices of $devices are not served; dmesg tells why" >&2
			exit 1
		fi
		sleep 0.1
	done
)

# A device that is not served is no reason to stop the boot.
[ "${1-}" = prereqs ] || vdevd_start || :
