# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

def fuse(opcode, node=1, arg=b"", names=b"", room=0, queue=1, extra=0):
    length = 40 + len(arg) + len(names)
    head = struct.pack("<IIQQIIIHH", length + extra, opcode, 2, node, 0, 0, 1, 0, 0)
    return device(REQUEST, queue, head + arg + names, 16 + room if room < 100 else 128 + (room + 15) // 64)


FS_INIT = fuse(26, 0, struct.pack("<IIII", 7, 45, 131072, 0x73FFFFFB) + struct.pack("<I44x", 0x1FF), room=64)
FS_NODE = 1 << 32 | 2

write("fs", "names", FS_INIT + fuse(9, arg=struct.pack("<II", 0o755, 0), names=b"d\0", room=128) + fuse(1, names=b"d\0", room=128) +
      fuse(3, arg=bytes(16), room=104) + fuse(8, arg=struct.pack("<IIII", 0o10644, 0, 0, 0), names=b"p\0", room=128) +
      fuse(6, names=b"s\0/x\0", room=128) + fuse(5, FS_NODE, room=64) + fuse(12, arg=struct.pack("<Q", 1), names=b"p\0q\0") +
      fuse(10, names=b"q\0") + fuse(11, names=b"d\0") + fuse(2, FS_NODE, struct.pack("<Q", 1), queue=0))
write("fs", "files", FS_INIT + fuse(35, arg=struct.pack("<IIII", 0o102, 0o100644, 0, 0), names=b"f\0", room=192) +
      fuse(16, FS_NODE, struct.pack("<QQIIQII", 1 << 33 | 1, 0, 3, 0, 0, 0, 0), b"abc", room=8) +
      fuse(15, FS_NODE, struct.pack("<QQIIQII", 1 << 33 | 1, 0, 64, 0, 0, 0, 0), room=64) +
      fuse(4, FS_NODE, struct.pack("<IIQQQQQQIIIIIIII", 8, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), room=104) +
      fuse(20, FS_NODE, struct.pack("<QII", 1 << 33 | 1, 0, 0)) + fuse(18, FS_NODE, struct.pack("<QIIQ", 1 << 33 | 1, 0, 0, 0)))
write("fs", "folder", FS_INIT + fuse(27, arg=bytes(8), room=16) + fuse(28, arg=struct.pack("<QQIIQII", 2 << 32 | 1, 0, 512, 0, 0, 0, 0), room=512) +
      fuse(44, arg=struct.pack("<QQIIQII", 2 << 32 | 1, 0, 1024, 0, 0, 0, 0), room=1024) + fuse(29, arg=struct.pack("<QIIQ", 2 << 32 | 1, 0, 0, 0)))
write("fs", "attributes", FS_INIT + fuse(21, arg=struct.pack("<IIII", 1, 0, 0, 0), names=b"user.a\0x") +
      fuse(22, arg=struct.pack("<II", 64, 0), names=b"user.a\0", room=64) + fuse(23, arg=struct.pack("<II", 0, 0), room=8) +
      fuse(24, names=b"user.a\0") + fuse(17, room=80) + fuse(34, arg=struct.pack("<II", 4, 0)))
write("fs", "wrong", fuse(3, arg=bytes(16), room=104) + FS_INIT + fuse(1, names=b"a/b\0", room=128) + fuse(1, names=b"x", room=128) +
      fuse(3, 99, bytes(16), room=104) + fuse(3, extra=1) + fuse(99) + device(REQUEST, 1, b"short", 16) + fuse(42, 0, struct.pack("<II", 9, 0), queue=0) +
      fuse(38, 0) + fuse(1, names=b"a\0", room=128) + device(RESTART, 1) + device(RESET, 0))
