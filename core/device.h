/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * device.h - the contract: what a device implements (struct vdev_class), an instance of it
 * (struct vdev), and what a transport gives it (struct vdev_transport_ops).
 *
 * The life of an instance:
 *
 *	vdev_new        defaults of the options are stored
 *	(options)       the command line is parsed into the instance
 *	vdev_check      class->check: the options are looked at as a whole; nothing of the host is touched
 *	vdev_open       class->open: host resources are taken; the last moment for privileged work
 *	vdev_needs      class->needs: what the device will still do with the host; nothing else is possible from then on
 *	  vdev_attach   a transport gives it its queues, for the life of the instance
 *	    start       a ring has begun
 *	    kick ...    a front-end is served; class->kick for each queue that has work
 *	    quiesce     a ring is about to stop: each chain is pushed or requeued, now or later
 *	    save, load  when the guest moves: what it has made of the device, from one instance to another
 *	    recall      the same, from an instance that was killed
 *	    reset       what the guest could see is forgotten; the next front-end finds a fresh device
 *	  (again, for ever)
 *	vdev_free       class->close
 *
 * All calls come from one thread, that of the event loop.
 */
#ifndef VDEVD_CORE_DEVICE_H
#define VDEVD_CORE_DEVICE_H

#include <stdio.h>

#include "core/base.h"
#include "core/log.h"
#include "core/opt.h"
#include "core/sandbox.h"
#include "core/state.h"

/* The largest config_size, bytes: what a vhost-user message carries (VHOST_USER_MAX_CONFIG_SIZE). */
#define VDEV_CONFIG_MAX 256

struct control;
struct control_command;
struct ev_loop;
struct vdev;
struct virtq;

/* A queue of a device: its name in the standard, the size most drivers use, the largest served. */
struct vdev_queue_desc {
	const char *name;
	uint16_t size;
	uint16_t max;
};

/* The name of a feature bit, as in the standard without its prefix, lower case: "f_irq" -> "irq". */
struct vdev_feature {
	unsigned int bit;
	const char *name;
};

/* The most shared memory regions of a device: shmid is one byte (VIRTIO 1.4, section 2.10). */
#define VDEV_SHMEM_MAX 256

/* Names an object that is shared with other devices: VIRTIO 1.4, section 2.11; the bytes as the driver has them. */
struct vdev_uuid {
	uint8_t bytes[16];
};

/* Part of a shared memory region, and what of a file is seen there.  Multiples of the page size. */
struct vdev_mapping {
	uint8_t shmid;
	bool writable;
	uint64_t offset; /* in the region, bytes */
	uint64_t len;
	uint64_t fd_offset;
};

enum vdev_ask_what {
	VDEV_SHMEM_MAP,    /* mapping, fd: where nothing is mapped yet */
	VDEV_SHMEM_UNMAP,  /* mapping: the whole of one that is there; also gone when the device is reset */
	VDEV_OBJECT_ADD,   /* uuid: class->object finds it from now on */
	VDEV_OBJECT_REMOVE, /* uuid */
	VDEV_OBJECT_LOOKUP, /* uuid: another device's, as a descriptor */
};

/*
 * Something asked of the front-end.  The device has it among its own members and fills it in; from vdev_ask until done
 * it stays as it is.
 */
struct vdev_ask {
	enum vdev_ask_what what;
	struct vdev_mapping mapping;
	struct vdev_uuid uuid;
	int fd; /* stays the device's */
	/*
	 * It has ended, well (0) or not: -EREMOTEIO: refused; -ETIMEDOUT: no answer within seconds; -EPROTO: an answer
	 * that is none; -ECANCELED: the device was reset, or the front-end went.  fd: what a lookup found, the device's; or -1.
	 * Where the front-end does not acknowledge, 0 says that it was told.
	 */
	void (*done)(struct vdev *d, struct vdev_ask *ask, int err, int fd);
	/* The transport's. */
	struct {
		struct vdev_ask *next;
		double until;
		int err, fd;
	} way;
};

/*
 * A request that any driver may send at any time and that does no harm: by these `vdevd probe`, its bench and the tests
 * know a device.
 */
