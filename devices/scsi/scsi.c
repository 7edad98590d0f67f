/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi.c - SCSI host device: VIRTIO 1.4, section 5.6.  Target 0 has the logical units; what they do with commands is
 * scsi_cmd.c's.
 *
 * A task management function that ends tasks is answered when all of them have been.  One is under way at a time;
 * others stay in the ring.
 */
#include "devices/scsi/scsi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/fs.h>

#include "devices/lib/events.h"
#include "devices/scsi/scsi_setup.h"
#include "devices/scsi/scsi_sg.h"

/* VIRTIO_SCSI_F_* */
enum { F_INOUT = 0, F_HOTPLUG = 1, F_CHANGE = 2 };

enum { CONTROLQ, EVENTQ, REQUESTQ };

/* VIRTIO_SCSI_T_* */
enum { T_TMF = 0, T_AN_QUERY = 1, T_AN_SUBSCRIBE = 2 };

/* VIRTIO_SCSI_T_TMF_* */
enum {
	TMF_ABORT_TASK,
	TMF_ABORT_TASK_SET,
	TMF_CLEAR_ACA,
	TMF_CLEAR_TASK_SET,
	TMF_I_T_NEXUS_RESET,
	TMF_LOGICAL_UNIT_RESET,
	TMF_QUERY_TASK,
	TMF_QUERY_TASK_SET,
};

/* VIRTIO_SCSI_T_* of events, and their reasons */
#define EVENT_MISSED	      0x80000000u
#define EVENT_NONE	      0u
#define EVENT_TRANSPORT_RESET 1u
#define EVENT_PARAM_CHANGE    3u
#define REASON_RESCAN	      1u
#define REASON_REMOVED	      2u
#define REASON_CAPACITY	      (0x2au | 0x09u << 8)

struct virtio_scsi_config {
	le32 num_queues;
	le32 seg_max;
	le32 max_sectors;
	le32 cmd_per_lun;
	le32 event_info_size;
	le32 sense_size;
	le32 cdb_size;
	le16 max_channel;
	le16 max_target;
	le32 max_lun;
} __attribute__((packed));

/* What stands before the CDB, and before the sense data. */
struct virtio_scsi_cmd_req {
	uint8_t lun[8];
	le64 id;
	uint8_t task_attr;
	uint8_t prio;
	uint8_t crn;
} __attribute__((packed));

struct virtio_scsi_cmd_resp {
	le32 sense_len;
	le32 residual;
	le16 status_qualifier;
	uint8_t status;
	uint8_t response;
} __attribute__((packed));

struct virtio_scsi_ctrl_tmf {
	le32 subtype;
	uint8_t lun[8];
	le64 id;
} __attribute__((packed));

struct virtio_scsi_ctrl_an {
	uint8_t lun[8];
	le32 event_requested;
} __attribute__((packed));

struct virtio_scsi_ctrl_an_resp {
	le32 event_actual;
	uint8_t response;
} __attribute__((packed));

struct virtio_scsi_event {
	le32 event;
	uint8_t lun[8];
	le32 reason;
} __attribute__((packed));

_Static_assert(sizeof(struct virtio_scsi_config) == 36, "VIRTIO 1.4, section 5.6.4");
_Static_assert(sizeof(struct virtio_scsi_cmd_req) == 19, "struct virtio_scsi_req_cmd up to cdb");
_Static_assert(sizeof(struct virtio_scsi_cmd_resp) == 12, "struct virtio_scsi_req_cmd from sense_len to sense");
_Static_assert(sizeof(struct virtio_scsi_ctrl_tmf) == 20, "struct virtio_scsi_ctrl_tmf behind type");
_Static_assert(sizeof(struct virtio_scsi_ctrl_an) == 12, "struct virtio_scsi_ctrl_an behind type");
_Static_assert(sizeof(struct virtio_scsi_ctrl_an_resp) == 5, "struct virtio_scsi_ctrl_an from event_actual on");
_Static_assert(sizeof(struct virtio_scsi_event) == 16, "struct virtio_scsi_event");

#define QUEUES_MAX 32 /* request queues */
#define QUEUE_SIZE 128
#define QUEUE_MAX  1024
#define SEG_MAX	   126
#define EVENTS	   64

#define WORKERS 16 /* threads, at most */

/* How long the end waits for what the host does not give back, ms. */
#define CLOSE_PATIENCE 1000

struct scsi {
	struct vdev d;
	/* options */
	struct scsi_lun luns[SCSI_LUNS_MAX];
	bool read_only, share;
	unsigned int cache, aio;
	uint64_t nqueues;
	const char *folder;
	/* host */
	struct uring *ring;
	struct disk_sim *sim;
	struct disk_watch *watch;
	struct work_queue *work; /* for what would keep the loop waiting */
	size_t bounced;		 /* bytes of buffers */
	struct vdev_queue_desc queues[REQUESTQ + QUEUES_MAX];
	struct scsi_task *tasks[QUEUES_MAX];   /* of each queue QUEUE_MAX, by chain_id */
	struct scsi_lun *order[SCSI_LUNS_MAX]; /* those that are there, by number */
	unsigned int nluns;
	/* guest */
	uint32_t sense_size, cdb_size;
	struct events events;
	bool missed;	       /* an event found no room, and the driver was not told */
	struct chain *tmf;     /* the task management function that is under way */
	unsigned int tmf_left; /* tasks that it waits for */
};

static struct scsi *to_scsi(struct vdev *d)
{
	return container_of(d, struct scsi, d);
}

struct vdev *scsi_vdev(struct scsi *s)
{
	return &s->d;
}

struct work_queue *scsi_workers(struct scsi *s)
{
	return s->work;
}

size_t scsi_bounced(struct scsi *s, ssize_t bytes)
{
	s->bounced += (size_t)bytes;
	return s->bounced;
}

/* ---- logical units */

static bool lun_is_open(const struct scsi_lun *lun)
{
	return lun->disk || lun->sg;
}

static uint64_t lun_size(const struct scsi_lun *lun)
{
	return lun->disk ? disk_info(lun->disk)->size : 0;
}

struct scsi_lun *scsi_lun_nth(struct scsi *s, unsigned int n)
{
	return n < s->nluns ? s->order[n] : NULL;
}

