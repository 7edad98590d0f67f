#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# serving.sh - the life of a process that serves: its socket, signals, the service manager, several instances.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

# until_true COMMAND...: waits, at most 10 s, until the command succeeds.
until_true()
{
	for _ in $(seq 500); do
		"$@" && return 0
		sleep 0.02
	done
	return 1
}

# ends PID SIGNAL STATUS: sends the signal and says whether the process ends with the status.
ends()
{
	kill -s "$2" "$1"
	wait "$1"
	[ $? = "$3" ]
}

# gone FILE...: whether there is none of them.
# shellcheck disable=SC2317 # called by until_true and expect
gone()
{
	for file; do
		[ ! -e "$file" ] || return 1
	done
}

# shellcheck disable=SC2317
has_mode()
{
	[ "$(stat -c %a "$2")" = "$1" ]
}

"$VDEVD" rng --socket-path=s &
pid=$!
expect 'it listens' until_true test -S s
refuses 'a live socket is refused' 1 '^vdevd rng: error: .*in use' "$VDEVD" rng --socket-path=s
expect 'and stays' test -S s
expect 'SIGTERM ends it' ends $pid TERM 0
expect 'and removes the socket' gone s

"$VDEVD" rng --socket-path=s &
pid=$!
until_true test -S s
kill -s KILL $pid
wait $pid 2>/dev/null
"$VDEVD" rng -s s --socket-mode=0640 &
pid=$!
expect 'a stale socket is replaced, with the mode that was told' until_true has_mode 640 s
expect 'SIGINT ends it' ends $pid INT 0
expect 'and removes the socket, too' gone s

# On a busy machine some attempts may be late.
cat >prompt.py <<'END'
import os, signal, subprocess, time
best = 1
for _ in range(10):
    p = subprocess.Popen([os.environ["VDEVD"], "rng", "--socket-path=s"])
    while not os.path.exists("s"):
        time.sleep(0.01)
    begin = time.monotonic()
    p.send_signal(signal.SIGTERM)
    assert p.wait(10) == 0 and not os.path.exists("s")
    best = min(best, time.monotonic() - begin)
    if best < 0.1:
        break
assert best < 0.1, best
END
expect 'the end comes within 100 ms' python3 prompt.py

# The service manager's side.
cat >manager.py <<'END'
import os, signal, socket, subprocess, sys, time
vdevd = os.environ["VDEVD"]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("notify")
manager.settimeout(10)
os.environ["NOTIFY_SOCKET"] = os.path.abspath("notify")

# The next message that is no status in words.
def told():
    while True:
        text = manager.recv(100)
        if not text.startswith(b"STATUS="):
            return text

def life(p, ready):
    assert told() == b"READY=1"
    ready()
    p.send_signal(signal.SIGTERM)
    assert told() == b"STOPPING=1"
    assert p.wait(10) == 0
    manager.setblocking(False)
    try:
        while manager.recv(100).startswith(b"STATUS="):
            pass
        assert False
    except BlockingIOError:
        pass
    manager.settimeout(10)

# Ready is said when the socket can be connected to.
life(subprocess.Popen([vdevd, "rng", "--socket-path=s"]), lambda: socket.socket(socket.AF_UNIX).connect("s"))

# Several instances are ready when all are.
def all_ready():
    for i in range(3):
        socket.socket(socket.AF_UNIX).connect("m%d" % i)
life(subprocess.Popen(["vhost-device-rng", "-s", "m", "-c3"], executable=vdevd), all_ready)

# Socket activation.
listener = socket.socket(socket.AF_UNIX)
listener.bind("a")
listener.listen()

def activate():
    # Without a collision of the two numbers.
    fd = os.dup(listener.fileno())
    os.dup2(fd, 3)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = "1"
    os.execv(vdevd, ["vdevd", "rng"])

pid = os.fork()
if pid == 0:
    activate()