struct vdev_sample {
	const char *what;       /* in words: "GET_DIRECTION" */
	unsigned int queue;
	uint64_t features;      /* device features the driver must have accepted */
	const void *out;        /* what the device reads: out_len bytes */
	size_t out_len, in_len; /* in_len: bytes it may write; each at most VDEV_SAMPLE_MAX */
	/* Says what is wrong with an answer of used bytes, by the device's section of the standard; or returns NULL. */
	const char *(*check)(const uint8_t *in, uint32_t used);
	const void *before;     /* another request of out_len bytes, to be sent once before it; may be NULL */
	/* One byte of both can take these values, and which of them are answered well is to be found out; step 0: none. */
	struct {
		uint8_t at, first, last, step;
	} vary;
};

#define VDEV_SAMPLE_MAX 256

/* How the daemon this device replaces ("vhost-device-NAME") is called. */
struct vdev_compat {
	const char *name; /* what it is called where that is another name; NULL: vhost-device-NAME alone */
	const char *const *says; /* words among the features it shows (--print-capabilities), ends with NULL; or NULL */
	bool suffix;     /* its socket is PATH with the instance's number appended, even when there is one */
	bool count;      /* it knows -c/--socket-count */
	/*
	 * Fits the parsed options to instance i of count (a device list shared out, a quota divided).
	 * May be NULL.  Returns 0, or -EINVAL after a line on stderr.
	 */
	int (*fit)(struct vdev *d, unsigned int i, unsigned int count);
	/* How many instances the parsed options ask for, at least 1, where no option says a number.  May be NULL. */
	unsigned int (*instances)(const struct vdev *d);
};

/* A request of struct vdev_save; what is read from out stays until the next one is asked for. */
struct vdev_save_request {
	unsigned int queue;
	const void *out;
	size_t out_len;
	uint32_t in_len; /* of the answer, at most VDEV_SAVE_MAX */
};

#define VDEV_SAVE_MAX 1024

/*
 * What a device of this kind has to show, as a file: `vdevd probe --save` asks for it, of a back end of any project.  The other side of
 * the device: it makes requests, and trusts no answer.
 */
struct vdev_save {
	const char *what; /* "the next picture" */
	size_t size;	  /* of its state, which comes zeroed */
	/*
	 * answer: used bytes, of the request that is in *r; NULL at first.  Returns 1: the next request is in *r; 0: all is said;
	 * or -errno with a reason in why.
	 */
	int (*step)(void *state, const uint8_t *answer, uint32_t used, struct vdev_save_request *r, char *why,
		    size_t why_size);
	/* Where in the device's shared memory it is: shmid, offset, len. */
	void (*where)(const void *state, struct vdev_mapping *where);
	/* Writes the file, from those bytes.  Returns 0 or -errno. */
	int (*write)(void *state, const void *bytes, int fd);
};

/* The most bytes a device remembers. */
#define VDEV_MEMORY_MAX (1u << 20)

/* The most queues of a device, and the most that a front-end can name. */
#define VDEV_QUEUES_MAX 256

/*
 * What a driver sees of a device before it has asked anything.  A class has the usual one; each instance a copy, in which
 * class->check or class->open may change what depends on options or on the host.  What pointers lead to lives as long as
 * the instance.
 */
struct vdev_face {
	uint64_t features;   /* bits 0-23 and 50-63: the device's own; ring features belong to the transport */
	const struct vdev_queue_desc *queues;
	unsigned int nqueues; /* of them, at most VDEV_QUEUES_MAX */
	size_t config_size;  /* of the device configuration space, at most VDEV_CONFIG_MAX bytes; 0: none */
	const uint64_t *shmem; /* bytes of its shared memory regions by shmid, multiples of 64 KiB; 0: there is none */
	unsigned int nshmem; /* of them, at most VDEV_SHMEM_MAX */
	bool any_order;      /* a chain waits for an event, and others must not wait for it: never offer VIRTIO_F_IN_ORDER */
	size_t memory_size;  /* bytes of vdev.memory, at most VDEV_MEMORY_MAX; 0: none */
};

