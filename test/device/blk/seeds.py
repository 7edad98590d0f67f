# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def blk(kind, sector=0, data=b"", room=0, what=REQUEST, queue=0, how=0, sectors=0):
    return device(what, queue, struct.pack("<IIQ", kind, 0, sector) + data, room + 1, how, sectors)


def blk_range(sector, count, flags=0):
    return struct.pack("<QII", sector, count, flags)


BLK_IN, BLK_OUT, BLK_FLUSH, BLK_ID, BLK_DISCARD, BLK_ZEROES = 0, 1, 4, 8, 11, 13
BLK_ALL = bytes([FEATURES << 4, 0x76, 0x7e, 0])

write("blk", "data", BLK_ALL + blk(BLK_OUT, 1, bytes(range(256)) * 2) + blk(BLK_IN, 1, sectors=1) + blk(BLK_IN, 0, sectors=2, how=7) +
      blk(BLK_FLUSH) + blk(BLK_ID, room=20, queue=1))
write("blk", "ranges", BLK_ALL + blk(BLK_ZEROES, 0, blk_range(0, 8, 1) + blk_range(9, 1)) + blk(BLK_DISCARD, 0, blk_range(2, 100)) +
      blk(BLK_DISCARD, 0, blk_range(2, 1, 1)) + blk(BLK_ZEROES, 0, blk_range(1 << 63, 1 << 31, 4)))
write("blk", "wrong", BLK_ALL + blk(BLK_OUT, 127, bytes(512)) + blk(BLK_OUT, 128, bytes(512)) + blk(BLK_OUT, (1 << 64) - 1, bytes(512)) +
      blk(BLK_OUT, 0, bytes(100)) + blk(99) + device(REQUEST, 0, b"short", 1) + device(REQUEST, 0, bytes(16)))
write("blk", "life", BLK_ALL + blk(BLK_OUT, 0, bytes(512), what=QUIET) + blk(BLK_IN, 0, sectors=1, what=QUIET) + device(RESTART, 0) +
      device(RESET, 0) + BLK_ALL + blk(BLK_IN, 0, sectors=1) + device(CONFIG_READ, 0, room=96) + device(CONFIG_WRITE, 32, b"\0") +
      blk(BLK_OUT, 0, bytes(512)))
write("state", "blk", bytes([0]) + device_state(b"blk", record(b"disk", struct.pack("<QBB", 65536, 0, 0))))
