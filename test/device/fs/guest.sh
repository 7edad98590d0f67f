# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# guest.sh - the kernel's virtiofs under vdevd fs.
#
# shellcheck disable=SC2154 # dir, here are check-guest's; vdevd_socket is of lib.sh

# fs_start [OPTION]... - share $dir/share, with something in it.
fs_start() {
	need_device fs
	need_uml
	mkdir -p share/folder
	echo 'from the host' >share/file
	vdevd_start fs --shared-dir="$dir/share" --tag=shared "$@"
}

# fs_in COMMAND - run COMMAND in a guest, in the folder; stdout to $dir/got.
fs_in() {
	"$here/uml-run" --timeout 120 --vu fs="$vdevd_socket" \
		"set -e; mkdir /tmp/m; mount -t virtiofs shared /tmp/m; cd /tmp/m; $1
		cd /; umount /tmp/m" >got || fail "the guest failed: $(cat got)"
	vdevd_alive
}

# What people do in a folder; then both sides have the same.
case_fs_uml() {
	fs_start --xattr
	flags=:
	# Where the host's file system has flags of files.
	# shellcheck disable=SC2016 # for the guest's shell
	if chattr +d share/file 2>/dev/null && lsattr share/file >flags && chattr -d share/file; then
		flags='[ "$(lsattr file | cut -c 7)" = - ]; chattr +d file; [ "$(lsattr file | cut -c 7)" = d ]; lsattr -d folder'
	fi
	# shellcheck disable=SC2016 # for the guest's shell
	fs_in '
		grep -q "from the host" file
		echo "from the guest" >folder/new
		ln -s ../file folder/link
		ln file folder/hard
		[ "$(stat -c %h file)" = 2 ]
		mv folder/new moved
		chmod 4751 moved
		chown 12:34 moved
		[ "$(stat -c %a:%u:%g moved)" = 751:12:34 ] || { stat moved; false; }
		mkfifo fifo
		mknod null c 1 3
		echo x >null
		touch -d "2001-02-03 04:05:06" moved
		[ "$(stat -c %Y moved)" = "$(date -d "2001-02-03 04:05:06" +%s)" ]
		dd if=/dev/urandom of=big bs=64k count=100 2>/dev/null
		cp big copy
		cmp big copy
		truncate -s 1000 copy
		rm big
		mkdir many
		for i in $(seq 1000); do echo $i >many/$i; done
		[ "$(ls many | wc -l)" = 1000 ]
		df . >/dev/null
		sync
		! cat missing 2>/dev/null
		flock -n file true
		'"$flags"'
	'
	[ "$flags" = : ] || [ "$(lsattr share/file | cut -c 7)" = d ] || fail 'other flags'
	[ "$(cat share/moved)" = 'from the guest' ] || fail 'other bytes'
	[ "$(readlink share/folder/link)" = ../file ] || fail 'another link'
	[ "$(stat -c %s share/copy)" = 1000 ] || fail 'another length'
	[ "$(cat share/many/* | sort -n | tail -n 1)" = 1000 ] || fail 'other files'
	if [ "$(id -u)" = 0 ]; then
		[ "$(stat -c %u:%g share/moved)" = 12:34 ] || fail 'another owner'
		[ "$(stat -c %F share/null)" = 'character special file' ] || fail 'no node'
	fi
	vdevd_stop
}

# A tree goes in and comes out as it was, in each way of caching.
case_fs_uml_tree() {
	for how in --cache=auto --cache=never '--cache=always --writeback' --inode-file-handles=never; do
		rm -rf share
		# shellcheck disable=SC2086 # options
		fs_start $how --allow-mmap --fd-cache=64
		fs_in "
			cp -r '$(realpath "$here/../..")/core' there
			tar -cf tar there
			mkdir out
			tar -xf tar -C out
			diff -r there out/there
			rm -r there
		"
		diff -r "$here/../../core" share/out/there || fail "$how: other files"
		vdevd_stop
	done
}

# The host changes files under the guest: it sees that within a second.
case_fs_uml_host() {
	fs_start
	# shellcheck disable=SC2016 # for the guest's shell
	fs_in '
		wait_for() {
			n=0
			until eval "$1"; do
				sleep .1
				n=$((n + 1))
				[ $n -lt 100 ] || { echo "never: $1"; exit 1; }
			done
		}
		cat file
		echo ready >guest
		wait_for "grep -q changed file"
		[ "$(cat file)" = changed ]
		wait_for "[ -e later ] && [ ! -e folder ]"
		cat later
	' &
	guest=$!
	tries=0
	while [ ! -e share/guest ]; do
		vdevd_alive
		tries=$((tries + 1))
		[ "$tries" -lt 3000 ] || fail 'the guest never came'
		sleep 0.02
	done
	echo changed >share/new
	mv share/new share/file
	rmdir share/folder
	echo late >share/later
	wait "$guest" || fail 'the guest failed'
	vdevd_stop
}

