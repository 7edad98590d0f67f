/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rtc.c - RTC device: VIRTIO 1.4, section 5.23.
 *
 * The driver asks on the requestq what clocks there are, reads them, alone or with a counter of the processor, and sets alarms.
 * Every request is answered at once, in its order.  An alarm that has expired is told on the alarmq.
 */
#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "devices/rtc/rtc.h"

#define SIM_TIME 946684800 /* s: 2000-01-01 */

/* VIRTIO_RTC_S_* */
enum {
	S_OK = 0,
	S_EOPNOTSUPP = 2,
	S_ENODEV = 3,
	S_EINVAL = 4,
	S_EIO = 5,
};

/* VIRTIO_RTC_REQ_* */
enum {
	REQ_READ = 0x0001,
	REQ_READ_CROSS = 0x0002,
	REQ_CFG = 0x1000,
	REQ_CLOCK_CAP = 0x1001,
	REQ_CROSS_CAP = 0x1002,
	REQ_READ_ALARM = 0x1003,
	REQ_SET_ALARM = 0x1004,
	REQ_SET_ALARM_ENABLED = 0x1005,
};

/* VIRTIO_RTC_FLAG_* */
#define FLAG_ALARM_CAP	   1
#define FLAG_CROSS_CAP	   1
#define FLAG_ALARM_ENABLED 1

struct req_head {
	le16 msg_type;
	uint8_t reserved[6];
} __attribute__((packed));

/* What every request but CFG ends with; SET_ALARM has its time before it. */
struct req_tail {
	le16 clock_id;
	uint8_t value; /* hw_counter or flags; elsewhere reserved */
	uint8_t reserved[5];
} __attribute__((packed));

struct resp_head {
	uint8_t status;
	uint8_t reserved[7];
} __attribute__((packed));

struct resp_cfg {
	le16 num_clocks;
	uint8_t reserved[6];
} __attribute__((packed));

struct resp_clock_cap {
	uint8_t type;
	uint8_t leap_second_smearing;
	uint8_t flags;
	uint8_t reserved[5];
} __attribute__((packed));

struct resp_cross_cap {
	uint8_t flags;
	uint8_t reserved[7];
} __attribute__((packed));

struct resp_read {
	le64 clock_reading;
} __attribute__((packed));

struct resp_read_cross {
	le64 clock_reading;
	le64 counter_cycles;
} __attribute__((packed));

struct resp_read_alarm {
	le64 alarm_time;
	uint8_t flags;
	uint8_t reserved[7];
} __attribute__((packed));

/* What follows the head of an answer. */
union resp {
	struct resp_cfg cfg;
	struct resp_clock_cap clock_cap;
	struct resp_cross_cap cross_cap;
	struct resp_read read;
	struct resp_read_cross read_cross;
	struct resp_read_alarm read_alarm;
};

_Static_assert(sizeof(struct req_head) == 8, "struct virtio_rtc_req_head");
_Static_assert(sizeof(struct req_tail) == 8, "struct virtio_rtc_req_read without its head");
_Static_assert(sizeof(struct resp_head) == 8, "struct virtio_rtc_resp_head");
_Static_assert(sizeof(struct resp_cfg) == 8, "struct virtio_rtc_resp_cfg without its head");
_Static_assert(sizeof(struct resp_clock_cap) == 8, "struct virtio_rtc_resp_clock_cap without its head");
_Static_assert(sizeof(struct resp_cross_cap) == 8, "struct virtio_rtc_resp_cross_cap without its head");
_Static_assert(sizeof(struct resp_read) == 8, "struct virtio_rtc_resp_read without its head");
_Static_assert(sizeof(struct resp_read_cross) == 16, "struct virtio_rtc_resp_read_cross without its head");
_Static_assert(sizeof(struct resp_read_alarm) == 16, "struct virtio_rtc_resp_read_alarm without its head");

/* A request, read. */
struct asked {
	struct rtc_clock *clock; /* NULL: CFG */
	uint64_t time;
	uint8_t value;
};

