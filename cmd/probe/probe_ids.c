/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_ids.c - ids and names of the standard's kinds of devices, whether there is one here or not: VIRTIO 1.4, section 5
 * "Device Types".
 */
#include "cmd/probe/probe.h"

#include <string.h>

/* Kinds of device that are served over vhost-user, here or elsewhere. */
static const struct {
	uint32_t id;
	const char *name;
} ids[] = {
	{1, "net"},	 {2, "block"},	{3, "console"}, {4, "rng"},    {5, "balloon"}, {8, "scsi"}, {9, "9p"}, {16, "gpu"},
	{17, "rtc"},	 {18, "input"}, {19, "vsock"},	{20, "crypto"}, {25, "sound"}, {26, "fs"},  {28, "rpmb"},
	{31, "video"}, {32, "scmi"},	{34, "i2c"},	{36, "can"},	{41, "gpio"},  {45, "spi"}, {48, "media"},
};

const char *probe_id_name(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (ids[i].id == id)
			return ids[i].name;
	}
	return NULL;
}

uint32_t probe_id_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		if (strcmp(ids[i].name, name) == 0)
			return ids[i].id;
	}
	return 0;
}
