# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# raw.py - sends each message of each protocol through Linux' raw mode (debugfs scmi/0/raw) and compares the answers with a
# table made from Arm SCMI 3.2, for the things of --device=board.  A line "raw: operator COMMAND" asks for that command on the
# control socket: some notices tell of what no guest can do.
import os
import select
import struct
import sys

RAW = "/sys/kernel/debug/scmi/0/raw/"
BASE, POWER, SYSTEM, PERF, CLOCK, SENSOR, RESET, VOLTAGE, POWERCAP, PINCTRL = range(0x10, 0x1a)
OK, NOT_SUPPORTED, INVALID, DENIED, NOT_FOUND, RANGE, PROTOCOL = 0, -1, -2, -3, -4, -5, -10
NO_ID = 0xffffffff
bad = 0
token = 0


def complain(text):
    global bad  # pylint: disable=global-statement
    bad += 1
    print(text)


def header(proto, message):
    """Each with a token of its own: the kernel holds one for a while when its answer is there."""
    global token  # pylint: disable=global-statement
    token = (token + 1) % 1024
    return struct.pack("<I", message | proto << 10 | token << 18)


def send(name, proto, message, payload):
    """One transaction: the file is opened anew for each, and read once."""
    fd = os.open(RAW + name, os.O_RDWR)
    os.write(fd, header(proto, message) + payload)
    ready = select.select([fd], [], [], 20)[0]
    answer = os.read(fd, 256) if ready else b""
    os.close(fd)
    return answer


def ask(proto, message, *words, name="message"):
    answer = send(name, proto, message, b"".join(struct.pack("<I", w) for w in words))
    if len(answer) < 8:
        return None, []
    head, status = struct.unpack_from("<Ii", answer)
    if head != message | proto << 10 | token << 18:
        complain(f"protocol {proto:#x} message {message:#x}: a header {head:#x}")
    return status, list(struct.unpack_from(f"<{(len(answer) - 8) // 4}I", answer, 8))


def text(words):
    return struct.pack(f"<{len(words)}I", *words).split(b"\0")[0].decode()


# Messages of each protocol, besides those that all have: from 3 to this one.
LAST = {BASE: 0xb, POWER: 0x8, SYSTEM: 0x5, PERF: 0xc, CLOCK: 0xf, SENSOR: 0xd, RESET: 0x6, VOLTAGE: 0x9, POWERCAP: 0xc, PINCTRL: 0xa}
# Of them, those that are not here: virtio has no FastChannels; the one agent there is gives no pins to others.
ABSENT = {(PERF, 0xb), (POWERCAP, 0xc), (PINCTRL, 0xa)}

