# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def i2c(addr, flags, data=b"", room=0, what=REQUEST, how=0):
    return device(what, 0, struct.pack("<HHI", addr << 1, 0, flags) + data, room + 1, how)


FAIL_NEXT, M_RD = 1, 2
ZERO_LENGTH = bytes([FEATURES << 4, 1, 0, 0])

write("i2c", "registers", ZERO_LENGTH + i2c(0x20, 0, b"\x05\x07\x08") + i2c(0x20, FAIL_NEXT, b"\x05", what=QUIET) +
      i2c(0x20, M_RD, room=2) + i2c(0x48, FAIL_NEXT, b"\0", what=QUIET) + i2c(0x48, M_RD, room=2))
write("i2c", "eeprom", i2c(0x50, 0, b"\x10hello") + i2c(0x50, FAIL_NEXT, b"\x10", what=QUIET) + i2c(0x50, M_RD, room=5) +
      i2c(0x51, 0, b"\x01\x10hello") + i2c(0x51, FAIL_NEXT, b"\x01\x10", what=QUIET) + i2c(0x51, M_RD, room=100, how=7))
write("i2c", "wrong", i2c(0x33, 0, b"x") + i2c(0x20, 0) + i2c(0x20, M_RD) + i2c(0x20, 0xFFFFFFFF, b"a", 4) +
      i2c(0x20, FAIL_NEXT, b"a") + device(WAIT, 0) + device(REQUEST, 0, b"short", 1) + device(REQUEST, 0, room=3))
write("i2c", "life", i2c(0x20, FAIL_NEXT, b"\1", what=QUIET) + device(RESTART, 0) + i2c(0x20, FAIL_NEXT, b"\1") +
      device(RESET, 0) + ZERO_LENGTH + i2c(0x20, 0) + i2c(0x20, M_RD))


def target(kind, addr, ptr, data, bus=0):
    return record(b"target", struct.pack("<8sHBBI", kind, addr, bus, 0, ptr) + data)


def addresses(*entries):
    return record(b"addresses", b"".join(struct.pack("<HBB", *e) for e in entries))
chips = [target(b"lm75", 0x48, 2, bytes(range(8))), target(b"eeprom", 0x50, 127, bytes(128)),
         target(b"regs", 0x20, 7, b"register")]
buses = [record(b"backend", b"sim"), addresses((0x20, 1, 0), (0x48, 1, 0), (0x50, 1, 0)), record(b"failing", b"\1")]
write("state", "i2c", bytes([0]) + device_state(b"i2c", *buses, *chips))
write("state", "i2c-part", bytes([0]) + device_state(b"i2c", *chips[::-1]))
write("state", "i2c-other", bytes([0]) + device_state(b"i2c", addresses((0x20, 1, 0), (0x49, 1, 0))))
write("state", "i2c-buses", bytes([1]) + device_state(b"i2c", addresses((0x20, 1, 0), (0x21, 2, 1), (0x22, 2, 1)),
      target(b"regs", 0x21, 3, b"otherbus", 1)))
