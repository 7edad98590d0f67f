# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def scsi(cdb, data=b"", room=0, lun=0, attr=0, what=REQUEST, sectors=0):
    head = struct.pack(">BBHI", 1, 0, 0x4000 | lun, 0) + struct.pack("<QBBB", 7, attr, 0, 0)
    return device(what, 2, head + bytes(cdb).ljust(32, b"\0") + data, 108 + room, sectors=sectors)


def scsi_tmf(subtype, lun=0):
    return device(REQUEST, 0, struct.pack("<II", 0, subtype) + struct.pack(">BBHI", 1, 0, 0x4000 | lun, 0) + bytes(8), 1)


SCSI_ALL = bytes([FEATURES << 4, 7, 0, 0])
SCSI_READY = scsi([0] * 6)

write("scsi", "info", SCSI_ALL + scsi([0x12, 0, 0, 0, 96], room=96) + scsi([0x12, 1, 0x83, 0, 64], room=64) + SCSI_READY +
      scsi([0xa0] + [0] * 7 + [1], room=100) + scsi([0x1a, 0, 0x3f, 0, 100], room=100) + scsi([0xa3, 0x0c] + [0] * 6 + [1], room=147) +
      scsi([0x9e, 0x10] + [0] * 11 + [32], room=32))
write("scsi", "data", SCSI_ALL + SCSI_READY + scsi([0x2a, 0, 0, 0, 0, 1, 0, 0, 1], bytes(512)) + scsi([0x28, 0, 0, 0, 0, 1, 0, 0, 1], sectors=1) +
      scsi([0x41, 0, 0, 0, 0, 1, 0, 0, 9], bytes(512), attr=1) + scsi([0x2f, 2, 0, 0, 0, 1, 0, 0, 1], bytes(512), attr=2) +
      scsi([0x42, 0, 0, 0, 0, 0, 0, 0, 24], struct.pack(">HHIQII", 22, 16, 0, 3, 4, 0)))
write("scsi", "reserve", SCSI_ALL + SCSI_READY + scsi([0x5f, 0, 0, 0, 0, 0, 0, 0, 24], bytes(8) + b"abcdefgh" + bytes(8)) +
      scsi([0x5f, 1, 5, 0, 0, 0, 0, 0, 24], b"abcdefgh" + bytes(16)) + scsi([0x5e, 3, 0, 0, 0, 0, 0, 0, 64], room=64))
write("scsi", "life", SCSI_ALL + SCSI_READY + scsi_tmf(0) + scsi_tmf(5) + scsi_tmf(4) + scsi_tmf(7, 1) + device(QUIET, 1, room=16) +
      device(RESTART, 2) + device(RESET, 0) + SCSI_ALL + SCSI_READY + device(CONFIG_WRITE, 24, struct.pack("<I", 16)) + SCSI_READY)
write("state", "scsi", bytes([0]) + device_state(b"scsi", record(b"sizes", struct.pack("<II", 96, 32)), record(b"unit",
      struct.pack("<QQIIIBBBB", 65536, 7, 0, 512, 3, 1, 0x30, 5, 0))))