/* A kind of device.  Constant data and functions; one in each devices/NAME/NAME.c. */
struct vdev_class {
	const char *name;    /* the personality: "rng" */
	const char *also;    /* another name of it; NULL: it has none */
	const char *summary; /* one line: "entropy device" */
	const char *about;   /* the man page's DESCRIPTION, paragraphs parted by an empty line */
	const char *backend_type; /* in QEMU's docs/interop/vhost-user.json; NULL: the name */
	uint32_t virtio_id;  /* VIRTIO 1.4, section 5 "Device Types" */
	struct vdev_face face; /* of an instance with its options at their defaults; what --print-capabilities shows */
	const struct vdev_feature *feature_names; /* ends with a NULL name; may be NULL */
	bool shares_objects; /* it asks for VDEV_OBJECT_... */
	const struct opt *opts; /* ends with a NULL name; offsets are in the instance; may be NULL */
	/* The operator's, on the socket of --control (core/control.h); they are handed the struct vdev.  May be NULL. */
	const struct control_command *commands;
	size_t inst_size;    /* of the instance, whose first member is a struct vdev */
	const struct vdev_compat *compat; /* NULL: there is no such daemon */
	/*
	 * Ends with a NULL what; NULL: nothing is known that does no harm.  The first is answered whatever the device is set up
	 * with, perhaps by an error.  What a bench times are those behind it, in order, until one is answered well; or the
	 * first where it is alone.
	 */
	const struct vdev_sample *samples;
	const struct vdev_save *saves; /* NULL: there is nothing that could be a file */
	const char *const *examples; /* command lines for the man page, ends with NULL; may be NULL */

	/*
	 * Where an option asks for words in the place of a device (a list of what it can be made of), writes them and returns true:
	 * the program ends well.  It has parsed options, and nothing else.  May be NULL.
	 */
	bool (*print)(const struct vdev *d, FILE *out);
	/*
	 * Looks whether the parsed options make sense together, and with this build: a wrong call (exit status 2), where
	 * open's errors are the host's (1).  Opens nothing; may change d->face.  May be NULL.
	 * Returns 0, or -EINVAL after a line (log_usage) that names the option and says what would be right.
	 */
	int (*check)(struct vdev *d);
	/* Takes host resources; the last that may change d->face.  Returns 0, or -errno after it has logged why. */
	int (*open)(struct vdev *d);
	/*
	 * How many descriptors the device may have open at once, what class->open takes included: as many as its options say.
	 * The transport's are not counted.  NULL: a few.
	 */
	unsigned int (*fds)(const struct vdev *d);
	/*
	 * Queue q has begun, and will have its first kick: d->features are what the driver accepted, and nothing is held.  The mirror of
	 * quiesce, for a ring that goes on where it was as well as for a driver's that has just begun (virtq_fresh).  Where a reset is
	 * due the reset comes first.  NULL: nothing is to be done.
	 */
	void (*start)(struct vdev *d, unsigned int q);
	/*
	 * Says what the device does after open besides what every device does (memory, the loop, its rings): system
	 * calls, files that are opened again, ports, capabilities (sandbox.h).  It goes by the options alone, since it
	 * is also asked where nothing was opened (--print-sandbox).  NULL: nothing.
	 */
	void (*needs)(const struct vdev *d, struct sandbox *s);
	/* Queue q may have new chains.  Called again until a virtq_pop has found it empty. */
	void (*kick)(struct vdev *d, unsigned int q);
	/*
	 * Queue q is about to stop.  Each chain the device holds is given back, virtq_push or virtq_requeue,
	 * before this returns or, where a host operation is under way, when that ends.  NULL: none is ever held
	 * when kick has returned.
	 */
	void (*quiesce)(struct vdev *d, unsigned int q);
	/* Forgets what the guest could see; host resources stay.  The device holds no chain.  May be NULL. */
	void (*reset)(struct vdev *d);
	/* Writes the whole configuration space, d->face.config_size bytes; buf comes zeroed.  NULL: all zero. */
	void (*config)(struct vdev *d, void *buf);
	/*
	 * The driver writes len bytes at offset off; the core has checked that they lie inside d->face.config_size.
	 * Returns 0 or -errno; NULL: the space is read-only (-EPERM).
	 */
	int (*config_write)(struct vdev *d, size_t off, const void *buf, size_t len);
	/*
	 * Another device looks for an object that this one has added.  Returns a descriptor, the transport's from then on, or
	 * -errno.  NULL: none is ever added.
	 */
	int (*object)(struct vdev *d, const struct vdev_uuid *uuid);
	/* The driver has accepted these device features.  May be NULL. */
	void (*features_set)(struct vdev *d, uint64_t features);
	/*
	 * Appends records (state_put) of what the guest has made of the device; its rings are stopped, and it holds no chain.
	 * NULL: there is nothing that a fresh device does not have.
	 */
	void (*save)(struct vdev *d, struct state *s);
	/*
	 * Takes a record that save appended, perhaps in another vdevd: all of it is checked.  The device is fresh, and no
	 * ring has started.  Returns 0; -EINVAL: not known, or impossible here.
	 */
	int (*load)(struct vdev *d, const struct state_record *r);
	/*
	 * d->memory is there from now on: writes into it all that the guest has made of the device, as it is then kept up to date
	 * with each change, before the answer of the request that makes it.  Its stores may end after any of them: the process may
	 * be killed.
	 * old: a copy of what a vdevd that has ended left there: checked, as a state that is loaded, and taken; the device is fresh,
	 * and no ring has started.  NULL: there was none.  Where face.memory_size is not 0.
	 */
	void (*recall)(struct vdev *d, const void *old);
	/* SIGHUP: the host may have changed what it was told to look at again.  NULL: the signal ends the process. */
	void (*hangup)(struct vdev *d);
	/* Gives host resources back; also called when open failed half-way.  May be NULL. */
	void (*close)(struct vdev *d);
};

