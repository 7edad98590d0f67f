# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable


def rtc_ask(kind, clock=0, value=0, time=None):
    """A request as the driver sends it."""
    return (struct.pack("<H6x", kind) + (b"" if time is None else struct.pack("<Q", time)) +
            struct.pack("<HB5x", clock, value))


def rtc_request(*what, **more):
    """The same as an input, with room for the longest answer."""
    return device(REQUEST, 0, rtc_ask(*what, **more), 24)


write("rtc", "ask", device(REQUEST, 0, struct.pack("<H6x", 0x1000), 16) + rtc_request(0x1001, 1) +
      rtc_request(0x1002, 0, 1) + rtc_request(1, 2) + rtc_request(2, 3, 1) + rtc_request(2, 3, 0))
write("rtc", "alarm", device(QUIET, 1, room=16) + rtc_request(0x1004, 0, 1, time=1) + device(WAIT, 0) +
      rtc_request(0x1003) + rtc_request(0x1005, 0, 0) + rtc_request(0x1005, 0, 1) + device(RESET, 0) + rtc_request(0x1003))
write("rtc", "wrong", device(REQUEST, 0, b"\x01", 16) + device(REQUEST, 0, rtc_ask(1), 3) + rtc_request(7) +
      rtc_request(1, 99) + rtc_request(0x1004, 1, 2, time=5) + device(REQUEST, 0, rtc_ask(1)) + rtc_request(0x1002, 0, 9))
write("rtc", "life", rtc_request(0x1004, 1, 1, time=1) + device(QUIET, 1, room=3) + device(RESTART, 1) +
      device(FEATURES, 0) + rtc_request(0x1003, 1) + device(RESET, 0) + device(QUIET, 1, room=16))
write("state", "rtc", bytes([0]) + device_state(
    b"rtc", record(b"clocks", bytes([3, 0, 1, 0, 2, 0])) + record(b"monotonic", struct.pack("<QQ", 5000, 7000)) +
    record(b"alarm", struct.pack("<QHBB4x", 12345, 1, 1, 0))))
