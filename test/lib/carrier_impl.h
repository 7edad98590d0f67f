/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * carrier_impl.h - what the carriers share; test files see carrier.h.
 */
#ifndef VDEVD_TEST_LIB_CARRIER_IMPL_H
#define VDEVD_TEST_LIB_CARRIER_IMPL_H

#include <ev.h>
#include <limits.h>
#include <sys/types.h>

#include "mem/gmem.h"
#include "test/lib/carrier.h"
#include "test/lib/gmem_strict.h"
#include "transport/ring/served.h"
#include "transport/ring/virtq.h"

/* How long anything may take that should happen at once: with valgrind on a busy machine. */
#define CARRIER_PATIENCE_MS 20000

#define CARRIER_MAX_QUEUES 64

/* Regions that the memory is announced as. */
#define CARRIER_MAX_CUTS 8

struct carrier_ops {
	void (*open)(struct carrier *c);
	void (*close)(struct carrier *c);
	/* A connection on which nothing was said. */
	struct frontend *(*dial)(struct carrier *c);
	/* Accepts features on c->fe. */
	void (*negotiate)(struct carrier *c);
	/* Before the front-end goes; after it went: waits until the next one can come.  NULL: nothing to do. */
	void (*leave)(struct carrier *c);
	void (*settle)(struct carrier *c);
	/* Announces c->cuts. */
	void (*share)(struct carrier *c);
	/* In the place of the regions before, while rings run. */
	void (*share_again)(struct carrier *c);
	void (*start)(struct carrier *c, unsigned int q, uint32_t base);
	uint32_t (*stop)(struct carrier *c, unsigned int q);
	/* All rings are stopped. */
	void (*reset)(struct carrier *c);
	int (*wait_broken)(struct carrier *c, unsigned int q, unsigned int ms);
	void (*config_read)(struct carrier *c, uint32_t off, void *buf, uint32_t len);
	int (*config_write)(struct carrier *c, uint32_t off, const void *buf, uint32_t len);
	void (*wait_config_change)(struct carrier *c);
};

extern const struct carrier_ops carrier_direct, carrier_session, carrier_binary;

struct carrier {
	enum carrier_kind kind;
	const struct carrier_ops *ops;
	const struct carrier_setting *set;
	const struct device_suite *suite;
	const struct device_case *dcase;
	const struct vdev_class *class;
	char dir[64];
	char *argv[40]; /* of the device; [0] is its name, NULL at the end */
	struct frontend *fe;
	struct frontend_region cuts[CARRIER_MAX_CUTS];
	unsigned int ncuts;
	uint64_t features; /* accepted by the driver */
	unsigned int fds;  /* open before */
	bool largest;      /* rings are as large as the device serves */

	/* direct and session */
	struct ev_loop *loop;
	struct vdev *d;
	const struct gmem_backend *mem_backend;

	/* session */
	struct vu_backend *backend;
	struct carrier_log *log; /* NULL: nothing is logged */

	/* direct */
	struct vdev_transport_ops transport;
	unsigned int config_changes;
	struct gmem *mem;
	struct served served[CARRIER_MAX_QUEUES];
	struct virtq *vqs[CARRIER_MAX_QUEUES]; /* the same as served's */
	int peer; /* nobody reads here */

	/* binary */
	pid_t pid;
	struct vdev *model; /* has the same options, and is never opened */
};

/* Asserts that err is 0; shows the front-end's reason. */
void carrier_ok(struct carrier *c, int err, const char *what);

/* Makes a device on c->loop with the options. */
struct vdev *carrier_make_closed(struct carrier *c);

/* Makes c->d so, and opens it. */
void carrier_make_device(struct carrier *c);

/* What the driver sees of the device; with a binary what the options make of it. */
static inline const struct vdev_face *carrier_face(const struct carrier *c)
{
	return c->d ? &c->d->face : &c->model->face;
}

/* What the front-end would accept. */
uint64_t carrier_wanted_features(const struct carrier *c);

/* Has memory logged and watched.  Before and after each turn of the back end.  Stops the rings and checks the log. */
void carrier_log_begin(struct carrier *c);
void carrier_log_look(struct carrier *c, bool turn_ends);
void carrier_log_end(struct carrier *c);

/* The binary carrier's process: begins; ends by SIGTERM.  Returns the CPU time it has taken in its whole life, ns. */
void carrier_process_start(struct carrier *c);
uint64_t carrier_process_end(struct carrier *c);

/* The built vdevd: $VDEVD, or beside this program. */
const char *carrier_executable(void);

/* Cases for every device; ends with a NULL name. */
extern const struct device_case carrier_common_cases[];

#endif