/* The buckets of a latency histogram: bucket n counts what took from 2^n to 2^(n+1) - 1 nanoseconds; 0 also none at all. */
#define VDEV_LATENCY_BUCKETS 40

/* What a queue has done since it was made, with all front-ends there were. */
struct vdev_queue_stats {
	bool running, broken;
	uint64_t requests;        /* chains pushed */
	uint64_t errors;          /* rings that broke */
	uint64_t read, written;   /* bytes the device has read of them, and written */
	unsigned int in_flight;   /* popped and not yet pushed or requeued */
	uint64_t latency[VDEV_LATENCY_BUCKETS]; /* from pop to push; requests; only with a control socket */
};

/* What a transport does for a device. */
struct vdev_transport_ops {
	/* Fills in stats, which come zeroed.  NULL: such a transport does not count. */
	void (*queue_stats)(struct vdev *d, unsigned int q, struct vdev_queue_stats *stats);
	/* Tells the driver that the configuration space has changed. */
	void (*config_changed)(struct vdev *d);
	/* As vdev_ask.  NULL: such a transport has no way to ask. */
	int (*ask)(struct vdev *d, struct vdev_ask *ask);
};

/* An instance.  First member of each device's own struct. */
struct vdev {
	const struct vdev_class *class;
	struct vdev_face face;    /* this instance's; does not change after vdev_open */
	struct log log;
	struct ev_loop *loop;
	uint64_t feature_mask;    /* device and ring features that may be offered (--features=-NAME) */
	uint64_t feature_wish;    /* those that are offered only when asked for (--features=+NAME) */
	void *wishes;             /* what the operator wishes of the transport, in its words; freed with the instance; or NULL */
	uint64_t features;        /* those the driver has accepted */
	void *memory;		  /* face.memory_size bytes that outlive the process, aligned to 8; NULL: nobody keeps any */
	const struct vdev_transport_ops *transport;
	struct virtq **queues;    /* d->face.nqueues of them; the transport's */
	const char *control_path; /* --control; NULL: none */
	char *const *call;	  /* the words it was called by, for the life of the process, ending with NULL; NULL: unknown */
	struct control *control;  /* its socket from vdev_open on: class->open may add commands; NULL: none */
	uint64_t begun_ms, front_end_ms; /* CLOCK_MONOTONIC: vdev_open; since when the present front-end is there, 0: none is */
	unsigned int front_ends;  /* so far */
	bool opened;              /* vdev_open was called: there may be something to close */
};

/*
 * Makes an instance with its options at their defaults.
 * prefix: the name in its log lines, not copied.  loop: where its watchers live, not owned; may be
 * stored later (d->loop), before vdev_open.
 * Returns 0 and *out (free with vdev_free); -ENOMEM; -EINVAL: the class breaks the contract (a default, its face).
 */
int vdev_new(const struct vdev_class *class, const char *prefix, struct ev_loop *loop, struct vdev **out);

/* Looks at the options as a whole, before vdev_open.  Returns 0, or -EINVAL after a line that says what would be right. */
int vdev_check(struct vdev *d);

/*
 * Makes the control socket, raises the limit of open files to what the device may need, takes the host resources.
 * Returns 0, or -errno after a line that says why; -EINVAL: check or open made a face that cannot be; -EMFILE: the limit cannot
 * be raised so far.
 */
int vdev_open(struct vdev *d);

