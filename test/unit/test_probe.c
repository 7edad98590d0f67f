/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_probe.c - `vdevd probe` tells good back ends from bad ones.
 *
 * The back ends run in a process of their own: the real one with a device that is good or never answers, one that
 * accepts whatever it is told, and one that says nothing.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ev.h>

#include "cmd/cmd.h"
#include "cmd/probe/probe.h"
#include "test/unit/capture.h"
#include "test/unit/suites.h"
#include "transport/vu_msg.h"
#include "transport/front_socket.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/ring/virtq.h"

static char dir[] = "/tmp/vdevd-test-XXXXXX";
static char path[64], output[64];
static pid_t server;
static char text[65536];

/* A device with the queues and the configuration of a socket device, which swallows what it is sent. */
static void sink_kick(struct vdev *d, unsigned int q)
{
	struct chain *c;

	while ((c = virtq_pop(vdev_queue(d, q))))
		virtq_push(c);
}

/* The same device, broken: it keeps what it is sent until its ring stops. */
struct keeper {
	struct vdev d;
	struct chain *kept[64];
	unsigned int count;
};

static void keeper_kick(struct vdev *d, unsigned int q)
{
	struct keeper *k = container_of(d, struct keeper, d);
	struct chain *c;

	while (k->count < ARRAY_SIZE(k->kept) && (c = virtq_pop(vdev_queue(d, q))))
		k->kept[k->count++] = c;
}

static void keeper_quiesce(struct vdev *d, unsigned int q)
{
	struct keeper *k = container_of(d, struct keeper, d);

	while (k->count)
		virtq_requeue(k->kept[--k->count]);
}

/* A device with one queue: it likes requests whose second byte is 7, after one whose first is 9. */
struct picky {
	struct vdev d;
	bool led;
};

static void picky_kick(struct vdev *d, unsigned int q)
{
	struct picky *k = container_of(d, struct picky, d);
	struct chain *c;

	while ((c = virtq_pop(vdev_queue(d, q)))) {
		uint8_t out[2] = {0}, like;

		chain_get(c, out, sizeof(out));
		like = k->led && out[1] == 7;
		k->led = out[0] == 9 || (k->led && out[1] == 7);
		chain_put(c, like || out[0] == 9 ? "\1" : "\0", 1);
		virtq_push(c);
	}
}

static const char *picky_check(const uint8_t *in, uint32_t used)
{
	return used == 1 && in[0] == 1 ? NULL : "not liked";
}

static const char *any_check(const uint8_t *in, uint32_t used)
{
	return used == 1 ? NULL : "not a byte";
}

static const struct vdev_sample picky_samples[] = {
	{.what = "always", .out = "\0\0", .out_len = 2, .in_len = 1, .check = any_check},
	{.what = "never", .out = "\0\3", .out_len = 2, .in_len = 1, .check = picky_check},
	{.what = "the one",
	 .out = "\0\0",
	 .out_len = 2,
	 .in_len = 1,
	 .check = picky_check,
	 .before = "\x9\0",
	 .vary = {.at = 1, .first = 1, .last = 255, .step = 2}},
	{0},
}, disliked_samples[] = {
	{.what = "always", .out = "\0\0", .out_len = 2, .in_len = 1, .check = any_check},
	{.what = "never",
	 .out = "\0\0",
	 .out_len = 2,
	 .in_len = 1,
	 .check = picky_check,
	 .before = "\x9\0",
	 .vary = {.at = 1, .first = 0, .last = 254, .step = 2}},
	{0},
};

static const struct vdev_queue_desc queues[] = {{"rx", 128, 1024}, {"tx", 128, 1024}, {"event", 128, 1024}};

static const uint64_t shmem[] = {65536, 0, 131072};

static const struct vdev_class sink_class = {
	.name = "sink",
	.virtio_id = 19,
	.face.queues = queues,
	.face.nqueues = ARRAY_SIZE(queues),
	.face.config_size = 8,
	.face.shmem = shmem,
	.face.nshmem = ARRAY_SIZE(shmem),
	.shares_objects = true,
	.inst_size = sizeof(struct vdev),
	.kick = sink_kick,
};

