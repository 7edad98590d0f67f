/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * disk_load.c - reads or writes the disk of a vhost-user back end, many requests in flight, and tells how fast that
 * went and what processor time the back end took: VIRTIO 1.4, sections 5.2.6 (blk) and 5.6.6 (scsi, unit 0).
 *
 * usage: disk_load blk|scsi SOCKET randread|randwrite|read|write BYTES DEPTH DISK-BYTES MILLISECONDS
 *
 * Prints requests a second, the median and the 99th percentile of their latency in us, and us of the back end's threads
 * for a request.
 */
#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/random.h"
#include "transport/frontend/frontend.h"
#include "transport/virtio.h"

#define DEPTH_MAX   128u
#define RING	    512u /* three descriptors for a request */
#define SAMPLES_MAX (1u << 22)
#define WARM_UP	    100 /* ms that do not count */
/* VIRTIO_BLK_F_FLUSH: who does not know the cache has each write on the disk before it is answered. */
#define BLK_F_FLUSH BIT(9)

enum { HEAD, DATA, TAIL, PARTS };

struct slot {
	struct frontend_buf parts[PARTS]; /* TAIL: what the device writes about the request */
	uint64_t begun;			  /* ns */
};

struct bench {
	struct frontend *fe;
	bool scsi, writes, random;
	unsigned int queue, depth;
	uint32_t bytes, state;
	uint64_t blocks, next; /* of so many bytes */
	pid_t back_end;
	struct slot slots[DEPTH_MAX], *idle[DEPTH_MAX];
	unsigned int nidle;
	uint64_t *samples; /* ns */
	size_t nsamples, done;
};

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "disk_load: %s: %s\n", what, why);
	exit(1);
}