/* How many descriptors the device may have at most (class->fds) where the host's limit (ulimit -Hn) stays as it is. */
uint64_t vdev_fds_allowed(const struct vdev *d);

/* Closes the device and frees the instance; NULL is allowed.  Its transport is gone by then. */
void vdev_free(struct vdev *d);

/* Tells the sandbox what the device needs once it serves; also before vdev_open. */
void vdev_needs(const struct vdev *d, struct sandbox *s);

/* Gives the instance its transport and d->face.nqueues queues; both must outlive it or be detached (NULL). */
void vdev_attach(struct vdev *d, const struct vdev_transport_ops *transport, struct virtq **queues);

/* A front-end has come, or the present one has gone: the transport says so.  The service manager is told. */
void vdev_connected(struct vdev *d, bool connected);

/* What it tells, as sd_notify(3) has it: "STATUS=waiting for a front-end". */
const char *vdev_status(const struct vdev *d);

/* The queue with this index, which must be below d->face.nqueues. */
struct virtq *vdev_queue(struct vdev *d, unsigned int q);

/* What queue q, below d->face.nqueues, has done.  Returns false, and zeros, where nobody counts. */
bool vdev_queue_stats(struct vdev *d, unsigned int q, struct vdev_queue_stats *stats);

/* Tells the driver that the configuration space has changed; nothing happens without a front-end. */
void vdev_config_changed(struct vdev *d);

/*
 * Asks the front-end for something; never blocks, and done is always called later, from the loop.  While all rings are stopped
 * nothing can be asked: a device that holds a chain until it has the answer requeues it in quiesce.
 * Returns 0: done will be called; and otherwise never: -EINVAL: not inside a region, or a class that did not announce this;
 * -EOPNOTSUPP: the front-end does not know it; -ENOTCONN: there is none to ask, or the device is suspended.
 */
int vdev_ask(struct vdev *d, struct vdev_ask *ask);

/*
 * Reads len bytes at off of the configuration space; what lies beyond its end reads as zeros.
 */
void vdev_config_read(struct vdev *d, size_t off, void *buf, size_t len);

/*
 * Writes len bytes at off.  Returns 0, -EPERM where the space is read-only, -EINVAL beyond its end,
 * or the device's own error.
 */
int vdev_config_write(struct vdev *d, size_t off, const void *buf, size_t len);

/*
 * The same for the configuration space of a machine that moved here: what is there already is fine, the rest is written
 * as by the driver.  So a field that is read-only has to be what it was: it says what the host has.
 */
int vdev_config_restore(struct vdev *d, size_t off, const void *buf, size_t len);

/* The device begins to serve queue q: tells it so (class->start). */
void vdev_start(struct vdev *d, unsigned int q);

/* The device stops serving queue q: asks it for its chains (class->quiesce). */
void vdev_quiesce(struct vdev *d, unsigned int q);

/* Forgets what the guest could see: class->reset, accepted features. */
void vdev_reset(struct vdev *d);

/* Makes a state of what the guest has made of the device.  Its errors are in s->err; free it with state_free. */
void vdev_save(struct vdev *d, struct state *s);

/* The same in the other direction.  Returns 0, or -EINVAL: not a state of this device; then the device is reset. */
int vdev_load(struct vdev *d, const struct state *s);

/* Records the features the driver has accepted and tells the device. */
void vdev_features_set(struct vdev *d, uint64_t features);

/*
 * Gives the device its memory, face.memory_size bytes, and what was in it (class->recall); NULL: it is gone, and stays as it is.
 */
void vdev_remember(struct vdev *d, void *memory, const void *old);

/* The class's bit whose name (or number as text) this is, or -1. */
int vdev_feature_bit(const struct vdev_class *class, const char *name);

/* The class's own name of a feature bit, or NULL. */
const char *vdev_feature_name(const struct vdev_class *class, unsigned int bit);

/*
 * The device argv[0] names: "rng" for vdevd-rng, vhost-user-rng or vhost-device-rng in any folder, or the
 * daemon's own name that a class has (the last two set *compat: it is to behave as that daemon).  Stays as long as argv0; NULL when it
 * names none.
 */
const char *personality_name(const char *argv0, bool *compat);

/*
 * The table of personalities, generated by configure from devices/list: class pointers, NULL at
 * the end.  What is not in it may be a module: core/module.h.
 */
extern const struct vdev_class *const vdev_classes[];

#endif
