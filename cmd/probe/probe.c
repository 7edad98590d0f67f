/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe.c - `vdevd probe`: says what a vhost-user back end is, and whether it keeps the protocol.
 * QEMU docs/interop/vhost-user.rst.
 */
#include "cmd/probe/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/cmd.h"
#include "config.h"
#include "core/module.h"
#include "mem/gmem_xen.h"
#include "transport/ring/virtq.h"


/* How long a back end may take to be ready for the next front-end: waits of RETRY_MS. */
#define RETRIES	 20
#define RETRY_MS 50

/* --send */
static int add_send(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct probe *p = obj;

	if (p->nsends == PROBE_MAX_SENDS) {
		snprintf(why, why_size, "at most %d requests are sent", PROBE_MAX_SENDS);
		return -EINVAL;
	}
	int err = probe_send_parse(value, &p->sends[p->nsends], why, why_size);

	p->nsends += !err;
	return err;
}

#if VDEVD_HAVE_XEN
/* Ways to share the memory of a Xen domain, and the flags they stand for (GMEM_XEN_*). */
static const char *const xen_maps[] = {"off", "foreign", "grant", "grant-on-demand", NULL};
static const uint32_t xen_map_flags[] = {0, GMEM_XEN_FOREIGN, GMEM_XEN_GRANT, GMEM_XEN_GRANT | 0x8};
#endif

static const struct opt probe_opts[] = {
	{.name = "socket-path",
	 .letter = 's',
	 .type = OPT_TEXT,
	 .off = offsetof(struct probe, path),
	 .arg = "PATH",
	 .alias = "socket",
	 .help = "the back end's socket; needed"},
	{.name = "id",
	 .type = OPT_TEXT,
	 .off = offsetof(struct probe, id_text),
	 .arg = "DEVICE",
	 .help = "virtio id or name: its requests are tried, too"},
	{.name = "table",
	 .type = OPT_FLAG,
	 .off = offsetof(struct probe, table),
	 .help = "show all features and messages, as a column of Markdown"},
	{.name = "bench",
	 .type = OPT_FLAG,
	 .off = offsetof(struct probe, bench),
	 .help = "measure latency and throughput instead"},
	{.name = "requests",
	 .type = OPT_UINT,
	 .off = offsetof(struct probe, requests),
	 .arg = "N",
	 .def = "20000",
	 .min = 1000,
	 .max = 10000000,
	 .help = "requests of --bench"},
	{.name = "send",
	 .type = OPT_CALL,
	 .set = add_send,
	 .arg = "HEX[/ROOM]",
	 .help = "send this request instead, show the answer"},
	{.name = "queue",
	 .type = OPT_UINT,
	 .off = offsetof(struct probe, queue),
	 .arg = "N",
	 .def = "0",
	 .max = FRONTEND_MAX_QUEUES - 1,
	 .help = "queue of --send"},
	{.name = "timeout",
	 .type = OPT_UINT,
	 .off = offsetof(struct probe, timeout_ms),
	 .arg = "MS",
	 .def = "1000",
	 .min = 1,
	 .max = 600000,
	 .help = "the longest wait for any answer"},
	{.name = "quiet",
	 .letter = 'q',
	 .type = OPT_FLAG,
	 .off = offsetof(struct probe, quiet),
	 .help = "show only the rows that fail, and the counts"},
	{.name = "json", .type = OPT_FLAG, .off = offsetof(struct probe, json), .help = "write one JSON object"},
#if VDEVD_HAVE_XEN
	{.name = "xen-map",
	 .type = OPT_WORD,
	 .words = xen_maps,
	 .off = offsetof(struct probe, xen_way),
	 .arg = "HOW",
	 .def = "off",
	 .help = "share a Xen domain's memory: foreign, grant[-on-demand]"},
	{.name = "xen-domid",
	 .type = OPT_UINT,
	 .off = offsetof(struct probe, xen_domid),
	 .arg = "N",
	 .max = UINT16_MAX,
	 .help = "that domain, which must not use it"},
	{.name = "xen-frame",
	 .type = OPT_UINT,
	 .off = offsetof(struct probe, xen_frame),
	 .arg = "N",
	 .max = UINT32_MAX,
	 .help = "the first of 1281 guest frames"},
	{.name = "xen-grant",
	 .type = OPT_UINT,
	 .off = offsetof(struct probe, xen_grant),
	 .arg = "N",
	 .max = UINT32_MAX,
	 .help = "the first of as many grants of them to us"},
#endif
	{.name = "help",
	 .letter = 'h',
	 .type = OPT_FLAG,
	 .off = offsetof(struct probe, help),
	 .help = "show this and exit"},
	{0},
};

