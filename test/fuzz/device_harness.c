/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * device_harness.c - requests made of a fuzzer's bytes, for any device; see device_harness.h.
 */
#include "test/fuzz/device_harness.h"

#include <ev.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/lib/open_device.h"
#include "transport/driver/driver_ring.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/ring/served.h"

#define MAX_QUEUES 8
#define NUM	   64u
#define MAX_PIECES 32u

/* Guest memory: a page quartet for each queue's ring, then buffers. */
#define RING_BYTES 0x4000u
#define BUFFERS	   (MAX_QUEUES * RING_BYTES)
#define MEM_BYTES  (BUFFERS + (1u << 20))
#define USER	   UINT64_C(0x700000000)

struct harness {
	struct ev_loop *loop;
	struct vdev *d;
	struct vdev_transport_ops ops;
	struct served served[MAX_QUEUES];
	struct virtq *vqs[MAX_QUEUES];
	struct driver_ring *rings[MAX_QUEUES];
	struct gmem *mem;
	uint8_t *va;
	uint32_t next_buffer;
	uint64_t features;
};

static void must(bool what)
{
	if (!what)
		abort();
}

/* The rings of this harness are good. */
static void on_broken(struct served *s, const char *why)
{
	abort();
}

static const struct served_owner owner = {.broken = on_broken};

static void on_config_changed(struct vdev *d)
{
}

static void kick(struct harness *h, unsigned int q)
{
	loop_again_stop(&h->served[q].again, h->loop);
	served_turn(&h->served[q]);
}

/* Takes what was used; the driver's side checks ids and lengths. */
static void reap(struct harness *h)
{
	for (unsigned int q = 0; q < h->d->face.nqueues; q++) {
		struct driver_used used;
		int got;

		served_flush(&h->served[q], false);
		while ((got = driver_ring_take(h->rings[q], &used)) > 0)
			;
		must(got == 0);
	}
}

/* Turns of the loop, until nobody wants another, or there were many. */
static void turns(struct harness *h, unsigned int n)
{
	bool more = true;

	while (n-- && more) {
		more = false;
		ev_run(h->loop, EVRUN_NOWAIT);
		reap(h);
		for (unsigned int q = 0; q < h->d->face.nqueues; q++)
			more |= ev_is_active(&h->served[q].again.timer);
	}
}

static void start(struct harness *h, unsigned int q, uint32_t base)
{
	uint64_t at = USER + q * RING_BYTES;
	const struct virtq_addrs addrs = {.space = GMEM_USER, .desc = at, .avail = at + 0x1000, .used = at + 0x2000};

	must(virtq_start(h->vqs[q], h->mem, NUM, h->features, &addrs, base) == 0);
	served_begin(&h->served[q], false);
	served_gate(&h->served[q], true, true);
}

/* A ring in which nothing was ever done. */
static void renew(struct harness *h, unsigned int q)
{
	uint8_t *at = h->va + q * RING_BYTES;
	struct driver_ring_areas areas = {at, at + 0x1000, at + 0x2000};

	driver_ring_free(h->rings[q]);
	must(driver_ring_new(NUM, h->features, &areas, 0, &h->rings[q]) == 0);
}

static uint32_t stop(struct harness *h, unsigned int q)
{
	served_end(&h->served[q]);
	/* A worker of the device's may have to end first. */
	for (unsigned int ms = 0; virtq_in_flight(h->vqs[q]); ms++) {
		must(ms < 5000);
		ev_run(h->loop, EVRUN_NOWAIT);
		if (ms)
			usleep(1000);
	}
	return virtq_stop(h->vqs[q]);
}

static void reset(struct harness *h)
{
	for (unsigned int q = 0; q < h->d->face.nqueues; q++) {
		stop(h, q);
		virtq_forget(h->vqs[q]);
	}
	vdev_reset(h->d);
	vdev_features_set(h->d, h->features);
	h->next_buffer = 0;
	for (unsigned int q = 0; q < h->d->face.nqueues; q++) {
		renew(h, q);
		start(h, q, 0);
	}
}

/* Cuts len bytes at guest address *at into pieces.  Returns how many there are then. */
static unsigned int cut(struct driver_buf *bufs, unsigned int n, uint64_t at, uint32_t len, uint32_t piece,
			bool writable)
{
	while (len && n < MAX_PIECES) {
		uint32_t part = piece && piece < len && n + 1 < MAX_PIECES ? piece : len;

		bufs[n++] = (struct driver_buf){at, part, writable};
		at += part;
		len -= part;
	}
	return n;
}

static void request(struct harness *h, unsigned int q, const uint8_t *out, uint32_t out_len, uint32_t in_len,
		    uint8_t piece)
{
	struct driver_buf bufs[2 * MAX_PIECES];
	uint32_t at = BUFFERS + h->next_buffer;
	unsigned int n;

	if (!out_len && !in_len)
		return;
	/* Buffers in flight are left alone until the memory is used up; then they may be written twice, by a bad guest.
	 */
	h->next_buffer = (h->next_buffer + out_len + in_len) % (1u << 19);
	memcpy(h->va + at, out, out_len);
	n = cut(bufs, 0, at, out_len, piece, false);
	if (n == MAX_PIECES)
		n--;
	n = cut(bufs, n, at + out_len, in_len, piece, true);
	if (driver_ring_add(h->rings[q], bufs, n, NULL, h) == 0)
		driver_ring_publish(h->rings[q]);
}

