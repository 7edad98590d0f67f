/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_uring.c - files read and written without waiting, by io_uring and by threads: the same results from both.
 */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/uring.h"
#include "test/unit/suites.h"

/* Where there is no io_uring, its half of the tests cannot run. */
#define NEEDS_RING() \
	do { \
		if (!u) \
			test_skip("no io_uring here"); \
	} while (0)

static struct ev_loop *loop;
static struct uring *u;
static int file, pipe_fds[2];

struct op {
	struct uring_op op;
	struct iovec iov;
	unsigned int dones, again; /* how often it begins anew */
	int res;
};

static unsigned int ndone;

static void op_done(struct uring_op *uop, int res)
{
	struct op *o = container_of(uop, struct op, op);

	o->dones++;
	o->res = res;
	ndone++;
	if (o->again && o->again--)
		uring_readv(u, uop, file, &o->iov, 1, 0);
}

static struct op op(void *buf, size_t len)
{
	return (struct op){.op = {.done = op_done}, .iov = {buf, len}};
}

/* Makes the ring of this half: 0 io_uring, 1 threads.  Without io_uring u is NULL. */
static void make(int half, struct uring_opts opts)
{
	char path[] = "/tmp/vdevd-uring-XXXXXX";

	loop = ev_loop_new(EVFLAG_AUTO);
	opts.no_kernel = half;
	ck_assert_int_eq(uring_new(loop, &opts, &u), 0);
	if (uring_native(u) == (bool)half) {
		ck_assert(uring_free(u, 0));
		u = NULL;
	}
	file = mkstemp(path);
	ck_assert_int_ge(file, 0);
	unlink(path);
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	ndone = 0;
}

static void finish(void)
{
	ck_assert(uring_free(u, 5000));
	close(file);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	ev_loop_destroy(loop);
}

static void run_until(unsigned int n)
{
	while (ndone < n)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_eq(ndone, n);
}

/* The operation ends with this result. */
static void ends(struct op *o, int res)
{
	while (!o->dones)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_eq(o->dones, 1);
	ck_assert_int_eq(o->res, res);
}

#define MANY  200
#define BLOCK 512

/* More at once than the ring's depth, each in its place, from and into pieces. */
START_TEST(test_many)
{
	static uint8_t out[MANY][BLOCK], in[MANY][BLOCK];
	static struct iovec pieces[MANY][3];
	static struct op ops[MANY];

	make(_i, (struct uring_opts){.depth = 8});
	NEEDS_RING();
	for (unsigned int i = 0; i < MANY; i++) {
		memset(out[i], (int)i + 1, BLOCK);
		out[i][0] = 0xaa;
		pieces[i][0] = (struct iovec){out[i], 1};
		pieces[i][1] = (struct iovec){out[i] + 1, 300};
		pieces[i][2] = (struct iovec){out[i] + 301, BLOCK - 301};
		ops[i] = op(NULL, 0);
		uring_writev(u, &ops[i].op, file, pieces[i], 3, (uint64_t)i * BLOCK);
		ck_assert_uint_eq(ndone, 0);
	}
	run_until(MANY);
	for (unsigned int i = 0; i < MANY; i++) {
		ck_assert_int_eq(ops[i].res, BLOCK);
		ops[i] = op(in[i], BLOCK);
		uring_readv(u, &ops[i].op, file, &ops[i].iov, 1, (uint64_t)i * BLOCK);
	}
	run_until(2 * MANY);
	ck_assert_mem_eq(in, out, sizeof(out));
	for (unsigned int i = 0; i < MANY; i++)
		ck_assert_uint_eq(ops[i].dones, 1);
	finish();
}
END_TEST

/* Reads that reach the end of the file, and beyond it. */
START_TEST(test_short)
{
	char buf[100] = "";
	struct op ops[3];

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	ck_assert_int_eq(write(file, "0123456789", 10), 10);
	for (unsigned int i = 0; i < 3; i++)
		ops[i] = op(buf + 30 * i, 30);
	uring_readv(u, &ops[0].op, file, &ops[0].iov, 1, 0);
	uring_readv(u, &ops[1].op, file, &ops[1].iov, 1, 7);
	uring_readv(u, &ops[2].op, file, &ops[2].iov, 1, 10);
	ends(&ops[0], 10);
	ends(&ops[1], 3);
	ends(&ops[2], 0);
	ck_assert_str_eq(buf, "0123456789");
	ck_assert_str_eq(buf + 30, "789");
	finish();
}
END_TEST

