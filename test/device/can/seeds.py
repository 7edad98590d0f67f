# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def can_tx(flags, ident, data=b"", length=None, kind=1, what=REQUEST):
    return device(what, 0, struct.pack("<HHIII", kind, len(data) if length is None else length, 0, flags, ident) + data, 1)


def can_mode(mode):
    return device(REQUEST, 2, struct.pack("<H", mode), 1)


CAN_START, CAN_STOP = 0x0201, 0x0202
CAN_ALL = bytes([FEATURES << 4, 15, 0, 0])

write("can", "frames", CAN_ALL + can_mode(CAN_START) + device(QUIET, 1, room=80) * 3 + can_tx(0, 0x123, b"abc") +
      can_tx(0x8000, 0x12345678, b"12345678") + can_tx(0x4000, 5, bytes(64)) + can_tx(0x2000, 6, b"", 4) + device(WAIT, 0))
write("can", "wrong", CAN_ALL + can_mode(CAN_START) + can_tx(1, 1) + can_tx(0, 0x800) + can_tx(0, 1, b"ab", 200) +
      can_tx(0, 1, kind=7) + device(REQUEST, 0, b"short", 1) + device(REQUEST, 2, b"x", 1) + can_mode(0x300))
write("can", "life", CAN_ALL + can_mode(CAN_START) + can_tx(0, 1, b"a", what=QUIET) + can_mode(CAN_STOP) + device(RESTART, 0) +
      can_tx(0, 1) + device(RESET, 0) + CAN_ALL + can_tx(0, 1) + can_mode(CAN_START) + device(CONFIG_READ, 0, room=8))
CAN_FRAME = struct.pack("<HHIII", 0x0101, 1, 0, 0, 7) + b"x"
CAN_WAITS = record(b"frames", struct.pack("<IIII", 1, 0, len(CAN_FRAME), 0) + CAN_FRAME)
write("state", "can", bytes([0]) + device_state(b"can", record(b"controller", b"\0\0\1\0"), CAN_WAITS))
write("state", "can-off", bytes([0]) + device_state(b"can", record(b"controller", b"\1\0\0\0")))
