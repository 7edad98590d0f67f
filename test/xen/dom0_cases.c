/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dom0_cases.c - runs in dom0 of a real Xen: a front-end whose rings and buffers lie in the memory of another domain,
 * against vdevd in a process of its own.  Each case is a line "ok NAME" or "not ok NAME: why".
 *
 * usage: dom0_cases run VDEVD        the cases
 *        dom0_cases create PAGES     a domain with that memory, all granted; writes "DOMID FRAME REFERENCE"
 *        dom0_cases destroy DOMID
 *        dom0_cases cost VDEVD       what a pin of granted pages costs, and what chains do by the ways of sharing
 *
 * The device is the I2C adapter with a simulated EEPROM: bytes go both ways, can be looked at on the device's side, too
 * (its control socket shows them), and a transfer takes as long as the test wants.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/unix_socket.h"
#include "mem/gmem_xen.h"
#include "test/xen/dead_domain.h"
#include "transport/frontend/frontend.h"
#include "transport/ring/virtq.h"

#define PAGE     4096u
#define PAGES    64u  /* of the domain */
#define REF      8u   /* the first reference; those below are Xen's own */
#define SOCKET   "/tmp/cases"
#define CONTROL  "/tmp/cases.ctl"
#define LOG      "/tmp/cases.log"
#define WAIT_MS  30000 /* for what must come */
#define SLOW_MS  400   /* of a transfer that is to be under way for a while; more where that is too short */
#define RING     16u
#define FOREIGN  GMEM_XEN_FOREIGN
#define GRANT    GMEM_XEN_GRANT
#define DEMAND   (GMEM_XEN_GRANT | 0x8u)

/* A way to share memory, as a front-end and vdevd's options can choose it. */
struct way {
	const char *name;
	uint32_t flags; /* 0: a file, without XEN_MMAP */
	bool cache, no_fd, packed;
};

static const struct way ways[] = {
	{.name = "posix"},
	{.name = "foreign", .flags = FOREIGN},
	{.name = "foreign-no-fd", .flags = FOREIGN, .no_fd = true},
	{.name = "grant", .flags = GRANT},
	{.name = "grant-no-fd", .flags = GRANT, .no_fd = true},
	{.name = "grant-on-demand", .flags = DEMAND},
	{.name = "grant-on-demand-packed", .flags = DEMAND, .packed = true},
	{.name = "grant-on-demand-bit-8", .flags = GMEM_XEN_GRANT | 0x100u},
	{.name = "grant-on-demand-no-fd", .flags = DEMAND, .no_fd = true},
	{.name = "grant-on-demand-cache", .flags = DEMAND, .cache = true},
	{.name = "posix-again"},
};

static struct {
	const char *vdevd;
	struct dead_domain *domain;
	pid_t pid;           /* vdevd's */
	struct frontend *fe;
	struct frontend_buf arena; /* pages in which cases place their buffers */
	const char *name;    /* of the present case */
	unsigned int failed; /* cases */
	bool bad;            /* the present one */
	bool died;           /* the domain */
} t;