/* Each error is the operation's own. */
START_TEST(test_errors)
{
	char *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), byte = 'x';
	int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC), dir = open("/tmp", O_RDONLY | O_CLOEXEC);
	static struct iovec many[1025];
	struct op o;

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	ck_assert_int_eq(write(file, "0123456789", 10), 10);
	o = op(&byte, 1);
	uring_readv(u, &o.op, -1, &o.iov, 1, 0);
	ends(&o, -EBADF);
	o = op(&byte, 1);
	uring_writev(u, &o.op, read_only, &o.iov, 1, 0);
	ends(&o, -EBADF);
	o = op(&byte, 1);
	uring_readv(u, &o.op, dir, &o.iov, 1, 0);
	ends(&o, -EISDIR);
	for (int write = 0; write < 2 && !test_on_valgrind(); write++) { /* which would call it our fault */
		o = op(gone, 4096);
		(write ? uring_writev : uring_readv)(u, &o.op, file, &o.iov, 1, 0);
		ends(&o, -EFAULT);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct iovec){&byte, 1};
	o = op(NULL, 0);
	uring_writev(u, &o.op, file, many, ARRAY_SIZE(many), 0);
	ends(&o, -EINVAL);
	o = op(NULL, 0);
	uring_fallocate(u, &o.op, file, FALLOC_FL_PUNCH_HOLE, 0, 1); /* without KEEP_SIZE */
	ends(&o, -EOPNOTSUPP);
	o = op(NULL, 0);
	uring_fallocate(u, &o.op, file, 0, 0, 0);
	ends(&o, -EINVAL);
	o = op(NULL, 0);
	uring_fsync(u, &o.op, pipe_fds[0], false);
	ends(&o, -EINVAL);
	close(read_only);
	close(dir);
	munmap(gone, 4096);
	finish();
}
END_TEST

START_TEST(test_sync_and_allocate)
{
	char buf[8] = "";
	struct stat st;
	struct op o;

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	ck_assert_int_eq(write(file, "0123456789", 10), 10);
	for (int data_only = 0; data_only < 2; data_only++) {
		o = op(NULL, 0);
		uring_fsync(u, &o.op, file, data_only);
		ends(&o, 0);
	}
	o = op(buf, 8);
	memcpy(buf, "durable!", 8);
	uring_writev_durable(u, &o.op, file, &o.iov, 1, 100);
	ends(&o, 8);
	memset(buf, 0, 8);
	ck_assert_int_eq(pread(file, buf, 8, 100), 8);
	ck_assert_mem_eq(buf, "durable!", 8);
	o = op(NULL, 0);
	uring_fallocate(u, &o.op, file, 0, 0, 20000);
	ends(&o, 0);
	ck_assert_int_eq(fstat(file, &st), 0);
	ck_assert_int_eq(st.st_size, 20000);
	o = op(NULL, 0);
	uring_fallocate(u, &o.op, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 4);
	ends(&o, 0);
	o = op(buf, 8);
	uring_readv(u, &o.op, file, &o.iov, 1, 0);
	ends(&o, 8);
	ck_assert_mem_eq(buf, "01\0\0\0\0" "67", 8);
	finish();
}
END_TEST

static struct op late_op;

static void begin_late(struct ev_loop *l, struct ev_prepare *w, int revents)
{
	if (!late_op.op.done) {
		late_op = op(&late_op.res, 1);
		uring_readv(u, &late_op.op, file, &late_op.iov, 1, 0);
	}
}

/* What is begun just before the loop sleeps is not forgotten until something wakes it. */
static void too_late(struct ev_loop *l, struct ev_timer *w, int revents)
{
	ck_abort_msg("the loop slept");
}

START_TEST(test_begun_late)
{
	struct ev_prepare late;
	struct ev_timer timer;

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	ck_assert_int_eq(write(file, "0", 1), 1);
	memset(&late_op, 0, sizeof(late_op));
	ev_prepare_init(&late, begin_late);
	ev_prepare_start(loop, &late);
	ev_timer_init(&timer, too_late, 30., 0.);
	ev_timer_start(loop, &timer);
	run_until(1);
	ev_timer_stop(loop, &timer);
	ev_prepare_stop(loop, &late);
	finish();
}
END_TEST