static const struct vdev_class keeper_class = {
	.name = "keeper",
	.virtio_id = 19,
	.face.queues = queues,
	.face.nqueues = ARRAY_SIZE(queues),
	.face.config_size = 8,
	.inst_size = sizeof(struct keeper),
	.kick = keeper_kick,
	.quiesce = keeper_quiesce,
};

static const struct vdev_class picky_class = {
	.name = "picky",
	.virtio_id = 42,
	.face.queues = queues,
	.face.nqueues = 1,
	.inst_size = sizeof(struct picky),
	.kick = picky_kick,
};

static void serve_class(const struct vdev_class *class, int listener)
{
	struct ev_loop *loop = ev_loop_new(0);
	struct front_socket_opts opts = {.protocol = &vu_protocol, .fd = -1, .listen_fd = listener, .mode = UINT64_MAX};
	struct front_socket *s;
	struct vdev *d;
	char why[64];

	if (!vdev_new(class, class->name, loop, &d) &&
	    !vu_apply_feature_masks(d, "+log_all,+inband_notifications", why, sizeof(why)) &&
	    !front_socket_open(&opts, d, &gmem_shm, NULL, NULL, &s))
		ev_run(loop, 0);
}

static void serve_sink(int listener)
{
	serve_class(&sink_class, listener);
}

static void serve_keeper(int listener)
{
	serve_class(&keeper_class, listener);
}

static void serve_picky(int listener)
{
	serve_class(&picky_class, listener);
}

/* Answers one message: yes to everything, and each time another feature word. */
static void yes_answer(int sock, const struct vu_msg *msg)
{
	static uint64_t calls;
	struct vu_msg answer = {.h = {msg->h.request, VU_VERSION | VU_FLAG_REPLY, 8}};
	size_t done = 0;

	switch (msg->h.request) {
	case VU_GET_FEATURES:
		answer.p.u64 = BIT(VHOST_USER_F_PROTOCOL_FEATURES) | (++calls & 0xff);
		break;
	case VU_GET_PROTOCOL_FEATURES:
		answer.p.u64 = BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_CONFIG) | BIT(VU_PF_STATUS) |
			       BIT(VU_PF_CONFIGURE_MEM_SLOTS) | BIT(VU_PF_INBAND_NOTIFICATIONS) | BIT(VU_PF_SHMEM) |
			       BIT(VU_PF_SHARED_OBJECT);
		break;
	case VU_GET_VRING_BASE:
		answer.p.state = (struct vu_vring_state){msg->p.state.index, 3};
		break;
	case VU_GET_CONFIG:
		answer = *msg;
		answer.h.flags = VU_VERSION | VU_FLAG_REPLY;
		memset(answer.p.config.data, (int)(++calls & 0xff) | 1, msg->p.config.size);
		break;
	case VU_GET_QUEUE_NUM:
	case VU_GET_MAX_MEM_SLOTS:
	case VU_GET_STATUS:
		break;
	default:
		if (!(msg->h.flags & VU_FLAG_NEED_REPLY))
			return;
	}
	vu_send(sock, &answer, &done);
}

static void serve_yes(int listener)
{
	for (;;) {
		int sock = accept(listener, NULL, NULL);
		struct vu_reader reader = {.got = 0};
		unsigned int owners = 0;
		int got;

		while ((got = vu_read(&reader, sock)) >= 0) {
			owners += got && reader.msg.h.request == VU_SET_OWNER;
			if (owners > 1)
				break;
			if (got) {
				yes_answer(sock, &reader.msg);
				vu_reader_next(&reader);
			} else {
				usleep(200);
			}
		}
		vu_reader_next(&reader);
		close(sock);
	}
}

static void serve_nothing(int listener)
{
	for (;;)
		accept(listener, NULL, NULL);
}

static void start(void (*serve)(int listener))
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t self = getpid();

	memcpy(addr.sun_path, path, strlen(path));
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		log_set_level(LOG_LEVEL_ERROR);
		if (getppid() == self)
			serve(listener);
		_exit(1);
	}
	close(listener);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(output, sizeof(output), "%s/output", dir);
}

