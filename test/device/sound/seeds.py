# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable


def sound_ask(*words, room=4, tail=b""):
    """A request of the controlq."""
    return device(REQUEST, 0, struct.pack("<%dI" % len(words), *words) + tail, room)


def sound_params(stream, features=16):
    """Parameters and PREPARE."""
    return (sound_ask(0x101, stream, 64, 16, features, tail=bytes([2, 5, 7, 0])) + sound_ask(0x102, stream))


SOUND_ALL = bytes([FEATURES << 4, 1, 0, 0])
write("sound", "info", SOUND_ALL + sound_ask(1, 0, 2, 24, room=52) + sound_ask(0x100, 0, 2, 32, room=68) + sound_ask(0x200, 0, 4, 24, room=100) +
      sound_ask(0x300, 0, 2, 92, room=188) + sound_ask(2, 0, 1, 2))
write("sound", "play", sound_params(0) + device(QUIET, 2, struct.pack("<I", 0) + bytes(16), 8) * 3 + sound_ask(0x104, 0) +
      device(WAIT, 0) + sound_ask(0x105, 0) + sound_ask(0x103, 0))
write("sound", "record", sound_params(1) + device(QUIET, 3, struct.pack("<I", 1), 24) * 3 + sound_ask(0x104, 1) + device(QUIET, 1, room=8) +
      device(RESTART, 3) + sound_ask(0x105, 1) + sound_ask(0x104, 1) + device(RESET, 0))
write("sound", "ctl", SOUND_ALL + sound_ask(0x302, 0, room=252) + sound_ask(0x301, 2, room=200) + sound_ask(0x304, 0, room=40) +
      sound_ask(0x305, 0, 1, 4, 9) + sound_ask(0x306, 0, 1, 8, 9) + device(QUIET, 1, room=8))
write("sound", "wrong", sound_ask(0x104, 0) + sound_ask(0x101, 9) + sound_ask(0x100, 0, 99, 32) + device(REQUEST, 2, b"\1", 8) +
      device(REQUEST, 3, struct.pack("<I", 0), 8) + device(REQUEST, 0, b"\1", 2))
SOUND_STREAM = struct.pack("<IIIIII4B", 0, 3, 64, 16, 16, 4, 2, 5, 7, 0)
write("state", "sound", bytes([0]) + device_state(
    b"sound", record(b"jack", bytes([1, 2, 3, 0])) + record(b"stream", SOUND_STREAM)))