/* A kind of request. */
struct kind {
	uint16_t msg_type;
	bool clock, time;   /* what it has besides its head */
	bool counter;       /* the value is a counter */
	uint8_t values;     /* bits that the value may have otherwise */
	bool alarm;
	uint8_t answer_len; /* behind the head */
	uint8_t (*run)(struct rtc *r, const struct asked *a, union resp *out);
};

static uint8_t run_cfg(struct rtc *r, const struct asked *a, union resp *out)
{
	out->cfg.num_clocks = htole16((uint16_t)r->nclocks);
	return S_OK;
}

static bool has_alarms(const struct rtc *r)
{
	return r->d.features & BIT(RTC_F_ALARM);
}

static uint8_t run_clock_cap(struct rtc *r, const struct asked *a, union resp *out)
{
	out->clock_cap.type = (uint8_t)a->clock->kind->type;
	out->clock_cap.leap_second_smearing = (uint8_t)a->clock->kind->smear;
	out->clock_cap.flags = has_alarms(r) ? FLAG_ALARM_CAP : 0;
	return S_OK;
}

static uint8_t run_cross_cap(struct rtc *r, const struct asked *a, union resp *out)
{
	out->cross_cap.flags = rtc_counts(r, a->value) ? FLAG_CROSS_CAP : 0;
	return S_OK;
}

static uint8_t run_read(struct rtc *r, const struct asked *a, union resp *out)
{
	uint64_t ns;

	if (rtc_clock_read(a->clock, &ns, NULL) < 0)
		return S_EIO;
	out->read.clock_reading = htole64(ns);
	return S_OK;
}

static uint8_t run_read_cross(struct rtc *r, const struct asked *a, union resp *out)
{
	uint64_t ns, cycles;

	if (!rtc_counts(r, a->value))
		return S_EOPNOTSUPP;
	if (rtc_clock_read_cross(a->clock, a->value, &ns, &cycles) < 0)
		return S_EIO;
	out->read_cross.clock_reading = htole64(ns);
	out->read_cross.counter_cycles = htole64(cycles);
	return S_OK;
}

static uint8_t run_read_alarm(struct rtc *r, const struct asked *a, union resp *out)
{
	out->read_alarm.alarm_time = htole64(a->clock->time);
	out->read_alarm.flags = a->clock->enabled ? FLAG_ALARM_ENABLED : 0;
	return S_OK;
}

static uint8_t run_set_alarm(struct rtc *r, const struct asked *a, union resp *out)
{
	a->clock->time = a->time;
	rtc_alarm_enable(a->clock, a->value & FLAG_ALARM_ENABLED);
	return S_OK;
}

static uint8_t run_set_alarm_enabled(struct rtc *r, const struct asked *a, union resp *out)
{
	rtc_alarm_enable(a->clock, a->value & FLAG_ALARM_ENABLED);
	return S_OK;
}

static const struct kind kinds[] = {
	{.msg_type = REQ_READ, .clock = true, .answer_len = sizeof(struct resp_read), .run = run_read},
	{.msg_type = REQ_READ_CROSS,
	 .clock = true,
	 .counter = true,
	 .answer_len = sizeof(struct resp_read_cross),
	 .run = run_read_cross},
	{.msg_type = REQ_CFG, .answer_len = sizeof(struct resp_cfg), .run = run_cfg},
	{.msg_type = REQ_CLOCK_CAP, .clock = true, .answer_len = sizeof(struct resp_clock_cap), .run = run_clock_cap},
	{.msg_type = REQ_CROSS_CAP,
	 .clock = true,
	 .counter = true,
	 .answer_len = sizeof(struct resp_cross_cap),
	 .run = run_cross_cap},
	{.msg_type = REQ_READ_ALARM,
	 .clock = true,
	 .alarm = true,
	 .answer_len = sizeof(struct resp_read_alarm),
	 .run = run_read_alarm},
	{.msg_type = REQ_SET_ALARM,
	 .clock = true,
	 .time = true,
	 .alarm = true,
	 .values = FLAG_ALARM_ENABLED,
	 .run = run_set_alarm},
	{.msg_type = REQ_SET_ALARM_ENABLED,
	 .clock = true,
	 .alarm = true,
	 .values = FLAG_ALARM_ENABLED,
	 .run = run_set_alarm_enabled},
};

