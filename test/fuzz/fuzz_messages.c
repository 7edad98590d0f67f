/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz_messages.c - what a front-end may say: QEMU docs/interop/vhost-user.rst.  One connection for each input, all to
 * the same back end.
 *
 * The input is a row of records: request, flags, size, descriptors, then size bytes.  Requests from 0xf0 on are no
 * messages (enum fuzz_extra).
 */
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/lib/echo.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/vu_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum fuzz_extra {
	EXTRA_RAW = 0xf0, /* the bytes as they are, with descriptors */
	EXTRA_MEMORY,	  /* the bytes into guest memory, at flags * 64 */
	EXTRA_KICK,	  /* all kick descriptors */
	EXTRA_RELEASE,	  /* the device answers what it holds */
	EXTRA_CHANGE,	  /* its configuration changes */
	EXTRA_ASK,	  /* it asks the front-end for what flags says */
	EXTRA_ANSWER,	  /* the bytes on the back channel, with descriptors */
};

#define MEM_BYTES 65536u

/* What the device asks at once. */
#define ASKS 8

struct fuzz {
	struct ev_loop *loop;
	struct vdev *d;
	struct vu_backend *backend;
	uint8_t *va;
	int fds[4]; /* what messages carry: memory, two eventfds, a socket */
	int other;  /* end of that socket */
	int sock;
	struct fuzz_ask {
		struct vdev_ask ask;
		bool busy;
	} asks[ASKS];
};

static void must(bool what)
{
	if (!what)
		abort();
}

static void on_closed(void *arg)
{
}

static void make(struct fuzz *f)
{
	int pair[2];
	char why[64];

	log_set_level(LOG_LEVEL_ERROR);
	must(gmem_sigbus_install() == 0);
	f->loop = ev_loop_new(EVFLAG_AUTO);
	must(f->loop && vdev_new(&echo_class, "echo", f->loop, &f->d) == 0 && vdev_open(f->d) == 0);
	must(vu_apply_feature_masks(f->d, "+ring_packed,+log_all,+in_order,+gpa_addresses,+inband_notifications,+access_platform",
				    why, sizeof(why)) == 0);
	must(vu_backend_new(f->d, &gmem_shm, on_closed, NULL, &f->backend) == 0);
	f->fds[0] = memfd_create("fuzz", MFD_CLOEXEC);
	must(f->fds[0] >= 0 && ftruncate(f->fds[0], MEM_BYTES) == 0);
	f->va = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->fds[0], 0);
	must(f->va != MAP_FAILED);
	f->fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	f->fds[3] = pair[0];
	f->other = pair[1];
}

/* Sends bytes with descriptors: the low three bits say how many, two each the kinds, in a circle. */
static void send_with(const struct fuzz *f, int sock, const void *bytes, size_t len, uint8_t how)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 7)];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)bytes, len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	unsigned int n = how & 7;

	if (n) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n);

		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);

		must(cmsg != NULL);
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		for (unsigned int i = 0; i < n; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &f->fds[((how >> 3) + i) % 4], sizeof(int));
	}
	(void)!sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Turns for the back end; its answers are read and forgotten. */
static void turns(struct fuzz *f, unsigned int n)
{
	char scratch[512];

	while (n--) {
		ev_run(f->loop, EVRUN_NOWAIT);
		while (recv(f->sock, scratch, sizeof(scratch), MSG_DONTWAIT) > 0)
			;
	}
	while (recv(f->other, scratch, sizeof(scratch), MSG_DONTWAIT) > 0)
		;
}

static void answered(struct vdev *d, struct vdev_ask *ask, int err, int fd)
{
	struct fuzz_ask *mine = container_of(ask, struct fuzz_ask, ask);

	/* A descriptor comes with a lookup that went well, and only then. */
	must(mine->busy && (fd >= 0) == (!err && ask->what == VDEV_OBJECT_LOOKUP));
	mine->busy = false;
	if (fd >= 0)
		close(fd);
}

static void ask(struct fuzz *f, uint8_t what)
{
	for (unsigned int i = 0; i < ASKS; i++) {
		if (f->asks[i].busy)
			continue;
		f->asks[i].ask = (struct vdev_ask){
			.what = what % (VDEV_OBJECT_LOOKUP + 1),
			.mapping = {.shmid = what >> 6, .len = 4096, .offset = (what & 0x38u) << 12},
			.fd = f->fds[0],
			.done = answered,
		};
		f->asks[i].busy = vdev_ask(f->d, &f->asks[i].ask) == 0;
		return;
	}
}

static void record(struct fuzz *f, const uint8_t *head, const uint8_t *bytes, size_t len)
{
	uint8_t wire[sizeof(struct vu_header) + 256];
	struct vu_header h = {.request = head[0], .flags = VU_VERSION ^ head[1], .size = head[2]};

	switch (head[0]) {
	case EXTRA_RAW:
		send_with(f, f->sock, bytes, len, head[3]);
		break;
	case EXTRA_ASK:
		ask(f, head[1]);
		break;
	case EXTRA_ANSWER:
		send_with(f, f->other, bytes, len, head[3]);
		break;
	case EXTRA_MEMORY:
		memcpy(f->va + head[1] * 64, bytes, len);
		break;
	case EXTRA_KICK:
		(void)!eventfd_write(f->fds[1], 1);
		(void)!eventfd_write(f->fds[2], 1);
		break;
	case EXTRA_RELEASE:
		echo_release(echo_of(f->d), head[1]);
		break;
	case EXTRA_CHANGE:
		echo_change_config(echo_of(f->d), head[1]);
		break;
	default:
		memcpy(wire, &h, sizeof(h));
		memcpy(wire + sizeof(h), bytes, len);
		send_with(f, f->sock, wire, sizeof(h) + len, head[3]);
	}
	turns(f, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz *f;
	int pair[2];

	if (!f) {
		f = calloc(1, sizeof(*f));
		must(f != NULL);
		make(f);
	}
	memset(f->va, 0, MEM_BYTES);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	f->sock = pair[0];
	must(vu_backend_serve(f->backend, pair[1]) == 0);
	while (size >= 4) {
		size_t len = min_size(data[2], size - 4);

		record(f, data, data + 4, len);
		data += 4 + len;
		size -= 4 + len;
	}
	turns(f, 2);
	close(f->sock);
	for (unsigned int i = 0; vu_backend_busy(f->backend); i++) {
		must(i < 1000);
		ev_run(f->loop, EVRUN_NOWAIT);
	}
	for (unsigned int i = 0; i < ASKS; i++)
		must(!f->asks[i].busy);
	/* The next one finds a fresh device, and its back channel nothing of this one. */
	while (recv(f->fds[3], pair, sizeof(pair), MSG_DONTWAIT) > 0)
		;
	must(echo_of(f->d)->nheld == 0 && f->d->features == 0);
	return 0;
}
