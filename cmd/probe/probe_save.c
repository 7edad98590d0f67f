/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_save.c - `vdevd probe --save`: what a device has to show, a camera's next picture, as a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/probe/probe.h"
#include "mem/gmem.h"
#include "mem/sigbus.h"

/* Connects with what shared memory takes, and starts the queues.  Returns 0 or -errno. */
static int start(struct probe *p)
{
	static const struct probe_check row = {.protocol = BIT(VU_PF_BACKEND_SEND_FD) | BIT(VU_PF_SHMEM)};
	const struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	struct vu_shmem_config config;
	int err;

	/* The connection on which was learnt what it is has no shared memory. */
	p->check = &row;
	err = probe_connect(p);
	if (!err)
		err = probe_ready(p, 0);
	if (!err && frontend_has_protocol(p->fe, VU_PF_BACKEND_REQ))
		err = frontend_open_back_channel(p->fe);
	if (!err && frontend_has_protocol(p->fe, VU_PF_SHMEM))
		err = frontend_get_shmem_config(p->fe, &config);
	for (unsigned int q = 0; !err && q < p->class->face.nqueues; q++)
		err = frontend_queue_start(p->fe, q, &opts);
	return err;
}

/* Sends what the device's own part asks for.  Returns 0; or -errno with the reason in p->got. */
static int steps(struct probe *p, void *state)
{
	const struct vdev_save *save = p->class->saves;
	struct vdev_save_request r;
	const uint8_t *answer = NULL;
	uint8_t bytes[VDEV_SAVE_MAX];
	uint32_t used = 0;
	int more, err;

	while ((more = save->step(state, answer, used, &r, p->got, sizeof(p->got))) > 0) {
		err = r.in_len > sizeof(bytes)
			      ? -EINVAL
			      : frontend_request(p->fe, r.queue, r.out, r.out_len, bytes, r.in_len, &used, NULL);
		if (err) {
			probe_failed(p);
			return err;
		}
		answer = bytes;
	}
	return more;
}

/* Writes len bytes of a mapping.  The back end may cut its file short meanwhile: -EFAULT.  Returns 0 or -errno. */
static int write_seen(const struct vdev_save *save, void *state, const void *seen, size_t len, int fd)
{
	const uintptr_t start = (uintptr_t)seen, page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct sigbus_range range = {
		.start = start / page * page, .end = (start + len + page - 1) / page * page, .page = page};
	int err = gmem_sigbus_install();

	if (err)
		return err;
	sigbus_watch(&range);
	err = save->write(state, seen, fd);
	sigbus_forget(&range);
	return !err && range.lost ? -EFAULT : err;
}

/* Writes what is in the region now.  Returns 0; or -errno with the reason in p->got. */
static int write_file(struct probe *p, void *state)
{
	const struct vdev_save *save = p->class->saves;
	struct vdev_mapping where;
	const void *seen;
	int fd, err;

	save->where(state, &where);
	seen = frontend_mapped(p->fe, where.shmid, where.offset, where.len);
	if (!seen) {
		probe_say(p, PROBE_FAIL, "what it says is at %#llx of its shared memory is not mapped",
			  (unsigned long long)where.offset);
		return -EPROTO;
	}
	fd = open(p->save, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	err = fd < 0 ? -errno : write_seen(save, state, seen, (size_t)where.len, fd);
	if (fd >= 0 && close(fd) < 0 && !err)
		err = -errno;
	if (err)
		probe_say(p, PROBE_FAIL, "%s: %s", p->save, strerror(-err));
	return err;
}

int probe_save(struct probe *p)
{
	void *state = calloc(1, p->class->saves->size);
	int err = state ? start(p) : -ENOMEM;

	if (err)
		probe_failed(p);
	else
		err = steps(p, state);
	if (!err)
		err = write_file(p, state);
	free(state);
	return err;
}