/* The words of a record. */
struct record {
	enum fuzz_do what;
	unsigned int queue;
	uint8_t a, b, how, sectors;
	const uint8_t *bytes;
	uint32_t len;
};

static void config(struct harness *h, const struct record *r)
{
	uint8_t buf[256], guard[256];

	memset(buf, 0xa5, sizeof(buf));
	memcpy(guard, buf, sizeof(guard));
	vdev_config_read(h->d, r->a, buf, r->b);
	must(!memcmp(buf + r->b, guard + r->b, sizeof(buf) - r->b));
	for (size_t i = 0; i < r->b; i++)
		must(r->a + i < h->d->face.config_size || !buf[i]);
}

static void run_record(struct harness *h, const struct record *r)
{
	switch (r->what) {
	case FUZZ_REQUEST:
	case FUZZ_QUIET:
		request(h, r->queue, r->bytes, r->len,
			(r->b < 128 ? r->b : (r->b - 127u) * 64) + (r->sectors & 15u) * 512, r->how);
		if (r->what == FUZZ_REQUEST)
			kick(h, r->queue);
		break;
	case FUZZ_CONFIG_READ:
		config(h, r);
		break;
	case FUZZ_CONFIG_WRITE:
		vdev_config_write(h->d, r->b, r->bytes, r->len);
		break;
	case FUZZ_RESTART:
		start(h, r->queue, stop(h, r->queue));
		kick(h, r->queue);
		break;
	case FUZZ_RESET:
		reset(h);
		break;
	case FUZZ_WAIT:
		turns(h, 4);
		break;
	case FUZZ_FEATURES:
		h->features = (r->a | (uint64_t)r->b << 8) & h->d->face.features;
		h->features |= BIT(VIRTIO_F_VERSION_1);
		reset(h);
		break;
	}
	reap(h);
}

static void run_input(struct harness *h, const uint8_t *data, size_t size)
{
	while (size >= 4) {
		struct record r = {
			.what = data[0] >> 4 & 7,
			.queue = (data[0] & 15) % h->d->face.nqueues,
			.a = data[1],
			.b = data[2],
			.how = data[3],
		};
		size_t head = data[0] & 0x80 && size > 4 ? 5 : 4;

		if (head > 4)
			r.sectors = data[4];
		data += head;
		size -= head;
		r.bytes = data;
		if (r.what == FUZZ_REQUEST || r.what == FUZZ_QUIET)
			r.len = (uint32_t)min_size(r.a + (r.sectors >> 4) * 512u, size);
		else if (r.what == FUZZ_CONFIG_WRITE)
			r.len = (uint32_t)min_size(r.a, size);
		data += r.len;
		size -= r.len;
		run_record(h, &r);
	}
	turns(h, 8);
}

static void make_memory(struct harness *h)
{
	struct gmem_desc desc = {.size = MEM_BYTES, .user_addr = USER};

	desc.fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(desc.fd >= 0 && ftruncate(desc.fd, MEM_BYTES) == 0);
	h->va = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, desc.fd, 0);
	must(h->va != MAP_FAILED);
	must(gmem_new(&gmem_shm, &h->mem) == 0 && gmem_add(h->mem, &desc) == 0);
	close(desc.fd);
}

/* ---- a folder for devices that want one: "%T" in their options */

static char folder[] = "/tmp/vdevd-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)at;
	return what == FTW_DP ? rmdir(path) : unlink(path);
}

static void remove_folder(void)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The options with the folder in them; it is made when it is first asked for. */
static const char *const *expand(const char *const *args, const char **out, size_t room)
{
	size_t n = 0;

	for (; args && *args && n + 1 < room; args++) {
		const char *at = strstr(*args, "%T");
		char *text;

		out[n++] = *args;
		if (!at)
			continue;
		if (strstr(folder, "XXXXXX")) {
			must(mkdtemp(folder) != NULL);
			atexit(remove_folder);
		}
		must(asprintf(&text, "%.*s%s%s", (int)(at - *args), *args, folder, at + 2) > 0);
		out[n - 1] = text;
	}
	out[n] = NULL;
	return out;
}

/* Made once: the device sees one guest after the other. */
static void make(struct harness *h, const char *device, const char *const *args)
{
	static const char *own[32];

	log_set_level(LOG_LEVEL_ERROR);
	args = expand(args, own, sizeof(own) / sizeof(own[0]));
	h->loop = ev_loop_new(EVFLAG_AUTO);
	must(h->loop != NULL);
	must(open_device(device, h->loop, args, &h->d) == 0 && h->d->face.nqueues <= MAX_QUEUES);
	make_memory(h);
	for (unsigned int q = 0; q < h->d->face.nqueues; q++) {
		must(served_new(&h->served[q], &owner, h->d, q) == 0);
		h->vqs[q] = h->served[q].vq;
	}
	h->ops.config_changed = on_config_changed;
	vdev_attach(h->d, &h->ops, h->vqs);
}

int fuzz_device(const char *device, const char *const *args, const uint8_t *data, size_t size)
{
	static struct harness *h;

	if (!h) {
		h = calloc(1, sizeof(*h));
		must(h != NULL);
		make(h, device, args);
		for (unsigned int q = 0; q < h->d->face.nqueues; q++) {
			renew(h, q);
			start(h, q, 0);
		}
	}
	h->features = (h->d->face.features & UINT64_C(0xffffff)) | BIT(VIRTIO_F_VERSION_1);
	memset(h->va + BUFFERS, 0, 4096);
	reset(h);
	run_input(h, data, size);
	return 0;
}
