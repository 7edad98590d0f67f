#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# frontends.sh - what --print-frontend says of a device, and probe of one that runs.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

# says FORM LINE...: each LINE is one of the lines for that front-end.
says()
{
	form=$1
	shift
	"$VDEVD" rng --socket-path=/run/s --print-frontend="$form" >lines || return 1
	for line; do
		grep -qxF -e "$line" lines || return 1
	done
}
expect QEMU says qemu '-chardev socket,id=rng,path=/run/s' '-device vhost-user-rng-pci,chardev=rng'
expect libvirt says libvirt "  <qemu:arg value='socket,id=rng,path=/run/s'/>" "  <qemu:arg value='vhost-user-rng-pci,chardev=rng'/>"
expect cloud-hypervisor says cloud-hypervisor '--generic-vhost-user socket=/run/s,device_type=4,queue_sizes=[64]'
expect 'crosvm has no such device' says crosvm '# crosvm serves the kinds of device it knows, and rng is none of them'
expect libkrun says libkrun 'uint16_t rng_sizes[] = {64};' 'krun_add_vhost_user_device(ctx, 4, "/run/s", "rng", 1, rng_sizes);'
expect openvmm says openvmm 'socket: /run/s' 'device_id: 4' 'queue_sizes: [64]'
expect uml says uml 'virtio_uml.device=/run/s:4'
expect xl says xl 'virtio = [ "type=virtio,device4,transport=mmio" ]'
expect 'QEMU over vfio-user' says qemu-vfio-user '# this front-end speaks vfio-user: --vfio-user= in --socket-path'"'s place" \
	"-device '"'{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/run/s"}}'"'"
expect 'cloud-hypervisor over vfio-user' says cloud-hypervisor-vfio-user '--user-device socket=/run/s'
"$VDEVD" rng --vfio-user=/run/v --print-frontend=qemu-vfio-user >lines
expect 'the socket that is given' grep -qxF -e "-device '"'{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/run/v"}}'"'" lines
expect 'nothing else is to be said' sh -c '! grep speaks lines'
"$VDEVD" rng --vfio-user=/run/v --print-frontend=qemu >lines
expect 'the other way' grep -qxF -e "# this front-end speaks vhost-user: --socket-path= in --vfio-user's place" lines
refuses 'a front-end that is none' 2 '^vdevd rng: --print-frontend=kvm: unknown (none, qemu, ' "$VDEVD" rng --print-frontend=kvm

"$VDEVD" rng --connect=/run/c --print-frontend=qemu >lines
expect 'a front-end that listens' grep -qxF -e '-chardev socket,id=rng,path=/run/c,server=on,wait=off' lines
"$VDEVD" rng --connect=/run/c --print-frontend=uml >lines
expect 'one that cannot' grep -qxF -e "# this front-end connects: --socket-path= in --connect's place" lines
"$VDEVD" rng --print-frontend=uml >lines
expect 'a socket by rule' grep -qxF 'virtio_uml.device=/run/vdevd/rng.sock:4' lines

# The same of one that runs.
"$VDEVD" rng --socket-path=s 2>log &
pid=$!
for _ in $(seq 500); do
	[ ! -S s ] || break
	sleep 0.02
done
"$VDEVD" rng --socket-path=s --print-frontend=qemu >told
"$VDEVD" probe --socket-path=s --id=rng --print-frontend=qemu >lines
expect 'probe says the same' cmp told lines
"$VDEVD" probe --socket-path=s --print-frontend=qemu >lines
expect 'a guess is said to be one' grep -q '^# a guess: rng (--id=rng), by its ' lines
grep -v '^#' told >told.lines
grep -v '^#' lines >guessed.lines
expect 'and it is right' cmp told.lines guessed.lines
"$VDEVD" probe --socket-path=s --id=36 --print-frontend=uml >lines
expect 'what --id says is believed' grep -qxF 'virtio_uml.device=s:36' lines
refuses 'two things at once' 2 '^vdevd probe: --print-frontend goes alone' "$VDEVD" probe --socket-path=s --print-frontend=uml --json
kill $pid
wait $pid
expect 'the back end ends as ever' test $? = 0
exit $status
