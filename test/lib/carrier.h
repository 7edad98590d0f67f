/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * carrier.h - one way to write a case for a device, and three ways it is run:
 *
 *	direct   virtqs in this process, class->kick called with nothing in between
 *	session  the vhost-user back end in this process, on one loop, over a socket pair
 *	binary   the built vdevd, over a socket
 *
 * and on each of them with many settings of ring, memory and notification (carrier_settings).  A test file has a struct
 * device_suite and calls suite_add_device; every case becomes a test for each carrier and setting that can run
 * it.  A case sees requests: bytes out, bytes in; how they are cut into descriptors is the setting's.
 *
 * All functions assert: what is not said to be returned as an error ends the test.
 */
#ifndef VDEVD_TEST_LIB_CARRIER_H
#define VDEVD_TEST_LIB_CARRIER_H

#include <check.h>

#include <sys/types.h>

#include "core/device.h"
#include "transport/frontend/frontend.h"
#include "transport/vhost_user/vhost_user.h"

enum carrier_kind {
	CARRIER_DIRECT,
	CARRIER_SESSION,
	CARRIER_BINARY,
	CARRIER_KINDS,
};

struct carrier;

/* How rings, memory and notifications are set up. */
struct carrier_setting {
	const char *name;
	unsigned int kinds;		  /* bits of enum carrier_kind: where it makes sense */
	unsigned int num;		  /* entries of each ring; 0: the queue's usual size; UINT_MAX: its maximum */
	uint16_t base;			  /* where the indexes begin */
	uint64_t refuse;		  /* features the driver does not accept */
	uint64_t refuse_protocol;	  /* protocol features the front-end does not accept */
	const char *masks;		  /* --features of the back end, or NULL */
	struct frontend_request_opts how; /* how a request is cut; split is raised where pieces would be too many */
	bool poll_kick, poll_call;	  /* no such descriptors */
	bool pipes, blocking; /* pipes in the place of eventfds; O_NONBLOCK is not set on what the back end gets */
	bool in_band;	      /* no descriptors, messages */
	bool slots;	      /* ADD_MEM_REG, not SET_MEM_TABLE */
	bool cut;	      /* buffers go over from one region into the next */
	bool strict;	      /* gmem_strict */
	bool record;	      /* the front-end keeps the record of what is in flight */
	bool logged;	      /* what is written is logged, and the log is right */
	bool guest_addresses; /* GPA_ADDRESSES */
	uint64_t iommu;	      /* bytes of a translation; 0: there is no IOMMU.  Cut memory lies scattered then, in pages */
	bool invalidates;     /* before each request, all translations are void */
	bool deep;	      /* with DEPTH_ALL only */
};

/* What a case needs of a setting. */
enum {
	CASE_ONCE = 1,		/* the plain setting only: it takes its time */
	CASE_CONFIG = 2,	/* reads or writes the configuration space */
	CASE_NOT_BINARY = 4,	/* looks into the device (carrier_vdev) */
	CASE_CONTROL = 8,	/* a binary has its control socket at carrier_path(c, "control") */
	CASE_NOT_VALGRIND = 16, /* the device makes a system call that valgrind does not have */
};

struct device_case {
	const char *name;
	void (*run)(struct carrier *c);
	const char *const *args;	    /* instead of the suite's; NULL: those */
	void (*prepare)(struct carrier *c); /* before the device is opened: makes files in carrier_dir; may be NULL */
	unsigned int flags;		    /* CASE_... */
	unsigned int depth;		    /* requests it has in flight at once in a queue; 0: one */
};

struct device_suite {
	const char *device;
	const struct vdev_class *class;	    /* NULL: the one that is built under this name; others have no binary */
	const char *const *args;	    /* options of the device, ends with NULL; "%T" is carrier_dir; NULL: none */
	void (*prepare)(struct carrier *c); /* before the device is opened, unless the case has its own */
	const struct gmem_backend *mem;	    /* behind carriers in this process; NULL: shared memory */
	const struct device_case *cases;
	size_t ncases;
	bool further;			    /* the device has another suite, which has the cases that suit every device */
};

#define DEVICE_CASES(array) .cases = (array), .ncases = ARRAY_SIZE(array)

/*
 * Adds the suite's cases and those that suit every device (carrier_common.c), multiplied by carriers and settings.
 * How far tells test_depth: DEPTH_ALL; DEPTH_FEW, the plain setting, and strict memory on the direct carrier; DEPTH_MORE,
 * all that are not deep on the direct carrier, those that it cannot have in a session, and the plain one in the binary.
 * VDEVD_TEST_CASE: only those cases whose name has this text.  ds must live as long as the suite.
 */
void suite_add_device(Suite *s, const struct device_suite *ds);

/* Whether the suite's device is in this build. */
bool carrier_built(const struct device_suite *ds);
/* For tests that open carriers themselves: with the plain setting. */
struct carrier *carrier_open(enum carrier_kind kind, const struct device_suite *ds);
void carrier_close(struct carrier *c);

