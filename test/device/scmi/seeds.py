# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable


def scmi(proto, message, *words, what=REQUEST):
    """A command as Linux sends it, with its room of 136 bytes."""
    return device(what, 0, struct.pack("<I", message | proto << 10) + b"".join(struct.pack("<I", w) for w in words), 136)


SCMI_ALL = bytes([FEATURES << 4, 1, 0, 0])

write("scmi", "base", b"".join(scmi(0x10, n) for n in (0, 1, 3, 4, 5)) + scmi(0x10, 6, 0) + scmi(0x10, 7, 1) +
      scmi(0x10, 10, 1, 0, 0x14, 0) + scmi(0x14, 0) + scmi(0x10, 11, 1, 1))
write("scmi", "sensor", SCMI_ALL + scmi(0x15, 1) + scmi(0x15, 3, 0) + scmi(0x15, 7, 5, 0) + scmi(0x15, 8, 0, 0) +
      scmi(0x15, 10, 5, 0x0014e803) + scmi(0x15, 11, 5, 1) + device(QUIET, 1, room=136) * 3 + scmi(0x15, 6, 5, 1) +
      scmi(0x15, 5, 0, 0x13, 50000, 0) + scmi(0x15, 4, 0, 1) + device(WAIT, 0))
write("scmi", "clock", SCMI_ALL + scmi(0x14, 3, 1) + scmi(0x14, 4, 1, 0) + scmi(0x14, 5, 1, 1, 5000000, 0) +
      scmi(0x14, 7, 1, 1, 0) + scmi(0x14, 9, 1, 1) + scmi(0x14, 12, 1, 0) + device(QUIET, 1, room=136) + device(RESET, 0))
write("scmi", "others", SCMI_ALL + scmi(0x11, 4, 1, 0, 0) + scmi(0x12, 3, 1, 0) + scmi(0x13, 4, 0, 0) + scmi(0x13, 7, 0, 500000) +
      scmi(0x16, 4, 0, 1, 0) + scmi(0x17, 7, 0, 1, 900000) + scmi(0x18, 5, 0, 2, 20000000) + scmi(0x18, 11, 0, 1, 5, 9))
write("scmi", "pins", scmi(0x19, 3, 0, 1) + scmi(0x19, 4, 1, 1, 0) + scmi(0x19, 6, 1, 2, 0x409, 5, 1, 10, 8) +
      scmi(0x19, 5, 4, 1 << 18) + scmi(0x19, 7, 1, 1) + scmi(0x19, 8, 1, 1))
write("scmi", "wrong", device(REQUEST, 0, b"\x01", 16) + device(REQUEST, 0, bytes(4), 3) + scmi(0x15, 6) +
      scmi(0x15, 6, 0xffffffff, 0) + scmi(0x14, 3, 99) + device(REQUEST, 0, bytes(200), 136))
SCMI_THING = (b"clock".ljust(64, b"\0") + struct.pack("<IIQII", 1, 5, 0, 0, 0) + bytes(48) + struct.pack("<II", 0, 2) +
              bytes(16) + struct.pack("<Q", 5000000) + bytes(104))
write("state", "scmi", bytes([0]) + device_state(b"scmi", record(b"agent", struct.pack("<II", 3, 2)), record(b"thing", SCMI_THING)))
