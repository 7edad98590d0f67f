# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# libvirt.sh - libvirt finds back ends with our descriptions in QEMU's folder.  It reads the folder as a whole: one description
# of a type it does not know, and no domain starts that has a back end of any kind.
#
# libvirtd runs in mount and network namespaces of its own, with folders of its own, so that it meets no other one's.
#
# shellcheck disable=SC2034,SC2154 # dir, here, vdevd_pid are check-guest's

# virt_daemon - in its namespaces: folders, users, settings; starts libvirtd and waits for it.  $1: the folder of descriptions.
virt_daemon() {
	for where in /run /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt "$qemu_folder"; do
		mkdir -p "$where"
		mount -t tmpfs libvirt "$where"
	done
	mkdir -p /run/lock /var/lib/libvirt/qemu /var/log/libvirt/qemu /etc/libvirt/qemu
	cp "$1"/* "$qemu_folder"
	for file in passwd group; do
		cat "/etc/$file" >"$file"
		grep -q '^libvirt-qemu:' "/etc/$file" || echo 'libvirt-qemu:x:64055:65534::/:/bin/false' >>"$file"
		mount --bind "$file" "/etc/$file"
	done
	printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'cgroup_controllers = [ ]' 'namespaces = [ ]' \
		'stdio_handler = "file"' 'remember_owner = 0' >/etc/libvirt/qemu.conf
	libvirtd >libvirtd.log 2>&1 &
	daemon=$!
	tries=0
	until virsh -q -c qemu:///system list >virsh.log 2>&1; do
		tries=$((tries + 1))
		if [ "$tries" -eq 300 ] || ! kill -0 "$daemon"; then
			cat libvirtd.log virsh.log >&2
			return 1
		fi
		sleep 0.1
	done
}

# virt_session FOLDER COMMAND - runs the command beside a libvirtd that has these descriptions; no domain outlives it.
virt_session() {
	cat >inner <<-EOF
		set -eu
		qemu_folder=$qemu_folder
		. "$here/cases/libvirt.sh"
		virt_daemon "$1"
		$2
		for domain in \$(virsh -c qemu:///system list --name); do virsh -c qemu:///system destroy "\$domain"; done
		kill "\$daemon"
		wait "\$daemon" || :
	EOF
	export dir
	unshare --mount --net sh inner
}

# virt_find - starts a domain with a shared folder and says whose back end libvirt took.  $1: the folder of descriptions.
# The back end writes down how it was called and serves nobody, so the domain itself ends at once.
virt_find() {
	rm -f called
	cat >back-end <<-EOF
		#!/bin/sh
		case \$1 in
		--print-capabilities) echo '{"type": "fs"}' ;;
		*) echo "\$*" >"$dir/called" ;;
		esac
	EOF
	chmod +x back-end
	printf '{"description": "a test", "type": "fs", "binary": "%s", "tags": []}\n' "$dir/back-end" >"$1/10-test.json"
	cat >domain.xml <<-EOF
		<domain type='qemu'><name>found</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
		<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
		<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
		<devices><emulator>$(command -v qemu-system-x86_64)</emulator>
		<filesystem type='mount'><driver type='virtiofs'/><source dir='$dir'/><target dir='share'/></filesystem>
		<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>
	EOF
	virt_session "$1" 'virsh -c qemu:///system create domain.xml >created 2>&1 || :'
}

need_libvirt() {
	[ "$(id -u)" = 0 ] || skip 'libvirtd of the system is root'\''s'
	unshare --mount --net true 2>/dev/null || skip 'no namespaces here'
	for tool in libvirtd virsh qemu-system-x86_64; do
		command -v "$tool" >/dev/null || lacking "no $tool"
	done
	qemu_folder=/usr/share/qemu/vhost-user
}

# A domain is made of what --print-frontend=libvirt says, and its QEMU talks to all the devices.
case_libvirt_lines() {
	need_libvirt
	need_device rng
	mkdir shared none
	: >none/none
	cat >calls <<-EOF
		rng
		gpio --backend=sim
		vsock --backend=sim
		fs --shared-dir=$dir/shared
	EOF
	while read -r name options; do
		case " ${VDEVD_DEVICES-$name} " in *" $name "*) echo "$name $options" ;; esac
	done <calls >devices
	"$VDEVD" run --socket-dir="$dir/run" devices >>vdevd.log 2>&1 &
	vdevd_pid=$!
	until "$VDEVD" ctl run/run.ctl health 2>/dev/null | grep -qx "ready $(wc -l <devices) of $(wc -l <devices)"; do
		vdevd_alive
		sleep 0.05
	done
	# Once a machine: what the comment says so of.
	while read -r name options; do
		# shellcheck disable=SC2086 # words
		"$VDEVD" "$name" $options --socket-path="$dir/run/$name.sock" --print-frontend=libvirt
	done <devices | awk '!/memoryBacking/ || !n++' >lines.xml
	cat >domain.xml <<-EOF
		<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
		<name>lines</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
		<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
		<devices><emulator>$(command -v qemu-system-x86_64)</emulator>
		<controller type='usb' model='none'/><memballoon model='none'/></devices>
		$(cat lines.xml)
		</domain>
	EOF
	virt_session none "virsh -c qemu:///system create domain.xml
		virsh -c qemu:///system domstate lines >state
		while read -r name options; do
			'$VDEVD' ctl run/\$name.ctl stat >\$name.stat
		done <devices"
	grep -q running state || fail 'the domain does not run'
	while read -r name options; do
		grep -q '^front-end connected' "$name.stat" || fail "$name: no front-end: $(cat "$name.stat")"
	done <devices
	vdevd_socket=$dir/run/rng.sock
	vdevd_stop
}

case_libvirt_folder() {
	need_libvirt
	make -s -C "$here/../.." ${VDEVD_BUILD:+BUILD="$VDEVD_BUILD"} DESTDIR="$dir/root" PREFIX=/usr install
	mkdir ours
	cp "$dir/root$qemu_folder"/*.json ours
	virt_find ours
	grep -q "source=$dir" called || { cat created libvirtd.log >&2; fail 'libvirt did not take the back end'; }

	# That the folder is read as said: with such a description it is refused.
	printf '{"description": "a test", "type": "gpio", "binary": "/bin/true", "tags": []}\n' >ours/50-vdevd-gpio.json
	virt_find ours
	[ ! -e called ] || fail 'libvirt knows gpio: QEMU_TYPES of the Makefile is too short'
	grep -q "unknown vhost-user type: 'gpio'" created || fail "not the reason: $(cat created)"
}