# Protocol, message, parameters, status, return values (None: any), which are compared as far as they are given.
TABLE = [
    (BASE, 0x3, [], OK, "vdevd"),
    (BASE, 0x4, [], OK, "virtio"),
    (BASE, 0x5, [], OK, [0]),
    (BASE, 0x6, [0], OK, [9, 0x14131211, 0x18171615, 0x19]),
    (BASE, 0x7, [NO_ID], OK, [1]),
    (BASE, 0x7, [9], NOT_FOUND, []),
    (BASE, 0x8, [1], OK, []),
    (BASE, 0x9, [1, 7, 1], NOT_FOUND, []),
    (BASE, 0x9, [1, 0, 0], OK, []),
    (RESET, 0x3, [0], DENIED, []),
    (BASE, 0x9, [1, 0, 1], OK, []),
    (BASE, 0xa, [1, 0, RESET, 0], OK, []),
    (RESET, 0x3, [0], DENIED, []),
    (BASE, 0xa, [1, 0, RESET, 1], OK, []),
    (POWER, 0x3, [0], OK, [0xf0000000]),
    (POWER, 0x4, [0, 0, 0], OK, []),
    (POWER, 0x5, [0], OK, [0]),
    (POWER, 0x4, [0, 0, 1 << 30], OK, []),
    (POWER, 0x5, [0], OK, [1 << 30]),
    (POWER, 0x6, [0, 0], OK, []),
    (POWER, 0x7, [0, 0], OK, []),
    (POWER, 0x8, [0], OK, [0]),
    (SYSTEM, 0x3, [1, 1], OK, []),
    (SYSTEM, 0x3, [0, 9], INVALID, []),
    (SYSTEM, 0x4, [], OK, [3]),
    (SYSTEM, 0x5, [1], OK, []),
    (PERF, 0x3, [0], OK, [0xf0000000, 0, 2000000, 2000000]),
    (PERF, 0x4, [0, 0], OK, [4, 500000, 0, 0, 500000, 0]),
    (PERF, 0x5, [0, 1500000, 500000], OK, []),
    (PERF, 0x6, [0], OK, [1500000, 500000]),
    (PERF, 0x5, [0, 0, 1000000], OK, []),
    (PERF, 0x6, [0], OK, [1500000, 1000000]),
    (PERF, 0x5, [0, 0, 0], INVALID, []),
    (PERF, 0x5, [0, 0, 500000], OK, []),
    (PERF, 0x7, [0, 1500000], OK, []),
    (PERF, 0x7, [0, 2000000], RANGE, []),
    (PERF, 0x8, [0], OK, [1500000]),
    (PERF, 0x9, [0, 0], OK, []),
    (PERF, 0xa, [0, 0], OK, []),
    (PERF, 0xb, [0, 0], NOT_SUPPORTED, []),
    (PERF, 0xc, [0], OK, [0]),
    (CLOCK, 0x3, [1], OK, [None]),
    (CLOCK, 0x4, [1, 0], OK, [3 | 1 << 12, 1000000, 0, 600000000, 0, 1000000, 0]),
    (CLOCK, 0x4, [2, 3], OK, [2, 14745600, 0, 24000000, 0]),
    (CLOCK, 0x5, [0, 1, 12000000, 0], OK, []),
    (CLOCK, 0x6, [1], OK, [12000000, 0]),
    (CLOCK, 0x5, [0, 0, 12000000, 0], DENIED, []),
    (CLOCK, 0x7, [2, 1, 0], OK, []),
    (CLOCK, 0xb, [2, 0], OK, [0, 1, 0]),
    (CLOCK, 0x8, [1], OK, [0]),
    (CLOCK, 0x9, [1, 0], OK, []),
    (CLOCK, 0xa, [1, 0], OK, []),
    (CLOCK, 0xc, [1, 0], OK, [1, 0]),
    (CLOCK, 0xd, [1, 0], OK, []),
    (CLOCK, 0xe, [1], OK, [0]),
    (CLOCK, 0xf, [1], OK, [7 << 29]),
    (SENSOR, 0x3, [4], OK, [2, 4]),
    (SENSOR, 0x3, [0], OK, [2 | 4 << 16]),
    (SENSOR, 0x4, [0, 0], OK, []),
    (SENSOR, 0x5, [0, 0x13, 90000, 0], OK, []),
    (SENSOR, 0x5, [0, 0x10, 0, 0], OK, []),
    (SENSOR, 0x6, [0, 0], OK, [42000, 0, 0, 0]),
    (SENSOR, 0x7, [5, 0], OK, [2 | 1 << 26]),
    (SENSOR, 0x8, [0, 0], OK, [3 | 1 << 12]),
    (SENSOR, 0x9, [0], OK, [None]),
    (SENSOR, 0xa, [0, 0xfa << 16 | 0x1d << 11 | 1], OK, []),
    (SENSOR, 0x9, [0], OK, [25 << 16 | 0x1e << 11 | 1]),
    (SENSOR, 0xb, [0, 0], OK, []),
    (SENSOR, 0xc, [0], OK, [0]),
    (SENSOR, 0xd, [5, 2], OK, [1, 2]),
    (RESET, 0x3, [0], OK, [0xc0000000]),
    (RESET, 0x4, [0, 1, 0], OK, []),
    (RESET, 0x5, [0, 0], OK, []),
    (RESET, 0x6, [0], OK, [0]),
    (VOLTAGE, 0x3, [0], OK, [1 << 31]),
    (VOLTAGE, 0x4, [1, 0], OK, [3, 1200000, 1800000, 3300000]),
    (VOLTAGE, 0x5, [1, 7], OK, []),
    (VOLTAGE, 0x6, [1], OK, [7]),
    (VOLTAGE, 0x7, [1, 0, 1800000], OK, []),
    (VOLTAGE, 0x8, [1], OK, [1800000]),
    (VOLTAGE, 0x9, [1], OK, [0]),
    (POWERCAP, 0x3, [0], OK, [0xee800000]),
    (POWERCAP, 0x4, [0], OK, [15000000]),
    (POWERCAP, 0x5, [0, 0, 20000000], OK, []),
    (POWERCAP, 0x4, [0], OK, [20000000]),
    (POWERCAP, 0x6, [0], OK, [1000000]),
    (POWERCAP, 0x7, [0, 0, 2000000], OK, []),
    (POWERCAP, 0x8, [0], OK, [0]),
    (POWERCAP, 0x9, [0], OK, [7500000, 2000000]),
    (POWERCAP, 0xa, [0, 0], OK, []),
    (POWERCAP, 0xb, [0, 0, 0, 0], OK, []),
    (POWERCAP, 0xc, [0, 0], NOT_SUPPORTED, []),
    (PINCTRL, 0x3, [1, 1], OK, [4]),
    (PINCTRL, 0x4, [1, 1, 0], OK, [4, 2 | 3 << 16, 4 | 5 << 16]),
    (PINCTRL, 0x5, [2, 10], OK, [NO_ID, 1, 10, 0]),
    (PINCTRL, 0x6, [1, 2, 1 | 1 << 2 | 1 << 10, 10, 4], OK, []),
    (PINCTRL, 0x5, [5, 10], OK, [NO_ID, 1, 10, 4]),
    (PINCTRL, 0x7, [2, 0], OK, []),
    (PINCTRL, 0x8, [2, 0], OK, []),
    (PINCTRL, 0x9, [2, 0], OK, [0]),
    (PINCTRL, 0xa, [1, 2, 0, 0], NOT_SUPPORTED, []),
    (BASE, 0xb, [1, 1], OK, []),
    (CLOCK, 0x6, [1], OK, [24000000, 0]),
]


