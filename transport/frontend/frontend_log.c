/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontend_log.c - a small vhost-user front-end, its log of what a back end writes: QEMU docs/interop/vhost-user.rst, "Migration".
 */
#include "transport/frontend/frontend_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/dirty_log.h"

int frontend_set_log(struct frontend *fe, int fd, uint64_t size, uint64_t offset)
{
	struct vu_msg msg = frontend_msg(VU_SET_LOG_BASE, sizeof(msg.p.log)), answer;
	bool ack = fe->acks && frontend_has_protocol(fe, VU_PF_REPLY_ACK);
	int err;

	msg.p.log = (struct vu_log){.size = size, .offset = offset};
	msg.fds[msg.nfds++] = fd;
	if (!frontend_has_protocol(fe, VU_PF_LOG_SHMFD))
		return frontend_tell(fe, &msg);
	/* Answered in any case; with what, the standard does not say: some repeat the message, some say nothing. */
	msg.h.flags |= ack ? VU_FLAG_NEED_REPLY : 0;
	err = frontend_ask(fe, &msg, &answer);
	if (err)
		return err;
	vu_msg_close_fds(&answer);
	if (answer.h.size == sizeof(answer.p.u64) && answer.p.u64)
		return fe_fail(fe, -EREMOTEIO, "SET_LOG_BASE was refused (%llu)", (unsigned long long)answer.p.u64);
	return 0;
}

/* Bytes of a log that has a bit for every page there is. */
static uint64_t log_bytes(const struct frontend_mem *mem)
{
	uint64_t last = 0;

	for (unsigned int i = 0; i < frontend_mem_count(mem); i++) {
		const struct frontend_region *r = frontend_mem_region(mem, i);
		uint64_t end = r->guest_addr + (r->size - 1);

		last = end > last ? end : last;
	}
	return last / DIRTY_LOG_PAGE / 8 + 1;
}

void fe_log_free(struct frontend *fe)
{
	if (fe->log.bits)
		munmap(fe->log.bits, (size_t)fe->log.size);
	fe->log.bits = NULL;
}

/* Makes the log and announces it. */
static int log_share(struct frontend *fe)
{
	uint64_t size = log_bytes(fe->mem);
	int fd = memfd_create("vdevd-frontend-log", MFD_CLOEXEC), err;
	void *bits = MAP_FAILED;

	if (fd < 0)
		return fe_fail(fe, -errno, "no log: %s", strerror(errno));
	if (size > SIZE_MAX)
		errno = EFBIG;
	else if (!ftruncate(fd, (off_t)size))
		bits = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bits == MAP_FAILED) {
		err = fe_fail(fe, -errno, "no log: %s", strerror(errno));
		close(fd);
		return err;
	}
	err = frontend_set_log(fe, fd, size, 0);
	close(fd);
	if (err) {
		munmap(bits, (size_t)size);
		return err;
	}
	fe_log_free(fe);
	fe->log.bits = bits;
	fe->log.size = size;
	return 0;
}

/* Rings that there are are logged from now on, or not. */
static int log_rings(struct frontend *fe, bool on)
{
	int err = 0;

	fe->log.on = on;
	for (unsigned int q = 0; !err && q < FRONTEND_MAX_QUEUES; q++) {
		struct vu_vring_addr addr;

		if (!fe->queues[q])
			continue;
		addr = frontend_queue_addr(fe, q);
		err = frontend_vring_addr(fe, &addr);
	}
	return err;
}

int frontend_log_start(struct frontend *fe)
{
	int err = fe->mem ? log_share(fe) : fe_fail(fe, -EINVAL, "no memory to be logged");

	if (!err)
		err = frontend_set_features(fe, fe->features | BIT(VHOST_F_LOG_ALL));
	return err ? err : log_rings(fe, true);
}

int frontend_log_stop(struct frontend *fe)
{
	int err = frontend_set_features(fe, fe->features & ~BIT(VHOST_F_LOG_ALL));

	return err ? err : log_rings(fe, false);
}

bool frontend_log_has(const struct frontend *fe, uint64_t guest, bool clear)
{
	uint64_t page = guest / DIRTY_LOG_PAGE;
	uint8_t bit = (uint8_t)(1u << page % 8);

	if (!fe->log.bits || page / 8 >= fe->log.size)
		return false;
	if (clear)
		return __atomic_fetch_and(&fe->log.bits[page / 8], (uint8_t)~bit, __ATOMIC_ACQ_REL) & bit;
	return __atomic_load_n(&fe->log.bits[page / 8], __ATOMIC_ACQUIRE) & bit;
}