/*
 * In the place of carrier_reconnect: the front-end goes; another comes.  Between them, a bare connection on which
 * nothing was said can be had; it is the test's.
 */
void carrier_leave(struct carrier *c);
void carrier_arrive(struct carrier *c);
struct frontend *carrier_dial(struct carrier *c);
/* The guest moves: the device's state goes from this front-end to another, whose rings are fresh.  For CASE_ONCE. */
void carrier_move(struct carrier *c);
/* Waits until the back end is ready for another front-end after one that the test has freed. */
void carrier_settle(struct carrier *c);
/* Descriptors that the process of the back end has open. */
unsigned int carrier_count_fds(const struct carrier *c);

/* A fresh folder for this run, removed at the end, with its files; no slash at the end. */
const char *carrier_dir(const struct carrier *c);
/* dir/name, in a buffer that the next call but three uses again. */
const char *carrier_path(const struct carrier *c, const char *name);
/* Writes a file in the folder; append: adds to it. */
void carrier_write_file(const struct carrier *c, const char *name, const void *bytes, size_t len, bool append);

enum carrier_kind carrier_kind(const struct carrier *c);
const struct carrier_setting *carrier_setting(const struct carrier *c);
/* The driver's side; NULL after carrier_leave. */
struct frontend *carrier_frontend(struct carrier *c);
/* The device's class; the device, or NULL where it is in another process. */
const struct vdev_class *carrier_class(const struct carrier *c);
struct vdev *carrier_vdev(struct carrier *c);
/* Entries of a ring; requests it can have in flight at once, whatever their form. */
unsigned int carrier_size(const struct carrier *c, unsigned int q);
unsigned int carrier_depth(const struct carrier *c, unsigned int q);
/* Whether the driver's side accepted a device or ring feature. */
bool carrier_has(const struct carrier *c, unsigned int feature);
/* The back end's process, or -1 where it is this one. */
pid_t carrier_pid(const struct carrier *c);
/* The vhost-user back end in this process, or NULL. */
struct vu_backend *carrier_backend(struct carrier *c);
/* What the device logged; only where it is in another process, otherwise NULL.  Free it. */
char *carrier_log(const struct carrier *c);

/*
 * Makes a request and waits until it is used; checks that the notification came.  out, in: may be NULL with length 0.
 * Returns the used length; the first bytes of the answer are in `in`.
 */
uint32_t carrier_request(struct carrier *c, unsigned int q, const void *out, size_t out_len, void *in, size_t in_len);
/* The same in two steps. */
struct frontend_request *carrier_submit(struct carrier *c, unsigned int q, const void *out, size_t out_len,
					size_t in_len);
uint32_t carrier_await(struct carrier *c, unsigned int q, struct frontend_request *req, void *in);
/* The first of the class's samples; it must have an answer that is right. */
void carrier_sample(struct carrier *c);

/* Lets device and timers run. */
void carrier_idle(struct carrier *c, unsigned int ms);
/* Nothing of the queue gets used for this long. */
void carrier_stays(struct carrier *c, unsigned int q, unsigned int ms);

/* Guest memory for requests made by hand; lives as long as the connection. */
struct frontend_buf carrier_alloc(struct carrier *c, size_t len);
/*
 * A request of exactly these descriptors, with guest addresses, at least one, any order, any length.  Returns the used length.  The ring is a
 * new one afterwards.
 */
uint32_t carrier_raw(struct carrier *c, unsigned int q, const struct driver_buf *bufs, unsigned int n);

/* Stops a ring: GET_VRING_BASE.  Starts it again as it is. */
uint32_t carrier_stop(struct carrier *c, unsigned int q);
void carrier_start(struct carrier *c, unsigned int q, uint32_t base);
/* Makes a new ring in its place, starting at the setting's base, and starts it; the old one must be stopped. */
void carrier_renew(struct carrier *c, unsigned int q);
/* The driver resets the device: rings stop, the state is forgotten, new rings start. */
void carrier_reset(struct carrier *c);
/* The front-end goes, in the midst of whatever it does, and another comes. */
void carrier_reconnect(struct carrier *c);
/* The memory is announced once more while rings run (SET_MEM_TABLE). */
void carrier_share_again(struct carrier *c);

/* Waits until the ring is latched broken; -ETIMEDOUT when it does not happen within ms. */
int carrier_wait_broken(struct carrier *c, unsigned int q, unsigned int ms);

/* Configuration space.  The write returns 0 or, whatever the device's own error, -EREMOTEIO. */
void carrier_config_read(struct carrier *c, uint32_t off, void *buf, uint32_t len);
int carrier_config_write(struct carrier *c, uint32_t off, const void *buf, uint32_t len);
/* Waits until the device says that its configuration has changed. */
void carrier_wait_config_change(struct carrier *c);

#endif
