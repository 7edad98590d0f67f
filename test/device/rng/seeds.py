# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

write("rng", "requests", device(REQUEST, 0, room=16) + device(REQUEST, 0, room=255) + device(REQUEST, 0, b"read", 4, 1))
write("rng", "life", device(QUIET, 0, room=100, how=3) + device(QUIET, 0, room=1) + device(RESTART, 0) +
      device(WAIT, 0) + device(RESET, 0) + device(REQUEST, 0, b"x") + device(FEATURES, 0) + device(REQUEST, 0, room=9))
write("rng", "quota", device(REQUEST, 0, room=255) * 20 + device(RESTART, 0) + device(WAIT, 0) + device(RESET, 0))
write("rng", "config", device(CONFIG_READ, 0, room=40) + device(CONFIG_WRITE, 0, b"abcd", 0))
write("state", "rng", bytes([0]) + device_state(b"rng", record(b"period", struct.pack("<QI", 700, 250000))))
write("state", "rng-more", bytes([0]) + device_state(b"rng", record(b"period", struct.pack("<QI", 7000, 65536000))))