static void teardown(void)
{
	if (server) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	unlink(path);
	unlink(output);
	rmdir(dir);
}

/* Runs the command with these options and --socket-path; its output is in text.  Returns its status. */
static int probe(const char *first, const char *second, const char *third)
{
	char socket_option[96];
	char *argv[] = {"probe", socket_option, (char *)first, (char *)second, (char *)third, NULL};
	int argc = 2 + (first != NULL) + (second != NULL) + (third != NULL);
	int saved = dup(STDOUT_FILENO), status;
	FILE *file;

	snprintf(socket_option, sizeof(socket_option), "--socket-path=%s", path);
	fflush(stdout);
	ck_assert_ptr_nonnull(freopen(output, "w", stdout));
	status = cmd_probe(argc, argv);
	fflush(stdout);
	ck_assert_int_ge(dup2(saved, STDOUT_FILENO), 0);
	close(saved);

	file = fopen(output, "r");
	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return status;
}

/* The request of a socket device is its class's. */
static void need_socket_device(void)
{
	for (const struct vdev_class *const *c = vdev_classes; *c; c++) {
		if ((*c)->virtio_id == sink_class.virtio_id)
			return;
	}
	test_skip("no class with id %u in this build", sink_class.virtio_id);
}

static bool shown(const char *what)
{
	return strstr(text, what) != NULL;
}

/* How many lines begin with this. */
static unsigned int lines_with(const char *begin)
{
	unsigned int count = 0;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!*line)
			break;
		count += strncmp(line, begin, strlen(begin)) == 0;
	}
	return count;
}

START_TEST(test_good)
{
	need_socket_device();
	start(serve_sink);
	ck_assert_int_eq(probe("--id=19", NULL, NULL), CMD_OK);
	ck_assert_uint_eq(lines_with("FAIL "), 0);
	ck_assert_uint_ge(lines_with("ok "), 65);
	ck_assert_uint_eq(lines_with("ok    broken-others "), 1);
	ck_assert_uint_eq(lines_with("ok    request-indirect "), 1);
	ck_assert_uint_eq(lines_with("ok    config-beyond "), 1);
	ck_assert_uint_eq(lines_with("ok    log-base "), 1);
	ck_assert_uint_eq(lines_with("ok    logged "), 1);
	ck_assert_uint_eq(lines_with("ok    log-fd "), 1);
	ck_assert_uint_eq(lines_with("ok    shmem-config "), 1);
	ck_assert_uint_eq(lines_with("ok    object-unknown "), 1);
	ck_assert(shown("2 told, 2 have a size"));
	ck_assert(shown("  queues             3\n"));
	ck_assert(shown(" reply_ack"));
	ck_assert(shown(" version_1"));
	ck_assert(shown(" 0 failed, "));
}
END_TEST

/* Without --id no request is tried, and that is said. */
START_TEST(test_good_unknown)
{
	start(serve_sink);
	ck_assert_int_eq(probe(NULL, NULL, NULL), CMD_OK);
	ck_assert_uint_eq(lines_with("n.a.  request "), 1);
	ck_assert(shown("needs --id"));
	ck_assert_uint_eq(lines_with("ok    stop "), 1);
}
END_TEST

START_TEST(test_quiet)
{
	need_socket_device();
	start(serve_sink);
	ck_assert_msg(probe("--quiet", "--id=vsock", NULL) == CMD_OK, "%s", text);
	ck_assert_uint_eq(lines_with("ok"), 0);
	ck_assert_uint_eq(lines_with("n.a."), 0);
	ck_assert(shown(" 0 failed, "));
}
END_TEST

START_TEST(test_json)
{
	need_socket_device();
	start(serve_sink);
	ck_assert_int_eq(probe("--json", "--id=vsock", NULL), CMD_OK);
	ck_assert(shown("\"virtio-id\": 19"));
	ck_assert(shown("{\"name\": \"request\", \"result\": \"ok\", "));
	ck_assert(shown("\"ok\": true}\n"));
}
END_TEST

