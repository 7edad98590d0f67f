/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vfu_migrate.c - migration of the vfio-user server: QEMU docs/interop/vfio-user.rst, "VFIO_USER_DEVICE_FEATURE" to
 * "VFIO_USER_MIG_DATA_WRITE"; see vfu_session.h.
 *
 * The data is the length of the function's state (32 bits, little-endian), that state, and the device's.
 *
 * The log of written pages is the one of mem/dirty_log.h, in memory of our own, from address 0 to the end of what is to be logged.
 * Its pages have 4096 bytes whatever was asked for, and a report is made in those that it asks for.  Of pages behind the
 * end of what can be logged every report says that they were written: nobody knows that they were not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/dirty_log.h"
#include "transport/vfio_user/vfu_session.h"

/* The end of what can be logged, and the most pages of one report. */
#define LOG_BYTE     (UINT64_C(8) * DIRTY_LOG_PAGE) /* of memory, that a byte of the log tells of */
#define LOG_END	     (UINT64_C(1) << 44)
#define REPORT_PAGES (UINT64_C(1) << 24)

void vfu_migrate_reset(struct vfu_backend *b)
{
	state_free(&b->mig.bytes);
	b->mig.bytes = (struct state){0};
	b->mig.done = 0;
	b->mig.state = VFU_MIG_RUNNING;
}

void vfu_log_stop(struct vfu_backend *b)
{
	if (!b->mig.log)
		return;
	vpci_log(b->function, NULL);
	dirty_log_free(b->mig.log);
	munmap(b->mig.bits, b->mig.bits_len);
	b->mig.log = NULL;
}

/* The state of everything, as bytes.  Returns 0 or -errno. */
static int save(struct vfu_backend *b)
{
	struct state function = {0}, device = {0}, *out = &b->mig.bytes;
	le32 len;

	vpci_save(b->function, &function);
	vdev_save(b->d, &device);
	int err = function.err ? function.err : device.err;

	len = htole32((uint32_t)function.len);
	*out = (struct state){0};
	b->mig.done = 0;
	if (!err) {
		state_append(out, &len, sizeof(len));
		state_append(out, function.bytes, function.len);
		state_append(out, device.bytes, device.len);
		err = out->err;
	}
	state_free(&function);
	state_free(&device);
	return err;
}

static int load(struct vfu_backend *b)
{
	const struct state *in = &b->mig.bytes;
	struct state function, device;
	le32 word;

	if (in->err || in->len < sizeof(word))
		return in->err ? in->err : -EINVAL;
	memcpy(&word, in->bytes, sizeof(word));
	const size_t len = le32toh(word);

	if (len > in->len - sizeof(word))
		return -EINVAL;
	function = (struct state){.bytes = in->bytes + sizeof(word), .len = len};
	device = (struct state){.bytes = in->bytes + sizeof(word) + len, .len = in->len - sizeof(word) - len};
	int err = vpci_load(b->function, &function);

	if (!err)
		err = vdev_load(b->d, &device);
	if (err)
		vpci_reset(b->function);
	return err;
}

/* From STOP to where the client wants to be. */
static int leave_stop(struct vfu_backend *b, uint32_t to)
{
	int err = 0;

	if (to == VFU_MIG_STOP_COPY)
		err = save(b);
	else if (to == VFU_MIG_RESUMING)
		b->mig.bytes = (struct state){0};
	else if (to == VFU_MIG_RUNNING)
		vpci_resume(b->function);
	if (!err)
		b->mig.state = to;
	return err;
}

/* The answer to a change of state is what was asked for. */
static size_t same(struct vfu_backend *b)
{
	const size_t size = b->conn.h.size - sizeof(b->conn.h);

	memcpy(b->out, b->in, size);
	return size;
}

static uint32_t wanted_state(const struct vfu_backend *b)
{
	struct vfu_mig_state m;

	memcpy(&m, b->in + sizeof(struct vfu_feature), sizeof(m));
	return m.state;
}

static void stopped(void *arg)
{
	struct vfu_backend *b = arg;

	b->mig.state = VFU_MIG_STOP;
	int err = leave_stop(b, wanted_state(b));

	vfu_answer(b, err, err ? 0 : same(b));
}

static int set_state(struct vfu_backend *b)
{
	const uint32_t to = wanted_state(b), from = b->mig.state;
	int err = 0;

	if (to < VFU_MIG_STOP || to > VFU_MIG_RESUMING || from == VFU_MIG_ERROR)
		return -EINVAL;
	if (to == from)
		return (int)same(b);
	if (from == VFU_MIG_RUNNING) {
		vfu_conn_pause(b);
		vpci_pause(b->function, stopped);
		return VFU_LATER;
	}
	if (from == VFU_MIG_RESUMING)
		err = load(b);
	state_free(&b->mig.bytes);
	b->mig.bytes = (struct state){0};
	b->mig.state = err ? VFU_MIG_ERROR : VFU_MIG_STOP;
	if (!err)
		err = leave_stop(b, to);
	return err ? err : (int)same(b);
}