assert told() == b"READY=1"
# GET_FEATURES is answered: the process serves the socket it was passed.
c = socket.socket(socket.AF_UNIX)
c.settimeout(10)
c.connect("a")
c.send(bytes([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))
assert c.recv(100)[0:4] == bytes([1, 0, 0, 0])
os.kill(pid, signal.SIGTERM)
assert os.waitpid(pid, 0)[1] == 0
assert told() == b"STOPPING=1"
assert os.path.exists("a")

# In words, whether a front-end is there; and as often as it is wanted, that the loop turns.
os.environ["WATCHDOG_USEC"] = "100000"
p = subprocess.Popen([vdevd, "rng", "--socket-path=s"])
del os.environ["WATCHDOG_USEC"]
assert manager.recv(100) == b"READY=1"
beats = 0
def hear(wanted):
    global beats
    while True:
        text = manager.recv(100)
        if text == wanted:
            return
        assert text == b"WATCHDOG=1", text
        beats += 1
hear(b"STATUS=waiting for a front-end")
c = socket.socket(socket.AF_UNIX)
c.connect("s")
hear(b"STATUS=a front-end is connected")
c.close()
hear(b"STATUS=waiting for a front-end")
begin = time.monotonic()
while beats < 4:
    hear(b"WATCHDOG=1")
    beats += 1
assert time.monotonic() - begin > 0.09
p.send_signal(signal.SIGTERM)
hear(b"STOPPING=1")
assert p.wait(10) == 0

# So does the parent of many.
with open("many", "w") as f:
    f.write("rng\n")
os.environ["WATCHDOG_USEC"] = "100000"
p = subprocess.Popen([vdevd, "run", "--socket-dir=many.d", "many"])
del os.environ["WATCHDOG_USEC"]
hear(b"READY=1")
hear(b"STATUS=all devices are started")
beats = 0
while beats < 4:
    hear(b"WATCHDOG=1")
    beats += 1
p.send_signal(signal.SIGTERM)
hear(b"STOPPING=1")
assert p.wait(10) == 0

# A connected socket is served until its front-end goes.
here, there = socket.socketpair()
p = subprocess.Popen([vdevd, "rng", "--fd=%d" % there.fileno()], pass_fds=[there.fileno()])
there.close()
here.send(bytes([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))
here.settimeout(10)
assert here.recv(100)[0:4] == bytes([1, 0, 0, 0])
here.close()
assert p.wait(10) == 0
END
expect 'the service manager is told, and passes sockets' python3 manager.py

# Two sockets from the manager are one too many.
# shellcheck disable=SC2016 # $$ is the inner shell's
refuses 'two passed sockets' 2 '^vdevd rng: 2 sockets from the service manager' \
	sh -c 'export LISTEN_PID=$$ LISTEN_FDS=2; exec "$VDEVD" rng 3</dev/null 4</dev/null'

# In place of the daemon that is called vhost-device-rng.
ln -s "$VDEVD" vhost-device-rng
./vhost-device-rng -s old &
pid=$!
expect 'the number is appended for one instance, too' until_true test -S old0
expect 'one instance ends' ends $pid TERM 0
./vhost-device-rng -s old --no-suffix &
pid=$!
expect 'but not with --no-suffix' until_true test -S old
ends $pid TERM 0
./vhost-device-rng --socket-path=old -c 2 -m 512 -p 1000 -f /dev/urandom &
pid=$!
expect 'two instances' until_true test -S old0 -a -S old1
expect 'SIGINT ends both' ends $pid INT 0
expect 'and removes both sockets' gone old0 old1
mkdir old1
./vhost-device-rng -s old -c 2 2>err &
pid=$!
expect 'one of two fails' until_true grep -q '^vdevd rng\[1\]: error: .*old1' err
expect 'the other serves' until_true test -S old0
expect 'and the status is the worst' ends $pid TERM 1
rmdir old1
./vhost-device-rng -s old -c 2 &
pid=$!
until_true test -S old0 -a -S old1
kill -s KILL $pid
wait $pid 2>/dev/null
expect 'no instance outlives its parent' until_true gone old0 old1
refuses 'no instance' 2 '^vdevd rng: -c 0: out of range (a number from 1' ./vhost-device-rng -s old -c 0
refuses 'two instances of one path' 2 '^vdevd rng: --socket-count=2: ' ./vhost-device-rng -s old -c 2 --no-suffix
refuses 'two instances of one descriptor' 2 '^vdevd rng: --socket-count=2: ' ./vhost-device-rng --fd=0 -c 2
refuses 'its spellings are its own' 2 '^vdevd rng: -f: unknown option' "$VDEVD" rng -s s -f /dev/urandom

# Idle means asleep.
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
	ASAN_OPTIONS=detect_leaks=0 strace -D -f -o trace "$VDEVD" rng -s s &
	pid=$!
	until_true grep -qs 'epoll_wait(' trace
	before=$(wc -l <trace)
	sleep 3
	expect 'nothing wakes it for 3 s' test "$(wc -l <trace)" = "$before"
	expect 'a signal does' ends $pid TERM 0
	# As long as libev 4.33 sleeps; an older one looks every minute whether the clock was set.
	expect 'and nothing else would have, for 17 days' grep -q 'epoll_wait(.*, 1500001070' trace
else
	echo 'skip nothing wakes it for 3 s: strace cannot trace here'
fi

exit $status
