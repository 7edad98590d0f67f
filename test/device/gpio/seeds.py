# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def line(what, number, value=0, room=2, how=0):
    return device(REQUEST, 0, struct.pack("<HHI", what, number, value), room, how)


def unmask(number, how=0):
    return device(REQUEST, 1, struct.pack("<H", number), 1, how)


NAMES, GET_DIRECTION, SET_DIRECTION, GET, SET, IRQ = range(1, 7)
OUT, IN = 1, 2
toggle = line(SET, 0, 1) + line(SET, 0, 0)

write("gpio", "values", line(NAMES, 0, 0, 12) + line(SET, 0, 1) + line(SET_DIRECTION, 0, OUT) + line(GET, 0) +
      line(SET_DIRECTION, 1, IN, 2, 1) + line(GET, 1) + line(GET_DIRECTION, 1) + line(SET_DIRECTION, 0))
write("gpio", "edges", line(SET_DIRECTION, 0, OUT) + line(SET_DIRECTION, 1, IN) + line(IRQ, 1, 3) + unmask(1) +
      toggle + device(WAIT, 0) + unmask(1, 1) + device(WAIT, 0) + unmask(1) + line(IRQ, 1) + unmask(1))
write("gpio", "level", line(IRQ, 4, 4) + unmask(4) + line(SET_DIRECTION, 2, OUT) + line(SET, 2, 1) + device(WAIT, 0) +
      unmask(4) + line(IRQ, 4, 8) + unmask(4) + device(WAIT, 0) + line(SET_DIRECTION, 4))
write("gpio", "life", line(IRQ, 1, 1) + unmask(1) + device(RESTART, 1) + line(SET_DIRECTION, 0, OUT) + toggle +
      device(WAIT, 0) + unmask(1) + device(RESET, 0) + unmask(1) + device(FEATURES, 0) + line(IRQ, 1, 1) + unmask(1))
write("gpio", "bad", line(9, 0) + line(GET, 8) + line(GET, 65535) + line(SET, 0, 2) + unmask(8) + unmask(65535) +
      device(REQUEST, 0, b"short", 2) + device(REQUEST, 1, b"x", 1) + device(REQUEST, 1, b"", 1) +
      device(CONFIG_READ, 0, room=8) + device(CONFIG_WRITE, 0, b"abcd", 0))
write("state", "gpio", bytes([0]) + device_state(b"gpio", record(b"lines", b"\x08\0"), record(b"line", struct.pack("<BBBBI", OUT, 0, 1, 0, 0)),
      record(b"line", struct.pack("<BBBBI", IN, 3, 0, 1, 2)), record(b"line", struct.pack("<BBBBI", IN, 4, 0, 0, 0))))
write("state", "empty", bytes([0]) + device_state(b"gpio"))