struct scsi_lun *scsi_lun_find(struct scsi *s, unsigned int number)
{
	for (unsigned int i = 0; i < s->nluns; i++) {
		if (s->order[i]->number == number)
			return s->order[i];
	}
	return NULL;
}

static void order_add(struct scsi *s, struct scsi_lun *lun)
{
	unsigned int i = s->nluns++;

	for (; i && s->order[i - 1]->number > lun->number; i--)
		s->order[i] = s->order[i - 1];
	s->order[i] = lun;
	lun->present = true;
}

static void order_remove(struct scsi *s, const struct scsi_lun *lun)
{
	unsigned int i = 0;

	while (s->order[i] != lun)
		i++;
	for (s->nluns--; i < s->nluns; i++)
		s->order[i] = s->order[i + 1];
}

/* A number that no other unit has, and that is the same the next time: FNV-1a. */
static uint64_t id_of(const struct scsi_lun *lun)
{
	const char *text = lun->serial[0] ? lun->serial : lun->path ? lun->path : "sim";
	uint64_t id = 0xcbf29ce484222325u;

	for (; *text; text++)
		id = (id ^ (uint8_t)*text) * 0x100000001b3u;
	for (unsigned int n = lun->number + 1; n; n >>= 8)
		id = (id ^ (uint8_t)n) * 0x100000001b3u;
	return id;
}

static void unit_touched(void *arg);

static struct disk_args disk_args_of(struct scsi *s, struct scsi_lun *lun)
{
	return (struct disk_args){
		.d = &s->d,
		.ring = s->ring,
		.what = "--lun",
		.path = lun->path,
		.sim = s->sim,
		.size = lun->sim_size,
		.read_only = lun->read_only,
		.share = s->share,
		.cache = s->cache,
		.work = s->work,
		.watch = s->watch,
		.touched = unit_touched,
		.arg = lun,
	};
}

/* Opens a unit's disk.  Returns 0, or -errno after a line; without one -ENOMEM. */
static int lun_disk_open(struct scsi *s, struct scsi_lun *lun)
{
	const struct disk_args args = disk_args_of(s, lun);
	int err = disk_open(&args, &lun->disk);

	if (err)
		return err;
	lun->read_only = args.read_only;
	lun->block = lun->block_option ? (unsigned int)lun->block_option : disk_info(lun->disk)->block;
	if (lun->block < disk_info(lun->disk)->block || disk_info(lun->disk)->size < lun->block) {
		log_error(&s->d.log, "--lun=%u: blocks of %u bytes: the disk has %llu bytes in blocks of %u",
			  lun->number, lun->block, (unsigned long long)disk_info(lun->disk)->size,
			  disk_info(lun->disk)->block);
		err = -EINVAL;
	}
	if (!err && lun->kept_path[0])
		err = scsi_kept_open(lun, &args);
	if (err) {
		disk_close(lun->disk);
		lun->disk = NULL;
	}
	return err;
}

/* What a unit is as after power-on; a device of the host tells of its own. */
static void lun_power_on(struct scsi_lun *lun)
{
	lun->attention = lun->sg ? 0 : UA_POWER_ON;
}

/* Opens a unit.  Returns 0, or -errno after a line. */
static int lun_open(struct scsi *s, struct scsi_lun *lun)
{
	int err;

	lun->read_only |= s->read_only;
	err = lun->passthrough ? scsi_sg_open(s, lun) : lun_disk_open(s, lun);
	if (err) {
		if (err == -ENOMEM)
			log_error(&s->d.log, "out of memory");
		return err;
	}
	lun->s = s;
	list_init(&lun->tasks);
	list_init(&lun->waiting);
	lun->id = id_of(lun);
	if (!lun->serial[0])
		snprintf(lun->serial, sizeof(lun->serial), "%016llx", (unsigned long long)lun->id);
	lun_power_on(lun);
	order_add(s, lun);
	return 0;
}

void scsi_lun_left(struct scsi_lun *lun)
{
	if (lun->present || !lun_is_open(lun) || !list_empty(&lun->tasks) || lun->kept_busy)
		return;
	disk_close(lun->disk);
	disk_close(lun->kept);
	scsi_sg_close(lun);
	lun->disk = lun->kept = NULL;
}

/* ---- tasks */

/* All functions of a task management function have ended. */
static void tmf_answer(struct scsi *s, uint8_t response)
{
	struct chain *c = s->tmf;

	s->tmf = NULL;
	chain_put(c, &response, sizeof(response));
	virtq_push(c);
	virtq_again(vdev_queue(&s->d, CONTROLQ));
}

void scsi_task_end(struct scsi_task *t)
{
	uint8_t sense[SCSI_SENSE_MAX] = {0};
	struct virtio_scsi_cmd_resp resp = {.response = t->aborted ? t->aborted : t->response};
	size_t sense_room = chain_writable(t->chain) - t->in_room - sizeof(resp);
	struct scsi *s = t->s;
	struct scsi_lun *lun = t->lun;
	uint64_t left;

	if (t->aborted || t->response != SCSI_S_OK) {
		t->in_len = t->out_used = 0;
	} else {
		resp.status = t->status;
		if (t->passed) {
			resp.sense_len = htole32((uint32_t)min_size(t->call.sense_len, sense_room));
			memcpy(sense, t->call.sense, t->call.sense_len);
		} else if (t->status == SCSI_CHECK_CONDITION)
			resp.sense_len = htole32((uint32_t)min_size(
				scsi_sense_put(sense, false, t->sense, t->has_info, t->info), sense_room));
	}
	if (!t->passed && t->status != SCSI_GOOD && t->status != SCSI_CONDITION_MET)
		t->in_len = 0;
	/* Of both directions together: VIRTIO 1.4, section 5.6.6.1. */
	left = t->in_room - t->in_len + t->out_len - min_size(t->out_used, t->out_len);
	resp.residual = htole32((uint32_t)min_u64(left, UINT32_MAX));
	chain_put(t->chain, &resp, sizeof(resp));
	chain_put(t->chain, sense, sense_room);
	chain_wrote(t->chain, t->in_len);
	t->busy = false;
	virtq_push(t->chain);
	if (lun)
		scsi_task_left(t);
	if (t->marked) {
		t->marked = false;
		if (--s->tmf_left == 0)
			tmf_answer(s, SCSI_S_OK);
	}
	if (lun)
		scsi_lun_left(lun);
}