static int get_state(struct vfu_backend *b)
{
	const struct vfu_mig_state m = {.state = b->mig.state, .data_fd = UINT32_MAX};

	memcpy(b->out + sizeof(struct vfu_feature), &m, sizeof(m));
	return sizeof(m);
}

static int get_migration(struct vfu_backend *b)
{
	const uint64_t flags = VFU_MIG_FLAG_STOP_COPY;

	memcpy(b->out + sizeof(struct vfu_feature), &flags, sizeof(flags));
	return sizeof(flags);
}

/* Where ranges end, or all that is memory; at most LOG_END.  Returns 0, or -EINVAL: a range that cannot be. */
static int logged_end(struct vfu_backend *b, const struct vfu_log_start *start, uint64_t *end)
{
	*end = start->count ? 0 : LOG_END;
	for (uint32_t i = 0; i < start->count; i++) {
		struct vfu_log_range r;
		uint64_t last;

		memcpy(&r, b->in + sizeof(struct vfu_feature) + sizeof(*start) + i * sizeof(r), sizeof(r));
		if (!r.length || __builtin_add_overflow(r.iova, r.length - 1, &last))
			return -EINVAL;
		if (last >= *end)
			*end = last + 1 ? last + 1 : UINT64_MAX;
	}
	*end = min_u64(*end, LOG_END);
	return 0;
}

