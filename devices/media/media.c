/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media.c - media device: VIRTIO 1.4, section "Media Device".
 *
 * Sessions are files of a host (media_host.h).  A command is answered before the next is looked at; one of them waits for somebody: an
 * MMAP, for the front-end to map the buffer.  Buffers that are done, V4L2's events and errors go to the driver's event queue, in order;
 * a buffer stays with the host while there is no room for it, so that none is lost.
 */
#include "devices/media/media.h"
#include "devices/media/media_save.h"
#include "devices/media/media_share.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { COMMANDQ, EVENTQ };

/* ---- events */

static bool of_session(const void *record, size_t len, const void *arg)
{
	const struct media_event_header *h = record;

	return le32toh(h->session_id) == *(const uint32_t *)arg;
}

struct told_buffers {
	uint32_t session, type;
};

static bool of_queue(const void *record, size_t len, const void *arg)
{
	const struct media_event_dqbuf *e = record;
	const struct told_buffers *told = arg;

	return le32toh(e->hdr.event) == VIRTIO_MEDIA_EVT_DQBUF && le32toh(e->hdr.session_id) == told->session &&
	       le32toh(e->buffer.type) == told->type;
}

static bool host_room(void *user)
{
	struct media_session *s = user;

	s->m->starved |= events_waiting(&s->m->events) >= MEDIA_EVENTS - MEDIA_EVENTS_SPARE;
	return events_waiting(&s->m->events) < MEDIA_EVENTS - MEDIA_EVENTS_SPARE;
}

static void host_dequeued(void *user, const struct media_buffer *b, const struct media_plane *planes, const struct media_picture *picture)
{
	struct media_session *s = user;
	struct media_event_dqbuf e = {.hdr = {htole32(VIRTIO_MEDIA_EVT_DQBUF), htole32(s->id)}, .buffer = *b};

	if (planes)
		memcpy(e.planes, planes, min_size(le32toh(b->length), VIRTIO_MEDIA_MAX_PLANES) * sizeof(e.planes[0]));
	media_snap_take(&s->m->snap, picture);
	s->m->count.dequeued++;
	s->m->count.lost += !events_put(&s->m->events, &e, sizeof(e));
}

static void host_forget(void *user, uint32_t type)
{
	struct media_session *s = user;
	const struct told_buffers told = {s->id, type};

	events_forget(&s->m->events, of_queue, &told);
}

/* An event of V4L2 may be lost, as a queue of the kernel loses one: its number is missing.  A buffer's may not. */
static void host_event(void *user, const struct media_v4l2_event *event)
{
	struct media_session *s = user;
	const struct media_event_event e = {{htole32(VIRTIO_MEDIA_EVT_EVENT), htole32(s->id)}, *event};

	if (events_waiting(&s->m->events) < MEDIA_EVENTS / 2 && events_put(&s->m->events, &e, sizeof(e)))
		s->m->count.events++;
	else
		s->m->count.lost++;
}

static void error_tell(struct media *m, uint32_t id, int err)
{
	const struct media_event_error e = {{htole32(VIRTIO_MEDIA_EVT_ERROR), htole32(id)}, htole32((uint32_t)err), 0};

	m->count.errors++;
	events_put(&m->events, &e, sizeof(e));
}

/* Its number stays taken until the driver has closed it. */
static void host_failed(void *user, int err)
{
	struct media_session *s = user;
	struct media_file *f = s->file;

	if (!f)
		return;
	s->file = NULL;
	s->m->ops->close(f);
	events_forget(&s->m->events, of_session, &s->id);
	error_tell(s->m, s->id, -err);
	log_guest(&s->m->d.log, "session %u has failed: %s", s->id, strerror(-err));
}

static const struct media_user_ops user_ops = {
	.dequeued = host_dequeued,
	.room = host_room,
	.forget = host_forget,
	.event = host_event,
	.failed = host_failed,
};

/* ---- sessions */

static struct media_session *session_find(struct media *m, uint32_t id)
{
	for (unsigned int i = 0; id && i < m->max_sessions; i++) {
		if (m->sessions[i].id == id)
			return &m->sessions[i];
	}
	return NULL;
}