bool scsi_data_get(struct scsi_task *t, void *buf, size_t len)
{
	if (!chain_get(t->chain, buf, len))
		return false;
	t->out_used += len;
	return true;
}

void scsi_data_end(struct scsi_task *t, const void *buf, size_t len, size_t alloc)
{
	len = min_size(len, alloc);
	if (len > t->in_room) {
		t->response = SCSI_S_OVERRUN;
		scsi_task_end(t);
		return;
	}
	chain_put_at(t->chain, chain_writable(t->chain) - t->in_room, buf, len);
	t->in_len = len;
	scsi_end_good(t);
}

/*
 * Finds the unit that eight bytes address: VIRTIO 1.4, section 5.6.6.1; flat and extended flat addresses of SAM-5.
 * Returns false: no such target.
 */
static bool lun_address(struct scsi *s, const uint8_t *a, struct scsi_lun **lun, bool *well_known)
{
	unsigned int number = (unsigned int)scsi_get(a + 2, 2);

	*lun = NULL;
	*well_known = a[0] == 0xc1 && a[1] == 0x01;
	if (*well_known)
		return true;
	if (a[0] != 1 || a[1] != 0)
		return false;
	if (number >> 14 == 1)
		number &= 0x3fff;
	else if (a[2] == 0xd2)
		number = (unsigned int)scsi_get(a + 3, 3);
	else if (number > 255)
		return true;
	*lun = scsi_lun_find(s, number);
	return true;
}

static void task_init(struct scsi *s, struct scsi_task *t, struct chain *c)
{
	memset(t, 0, offsetof(struct scsi_task, r));
	memset(&t->r, 0, offsetof(struct disk_req, way));
	t->s = s;
	t->chain = c;
	t->busy = true;
	list_init(&t->lun_node);
	list_init(&t->wait_node);
}

static void request_serve(struct scsi *s, struct chain *c)
{
	struct scsi_task *t = &s->tasks[virtq_index(chain_queue(c)) - REQUESTQ][chain_id(c)];
	size_t resp_len = sizeof(struct virtio_scsi_cmd_resp) + s->sense_size;
	struct virtio_scsi_cmd_req req;
	bool target;

	if (chain_writable(c) < resp_len) {
		log_guest(&s->d.log, "refused request: no room for a response");
		virtq_push(c);
		return;
	}
	task_init(s, t, c);
	t->in_room = chain_writable(c) - resp_len;
	if (chain_readable(c) < sizeof(req) + s->cdb_size) {
		log_guest(&s->d.log, "refused request: its readable part is no command");
		t->response = SCSI_S_FAILURE;
		scsi_task_end(t);
		return;
	}
	chain_get(c, &req, sizeof(req));
	chain_get(c, t->cdb, s->cdb_size);
	t->out_len = chain_readable(c);
	t->tag = le64toh(req.id);
	t->attribute = req.task_attr;
	target = lun_address(s, req.lun, &t->lun, &t->well_known);
	if (!target)
		t->response = SCSI_S_BAD_TARGET;
	else if (t->out_len && t->in_room && !(s->d.features & BIT(F_INOUT)))
		t->response = SCSI_S_FAILURE;
	if (t->response != SCSI_S_OK) {
		t->lun = NULL;
		scsi_task_end(t);
		return;
	}
	scsi_task_begin(t);
}

/* ---- the control queue */

/* Ends a task early.  What the host has begun ends when the host has. */
static void task_abort(struct scsi_task *t, uint8_t response)
{
	if (!t->aborted)
		t->aborted = response;
	if (t->running && t->passed)
		scsi_sg_cancel(t);
	else if (t->running)
		disk_cancel(&t->r);
	else
		scsi_task_end(t);
}

/*
 * Ends the tasks of a unit: all, or that with this tag.  The function under way waits for those that do not end at
 * once, where mark is set.
 */
static void lun_abort(struct scsi_lun *lun, const uint64_t *tag, uint8_t response, bool mark)
{
	struct list *node, *next;
	bool outer = lun->starting;

	lun->starting = true;
	for (node = lun->tasks.next; node != &lun->tasks; node = next) {
		struct scsi_task *t = container_of(node, struct scsi_task, lun_node);

		next = node->next;
		if (tag && t->tag != *tag)
			continue;
		if (mark && t->running) {
			t->marked = true;
			lun->s->tmf_left++;
		}
		task_abort(t, response);
	}
	lun->starting = outer;
	scsi_lun_go(lun);
}

static bool task_is_there(const struct scsi_lun *lun, const uint64_t *tag)
{
	for (const struct list *node = lun->tasks.next; node != &lun->tasks; node = node->next) {
		if (!tag || container_of(node, struct scsi_task, lun_node)->tag == *tag)
			return true;
	}
	return false;
}

static void nexus_reset(struct scsi *s)
{
	/* Also what is still under way of a unit that was removed. */
	for (unsigned int i = 0; i < SCSI_LUNS_MAX; i++) {
		if (!s->luns[i].s)
			continue;
		lun_abort(&s->luns[i], NULL, SCSI_S_RESET, true);
		scsi_lun_reset(&s->luns[i], UA_NEXUS_LOSS);
	}
}

/* Carries a function out.  Returns its response, of good ones when the tasks that it ends have ended. */
static uint8_t tmf_run(struct scsi *s, const struct virtio_scsi_ctrl_tmf *tmf)
{
	uint32_t subtype = le32toh(tmf->subtype);
	uint64_t tag = le64toh(tmf->id);
	struct scsi_lun *lun;
	bool well_known;

	if (!lun_address(s, tmf->lun, &lun, &well_known))
		return SCSI_S_BAD_TARGET;
	if (subtype == TMF_I_T_NEXUS_RESET) {
		nexus_reset(s);
		return SCSI_S_OK;
	}
	if (!lun)
		return SCSI_S_INCORRECT_LUN;
	switch (subtype) {
	case TMF_ABORT_TASK:
		lun_abort(lun, &tag, SCSI_S_ABORTED, true);
		return SCSI_S_OK;
	case TMF_ABORT_TASK_SET:
	case TMF_CLEAR_TASK_SET:
		lun_abort(lun, NULL, SCSI_S_ABORTED, true);
		return SCSI_S_OK;
	case TMF_LOGICAL_UNIT_RESET:
		lun_abort(lun, NULL, SCSI_S_RESET, true);
		scsi_lun_reset(lun, UA_RESET);
		return SCSI_S_OK;
	case TMF_QUERY_TASK:
		return task_is_there(lun, &tag) ? SCSI_S_FUNCTION_SUCCEEDED : SCSI_S_OK;
	case TMF_QUERY_TASK_SET:
		return task_is_there(lun, NULL) ? SCSI_S_FUNCTION_SUCCEEDED : SCSI_S_OK;
	default:
		return SCSI_S_FUNCTION_REJECTED;
	}
}

