/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe.c - `vdevd probe`: says what a vhost-user back end is, and whether it keeps the protocol.
 * QEMU docs/interop/vhost-user.rst.
 */
#include "cmd/probe/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/frontends.h"
#include "config.h"
#include "core/json.h"
#include "core/module.h"
#include "mem/gmem_xen.h"
#include "transport/ring/virtq.h"

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

const struct opt probe_opts[] = {
	{.name = "socket-path",
	 .letter = 's',
	 .type = OPT_SOCKET,
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
	{.name = "print-frontend",
	 .type = OPT_WORD,
	 .words = frontend_forms,
	 .off = offsetof(struct probe, print_frontend),
	 .arg = "VMM",
	 .help = "show what to tell qemu, libvirt, uml, xl, ... instead"},
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
	{.name = "save",
	 .type = OPT_TEXT,
	 .off = offsetof(struct probe, save),
	 .arg = "FILE",
	 .help = "write what it shows, a picture, to a file instead"},
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
	 .rare = true,
	 .type = OPT_UINT,
	 .off = offsetof(struct probe, xen_domid),
	 .arg = "N",
	 .max = UINT16_MAX,
	 .help = "that domain, which must not use it"},
	{.name = "xen-frame",
	 .rare = true,
	 .type = OPT_UINT,
	 .off = offsetof(struct probe, xen_frame),
	 .arg = "N",
	 .max = UINT32_MAX,
	 .help = "the first of 1281 guest frames"},
	{.name = "xen-grant",
	 .rare = true,
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

/*
 * What the back end is.
 */

/* The most bytes of configuration space it gives at once, from those a fixed set of sizes names. */
static void read_config(struct probe *p)
{
	uint32_t size = p->class ? (uint32_t)p->class->face.config_size : VU_MAX_CONFIG_SIZE;

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
	int err = frontend_ask_u64(p->fe, VU_GET_FEATURES, &p->features);

	if (!err && (p->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		err = frontend_ask_u64(p->fe, VU_GET_PROTOCOL_FEATURES, &p->protocol);
	if (!err)
		err = probe_negotiate(p, 0);
	if (err)
		return err;
	p->nqueues = p->class ? p->class->face.nqueues : 0;
	if ((p->protocol & BIT(VU_PF_MQ)) && !frontend_ask_u64(p->fe, VU_GET_QUEUE_NUM, &queues))
		p->nqueues = (unsigned int)min_u64(queues, FRONTEND_MAX_QUEUES);
	if (p->protocol & BIT(VU_PF_CONFIG))
		read_config(p);
	return 0;
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
			name = p->class ? vdev_feature_name(p->class, bit) : NULL;
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

/* Whether a module is of the device with this id. */
static int try_module(void *arg, const char *name)
{
	struct probe *p = arg;
	const struct vdev_class *class;

	if (module_load(vdev_module_dir, name, &class) == 0 && class->virtio_id == p->id)
		p->class = class;
	return p->class != NULL;
}

/* Finds out which device --id means.  Returns 0 or -EINVAL after a line on stderr. */
static int find_device(struct probe *p, struct log *l)
{
	uint64_t id = 0;

	if (!p->id_text)
		return 0;
	if (opt_parse_number(p->id_text, false, &id) == 0) {
		p->id = (uint32_t)id;
		for (const struct vdev_class *const *c = vdev_classes; *c && !p->class; c++)
			p->class = (*c)->virtio_id == id ? *c : NULL;
		if (!p->class)
			module_each(vdev_module_dir, try_module, p);
	} else if (class_find(vdev_module_dir, p->id_text, &p->class) == 0) {
		id = p->class->virtio_id;
	} else {
		id = probe_id_find(p->id_text);
	}
	if (!id || id > UINT32_MAX) {
		log_usage(l, "--id=%s: neither a virtio id nor the name of a device", p->id_text);
		return -EINVAL;
	}
	p->id = (uint32_t)id;
	p->samples = p->class ? p->class->samples : probe_foreign_samples(p->id);
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
	else if (!p->table && !p->print_frontend && !p->save && (p->bench || !p->nsends))
		print_head_text(p);
	if (p->table) {
		probe_table(p);
		holds = true;
	} else if (p->print_frontend) {
		holds = probe_frontend(p);
		if (!holds)
			log_error(l, "--print-frontend: %s", p->got);
	} else if (p->bench) {
		err = probe_bench(p);
		holds = !err;
		if (err)
			log_error(l, "--bench: %s", p->got);
	} else if (p->save) {
		err = probe_save(p);
		holds = !err;
		if (err)
			log_error(l, "--save: %s", p->got);
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
		opt_print_help(stdout, groups, false);
		return CMD_OK;
	}
	if (opt_parse_end(groups, argc, argv, next) < 0)
		return CMD_USAGE;
	if (!p.path) {
		log_usage(&log, "--socket-path=PATH is needed: the socket of a back end");
		return CMD_USAGE;
	}
	if (p.nsends && p.json && !p.bench) {
		log_usage(&log, "--send goes without --json (but with --bench)");
		return CMD_USAGE;
	}
	if ((p.table || p.print_frontend) && (p.json || p.bench || p.nsends || (p.table && p.print_frontend))) {
		log_usage(&log, "--%s goes alone, without --json, --bench and --send",
			  p.table ? "table" : "print-frontend");
		return CMD_USAGE;
	}
	if (p.save && (p.table || p.print_frontend || p.json || p.bench || p.nsends)) {
		log_usage(&log, "--save goes alone");
		return CMD_USAGE;
	}
	if (find_device(&p, &log))
		return CMD_USAGE;
	if (p.save && (!p.class || !p.class->saves)) {
		log_usage(&log, "--save needs --id=DEVICE, of a device that has something to show, as a camera has");
		return CMD_USAGE;
	}
	if (p.bench && !p.samples && !p.nsends) {
		log_usage(&log, "--bench needs --id=DEVICE, of a device whose requests are known, or --send");
		return CMD_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	status = probe_run(&p, &log);
	frontend_free(p.fe);
	return status;
}