# A lock of the host's keeps the guest out, and the other way round.
case_fs_uml_locks() {
	command -v flock >/dev/null || lacking 'no flock (apt-get install util-linux)'
	fs_start --flock --posix-lock
	(flock 9 && exec sleep 1000) 9>>share/file &
	holder=$!
	tries=0
	while flock -n share/file true; do
		tries=$((tries + 1))
		[ "$tries" -lt 1000 ] || fail 'the host has no lock'
		sleep 0.01
	done
	# shellcheck disable=SC2016 # for the guest's shell
	fs_in '
		! flock -n file true
		echo >asks
		# This one waits until the host lets go.
		flock file sh -c "echo >has; n=0; while [ ! -e tried ]; do sleep .1; n=\$((n + 1)); [ \$n -lt 300 ]; done"
	' &
	guest=$!
	tries=0
	while [ ! -e share/asks ]; do
		vdevd_alive
		tries=$((tries + 1))
		[ "$tries" -lt 3000 ] || fail 'the guest never came'
		sleep 0.02
	done
	[ ! -e share/has ] || fail 'the guest has a lock that the host holds'
	kill "$holder"
	tries=0
	while [ ! -e share/has ]; do
		vdevd_alive
		tries=$((tries + 1))
		[ "$tries" -lt 3000 ] || fail 'the guest never got the lock'
		sleep 0.02
	done
	! flock -n share/file true || fail 'the host got a lock that the guest holds'
	: >share/tried
	wait "$guest" || fail 'the guest failed'
	vdevd_stop
}

# A repository in the folder.
case_fs_uml_git() {
	command -v git >/dev/null || lacking 'no git (apt-get install git)'
	fs_start
	# shellcheck disable=SC2016 # for the guest's shell
	fs_in '
		export HOME=/tmp
		git config --global user.name nobody
		git config --global user.email nobody@localhost
		git config --global --add safe.directory "*"
		git init -q here
		cd here
		for i in $(seq 200); do echo $i >f$i; done
		git add -A
		git commit -qm first
		echo more >>f7
		git commit -qam second
		cd ..
		git clone -q here there
		git -C there fsck --strict 2>/dev/null
		[ -z "$(git -C there status --short)" ]
		[ "$(git -C there log --format=%s | tr "\n" " ")" = "second first " ]
	'
	[ "$(tail -n 1 share/there/f7)" = more ] || fail 'other bytes'
	vdevd_stop
}

# vdevd is killed again and again under the guest, which has a folder, an open file and a lock: it does not notice.
case_fs_uml_killed() {
	command -v flock >/dev/null || lacking 'no flock (apt-get install util-linux)'
	fs_start --session-file="$dir/session" --flock
	"$VDEVD" relay --socket-path="$dir/relay.sock" --to="$vdevd_socket" 2>relay.log &
	relay=$!
	tries=0
	while [ ! -S relay.sock ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail 'no relay'
		sleep 0.01
	done
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/uml-run" --timeout 120 --vu fs="$dir/relay.sock" \
		'set -e; mkdir /tmp/m; mount -t virtiofs shared /tmp/m; cd /tmp/m/folder
		exec 7>>open 8>>locked
		flock -n 8
		echo >../begun
		for round in 1 2 3 4 5 6 7 8; do
			mkdir $round
			cp -r '"'$(realpath "$here/../../core")'"' $round/there
			tar -cf $round/tar $round/there
			tar -xf $round/tar -C $round -O >/dev/null
			ln $round/tar $round/hard
			mv $round/hard $round/moved
			mkdir $round/out
			tar -xf $round/tar -C $round/out
			diff -r $round/there $round/out/$round/there
			echo $round >&7
			rm -r $round/there $round/tar
		done
		echo >../ended
		n=0
		while [ ! -e ../tried ]; do echo >../beat; sleep .1; n=$((n + 1)); [ $n -lt 300 ]; done
		cd /; exec 7>&- 8>&-; umount /tmp/m' >got 2>&1 &
	guest=$!
	tries=0
	while [ ! -e share/begun ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 3000 ] || fail "the guest never came: $(cat got)"
		sleep 0.02
	done
	kills=0
	while [ ! -e share/ended ] && kill -0 "$guest" 2>/dev/null; do
		kill -9 "$vdevd_pid"
		wait "$vdevd_pid" || :
		rm -f "$vdevd_socket"
		vdevd_start fs --shared-dir="$dir/share" --tag=shared --session-file="$dir/session" --flock
		kills=$((kills + 1))
		sleep 0.1
	done
	# Not earlier: who tries has the lock for a moment, when the next vdevd may want it.
	rm -f share/beat
	tries=0
	while [ ! -e share/beat ] && kill -0 "$guest" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 3000 ] || fail 'the guest does nothing more'
		sleep 0.02
	done
	! flock -n share/folder/locked true || fail 'the guest has lost its lock'
	: >share/tried
	wait "$guest" || fail "the guest failed after $kills kills: $(cat got vdevd.log relay.log)"
	[ "$kills" -ge 3 ] || fail "only $kills kills"
	[ "$(tr '\n' ' ' <share/folder/open)" = '1 2 3 4 5 6 7 8 ' ] || fail 'other bytes'
	diff -r "$here/../../core" share/folder/8/out/8/there || fail 'other files'
	kill "$relay"
	wait "$relay" || :
	vdevd_stop
}