static void tmf_serve(struct scsi *s, struct chain *c)
{
	struct virtio_scsi_ctrl_tmf tmf;
	uint8_t response = SCSI_S_FUNCTION_REJECTED;

	s->tmf = c;
	if (chain_get(c, &tmf, sizeof(tmf))) {
		/* While the tasks are ended, none of them answers for all. */
		s->tmf_left = 1;
		response = tmf_run(s, &tmf);
		s->tmf_left--;
	}
	if (!s->tmf_left)
		tmf_answer(s, response);
}

/* A disk has no asynchronous events: those of MMC devices. */
static void an_serve(struct scsi *s, struct chain *c)
{
	struct virtio_scsi_ctrl_an an;
	struct virtio_scsi_ctrl_an_resp resp = {.response = SCSI_S_FAILURE};
	struct scsi_lun *lun;
	bool well_known;

	if (chain_get(c, &an, sizeof(an)))
		resp.response = !lun_address(s, an.lun, &lun, &well_known) ? SCSI_S_BAD_TARGET
				: lun					   ? SCSI_S_OK
									   : SCSI_S_INCORRECT_LUN;
	chain_put(c, &resp, min_size(sizeof(resp), chain_writable(c)));
	virtq_push(c);
}

static void control_kick(struct scsi *s)
{
	struct chain *c;

	while (!s->tmf && (c = virtq_pop(vdev_queue(&s->d, CONTROLQ)))) {
		le32 type = htole32(UINT32_MAX);

		chain_get(c, &type, sizeof(type));
		if (le32toh(type) == T_TMF && chain_writable(c)) {
			tmf_serve(s, c);
		} else if (le32toh(type) == T_AN_QUERY || le32toh(type) == T_AN_SUBSCRIBE) {
			an_serve(s, c);
		} else {
			log_guest(&s->d.log, "refused control request of type %u", le32toh(type));
			virtq_push(c);
		}
	}
}

/* ---- events */

static void event_put(struct scsi *s, uint32_t event, const struct scsi_lun *lun, uint32_t reason)
{
	struct virtio_scsi_event e = {
		.event = htole32(event | (s->missed ? EVENT_MISSED : 0)),
		.reason = htole32(reason),
	};

	if (lun) {
		e.lun[0] = 1;
		/* As REPORT LUNS tells it: Linux looks for these very bytes. */
		scsi_put(e.lun + 2, 2, lun->number > 255 ? 0x4000u | lun->number : lun->number);
	}
	s->missed = !events_put(&s->events, &e, sizeof(e));
}

/* A unit may have another size: the driver is told. */
static void unit_touched(void *arg)
{
	struct scsi_lun *lun = arg;

	if (!lun->present || !lun->disk || !disk_look(lun->disk))
		return;
	log_debug(&lun->s->d.log, "unit %u has %llu bytes now", lun->number,
		  (unsigned long long)disk_info(lun->disk)->size);
	lun->attention |= UA_CAPACITY;
	if (lun->s->d.features & BIT(F_CHANGE))
		event_put(lun->s, EVENT_PARAM_CHANGE, lun, REASON_CAPACITY);
}

static void scsi_hangup(struct vdev *d)
{
	struct scsi *s = to_scsi(d);

	for (unsigned int i = 0; i < s->nluns; i++)
		unit_touched(s->order[i]);
}

static void scsi_kick(struct vdev *d, unsigned int q)
{
	struct scsi *s = to_scsi(d);
	struct virtq *vq = vdev_queue(d, q);
	struct chain *c;

	if (q == CONTROLQ) {
		control_kick(s);
	} else if (q == EVENTQ) {
		events_kick(&s->events);
		if (s->missed && events_waiting(&s->events) < EVENTS)
			event_put(s, EVENT_NONE, NULL, 0);
	} else {
		while ((c = virtq_pop(vq)))
			request_serve(s, c);
	}
}

/* Tasks under way end, and are answered then; and with them the task management function. */
static void scsi_quiesce(struct vdev *d, unsigned int q)
{
	if (q == EVENTQ)
		events_quiesce(&to_scsi(d)->events);
}

static void scsi_reset(struct vdev *d)
{
	struct scsi *s = to_scsi(d);

	s->sense_size = SCSI_SENSE_DEFAULT;
	s->cdb_size = SCSI_CDB_DEFAULT;
	s->missed = false;
	events_reset(&s->events);
	for (unsigned int i = 0; i < s->nluns; i++) {
		struct scsi_lun *lun = s->order[i];

		scsi_lun_reset(lun, 0);
		lun_power_on(lun);
		lun->ejected = false;
		scsi_reserve_reset(lun);
	}
}

/* ---- the configuration space */

/* Of a command, where no device of the host takes less. */
#define MAX_SECTORS 0xffffu

static void scsi_config(struct vdev *d, void *buf)
{
	const struct scsi *s = to_scsi(d);
	size_t most = (size_t)MAX_SECTORS * DISK_SECTOR;

	for (unsigned int i = 0; i < s->nluns; i++)
		most = scsi_sg_max_len(s->order[i], most);

	const struct virtio_scsi_config c = {
		.num_queues = htole32((uint32_t)s->nqueues),
		.seg_max = htole32(SEG_MAX),
		.max_sectors = htole32((uint32_t)(most / DISK_SECTOR)),
		.cmd_per_lun = htole32(QUEUE_SIZE),
		.event_info_size = htole32(sizeof(struct virtio_scsi_event)),
		.sense_size = htole32(s->sense_size),
		.cdb_size = htole32(s->cdb_size),
		.max_lun = htole32(SCSI_LUN_LAST),
	};

	memcpy(buf, &c, sizeof(c));
}