enum probe_verdict probe_say(struct probe *p, enum probe_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->got, sizeof(p->got), fmt, ap);
	va_end(ap);
	return verdict;
}

enum probe_verdict probe_failed(struct probe *p)
{
	return probe_say(p, PROBE_FAIL, "%s", p->fe ? frontend_why(p->fe) : "no connection");
}

int probe_connect(struct probe *p)
{
	const struct frontend_opts opts = {.path = p->path, .timeout_ms = (unsigned int)p->timeout_ms};
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	unsigned int tries = RETRIES;
	int err;

	for (;;) {
		frontend_free(p->fe);
		p->fe = NULL;
		err = frontend_new(&opts, &p->fe);
		if (!err)
			err = frontend_sync(p->fe);
		p->reached |= !err;
		/*
		 * A socket that is there may be listened at a moment later.  Between two front-ends some make theirs anew,
		 * and drop who has connected to the old one.
		 */
		if (--tries == 0 || (err != -ECONNREFUSED && (!p->reached || (err != -ENOENT && err != -EPIPE))))
			return err;
		nanosleep(&pause, NULL);
	}
}

int probe_negotiate(struct probe *p, uint64_t without)
{
	const uint64_t ring = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |
			      BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	/* The driver's choices that are not everybody's: a check says so. */
	const uint64_t choices = BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_F_ACCESS_PLATFORM);
	const uint64_t own = p->check ? p->check->features & choices : 0;
	uint64_t protocol = BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_CONFIG) |
			    BIT(VU_PF_RESET_DEVICE) | BIT(VU_PF_CONFIGURE_MEM_SLOTS) | (p->check ? p->check->protocol : 0);

	/* Front-ends on Xen do without memory slots, and those that use postcopy have to. */
	if (p->xen_map || (protocol & BIT(VU_PF_PAGEFAULT)))
		protocol &= ~BIT(VU_PF_CONFIGURE_MEM_SLOTS);
	if (p->xen_map)
		protocol |= BIT(VU_PF_XEN_MMAP);
	return frontend_negotiate(p->fe, (ring | own | (p->device ? p->device->features : 0)) & ~without, protocol);
}

#if VDEVD_HAVE_XEN
/* Puts the regions, which lie in a file, into the domain: the third, behind a gap of one page. */
static const struct frontend_mem_ops *move_to_xen(const struct probe *p, struct frontend_region *regions, size_t count)
{
	uint64_t page = 0;

	for (size_t i = 0; i < count; i++) {
		struct frontend_region *r = &regions[i];

		page += i == 2;
		r->xen_flags = p->xen_map;
		r->xen_domid = (uint32_t)p->xen_domid;
		r->xen_frame = p->xen_frame + page;
		r->offset = 0;
		r->guest_addr = (p->xen_map & GMEM_XEN_GRANT) ? XEN_GRANT_ADDR + (p->xen_grant + page) * XEN_PAGE_SIZE :
								r->xen_frame * XEN_PAGE_SIZE;
		page += r->size / XEN_PAGE_SIZE;
	}
	return &frontend_mem_xen;
}
#endif

int probe_ready(struct probe *p, uint64_t without)
{
	const struct frontend_mem_ops *ops = &frontend_mem_memfd;
	struct frontend_region regions[] = {
		{.guest_addr = 0x100000, .size = 0x200000},
		{.guest_addr = 0x300000, .size = 0x100000},
		{.guest_addr = 0x100000000, .size = 0x200000, .offset = 0x1000},
	};
	int err = probe_negotiate(p, without);

#if VDEVD_HAVE_XEN
	if (p->xen_map)
		ops = move_to_xen(p, regions, ARRAY_SIZE(regions));
#endif
	if (!err)
		err = frontend_make_mem(p->fe, ops, regions, ARRAY_SIZE(regions));
	return err ? err : frontend_set_mem_table(p->fe);
}

