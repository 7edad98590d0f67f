#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# module-setup.sh - for dracut: the image gets vdevd, and the devices of /etc/vdevd/initramfs, a file as vdevd run takes it.
# Without that file it is left out.  It and start.sh lie in /usr/lib/dracut/modules.d/90vdevd/.
#
# shellcheck disable=SC2154 # moddir and dracutsysrootdir are dracut's

check()
{
	require_binaries vdevd || return 1
	[[ -f ${dracutsysrootdir-}/etc/vdevd/initramfs ]] || return 255
}

depends()
{
	return 0
}

install()
{
	vdevd run --check "${dracutsysrootdir-}/etc/vdevd/initramfs" || return 1
	inst_binary "$(command -v vdevd)" /usr/bin/vdevd
	inst_simple /etc/vdevd/initramfs
	# Devices that are built as modules.
	inst_libdir_file 'vdevd/*.so'
	inst_multiple sleep
	inst_hook pre-trigger 50 "$moddir/start.sh"
}