static int scsi_config_write(struct vdev *d, size_t off, const void *buf, size_t len)
{
	struct scsi *s = to_scsi(d);
	le32 value;

	if (len != sizeof(value))
		return -EINVAL;
	memcpy(&value, buf, sizeof(value));
	if (off == offsetof(struct virtio_scsi_config, sense_size) && le32toh(value) <= SCSI_SENSE_MAX) {
		s->sense_size = le32toh(value);
		return 0;
	}
	if (off == offsetof(struct virtio_scsi_config, cdb_size) && le32toh(value) >= 16 &&
	    le32toh(value) <= SCSI_CDB_MAX) {
		s->cdb_size = le32toh(value);
		return 0;
	}
	return -EINVAL;
}

/* ---- a guest that moves */

/* The record "sizes", and for each unit one "unit". */
struct sizes_state {
	le32 sense_size, cdb_size;
} __attribute__((packed));

struct unit_state {
	le64 size, key;
	le32 number, block, generation;
	uint8_t attention, flags, type, padding;
} __attribute__((packed));

enum { NO_CACHE = 1, STOPPED = 2, EJECTED = 4, PREVENTED = 8, REGISTERED = 16, RESERVED = 32, APTPL = 64 };

static void scsi_save(struct vdev *d, struct state *state)
{
	const struct scsi *s = to_scsi(d);
	const struct sizes_state sizes = {htole32(s->sense_size), htole32(s->cdb_size)};

	state_put(state, "sizes", &sizes, sizeof(sizes));
	for (unsigned int i = 0; i < s->nluns; i++) {
		const struct scsi_lun *lun = s->order[i];
		const struct unit_state unit = {
			.size = htole64(lun_size(lun)),
			.key = htole64(lun->pr.key),
			.number = htole32(lun->number),
			.block = htole32(lun->block),
			.generation = htole32(lun->pr.generation),
			.attention = (uint8_t)lun->attention,
			.flags = (uint8_t)(lun->no_cache * NO_CACHE | lun->stopped * STOPPED | lun->ejected * EJECTED |
					   lun->prevented * PREVENTED | lun->pr.registered * REGISTERED |
					   lun->pr.reserved * RESERVED | lun->pr.aptpl * APTPL),
			.type = lun->pr.type,
		};

		state_put(state, "unit", &unit, sizeof(unit));
	}
	events_save(&s->events, state);
}

/* Where the guest came from, records may have been written since the file was read here: later numbers than all of those. */
#define KEPT_STEP (UINT64_C(1) << 32)

static int unit_load(struct scsi *s, const struct state_record *r)
{
	struct unit_state u;
	struct scsi_lun *lun;

	if (r->len != sizeof(u))
		return -EINVAL;
	memcpy(&u, r->bytes, sizeof(u));
	lun = scsi_lun_find(s, le32toh(u.number));
	if (!lun || lun->block != le32toh(u.block) || lun_size(lun) != le64toh(u.size)) {
		log_guest(&s->d.log,
			  "the state has unit %u, of %llu bytes in blocks of %u, and here is none that is so",
			  le32toh(u.number), (unsigned long long)le64toh(u.size), le32toh(u.block));
		return -EINVAL;
	}
	if (u.attention >= UA_MEDIUM * 2 || u.flags >= APTPL * 2 || u.type > 8 || u.padding ||
	    (u.flags & (RESERVED | APTPL) && !(u.flags & REGISTERED)))
		return -EINVAL;
	if (u.flags & APTPL && !lun->kept) {
		log_guest(&s->d.log,
			  "the state has reservations of unit %u that are to be kept, and here is no file for them",
			  lun->number);
		return -EINVAL;
	}
	lun->attention = u.attention;
	lun->no_cache = u.flags & NO_CACHE;
	lun->stopped = u.flags & STOPPED;
	lun->ejected = u.flags & EJECTED;
	lun->prevented = u.flags & PREVENTED;
	lun->pr = (struct scsi_reservation){
		.registered = u.flags & REGISTERED,
		.reserved = u.flags & RESERVED,
		.aptpl = u.flags & APTPL,
		.type = u.type,
		.generation = le32toh(u.generation),
		.key = le64toh(u.key),
	};
	/* Also where none are kept: the file may have some that were given up since it was read here. */
	if (lun->kept) {
		lun->kept_written += KEPT_STEP;
		scsi_kept_write(lun);
	}
	return 0;
}

static int scsi_load(struct vdev *d, const struct state_record *r)
{
	struct scsi *s = to_scsi(d);
	struct sizes_state sizes;
	int err;

	if (strcmp(r->name, "unit") == 0)
		return unit_load(s, r);
	if (strcmp(r->name, "sizes") != 0) {
		err = events_load(&s->events, r);
		return err == -ENOENT ? -EINVAL : err;
	}
	if (r->len != sizeof(sizes))
		return -EINVAL;
	memcpy(&sizes, r->bytes, sizeof(sizes));
	if (le32toh(sizes.sense_size) > SCSI_SENSE_MAX || le32toh(sizes.cdb_size) < 16 ||
	    le32toh(sizes.cdb_size) > SCSI_CDB_MAX)
		return -EINVAL;
	s->sense_size = le32toh(sizes.sense_size);
	s->cdb_size = le32toh(sizes.cdb_size);
	return 0;
}

/* ---- the operator */

/* Finds the unit that a command names. */
static struct scsi_lun *command_lun(struct scsi *s, const char *arg, char *why, size_t why_size)
{
	struct scsi_lun *lun = NULL;
	uint64_t n;

	if (opt_parse_number(arg, false, &n) == 0 && n <= SCSI_LUN_LAST)
		lun = scsi_lun_find(s, (unsigned int)n);
	if (!lun)
		snprintf(why, why_size, "'%.40s': the number of a unit is wanted (list shows them)", arg);
	return lun;
}