# Debian's kernel in QEMU: one folder by two devices, as two guests would have it, whose locks and shared memory each sees of
# the other; and an overlay on it.
case_fs_qemu() {
	need_device fs
	need_qemu
	find "${VDEVD_QEMU_KERNEL:-$here/../../build/guest-kernel}/lib/modules/" -name 'virtiofs.ko*' | grep -q . ||
		skip 'the guest kernel has no virtiofs (test/guest/qemu-run --fetch gets one that has)'
	[ "$(id -u)" = 0 ] || skip 'an overlay makes device nodes in the folder: not root'
	command -v flock >/dev/null || lacking "no flock (apt-get install util-linux)"
	mkdir -p share/lower/folder share/upper share/work
	for name in one two file; do echo "$name" >"share/lower/$name"; done
	echo below >share/lower/folder/below
	set -- --shared-dir="$dir/share" --flock --cache=never --allow-mmap --xattrmap=':map:trusted.:user.vm.:'
	vdevd_start fs "$@"
	"$VDEVD" fs "$@" --socket-path="$dir/second.sock" 2>second.log &
	second=$!
	tries=0
	while [ ! -S second.sock ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 500 ] || fail 'no second socket'
		sleep 0.01
	done
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/qemu-run" --timeout 150 --mod virtiofs --mod overlay --bin "$(command -v flock)" \
		--vu "vhost-user-fs-pci=$vdevd_socket,tag=first,queue-size=1024" \
		--vu "vhost-user-fs-pci=$dir/second.sock,tag=second,queue-size=1024" '
		set -e
		mkdir /m /n /o
		mount -t virtiofs first /m
		mount -t virtiofs second /n
		echo x >/m/x
		[ "$(cat /n/x)" = x ]
		# A lock by the one keeps the other out.
		exec 9>>/m/x
		flock -n 9
		! flock -n /n/x true
		flock -u 9
		flock -n /n/x true
		exec 9>&-
		dd if=/dev/urandom of=/m/big bs=1M count=8 2>/dev/null
		cmp /m/big /n/big
		mount -t overlay overlay -o lowerdir=/m/lower,upperdir=/m/upper,workdir=/m/work /o
		cd /o
		rm one
		echo more >>two
		mv two three
		rm -r folder
		mkdir folder
		echo above >folder/above
		[ "$(ls folder)" = above ]
		[ "$(ls)" = "$(printf "file\nfolder\nthree\n")" ] || { ls; false; }
		cd /
		umount /o
		umount /m /n' >got 2>&1 || fail "the guest failed: $(cat got second.log)"
	kill "$second"
	wait "$second" || fail 'the second vdevd failed'
	vdevd_stop
	[ "$(cat share/upper/three)" = "$(printf 'two\nmore')" ] || fail 'other bytes'
	[ "$(stat -c %F share/upper/one)" = 'character special file' ] || fail 'no whiteout'
	[ "$(cat share/upper/folder/above)" = above ] || fail 'not the new folder'
	[ "$(cat share/lower/one)" = one ] || fail 'the lower folder was changed'
}
