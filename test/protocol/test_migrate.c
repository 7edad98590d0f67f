/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_migrate.c - a guest moves from one vdevd to another, again and again, under load: QEMU docs/interop/vhost-user.rst, "Migration"
 * and "Migrating back-end state".
 *
 * The second back end gets a copy of the memory, made page by page while the first one works: all pages once, then those that the log
 * has, and what the driver has written since, which a front-end knows otherwise.  In the end the driver rests, so that only what is in the
 * log is copied when the rings have stopped; then a page that differs was written and not marked.  Every request is used once, and answered by a
 * device that knows what it was told.
 *
 * Or nothing is copied before, and pages come when the driver or the second back end touches them (postcopy).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/dirty_log.h"
#include "test/lib/carrier.h"
#include "test/lib/guest_load.h"
#include "test/lib/page_server.h"
#include "test/lib/random.h"
#include "test/lib/vdevd_process.h"
#include "test/unit/suites.h"
#include "transport/ring/virtq.h"

/* The driver writes into the one region alone, the device into both. */
#define OURS	0
#define THEIRS	1
#define REGIONS 2
#define PAGE	DIRTY_LOG_PAGE
#define PAGES	64u /* of each region */
#define BYTES	((size_t)PAGES * PAGE)

static const struct frontend_region regions[REGIONS] = {
	{.guest_addr = 1 << 20, .size = BYTES},
	{.guest_addr = 4 << 20, .size = BYTES},
};

/* The memory of one host. */
struct host {
	int fds[REGIONS]; /* the front-end's, where the guest is */
	uint8_t *pages[REGIONS];
};

/* How they move. */
enum way {
	GIVEN_BACK, /* nothing is in flight when the rings stop: GET_VRING_BASE */
	IN_RECORD,  /* what is in flight goes along: GET_VRING_BASE_SKIP_DRAIN */
	POSTCOPY,   /* the memory comes later */
	WAYS,
};

static struct {
	const struct load_kind *kind;
	bool packed;
	enum way way;
	unsigned int waited; /* pages that back ends waited for */
	struct frontend *fe;
	struct load load;
	struct vdevd_process process;
	struct host host;
	struct vu_inflight about;
	int record;
	uint32_t random;
	char dir[64];
} m;

static void setup(void)
{
	m.process.pid = -1;
	m.record = -1;
	m.random = (uint32_t)getpid();
	process_dir_make(m.dir);
}

static void teardown(void)
{
	if (m.process.pid > 0)
		process_kill(&m.process);
	load_end(&m.load);
	frontend_free(m.fe);
	if (m.record >= 0)
		close(m.record);
	process_dir_remove(m.dir);
}

static void ok(int err, const char *what)
{
	ck_assert_msg(err >= 0, "%s: %s (%s)", what, m.fe ? frontend_why(m.fe) : "", strerror(-err));
}

static uint8_t *map(int fd, size_t len)
{
	uint8_t *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(va, MAP_FAILED);
	return va;
}