static int run_list(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct scsi *s = to_scsi(arg);

	for (unsigned int i = 0; i < s->nluns; i++) {
		const struct scsi_lun *lun = s->order[i];

		if (lun->sg) {
			control_say(c, "%u %s passed through%s", lun->number, lun->path,
				    lun->read_only ? ", read-only" : "");
			continue;
		}
		control_say(c, "%u %s %llu bytes, blocks of %u, serial %s%s%s%s", lun->number,
			    lun->path ? lun->path : "simulated", (unsigned long long)disk_info(lun->disk)->size,
			    lun->block, lun->serial, lun->read_only ? ", read-only" : "",
			    lun->ejected ? ", ejected" : "", lun->pr.reserved ? ", reserved" : "");
	}
	return 0;
}

static int run_resize(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct scsi *s = to_scsi(arg);
	struct scsi_lun *lun = command_lun(s, argv[0], why, why_size);

	if (!lun)
		return -EINVAL;
	unit_touched(lun);
	control_say(c, "%llu", (unsigned long long)lun_size(lun));
	return 0;
}

/* Every unit tells that there are others now. */
static void luns_changed(struct scsi *s, const struct scsi_lun *lun, uint32_t reason)
{
	for (unsigned int i = 0; i < s->nluns; i++) {
		if (s->order[i] != lun)
			s->order[i]->attention |= UA_LUNS;
	}
	if (s->d.features & BIT(F_HOTPLUG))
		event_put(s, EVENT_TRANSPORT_RESET, lun, reason);
}

static int run_add(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct scsi *s = to_scsi(arg);
	struct scsi_lun *lun = NULL, wanted = {0};
	int err;

	for (unsigned int i = 0; i < SCSI_LUNS_MAX && !lun; i++) {
		if (!s->luns[i].present && !lun_is_open(&s->luns[i]))
			lun = &s->luns[i];
	}
	err = scsi_setup_parse(&wanted, argv[0], why, why_size);
	if (err)
		return err;
	if (!lun || scsi_lun_find(s, wanted.number)) {
		snprintf(why, why_size, lun ? "unit %u is there already" : "%u: one unit too many", wanted.number);
		return -EEXIST;
	}
	if (wanted.passthrough) {
		snprintf(why, why_size, "%s: devices of the host are passed through from the start, by --lun",
			 wanted.path);
		return -EPERM;
	}
	if ((wanted.path || wanted.kept_path[0]) && !s->folder) {
		snprintf(why, why_size, "%s: no file can be opened (--folder=DIR allows those of a folder)",
			 wanted.path ? wanted.path : wanted.kept_path);
		return -EPERM;
	}
	*lun = wanted;
	lun->path = wanted.path ? lun->path_room : NULL;
	err = lun_open(s, lun);
	if (err) {
		lun->present = false;
		snprintf(why, why_size, "%.80s: %s", argv[0], strerror(-err));
		return err;
	}
	luns_changed(s, lun, REASON_RESCAN);
	return 0;
}

static int run_remove(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct scsi *s = to_scsi(arg);
	struct scsi_lun *lun = command_lun(s, argv[0], why, why_size);

	if (!lun)
		return -EINVAL;
	order_remove(s, lun);
	lun->present = false;
	luns_changed(s, lun, REASON_REMOVED);
	lun_abort(lun, NULL, SCSI_S_ABORTED, false);
	scsi_lun_left(lun);
	return 0;
}

static const struct control_command scsi_commands_of_operator[] = {
	{"list", "", "show the units", 0, 0, run_list},
	{"resize", "LUN", "look at a unit's size and tell the guest; shows the bytes", 1, 1, run_resize},
	{"add", "LUN:KEY,...", "a unit comes, as --lun has it", 1, 1, run_add},
	{"remove", "LUN", "a unit goes", 1, 1, run_remove},
	{0},
};

/* ---- open, close */

static int scsi_check(struct vdev *d)
{
	struct scsi *s = to_scsi(d);

	if (!s->luns[0].present) {
		log_usage(&d->log, "no unit (--lun=0:path=disk.img is wanted, or --lun=0:sim=64M)");
		return -EINVAL;
	}
	s->queues[CONTROLQ] = (struct vdev_queue_desc){.name = "controlq", .size = 64, .max = QUEUE_MAX};
	s->queues[EVENTQ] = (struct vdev_queue_desc){.name = "eventq", .size = 64, .max = QUEUE_MAX};
	for (unsigned int q = 0; q < s->nqueues; q++)
		s->queues[REQUESTQ + q] =
			(struct vdev_queue_desc){.name = "requestq", .size = QUEUE_SIZE, .max = QUEUE_MAX};
	d->face.queues = s->queues;
	d->face.nqueues = REQUESTQ + (unsigned int)s->nqueues;
	return 0;
}

/* What opening another file takes. */
static const struct sandbox_call folder_calls[] = {
	{.name = "open", .why = "units of the command add"},
	{.name = "openat", .why = "units of the command add"},
	{.name = "fstat", .why = "units of the command add"},
	{.name = "ftruncate", .why = "units of the command add"},
	{.name = "newfstatat", .why = "units of the command add"},
	{.name = "statx", .why = "units of the command add"},
	{.name = "pread64", .why = "units of the command add"},
	{.name = "inotify_add_watch", .why = "units of the command add"},
	{.name = "fcntl", .why = "units of the command add", .checks = {{1, SANDBOX_IS, F_OFD_SETLK}}},
	{.name = "fcntl", .why = "units of the command add", .checks = {{1, SANDBOX_IS, F_SETFL}}},
	{.name = "ioctl", .why = "block devices of the command add", .checks = {{1, SANDBOX_IS, BLKSSZGET}}},
	{.name = "ioctl", .why = "block devices of the command add", .checks = {{1, SANDBOX_IS, BLKPBSZGET}}},
	{.name = "ioctl", .why = "block devices of the command add", .checks = {{1, SANDBOX_IS, BLKIOMIN}}},
	{.name = "ioctl", .why = "block devices of the command add", .checks = {{1, SANDBOX_IS, BLKIOOPT}}},
	{.name = "ioctl", .why = "block devices of the command add", .checks = {{1, SANDBOX_IS, BLKROTATIONAL}}},
	{0},
};

static bool has_devices(const struct scsi *s)
{
	bool devices = false;

	for (unsigned int i = 0; i < SCSI_LUNS_MAX; i++)
		devices |= s->luns[i].passthrough;
	return devices;
}