static const struct kind *kind_find(uint16_t msg_type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].msg_type == msg_type)
			return &kinds[i];
	}
	return NULL;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	uint8_t all = 0;

	for (size_t i = 0; i < len; i++)
		all |= bytes[i];
	return !all;
}

/* Reads what follows the head, which is there, and checks it in the order of the standard's states.  Returns a status. */
static uint8_t asked_get(struct rtc *r, const struct kind *k, struct chain *c, struct asked *a)
{
	struct req_tail tail = {0};
	le64 time = 0;

	if (k->time)
		chain_get(c, &time, sizeof(time));
	if (k->clock)
		chain_get(c, &tail, sizeof(tail));
	if (k->alarm && !has_alarms(r))
		return S_ENODEV;
	if (k->clock && le16toh(tail.clock_id) >= r->nclocks)
		return S_ENODEV;
	if (k->counter && tail.value >= RTC_COUNTERS && tail.value != RTC_COUNTER_INVALID)
		return S_EOPNOTSUPP;
	if ((!k->counter && tail.value & ~k->values) || !is_zero(tail.reserved, sizeof(tail.reserved)))
		return S_EINVAL;
	a->clock = k->clock ? &r->clocks[le16toh(tail.clock_id)] : NULL;
	a->time = le64toh(time);
	a->value = tail.value;
	return S_OK;
}

/* Carries out a request.  Returns its status, and where that is good the length of what follows the answer's head. */
static uint8_t request_run(struct rtc *r, struct chain *c, union resp *out, size_t *len)
{
	struct req_head head;
	const struct kind *k;
	struct asked a;
	uint8_t status;

	if (!chain_get(c, &head, sizeof(head)))
		return S_EINVAL;
	k = kind_find(le16toh(head.msg_type));
	if (!k)
		return S_EOPNOTSUPP;
	if (chain_readable(c) < (k->time ? sizeof(le64) : 0) + (k->clock ? sizeof(struct req_tail) : 0))
		return S_EINVAL;
	if (chain_writable(c) < sizeof(struct resp_head) + k->answer_len)
		return S_EINVAL;
	status = asked_get(r, k, c, &a);
	if (status == S_OK && !is_zero(head.reserved, sizeof(head.reserved)))
		status = S_EINVAL;
	if (status != S_OK)
		return status;
	*len = k->answer_len;
	return k->run(r, &a, out);
}

static void request_serve(struct rtc *r, struct chain *c)
{
	struct resp_head head = {0};
	union resp out = {0};
	size_t len = 0;

	head.status = request_run(r, c, &out, &len);
	/* "unless the status field does not fit": then nothing is written. */
	chain_put(c, &head, min_size(sizeof(head), chain_writable(c)));
	if (head.status == S_OK)
		chain_put(c, &out, len);
	virtq_push(c);
}

static void rtc_kick(struct vdev *d, unsigned int q)
{
	struct rtc *r = to_rtc(d);
	struct chain *c;

	if (q == RTC_ALARMQ) {
		/* Without the feature there is no alarmq: an alarm of an earlier driver is none of this one's business. */
		if (!has_alarms(r))
			events_reset(&r->alarmq);
		events_kick(&r->alarmq);
		return;
	}
	while ((c = virtq_pop(vdev_queue(d, RTC_REQUESTQ))))
		request_serve(r, c);
}