/* done begins the next with the same struct. */
START_TEST(test_again)
{
	struct op o;
	char byte;

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	ck_assert_int_eq(write(file, "0", 1), 1);
	o = op(&byte, 1);
	o.again = 50;
	uring_readv(u, &o.op, file, &o.iov, 1, 0);
	run_until(51);
	ck_assert_int_eq(o.res, 1);
	finish();
}
END_TEST

/* What waits for a pipe keeps nothing else waiting, and ends when there is something to read. */
START_TEST(test_pipe)
{
	struct op slow, quick;
	char a = 0, b = 0;

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	ck_assert_int_eq(write(file, "f", 1), 1);
	slow = op(&a, 1);
	uring_readv(u, &slow.op, pipe_fds[0], &slow.iov, 1, URING_NO_OFFSET);
	for (unsigned int i = 0; i < 10; i++) {
		quick = op(&b, 1);
		uring_readv(u, &quick.op, file, &quick.iov, 1, 0);
		ends(&quick, 1);
	}
	ck_assert_uint_eq(slow.dones, 0);
	ck_assert_int_eq(write(pipe_fds[1], "p", 1), 1);
	ends(&slow, 1);
	ck_assert_int_eq(a, 'p');
	finish();
}
END_TEST

static void turns(unsigned int n)
{
	while (n--)
		ev_run(loop, EVRUN_NOWAIT);
}

/* Cancelled before its turn has ended, while it waits, twice; what has ended is not disturbed. */
START_TEST(test_cancel)
{
	struct op o;
	char byte = 0;

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	for (unsigned int i = 0; i < 30; i++) {
		o = op(&byte, 1);
		uring_readv(u, &o.op, pipe_fds[0], &o.iov, 1, URING_NO_OFFSET);
		if (i % 3 == 1)
			turns(3);
		if (i % 3 == 2)
			usleep(2000);
		uring_cancel(u, &o.op);
		ck_assert_uint_eq(o.dones, 0);
		uring_cancel(u, &o.op);
		ends(&o, -ECANCELED);
	}
	/* Nothing of the pipe was lost to one of them. */
	ck_assert_int_eq(write(pipe_fds[1], "p", 1), 1);
	o = op(&byte, 1);
	uring_readv(u, &o.op, pipe_fds[0], &o.iov, 1, URING_NO_OFFSET);
	ends(&o, 1);
	ck_assert_int_eq(byte, 'p');
	finish();
}
END_TEST

/* Many that wait, half of them cancelled while the others get what they wait for: each ends once, no byte is lost. */
START_TEST(test_cancel_some)
{
	struct op ops[16];
	char bytes[16] = "";
	unsigned int got = 0;

	make(_i, (struct uring_opts){.threads = 16, .depth = 4});
	NEEDS_RING();
	for (unsigned int round = 0; round < 20; round++) {
		ndone = 0;
		got = 0;
		for (unsigned int i = 0; i < 16; i++) {
			ops[i] = op(bytes + i, 1);
			uring_readv(u, &ops[i].op, pipe_fds[0], &ops[i].iov, 1, URING_NO_OFFSET);
		}
		turns(round % 3);
		ck_assert_int_eq(write(pipe_fds[1], "12345678", 8), 8);
		for (unsigned int i = 0; i < 16; i += 2)
			uring_cancel(u, &ops[i].op);
		turns(2);
		ck_assert_int_eq(write(pipe_fds[1], "12345678", 8), 8);
		run_until(16);
		for (unsigned int i = 0; i < 16; i++) {
			ck_assert_uint_eq(ops[i].dones, 1);
			ck_assert(ops[i].res == 1 || (ops[i].res == -ECANCELED && i % 2 == 0));
			got += ops[i].res == 1;
		}
		for (; got < 16; got++)
			ck_assert_int_eq(read(pipe_fds[0], bytes, 1), 1);
	}
	finish();
}
END_TEST

static void on_alarm(int sig)
{
}