static int set_log_start(struct vfu_backend *b)
{
	const size_t size = b->conn.h.size - sizeof(b->conn.h) - sizeof(struct vfu_feature);
	struct vfu_log_start start;
	uint64_t end;

	memcpy(&start, b->in + sizeof(struct vfu_feature), sizeof(start));
	if ((size - sizeof(start)) % sizeof(struct vfu_log_range) ||
	    start.count != (size - sizeof(start)) / sizeof(struct vfu_log_range))
		return -EINVAL;
	if (b->mig.log)
		return -EBUSY;
	int err = logged_end(b, &start, &end), fd;

	if (err)
		return err;
	b->mig.bits_len = (size_t)((end + LOG_BYTE - 1) / LOG_BYTE);
	fd = memfd_create("vdevd-log", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = ftruncate(fd, (off_t)b->mig.bits_len) < 0 ? -errno : dirty_log_new(fd, b->mig.bits_len, 0, &b->mig.log);
	if (!err) {
		void *bits = mmap(NULL, b->mig.bits_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

		err = bits == MAP_FAILED ? -errno : 0;
		b->mig.bits = bits;
		if (err) {
			dirty_log_free(b->mig.log);
			b->mig.log = NULL;
		}
	}
	close(fd);
	if (err)
		return err;
	vpci_log(b->function, b->mig.log);
	const size_t len = same(b);

	start.page_size = DIRTY_LOG_PAGE;
	memcpy(b->out + sizeof(struct vfu_feature), &start, sizeof(start));
	return (int)len;
}

static int set_log_stop(struct vfu_backend *b)
{
	if (!b->mig.log)
		return -EINVAL;
	vfu_log_stop(b);
	return (int)same(b);
}

/* Takes the page's bit out of the log.  Returns whether it was there, or could not be. */
static bool log_take(struct vfu_backend *b, uint64_t page)
{
	const uint8_t bit = (uint8_t)(1u << page % 8);

	if (page >= LOG_END / DIRTY_LOG_PAGE)
		return true;
	if (page / 8 >= b->mig.bits_len || !b->mig.bits[page / 8])
		return false;
	return __atomic_fetch_and(&b->mig.bits[page / 8], (uint8_t)~bit, __ATOMIC_ACQUIRE) & bit;
}

static int get_log_report(struct vfu_backend *b)
{
	struct vfu_log_report r;
	uint64_t last;

	memcpy(&r, b->in + sizeof(struct vfu_feature), sizeof(r));
	if (!b->mig.log || !r.length || r.iova % DIRTY_LOG_PAGE || r.length % DIRTY_LOG_PAGE || !r.page_size ||
	    r.page_size & (r.page_size - 1) || __builtin_add_overflow(r.iova, r.length - 1, &last))
		return -EINVAL;
	const uint64_t bits = (r.length - 1) / r.page_size + 1;
	uint8_t *map = b->out + sizeof(struct vfu_feature) + sizeof(r);

	if (bits > UINT64_C(8) * (VFU_XFER_MAX - 64) || r.length / DIRTY_LOG_PAGE > REPORT_PAGES)
		return -E2BIG;
	/* "an array of u64s" */
	const size_t len = (size_t)((bits + 63) / 64 * 8);

	memset(map, 0, len);
	for (uint64_t page = r.iova / DIRTY_LOG_PAGE; page <= last / DIRTY_LOG_PAGE; page++) {
		const uint64_t at = page * DIRTY_LOG_PAGE - r.iova;

		if (!log_take(b, page))
			continue;
		for (uint64_t bit = at / r.page_size; bit <= (at + DIRTY_LOG_PAGE - 1) / r.page_size; bit++) {
			uint64_t word;

			memcpy(&word, map + bit / 64 * 8, sizeof(word));
			word |= BIT(bit % 64);
			memcpy(map + bit / 64 * 8, &word, sizeof(word));
		}
	}
	memcpy(b->out + sizeof(struct vfu_feature), &r, sizeof(r));
	return (int)(sizeof(r) + len);
}

/* By number: what can be done with it, and how many bytes behind the header that takes. */
static const struct {
	int (*get)(struct vfu_backend *b); /* returns bytes behind the header of the answer, or -errno */
	int (*set)(struct vfu_backend *b); /* returns bytes of the whole answer, VFU_LATER, or -errno */
	size_t get_size, set_size;	   /* at least */
} features[] = {
	[VFU_FEATURE_MIGRATION] = {get_migration, NULL, 0, 0},
	[VFU_FEATURE_MIG_STATE] = {get_state, set_state, 0, sizeof(struct vfu_mig_state)},
	[VFU_FEATURE_LOG_START] = {NULL, set_log_start, 0, sizeof(struct vfu_log_start)},
	[VFU_FEATURE_LOG_STOP] = {NULL, set_log_stop, 0, 0},
	[VFU_FEATURE_LOG_REPORT] = {get_log_report, NULL, sizeof(struct vfu_log_report), 0},
};

int vfu_feature(struct vfu_backend *b, size_t size)
{
	struct vfu_feature f;

	if (size < sizeof(f))
		return -EINVAL;
	memcpy(&f, b->in, sizeof(f));
	const uint32_t index = f.flags & VFU_FEATURE_INDEX, how = f.flags & (VFU_FEATURE_GET | VFU_FEATURE_SET);

	if (f.flags & ~(VFU_FEATURE_INDEX | VFU_FEATURE_GET | VFU_FEATURE_SET | VFU_FEATURE_PROBE))
		return -EINVAL;
	if (index >= ARRAY_SIZE(features) || (!features[index].get && !features[index].set) ||
	    (how & VFU_FEATURE_GET && !features[index].get) || (how & VFU_FEATURE_SET && !features[index].set))
		return -EOPNOTSUPP;
	if (f.flags & VFU_FEATURE_PROBE)
		return (int)same(b);
	if (how == VFU_FEATURE_SET)
		return size - sizeof(f) < features[index].set_size ? -EINVAL : features[index].set(b);
	if (how != VFU_FEATURE_GET || size - sizeof(f) < features[index].get_size)
		return -EINVAL;
	int len = features[index].get(b);

	if (len < 0)
		return len;
	f.argsz = (uint32_t)(sizeof(f) + (size_t)len);
	memcpy(b->out, &f, sizeof(f));
	return (int)f.argsz;
}

int vfu_mig_read(struct vfu_backend *b, size_t size)
{
	struct vfu_mig_data m;

	if (size < sizeof(m))
		return -EINVAL;
	memcpy(&m, b->in, sizeof(m));
	if (b->mig.state != VFU_MIG_STOP_COPY || m.size > VFU_XFER_MAX)
		return -EINVAL;
	m.size = (uint32_t)min_size(m.size, b->mig.bytes.len - b->mig.done);
	m.argsz = (uint32_t)(sizeof(m) + m.size);
	memcpy(b->out, &m, sizeof(m));
	memcpy(b->out + sizeof(m), b->mig.bytes.bytes + b->mig.done, m.size);
	b->mig.done += m.size;
	return (int)m.argsz;
}

int vfu_mig_write(struct vfu_backend *b, size_t size)
{
	struct vfu_mig_data m;

	if (size < sizeof(m))
		return -EINVAL;
	memcpy(&m, b->in, sizeof(m));
	if (b->mig.state != VFU_MIG_RESUMING || m.size != size - sizeof(m))
		return -EINVAL;
	state_append(&b->mig.bytes, b->in + sizeof(m), m.size);
	return b->mig.bytes.err;
}
