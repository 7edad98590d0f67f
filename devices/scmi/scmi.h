/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi.h - what the parts of the SCMI device share: VIRTIO 1.4, section "SCMI Device"; Arm SCMI 3.2 (DEN0056).
 *
 * The trip of a command:
 *
 *	scmi.c           pops a chain, scmi_cmd_run
 *	scmi_msg.c       finds the message in the tables, checks its length, calls its run
 *	scmi_clock.c...  looks at the parameters; answers, or names an operation (cmd->io) on a thing
 *	scmi_io.c        carries it out: at once, on a thread, after a delay; then calls the message's end
 *	scmi_msg.c       header, status and values go into the chain, or as a delayed response to the eventq
 *
 * A message is a row of 32-bit little-endian words, but for names: so they are read and written by words, with the
 *length checked once, by the table.
 */
#ifndef VDEVD_DEVICES_SCMI_SCMI_H
#define VDEVD_DEVICES_SCMI_SCMI_H

#include <ev.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "core/list.h"
#include "core/policy.h"
#include "core/work.h"
#include "devices/lib/events.h"
#include "devices/scmi/scmi_host.h"
#include "transport/chain.h"

#define SCMI_F_P2A_CHANNELS 0

enum { SCMI_CMDQ, SCMI_EVENTQ };

#define SCMI_RES_MAX	128 /* things of a device */
#define SCMI_CMDS	64  /* commands in flight; others wait in the ring */
#define SCMI_EVENTS	128 /* notifications and delayed responses that wait */
#define SCMI_ASYNC_MAX	16u /* delayed responses that are due */
#define SCMI_IN_MAX	256 /* bytes of a command's parameters; Linux sends at most 128 */
#define SCMI_OUT_MAX	256 /* bytes of return values */
#define SCMI_TRIPS	4   /* trip points of a sensor */
#define SCMI_INTERVAL_MIN 1000			/* us, of updates; more often than that nothing is read */
#define SCMI_INTERVAL_MAX UINT64_C(86400000000) /* us: a day */
#define SCMI_SHORT_NAME 16
#define SCMI_LONG_NAME	64
#define SCMI_AGENT	1 /* the guest; 0 is the platform, who is us */
#define SCMI_SELF	0xffffffffu

/* Status codes: Arm SCMI 3.2, section "Status codes". */
enum scmi_status {
	SCMI_SUCCESS = 0,
	SCMI_NOT_SUPPORTED = -1,
	SCMI_INVALID_PARAMETERS = -2,
	SCMI_DENIED = -3,
	SCMI_NOT_FOUND = -4,
	SCMI_OUT_OF_RANGE = -5,
	SCMI_BUSY = -6,
	SCMI_GENERIC_ERROR = -8,
	SCMI_HARDWARE_ERROR = -9,
	SCMI_PROTOCOL_ERROR = -10,
	SCMI_IN_USE = -11,
};

/* The message header: Arm SCMI 3.2, section "Message header"; VIRTIO 1.4, "cmdq Operation". */
#define SCMI_HDR_ID(h)	   ((h)&0xff)
#define SCMI_HDR_TYPE(h)   ((h) >> 8 & 3)
#define SCMI_HDR_PROTO(h)  ((h) >> 10 & 0xff)
#define SCMI_HDR_TYPE_MASK 0x300u

enum { SCMI_TYPE_COMMAND = 0, SCMI_TYPE_DELAYED = 2, SCMI_TYPE_NOTIFICATION = 3 };

enum {
	SCMI_PROTO_BASE = 0x10,
	SCMI_PROTO_POWER = 0x11,
	SCMI_PROTO_SYSTEM = 0x12,
	SCMI_PROTO_PERF = 0x13,
	SCMI_PROTO_CLOCK = 0x14,
	SCMI_PROTO_SENSOR = 0x15,
	SCMI_PROTO_RESET = 0x16,
	SCMI_PROTO_VOLTAGE = 0x17,
	SCMI_PROTO_POWERCAP = 0x18,
	SCMI_PROTO_PINCTRL = 0x19,
};

struct scmi;
struct scmi_cmd;
struct scmi_res;