static void session_close(struct media_session *s)
{
	struct media_file *f = s->file;

	if (f)
		s->m->ops->close(f);
	events_forget(&s->m->events, of_session, &s->id);
	s->file = NULL;
	s->id = 0;
}

/* Returns 0 and *out, or -errno. */
static int session_open(struct media *m, struct media_session **out)
{
	struct media_session *s = NULL;
	int err;

	for (unsigned int i = 0; !s && i < m->max_sessions; i++)
		s = m->sessions[i].id ? NULL : &m->sessions[i];
	if (!s)
		return -EBUSY;
	s->m = m;
	err = m->ops->open(m->host, s, &s->file);
	if (err)
		return err;
	do
		m->last_id++;
	while (!m->last_id || session_find(m, m->last_id));
	s->id = m->last_id;
	*out = s;
	return 0;
}

/* ---- commands */

static void status_push(struct media *m, struct chain *c, int err)
{
	const struct media_resp r = {htole32((uint32_t)-err), 0};

	m->count.refused += err != 0;
	if (!chain_put(c, &r, sizeof(r)))
		log_guest(&m->d.log, "a command without room for its answer");
	virtq_push(c);
}

static void cmd_open(struct media *m, struct chain *c)
{
	struct media_resp_open r = {0};
	struct media_session *s;
	int err;

	if (chain_writable(c) < sizeof(r)) {
		status_push(m, c, -EINVAL);
		return;
	}
	err = session_open(m, &s);
	if (err) {
		log_guest(&m->d.log, "a session cannot be opened: %s", err == -EBUSY ? "there are --max-sessions" : strerror(-err));
		status_push(m, c, err);
		return;
	}
	r.session_id = htole32(s->id);
	chain_put(c, &r, sizeof(r));
	virtq_push(c);
}

/* Has no answer. */
static void cmd_close(struct media *m, struct chain *c)
{
	struct media_cmd_close in;
	struct media_session *s = chain_get(c, &in, sizeof(in)) ? session_find(m, le32toh(in.session_id)) : NULL;

	if (s)
		session_close(s);
	else
		log_guest(&m->d.log, "a session is closed that there is not");
	virtq_push(c);
}

/* Reads what the driver has sent.  Returns 0 or -errno. */
static int payload_read(struct media *m, struct chain *c, const struct media_ioctl *io, size_t *nested)
{
	struct media_payload *p = &m->payload;

	*nested = 0;
	memset(p->bytes, 0, io->size);
	if (!(io->dir & MEDIA_W))
		return 0;
	if (!chain_get(c, p->bytes, io->size) || !media_ioctl_nested(io, p, nested) || !chain_get(c, p->nested, *nested))
		return -EINVAL;
	p->nested_len = *nested;
	return 0;
}

/* The address of what is nested stays as the driver has it. */
static size_t pointer_at(const struct media_ioctl *io)
{
	return io->nested == MEDIA_NESTED_PLANES ? offsetof(struct media_buffer, m) : offsetof(struct media_ext_controls, controls);
}

/* Runs an ioctl on the copy. */
static int ioctl_run(struct media *m, struct media_session *s, const struct media_ioctl *io, uint32_t code, size_t nested)
{
	struct media_payload *p = &m->payload;
	uint8_t pointer[sizeof(le64)];
	int err;

	memcpy(pointer, p->bytes + pointer_at(io), nested ? sizeof(pointer) : 0);
	err = media_ioctl_check(io, code, p);
	if (!err)
		err = m->ops->ioctl(s->file, code, p);
	memcpy(p->bytes + pointer_at(io), pointer, nested ? sizeof(pointer) : 0);
	return err;
}

/* Of an error only controls have more to say: which of them it was. */
static void ioctl_answer(struct media *m, struct chain *c, const struct media_ioctl *io, size_t nested, int err)
{
	const struct media_resp r = {htole32((uint32_t)-err), 0};
	size_t room = sizeof(r) + io->size + nested;

	m->count.refused += err != 0;
	if (!(io->dir & MEDIA_R) || (err && io->nested != MEDIA_NESTED_CONTROLS) || chain_writable(c) < room) {
		chain_put(c, &r, sizeof(r));
		virtq_push(c);
		return;
	}
	chain_put(c, &r, sizeof(r));
	chain_put(c, m->payload.bytes, io->size);
	chain_put(c, m->payload.nested, nested);
	virtq_push(c);
}