/* Only what is offered is sent, and all of it is understood. */
START_TEST(test_table)
{
	need_socket_device();
	start(serve_sink);
	ck_assert_int_eq(probe("--id=19", "--table", NULL), CMD_OK);
	ck_assert_uint_eq(lines_with("| | socket |\n|---|---|\n| *protocol features* | |\n| 0 mq | yes |\n"), 1);
	ck_assert_uint_eq(lines_with("| 2 rarp | – |"), 1);
	ck_assert_uint_eq(lines_with("| 26 log_all | yes |"), 1);
	ck_assert_uint_eq(lines_with("| 5 SET_MEM_TABLE | yes |"), 1);
	ck_assert_uint_eq(lines_with("| 14 SET_VRING_ERR | yes |"), 1);
	ck_assert_uint_eq(lines_with("| 17 GET_QUEUE_NUM | yes: 3 |"), 1);
	ck_assert_uint_eq(lines_with("| 19 SEND_RARP | – |"), 1);
	ck_assert_uint_eq(lines_with("| 25 SET_CONFIG | refused |"), 1);
	ck_assert_uint_eq(lines_with("| 33 GPU_SET_SOCKET | – |"), 1);
	ck_assert_uint_eq(lines_with("| unknown, with need_reply | refused |"), 1);
	ck_assert_uint_eq(lines_with("| 41 GET_SHARED_OBJECT | yes |"), 1);
	ck_assert_uint_eq(lines_with("| 44 GET_SHMEM_CONFIG | yes: 2 |"), 1);
	ck_assert_uint_eq(lines_with("| 4 VRING_CALL | may come |"), 1);
	ck_assert_uint_eq(lines_with("| 9 SHMEM_MAP | may come |"), 1);
}
END_TEST

/* What comes back is looked at. */
START_TEST(test_table_yes)
{
	start(serve_yes);
	ck_assert_int_eq(probe("--table", "--timeout=1000", NULL), CMD_OK);
	ck_assert_uint_eq(lines_with("| 25 SET_CONFIG | yes |"), 1);
	ck_assert_uint_eq(lines_with("| 35 VRING_KICK | – |"), 1);
	ck_assert_uint_eq(lines_with("| unknown, with need_reply | yes |"), 1);
	ck_assert_uint_eq(lines_with("| 36 GET_MAX_MEM_SLOTS | yes: 0 |"), 1);
}
END_TEST

START_TEST(test_keeper)
{
	need_socket_device();
	start(serve_keeper);
	ck_assert_int_eq(probe("--id=19", test_on_valgrind() ? "--timeout=300" : "--timeout=30", NULL), CMD_FAILED);
	ck_assert_uint_eq(lines_with("FAIL  request "), 1);
	ck_assert_uint_eq(lines_with("FAIL  ring-1 "), 1);
	ck_assert_uint_eq(lines_with("FAIL  logged "), 1);
	ck_assert_uint_eq(lines_with("FAIL  reconnect "), 1);
	ck_assert(shown("was not used within 30"));
	/* Its messages and its other rings are as good as the sink's. */
	ck_assert_uint_eq(lines_with("ok    ack-unknown "), 1);
	ck_assert_uint_eq(lines_with("ok    bad-head "), 1);
	ck_assert_uint_eq(lines_with("ok    stop "), 1);
}
END_TEST

START_TEST(test_yes)
{
	static const char *const bad[] = {
		"features-stable", "version-1", "ack-unknown",	 "queue-num",	 "index-num",	  "num-0",
		"num-3",	   "num-65536", "mem-overlap",	 "mem-fds",	 "slots",	  "slot-remove-twice",
		"slot-overlap",	   "slot-fd",	"config-beyond", "config-parts", "config-write-far", "status",
		"shmem-config",
		"stop",		   "stop-twice", "in-band-alone", "short-payload", "index-call",    "stop-unstarted",
	};

	start(serve_yes);
	ck_assert_int_eq(probe("--timeout=300", NULL, NULL), CMD_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char line[64];

		snprintf(line, sizeof(line), "FAIL  %s ", bad[i]);
		ck_assert_msg(lines_with(line) == 1, "%s is missing", line);
	}
	ck_assert_uint_eq(lines_with("ok    ack "), 1);
	ck_assert_uint_eq(lines_with("ok    mem-table "), 1);
	ck_assert_uint_eq(lines_with("n.a.  back-channel "), 1);
}
END_TEST