/* An operation on a thing.  Embedded; done is called once, perhaps before scmi_io_start has returned. */
struct scmi_io {
	struct scmi_res *res;
	enum scmi_what what;
	bool set;
	unsigned int index, n; /* n values */
	int64_t v[SCMI_VALUES];
	uint64_t when; /* ns of CLOCK_REALTIME: when it was done */
	int err;       /* 0 or -errno */
	void (*done)(struct scmi_io *io);
	/* scmi_io.c's */
	struct list waiting;
	struct work work;
	struct ev_timer delay;
	bool begun, busy; /* it is this thing's turn; a thread works on it */
};

/* A command under way. */
struct scmi_cmd {
	struct scmi *s;
	struct chain *chain; /* NULL: answered already, a delayed response is due; or the command is free */
	uint32_t hdr;
	const struct scmi_proto *proto;
	const struct scmi_msg *msg;
	struct scmi_res *res;
	bool used, late; /* late: its response is a delayed one */
	bool abandoned;	 /* the guest that asked has gone */
	bool full;	 /* return values found no room */
	size_t in_len, out_len, room;
	struct scmi_io io;
	uint8_t in[SCMI_IN_MAX], out[SCMI_OUT_MAX];
};

/* A trip point: SENSOR_TRIP_POINT_CONFIG. */
struct scmi_trip {
	unsigned int mode; /* bits: 1 rising, 2 falling */
	int64_t value;
};

/* What the guest has made of a thing. */
struct scmi_guest {
	bool notify[2];	       /* the protocol's two kinds of notification */
	uint32_t low, high;    /* thresholds of POWERCAP_MEASUREMENTS_NOTIFY */
	bool enabled, stamped; /* a sensor; with time stamps */
	uint64_t interval;     /* us, of updates that it asked for; 0: the thing's own */
	struct scmi_trip trips[SCMI_TRIPS];
	bool requested[32];   /* pins */
	unsigned int changed; /* BIT(enum scmi_what): it has set these, to: */
	int64_t set[8][2];    /* by enum scmi_what, those up to SCMI_PAI that are set */
};

/* A thing of the device. */
struct scmi_res {
	struct scmi *s;
	unsigned int id; /* in its protocol */
	unsigned int first_pin;
	struct scmi_thing thing;
	const struct scmi_type *type;
	const struct scmi_spec *spec;
	struct scmi_host *host;
	/* what the operator allows */
	bool limited;
	int64_t allow_min, allow_max;
	struct policy_rate rate;
	/* faults, by the control socket */
	int fault;		  /* -errno; 0: none */
	unsigned int fault_count; /* operations that fail; UINT_MAX: all */
	unsigned int delay;	  /* ms */
	bool lost;
	/* */
	struct scmi_guest guest;
	int64_t initial[8][2]; /* what the guest's changes go back to */
	unsigned int known;    /* BIT(what): which of them are known */
	struct list ios;       /* that wait, or run: the first one */
	struct ev_timer poll;  /* the next reading for updates and trip points */
	struct scmi_io poll_io, back_io, stream_io;
	struct ev_io sample; /* the thing's stream is readable */
	bool streaming;	     /* it is switched on, or about to be */
	bool stream_failed;  /* since the guest asked last: it is polled */
	uint64_t told;	     /* ns of CLOCK_MONOTONIC: the last sample that was told */
	unsigned int to_set; /* BIT(what): back_io sets them, to */
	int64_t target[8][2];
	bool has_last;
	int64_t last[SCMI_AXES_MAX]; /* reading before */
};

/* A message of a protocol: one row of its table. */
struct scmi_msg {
	uint8_t id;
	uint8_t len;   /* bytes of parameters */
	bool longer;   /* at least so many */
	bool p2a;      /* only with P2A_CHANNELS */
	bool of_thing; /* the first parameter is the id of a thing of the protocol's kind (the second with .at) */
	uint8_t at;    /* word of that id */
	unsigned int gets, sets; /* BIT(what): which the thing, if any, must be able to; otherwise NOT_SUPPORTED */
	/* Returns a status; or SCMI_SUCCESS with cmd->io.res set, then end is called after it. */
	int (*run)(struct scmi_cmd *c);
	/* The operation was a success: writes return values, tells others.  NULL: there are none. */
	void (*end)(struct scmi_cmd *c);
	const char *name;
};