static int new_file(size_t len)
{
	int fd = memfd_create("copy", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static struct host new_host(void)
{
	struct host h;

	for (unsigned int r = 0; r < REGIONS; r++) {
		h.fds[r] = new_file(BYTES);
		h.pages[r] = map(h.fds[r], BYTES);
	}
	return h;
}

/* The load goes on for so long. */
static void work(unsigned int us)
{
	for (uint64_t end = process_now_us() + us; process_now_us() < end;) {
		load_submit(&m.load);
		load_reap(&m.load);
	}
}

static void negotiate(void)
{
	const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |
				  BIT(VHOST_USER_F_PROTOCOL_FEATURES) | (m.packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
				  m.kind->features;
	const uint64_t record = BIT(VU_PF_INFLIGHT_SHMFD) | BIT(VU_PF_GET_VRING_BASE_INFLIGHT) |
				BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN);
	const uint64_t protocol = BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_LOG_SHMFD) | BIT(VU_PF_DEVICE_STATE) |
				  (m.way == IN_RECORD ? record : 0) | (m.way == POSTCOPY ? BIT(VU_PF_PAGEFAULT) : 0);

	ok(frontend_negotiate(m.fe, features, protocol), "negotiation");
	ck_assert_uint_eq(frontend_protocol_features(m.fe), protocol);
	ck_assert_int_eq(!!(frontend_features(m.fe) & BIT(VIRTIO_F_RING_PACKED)), m.packed);
}

static void settle(void)
{
	ok(frontend_set_mem_table(m.fe), "memory table");
	if (m.way == IN_RECORD)
		ok(frontend_set_inflight(m.fe, &m.about, m.record), "record");
}

/* Valgrind runs one thread at a time: the one that waits for a page would keep the other from bringing it. */
static bool pages_can_come(void)
{
	return !test_on_valgrind() && page_server_possible();
}

/* The first back end and its rings. */
static void begin(void)
{
	struct frontend_queue_opts opts = frontend_queue_defaults(LOAD_RING);

	opts.region = OURS;
	load_prepare(m.kind, m.dir);
	process_start(&m.process, m.dir, "first", m.kind->device, m.kind->args);
	process_connect(&m.process, &m.fe);
	negotiate();
	ok(frontend_make_mem(m.fe, &frontend_mem_memfd, regions, REGIONS), "memory");
	for (unsigned int r = 0; r < REGIONS; r++)
		m.host.pages[r] = map(frontend_mem_region(frontend_mem(m.fe), r)->fd, BYTES);
	m.about = (struct vu_inflight){.nqueues = (uint16_t)m.kind->nqueues, .queue_size = LOAD_RING};
	if (m.way == IN_RECORD)
		ok(frontend_get_inflight(m.fe, &m.about, &m.record), "record made");
	settle();
	for (unsigned int q = 0; q < m.kind->nqueues; q++)
		ok(frontend_queue_start(m.fe, q, &opts), "ring");
	load_begin(&m.load, m.kind, m.fe, m.dir, OURS, THEIRS, true);
	m.load.recorded = m.way == IN_RECORD;
}

/* ---- copying */

/* Copies pages; changed: only those that are in the log, and all of ours where the driver works. */
static void copy_round(const struct host *to, bool changed, bool working)
{
	for (unsigned int r = 0; r < REGIONS; r++) {
		for (unsigned int i = 0; i < PAGES; i++) {
			size_t at = (size_t)i * PAGE;
			/* First it is cleared, then the page is copied: what is written meanwhile is marked again. */
			bool marked = frontend_log_has(m.fe, regions[r].guest_addr + at, true);

			if (!changed || marked || (working && r == OURS))
				memcpy(to->pages[r] + at, m.host.pages[r] + at, PAGE);
			if (working && i % 16 == 0)
				work(20);
		}
	}
}

static void compare(const struct host *with, const char *when)
{
	for (unsigned int r = 0; r < REGIONS; r++) {
		for (unsigned int i = 0; i < PAGES; i++) {
			size_t at = (size_t)i * PAGE;

			if (memcmp(with->pages[r] + at, m.host.pages[r] + at, PAGE) != 0)
				ck_abort_msg("%s: page 0x%llx was written and is not in the log", when,
					     (unsigned long long)(regions[r].guest_addr + at));
		}
	}
}

/* Copies the memory as it is while the back end and the driver work, until only the rings' end is missing. */
static void copy_working(const struct host *to)
{
	ok(frontend_log_start(m.fe), "log started");
	if (random_next(&m.random) % 4 == 0) {
		/* It is given up, and begun anew. */
		copy_round(to, false, true);
		ok(frontend_log_stop(m.fe), "log stopped");
		work(random_next(&m.random) % 1000);
		ok(frontend_log_start(m.fe), "log started again");
	}
	copy_round(to, false, true);
	for (unsigned int n = random_next(&m.random) % 3; n; n--) {
		work(random_next(&m.random) % 1000);
		copy_round(to, true, true);
	}
	/* The driver rests, with all in flight that it can have; what it has written is copied while the back end works on. */
	load_submit(&m.load);
	memcpy(to->pages[OURS], m.host.pages[OURS], BYTES);
	copy_round(to, true, false);
}

/* ---- moving */

static void stop_rings(uint32_t bases[LOAD_QUEUES])
{
	for (unsigned int q = 0; q < m.kind->nqueues; q++) {
		if (m.way == IN_RECORD)
			ok(frontend_get_vring_base_skip_drain(m.fe, q, &bases[q]), "GET_VRING_BASE_SKIP_DRAIN");
		else
			ok(frontend_get_vring_base(m.fe, q, &bases[q]), "GET_VRING_BASE");
	}
}

/* The record in memory of its own. */
static void move_record(void)
{
	int fd = new_file(m.about.size);
	uint8_t *from = map(m.record, m.about.offset + m.about.size), *to = map(fd, m.about.size);

	memcpy(to, from + m.about.offset, m.about.size);
	munmap(to, m.about.size);
	munmap(from, m.about.offset + m.about.size);
	close(m.record);
	m.record = fd;
	m.about.offset = 0;
}

/* The memory is announced, and comes from there when it is touched. */
static struct page_server *settle_later(const struct host *source)
{
	struct page_server_region r[REGIONS];
	struct page_server *pages;
	uint64_t there[VU_MAX_REGIONS];
	int theirs;

	ok(frontend_postcopy_advise(m.fe, &theirs), "POSTCOPY_ADVISE");
	for (unsigned int i = 0; i < REGIONS; i++) {
		r[i] = (struct page_server_region){.source = source->pages[i], .len = BYTES};
		r[i].here = frontend_mem_region(frontend_mem(m.fe), i)->va;
	}
	pages = page_server_new(r, REGIONS, theirs);
	ok(frontend_postcopy_listen(m.fe), "POSTCOPY_LISTEN");
	ok(frontend_postcopy_announce(m.fe, there), "memory announced");
	page_server_begin(pages, there);
	ok(frontend_postcopy_ready(m.fe), "memory ready");
	return pages;
}

/* From now on the driver is in the copy.  The memory it leaves is kept, to see that it stays as it was. */
static void change_host(const struct host *to, struct host *left)
{
	*left = m.host;
	for (unsigned int r = 0; r < REGIONS; r++) {
		left->fds[r] = frontend_mem_replace(frontend_mem(m.fe), r, to->fds[r]);
		ok(left->fds[r], "other memory");
	}
	m.host = *to;
}

/* Its files are ours again. */
static void forget_host(struct host *h)
{
	for (unsigned int r = 0; r < REGIONS; r++) {
		munmap(h->pages[r], BYTES);
		close(h->fds[r]);
	}
}

static void move(unsigned int n)
{
	struct vdevd_process next;
	struct host to = new_host(), left;
	struct page_server *pages = NULL;
	uint32_t bases[LOAD_QUEUES];
	void *state;
	size_t len;

	load_prepare(m.kind, m.dir);
	process_start(&next, m.dir, n % 2 ? "first" : "second", m.kind->device, m.kind->args);
	if (m.way != POSTCOPY)
		copy_working(&to);
	stop_rings(bases);
	if (m.way != POSTCOPY) {
		copy_round(&to, true, false);
		compare(&to, "stopped");
	}
	ok(frontend_save_state(m.fe, &state, &len), "state saved");
	process_connect(&next, &m.fe);
	process_kill(&m.process);
	m.process = next;
	if (m.way != POSTCOPY)
		compare(&to, "left");
	/* Before pages are missing, so that the new back end is the first to touch those it writes into. */
	if (m.way == POSTCOPY)
		load_taken_over(&m.load);
	change_host(&to, &left);
	negotiate();
	if (m.way == IN_RECORD)
		move_record();
	if (m.way == POSTCOPY)
		pages = settle_later(&left);
	else
		settle();
	if (m.way != POSTCOPY)
		load_taken_over(&m.load);
	ok(frontend_load_state(m.fe, state, len), "state loaded");
	free(state);
	for (unsigned int q = 0; q < m.kind->nqueues; q++)
		ok(frontend_queue_restart(m.fe, q, bases[q]), "ring started");
	work(random_next(&m.random) % 1000);
	/* The new one has answered something. */
	for (uint64_t before = m.load.completed; n % 2 && m.load.completed == before;)
		work(10);
	if (n % 2)
		load_drain(&m.load);
	if (pages) {
		m.waited += page_server_finish(pages);
		ok(frontend_postcopy_end(m.fe), "POSTCOPY_END");
	}
	forget_host(&left);
}

static unsigned int moves(void)
{
	return test_by_depth(2, 4, 60);
}

START_TEST(test_moves)
{
	m.kind = load_kinds[_i / (2 * WAYS)];
	m.packed = _i & 1;
	m.way = (enum way)(_i / 2 % WAYS);
	if (m.way == POSTCOPY && !pages_can_come())
		test_skip("no userfaultfd for this process");
	begin();
	for (unsigned int n = 0; n < moves(); n++) {
		work(random_next(&m.random) % 2000);
		move(n);
	}
	/* A device that must be started first, on a busy machine, has not begun by now. */
	for (uint64_t patience = process_now_us() + PROCESS_PATIENCE * 1000u; !m.load.submitted && process_now_us() < patience;)
		work(2000);
	load_drain(&m.load);
	ck_assert_uint_gt(m.load.completed, 0);
	ck_assert(m.waited > 0 || m.way != POSTCOPY);
}
END_TEST

/* A front-end that goes while the back end waits for a page: that goes on, and serves the next one. */
START_TEST(test_pages_never_come)
{
	struct page_server *pages;
	uint64_t there[VU_MAX_REGIONS];
	int theirs;

	m.kind = load_find("rng");
	if (!m.kind)
		test_skip("no rng in this build");
	if (!pages_can_come())
		test_skip("no userfaultfd for this process");
	m.way = POSTCOPY;
	begin();
	process_connect(&m.process, &m.fe);
	struct host empty = new_host(), left;

	change_host(&empty, &left);
	negotiate();
	ok(frontend_postcopy_advise(m.fe, &theirs), "POSTCOPY_ADVISE");
	ok(frontend_postcopy_listen(m.fe), "POSTCOPY_LISTEN");
	ok(frontend_postcopy_announce(m.fe, there), "memory announced");
	/* Not before it is known that pages will come. */
	ck_assert_int_eq(frontend_queue_restart(m.fe, 0, 0), -EREMOTEIO);
	ok(frontend_postcopy_ready(m.fe), "memory ready");
	frontend_set_timeout(m.fe, 200);
	ck_assert_int_eq(frontend_queue_restart(m.fe, 0, 0), -ETIMEDOUT);
	frontend_set_timeout(m.fe, PROCESS_PATIENCE);
	close(theirs);
	process_connect(&m.process, &m.fe);
	negotiate();
	pages = settle_later(&left);
	load_taken_over(&m.load);
	ok(frontend_queue_restart(m.fe, 0, 0), "ring started");
	while (!m.load.submitted)
		load_submit(&m.load);
	load_drain(&m.load);
	ck_assert_uint_gt(page_server_finish(pages), 0);
	ok(frontend_postcopy_end(m.fe), "POSTCOPY_END");
	forget_host(&left);
}
END_TEST

Suite *suite_migrate(void)
{
	Suite *s = suite_create("migrate");
	TCase *tc = tcase_create("migrate");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_moves, 0, 2 * WAYS * (int)load_nkinds());
	tcase_add_test(tc, test_pages_never_come);
	suite_add_tcase(s, tc);
	return s;
}