static void cmd_ioctl(struct media *m, struct chain *c)
{
	struct media_cmd_ioctl in;
	const struct media_ioctl *io;
	struct media_session *s;
	size_t nested;
	int err;

	m->count.ioctls++;
	if (!chain_get(c, &in, sizeof(in))) {
		status_push(m, c, -EINVAL);
		return;
	}
	s = session_find(m, le32toh(in.session_id));
	io = media_ioctl_find(le32toh(in.code));
	if (!s || !s->file || !io) {
		status_push(m, c, s && s->file ? -ENOTTY : s ? -ENODEV : -EBADF);
		return;
	}
	err = payload_read(m, c, io, &nested);
	/* What cannot be answered is not done. */
	if (!err && chain_writable(c) < sizeof(struct media_resp) + (io->dir & MEDIA_R ? io->size + nested : 0))
		err = -EINVAL;
	if (err) {
		status_push(m, c, err);
		return;
	}
	err = ioctl_run(m, s, io, le32toh(in.code), nested);
	ioctl_answer(m, c, io, nested, err);
}

static void mmap_answer(struct media *m, struct chain *c, const struct media_map *map)
{
	const struct media_resp_mmap r = {
		.driver_addr = htole64(map->ask.mapping.offset),
		.len = htole64(map->mem->size),
	};

	chain_put(c, &r, sizeof(r));
	virtq_push(c);
}

/* The front-end has answered. */
static void map_done(struct media_maps *maps, struct media_map *map, int err)
{
	struct media *m = container_of(maps, struct media, maps);
	struct chain *c = m->waiting;

	if (!c || m->waiting_map != map)
		return;
	m->waiting = NULL;
	m->waiting_map = NULL;
	if (err) {
		log_guest(&m->d.log, "the front-end does not map a buffer (%d)", err);
		status_push(m, c, -ENOMEM);
	} else {
		mmap_answer(m, c, map);
	}
	virtq_again(vdev_queue(&m->d, COMMANDQ));
}

static void cmd_mmap(struct media *m, struct chain *c)
{
	struct media_cmd_mmap in = {0};
	struct media_session *s;
	struct media_mem *mem;
	struct media_map *map;
	bool writable;
	int err = -EINVAL;

	if (chain_get(c, &in, sizeof(in)) && chain_writable(c) >= sizeof(struct media_resp_mmap) &&
	    !(le32toh(in.flags) & ~VIRTIO_MEDIA_MMAP_FLAG_RW)) {
		s = session_find(m, le32toh(in.session_id));
		writable = le32toh(in.flags) & VIRTIO_MEDIA_MMAP_FLAG_RW;
		err = !s ? -EBADF : !s->file ? -ENODEV : m->ops->mmap(s->file, le32toh(in.offset), writable, &mem);
		if (!err)
			err = media_map(&m->maps, mem, writable, &map);
	}
	if (err) {
		if (err == -EOPNOTSUPP)
			log_guest(&m->d.log, "the front-end knows no shared memory regions (SHMEM): the guest gets no pictures");
		status_push(m, c, err);
	} else if (map->state == MEDIA_MAP_THERE) {
		mmap_answer(m, c, map);
	} else {
		m->waiting = c;
		m->waiting_map = map;
	}
}

static void cmd_munmap(struct media *m, struct chain *c)
{
	le64 addr = 0;
	int err = chain_get(c, &addr, sizeof(addr)) ? media_unmap(&m->maps, le64toh(addr)) : -EINVAL;

	status_push(m, c, err);
}

static void command(struct media *m, struct chain *c)
{
	struct media_cmd head;

	if (!chain_get(c, &head, sizeof(head))) {
		status_push(m, c, -EINVAL);
		return;
	}
	switch (le32toh(head.cmd)) {
	case VIRTIO_MEDIA_CMD_OPEN:
		cmd_open(m, c);
		break;
	case VIRTIO_MEDIA_CMD_CLOSE:
		cmd_close(m, c);
		break;
	case VIRTIO_MEDIA_CMD_IOCTL:
		cmd_ioctl(m, c);
		break;
	case VIRTIO_MEDIA_CMD_MMAP:
		cmd_mmap(m, c);
		break;
	case VIRTIO_MEDIA_CMD_MUNMAP:
		cmd_munmap(m, c);
		break;
	default:
		status_push(m, c, -ENOTTY);
	}
}