struct scmi_proto {
	uint8_t id;
	uint32_t version;
	enum scmi_kind kind; /* of its things; SCMI_KINDS: it has none */
	const char *name;
	const struct scmi_msg *msgs;
	size_t nmsgs;
	/* PROTOCOL_ATTRIBUTES: writes what follows the status. */
	void (*attributes)(struct scmi_cmd *c);
	/* MESSAGE_ATTRIBUTES of a message that is there; NULL: 0. */
	uint32_t (*message_attributes)(const struct scmi *s, unsigned int msg);
};

enum { SCMI_SYSTEM_TELL, SCMI_SYSTEM_SIGNAL, SCMI_SYSTEM_RUN };

struct scmi {
	struct vdev d;
	/* options */
	struct scmi_spec specs[SCMI_RES_MAX];
	unsigned int nspecs;
	const char *config;
	struct {
		struct word name;
		struct word words;
	} policies[SCMI_RES_MAX];
	unsigned int npolicies;
	const char *vendor, *sub_vendor, *agent;
	uint64_t implementation;
	unsigned int system_power;
	const char *system_command;
	uint64_t system_pid;
	bool help_devices;
	bool has_system; /* --system-power was given: the protocol is there */
	/* host */
	char *config_text;
	struct scmi_res *res[SCMI_RES_MAX];
	unsigned int nres;
	struct scmi_res *of_kind[SCMI_KINDS][SCMI_RES_MAX];
	unsigned int count[SCMI_KINDS], npins;
	struct work_queue *work;
	int system_fd;
	/* guest */
	struct scmi_cmd *cmds;
	unsigned int in_flight, late;
	struct events events;
	bool notify_errors, notify_system;
	uint32_t protocol_denied; /* BIT(id - 0x10) */
};

static inline struct scmi *to_scmi(struct vdev *d)
{
	return container_of(d, struct scmi, d);
}

static inline bool scmi_p2a(const struct scmi *s)
{
	return s->d.features & BIT(SCMI_F_P2A_CHANNELS);
}

/* ---- scmi_msg.c: words of a message */

/* The i-th 32-bit word of the parameters, which the table says are there. */
static inline uint32_t scmi_in(const struct scmi_cmd *c, unsigned int i)
{
	le32 w;

	memcpy(&w, c->in + (size_t)4 * i, 4);
	return le32toh(w);
}

/* Writes return values; what finds no room makes the answer a PROTOCOL_ERROR. */
void scmi_put(struct scmi_cmd *c, uint32_t word);
void scmi_put64(struct scmi_cmd *c, uint64_t word);
void scmi_put_bytes(struct scmi_cmd *c, const void *bytes, size_t len);
/* Writes a name into size bytes, zeros behind it, cut where it is too long. */
void scmi_put_name(struct scmi_cmd *c, const char *name, size_t size);
/* The number of things of size bytes that there is room for. */
unsigned int scmi_room(const struct scmi_cmd *c, size_t size);
/* Changes a word that was written. */
void scmi_set_word(struct scmi_cmd *c, unsigned int i, uint32_t word);

/* NAME_GET of many protocols: flags and the long name of cmd->res. */
int scmi_name_get(struct scmi_cmd *c);
/* A name that does not fit 16 bytes: bit is set in the attributes. */
static inline uint32_t scmi_long_name(const struct scmi_res *r, unsigned int bit)
{
	return strlen(r->thing.name) >= SCMI_SHORT_NAME ? UINT32_C(1) << bit : 0;
}

/* ---_NOTIFY of many protocols: word 1 is 0 or 1, for guest.notify[which]. */
int scmi_notify_set(struct scmi_cmd *c, unsigned int which);

/* Begins an operation on cmd->res: the value or values come behind. */
int scmi_get(struct scmi_cmd *c, enum scmi_what what, unsigned int index, unsigned int n);
/* The same to set one value or two, where the operator allows it; checked against levels and range where ranged. */
int scmi_set(struct scmi_cmd *c, enum scmi_what what, unsigned int n, int64_t v0, int64_t v1);

/* The response is to come as a delayed one.  Returns SCMI_SUCCESS, NOT_SUPPORTED without P2A, or BUSY. */
int scmi_delayed(struct scmi_cmd *c);

/* What a value is rounded to, among levels or steps: 0 down, 1 up, 2 to the nearest.  Returns false where it is
 * outside. */
