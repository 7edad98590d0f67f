/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * can_link.h - sets the bit rate of a host's CAN interface and brings it up: rtnetlink(7).
 */
#ifndef VDEVD_DEVICES_CAN_CAN_LINK_H
#define VDEVD_DEVICES_CAN_CAN_LINK_H

#include "core/base.h"

/*
 * Sets the bit rate, bit/s, and that of the data of CAN FD frames (0: none, CAN FD stays as it is), and brings the interface up; it is
 * down in between where it was up.  Wants CAP_NET_ADMIN.
 * Returns 0; -EPERM; -ENODEV: no such interface; -EAFNOSUPPORT: none of CAN; -EOPNOTSUPP: it has no bit rate (vcan); -EINVAL: its controller cannot; or
 * another -errno.
 */
int can_link_up(const char *name, uint32_t bitrate, uint32_t data_bitrate);

#endif