/* Alarms are kept when the driver resets the device, but not for another front-end's guest. */
static void rtc_start(struct vdev *d, unsigned int q)
{
	struct rtc *r = to_rtc(d);

	if (r->owner != d->front_ends)
		rtc_alarms_forget(r);
	r->owner = d->front_ends;
	r->loading = false;
}

static void rtc_quiesce(struct vdev *d, unsigned int q)
{
	if (q == RTC_ALARMQ)
		events_quiesce(&to_rtc(d)->alarmq);
}

static void rtc_reset(struct vdev *d)
{
	struct rtc *r = to_rtc(d);

	if (r->loading)
		rtc_alarms_forget(r);
	else
		rtc_alarms_reset(r);
	r->loading = false;
}

static void rtc_save(struct vdev *d, struct state *s)
{
	rtc_clocks_save(to_rtc(d), s);
	rtc_alarms_save(to_rtc(d), s);
}

static int rtc_load(struct vdev *d, const struct state_record *record)
{
	struct rtc *r = to_rtc(d);
	int err;

	if (!r->loading)
		rtc_alarms_forget(r);
	r->loading = true;
	err = rtc_clocks_load(r, record);
	if (err == -ENOENT)
		err = rtc_alarms_load(r, record);
	return err == -ENOENT ? -EINVAL : err;
}

static unsigned int rtc_fds(const struct vdev *d)
{
	return RTC_CLOCKS_MAX;
}

static void rtc_needs(const struct vdev *d, struct sandbox *s)
{
	const struct rtc *r = container_of(d, struct rtc, d);

	rtc_ops(r)->needs(s);
}

static int rtc_open(struct vdev *d)
{
	struct rtc *r = to_rtc(d);
	const struct rtc_host_args args = {
		.loop = d->loop,
		.log = &d->log,
		.control = d->control,
		.sim_time = r->sim_time ? r->sim_time : SIM_TIME,
	};
	int err;

	r->ops = rtc_ops(r);
	err = r->ops->start(&args, &r->h);
	if (!err)
		err = rtc_clocks_open(r);
	return err ? err : rtc_alarms_open(r);
}

static void rtc_close(struct vdev *d)
{
	struct rtc *r = to_rtc(d);

	if (!r->h)
		return;
	rtc_alarms_close(r);
	r->ops->stop(r->h);
}

static int run_list(void *arg, struct control_client *c, unsigned int argc, char **argv, char *why, size_t why_size)
{
	struct rtc *r = arg;

	for (unsigned int i = 0; i < r->nclocks; i++) {
		struct rtc_clock *clock = &r->clocks[i];
		uint64_t ns, on;

		rtc_clock_read(clock, &ns, &on);
		control_say(c, "%u %s %llu.%09llu alarm %llu.%09llu %s", i, clock->kind->name,
			    (unsigned long long)(ns / RTC_NS), (unsigned long long)(ns % RTC_NS),
			    (unsigned long long)(clock->time / RTC_NS), (unsigned long long)(clock->time % RTC_NS),
			    !clock->enabled ? "off" : clock->passed ? "expired" : "on");
	}
	return 0;
}

static const struct control_command rtc_commands[] = {
	{"list", "", "show the guest's clocks: number, kind, time, alarm", 0, 0, run_list},
	{0},
};

static const struct vdev_queue_desc rtc_queues[] = {
	[RTC_REQUESTQ] = {.name = "requestq", .size = 64, .max = 1024},
	[RTC_ALARMQ] = {.name = "alarmq", .size = 64, .max = 1024},
};

static const struct vdev_feature rtc_features[] = {{RTC_F_ALARM, "alarm"}, {0}};

static const char *check_ok(const uint8_t *in, uint32_t used, uint32_t want)
{
	if (used < sizeof(struct resp_head))
		return "no status was written";
	if (in[0] != S_OK)
		return "an error status";
	return used == want ? NULL : "the answer has not its length";
}

static const char *check_short(const uint8_t *in, uint32_t used)
{
	return check_ok(in, used, 16);
}