unsigned int probe_queue(const struct probe *p)
{
	return p->device ? p->device->queue : 0;
}

uint32_t probe_split(const struct probe *p)
{
	size_t bytes = p->device->readable + p->device->writable;

	return (uint32_t)((bytes + PROBE_PIECES - 2) / (PROBE_PIECES - 1));
}

int probe_submit(struct probe *p, const struct frontend_request_opts *opts, struct frontend_request **req)
{
	uint8_t readable[PROBE_MAX_PART] = {0};

	if (p->device->build)
		p->device->build(readable);
	return frontend_submit(p->fe, p->device->queue, readable, p->device->readable, p->device->writable, opts, req);
}

enum probe_verdict probe_await(struct probe *p, struct frontend_request *req)
{
	uint8_t answer[PROBE_MAX_PART] = {0};
	uint32_t used;
	const char *wrong;

	if (frontend_await(p->fe, p->device->queue, req, answer, &used))
		return probe_failed(p);
	wrong = p->device->check(answer, used);
	if (wrong)
		return probe_say(p, PROBE_FAIL, "answer of %u bytes: %s", used, wrong);
	return probe_say(p, PROBE_OK, "used, %u bytes", used);
}

enum probe_verdict probe_request(struct probe *p, const struct frontend_request_opts *opts)
{
	struct frontend_request *req;

	if (probe_submit(p, opts, &req))
		return probe_failed(p);
	return probe_await(p, req);
}

/*
 * What the back end is.
 */

/* The most bytes of configuration space it gives at once, from those a fixed set of sizes names. */
static void read_config(struct probe *p)
{
	uint32_t size = p->class ? (uint32_t)p->class->config_size : VU_MAX_CONFIG_SIZE;

	while (size && frontend_get_config(p->fe, 0, p->config, size)) {
		size /= 2;
		/* One that does not answer, or not sensibly, is not asked again. */
		if (frontend_sync(p->fe))
			return;
	}
	p->config_size = size;
	/* Where the size is not known, the zeros behind the last byte say nothing. */
	while (!p->class && p->config_size && !p->config[p->config_size - 1])
		p->config_size--;
}

