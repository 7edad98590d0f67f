#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# terminal.sh - the terminal that vdevd runs in is its console's: it is raw meanwhile, and as it was in every case after that.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2

case " $VDEVD_DEVICES " in
*' console '*) ;;
*)
	echo 'skip terminal: the console is not built'
	exit 0
	;;
esac

# A sanitizer's handler of faults is before ours.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}handle_segv=0
export ASAN_OPTIONS

cat >terminal.py <<'END'
import fcntl, os, pty, signal, socket, struct, sys, termios, time

VDEVD = os.environ["VDEVD"]
PATIENCE = 20  # s


def until(what, true):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise AssertionError("not in time: " + what)
        time.sleep(0.005)


class Terminal:
    """A vdevd in a pseudo-terminal of its own."""

    def __init__(self, *options, wait=True):
        for name in "s", "ctl":
            if os.path.exists(name):
                os.unlink(name)
        self.master, slave = pty.openpty()
        self.slave = slave  # the settings are gone when nobody has it open
        self.before = termios.tcgetattr(slave)
        self.size(80, 24)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            os.dup2(slave, 0)
            os.dup2(slave, 1)
            os.dup2(os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
            os.execv(VDEVD, ["vdevd", "console", "--socket-path=s", "--control=ctl", "--console=stdio", *options])
        if wait:
            until("a socket", lambda: os.path.exists("s") and os.path.exists("ctl"))

    def raw(self):
        flags = termios.tcgetattr(self.slave)
        return not flags[3] & (termios.ECHO | termios.ICANON | termios.ISIG) and not flags[1] & termios.OPOST

    def size(self, cols, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def ask(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect("ctl")
            s.sendall(command.encode() + b"\n")
            return s.makefile().readline().strip()

    def type(self, text):
        os.write(self.master, text)

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def ends(self, status):
        """Ends with this exit status, or by this signal where it is negative; the terminal is as it was."""
        result = []

        def ended():
            pid, got = os.waitpid(self.pid, os.WNOHANG)
            result.append(os.waitstatus_to_exitcode(got) if pid else None)
            return pid

        until("the end", ended)
        assert result[-1] == status, f"ended with {result[-1]}, not {status}: {open('log').read()}"
        assert self.restored(), "the terminal is not as it was"
        os.close(self.master)
        os.close(self.slave)


def ticks(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_escape():
    t = Terminal()
    assert t.raw()
    t.type(b"hello\x01\x01x\x03\x1a")  # what is no escape: nobody is there to read it, and no signal comes of it
    t.type(b"\x01")
    t.type(b"x")
    t.ends(0)
    assert not os.path.exists("s")


def test_full():
    """More than there is room for, and no guest: the rest waits in the terminal, and whoever types is held back."""
    t = Terminal()
    os.set_blocking(t.master, False)
    sent = 0
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        try:
            sent += os.write(t.master, b"y" * 1000)
        except BlockingIOError:
            time.sleep(0.01)
    assert 0 < sent < 262144, f"{sent} bytes were taken"
    before = ticks(t.pid)
    time.sleep(0.2)
    assert ticks(t.pid) - before <= 0.05, "it does not sleep"
    os.kill(t.pid, signal.SIGTERM)
    t.ends(0)


def test_no_escape():
    t = Terminal("--no-escape")
    t.type(b"\x01x")
    assert t.ask("ports") == "size 80x24"
    assert t.raw()
    os.kill(t.pid, signal.SIGTERM)
    t.ends(0)


def test_signals():
    for sig in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        t = Terminal()
        assert t.raw()
        os.kill(t.pid, sig)
        t.ends(0)
    for sig in signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT, signal.SIGUSR1, signal.SIGPWR:
        t = Terminal()
        assert t.raw()
        os.kill(t.pid, sig)
        t.ends(-sig)


def test_command():
    t = Terminal()
    t.ask("quit")
    t.ends(0)


def test_never_begins():
    t = Terminal("--port=file:nowhere/log", wait=False)
    t.ends(1)


def test_stopped():
    t = Terminal()
    os.kill(t.pid, signal.SIGTSTP)
    until("it stops", lambda: os.WIFSTOPPED(os.waitpid(t.pid, os.WNOHANG | os.WUNTRACED)[1]))
    assert t.restored()
    t.size(132, 50)
    os.kill(t.pid, signal.SIGCONT)
    until("it is raw again", t.raw)
    assert t.ask("ports") == "size 132x50"
    t.type(b"\x01x")
    t.ends(0)


def test_resize():
    t = Terminal()
    assert t.ask("ports") == "size 80x24"
    t.size(100, 40)
    until("the size", lambda: t.ask("ports") == "size 100x40")
    t.type(b"\x01x")
    t.ends(0)


status = 0
for name, test in list(globals().items()):
    if not name.startswith("test_"):
        continue
    try:
        test()
        print("ok", name[5:].replace("_", " "))
    except (AssertionError, OSError) as err:
        print(err)
        print("not ok", name[5:].replace("_", " "))
        status = 1
sys.exit(status)
END
python3 terminal.py || status=1
exit $status
