#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# memory.sh - memory that is short, of the whole executable: at the start an error line and status 1, later a front-end that is
# refused; never a signal, an abort or a process that hangs.

# shellcheck source=test/build/common
. "${0%/*}/../build/common"
cd "$work" || exit 2
if grep -q 'VDEVD_INSTRUMENTED *1' "$VDEVD_BUILD/config.h"; then
	echo 'skip short memory: this build has an allocator of its own, or counts lines'
	exit 0
fi

# An allocation fails, or all from one on.  libseccomp's are spared: it is asked only where there is memory for it.
cat >short.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static long count, from = -1, upto;

static bool fails(const void *caller)
{
	Dl_info info;

	if (from < 0) {
		from = atol(getenv("SHORT_FROM"));
		upto = atol(getenv("SHORT_UPTO"));
	}
	count++;
	if (count < from || count > upto)
		return false;
	if (dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "libseccomp"))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}
END

cat >short.py <<'END'
import array, os, resource, signal, socket, struct, subprocess, sys, time

vdevd = os.environ["VDEVD"]
FEATURES = struct.pack("<III", 1, 1, 0)

def connect():
    c = socket.socket(socket.AF_UNIX)
    c.settimeout(60)
    c.connect("s")
    return c

# Whether a front-end is answered.
def answered():
    try:
        with connect() as c:
            c.send(FEATURES + bytes(0))
            return len(c.recv(100)) == 20
    except OSError:
        return False

def start(env={}, limit=None):
    log = open("log", "w+")
    before = (lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))) if limit else None
    p = subprocess.Popen([vdevd, "rng", "--socket-path=s"], env={**os.environ, **env}, stderr=log, preexec_fn=before)
    return p, log

# How it ends: its status, whether it served, what it said.  It has a minute, whatever it does.
def life(**how):
    if os.path.exists("s"):
        os.unlink("s")
    p, log = start(**how)
    served, end = False, time.monotonic() + 60
    while p.poll() is None and not served and time.monotonic() < end:
        served = answered()
        if not served:
            time.sleep(0.002)
    p.send_signal(signal.SIGTERM)
    try:
        status = p.wait(60)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        status = "none: it hangs"
    log.seek(0)
    return status, served, log.read()

def check(what, status, served, log):
    # The loader of programs has a status of its own.
    if (status, served) == (0, True) or status == 1 and "error: " in log or status == 127 and "loading shared" in log:
        return
    print(what, "status", status, "served" if served else "", log)
    sys.exit(1)

def allocations():
    places = list(range(1, 60)) + list(range(60, 1500, 71))
    ends = []
    for upto in ("one", "all"):
        for n in places:
            env = {"LD_PRELOAD": os.path.abspath("short.so"), "SHORT_FROM": str(n),
                   "SHORT_UPTO": str(n if upto == "one" else 10**9)}
            status, served, log = life(env=env)
            check("%s from allocation %d on fails:" % (upto, n), status, served, log)
            ends.append(status)
    # Some were met, and some came too late to be.
    assert 0 in ends and 1 in ends

def limits():
    ends = []
    for mib in list(range(2, 24)) + [32, 48, 64, 128]:
        # Where the kernel and the loader cannot even begin a program, nothing is learnt of this one.
        begun = subprocess.run([os.environ["VDEVD"], "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20)))
        if begun.returncode < 0:
            continue
        status, served, log = life(limit=mib << 20)
        check("%d MiB:" % mib, status, served, log)
        ends.append(status)
    assert ends[-1] == 0 and ends[0] != 0, ends

# A guest that is larger than what there is.
def front_end():
    if os.path.exists("s"):
        os.unlink("s")
    p, log = start(limit=256 << 20)
    while not answered():
        assert p.poll() is None, open("log").read()
        time.sleep(0.01)
    size = 1 << 30
    memory = os.memfd_create("guest")
    os.truncate(memory, size)
    for _ in range(3):
        with connect() as c:
            table = struct.pack("<IIQQQQ", 1, 0, 0, size, 0, 0)
            fds = array.array("i", [memory])
            c.sendmsg([struct.pack("<III", 5, 1, len(table)) + table], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            try:
                c.send(FEATURES)
                # Refused: the connection ends, or goes on without the memory.
                c.recv(100)
            except OSError:
                pass
        end = time.monotonic() + 60
        while not answered():
            assert p.poll() is None and time.monotonic() < end, open("log").read()
            time.sleep(0.01)
    assert "Cannot allocate memory" in open("log").read(), open("log").read()
    p.send_signal(signal.SIGTERM)
    assert p.wait(60) == 0

{"allocations": allocations, "limits": limits, "front_end": front_end}[sys.argv[1]]()
END
# shellcheck disable=SC2086 # the compiler and its flags
if readelf -l "$VDEVD" 2>/dev/null | grep -q INTERP && $VDEVD_CC -shared -fPIC -O1 -o short.so short.c -ldl 2>cc.log &&
	ldd "$VDEVD" | grep -q 'libc\.so\.6'; then
	expect 'no allocation that fails does harm' python3 short.py allocations
else
	echo 'skip allocations that fail: not a dynamic executable of glibc'
fi
expect 'a limit ends it at the start with a line, or does not matter' python3 short.py limits
expect 'a front-end whose memory is too large is refused, the next one is served' python3 short.py front_end
exit $status
