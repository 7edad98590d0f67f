#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# vsock.sh - the socket device where the host allows little, and paths that cannot be.

# shellcheck disable=SC2317 # functions that expect calls
# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

case " $VDEVD_DEVICES " in
*' vsock '*) ;;
*)
	echo 'skip vsock: it is not built'
	exit 0
	;;
esac

# serves COMMAND...: whether the device serves its socket s; the log is in the file log.
serves()
{
	"$@" 2>log &
	pid=$!
	for _ in $(seq 500); do
		if [ -S s ] || ! kill -0 "$pid" 2>/dev/null; then
			break
		fi
		sleep 0.02
	done
	"$VDEVD" probe --socket-path=s --id=vsock --quiet
	served=$?
	kill "$pid"
	wait "$pid"
	[ "$served" = 0 ] || cat log
	return "$served"
}

# limited OPTION N ARGUMENT...: vdevd vsock under a limit of ulimit.  Shells have -n and -d, if not POSIX.
cat >limited <<'END'
#!/bin/sh
ulimit "-S$1" "$2" && ulimit "-H$1" "$2" || exit 3
shift 2
exec "$VDEVD" vsock --socket-path=s "$@"
END
chmod +x limited

expect 'the default under a limit of 1024 open files' serves ./limited n 1024 --uds-path=v --log-level=info
expect 'it says how many connections that allows' grep -q 'vsock: 9[0-9]* connections at most' log
expect 'and with the simulator, which takes two each' serves ./limited n 1024 --backend=sim --log-level=info
expect 'it says that, too' grep -q 'vsock: 4[0-9]* connections at most' log
refuses 'what was asked for is not given in part' 1 '^vdevd vsock: error: --max-connections=1024: that takes 1025 open files' \
	./limited n 1024 --uds-path=v --max-connections=1024
expect 'as many as fit' serves ./limited n 1024 --uds-path=v --max-connections=900

# Where memory is charged when it is asked for (vm.overcommit_memory=2), as here by a limit: 576 MiB are not to be asked for.
expect 'memory is not asked for before it is used' serves ./limited d 65536 --uds-path=v --max-connections=1024
expect 'nor by the simulator' serves ./limited d 65536 --backend=sim --max-connections=1024

long=$(printf '%0108d' 0)
refuses 'an empty path' 2 '^vdevd vsock: --uds-path=: a path of 1 to 96 characters is wanted' "$VDEVD" vsock -s s --uds-path=
refuses 'a path too long for that of a port' 2 '^vdevd vsock: --uds-path=0*: a path of 1 to 96 ' \
	"$VDEVD" vsock -s s --uds-path="${long%0000000000}"
refuses 'an empty path for messages' 2 '^vdevd vsock: --uds-seqpacket-path=: a path of 1 to 107 characters is wanted' \
	"$VDEVD" vsock -s s --uds-path=v --uds-seqpacket-path=
refuses 'one too long' 2 '^vdevd vsock: --uds-seqpacket-path=0*: a path of 1 to 107 ' \
	"$VDEVD" vsock -s s --uds-path=v --uds-seqpacket-path="$long"
refuses 'a group without a directory' 2 '^vdevd vsock: --group=: a directory is wanted' "$VDEVD" vsock -s s --group=
refuses 'one whose sockets have names too long' 2 '^vdevd vsock: --group=0*: a directory is wanted' "$VDEVD" vsock -s s --group="${long%0000}"
expect 'no socket was left behind' test ! -e s -a ! -e v
exit $status
