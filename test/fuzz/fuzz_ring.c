/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_ring.c - rings, descriptors and tables of any content, split and packed: VIRTIO 1.4, sections 2.7 and 2.8.
 *
 * The input: eight bytes of set-up, a row of operations with its length before it, and what is left is guest memory
 * from address 0 on: descriptors, then at fixed places the available ring and the used ring, or what a packed ring has in their
 * place, tables and buffers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/lib/gmem_strict.h"
#include "transport/ring/packed_layout.h"
#include "transport/ring/virtq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEM_BYTES 0x4000u
#define SEAM	  0x1808u /* two regions adjoin here */
#define AVAIL	  0x800u
#define USED	  0xc00u
#define USER	  UINT64_C(0x10000)

struct state {
	struct virtq *vq;
	struct gmem *mem;
	uint8_t *va;
	struct chain *held[64];
	unsigned int nheld;
	unsigned int num;
	uint64_t features;
	bool broken;
};

static void must(bool what)
{
	if (!what)
		abort();
}

static void on_nothing(struct virtq *vq)
{
}

/* Once in a life. */
static void on_broken(struct virtq *vq, const char *why)
{
	struct state *s = virtq_owner(vq);

	must(why && !s->broken);
	s->broken = true;
}

static const struct virtq_events events = {
	.call = on_nothing,
	.broken = on_broken,
	.drained = on_nothing,
	.again = on_nothing,
};

static struct gmem *make_table(const struct gmem_backend *backend, int fd)
{
	struct gmem_desc low = {.size = SEAM, .user_addr = USER, .fd = fd};
	struct gmem_desc high = {
		.guest_addr = SEAM, .size = MEM_BYTES - SEAM, .user_addr = USER + SEAM, .offset = SEAM, .fd = fd};
	struct gmem *mem;

	must(gmem_new(backend, &mem) == 0 && gmem_add(mem, &low) == 0 && gmem_add(mem, &high) == 0);
	return mem;
}

/* Returns whether the ring could start: a place of a packed ring may be none. */
static bool start(struct state *s, uint32_t base)
{
	const struct virtq_addrs addrs = {.space = GMEM_USER, .desc = USER, .avail = USER + AVAIL, .used = USER + USED};

	s->broken = false;
	int err = virtq_start(s->vq, s->mem, s->num, s->features, &addrs, base);

	must(err == 0 || (err == -EINVAL && s->features & BIT(VIRTIO_F_RING_PACKED)));
	virtq_enable(s->vq, true);
	return !err;
}

/* Pops in a turn of its own. */
static struct chain *take(struct state *s)
{
	struct chain *c;

	virtq_turn_begin(s->vq);
	c = virtq_pop(s->vq);
	virtq_turn_end(s->vq);
	return c;
}

static void pop(struct state *s)
{
	struct chain *c = s->nheld < s->num ? take(s) : NULL;

	must(virtq_broken(s->vq) == s->broken);
	if (!c)
		return;
	must(!s->broken && chain_id(c) < s->num && chain_written(c) == 0);
	s->held[s->nheld++] = c;
	must(virtq_in_flight(s->vq) == s->nheld);
}

static void give_back(struct state *s, unsigned int i, bool requeue)
{
	struct chain *c;

	if (i >= s->nheld)
		return;
	c = s->held[i];
	memmove(s->held + i, s->held + i + 1, (--s->nheld - i) * sizeof(struct chain *));
	if (requeue)
		virtq_requeue(c);
	else
		virtq_push(c);
	must(virtq_in_flight(s->vq) == s->nheld);
}

/* The bytes of a view must be there. */
static void touch(struct iovec *iov, unsigned int n, size_t most, int value)
{
	size_t all = 0;

	for (unsigned int i = 0; i < n; i++) {
		must(iov[i].iov_len > 0);
		all += iov[i].iov_len;
		if (value >= 0)
			memset(iov[i].iov_base, value, iov[i].iov_len);
		else
			must(memchr(iov[i].iov_base, 0, iov[i].iov_len) || *(volatile char *)iov[i].iov_base);
	}
	must(all <= most);
}

/* Uses the newest chain in one of the ways there are; n: bytes. */
static void use(struct state *s, unsigned int way, size_t n)
{
	struct chain *c = s->nheld ? s->held[s->nheld - 1] : NULL;
	uint8_t buf[256];
	struct iovec iov[4];

	if (!c)
		return;
	size_t readable = chain_readable(c), writable = chain_writable(c), written = chain_written(c);

	switch (way) {
	case 0:
		must(chain_get(c, buf, n) == (n <= readable));
		break;
	case 1:
		must(chain_skip(c, n * 97) == min_size(n * 97, readable));
		break;
	case 2:
		must(chain_put(c, memset(buf, 0x5a, n), n) == (n <= writable));
		break;
	case 3:
		must(chain_put_zeros(c, n * 61) == (n * 61 <= writable));
		break;
	case 4:
		touch(iov, chain_read_iov(c, iov, ARRAY_SIZE(iov), n * 33), n * 33, -1);
		break;
	default:
		touch(iov, chain_write_iov(c, iov, ARRAY_SIZE(iov), n * 33), n * 33, 0x33);
		touch(iov, chain_iov(c, CHAIN_WRITE, n * 5, iov, ARRAY_SIZE(iov), n), n, 0x44);
		must(chain_put_at(c, n * 7, memset(buf, 0x55, n), n) == (n * 8 <= writable));
		chain_wrote(c, n);
		break;
	}
	must(readable - chain_readable(c) <= readable);
	must(chain_written(c) + chain_writable(c) == written + writable);
}

