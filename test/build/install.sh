#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# install.sh - what make install puts where, and that uninstall takes it away.

# shellcheck source=test/build/common
. "${0%/*}/common"

expect 'a build for /opt/v' build i --devices=rng,gpio --prefix=/opt/v --mandir=/opt/v/man
lean() { readelf -dW "$work/i/vdevd" | grep -q 'NEEDED.*libev' && ! readelf -dW "$work/i/vdevd" | grep -q liburing; }
expect 'a device that has no files does not want liburing' lean
expect 'install below DESTDIR' in_build i make install DESTDIR="$work/dest"
root=$work/dest/opt/v

cat >"$work/wanted" <<'END'
bin/vdevd
bin/vdevd-gpio
bin/vdevd-rng
lib/systemd/system/vdevd-run.service
lib/systemd/system/vdevd@.service
lib/systemd/system/vdevd@.socket
man/man1/vdevd-gpio.1
man/man1/vdevd-rng.1
man/man1/vdevd.1
man/man7/vdevd-howto.7
man/man7/vdevd-protocol.7
share/bash-completion/completions/vdevd
share/bash-completion/completions/vdevd-gpio
share/bash-completion/completions/vdevd-rng
share/fish/vendor_completions.d/vdevd-gpio.fish
share/fish/vendor_completions.d/vdevd-rng.fish
share/fish/vendor_completions.d/vdevd.fish
share/qemu/vhost-user/50-vdevd-rng.json
share/vdevd/systemd/gpio.conf
share/zsh/site-functions/_vdevd
END
as_wanted()
{
	(cd "$root" && find . ! -type d | sed 's,^\./,,' | LC_ALL=C sort) | diff "$work/wanted" -
}
expect 'these files and no others' as_wanted
expect 'nothing beside the prefix' test "$(cd "$work/dest" && ls)" = opt
expect 'the link goes to its neighbour' test "$(readlink "$root/bin/vdevd-rng")" = vdevd
expect 'the link is the personality' prints '"type": *"rng"' "$root/bin/vdevd-rng" --print-capabilities

# field NAME FILE: of a JSON object with one field a line.
field()
{
	sed -n "s/^ *\"$1\": *\"\\(.*\\)\",*\$/\\1/p" "$2"
}
json=$root/share/qemu/vhost-user/50-vdevd-rng.json
"$root/bin/vdevd" rng --print-capabilities >"$work/capabilities"
type=$(tr -d '\n' <"$work/capabilities" | sed 's/.*"type": *"\([^"]*\)".*/\1/')
expect 'the description has the type the program says' test "$(field type "$json")" = "$type"
expect 'the description names the installed program' test "$(field binary "$json")" = /opt/v/bin/vdevd-rng
expect 'the description says what it is' test -n "$(field description "$json")"
# A type that QEMU's schema does not have makes libvirt refuse the whole folder: gpio is none (above).
known=' 9p balloon block caif console crypto fs gpu input net rng rpmsg rproc-serial scsi vsock '
for file in "$root"/share/qemu/vhost-user/*; do
	expect "QEMU's schema has the type of ${file##*/}" test "${known#* "$(field type "$file")" }" != "$known"
done
expect 'a description has these members alone' test "$(python3 -c 'import json, sys; print(*sorted(json.load(sys.stdin)))' <"$json")" = \
	'binary description tags type'
expect 'the description is JSON' python3 -m json.tool "$json"

# Units: as systemd reads them, with the program where they name it.
units=$root/lib/systemd/system
# shellcheck disable=SC2016 # systemd's
expect 'the service calls the installed program' grep -qxF 'ExecStart=/opt/v/bin/vdevd $DEVICE $OPTIONS' "$units/vdevd@.service"
result 'nothing is left to be replaced' "$(! grep -q '@[A-Z]*@' "$units"/*; echo $?)"
# verify UNIT: whether systemd has nothing to say of it; of the machine's own units it may.
verify()
{
	systemd-analyze verify "$1" >"$work/verify.log" 2>&1 || grep -q . "$work/verify.log" || return 1
	! grep -e vdevd -e "$work" "$work/verify.log"
}
if command -v systemd-analyze >/dev/null; then
	mkdir -p "$work/units/vdevd@.service.d"
	for unit in "$units"/*; do
		sed "s,/opt/v/bin/,$root/bin/,; /^Documentation=/d" "$unit" >"$work/units/${unit##*/}"
	done
	for unit in 'vdevd@.service' 'vdevd@.socket' vdevd-run.service; do
		expect "systemd has nothing to say of $unit" verify "$work/units/$unit"
	done
	if systemd-analyze --help | grep -q -e --offline; then
		expect 'the service is exposed to 1.5 of 10 at most' \
			systemd-analyze security --offline=true --threshold=15 "$work/units/vdevd@.service"
	else
		echo 'skip exposure: systemd-analyze is older than 250'
	fi
	for file in "$src"/cmd/pack/systemd/devices/*.conf; do
		name=${file##*/}
		cp "$file" "$work/units/vdevd@.service.d/device.conf"
		expect "nor of the drop-in of ${name%.conf}" verify "$work/units/vdevd@.service"
	done
else
	echo 'skip systemd: there is no systemd-analyze (Debian: systemd)'
fi

expect 'uninstall' in_build i make uninstall DESTDIR="$work/dest"
expect 'uninstall leaves no file' test -z "$(find "$work/dest" ! -type d)"
expect 'make can be told another prefix' in_build i make install DESTDIR="$work/dest" PREFIX=/usr
expect 'then all is there' test -e "$work/dest/usr/share/qemu/vhost-user/50-vdevd-rng.json"
expect 'and nowhere else' test -z "$(find "$work/dest/opt" ! -type d ! -path '*/vdevd/*.so')"

exit $status