static const uint8_t sample_cfg[8] = {REQ_CFG & 0xff, REQ_CFG >> 8};
static const uint8_t sample_read[16] = {REQ_READ & 0xff, REQ_READ >> 8};
static const uint8_t sample_cap[16] = {REQ_CLOCK_CAP & 0xff, REQ_CLOCK_CAP >> 8};

#define SAMPLE(request) .out = (request), .out_len = sizeof(request), .in_len = 16, .check = check_short

static const struct vdev_sample rtc_samples[] = {
	{.what = "CFG", SAMPLE(sample_cfg)},
	{.what = "READ", SAMPLE(sample_read)},
	{.what = "CLOCK_CAP", SAMPLE(sample_cap)},
	{0},
};

static const struct vdev_compat rtc_compat = {0};

static const char *const rtc_examples[] = {
	"vdevd rtc --socket-path=/run/rtc.sock",
	"vdevd rtc --socket-path=/run/rtc.sock --clock=utc-sls,utc,tai --offset=-30d",
	"vhost-device-rtc --socket-path /run/rtc.sock --no-tai",
	"vdevd rtc --socket-path=/run/rtc.sock --backend=sim --control=/run/rtc.ctl &",
	"vdevd ctl /run/rtc.ctl rate 60",
	"vdevd ctl /run/rtc.ctl step -3600",
	NULL,
};

const struct vdev_class vdev_rtc_class = {
	.name = "rtc",
	.summary = "real time clock",
	.about = MAN(
		"Gives a guest the host's time: a /dev/rtc with alarms, and a /dev/ptp for each clock, in Linux since "
		"6.16.\n"
		"\n"
		"The guest reads clocks; it cannot set them.  An alarm follows its clock: when somebody sets the "
		"host's, it is due "
		"when the clock shows its time, and once more when the clock was set back.  Every clock can have one.\n"
		"\n"
		"An alarm and whether it is enabled stay when the driver resets the device, so also when the guest "
		"boots again; "
		"where its time has passed meanwhile it expires at the reset.  They are forgotten when another "
		"front-end "
		"comes.  Who watches the socket of --control is told \"alarm CLOCK NANOSECONDS\" when one expires, and "
		"can wake a "
		"machine that sleeps or is off, QEMU's by system_wakeup on its monitor, User-Mode Linux by SIGUSR1: the "
		"device itself cannot.\n"
		"\n"
		"Of leap seconds it knows what the kernel says (adjtimex), which a time service tells it on the day "
		"before.  So smeared "
		"clocks know no leap second that is announced after noon of its day, and a vdevd that starts in the "
		"day after one "
		"knows it only while the kernel still says so.\n"
		"\n"
		"Commands on the socket of --control: list shows the guest's clocks and alarms.  With --backend=sim, "
		"clocks shows the "
		"simulated ones, set and step change them, rate lets them run fast or stand, leap makes a leap second, "
		"fail "
		"makes readings fail.\n"
		"\n"
		"With a guest that moves to another host (live migration) go its alarms, the leap second that is near, and "
		"the time of monotonic, which goes on "
		"where it was; the clocks there must be the same.  A vdevd that was killed and is replaced knows no "
		"alarms."),
	.virtio_id = 17,
	.face.features = BIT(RTC_F_ALARM),
	.face.queues = rtc_queues,
	.face.nqueues = ARRAY_SIZE(rtc_queues),
	.feature_names = rtc_features,
	.opts = rtc_opts,
	.commands = rtc_commands,
	.inst_size = sizeof(struct rtc),
	.samples = rtc_samples,
	.compat = &rtc_compat,
	.examples = MAN(rtc_examples),
	.check = rtc_check,
	.open = rtc_open,
	.fds = rtc_fds,
	.start = rtc_start,
	.needs = rtc_needs,
	.kick = rtc_kick,
	.quiesce = rtc_quiesce,
	.reset = rtc_reset,
	.save = rtc_save,
	.load = rtc_load,
	.close = rtc_close,
};