/* A process that gets signals all the time: no operation learns of it. */
START_TEST(test_signals)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
	struct op waits, o;
	char buf[2];

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	ck_assert_int_eq(write(file, "0", 1), 1);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	waits = op(buf, 1);
	uring_readv(u, &waits.op, pipe_fds[0], &waits.iov, 1, URING_NO_OFFSET);
	for (unsigned int i = 0; i < 300; i++) {
		o = op(buf + 1, 1);
		uring_readv(u, &o.op, file, &o.iov, 1, 0);
		ends(&o, 1);
	}
	ck_assert_uint_eq(waits.dones, 0);
	ck_assert_int_eq(write(pipe_fds[1], "p", 1), 1);
	ends(&waits, 1);
	setitimer(ITIMER_REAL, &never, NULL);
	finish();
}
END_TEST

/* The ring goes with operations that wait, that have just begun, and that have ended without a look at the loop. */
START_TEST(test_free)
{
	struct op ops[12];
	char byte[12];

	make(_i, (struct uring_opts){0});
	NEEDS_RING();
	ck_assert_int_eq(write(file, "0", 1), 1);
	for (unsigned int i = 0; i < 12; i++) {
		ops[i] = op(byte + i, 1);
		if (i == 8) {
			turns(2);
			usleep(5000);
			ndone = 0;
		}
		uring_readv(u, &ops[i].op, i % 2 ? pipe_fds[0] : file, &ops[i].iov, 1, i % 2 ? URING_NO_OFFSET : 0);
	}
	uring_cancel(u, &ops[11].op);
	ck_assert(uring_free(u, 5000));
	ck_assert_uint_eq(ndone, 0);
	turns(3);
	ck_assert_uint_eq(ndone, 0);
	ck_assert(uring_free(NULL, 0));
	u = NULL;
	finish();
}
END_TEST

/* Without patience what the kernel has begun is left behind, and the caller is told. */
START_TEST(test_abandon)
{
	static struct uring *volatile abandoned; /* where leak checkers find it */
	static struct op o;
	static char byte;

	make(0, (struct uring_opts){0});
	NEEDS_RING();
	o = op(&byte, 1);
	uring_readv(u, &o.op, pipe_fds[0], &o.iov, 1, URING_NO_OFFSET);
	turns(2);
	abandoned = u;
	ck_assert(!uring_free(abandoned, 0));
	u = NULL;
	ck_assert_uint_eq(o.dones, 0);
	finish();
}
END_TEST

/* The kernel refuses io_uring in these ways: a filter, an old kernel. */
static const int refusals[] = {EPERM, ENOSYS, ENOMEM};

START_TEST(test_refused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)refusals[_i]),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {ARRAY_SIZE(code), code};
	struct op o;
	char byte = 0;

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
		test_skip("no seccomp filters here: %s", strerror(errno));
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_int_eq(uring_new(loop, NULL, &u), 0);
	ck_assert(!uring_native(u));
	ck_assert(uring_free(u, 0));
	ev_loop_destroy(loop);
	make(1, (struct uring_opts){0});
	ck_assert_int_eq(write(file, "0", 1), 1);
	o = op(&byte, 1);
	uring_readv(u, &o.op, file, &o.iov, 1, 0);
	ends(&o, 1);
	ck_assert_int_eq(byte, '0');
	finish();
}
END_TEST

Suite *suite_uring(void)
{
	Suite *s = suite_create("uring");
	TCase *tc = tcase_create("files");

	tcase_add_loop_test(tc, test_many, 0, 2);
	tcase_add_loop_test(tc, test_short, 0, 2);
	tcase_add_loop_test(tc, test_errors, 0, 2);
	tcase_add_loop_test(tc, test_sync_and_allocate, 0, 2);
	tcase_add_loop_test(tc, test_again, 0, 2);
	tcase_add_loop_test(tc, test_begun_late, 0, 2);
	tcase_add_loop_test(tc, test_pipe, 0, 2);
	tcase_add_loop_test(tc, test_cancel, 0, 2);
	tcase_add_loop_test(tc, test_cancel_some, 0, 2);
	tcase_add_loop_test(tc, test_signals, 0, 2);
	tcase_add_loop_test(tc, test_free, 0, 2);
	tcase_add_test(tc, test_abandon);
	tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refusals));
	suite_add_tcase(s, tc);
	return s;
}
