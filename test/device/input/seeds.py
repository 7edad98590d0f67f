# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def input_status(kind, code, value):
    return device(REQUEST, 1, struct.pack("<HHi", kind, code, value), 0)


INPUT_ALL = bytes([FEATURES << 4, 0, 0, 0])

write("input", "status", INPUT_ALL + device(QUIET, 0, room=8) * 3 + input_status(0x11, 0, 1) + input_status(0x12, 1, 1) +
      input_status(0x14, 0, 250) + input_status(0x15, 0x60, 1) + input_status(4, 4, 30) + device(REQUEST, 1, b"short", 0))
write("input", "life", INPUT_ALL + device(QUIET, 0, room=8) + device(QUIET, 0, room=4) + device(RESTART, 0) +
      device(RESET, 0) + INPUT_ALL + device(CONFIG_READ, 0, room=136) + device(RESTART, 1))
INPUT_TOLD = (bytes([0x11, 1, 1, 0]) + struct.pack("<IIii", 0, 0, 250, 33) + bytes(4) + bytes(4) + bytes(96) + bytes(256) +
              bytes(64 * 14 * 4))
INPUT_WAITS = record(b"eventq", struct.pack("<II", 1, 0) + struct.pack("<IIHHi", 8, 0, 0, 0, 0))
write("state", "input", bytes([0]) + device_state(b"input", record(b"input", INPUT_TOLD), INPUT_WAITS))