def messages():
    for proto, message, words, status, values in TABLE:
        got, back = ask(proto, message, *words)
        what = f"protocol {proto:#x} message {message:#x} {words}"
        if got != status:
            complain(f"{what}: status {got}, not {status}")
        elif isinstance(values, str):
            if text(back) != values:
                complain(f"{what}: {text(back)}, not {values}")
        elif any(want is not None and want != have for want, have in zip(values, back)) or len(back) < len(values):
            complain(f"{what}: {back}, not {values}")


def common():
    """What all protocols have, and what none has: other lengths, other messages, other ids."""
    versions = {BASE: 0x20001, POWER: 0x30001, SYSTEM: 0x20001, PERF: 0x40000, CLOCK: 0x30000, SENSOR: 0x30001, RESET: 0x30001,
                VOLTAGE: 0x20001, POWERCAP: 0x20000, PINCTRL: 0x10000}
    for proto, version in versions.items():
        if ask(proto, 0) != (OK, [version]):
            complain(f"protocol {proto:#x}: another version")
        if ask(proto, 1)[0] != OK or ask(proto, 2, 3)[0] != OK or ask(proto, 0x10, version)[0] != OK:
            complain(f"protocol {proto:#x}: not what all have")
        if ask(proto, 2, 0x77) != (NOT_FOUND, []) or ask(proto, 0x77) != (NOT_SUPPORTED, []):
            complain(f"protocol {proto:#x}: it has a message 0x77")
        for length in (1, 3, 5, 60):
            answer = send("message", proto, 3, bytes(length))
            if struct.unpack_from("<i", answer, 4)[0] != PROTOCOL:
                complain(f"protocol {proto:#x}: a message of {length} bytes: {answer.hex()}")


def every():
    """Each message of the standard has a row; the device says which it has, and takes each at its own length alone."""
    rows = {(row[0], row[1]): row for row in TABLE if row[3] in (OK, NOT_SUPPORTED)}
    for key in [(proto, message) for proto, last in LAST.items() for message in range(3, last + 1)]:
        what = f"protocol {key[0]:#x} message {key[1]:#x}"
        if key not in rows:
            complain(f"{what}: it has no row")
            continue
        there = key not in ABSENT
        if ask(key[0], 2, key[1])[0] != (OK if there else NOT_FOUND):
            complain(f"{what}: MESSAGE_ATTRIBUTES")
        right = 4 * len(rows[key][2])
        for length in (right - 1, right + 1, right + 4):
            if length < 0:
                continue
            status = struct.unpack_from("<i", send("message", *key, bytes(length)), 4)[0]
            if status != (PROTOCOL if there else NOT_SUPPORTED):
                complain(f"{what}: {length} bytes, status {status}")
    for proto, last in LAST.items():
        for message in [m for m in range(last + 1, 0x20) if m != 0x10]:
            if ask(proto, 2, message)[0] != NOT_FOUND or ask(proto, message)[0] != NOT_SUPPORTED:
                complain(f"protocol {proto:#x} has a message {message:#x}")


