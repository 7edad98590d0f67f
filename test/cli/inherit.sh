#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# inherit.sh - what a process has of its parent: closed descriptors, signals that are blocked or ignored, limits, a standard
# error that nobody reads; and what an early signal leaves behind.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

cat >lib.py <<'END'
import fcntl, os, resource, select, signal, socket, struct, subprocess, sys, time
vdevd = os.environ["VDEVD"]

def until(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "too late"
        time.sleep(0.01)

# Asks a back end for its features: whether it answers.
def answers(path):
    c = socket.socket(socket.AF_UNIX)
    c.settimeout(10)
    def connects():
        try:
            c.connect(path)
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    until(connects)
    c.send(bytes([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))
    return c.recv(100)[0:4] == bytes([1, 0, 0, 0])

def ends(p, sig, status=0):
    begin = time.monotonic()
    p.send_signal(sig)
    got = p.wait(10)
    assert got == status, got
    return time.monotonic() - begin
END
export PYTHONPATH="$work"

# What is opened does not take the place of the standard descriptors, and a log line goes nowhere.
cat >closed.py <<'END'
from lib import *
for closed in [(0,), (1,), (2,), (0, 1), (0, 1, 2)]:
    def close(): [os.close(fd) for fd in closed]
    open("source", "wb").write(b"entropy" * 1000)
    os.chmod("source", 0o600)
    # A process that is not dumpable shows its descriptors to root alone.
    looks = [] if os.geteuid() == 0 else ["--sandbox=all,-dumpable"]
    p = subprocess.Popen([vdevd, "rng", "-s", "s", "--source=source", "--log-level=debug", "--control=c"] + looks,
                         preexec_fn=close)
    assert answers("s")
    for fd in closed:
        assert os.readlink("/proc/%d/fd/%d" % (p.pid, fd)) == "/dev/null"
    ends(p, signal.SIGTERM)
    assert open("source", "rb").read() == b"entropy" * 1000
# A program that has nothing to write to says so.
assert subprocess.run([vdevd, "list"], preexec_fn=lambda: os.close(1), stderr=subprocess.DEVNULL).returncode == 1
assert subprocess.run([vdevd, "list"], preexec_fn=lambda: os.close(0), stdout=subprocess.DEVNULL).returncode == 0
END
expect 'closed standard descriptors are filled' python3 closed.py

# Signals as the parent left them.
cat >signals.py <<'END'
from lib import *
all = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD]
def block(): signal.pthread_sigmask(signal.SIG_BLOCK, all)
def ignore(): [signal.signal(sig, signal.SIG_IGN) for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
for before in (block, ignore):
    for sig in all[0:2 if before == ignore else 3]:
        for args in ([vdevd, "rng", "-s", "s0"], ["vhost-device-rng", "-s", "s", "-c", "2"]):
            p = subprocess.Popen(args, executable=vdevd, preexec_fn=before)
            assert answers("s0")
            ends(p, sig)
            assert not os.path.exists("s0") and not os.path.exists("s1")
# nohup(1) still means what it says.
p = subprocess.Popen([vdevd, "rng", "-s", "s"], preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
assert answers("s")
p.send_signal(signal.SIGHUP)
time.sleep(0.1)
assert answers("s")
ends(p, signal.SIGTERM)
END
expect 'signals that were blocked or ignored work; nohup, too' python3 signals.py

# A terminal that goes.
cat >terminal.py <<'END'
from lib import *
import pty
pid, master = pty.fork()
if pid == 0:
    os.execv(vdevd, [vdevd, "rng", "-s", "s", "--control=c"])
assert answers("s")
os.close(master)
assert os.waitpid(pid, 0)[1] == 0
assert not os.path.exists("s") and not os.path.exists("c")
END
expect 'the hang-up of a terminal removes the sockets' python3 terminal.py

# Limits of open files, each with a line or an instance that serves.
cat >limits.py <<'END'
from lib import *
def run(soft, hard, *args):
    def limit(): resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return subprocess.Popen([vdevd] + list(args), preexec_fn=limit, stderr=subprocess.PIPE, close_fds=True)
for limit in (4, 5, 8, 12, 16):
    for args in (("rng", "-s", "s"), ("relay", "-s", "s", "--to=t"))[:1 if limit == 16 else 2]:
        p = run(limit, limit, *args)
        text = p.communicate(timeout=10)[1]
        assert p.returncode == 1 and text.count(b"\n") == 1 and b"open files " in text, (limit, p.returncode, text)
for soft, hard in ((128, 128), (4, 1024), (1024, 1024)):
    p = run(soft, hard, "rng", "-s", "s")
    assert answers("s"), (soft, hard)
    ends(p, signal.SIGTERM)
END
expect 'few open files: a line, or service' python3 limits.py

# Nobody reads standard error, which is full.
cat >stderr.py <<'END'
from lib import *
import pty, tty
def full_pipe():
    r, w = os.pipe()
    return r, w
def full_socket():
    a, b = socket.socketpair()
    return a.detach(), b.detach()
def terminal():
    m, s = pty.openpty()
    tty.setraw(s)
    return m, s
for make in (full_pipe, full_socket, terminal):
    theirs, ours = make()
    # Another has the same open file, and does not expect O_NONBLOCK.
    flags = fcntl.fcntl(ours, fcntl.F_GETFL)
    p = subprocess.Popen([vdevd, "rng", "-s", "s", "--control=c", "--log-level=debug"], stderr=ours)
    assert answers("s")
    assert fcntl.fcntl(ours, fcntl.F_GETFL) == flags
    fcntl.fcntl(ours, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        while True:
            os.write(ours, b"x" * 100)
    except BlockingIOError:
        pass
    try:
        while True:
            os.write(ours, b"x")
    except BlockingIOError:
        pass
    fcntl.fcntl(ours, fcntl.F_SETFL, flags)
    for i in range(20):
        assert answers("s")
    def lost():
        text = subprocess.run([vdevd, "ctl", "c", "health"], stdout=subprocess.PIPE).stdout.decode()
        return int(text.split("log-lost ")[1].split()[0])
    # A terminal may have taken some of it away meanwhile.
    until(lambda: answers("s") and lost() > 0)
    # When there is a reader again, it learns of it.
    text = b""
    def read():
        global text
        while select.select([theirs], [], [], 0.1)[0]:
            text += os.read(theirs, 65536)
    read()
    # Also when there is nothing more to be said.
    until(lambda: read() or b" lines of the log were lost" in text)
    until(lambda: (read(), lost() == 0)[1])
    ends(p, signal.SIGTERM)
    os.close(theirs)
    os.close(ours)
END
expect 'a log that nobody reads stops nothing' python3 stderr.py

# A signal at any moment leaves no file behind.
cat >early.py <<'END'
from lib import *
left = set(os.listdir("."))
os.mkfifo("fifo")
died = ended = 0
for i in range(120):
    sig = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[i % 3]
    p = subprocess.Popen([vdevd, "vsock", "-s", "s", "--control=c", "--uds-path=v"])
    if i % 2:
        until(lambda: os.path.exists(("c", "v", "s")[i // 2 % 3]))
    else:
        time.sleep(i / 120 * 0.02)
    p.send_signal(sig)
    got = p.wait(10)
    assert got in (0, -sig), got
    died += got != 0
    ended += got == 0
    assert set(os.listdir(".")) - left == {"fifo"}, (i, got, os.listdir("."))
assert ended >= 60
END
expect 'a signal at the start leaves no socket behind' python3 early.py

# No /proc: links are made by the name the program was called by.
mkdir -p root/bin root/dir
cp "$VDEVD" root/bin/vdevd
ldd "$VDEVD" 2>/dev/null | sed -n 's|^[^/]*\(/[^ ]*\) (0x.*|\1|p' | while read -r lib; do
	mkdir -p "root${lib%/*}"
	cp -L "$lib" "root$lib"
done
if chroot root /bin/vdevd --version >/dev/null 2>&1; then
	expect 'links without /proc, by a path' chroot root /bin/vdevd --install-links /dir
	expect 'they are there' test root/dir/vdevd-rng -ef root/bin/vdevd
	rm -f root/dir/*
	expect 'links without /proc, by PATH' env PATH=/nowhere:/bin "$(command -v chroot)" root vdevd --install-links /dir -s
	expect 'and lead to it' test "$(readlink root/dir/vdevd-rng)" = /bin/vdevd
else
	echo 'skip links without /proc: no chroot here'
fi

exit $status
