# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def console_say(ident, event, value, what=REQUEST):
    return device(what, 3, struct.pack("<IHH", ident, event, value))


CONSOLE_ALL = bytes([FEATURES << 4, 7, 0, 0])
CONSOLE_OPEN = console_say(0, 0, 1) + console_say(0, 3, 1) + console_say(0, 6, 1)

write("console", "echo", CONSOLE_ALL + device(QUIET, 2, room=80) * 4 + CONSOLE_OPEN + device(QUIET, 0, room=64) * 2 +
      device(REQUEST, 1, b"hello") + device(WAIT, 0))
write("console", "wrong", CONSOLE_ALL + console_say(0, 3, 1) + console_say(0, 0, 9) + console_say(0, 0, 1) +
      console_say(77, 3, 1) + console_say(0, 9, 1) + device(REQUEST, 3, b"short") + device(REQUEST, 0, b"x") +
      device(REQUEST, 1, b"", 4))
write("console", "life", CONSOLE_ALL + CONSOLE_OPEN + device(QUIET, 1, b"a" * 250) + device(RESTART, 1) +
      device(RESET, 0) + CONSOLE_ALL + CONSOLE_OPEN + device(CONFIG_READ, 0, room=12))
CONSOLE_HEAD = record(b"console", struct.pack("<IHHB3x", 1, 80, 24, 1))
write("state", "console", bytes([0]) + device_state(b"console", CONSOLE_HEAD,
                                                    record(b"port", struct.pack("<IIIBBBB", 0, 3, 9, 1, 1, 1, 1) + b"bytes")))