def later():
    """Delayed responses: the second message of an asynchronous transaction."""
    for proto, message, words in ((SENSOR, 6, [0, 1]), (CLOCK, 5, [1, 1, 9000000, 0]), (VOLTAGE, 7, [1, 1, 1800000]), (RESET, 4, [0, 5, 0]),
                                  (POWER, 4, [1, 0, 0]), (POWERCAP, 5, [0, 2, 16000000])):
        fd = os.open(RAW + "message_async", os.O_RDWR)
        os.write(fd, header(proto, message) + b"".join(struct.pack("<I", w) for w in words))
        kinds = []
        for _ in range(2):
            # A descriptor gives one message.
            if select.select([fd], [], [], 20)[0]:
                head, status = struct.unpack_from("<Ii", os.read(fd, 256))
                kinds.append((head >> 8 & 3, status))
            os.close(fd)
            fd = os.open(RAW + "message_async", os.O_RDWR)
        os.close(fd)
        if kinds != [(0, OK), (2, OK)]:
            complain(f"protocol {proto:#x} message {message:#x}: {kinds}, not a response and a delayed one")


def notice(proto, kind, words):
    """Waits for a notification; those that are left of others are passed over."""
    while True:
        # A descriptor gives one message.
        fd = os.open(RAW + "notification", os.O_RDONLY)
        answer = os.read(fd, 256) if select.select([fd], [], [], 20)[0] else b""
        os.close(fd)
        got = struct.unpack(f"<{len(answer) // 4}I", answer)
        if not got:
            complain(f"protocol {proto:#x}: no notification {kind}")
            return
        if got[0] & 0x3ffff != kind | 3 << 8 | proto << 10:
            continue
        if any(want is not None and want != have for want, have in zip(words, got[1:])) or len(got) < 1 + len(words):
            complain(f"protocol {proto:#x}: a notification {kind} of {got[1:]}, not {words}")
        return


def operator(command):
    print(f"raw: operator {command}", flush=True)


def notices():
    """Every notification: what the guest does itself, and what the operator does, is told to who wants it."""
    self_made = (
        # Whom to ask for it, what makes it, and its words.
        ((BASE, 8, [1]), (RESET, 3, []), (BASE, 0, [1, 1, PROTOCOL & NO_ID, None])),
        ((POWER, 6, [0, 1]), (POWER, 4, [0, 0, 0]), (POWER, 0, [1, 0, 0])),
        ((POWER, 7, [0, 1]), (POWER, 4, [0, 0, 1 << 30]), (POWER, 1, [1, 0, 1 << 30])),
        ((PERF, 9, [0, 1]), (PERF, 5, [0, 2000000, 0]), (PERF, 0, [1, 0, 2000000, 500000])),
        ((PERF, 0xa, [0, 1]), (PERF, 7, [0, 1000000]), (PERF, 1, [1, 0, 1000000])),
        ((CLOCK, 9, [1, 1]), (CLOCK, 5, [0, 1, 7000000, 0]), (CLOCK, 0, [1, 1, 7000000, 0])),
        ((CLOCK, 0xa, [1, 1]), (CLOCK, 5, [0, 1, 8000000, 0]), (CLOCK, 1, [1, 1, 8000000, 0])),
        ((SENSOR, 0xb, [1, 1]), None, (SENSOR, 1, [1, 1, 3300, 0, 0, 0])),
        ((RESET, 5, [0, 1]), (RESET, 4, [0, 1, 0]), (RESET, 0, [1, 0, 0])),
        ((POWERCAP, 0xa, [0, 1]), (POWERCAP, 5, [0, 0, 17000000]), (POWERCAP, 0, [1, 0, 17000000, None])),
    )
    for want, cause, told in self_made:
        if ask(*want[:2], *want[2])[0] != OK:
            complain(f"protocol {want[0]:#x} message {want[1]:#x}: no notices")
        if cause:
            ask(*cause[:2], *cause[2])
        notice(*told)
        ask(*want[:2], *want[2][:-1], 0)
    # A trip point, 90 degrees from below; a measured power over a threshold; the operator asks for a reset, by force.
    ask(SENSOR, 5, 0, 0x01, 90000, 0)
    ask(SENSOR, 4, 0, 1)
    operator("set temperature 95000")
    notice(SENSOR, 0, [1, 0, 1 << 16])
    ask(SENSOR, 4, 0, 0)
    ask(POWERCAP, 0xb, 0, 1, 1000000, 9000000)
    operator("set powercap 9500000")
    notice(POWERCAP, 1, [1, 0, 9500000])
    ask(POWERCAP, 0xb, 0, 0, 0, 0)
    ask(SYSTEM, 5, 1)
    operator("system reset force")
    notice(SYSTEM, 0, [0, 0, 1, 0])


common()
every()
messages()
later()
notices()
ask(BASE, 0xb, 1, 1)
if bad:
    sys.exit(f"raw: {bad} answers are not what they should be")
print("raw: all as it should be")
