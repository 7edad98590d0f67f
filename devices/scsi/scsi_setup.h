/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_setup.h - what an operator says of a logical unit: "0:path=disk.img,serial=x".
 */
#ifndef VDEVD_DEVICES_SCSI_SCSI_SETUP_H
#define VDEVD_DEVICES_SCSI_SCSI_SETUP_H

#include "devices/scsi/scsi.h"

/* Reads the text into a zeroed unit.  Returns 0; -EINVAL with a reason in why. */
int scsi_setup_parse(struct scsi_lun *lun, const char *value, char *why, size_t why_size);

#endif