static bool has_files(const struct scsi *s)
{
	bool files = s->folder != NULL;

	for (unsigned int i = 0; i < SCSI_LUNS_MAX; i++)
		files |= (s->luns[i].path && !s->luns[i].passthrough) || s->luns[i].kept_path[0];
	return files;
}

static void scsi_needs(const struct vdev *d, struct sandbox *sb)
{
	const struct scsi *s = container_of(d, struct scsi, d);
	const struct disk_args args = {.path = has_files(s) ? "" : NULL};

	disk_needs(&args, sb);
	if (has_devices(s)) {
		sandbox_calls(sb, work_calls);
		sandbox_calls(sb, scsi_sg_calls);
	}
	if (!s->folder)
		return;
	sandbox_calls(sb, folder_calls);
	sandbox_path(sb, s->folder, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_DEVICE, "units of the command add");
}

static int tasks_open(struct scsi *s)
{
	for (unsigned int q = 0; q < s->nqueues; q++) {
		s->tasks[q] = calloc(QUEUE_MAX, sizeof(*s->tasks[q]));
		if (!s->tasks[q])
			return -ENOMEM;
	}
	return 0;
}

static int scsi_open(struct vdev *d)
{
	struct scsi *s = to_scsi(d);
	const struct events_opts opts = {
		.queue = EVENTQ,
		.record = sizeof(struct virtio_scsi_event),
		.room = EVENTS,
		.full = EVENTS_REFUSE_NEWEST,
		.name = "eventq",
	};
	const struct work_opts work = {.threads = WORKERS};
	int err = tasks_open(s);

	s->sense_size = SCSI_SENSE_DEFAULT;
	s->cdb_size = SCSI_CDB_DEFAULT;
	if (!err)
		err = events_open(&s->events, d, &opts);
	if (!err) {
		s->sim = disk_sim_new(d);
		err = s->sim ? 0 : -ENOMEM;
	}
	if (!err && has_files(s))
		err = disk_ring_new(d, s->aio, &s->ring);
	if (!err && has_files(s)) {
		s->watch = disk_watch_new(d);
		err = s->watch ? 0 : -ENOMEM;
	}
	if (!err && (has_files(s) || has_devices(s)))
		err = work_queue_new(d->loop, &work, &s->work);
	if (err == -ENOMEM)
		log_error(&d->log, "out of memory");
	for (unsigned int i = 0; !err && i < SCSI_LUNS_MAX && s->luns[i].present; i++)
		err = lun_open(s, &s->luns[i]);
	return err;
}

static void scsi_close(struct vdev *d)
{
	struct scsi *s = to_scsi(d);

	bool idle = work_queue_free(s->work, CLOSE_PATIENCE);

	if (!uring_free(s->ring, CLOSE_PATIENCE) || !idle) {
		log_warn(&d->log, "a disk does not answer; its requests are left behind");
		return;
	}
	for (unsigned int i = 0; i < SCSI_LUNS_MAX; i++) {
		disk_close(s->luns[i].disk);
		disk_close(s->luns[i].kept);
		scsi_sg_close(&s->luns[i]);
	}
	disk_watch_free(s->watch);
	disk_sim_free(s->sim);
	events_close(&s->events);
	for (unsigned int q = 0; q < s->nqueues; q++)
		free(s->tasks[q]);
}

/* ---- options */

static int set_lun(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct scsi *s = obj;
	struct scsi_lun lun = {0};
	unsigned int n = 0;
	int err = scsi_setup_parse(&lun, value, why, why_size);

	if (err)
		return err;
	for (; n < SCSI_LUNS_MAX && s->luns[n].present; n++) {
		if (s->luns[n].number != lun.number)
			continue;
		snprintf(why, why_size, "unit %u is there already", lun.number);
		return -EINVAL;
	}
	if (n == SCSI_LUNS_MAX) {
		snprintf(why, why_size, "one too many (%d are possible)", SCSI_LUNS_MAX);
		return -EINVAL;
	}
	s->luns[n] = lun;
	s->luns[n].path = lun.path ? s->luns[n].path_room : NULL;
	s->luns[n].present = true;
	return 0;
}

static const struct opt scsi_opts[] = {
	{
		.name = "lun",
		.type = OPT_CALL,
		.arg = "N:KEY,...",
		.help = "a unit: 0:path=disk.img, 1:path=/dev/sdb,ro",
		.man = MAN("A logical unit of target 0, with a number from 0 to 16383; repeatable, up to 256 of them.  "
			   "These can follow "
			   "the colon, parted by commas:\n"
			   "\n"
			   "path=FILE is a raw file or a block device; sim=BYTES is a disk in memory instead.  ro: it "
			   "is write "
			   "protected.  serial=, vendor= and product= are what INQUIRY tells; without a serial number "
			   "there is "
			   "one that comes from the path.  block-size=512|4096: the default is 512, and with "
			   "--cache=none that of "
			   "the disk.  rotational: it turns.  thick: UNMAP is not offered, as it is otherwise where "
			   "the host can "
			   "give room back.  removable: the medium can be ejected.  reservations=FILE: a file, which "
			   "is made "
			   "where there is none, keeps persistent reservations that the guest wants kept (APTPL).\n"
			   "\n"
			   "sg=PATH, in the place of path=, is a device of the host that commands are passed to: "
			   "/dev/sgN, "
			   "/dev/bsg/..., or sim, a simulated one.  timeout=SECONDS is how long the host gives each "
			   "(60).  With it "
			   "goes ro."),
		.set = set_lun,
	},
	{
		.name = "read-only",
		.type = OPT_FLAG,
		.off = offsetof(struct scsi, read_only),
		.help = "all units are write protected",
		.letter = 'r',
	},
	DISK_OPTS(struct scsi),
	{
		.name = "num-queues",
		.type = OPT_UINT,
		.off = offsetof(struct scsi, nqueues),
		.arg = "N",
		.def = "4",
		.min = 1,
		.max = QUEUES_MAX,
		.help = "request queues",
	},
	{
		.name = "folder",
		.type = OPT_TEXT,
		.off = offsetof(struct scsi, folder),
		.arg = "DIR",
		.help = "files that the command add may open",
		.man = MAN("Files and block devices in this folder, and beneath, can come as units later, by the "
			   "command add on the "
			   "socket of --control."),
	},
	{0},
};

