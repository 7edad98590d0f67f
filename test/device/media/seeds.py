# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def media_room(size):
    return size if size < 128 else 127 + (size + 63) // 64


def media_cmd(*words, what=REQUEST, room=24):
    return device(what, 0, struct.pack("<%dI" % len(words), *words), room)


def media_ioctl(code, payload=b"", room=None, what=REQUEST, session=1):
    return device(what, 0, struct.pack("<4I", 3, 0, session, code) + payload, media_room(8 + (len(payload) if room is None else room)))


def media_buffer(index, kind=1, memory=1, length=0):
    return struct.pack("<6I", index, kind, 0, 0, 0, 0) + bytes(32) + struct.pack("<IIQ4I", 0, memory, 0, length, 0, 0, 0)


def media_format(fourcc, width, height):
    return struct.pack("<IIII4s", 1, 0, width, height, fourcc) + bytes(188)


MEDIA_ALL = bytes([FEATURES << 4, 15, 0, 0])
MEDIA_OPEN = media_cmd(1, 0, room=16)
MEDIA_REQBUFS = media_ioctl(8, struct.pack("<5I", 2, 1, 1, 0, 0))
MEDIA_ON, MEDIA_OFF = (media_ioctl(code, struct.pack("<I", 1), 0) for code in (18, 19))

write("media", "streams", MEDIA_ALL + MEDIA_OPEN + media_ioctl(5, media_format(b"NV12", 160, 120)) + MEDIA_REQBUFS +
      media_ioctl(9, media_buffer(1)) + media_ioctl(15, media_buffer(0)) + media_ioctl(15, media_buffer(1)) +
      device(QUIET, 1, room=media_room(608)) + MEDIA_ON + device(WAIT, 1) + MEDIA_OFF + media_cmd(2, 0, 1, 0, room=0))
write("media", "controls", MEDIA_ALL + MEDIA_OPEN + media_ioctl(103, struct.pack("<I", 0x80000000) + bytes(228)) +
      media_ioctl(90, struct.pack("<8I", 3, 0x980900, 3, 0, 0, 0, 0, 0), 0) + device(QUIET, 1, room=media_room(608)) +
      media_ioctl(28, struct.pack("<II", 0x980900, 7)) +
      media_ioctl(72, struct.pack("<6IQ", 0, 1, 0, 0, 0, 0, 0) + struct.pack("<IIIQ", 0x9f0903, 0, 0, 1)))
write("media", "wrong", MEDIA_ALL + MEDIA_OPEN + MEDIA_REQBUFS + media_ioctl(15, media_buffer(0, memory=2)) +
      media_ioctl(15, media_buffer(0, kind=9, length=8) + bytes(512)) + media_ioctl(4, struct.pack("<I", 3) + bytes(204)) +
      media_cmd(4, 0, 1, 1, 65536) + media_cmd(5, 0, 0, 0, room=8) + media_cmd(9, 0) + device(REQUEST, 0, b"x", 8))
write("media", "life", MEDIA_ALL + MEDIA_OPEN + MEDIA_REQBUFS + media_ioctl(15, media_buffer(0)) + MEDIA_ON + device(RESTART, 1) +
      device(RESET, 0) + MEDIA_ALL + MEDIA_OPEN + MEDIA_REQBUFS + device(CONFIG_READ, 0, room=40))
write("state", "media", bytes([0]) + device_state(b"media", record(b"sessions", struct.pack("<II", 1, 7))))
