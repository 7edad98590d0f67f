/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe.h - what the parts of `vdevd probe` share.
 *
 *	probe_session, probe_ids, probe_foreign < probe_checks, _rings, _table, _bench, _send < probe
 */
#ifndef VDEVD_CMD_PROBE_PROBE_H
#define VDEVD_CMD_PROBE_PROBE_H

#include "core/device.h"
#include "transport/frontend/frontend.h"

/* Entries of the rings that rows start, and the most pieces a request is cut into. */
#define PROBE_RING   32
#define PROBE_PIECES 24

/* A request number that no version of the specification has. */
#define PROBE_UNKNOWN_REQUEST 4000

/* The longest request of a device's row, each part. */
#define PROBE_MAX_PART VDEV_SAMPLE_MAX

struct probe;

enum probe_verdict {
	PROBE_OK,
	PROBE_FAIL,
	PROBE_NA, /* needs what the back end does not offer */
};

/* A row of the conformance table. */
struct probe_check {
	const char *name;
	const char *sent;
	const char *want;  /* what the standard wants */
	uint64_t features; /* offered, or the row is n.a. */
	uint64_t protocol;
	bool request;      /* needs a request the device understands */
	uint32_t arg;
	enum probe_verdict (*run)(struct probe *p);
};

/* A request of --send. */
struct probe_send {
	uint8_t bytes[PROBE_MAX_PART]; /* the device reads */
	size_t len;
	size_t room; /* bytes it may write */
};

#define PROBE_MAX_SENDS 16

struct probe {
	/* options */
	const char *path;
	const char *id_text;
	const char *save; /* the file of --save, or NULL */
	uint64_t timeout_ms, requests, queue;
	struct probe_send sends[PROBE_MAX_SENDS];
	unsigned int nsends;
	/* The domain of Xen whose memory is shared, where xen_map is not 0 (GMEM_XEN_*): these frames, with these grants. */
	uint64_t xen_domid, xen_frame, xen_grant;
	unsigned int xen_way; /* the word of --xen-map */
	unsigned int print_frontend; /* frontend_forms */
	uint32_t xen_map;
	bool json, quiet, bench, table, help;
	/* the back end */
	uint32_t id;                    /* 0: not told */
	const struct vdev_class *class; /* NULL: not built in */
	const struct vdev_sample *samples; /* the device's; NULL: no request is known */
	uint64_t features, protocol;    /* offered */
	unsigned int nqueues;           /* 0: not known */
	uint8_t config[VU_MAX_CONFIG_SIZE];
	uint32_t config_size;
	bool reached;                   /* a connection was made once */
	/* the present row */
	struct frontend *fe;
	const struct probe_check *check;
	char got[200];
};

/* The rows, in order; each table ends with a NULL name. */
extern const struct probe_check probe_message_checks[], probe_ring_checks[];

/* Requests of a device of which there is no class here, as vdev_class has them; or NULL. */
const struct vdev_sample *probe_foreign_samples(uint32_t id);

/* Name of a device in the standard ("net"), or NULL; the id of a name, or 0. */
const char *probe_id_name(uint32_t id);
uint32_t probe_id_find(const char *name);

/* Notes what came back; the verdict is handed through. */
enum probe_verdict probe_say(struct probe *p, enum probe_verdict verdict, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The row fails because of the front-end's last failure. */
enum probe_verdict probe_failed(struct probe *p);

/* What the row needs and is not offered, or not known, or NULL. */
const char *probe_row_misses(const struct probe *p, const struct probe_check *check);

/* Runs the row on a connection of its own; PROBE_NA where it misses something. */
enum probe_verdict probe_row_run(struct probe *p, const struct probe_check *check);

/*
 * Prints how a front-end is told of the back end; what kind of device it is, is guessed where --id does not say.
 * Returns false, with the reason in p->got, where that cannot be guessed.
 */
bool probe_frontend(struct probe *p);

/* Prints what is offered, and what becomes of each message, as a column of a table in Markdown. */
void probe_table(struct probe *p);

/*
 * Ends the present connection, if any, and makes a new one that is being served; a back end that has served
 * another one has a second to be ready again.  Returns 0 or -errno; p->fe is NULL when not even the socket could
 * be reached.
 */
int probe_connect(struct probe *p);

/*
 * Accepts what the rows can handle of what is offered: the ring features (those in without are not accepted), the
 * request's device features, the common protocol features, and the row's.
 */
int probe_negotiate(struct probe *p, uint64_t without);

/* Shares memory: three regions, two of which adjoin. */
int probe_share(struct probe *p);

/* Negotiates, and shares memory. */
int probe_ready(struct probe *p, uint64_t without);

/*
 * Shares memory on the connection on which was learnt what the back end is, or, where that has ended, on another one: some
 * back ends serve one connection only.
 */
int probe_resume(struct probe *p);

/* The queue that rows use: the request's, or the first. */
unsigned int probe_queue(const struct probe *p);

/* Sends the device's request in this framing and checks the answer. */
enum probe_verdict probe_request(struct probe *p, const struct frontend_request_opts *opts);

/* Submits the device's request without waiting; see frontend_submit. */
int probe_submit(struct probe *p, const struct frontend_request_opts *opts, struct frontend_request **req);

/* Waits for it and checks the answer. */
enum probe_verdict probe_await(struct probe *p, struct frontend_request *req);

/* Bytes a piece so that the request has many pieces, but at most PROBE_PIECES. */
uint32_t probe_split(const struct probe *p);

/* Measures and prints latency and throughput.  Returns 0, or -errno after it has said why. */
int probe_bench(struct probe *p);

/* Takes one value of --send.  Returns 0, or -EINVAL with what would be right in why. */
int probe_send_parse(const char *text, struct probe_send *send, char *why, size_t why_size);

/* Sends the requests of --send, one after the other, and prints the answers.  Returns 0, or -errno after it has said why. */
int probe_send(struct probe *p);

/*
 * Gets what the device has to show, and writes it to the file of --save.  Returns 0, or -errno with the reason in p->got.
 */
int probe_save(struct probe *p);

#endif