/* Asks for what the head of the report says.  Returns 0 or -errno. */
static int learn(struct probe *p)
{
	uint64_t queues;
	int err = frontend_get_features(p->fe, &p->features);

	if (!err && (p->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		err = frontend_get_protocol_features(p->fe, &p->protocol);
	if (!err)
		err = probe_negotiate(p, 0);
	if (err)
		return err;
	p->nqueues = p->class ? p->class->nqueues : 0;
	if ((p->protocol & BIT(VU_PF_MQ)) && !frontend_get_queue_num(p->fe, &queues))
		p->nqueues = (unsigned int)min_u64(queues, FRONTEND_MAX_QUEUES);
	if (p->protocol & BIT(VU_PF_CONFIG))
		read_config(p);
	return 0;
}

static const char *class_feature_name(const struct vdev_class *class, unsigned int bit)
{
	for (const struct vdev_feature *f = class ? class->feature_names : NULL; f && f->name; f++) {
		if (f->bit == bit)
			return f->name;
	}
	return NULL;
}

/* Writes the names of the bits, or their numbers; in JSON as an array. */
static void print_bits(const struct probe *p, uint64_t word, bool protocol)
{
	const char *sep = p->json ? "" : " ";

	for (unsigned int bit = 0; bit < 64; bit++) {
		char number[8];
		const char *name = protocol ? vu_protocol_feature_name(bit) : vu_feature_name(bit);

		if (!(word & BIT(bit)))
			continue;
		if (!name && !protocol)
			name = class_feature_name(p->class, bit);
		if (!name) {
			snprintf(number, sizeof(number), "%u", bit);
			name = number;
		}
		fputs(sep, stdout);
		if (p->json)
			json_print_string(stdout, name);
		else
			fputs(name, stdout);
		sep = p->json ? ", " : " ";
	}
}

static void print_head_json(const struct probe *p)
{
	fputs("{\"socket\": ", stdout);
	json_print_string(stdout, p->path);
	if (p->id)
		printf(", \"virtio-id\": %u", p->id);
	fputs(",\n \"features\": [", stdout);
	print_bits(p, p->features, false);
	fputs("],\n \"protocol-features\": [", stdout);
	print_bits(p, p->protocol, true);
	printf("],\n \"queues\": %u,\n \"config\": \"", p->nqueues);
	for (uint32_t i = 0; i < p->config_size; i++)
		printf("%02x", p->config[i]);
	fputs("\"", stdout);
}

static void print_head_text(const struct probe *p)
{
	const char *name = p->class ? p->class->name : probe_id_name(p->id);

	printf("vhost-user back end at %s\n", p->path);
	if (p->id)
		printf("  device             %s (virtio id %u)\n", name ? name : "?", p->id);
	printf("  features           0x%llx:", (unsigned long long)p->features);
	print_bits(p, p->features, false);
	printf("\n  protocol features  0x%llx:", (unsigned long long)p->protocol);
	print_bits(p, p->protocol, true);
	if (p->nqueues)
		printf("\n  queues             %u", p->nqueues);
	if (p->config_size) {
		fputs("\n  configuration     ", stdout);
		for (uint32_t i = 0; i < p->config_size; i++)
			printf(" %02x", p->config[i]);
	}
	fputs("\n\n", stdout);
}

/*
 * The table.
 */

const char *probe_row_misses(const struct probe *p, const struct probe_check *check)
{
	const uint64_t protocol = p->protocol & ~(p->xen_map ? BIT(VU_PF_CONFIGURE_MEM_SLOTS) : 0);

	if (check->features & ~p->features)
		return vu_feature_name((unsigned int)__builtin_ctzll(check->features & ~p->features));
	if (check->protocol & ~protocol)
		return vu_protocol_feature_name((unsigned int)__builtin_ctzll(check->protocol & ~protocol));
	if (check->request && !p->device)
		return p->id ? "a request for this device" : "--id";
	return NULL;
}

enum probe_verdict probe_row_run(struct probe *p, const struct probe_check *check)
{
	const char *misses = probe_row_misses(p, check);
	int err;

	p->check = check;
	p->got[0] = '\0';
	if (misses)
		return probe_say(p, PROBE_NA, "needs %s", misses);
	err = probe_connect(p);
	if (err && !p->fe)
		return probe_say(p, PROBE_FAIL, "no connection: %s", strerror(-err));
	return err ? probe_failed(p) : check->run(p);
}

static void row_print(const struct probe *p, enum probe_verdict verdict, bool first)
{
	static const char *const names[] = {[PROBE_OK] = "ok", [PROBE_FAIL] = "FAIL", [PROBE_NA] = "n.a."};
	const struct probe_check *check = p->check;

	if (!p->json) {
		if (p->quiet && verdict != PROBE_FAIL)
			return;
		printf("%-5s %-22s %-49s | %-40s | %s\n", names[verdict], check->name, check->sent, check->want, p->got);
		fflush(stdout);
		return;
	}
	fputs(first ? "\n  {\"name\": " : ",\n  {\"name\": ", stdout);
	json_print_string(stdout, check->name);
	fputs(", \"result\": ", stdout);
	json_print_string(stdout, names[verdict]);
	fputs(", \"sent\": ", stdout);
	json_print_string(stdout, check->sent);
	fputs(", \"wanted\": ", stdout);
	json_print_string(stdout, check->want);
	fputs(", \"got\": ", stdout);
	json_print_string(stdout, p->got);
	fputs("}", stdout);
}

/* Runs the rows and prints them.  Returns the number that failed. */
static unsigned int run_checks(struct probe *p)
{
	static const struct probe_check *const tables[] = {probe_message_checks, probe_ring_checks};
	unsigned int counts[] = {[PROBE_OK] = 0, [PROBE_FAIL] = 0, [PROBE_NA] = 0};
	bool first = true;

	if (p->json)
		fputs(",\n \"checks\": [", stdout);
	else if (!p->quiet)
		printf("%-5s %-22s %-49s | %-40s | %s\n", "", "", "sent", "the standard wants", "came back");
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (const struct probe_check *check = tables[t]; check->name; check++) {
			enum probe_verdict verdict = probe_row_run(p, check);

			row_print(p, verdict, first);
			counts[verdict]++;
			first = false;
		}
	}
	if (p->json)
		fputs("\n ]", stdout);
	else
		printf("%s%u ok, %u failed, %u n.a.\n", p->quiet ? "" : "\n", counts[PROBE_OK], counts[PROBE_FAIL],
		       counts[PROBE_NA]);
	return counts[PROBE_FAIL];
}

/* Finds out which device --id means.  Returns 0 or -EINVAL after a line on stderr. */
static int find_device(struct probe *p, struct log *l)
{
	uint64_t id = 0;

	if (!p->id_text)
		return 0;
	if (opt_parse_number(p->id_text, false, &id) == 0) {
		for (const struct vdev_class *const *c = vdev_classes; *c && !p->class; c++)
			p->class = (*c)->virtio_id == id ? *c : NULL;
	} else if (class_find(VDEVD_MODULE_DIR, p->id_text, &p->class) == 0) {
		id = p->class->virtio_id;
	} else {
		id = probe_id_find(p->id_text);
	}
	if (!id || id > UINT32_MAX) {
		log_usage(l, "--id=%s: neither a virtio id nor the name of a device", p->id_text);
		return -EINVAL;
	}
	p->id = (uint32_t)id;
	p->device = probe_device_find(p->id);
	return 0;
}

/* Connects, learns, and does what is asked.  Returns the exit status. */
static int probe_run(struct probe *p, struct log *l)
{
	int err = probe_connect(p);
	bool holds;

	if (err && !p->fe) {
		log_error(l, "--socket-path=%s: %s", p->path, strerror(-err));
		return CMD_FAILED;
	}
	if (!err)
		err = learn(p);
	if (err) {
		log_error(l, "%s: %s", p->path, frontend_why(p->fe));
		return CMD_FAILED;
	}
	if (p->xen_map && !frontend_has_protocol(p->fe, VU_PF_XEN_MMAP)) {
		log_error(l, "--xen-map: %s does not offer xen_mmap", p->path);
		return CMD_FAILED;
	}
	if (p->json)
		print_head_json(p);
	else if (!p->table && (p->bench || !p->nsends))
		print_head_text(p);
	if (p->table) {
		probe_table(p);
		holds = true;
	} else if (p->bench) {
		err = probe_bench(p);
		holds = !err;
		if (err)
			log_error(l, "--bench: %s", p->got);
	} else if (p->nsends) {
		err = probe_send(p);
		holds = !err;
		if (err)
			log_error(l, "--send: %s", p->got);
	} else {
		holds = run_checks(p) == 0;
	}
	if (p->json)
		printf(",\n \"ok\": %s}\n", holds ? "true" : "false");
	return holds ? CMD_OK : CMD_FAILED;
}

int cmd_probe(int argc, char **argv)
{
	struct probe p = {0};
	const struct opt_group groups[] = {{"Options", probe_opts, &p}, {0}};
	struct log log = {.prefix = "probe"};
	int next, status;

	opt_defaults(groups);
	next = opt_parse(groups, false, argc, argv);
	if (next < 0)
		return CMD_USAGE;
#if VDEVD_HAVE_XEN
	p.xen_map = xen_map_flags[p.xen_way];
#endif
	if (p.help) {
		puts("Usage: vdevd probe --socket-path=PATH [OPTION]...\n"
		     "Asks a running vhost-user back end, of any project, what it is, and tries\n"
		     "whether it keeps the protocol.  Ends with 0 when all rows hold, else with 1.");
		opt_print_help(stdout, groups);
		return CMD_OK;
	}
	if (next < argc) {
		log_usage(&log, "%s: an argument too many", argv[next]);
		return CMD_USAGE;
	}
	if (!p.path) {
		log_usage(&log, "--socket-path=PATH is needed: the socket of a back end");
		return CMD_USAGE;
	}
	if (p.nsends && p.json && !p.bench) {
		log_usage(&log, "--send goes without --json (but with --bench)");
		return CMD_USAGE;
	}
	if (p.table && (p.json || p.bench || p.nsends)) {
		log_usage(&log, "--table goes alone, without --json, --bench and --send");
		return CMD_USAGE;
	}
	if (find_device(&p, &log))
		return CMD_USAGE;
	if (p.bench && !p.device && !p.nsends) {
		log_usage(&log, "--bench needs --id=DEVICE, of a device whose requests are known, or --send");
		return CMD_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	status = probe_run(&p, &log);
	frontend_free(p.fe);
	return status;
}