START_TEST(test_silent)
{
	struct capture c;

	start(serve_nothing);
	capture_start(&c);
	ck_assert_int_eq(probe("--timeout=30", NULL, NULL), CMD_FAILED);
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "no answer to GET_FEATURES within 30 ms"));
}
END_TEST

START_TEST(test_gone)
{
	struct capture c;

	capture_start(&c);
	ck_assert_int_eq(probe(NULL, NULL, NULL), CMD_FAILED);
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "No such file"));
}
END_TEST

START_TEST(test_bench)
{
	need_socket_device();
	start(serve_sink);
	ck_assert_msg(probe("--id=19", "--bench", "--requests=1000") == CMD_OK, "%s", text);
	ck_assert_uint_eq(lines_with("  p50 "), 1);
	ck_assert_uint_eq(lines_with("  p99.9 "), 1);
	ck_assert(shown("requests/s, 64 in flight"));
}
END_TEST

/* A request that is spelled out is measured without knowing the device. */
START_TEST(test_bench_send)
{
	start(serve_sink);
	ck_assert_msg(probe("--send=0102", "--bench", "--requests=1000") == CMD_OK, "%s", text);
	ck_assert(shown("(--send: 2 bytes read, room for 0), 1000 times"));
	ck_assert_uint_eq(lines_with("answer:\n"), 1);
}
END_TEST

/* Runs the bench on a device with these requests.  Returns what it returns; what it prints is in text. */
static int bench(struct probe *p, const struct vdev_sample *samples)
{
	int saved = dup(STDOUT_FILENO), err;
	FILE *file;

	*p = (struct probe){.path = path, .timeout_ms = 2000, .requests = 1000, .samples = samples};
	fflush(stdout);
	ck_assert_ptr_nonnull(freopen(output, "w", stdout));
	err = probe_bench(p);
	fflush(stdout);
	ck_assert_int_ge(dup2(saved, STDOUT_FILENO), 0);
	close(saved);
	frontend_free(p->fe);
	file = fopen(output, "r");
	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return err;
}

/* What is timed is a request that is answered well, by this set-up, after what goes before it. */
START_TEST(test_bench_choice)
{
	struct probe p;

	start(serve_picky);
	ck_assert_msg(bench(&p, picky_samples) == 0, "%s", p.got);
	ck_assert_msg(shown("(the one: 2 bytes read, room for 1), 1000 times"), "%s", text);
	ck_assert_int_eq(bench(&p, disliked_samples), -EPROTO);
	ck_assert_ptr_nonnull(strstr(p.got, "no request is answered well (not liked): --send=HEX/ROOM spells one out"));
	ck_assert_uint_eq(lines_with("  p50 "), 0);
}
END_TEST

/* Some end the connection at a second SET_OWNER. */
START_TEST(test_send_once)
{
	struct capture c;

	start(serve_yes);
	capture_start(&c);
	ck_assert_int_eq(probe("--send=00/1", "--timeout=50", NULL), CMD_FAILED);
	/* It never answers; but it was asked. */
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "was not used within 50 ms"));
}
END_TEST

START_TEST(test_bench_keeper)
{
	struct capture c;

	need_socket_device();
	start(serve_keeper);
	capture_start(&c);
	ck_assert_int_eq(probe("--id=19", "--bench", test_on_valgrind() ? "--timeout=500" : "--timeout=50"), CMD_FAILED);
	ck_assert_ptr_nonnull(strstr(capture_end(&c), "was not used within 50"));
	ck_assert_uint_eq(lines_with("  p50 "), 0);
}
END_TEST