/* Says what is wrong in the present case, once. */
static bool check(bool holds, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool check(bool holds, const char *fmt, ...)
{
	va_list ap;

	if (holds || t.bad)
		return holds;
	t.bad = true;
	printf("not ok %s: ", t.name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return false;
}

/* The front-end's call succeeded. */
static bool went(int err, const char *what)
{
	return check(err == 0, "%s: %s (%s)", what, strerror(-err), t.fe ? frontend_why(t.fe) : "no connection");
}

static void pause_ms(unsigned int ms)
{
	const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

struct test {
	const char *name;
	void (*run)(const struct way *w);
	bool xen, advance, demand; /* only for ways that are */
	bool log;                  /* looks at the log, which has few lines of each front-end: a process of its own */
};

/* A process of vdevd, and what is run against it. */
struct process {
	const char *name;
	const struct test *tests;
	bool cache;
	bool all_ways;
};

/*
 * The back end.
 */

static void vdevd_exec(const struct process *p)
{
	int log = open(LOG, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

	dup2(log, STDERR_FILENO);
	execl(t.vdevd, "vdevd", "i2c", "--sim=eeprom@0x50:256", "--control=" CONTROL, "--socket-path=" SOCKET,
	      "--features=+ring_packed",
	      p->cache ? "--xen-grant-cache=16" : "--xen-grant-cache=0", (char *)NULL);
	_exit(127);
}

static void vdevd_start(const struct process *p)
{
	fflush(stdout);
	t.pid = fork();
	if (t.pid == 0)
		vdevd_exec(p);
}

static void vdevd_lives(void)
{
	siginfo_t info = {.si_pid = 0};

	waitid(P_PID, (id_t)t.pid, &info, WEXITED | WNOHANG | WNOWAIT);
	check(info.si_pid == 0, "vdevd has ended: status or signal %d", info.si_status);
}

/* It lives, and ends as it must. */
static void vdevd_stop(void)
{
	int status = 0;

	vdevd_lives();
	kill(t.pid, SIGTERM);
	waitpid(t.pid, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "vdevd ended with status 0x%x", status);
}

static bool log_has(const char *text)
{
	char log[8192];
	int fd = open(LOG, O_RDONLY);
	ssize_t n = read(fd, log, sizeof(log) - 1);

	close(fd);
	log[n > 0 ? n : 0] = '\0';
	return strstr(log, text);
}

/* A command to the simulated EEPROM; answer gets what it says, as text. */
static bool sim_ask(const char *command, char *answer, size_t size)
{
	struct pollfd fd = {.fd = unix_connect(CONTROL), .events = POLLIN};
	const char *line = strchr(command, '\n');
	size_t len = 0;
	ssize_t n = line && fd.fd >= 0 ? write(fd.fd, command, strlen(command)) : -1;

	if (n > 0)
		shutdown(fd.fd, SHUT_WR);
	while (n > 0 && len < size - 1 && poll(&fd, 1, WAIT_MS) == 1) {
		n = read(fd.fd, answer + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	answer[len] = '\0';
	close(fd.fd);
	return check(len >= 3 && strcmp(answer + len - 3, "ok\n") == 0, "control socket: %s", answer);
}

/* How long each transfer takes from now on. */
static bool sim_delay(unsigned int ms)
{
	char command[32], answer[80];

	snprintf(command, sizeof(command), "delay %u\n", ms);
	return sim_ask(command, answer, sizeof(answer));
}

/* The device has these bytes. */
static bool sim_has(uint8_t addr, const uint8_t *bytes, size_t len)
{
	char command[32], answer[256], want[128] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(want + 3 * i, sizeof(want) - 3 * i, " %02x", bytes[i]);
	snprintf(command, sizeof(command), "dump 0x50 %u %zu\n", addr, len);
	return sim_ask(command, answer, sizeof(answer)) &&
	       check(strstr(answer, want), "the device has not%s but %s", want, answer);
}

/*
 * The front-end.
 */

/* Where page i of the domain is for the back end. */
static uint64_t address(uint32_t flags, unsigned int i)
{
	return (flags & GMEM_XEN_GRANT) ? XEN_GRANT_ADDR + (uint64_t)(REF + i) * PAGE :
					  (uint64_t)(DEAD_FIRST_FRAME + i) * PAGE;
}

/* Pages [first, first + n) as a region that begins off bytes in the first. */
static struct frontend_region region_of(const struct way *w, unsigned int first, unsigned int n, unsigned int off)
{
	struct frontend_region r = {
		.guest_addr = (uint64_t)(0x40000 + first) * PAGE + off, .size = n * PAGE - off, .offset = off};

	if (w->flags) {
		r.guest_addr = address(w->flags, first) + off;
		r.xen_flags = w->flags;
		r.xen_domid = dead_domain_id(t.domain);
		r.xen_frame = DEAD_FIRST_FRAME + first;
		r.offset = 0;
		r.no_fd = w->no_fd;
	}
	return r;
}

static void hang_up(void)
{
	frontend_free(t.fe);
	t.fe = NULL;
}

/* Connects, as soon as vdevd listens. */
static int dial(void)
{
	const struct frontend_opts opts = {.path = SOCKET, .timeout_ms = WAIT_MS};
	int err = -ENOENT;

	for (unsigned int ms = 0; ms < WAIT_MS && (err == -ENOENT || err == -ECONNREFUSED); ms += 5) {
		if (ms)
			pause_ms(5);
		err = frontend_new(&opts, &t.fe);
	}
	return err;
}

/* Connects and negotiates. */
static bool call_up(const struct way *w)
{
	const uint64_t protocol = BIT(VU_PF_REPLY_ACK) | (w->flags ? BIT(VU_PF_XEN_MMAP) : 0) |
				  BIT(VU_PF_CONFIGURE_MEM_SLOTS);

	hang_up();
	int err = dial();

	if (!check(err == 0, "no connection: %s", strerror(-err)))
		return false;
	return went(frontend_negotiate(t.fe,
				       BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
					       (w->packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
					       BIT(VHOST_USER_F_PROTOCOL_FEATURES) | 1,
				       protocol),
		    "negotiation") &&
	       check(frontend_has_protocol(t.fe, VU_PF_XEN_MMAP) == !!w->flags, "XEN_MMAP is not as asked for") &&
	       check(!(frontend_features(t.fe) & BIT(VIRTIO_F_RING_PACKED)) == !w->packed, "the ring's form is not");
}

static const struct frontend_mem_ops *ops_of(const struct way *w)
{
	return w->flags ? &frontend_mem_xen : &frontend_mem_memfd;
}

/* All of it: two regions side by side, the first from the middle of a page; a ring in the first, and an arena. */
static bool ready(const struct way *w)
{
	struct frontend_region regions[] = {region_of(w, 0, PAGES / 2, 0x404), region_of(w, PAGES / 2, PAGES / 2, 0)};
	struct frontend_queue_opts opts = frontend_queue_defaults(RING);

	dead_domain_grant(t.domain, REF, DEAD_FIRST_FRAME, PAGES, false);
	opts.region = 0;
	return call_up(w) &&
	       went(frontend_make_mem(t.fe, ops_of(w), regions, 2), "memory") &&
	       went(frontend_set_mem_table(t.fe), "table") &&
	       went(frontend_queue_start(t.fe, 0, &opts), "start") &&
	       went(frontend_mem_alloc(frontend_mem(t.fe), 0, 8 * PAGE, PAGE, &t.arena), "arena");
}

/* The arena's page i by its reference. */
static uint32_t arena_ref(unsigned int i)
{
	return (uint32_t)((t.arena.guest & ~XEN_GRANT_ADDR) / PAGE) + i;
}

/* One buffer of the arena. */
struct part {
	size_t at, len;
	bool writable;
};

/* Makes these available as one chain, in an indirect table where there is room for one. */
static int submit_in(const struct driver_table *table, const struct part *parts, unsigned int n)
{
	struct driver_ring *ring = frontend_ring(t.fe, 0);
	struct driver_buf bufs[RING];
	int err;

	for (unsigned int i = 0; i < n; i++)
		bufs[i] = (struct driver_buf){t.arena.guest + parts[i].at, (uint32_t)parts[i].len, parts[i].writable};
	err = driver_ring_add(ring, bufs, n, table, &t);
	driver_ring_interrupts(ring, true);
	driver_ring_publish(ring);
	return err ? err : frontend_kick(t.fe, 0);
}

static int submit(const struct part *parts, unsigned int n)
{
	return submit_in(NULL, parts, n);
}

/* Waits until the chain is used, by the notification. */
static bool used(void)
{
	struct driver_used u;

	return went(frontend_wait_call(t.fe, 0), "call") &&
	       check(driver_ring_take(frontend_ring(t.fe, 0), &u) == 1, "a call, but nothing used");
}

static void put_header(size_t at, bool read, bool more)
{
	const uint8_t header[8] = {0x50 << 1, 0, 0, 0, (uint8_t)((read ? 2 : 0) | (more ? 1 : 0))};

	memcpy((uint8_t *)t.arena.va + at, header, sizeof(header));
}

/* Writes bytes to the EEPROM: header, address with data, status, at these places. */
static bool eeprom_write(size_t header, size_t data, size_t status, uint8_t addr, const uint8_t *bytes, size_t len)
{
	uint8_t *arena = t.arena.va;
	const struct part parts[] = {{header, 8, false}, {data, len + 1, false}, {status, 1, true}};

	put_header(header, false, false);
	arena[data] = addr;
	memcpy(arena + data + 1, bytes, len);
	arena[status] = 0xee;
	return went(submit(parts, 3), "submit") && used() &&
	       check(arena[status] == 0, "the write's status is %u", arena[status]);
}

/* Reads them back: a write of the address, a read of the data, as one transfer. */
static bool eeprom_read(size_t header, size_t data, size_t status, uint8_t addr, uint8_t *bytes, size_t len)
{
	uint8_t *arena = t.arena.va;
	const size_t place = 7 * PAGE;
	const struct part set[] = {{place, 8, false}, {place + 8, 1, false}, {place + 9, 1, true}};
	const struct part get[] = {{header, 8, false}, {data, len, true}, {status, 1, true}};

	put_header(place, false, false);
	arena[place + 8] = addr;
	if (!went(submit(set, 3), "submit") || !used() || !check(arena[place + 9] == 0, "the address' status"))
		return false;
	put_header(header, true, false);
	memset(arena + data, 0xaa, len);
	arena[status] = 0xee;
	if (!went(submit(get, 3), "submit") || !used() ||
	    !check(arena[status] == 0, "the read's status is %u", arena[status]))
		return false;
	memcpy(bytes, arena + data, len);
	return true;
}

/* What the EEPROM takes at once: more would go around in its page. */
#define CHUNK 8

/* Bytes there and back, in buffers at these places of the arena. */
static bool round_trip(size_t header, size_t data, size_t status, uint8_t seed)
{
	uint8_t bytes[CHUNK], back[CHUNK];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(seed + i * 7);
	return eeprom_write(header, data, status, 0x20, bytes, sizeof(bytes)) && sim_has(0x20, bytes, sizeof(bytes)) &&
	       eeprom_read(header, data, status, 0x20, back, sizeof(back)) &&
	       check(memcmp(bytes, back, sizeof(bytes)) == 0, "%02x %02x %02x came back, not %02x %02x %02x", back[0],
		     back[1], back[2], bytes[0], bytes[1], bytes[2]);
}

static bool plain_trip(uint8_t seed)
{
	return round_trip(0, 64, 128, seed);
}

/* Another front-end, with shared memory, is served as ever. */
static void posix_lives(void)
{
	if (ready(&ways[0]))
		plain_trip(0x11);
	hang_up();
}

/*
 * Cases.
 */

/* Bytes in both directions; buffers over pages' ends; rings that share a page at odd offsets. */
static void case_bytes(const struct way *w)
{
	struct vu_vring_addr addr;

	if (!ready(w))
		return;
	addr = frontend_queue_addr(t.fe, 0);
	check(addr.desc % PAGE && addr.avail % PAGE && addr.desc / PAGE == addr.avail / PAGE &&
		      addr.used / PAGE == addr.avail / PAGE,
	      "the ring's parts do not share a page");
	if (!plain_trip(1))
		return;
	for (unsigned int shift = 1; shift < 18; shift += 4) {
		if (!round_trip(PAGE - shift % 8 - 1, 3 * PAGE - shift, 5 * PAGE - 1, (uint8_t)shift))
			return;
	}
	/* Many, so that used and available indexes go around. */
	for (unsigned int i = 0; i < 40; i++) {
		if (!plain_trip((uint8_t)i))
			return;
	}
}

/* The table of an indirect descriptor over a page's end. */
static void case_indirect(const struct way *w)
{
	const struct part parts[] = {{64, 8, false}, {2 * PAGE - 3, 5, false}, {5 * PAGE - 1, 1, true}};
	const uint8_t out[] = {0x48, 0xde, 0xad, 0xbe, 0xef};
	const size_t at = 4 * PAGE - sizeof(struct virtq_desc);
	uint8_t *arena;

	if (!ready(w))
		return;
	arena = t.arena.va;
	const struct driver_table table = {.va = arena + at, .addr = t.arena.guest + at, .room = 3};

	for (unsigned int i = 0; i < 3; i++) {
		put_header(parts[0].at, false, false);
		memcpy(arena + parts[1].at, out, sizeof(out));
		arena[parts[1].at + 1] = (uint8_t)i;
		arena[parts[2].at] = 0xee;
		if (!went(submit_in(&table, parts, 3), "submit") || !used() ||
		    !check(arena[parts[2].at] == 0, "status %u", arena[parts[2].at]) ||
		    !sim_has(out[0], arena + parts[1].at + 1, sizeof(out) - 1))
			return;
	}
}

/* A buffer that goes over from one region into the next. */
static void case_two_regions(const struct way *w)
{
	const uint64_t border = PAGES / 2 * PAGE;
	struct frontend_mem *mem;
	size_t at;

	if (!ready(w))
		return;
	/* The arena is moved to the border. */
	mem = frontend_mem(t.fe);
	const struct frontend_region *first = frontend_mem_region(mem, 0), *second = frontend_mem_region(mem, 1);
	uint64_t begin = (first->guest_addr / PAGE) * PAGE;
	uint8_t bytes[CHUNK], out[CHUNK + 1], back[CHUNK] = {0};
	const uint8_t status = 0xee;
	struct driver_ring *ring = frontend_ring(t.fe, 0);

	check(second->guest_addr == begin + border, "the regions do not adjoin");
	for (at = 0; at < sizeof(bytes); at++)
		bytes[at] = (uint8_t)(0x90 + at);
	out[0] = 0x30;
	memcpy(out + 1, bytes, sizeof(bytes));
	put_header(0, false, false);
	frontend_mem_write(mem, begin + border - 5, out, sizeof(out));
	frontend_mem_write(mem, begin + border + 64, &status, 1);
	const struct driver_buf bufs[] = {
		{t.arena.guest, 8, false},
		{begin + border - 5, sizeof(out), false},
		{begin + border + 64, 1, true},
	};
	went(driver_ring_add(ring, bufs, 3, NULL, &t), "add");
	driver_ring_interrupts(ring, true);
	driver_ring_publish(ring);
	if (went(frontend_kick(t.fe, 0), "kick") && used() && eeprom_read(0, 64, 128, 0x30, back, sizeof(back)))
		check(memcmp(bytes, back, sizeof(bytes)) == 0, "other bytes came back");
}

/* Ring addresses that are guest-physical, as some front-ends send them. */
static void case_guest_addresses(const struct way *w)
{
	uint32_t base;

	if (!ready(w) || !went(frontend_queue_stop(t.fe, 0, &base), "stop"))
		return;
	const struct frontend_region *r = frontend_mem_region(frontend_mem(t.fe), 0);
	struct vu_vring_addr addr = frontend_queue_addr(t.fe, 0);

	addr.desc += r->guest_addr - r->user_addr;
	addr.avail += r->guest_addr - r->user_addr;
	addr.used += r->guest_addr - r->user_addr;
	went(frontend_vring_addr(t.fe, &addr), "ADDR");
	went(frontend_vring_fd(t.fe, VU_SET_VRING_KICK, 0, frontend_queue_fd(t.fe, 0, FRONTEND_FD_KICK)), "KICK");
	plain_trip(0x44);
}

/* As many regions as front-ends are known to send, each of one page. */
static void case_many_regions(const struct way *w)
{
	struct frontend_region regions[VU_MAX_XEN_REGIONS];
	struct frontend_queue_opts opts = frontend_queue_defaults(RING);

	for (unsigned int i = 0; i < ARRAY_SIZE(regions); i++)
		regions[i] = region_of(w, 2 * i, 1, 0);
	dead_domain_grant(t.domain, REF, DEAD_FIRST_FRAME, PAGES, false);
	opts.region = 17;
	if (call_up(w) && went(frontend_make_mem(t.fe, ops_of(w), regions, ARRAY_SIZE(regions)), "memory") &&
	    went(frontend_set_mem_table(t.fe), "table") && went(frontend_queue_start(t.fe, 0, &opts), "start") &&
	    went(frontend_mem_alloc(frontend_mem(t.fe), 31, PAGE, PAGE, &t.arena), "arena")) {
		const struct part parts[] = {{0, 8, false}, {64, 1, false}, {128, 1, true}};
		uint8_t *arena = t.arena.va;

		put_header(0, false, false);
		arena[128] = 0xee;
		if (went(submit(parts, 3), "submit") && used())
			check(arena[128] == 0, "status %u", arena[128]);
	}
}

/* Regions one by one, and gone again. */
static void case_slots(const struct way *w)
{
	struct frontend_region more = region_of(w, PAGES / 2 + 4, 4, 0);

	dead_domain_grant(t.domain, REF, DEAD_FIRST_FRAME, PAGES, false);
	if (!call_up(w) || !went(frontend_make_mem(t.fe, ops_of(w), &more, 1), "memory"))
		return;
	const struct frontend_region *r = frontend_mem_region(frontend_mem(t.fe), 0);

	went(frontend_add_mem_reg(t.fe, r), "ADD_MEM_REG");
	check(frontend_add_mem_reg(t.fe, r) == -EREMOTEIO, "the same region twice was not refused");
	went(frontend_rem_mem_reg(t.fe, r), "REM_MEM_REG");
	check(frontend_rem_mem_reg(t.fe, r) == -EREMOTEIO, "a region that is gone was removed");
	went(frontend_add_mem_reg(t.fe, r), "ADD_MEM_REG again");
}

/* A region with a page that is not there is refused, by name; the connection goes on. */
static void case_hole(const struct way *w)
{
	struct frontend_region hole = region_of(w, PAGES - 1, 3, 0);
	char page[64];

	if (!ready(w) || !call_up(w))
		return;
	hole.fd = -1;
	hole.user_addr = 0x10000;
	check(frontend_add_mem_reg(t.fe, &hole) == -EREMOTEIO, "a region with a hole was not refused");
	/* gntdev does not say which of the references it was. */
	snprintf(page, sizeof(page), "at page 0x%llx",
		 (unsigned long long)address(w->flags, w->flags == FOREIGN ? PAGES : PAGES - 1));
	check(log_has(page), "vdevd did not name the page (%s)", page);
	if (w->flags == GRANT) {
		/* Mapped to be read and written: a page granted only to be read is one too few. */
		struct frontend_region mixed = region_of(w, PAGES - 3, 3, 0);

		mixed.fd = -1;
		mixed.user_addr = 0x10000;
		dead_domain_grant(t.domain, REF + PAGES - 2, DEAD_FIRST_FRAME + PAGES - 2, 1, true);
		check(frontend_add_mem_reg(t.fe, &mixed) == -EREMOTEIO, "a read-only page in advance was not refused");
		check(!dead_domain_in_use(t.domain, REF + PAGES - 3, 3), "what was refused is still mapped");
	}
	if (ready(w))
		plain_trip(0x55);
}

/* Buffers the device only reads may be granted read-only; others break the ring, and that alone. */
static void case_read_only(const struct way *w)
{
	const struct part bad[] = {{PAGE, 8, false}, {PAGE + 64, 4, true}, {128, 1, true}};
	uint8_t bytes[CHUNK] = {0xca, 0xfe}, back[CHUNK];
	uint8_t *arena;

	if (!ready(w))
		return;
	arena = t.arena.va;
	dead_domain_grant(t.domain, arena_ref(1), DEAD_FIRST_FRAME + arena_ref(1) - REF, 1, true);
	if (!eeprom_write(PAGE, PAGE + 64, 128, 0x40, bytes, sizeof(bytes)) ||
	    !eeprom_read(PAGE, 256, 128, 0x40, back, sizeof(back)))
		return;
	check(memcmp(bytes, back, sizeof(bytes)) == 0, "other bytes came back");
	put_header(PAGE, true, false);
	memset(arena + PAGE + 64, 0xaa, 4);
	went(submit(bad, 3), "submit");
	went(frontend_wait_err(t.fe, 0), "error of the ring");
	check(arena[PAGE + 64] == 0xaa, "a byte of a read-only page was written");
	check(log_has("buffer that cannot be mapped"), "vdevd did not say so");
	went(frontend_sync(t.fe), "afterwards");
}

/* A grant taken back before it is used. */
static void case_revoked(const struct way *w)
{
	const struct part parts[] = {{2 * PAGE, 8, false}, {64, 4, true}, {128, 1, true}};

	if (!ready(w) || !plain_trip(0x66))
		return;
	put_header(2 * PAGE, true, false);
	dead_domain_revoke(t.domain, arena_ref(2), 1);
	went(submit(parts, 3), "submit");
	went(frontend_wait_err(t.fe, 0), "error of the ring");
	went(frontend_sync(t.fe), "afterwards");
	hang_up();
	if (ready(w))
		plain_trip(0x67);
}

/* After the answer the guest can have its page back, unless a cache keeps it; after the ring's end in any case. */
static void case_given_back(const struct way *w)
{
	uint32_t base;

	if (!ready(w) || !plain_trip(0x77))
		return;
	check(dead_domain_in_use(t.domain, arena_ref(0), 1) == w->cache, "the buffer's grant is%s in use",
	      w->cache ? " not" : "");
	check(dead_domain_in_use(t.domain, REF, 1), "the ring's grant is not in use");
	went(frontend_queue_stop(t.fe, 0, &base), "stop");
	check(!dead_domain_in_use(t.domain, REF, PAGES), "a grant is in use after the ring's end");
}

/*
 * With a transfer that takes its time: what is pinned must last.
 */

static const struct part slow_parts[] = {{0, 8, false}, {3 * PAGE, 4, true}, {128, 1, true}};

static uint8_t slow_status(void)
{
	return *((const volatile uint8_t *)t.arena.va + slow_parts[2].at);
}

static bool answered(void)
{
	return slow_status() == 0;
}

static bool given_back(void)
{
	return !dead_domain_in_use(t.domain, REF, PAGES);
}

/* Waits for what has to come. */
static bool comes(bool (*holds)(void), const char *what)
{
	for (unsigned int ms = 0; ms < WAIT_MS && !holds(); ms += 5)
		pause_ms(5);
	return check(holds(), "%s", what);
}

static bool domain_new(void)
{
	return check(dead_domain_new(PAGES, &t.domain) == 0, "no other domain");
}

/* Two round trips: the kick that came before them has been handled. */
static bool popped(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (!went(frontend_sync(t.fe), "sync"))
			return false;
	}
	return true;
}

static bool slow_submit(const struct way *w, unsigned int ms)
{
	uint8_t *arena;

	if (t.died) {
		t.died = false;
		dead_domain_free(t.domain);
		t.domain = NULL;
		if (!domain_new())
			return false;
	}
	if (!ready(w) || !sim_delay(ms))
		return false;
	arena = t.arena.va;
	put_header(slow_parts[0].at, true, false);
	memset(arena + slow_parts[1].at, 0xaa, slow_parts[1].len);
	arena[slow_parts[2].at] = 0xee;
	return went(submit(slow_parts, 3), "submit") && popped();
}

/* A request is under way, and after the deed still is: a machine that was too slow gets more time for it. */
static bool under_way(const struct way *w, bool (*deed)(void))
{
	for (unsigned int ms = SLOW_MS; ms < WAIT_MS / 2; ms *= 3) {
		if (!slow_submit(w, ms) || !deed())
			return false;
		if (slow_status() == 0xee)
			return sim_delay(0);
	}
	return check(false, "no transfer took long enough");
}

/* The guest takes grants back that are in use: it cannot, but can try. */
static bool revoke_all(void)
{
	dead_domain_revoke(t.domain, REF, PAGES);
	return true;
}

static void case_revoked_in_use(const struct way *w)
{
	const uint8_t *arena;

	if (!under_way(w, revoke_all) || !used())
		return;
	arena = t.arena.va;
	check(answered() && arena[3 * PAGE] == 0xff, "status %u, byte 0x%02x", slow_status(), arena[3 * PAGE]);
}

/* The front-end takes the memory away under a request: it is finished in the old memory, the ring is broken. */
static bool empty_table(void)
{
	struct vu_msg msg = frontend_msg(VU_SET_MEM_TABLE, offsetof(struct vu_mem_table, regions));

	return went(frontend_tell(t.fe, &msg), "empty table") && went(frontend_wait_err(t.fe, 0), "error of the ring");
}

static void case_table_replaced(const struct way *w)
{
	if (!under_way(w, empty_table) || !comes(answered, "the request in flight was not answered"))
		return;
	if (w->flags & GMEM_XEN_GRANT)
		comes(given_back, "a grant is still in use");
	went(frontend_sync(t.fe), "afterwards");
}

static bool nothing(void)
{
	return true;
}

static void case_disconnect(const struct way *w)
{
	if (!under_way(w, nothing))
		return;
	hang_up();
	/* The next one waits for the transfer's end. */
	if (ready(w))
		plain_trip(0x78);
	hang_up();
	if (w->flags & GMEM_XEN_GRANT)
		comes(given_back, "a grant is still in use");
}

/* The domain dies under its front-end. */
static bool kill_domain(void)
{
	dead_domain_destroy(t.domain);
	t.died = true;
	return true;
}

static void case_domain_dies(const struct way *w)
{
	struct dead_domain *living = t.domain;

	if (!domain_new())
		goto restore;
	if (under_way(w, kill_domain) && used()) {
		check(answered(), "status %u", slow_status());
		/* More of it: served while it is mapped, and where it has to be mapped the ring is broken. */
		put_header(0, true, false);
		went(submit(slow_parts, 3), "submit");
		if (!(w->flags & ~(FOREIGN | GRANT)) || w->cache)
			used();
		else
			went(frontend_wait_err(t.fe, 0), "error of the ring");
		went(frontend_sync(t.fe), "afterwards");
	}
	hang_up();
	if (t.domain && !t.died)
		dead_domain_destroy(t.domain);
	dead_domain_free(t.domain);
restore:
	t.died = false;
	t.domain = living;
	if (ready(w))
		plain_trip(0x79);
}

/*
 * Running them.
 */

static const struct test quick[] = {
	{.name = "bytes", .run = case_bytes},
	{.name = "indirect", .run = case_indirect},
	{.name = "two-regions", .run = case_two_regions},
	{.name = "slots", .run = case_slots},
	{.name = "guest-addresses", .run = case_guest_addresses, .xen = true},
	{.name = "many-regions", .run = case_many_regions, .xen = true},
	{.name = "hole", .run = case_hole, .xen = true, .advance = true, .log = true},
	{.name = "read-only", .run = case_read_only, .xen = true, .demand = true, .log = true},
	{.name = "revoked", .run = case_revoked, .xen = true, .demand = true},
	{.name = "given-back", .run = case_given_back, .xen = true, .demand = true},
	{0},
};

static const struct test slow[] = {
	{.name = "table-replaced", .run = case_table_replaced},
	{.name = "disconnect", .run = case_disconnect},
	{.name = "revoked-in-use", .run = case_revoked_in_use, .xen = true},
	{.name = "domain-dies", .run = case_domain_dies, .xen = true},
	{0},
};

static const struct process processes[] = {
	{.name = "plain", .tests = quick, .all_ways = true},
	{.name = "cache", .tests = quick, .cache = true},
	{.name = "slow", .tests = slow},
	{.name = "slow-cache", .tests = slow, .cache = true},
};

static void run_one(const struct process *p, const struct test *test, const struct way *w)
{
	char name[80];

	snprintf(name, sizeof(name), "%s/%s/%s", p->name, w->name, test->name);
	t.name = name;
	t.bad = false;
	if (test->log) {
		vdevd_stop();
		vdevd_start(p);
	}
	test->run(w);
	hang_up();
	vdevd_lives();
	if (!t.bad)
		printf("ok %s\n", name);
	t.failed += t.bad;
}

/* All ways against one process, one after the other: what is of one connection does not show in the next. */
static void run_process(const struct process *p)
{
	char name[80];

	vdevd_start(p);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *w = &ways[i];
		bool demand = w->flags & ~(FOREIGN | GRANT);

		/* The cache is of interest to one way, which is of no interest without it. */
		if (w->flags && w->cache != p->cache)
			continue;
		if (w->no_fd && !p->all_ways)
			continue;
		for (const struct test *test = p->tests; test->name; test++) {
			if ((test->xen && !w->flags) || (test->demand && !demand) || (test->advance && demand))
				continue;
			run_one(p, test, w);
		}
	}
	snprintf(name, sizeof(name), "%s/vdevd", p->name);
	t.name = name;
	t.bad = false;
	posix_lives();
	vdevd_stop();
	if (!t.bad) {
		printf("ok %s\n", name);
		return;
	}
	t.failed++;
	printf("-- vdevd said:\n");
	fflush(stdout);
	if (system("cat " LOG))
		printf("(nothing)\n");
}

static int run(const char *vdevd)
{
	t.vdevd = vdevd;
	signal(SIGPIPE, SIG_IGN);
	if (dead_domain_new(PAGES, &t.domain))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(processes); i++)
		run_process(&processes[i]);
	dead_domain_destroy(t.domain);
	dead_domain_free(t.domain);
	return t.failed > 0;
}

static int create(unsigned int pages)
{
	struct dead_domain *d;

	if (dead_domain_new(pages, &d))
		return 1;
	dead_domain_grant(d, REF, DEAD_FIRST_FRAME, pages, false);
	printf("%u %u %u\n", dead_domain_id(d), DEAD_FIRST_FRAME, REF);
	dead_domain_free(d);
	return 0;
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* The time of a pin of so many pages, its first byte touched, and its end. */
static double pin_cost(struct gmem *gm, unsigned int pages)
{
	const unsigned int times = 500;
	double begin = now_us();

	for (unsigned int i = 0; i < times; i++) {
		struct gmem_seg seg;

		if (gmem_pin(gm, GMEM_GUEST, XEN_GRANT_ADDR + (uint64_t)REF * PAGE, pages * PAGE, GMEM_WRITE, &seg, 1) != 1)
			return -1;
		*(volatile uint8_t *)seg.va = (uint8_t)i;
		gmem_unpin(&seg);
	}
	return (now_us() - begin) / times;
}

static int pin_costs(void)
{
	struct gmem_desc desc = {.guest_addr = XEN_GRANT_ADDR + (uint64_t)REF * PAGE,
				 .size = PAGES * PAGE,
				 .fd = -1,
				 .xen_flags = DEMAND,
				 .xen_domid = dead_domain_id(t.domain)};
	struct gmem_xen xen;
	struct gmem *gm;
	int err;

	gmem_xen_init(&xen, &xen_sys_kernel, 0);
	err = gmem_new(&xen.any, &gm);
	if (!err) {
		err = gmem_add(gm, &desc);
		for (unsigned int pages = 1; !err && pages <= 16; pages *= 2)
			printf("  a pin of %2u pages   %8.1f us\n", pages, pin_cost(gm, pages));
		gmem_free(gm);
	}
	gmem_xen_close(&xen);
	return err;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median time of a write of so many pieces to the EEPROM, header and status besides, each in a page of its own. */
static double chain_cost(unsigned int pieces)
{
	static double times[1000];
	struct part parts[RING] = {{0, 8, false}, {.at = 0}};
	uint8_t *arena = t.arena.va;

	put_header(0, false, false);
	for (unsigned int i = 1; i <= pieces; i++) {
		parts[i] = (struct part){i * PAGE, 1, false};
		arena[i * PAGE] = (uint8_t)(0x20 + i); /* the first is the address */
	}
	parts[pieces + 1] = (struct part){(pieces + 1) * PAGE, 1, true};
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		double begin = now_us();

		if (!went(submit(parts, pieces + 2), "submit") || !used())
			return -1;
		times[i] = now_us() - begin;
	}
	check(arena[(pieces + 1) * PAGE] == 0, "status %u", arena[(pieces + 1) * PAGE]);
	qsort(times, ARRAY_SIZE(times), sizeof(times[0]), compare);
	return times[ARRAY_SIZE(times) / 2];
}

/* The ways that differ in what they cost, and how much more than the first that is. */
static int chain_costs(void)
{
	static const struct way measured[] = {
		{.name = "foreign", .flags = FOREIGN},
		{.name = "grants in advance", .flags = GRANT},
		{.name = "grants on demand, 16 pages kept", .flags = DEMAND, .cache = true},
		{.name = "grants on demand", .flags = DEMAND},
	};
	double first[2] = {0, 0};

	printf("chains of %27s %22s\n", "3 pieces", "6 pieces");
	for (size_t i = 0; i < ARRAY_SIZE(measured); i++) {
		const struct way *w = &measured[i];
		const struct process p = {.cache = w->cache};

		t.name = w->name;
		t.bad = false;
		vdevd_start(&p);
		if (ready(w)) {
			const double us[2] = {chain_cost(1), chain_cost(4)};

			if (i == 0)
				memcpy(first, us, sizeof(first));
			printf("  %-32s %7.1f us %5.2f   %7.1f us %5.2f\n", w->name, us[0], us[0] / first[0], us[1],
			       us[1] / first[1]);
		}
		hang_up();
		vdevd_stop();
		t.failed += t.bad;
	}
	return t.failed > 0;
}

static int cost(const char *vdevd)
{
	int err;

	t.vdevd = vdevd;
	if (dead_domain_new(PAGES, &t.domain))
		return 1;
	dead_domain_grant(t.domain, REF, DEAD_FIRST_FRAME, PAGES, false);
	err = pin_costs() || chain_costs();
	dead_domain_destroy(t.domain);
	dead_domain_free(t.domain);
	return err;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && strcmp(argv[1], "run") == 0)
		return run(argv[2]);
	if (argc == 3 && strcmp(argv[1], "create") == 0)
		return create((unsigned int)strtoul(argv[2], NULL, 0));
	if (argc == 3 && strcmp(argv[1], "destroy") == 0)
		return dead_domain_destroy_other((uint32_t)strtoul(argv[2], NULL, 0)) != 0;
	if (argc == 3 && strcmp(argv[1], "cost") == 0)
		return cost(argv[2]);
	fprintf(stderr, "usage: dom0_cases run VDEVD | create PAGES | destroy DOMID | cost VDEVD\n");
	return 2;
}
