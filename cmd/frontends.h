/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontends.h - the lines by which a front-end is told of a device: --print-frontend.
 */
#ifndef VDEVD_CMD_FRONTENDS_H
#define VDEVD_CMD_FRONTENDS_H

#include "core/device.h"

/* What a front-end may have to be told.  It stays the caller's. */
struct frontend_facts {
	const char *name; /* the personality, for ids and comments */
	const char *path; /* the socket; NULL: one by rule */
	bool listens;	  /* the front-end listens, the device connects */
	uint32_t virtio_id;
	unsigned int nqueues;
	uint16_t queue_size[VDEV_QUEUES_MAX];
	size_t config_size; /* bytes */
	bool shmem;	    /* there are shared memory regions */
	bool vfio_user;	    /* its socket speaks that, not vhost-user */
};

/* The names of the forms, the first of which is none; ends with NULL. */
extern const char *const frontend_forms[];

/* The facts of an instance; path: its socket, or NULL. */
void frontend_of_instance(const struct vdev *d, const char *path, bool listens, struct frontend_facts *out);

/* Writes the lines of one form, an index of frontend_forms, on standard output. */
void frontend_print(const struct frontend_facts *f, unsigned int form);

#endif