/* The samples of the devices of this build, by which others' are judged, too. */
START_TEST(test_samples)
{
	const uint8_t zeros[VDEV_SAMPLE_MAX] = {0};

	for (const struct vdev_class *const *c = vdev_classes; *c; c++) {
		/* A vendor's may have none. */
		for (const struct vdev_sample *s = (*c)->samples; s && s->what; s++) {
			ck_assert_uint_lt(s->queue, (*c)->face.nqueues);
			ck_assert(s->out_len <= VDEV_SAMPLE_MAX && s->in_len < VDEV_SAMPLE_MAX && s->out_len + s->in_len > 0);
			ck_assert(!s->vary.step || s->vary.at < s->out_len);
			/* More than there is room for; nothing where there is room. */
			ck_assert_ptr_nonnull(s->check(zeros, (uint32_t)s->in_len + 1));
			ck_assert_int_eq(s->check(zeros, 0) != NULL, s->in_len != 0);
		}
	}
}
END_TEST

/* A device of which there is no class here: what it is sent, and which answers pass. */
START_TEST(test_foreign)
{
	const struct vdev_sample *s = probe_foreign_samples(26);
	static const uint8_t init[56] = {[0] = 56, [4] = 26, [8] = 1, [40] = 7, [44] = 31};
	static const struct {
		uint8_t answer[16];
		uint32_t used;
		bool good;
	} answers[] = {
		{{[0] = 80, [8] = 1}, 80, true},
		{{[0] = 80, [4] = 0xff, [8] = 1}, 80, false},
		{{[0] = 80, [8] = 2}, 80, false},
		{{[0] = 16, [8] = 1}, 16, false},
	};

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->out_len, sizeof(init));
	ck_assert_mem_eq(s->out, init, sizeof(init));
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		ck_assert_int_eq(s->check(answers[i].answer, answers[i].used) == NULL, answers[i].good);
	ck_assert_ptr_null(probe_foreign_samples(0));
	ck_assert_str_eq(probe_id_name(26), "fs");
	ck_assert_uint_eq(probe_id_find("fs"), 26);
	ck_assert_ptr_null(probe_id_name(0));
	ck_assert_uint_eq(probe_id_find("flux"), 0);
}
END_TEST

START_TEST(test_wrong_calls)
{
	static const struct {
		char *argv[4];
		const char *says;
	} calls[] = {
		{{"probe", NULL}, "--socket-path=PATH is needed"},
		{{"probe", "--socket-path=x", "y", NULL}, "y: an argument too many"},
		{{"probe", "--socket-path=x", "--id=flux", NULL}, "--id=flux"},
		{{"probe", "--socket-path=x", "--id=0", NULL}, "--id=0"},
		{{"probe", "--socket-path=x", "--bench", NULL}, "--bench needs --id"},
		{{"probe", "--sockt", NULL}, "--sockt"},
	};
	struct capture c;
	int argc = 0;

	while (calls[_i].argv[argc])
		argc++;
	capture_start(&c);
	ck_assert_int_eq(cmd_probe(argc, (char **)calls[_i].argv), CMD_USAGE);
	ck_assert_ptr_nonnull(strstr(capture_end(&c), calls[_i].says));
}
END_TEST

Suite *suite_probe(void)
{
	Suite *s = suite_create("probe");
	TCase *tc = tcase_create("command");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_good);
	tcase_add_test(tc, test_good_unknown);
	tcase_add_test(tc, test_quiet);
	tcase_add_test(tc, test_json);
	tcase_add_test(tc, test_table);
	tcase_add_test(tc, test_table_yes);
	tcase_add_test(tc, test_keeper);
	tcase_add_test(tc, test_yes);
	tcase_add_test(tc, test_silent);
	tcase_add_test(tc, test_gone);
	tcase_add_test(tc, test_bench);
	tcase_add_test(tc, test_bench_send);
	tcase_add_test(tc, test_bench_choice);
	tcase_add_test(tc, test_send_once);
	tcase_add_test(tc, test_bench_keeper);
	tcase_add_test(tc, test_samples);
	tcase_add_test(tc, test_foreign);
	tcase_add_loop_test(tc, test_wrong_calls, 0, 6);
	suite_add_tcase(s, tc);
	return s;
}