static void must(const struct bench *b, int err, const char *what)
{
	if (err)
		die(what, b->fe ? frontend_why(b->fe) : strerror(-err));
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Processor time of all the back end's threads so far, ns: those of the kernel that serve its io_uring are among them.
 */
static uint64_t back_end_ns(const struct bench *b)
{
	char pattern[64];
	uint64_t sum = 0;
	glob_t g;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/schedstat", (int)b->back_end);
	if (glob(pattern, 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "re");
		unsigned long long ns = 0;

		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	globfree(&g);
	return sum;
}

static void connect_to(struct bench *b, const char *path)
{
	const struct frontend_opts opts = {.path = path, .timeout_ms = 20000};
	const struct frontend_region region = {.guest_addr = 1u << 30, .size = 256u << 20};
	const uint64_t protocol = BIT(VU_PF_MQ) | BIT(VU_PF_CONFIG) | BIT(VU_PF_REPLY_ACK);
	struct frontend_queue_opts queue = frontend_queue_defaults(RING);
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	int err = frontend_new(&opts, &b->fe);

	must(b, err, path);
	if (getsockopt(frontend_socket(b->fe), SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		b->back_end = cred.pid;
	must(b,
	     frontend_negotiate(b->fe,
				BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_EVENT_IDX) |
					BIT(VHOST_USER_F_PROTOCOL_FEATURES) | (b->scsi ? 0 : BLK_F_FLUSH),
				protocol),
	     "negotiation");
	must(b, frontend_make_mem(b->fe, &frontend_mem_memfd, &region, 1), "memory");
	must(b, frontend_set_mem_table(b->fe), "memory");
	must(b, frontend_queue_start(b->fe, b->queue, &queue), "queue");
}

static void slots_make(struct bench *b)
{
	const size_t sizes[PARTS] = {b->scsi ? 51 : 16, b->bytes, b->scsi ? 108 : 1};

	for (unsigned int i = 0; i < b->depth; i++) {
		for (unsigned int p = 0; p < PARTS; p++)
			must(b,
			     frontend_mem_alloc(frontend_mem(b->fe), FRONTEND_MEM_ANY, sizes[p], 4096,
						&b->slots[i].parts[p]),
			     "memory of the requests");
		memset(b->slots[i].parts[DATA].va, (int)i, b->bytes);
		b->idle[b->nidle++] = &b->slots[i];
	}
}

/* The request for one block: struct virtio_blk_outhdr, or virtio_scsi_req_cmd with READ(10), WRITE(10). */
static void head_put(const struct bench *b, uint8_t *head, uint64_t block)
{
	uint64_t sector = block * b->bytes / 512;
	uint32_t sectors = b->bytes / 512;

	if (!b->scsi) {
		const le32 type = htole32(b->writes);
		const le64 at = htole64(sector);

		memcpy(head, &type, sizeof(type));
		memcpy(head + 8, &at, sizeof(at));
		return;
	}
	head[0] = 1;
	head[2] = 0x40;
	head[19] = b->writes ? 0x2a : 0x28;
	for (unsigned int i = 0; i < 4; i++)
		head[21 + i] = (uint8_t)(sector >> (24 - 8 * i));
	head[26] = (uint8_t)(sectors >> 8);
	head[27] = (uint8_t)sectors;
}

static void slot_add(struct bench *b, struct slot *s)
{
	/* What the device writes about a request comes before the data with scsi, after it with blk. */
	const unsigned int order[PARTS] = {HEAD, b->scsi && !b->writes ? TAIL : DATA,
					   b->scsi && !b->writes ? DATA : TAIL};
	uint64_t block = b->random ? (uint64_t)random_next(&b->state) % b->blocks : b->next++ % b->blocks;
	struct driver_buf bufs[PARTS];

	head_put(b, s->parts[HEAD].va, block);
	for (unsigned int i = 0; i < PARTS; i++)
		bufs[i] = (struct driver_buf){.addr = s->parts[order[i]].guest,
					      .len = (uint32_t)s->parts[order[i]].len,
					      .writable = order[i] == TAIL || (order[i] == DATA && !b->writes)};
	s->begun = now_ns();
	must(b, driver_ring_add(frontend_ring(b->fe, b->queue), bufs, PARTS, NULL, s), "ring");
}

/* Whether a request went well.  An attention of a SCSI unit is what the first one of all hears, and no more. */
static bool slot_is_well(const struct bench *b, const struct slot *s, uint32_t used)
{
	const uint8_t *tail = s->parts[TAIL].va;

	if (b->scsi)
		return tail[11] == 0 && (tail[10] == 0 || (!b->done && tail[10] == 2 && (tail[14] & 15) == 6));
	return tail[0] == 0 && used >= 1;
}

static void take(struct bench *b, bool counts)
{
	struct driver_ring *ring = frontend_ring(b->fe, b->queue);
	uint64_t now = now_ns();
	struct driver_used used;
	int got;

	while ((got = driver_ring_take(ring, &used)) > 0) {
		struct slot *s = used.token;

		if (!slot_is_well(b, s, used.len))
			die("request", "it has failed");
		if (counts && b->nsamples < SAMPLES_MAX)
			b->samples[b->nsamples++] = now - s->begun;
		b->done++;
		b->idle[b->nidle++] = s;
	}
	if (got < 0)
		die("ring", driver_ring_error(ring));
}

/* Keeps the disk busy for so long, and then waits for what is in flight. */
static void run(struct bench *b, unsigned int ms, bool counts)
{
	struct driver_ring *ring = frontend_ring(b->fe, b->queue);
	uint64_t until = now_ns() + (uint64_t)ms * 1000000;
	struct pollfd call = {.fd = frontend_queue_fd(b->fe, b->queue, FRONTEND_FD_CALL), .events = POLLIN};
	uint64_t count;

	while (now_ns() < until || b->nidle < b->depth) {
		while (b->nidle && now_ns() < until)
			slot_add(b, b->idle[--b->nidle]);
		if (driver_ring_publish(ring))
			must(b, frontend_kick(b->fe, b->queue), "kick");
		if (b->nidle < b->depth && !driver_ring_interrupts(ring, true)) {
			if (poll(&call, 1, 20000) <= 0)
				die("request", "no answer in 20 s");
			if (read(call.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
				die("notification", strerror(errno));
		}
		take(b, counts);
	}
}

static int compare(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
	static struct bench b = {.state = 12345};
	uint64_t begin, spent;
	double seconds;
	size_t n, middle, late;

	if (argc != 8)
		die("usage",
		    "disk_load blk|scsi SOCKET randread|randwrite|read|write BYTES DEPTH DISK-BYTES MILLISECONDS");
	b.scsi = strcmp(argv[1], "scsi") == 0;
	b.queue = b.scsi ? 2 : 0;
	b.writes = strstr(argv[3], "write") != NULL;
	b.random = strncmp(argv[3], "rand", 4) == 0;
	b.bytes = (uint32_t)strtoul(argv[4], NULL, 10);
	b.depth = (unsigned int)strtoul(argv[5], NULL, 10);
	if (b.bytes < 512 || b.bytes % 512 || b.bytes > 1u << 20 || !b.depth || b.depth > DEPTH_MAX)
		die("usage", "a multiple of 512 bytes to 1048576, and 1 to 128 requests, are wanted");
	b.blocks = strtoull(argv[6], NULL, 10) / b.bytes;
	b.samples = malloc(SAMPLES_MAX * sizeof(*b.samples));
	if (!b.samples || !b.blocks)
		die("usage", "the disk is too small, or memory is short");
	connect_to(&b, argv[2]);
	slots_make(&b);
	run(&b, WARM_UP, false);
	begin = now_ns();
	spent = back_end_ns(&b);
	n = b.done;
	run(&b, (unsigned int)strtoul(argv[7], NULL, 10), true);
	seconds = (double)(now_ns() - begin) / 1e9;
	spent = back_end_ns(&b) - spent;
	n = b.done - n;
	qsort(b.samples, b.nsamples, sizeof(*b.samples), compare);
	middle = b.nsamples / 2;
	late = b.nsamples * 99 / 100;
	printf("%.0f %.1f %.1f %.2f\n", (double)n / seconds, (double)b.samples[middle] / 1e3, (double)b.samples[late] / 1e3,
	       (double)spent / 1e3 / (double)n);
	frontend_free(b.fe);
	free(b.samples);
	return 0;
}
