#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# sandbox.sh - what the executable shows of its sandbox, and what the kernel says of a process that serves.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

# Devices as they are called most simply.
cat >show.py <<'END'
import json, os, subprocess
vdevd = os.environ["VDEVD"]
have = os.environ["VDEVD_DEVICES"].split()
calls = {
    "rng": ["rng", "--sandbox=all"],
    "gpio": ["gpio", "--sandbox=all", "--backend=sim"],
    "i2c": ["i2c", "--sandbox=all", "--backend=sim"],
    "spi": ["spi", "--sandbox=all", "--backend=sim"],
    "vsock": ["vsock", "--sandbox=all", "--uds-path=/run/v"],
}

def show(*args):
    text = subprocess.run([vdevd, *args, "--print-sandbox=json"], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(text)

for name, args in calls.items():
    if name not in have:
        continue
    s = show(*args, "--socket-path=/run/s")
    names = {c["name"] for c in s["system-calls"]}
    assert all(c["why"] for c in s["system-calls"])
    # Nobody runs programs, looks into processes, or has an ioctl or a socket without a check.
    assert not names & {"execve", "execveat", "ptrace", "fork", "vfork", "setns", "unshare", "mount", "process_vm_readv"}
    assert all("only" in c for c in s["system-calls"] if c["name"] in ("ioctl", "socket", "mmap", "mprotect", "clone"))
    assert s["capabilities"] == [] and not s["host-network"], name
    assert {"path": "/run", "access": "make and remove", "why": "the socket is removed at the end"} in s["files"]
    assert len(s["layers"]) == 10

if "rng" in have:
    s = show("rng", "--sandbox=strict,-namespaces", "--socket-path=/run/s")
    assert [l["required"] for l in s["layers"]] == [True] * 8 and "namespaces" not in {l["name"] for l in s["layers"]}
    n = s["system-call-numbers"]
    assert n == -1 or n <= 45, n
if "vsock" in have:
    s = show("vsock", "--sandbox=all", "--map=guest:7=tcp:127.0.0.1:8080", "--socket-path=/run/s")
    assert s["tcp-ports"] == [8080] and s["host-network"]
    s = show("vsock", "--sandbox=all", "--uds-path=/run/v", "--socket-path=/run/s", "--control=/tmp/c")
    assert {"/run", "/tmp"} == {f["path"] for f in s["files"]}
END
expect 'what is left is shown' python3 show.py
expect 'and for people' prints '^Capabilities: none$' "$VDEVD" rng --print-sandbox=text
refuses 'a way to show it that is none' 2 '--print-sandbox=xml: unknown (text or json is wanted)' "$VDEVD" rng --print-sandbox=xml
refuses 'a layer that is none' 2 "--sandbox=secomp: no layer 'secomp'" "$VDEVD" rng --socket-path=s --sandbox=secomp
refuses 'a user that is none' 2 "--user=no-such-user: no user" "$VDEVD" rng --socket-path=s --user=no-such-user
refuses 'an adjustment that is none' 2 '--oom-score-adj=1001: not a number from -1000' "$VDEVD" rng -s s --oom-score-adj=1001

# serves OPTION...: a vdevd in the background, once its socket is there; its process is $pid.
serves()
{
	"$VDEVD" "$@" 2>log &
	pid=$!
	for _ in $(seq 500); do
		# The layers come after the socket, and the line about no_new_privs before the last of them.
		[ -S s ] && [ "$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null)" = S ] && return
		kill -0 $pid 2>/dev/null || return 1
		sleep 0.02
	done
	return 1
}

# has FIELD VALUE: whether /proc/PID/status has it.
# shellcheck disable=SC2317 # called by expect
has()
{
	grep -Eq "^$1:[[:space:]]*$2\$" "/proc/$pid/status"
}

# ends: ends it, and says whether it removed its socket.
# shellcheck disable=SC2317
ends()
{
	kill "$pid"
	wait "$pid" && [ ! -e s ]
}

# A build that counts lines writes its counts when it ends, which no filter allows.
less=''
! grep -q 'VDEVD_INSTRUMENTED *1' "$VDEVD_BUILD/config.h" || less=,-seccomp
serves rng --sandbox=all,-namespaces$less --socket-path=s
expect 'no new privileges' has NoNewPrivs 1
if "$VDEVD" rng --print-sandbox=json | grep -q '"system-call-numbers": -1'; then
	echo 'skip seccomp: this build is without libseccomp'
elif [ "$less" ]; then
	echo 'skip seccomp: this build counts lines, or has a sanitizer'
else
	expect 'system calls are filtered' has Seccomp 2
fi
expect 'no capability is left' has CapEff 0000000000000000
expect 'and none can be had' has CapPrm 0000000000000000
expect 'it ends, and removes its socket' ends

serves rng --sandbox=none --socket-path=s
expect 'without a sandbox there is none' has Seccomp "$(sed -n 's/^Seccomp:[[:space:]]*//p' /proc/self/status)"
expect 'it ends, too' ends

serves rng --sandbox=limits --oom-score-adj=500 --socket-path=s
expect 'memory short: this one first' test "$(cat /proc/$pid/oom_score_adj)" = 500
expect 'no core file' grep -Eq '^Max core file size +0 +0 ' /proc/$pid/limits
expect 'it ends after that' ends

if [ "$(id -u)" = 0 ]; then
	serves rng --sandbox=all,-namespaces$less --user=65534:65534 --socket-path=s
	expect 'another user' has Uid '65534[[:space:]]65534[[:space:]]65534[[:space:]]65534'
	expect 'another group' has Gid '65534[[:space:]]65534[[:space:]]65534[[:space:]]65534'
	expect 'in no other group' has Groups '[[:space:]]*'
	kill $pid
	wait $pid
	expect 'it ends as that user' test $? = 0
	rm -f s
else
	refuses 'who is not root stays who he is' 1 'cannot become user 0' "$VDEVD" rng --socket-path=s --user=0 --log-level=error
fi
exit $status