static void media_kick(struct vdev *d, unsigned int q)
{
	struct media *m = to_media(d);
	struct chain *c;

	if (q == EVENTQ) {
		events_kick(&m->events);
		if (m->starved && events_waiting(&m->events) < MEDIA_EVENTS / 2) {
			m->starved = false;
			m->ops->resume(m->host);
		}
		return;
	}
	while (!m->waiting && (c = virtq_pop(vdev_queue(d, COMMANDQ))))
		command(m, c);
}

/* An MMAP that waits is asked for again when the ring goes on: it finds its mapping, which the front-end goes on making. */
static void media_quiesce(struct vdev *d, unsigned int q)
{
	struct media *m = to_media(d);

	if (q == EVENTQ) {
		events_quiesce(&m->events);
		return;
	}
	if (!m->waiting)
		return;
	m->waiting_map->refs--;
	virtq_requeue(m->waiting);
	m->waiting = NULL;
	m->waiting_map = NULL;
}

static void sessions_close(struct media *m)
{
	for (unsigned int i = 0; i < m->max_sessions; i++) {
		if (m->sessions[i].id)
			session_close(&m->sessions[i]);
	}
}

static void media_reset(struct vdev *d)
{
	struct media *m = to_media(d);

	sessions_close(m);
	media_maps_reset(&m->maps);
	events_reset(&m->events);
	m->starved = false;
	m->last_id = 0;
	m->ops->reset(m->host);
}

static void media_config(struct vdev *d, void *buf)
{
	const struct media *m = to_media(d);
	struct media_config config = {htole32(m->about.device_caps), htole32(m->about.device_type), ""};

	memcpy(config.card, m->about.card, min_size(strlen(m->about.card), sizeof(config.card)));
	memcpy(buf, &config, sizeof(config));
}

/* ---- moving */

/* The record "sessions": the numbers of those that are open. */
static void media_save(struct vdev *d, struct state *s)
{
	const struct media *m = to_media(d);
	le32 ids[MEDIA_SESSIONS_MAX];
	size_t n = 0;

	for (unsigned int i = 0; i < m->max_sessions; i++) {
		if (m->sessions[i].id)
			ids[n++] = htole32(m->sessions[i].id);
	}
	if (n)
		state_put(s, "sessions", ids, n * sizeof(ids[0]));
}

/* Buffers are the host's: so an open session ends here with an error, as that of a device that was unplugged. */
static int media_load(struct vdev *d, const struct state_record *r)
{
	struct media *m = to_media(d);
	size_t n = r->len / sizeof(le32);
	le32 ids[MEDIA_SESSIONS_MAX];

	if (strcmp(r->name, "sessions") != 0 || r->len % sizeof(le32) || !n)
		return -EINVAL;
	if (n > m->max_sessions) {
		log_guest(&d->log, "state: %zu sessions, and --max-sessions=%u here", n, (unsigned int)m->max_sessions);
		return -EINVAL;
	}
	memcpy(ids, r->bytes, r->len);
	for (size_t i = 0; i < n; i++) {
		if (!ids[i] || session_find(m, le32toh(ids[i])))
			return -EINVAL;
		m->sessions[i] = (struct media_session){.m = m, .id = le32toh(ids[i])};
		m->last_id = m->last_id > m->sessions[i].id ? m->last_id : m->sessions[i].id;
		error_tell(m, m->sessions[i].id, ENODEV);
	}
	return 0;
}

/* ---- the control socket */

