# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def spi(cs, data=b"", room=0, change=0, bits=8, mode=0, freq=0, wires=(0, 0), delays=(0, 0, 0, 0), how=0):
    head = struct.pack("<BBBBB3x6I", cs, bits, change, *wires, mode, freq, *delays)
    return device(REQUEST, 0, head + data, room + 1, how)


write("spi", "loopback", spi(0, b"hello", 5) + spi(0, b"words", 5, bits=16) + spi(0, b"16bits", 6, bits=16, mode=0x1f) +
      spi(0, b"quad", 4, wires=(4, 8)) + spi(0, b"late", 4, delays=(1, 2, 3, 4), how=7))
write("spi", "flash", spi(1, b"\x9f") + spi(1, room=3) + spi(1, b"\x06") + spi(1, b"\x02\0\1\0hello") + spi(1, b"\x03\0\1\0") +
      spi(1, room=9) + spi(1, b"\x06") + spi(1, b"\x20") + spi(1, b"\0\1\0") + spi(1, b"\x05") + spi(1, room=1, change=1))
write("spi", "registers", spi(2, b"\x05\x07\x08", change=1) + spi(2, b"\x85") + spi(2, room=20, change=1) +
      spi(3, b"\x01\xb0\0", 3))
write("spi", "wrong", spi(4, b"x") + spi(0) + spi(0, b"ab", 3) + spi(0, b"a", bits=33) + spi(0, b"a", mode=0xFFFFFFFF) +
      spi(0, b"a", 1, delays=(0xFFFFFFFF,) * 4) + device(REQUEST, 0, b"short", 1) + device(REQUEST, 0, room=3))
write("spi", "life", spi(1, b"\x06") + device(RESTART, 0) + spi(1, b"\x9f") + device(RESET, 0) + spi(1, room=3))


def chip(kind, cs, data, enabled=0):
    return record(b"chip", struct.pack("<8sBBxx", kind, cs, enabled) + data)


write("state", "spi", bytes([0]) + device_state(b"spi", record(b"backend", b"sim"), chip(b"loopback", 0, b""),
      chip(b"regs", 1, b"register"), chip(b"adc", 2, bytes(16))))
write("state", "spi-other", bytes([0]) + device_state(b"spi", record(b"chips", bytes(48)), chip(b"regs", 2, b"register")))
