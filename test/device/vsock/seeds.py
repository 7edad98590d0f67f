# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# seeds.py - seeds of this device; test/fuzz/make-seeds runs it, and what it uses is there.
# pylint: disable=undefined-variable

cid = record(b"guest-cid", struct.pack("<Q", 5))
write("state", "vsock", bytes([0]) + device_state(b"vsock", cid, record(b"met", b"\1")))
write("state", "vsock-other", bytes([0]) + device_state(b"vsock", record(b"guest-cid", struct.pack("<Q", 3))))