/* The ring stops; half of the chains by bits are answered, the others given back; it goes on. */
static void restart(struct state *s, unsigned int bits)
{
	virtq_stopping(s->vq);
	must(take(s) == NULL);
	while (s->nheld) {
		give_back(s, bits % 3 % s->nheld, bits & 1);
		bits = bits >> 1 | bits << 7;
	}
	must(start(s, virtq_stop(s->vq)));
}

static void operate(struct state *s, uint8_t op, const uint8_t *arg)
{
	switch (op & 7) {
	case 0:
	case 1:
		pop(s);
		break;
	case 2:
		give_back(s, op >> 3, false);
		break;
	case 3:
		use(s, (op >> 3) % 6, *arg);
		break;
	case 4:
		virtq_flush(s->vq);
		virtq_turn_begin(s->vq);
		pop(s);
		pop(s);
		virtq_turn_end(s->vq);
		break;
	case 5:
		if (op >> 3 == 0)
			restart(s, *arg);
		if (op >> 3 == 1)
			must(virtq_remap(s->vq, s->mem) == 0);
		break;
	case 6: /* the driver writes while the device looks */
		s->va[AVAIL + 2] = (uint8_t)(s->va[AVAIL + 2] + (op >> 3));
		break;
	case 7:
		s->va[(op >> 3) * 16u + (*arg & 15)] = *arg;
		break;
	}
}

/* An input need not know where the indexes are: as many are available as it says. */
static uint32_t prepare_split(struct state *s, const uint8_t *data)
{
	uint16_t base = (uint16_t)(data[2] | data[3] << 8), ahead = (uint16_t)(data[4] | data[5] << 8);

	memcpy(s->va + AVAIL + 2, &(uint16_t){htole16((uint16_t)(base + ahead))}, 2);
	memcpy(s->va + USED + 2, &(uint16_t){htole16((uint16_t)(base - data[6] % 2))}, 2);
	return base;
}

static uint32_t prepare_packed(struct state *s, const uint8_t *data)
{
	unsigned int index = (unsigned int)(data[2] | data[3] << 8) % s->num;
	uint16_t place = (uint16_t)(index | (data[6] & 2u) << 14), used = place;
	struct pvirtq_desc *ring = (void *)s->va;
	unsigned int marks = PVIRTQ_DESC_F_AVAIL | PVIRTQ_DESC_F_USED;

	if (data[6] & 1)
		used = (uint16_t)(data[6] | data[7] << 8);
	for (unsigned int i = 0; i < data[4] && i < s->num; i++) {
		uint16_t at = pvirtq_advance(place, i, s->num);
		le16 *flags = &ring[pvirtq_index(at)].flags;

		*flags = htole16((uint16_t)((le16toh(*flags) & ~marks) | pvirtq_avail_flags(at)));
	}
	return place | (uint32_t)used << 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state s;
	static int fd = -1;

	if (size < 9)
		return 0;
	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		must(fd >= 0 && ftruncate(fd, MEM_BYTES) == 0);
		s.va = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		must(s.va != MAP_FAILED);
	}
	size_t nops = min_size(data[8], size - 9), left = size - 9 - nops;
	bool packed = data[1] & 4;
	uint32_t base;

	s.num = packed ? 1u + data[0] % 64 : 1u << data[0] % 7;
	s.features = (uint64_t)(data[1] & 3) << VIRTIO_F_INDIRECT_DESC | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
		     (data[1] & 8 ? BIT(VIRTIO_F_IN_ORDER) : 0);
	s.nheld = 0;
	memset(s.va, 0, MEM_BYTES);
	memcpy(s.va, data + 9 + nops, min_size(left, MEM_BYTES));
	base = packed ? prepare_packed(&s, data) : prepare_split(&s, data);
	s.mem = make_table(data[1] & 128 ? &gmem_strict : &gmem_shm, fd);
	must(virtq_new(0, &events, &s, &s.vq) == 0);
	if (!start(&s, base)) {
		virtq_free(s.vq);
		gmem_free(s.mem);
		return 0;
	}
	for (size_t i = 0; i < nops; i++)
		operate(&s, data[9 + i], &data[9 + (i + 1) % nops]);
	virtq_stopping(s.vq);
	while (s.nheld)
		give_back(&s, 0, false);
	virtq_flush(s.vq);
	virtq_stop(s.vq);
	virtq_free(s.vq);
	gmem_free(s.mem);
	must(gmem_strict_pins() == 0);
	return 0;
}