static int run_show(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct media *m = arg;
	unsigned int open = 0;

	for (unsigned int i = 0; i < m->max_sessions; i++)
		open += m->sessions[i].id != 0;
	control_say(c, "sessions %u", open);
	control_say(c, "mappings %u", media_maps_count(&m->maps));
	control_say(c, "memory %llu", (unsigned long long)m->pool.used);
	control_say(c, "ioctls %llu", (unsigned long long)m->count.ioctls);
	control_say(c, "refused %llu", (unsigned long long)m->count.refused);
	control_say(c, "dequeued %llu", (unsigned long long)m->count.dequeued);
	control_say(c, "events %llu", (unsigned long long)m->count.events);
	control_say(c, "events-lost %llu", (unsigned long long)m->count.lost);
	control_say(c, "errors %llu", (unsigned long long)m->count.errors);
	if (m->ops->show)
		m->ops->show(m->host, c);
	return 0;
}

static int run_snapshot(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	return media_snap_want(&((struct media *)arg)->snap, why, why_size);
}

/* As a camera that is unplugged and plugged in again at once. */
static int run_fail(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct media *m = arg;

	for (unsigned int i = 0; i < m->max_sessions; i++) {
		if (m->sessions[i].id)
			host_failed(&m->sessions[i], -ENODEV);
	}
	return 0;
}

static const struct control_command media_commands[] = {
	{"show", "", "shows sessions, buffers and counters", 0, 0, run_show},
	{"snapshot", "", "writes the next picture to the file of --snapshot", 0, 0, run_snapshot},
	{"fail", "", "ends all sessions with an error", 0, 0, run_fail},
	{0},
};

/* ---- the class */

static struct media_host_args host_args(const struct media *m)
{
	return (struct media_host_args){
		.source = media_source_of(m),
		.device = m->device,
		.share = m->share,
		.file = m->file,
		.raw = m->raw,
		.codec = m->codec,
		.card = m->card,
		.formats = m->formats,
		.max_width = m->max_width,
		.max_height = m->max_height,
		.max_buffers = (uint32_t)m->max_buffers,
	};
}

static void media_needs(const struct vdev *d, struct sandbox *s)
{
	const struct media *m = container_of(d, struct media, d);
	const struct media_host_args args = host_args(m);

	media_host_ops_of(m)->needs(&args, s);
	media_snap_needs(m->snapshot, s);
}

/* Buffers; for each session a file of the host, and what it is polled with; who meets at --share. */
static unsigned int media_fds(const struct vdev *d)
{
	const struct media *m = container_of(d, struct media, d);

	return MEDIA_MEMS_MAX + (unsigned int)(2 * m->max_sessions) + (m->share ? 2 * MEDIA_SHARE_VIEWERS : 0) + 16;
}

static int media_open(struct vdev *d)
{
	struct media *m = to_media(d);
	const struct events_opts events = {
		.queue = EVENTQ,
		.record = sizeof(struct media_event_dqbuf),
		.room = MEDIA_EVENTS,
		.full = EVENTS_REFUSE_NEWEST,
		.name = "events",
	};
	int err = events_open(&m->events, d, &events);

	if (!err)
		err = media_snap_open(&m->snap, d, m->snapshot);
	if (err)
		return err;
	m->pool.max = m->max_memory;
	m->maps.d = d;
	m->maps.room = m->region;
	m->maps.mapped = map_done;
	m->args = host_args(m);
	m->args.d = d;
	m->args.pool = &m->pool;
	m->args.ops = &user_ops;
	m->ops = media_host_ops_of(m);
	return m->ops->start(&m->args, &m->host, &m->about);
}

static void media_close(struct vdev *d)
{
	struct media *m = to_media(d);

	if (m->host) {
		sessions_close(m);
		media_maps_close(&m->maps);
		m->ops->stop(m->host);
	}
	media_snap_close(&m->snap);
	events_close(&m->events);
}

static const struct vdev_queue_desc media_queues[] = {
	{.name = "commandq", .size = 64, .max = 1024},
	{.name = "eventq", .size = 64, .max = 1024},
};

/* The region of an instance with its options at their defaults: twice what its buffers may take. */
static const uint64_t media_shmem[] = {UINT64_C(512) << 20};

/* An ioctl on a session that there is not: EBADF. */
static const uint8_t sample_ioctl[] = {VIRTIO_MEDIA_CMD_IOCTL, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, MEDIA_G_INPUT, 0, 0, 0};