static const struct vdev_feature scsi_features[] = {
	{F_INOUT, "inout"}, {F_HOTPLUG, "hotplug"}, {F_CHANGE, "change"}, {0}};

static const struct vdev_queue_desc scsi_queues[REQUESTQ + 4] = {
	[CONTROLQ] = {.name = "controlq", .size = 64, .max = QUEUE_MAX},
	[EVENTQ] = {.name = "eventq", .size = 64, .max = QUEUE_MAX},
	[REQUESTQ... REQUESTQ + 3] = {.name = "requestq", .size = QUEUE_SIZE, .max = QUEUE_MAX},
};

/* A target that there is not; and, of the REPORT LUNS unit, whether it is ready. */
static const uint8_t sample_nobody[51] = {1, 255, 0x40};
static const uint8_t sample_ready[51] = {0xc1, 1};

static const char *check_nobody(const uint8_t *in, uint32_t used)
{
	if (used != 108)
		return "not a response with sense data";
	return in[11] == SCSI_S_BAD_TARGET ? NULL : "not VIRTIO_SCSI_S_BAD_TARGET";
}

static const char *check_ready(const uint8_t *in, uint32_t used)
{
	if (used != 108)
		return "not a response with sense data";
	return in[11] == SCSI_S_OK && in[10] == SCSI_GOOD ? NULL : "not ready";
}

#define SAMPLE(bytes) .queue = REQUESTQ, .out = (bytes), .out_len = sizeof(bytes), .in_len = 108

static const struct vdev_sample scsi_samples[] = {
	{.what = "TEST UNIT READY of a target that is not there", SAMPLE(sample_nobody), .check = check_nobody},
	{.what = "TEST UNIT READY", SAMPLE(sample_ready), .check = check_ready},
	{0},
};

static const char *const scsi_examples[] = {
	"vdevd scsi --socket-path=/run/scsi.sock --lun=0:path=root.img --lun=1:path=/dev/vg/data,ro --cache=none",
	"vdevd scsi --socket-path=/run/scsi.sock --lun=0:path=a.img --folder=/srv/disks --control=/run/scsi.ctl &",
	"vdevd ctl /run/scsi.ctl add 1:path=/srv/disks/b.img",
	"truncate -s 20G a.img",
	"vdevd ctl /run/scsi.ctl remove 1",
	NULL,
};

const struct vdev_class vdev_scsi_class = {
	.name = "scsi",
	.summary = "SCSI host",
	.about = MAN(
		"Gives a guest a SCSI host with disks: raw files or block devices of the host, as logical units of one "
		"target.\n"
		"\n"
		"The units know READ and WRITE of 6, 10, 12 and 16 bytes, VERIFY, WRITE AND VERIFY, COMPARE AND WRITE, "
		"WRITE SAME, "
		"UNMAP, SYNCHRONIZE CACHE, PRE-FETCH, READ CAPACITY, GET LBA STATUS (holes of files), "
		"INQUIRY with the "
		"pages 00, 80, 83, B0, B1 and B2, MODE SENSE and SELECT, LOG SENSE, REQUEST SENSE, REPORT LUNS, REPORT "
		"SUPPORTED "
		"OPERATION CODES, TEST UNIT READY, START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL, and persistent "
		"reservations, which "
		"last until the driver resets the device, or with reservations=FILE as long as that file, and keep "
		"nobody off, since the driver is the only initiator.  "
		"Bytes go "
		"straight from and to the guest's memory.\n"
		"\n"
		"Optimal unmap granularity is 64 KiB, below which Windows 11 trims nothing.\n"
		"\n"
		"Units come and go by the commands add and remove on the socket of --control; the guest is told each "
		"time.\n"
		"\n" DISK_RESIZE_MAN "\n"
		"A vdevd that was killed and is replaced finds commands that were under way again in the record that "
		"the front-end "
		"keeps, and carries them out.  A guest that moves (live migration) must find the same units there.\n"
		"\n"
		"Of the standard are missing: protection information (T10_PI), asynchronous events of optical drives, "
		"auto contingent "
		"allegiance.\n"
		"\n"
		"With sg=PATH a SCSI device of the host is a unit: a disk, tape, changer or scanner.  Commands go to "
		"it as they "
		"are, by SG_IO on worker threads, 16 at a time; data in both directions at once is refused.  Some are "
		"unknown commands to the guest: FORMAT UNIT, SEND DIAGNOSTIC, WRITE BUFFER (firmware), CHANGE "
		"DEFINITION, SANITIZE, third-party copies, ATA PASS-THROUGH, MAINTENANCE OUT, SECURITY PROTOCOL OUT, "
		"and what belongs to vendors (C0h to FFh), which some scanners want; optical drives have FORMAT UNIT, "
		"BLANK, PLAY AUDIO and REPORT KEY.  With ro only commands that read are known, whatever rights vdevd "
		"has; START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL are none.  The kernel's own filter of "
		"/dev/bsg/... holds as well.  What a command can move at most is told to the guest as the least of "
		"all these devices.  A command that the guest aborts is not waited for any more, and its memory not touched, but "
		"the device "
		"may still carry it out; with /dev/bsg it is waited for.  LOGICAL UNIT RESET does the same with all of "
		"a unit; "
		"the device itself is not reset, which would take rights.  Such units do not come by the command add, "
		"and a guest "
		"with one moves only to a host that has the same device.\n"
		"\n" DISK_SIM_MAN),
	.virtio_id = 8,
	.face.features = BIT(F_INOUT) | BIT(F_HOTPLUG) | BIT(F_CHANGE),
	.face.queues = scsi_queues,
	.face.nqueues = ARRAY_SIZE(scsi_queues),
	.face.config_size = sizeof(struct virtio_scsi_config),
	.feature_names = scsi_features,
	.opts = scsi_opts,
	.commands = scsi_commands_of_operator,
	.inst_size = sizeof(struct scsi),
	.samples = scsi_samples,
	.examples = MAN(scsi_examples),
	.check = scsi_check,
	.open = scsi_open,
	.needs = scsi_needs,
	.kick = scsi_kick,
	.quiesce = scsi_quiesce,
	.reset = scsi_reset,
	.config = scsi_config,
	.config_write = scsi_config_write,
	.save = scsi_save,
	.load = scsi_load,
	.hangup = scsi_hangup,
	.close = scsi_close,
};