bool scmi_round(const struct scmi_thing *t, unsigned int how, int64_t *v);

/* The list form of DESCRIBE_RATES, DESCRIBE_LEVELS: what of a thing's levels has room, size bytes each. */
int scmi_put_levels(struct scmi_cmd *c, uint32_t skip, unsigned int size);

/* Runs a command whose header and parameters are in it; it is pushed when it has ended. */
void scmi_cmd_run(struct scmi_cmd *c);
/* Whether a value can be set: the thing has it, and the operator allows it. */
bool scmi_value_fits(const struct scmi_res *r, enum scmi_what what, int64_t v);
/* Delayed responses that are due will not come: they are BUSY. */
void scmi_cmds_give_up(struct scmi *s);
/* The operator has given a fake thing another value: notices of it. */
void scmi_told_by_operator(struct scmi_res *r, int64_t value);
/* All its commands that have an operation under way are nobody's any more. */
void scmi_cmds_abandon(struct scmi *s);

/* Tells the guest: a notification of words.  One that finds no room is lost. */
void scmi_tell(struct scmi *s, unsigned int proto, unsigned int id, const uint32_t *words, unsigned int n);

int scmi_status_of(int err);

/* The protocols that there are; ends with NULL. */
extern const struct scmi_proto *const scmi_protos[];
extern const struct scmi_proto scmi_base, scmi_power, scmi_system, scmi_perf, scmi_clock, scmi_sensor, scmi_reset,
	scmi_voltage, scmi_powercap, scmi_pinctrl;
/* Whether the guest sees it. */
bool scmi_proto_there(const struct scmi *s, const struct scmi_proto *p);

/* ---- scmi_io.c */

/* Begins an operation, when those on this thing before it have ended. */
void scmi_io_start(struct scmi_io *io);
void scmi_io_init(struct scmi_io *io);
void scmi_io_stop(struct scmi *s, struct scmi_io *io);
/* What the guest has changed goes back. */
void scmi_restore(struct scmi_res *r);
/* Sets what there was before one set, as the guest knows it. */
void scmi_undo(struct scmi_res *r, enum scmi_what what);
/* Sets what a guest that moved here has set elsewhere, BIT(what): guest.set. */
void scmi_take_over(struct scmi_res *r, unsigned int changed);
/* All that the guest has made of it is forgotten. */
void scmi_guest_forget(struct scmi_res *r);

/* ---- scmi_sensor.c: readings of their own accord */
void scmi_sensor_watch(struct scmi_res *r);
void scmi_sensor_init(struct scmi_res *r);
/* Another measurement of a power cap. */
void scmi_powercap_measured(struct scmi_res *r, int64_t power);
/* A fake thing has another value: those who watch it are told. */
void scmi_changed(struct scmi_res *r);

/* ---- scmi_perf.c */
/* Limits, highest and lowest, of which one may be 0: that is the one there is. */
void scmi_limits_fill(const struct scmi_res *r, int64_t v[static 2]);

/* ---- scmi_system.c */
int scmi_system_open(struct scmi *s);
void scmi_system_close(struct scmi *s);
void scmi_system_needs(const struct scmi *s, struct sandbox *sb);
/* The operator's: asks the guest to shut down (0), to reset (1).  Returns 0, or -ENOTCONN: it does not listen. */
int scmi_system_ask(struct scmi *s, uint32_t state, bool graceful);

/* ---- scmi_opts.c */
extern const struct opt scmi_opts[];
extern const struct scmi_type *const scmi_types[];
int scmi_check(struct scmi *s);
bool scmi_print(const struct vdev *d, FILE *out);
/* Opens all things.  Returns 0 or -errno after a line. */
int scmi_things_open(struct scmi *s);
void scmi_things_close(struct scmi *s);
/* The thing of this name, or NULL. */
struct scmi_res *scmi_named(struct scmi *s, const struct word *name);

/* ---- scmi_state.c */
void scmi_save(struct vdev *d, struct state *state);
int scmi_load(struct vdev *d, const struct state_record *r);

/* ---- scmi_control.c */
extern const struct control_command scmi_commands[];
/* Who watches the control socket is told of what the guest has set. */
void scmi_tell_operator(const struct scmi_res *r, const struct scmi_io *io);

#endif