static const char *sample_check(const uint8_t *in, uint32_t used)
{
	le32 status;

	if (used < sizeof(struct media_resp))
		return "no status";
	memcpy(&status, in, sizeof(status));
	return status ? NULL : "a session that was not opened works";
}

static const struct vdev_sample media_samples[] = {
	{.what = "G_INPUT of no session", .queue = COMMANDQ, .out = sample_ioctl, .out_len = sizeof(sample_ioctl),
	 .in_len = sizeof(struct media_resp) + 4, .check = sample_check},
	{0},
};

static const char *const media_examples[] = {
	"vdevd media --socket-path=/run/media.sock --backend=pattern --max-size=1280x720",
	"vhost-device-media -s /run/media.sock -b simple-capture",
	"",
	"# look at what the guest sees",
	"vdevd media --socket-path=/run/media.sock --control=/run/media.ctl --snapshot=/tmp/seen.ppm &",
	"guest# v4l2-ctl --stream-mmap --stream-count=100",
	"vdevd ctl /run/media.ctl snapshot",
	"",
	"# one camera, two guests",
	"vdevd media --socket-path=/run/one.sock --device=/dev/video0 --share=/run/camera.share &",
	"vdevd media --socket-path=/run/two.sock --device=/dev/video0 --share=/run/camera.share &",
	NULL,
};

const struct vdev_class vdev_media_class = {
	.name = "media",
	.also = "video",
	.summary = "cameras and codecs",
	.about = MAN("Gives a guest a video device: its /dev/video0, by V4L2's own ioctls (virtio-media).  It is a camera that is made up, with "
		     "a picture that shows the frame's number and its time; or the pictures of a file; or a V4L2 device of the host: a camera, a "
		     "stateful codec; or a codec that is made up, to test with.  Several guests can see one camera (--share).\n"
		     "\n"
		     "Buffers are the host's, and the guest sees them through a shared memory region: the front-end has to know those (SHMEM "
		     "and BACKEND_REQ of vhost-user), otherwise mmap in the guest fails and there are no pictures.  Memory of the guest as "
		     "buffers (USERPTR) and shared objects (DMABUF) are refused with EINVAL, EXPBUF with ENOTTY.  So are values of controls that "
		     "are longer than 64 bits.  What V4L2 has and the protocol has not gets ENOTTY: framebuffers, overlays, EDIDs, registers, "
		     "the request API.\n"
		     "\n"
		     "The times of frames are of the host's clock (CLOCK_MONOTONIC), not of the guest's.  A frame for which the guest has no buffer "
		     "queued is lost, and its number is missing.  With --device the guest changes formats and controls of the real device, which "
		     "others may use, too; ioctls that make hardware wait for long (S_HW_FREQ_SEEK) are the driver's to refuse.  That "
		     "back end wants a 64-bit little-endian host, and a driver that exports buffers (EXPBUF).  libv4l2's emulated formats are not there: "
		     "converting is the guest's to do.\n"
		     "\n"
		     "When a guest moves to another host (live migration) its sessions end with an error, as those of a camera that is unplugged: "
		     "programs open the device again.  Buffers and what was set do not go along.\n"
		     "\n"
		     "This is VIRTIO's media device, id 48.  It replaces the drafts of a video encoder and a video decoder device (ids 30 and 31): "
		     "no driver has those, and they are not served.  vdevd video and vhost-device-video are other names of vdevd media, no more.  "
		     "Linux' driver is not in the kernel yet."),
	.virtio_id = 48,
	.face.queues = media_queues,
	.face.nqueues = ARRAY_SIZE(media_queues),
	.face.config_size = sizeof(struct media_config),
	.face.shmem = media_shmem,
	.face.nshmem = ARRAY_SIZE(media_shmem),
	.opts = media_opts,
	.commands = media_commands,
	.inst_size = sizeof(struct media),
	.samples = media_samples,
	.saves = &media_saving,
	.compat = &media_compat,
	.examples = MAN(media_examples),
	.check = media_check,
	.open = media_open,
	.fds = media_fds,
	.needs = media_needs,
	.kick = media_kick,
	.quiesce = media_quiesce,
	.reset = media_reset,
	.config = media_config,
	.save = media_save,
	.load = media_load,
	.close = media_close,
};
