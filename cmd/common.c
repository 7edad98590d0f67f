/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * common.c - the options every personality has: QEMU docs/interop/vhost-user.rst, "Back-end program
 * conventions", and what a service manager or an image wants beyond.
 */
#include "cmd/common.h"
#include "cmd/frontends.h"

#include <errno.h>
#include <string.h>

#include "core/service.h"
#include "core/unix_socket.h"
#include "mem/gmem_xen.h"
#include "transport/vfio_user/vfio_user.h"
#include "transport/vhost_user/vhost_user.h"

int common_parse_mode(const char *value, uint64_t *out, char *why, size_t why_size)
{
	uint64_t mode = 0;

	for (const char *p = value; *p; p++) {
		mode = mode * 8 + (uint64_t)(*p - '0');
		if (*p < '0' || *p > '7' || mode > 0777) {
			snprintf(why, why_size, "not a mode (octal permissions such as 0660 are wanted)");
			return -EINVAL;
		}
	}
	if (*value == '\0') {
		snprintf(why, why_size, "empty (octal permissions such as 0660 are wanted)");
		return -EINVAL;
	}
	*out = mode;
	return 0;
}

/* --socket-mode */
static int set_mode(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	return common_parse_mode(value, &c->socket.mode, why, why_size);
}

/* --socket-group */
static int set_group(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	(void)o;
	c->socket.has_group = true;
	return sandbox_parse_group(value, &c->socket.group, why, why_size);
}

/* --features */
static int set_features(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	return vu_apply_feature_masks(c->d, value, why, why_size);
}

/* --control */
static int set_control(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	if (!unix_path_fits(value)) {
		snprintf(why, why_size, "a path of 1 to %d bytes is wanted", UNIX_PATH_LEN);
		return -EINVAL;
	}
	c->d->control_path = value;
	return 0;
}

/* --quirks */
static int set_quirks(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	return vu_apply_quirks(c->d, value, why, why_size);
}

/* --sandbox */
static int set_sandbox(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	return sandbox_parse_layers(value, &c->sandbox, why, why_size);
}

/* --print-sandbox */
static int set_print_sandbox(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	(void)o;
	c->print_sandbox = strcmp(value, "text") == 0 ? COMMON_PRINT_TEXT : strcmp(value, "json") == 0 ? COMMON_PRINT_JSON : COMMON_PRINT_NO;
	if (c->print_sandbox)
		return 0;
	snprintf(why, why_size, "unknown (text or json is wanted)");
	return -EINVAL;
}

/* --user */
static int set_user(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	return sandbox_parse_user(value, &c->sandbox, why, why_size);
}

/* --oom-score-adj */
static int set_oom(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	struct common *c = obj;

	return sandbox_parse_oom(value, &c->sandbox, why, why_size);
}

#if !VDEVD_HAVE_XEN
/* --xen and --xen-grant-cache: what asks for nothing is fine. */
static int set_no_xen(void *obj, const struct opt *o, const char *value, char *why, size_t why_size)
{
	if (strcmp(value, "auto") == 0 || strcmp(value, "off") == 0 || strcmp(value, "0") == 0)
		return 0;
	snprintf(why, why_size, "this vdevd was configured --without-xen");
	return -EINVAL;
}
#endif

#define AT(member) offsetof(struct common, member)

static const struct opt common_opts[] = {
	{
		.name = "socket-path",
		.letter = 's',
		.alias = "socket",
		.compat = "s,socket-path,socket",
		.type = OPT_SOCKET,
		.off = AT(socket.path),
		.arg = "PATH",
		.help = "listen on this socket",
		.man = MAN(
			"Listen for a front-end on a UNIX socket at this path. A socket that a dead process left there "
			"is "
			"replaced, one on which somebody listens is refused. It is removed at the end."),
	},
	{
		.name = "vfio-user",
		.rare = true,
		.type = OPT_SOCKET,
		.off = AT(vfio_user),
		.arg = "PATH",
		.help = "listen on this socket, as a PCI device",
		.man = MAN("Listen for a client of vfio-user on a UNIX socket at this path, in the place of --socket-path: "
			   "the device is a virtio PCI device that says itself what it is. See VFIO-USER in vdevd(1)."),
	},
	{
		.name = "socket-mode",
		.rare = true,
		.type = OPT_CALL,
		.set = set_mode,
		.once = true,
		.arg = "MODE",
		.help = "its permissions, octal, instead of the umask's",
		.man = MAN(
			"Permissions of the socket at --socket-path or --vfio-user, in octal. Without it they are as the umask leaves "
			"them."),
	},
	{
		.name = "socket-group",
		.type = OPT_CALL,
		.set = set_group,
		.once = true,
		.rare = true,
		.arg = "GROUP",
		.help = "the group that may connect",
		.man = MAN("Give the socket at --socket-path or --vfio-user to this group, a name of /etc/group or a number, with permissions "
			   "0660 unless --socket-mode says others."),
	},
	{
		.name = "fd",
		.rare = true,
		.type = OPT_FD,
		.off = AT(socket.fd),
		.arg = "FD",
		.help = "use this inherited socket",
		.man = MAN(
			"Use an inherited socket. One that is connected is served until the front-end closes it, then "
			"the "
			"program ends; one that listens is recognised and treated as with --socket-fd."),
	},
	{
		.name = "socket-fd",
		.rare = true,
		.alias = "listen-fd",
		.type = OPT_FD,
		.off = AT(socket.listen_fd),
		.arg = "FD",
		.help = "use this inherited listening socket",
		.man = MAN("Accept front-ends on an inherited listening socket."),
	},
	{
		.name = "connect",
		.rare = true,
		.type = OPT_SOCKET,
		.off = AT(socket.connect),
		.arg = "PATH",
		.help = "connect to a front-end that listens here",
		.man = MAN("Connect to a front-end that listens on this path, as QEMU does with server=on; again and "
			   "again, "
			   "whenever it is not there."),
	},
	{
		.name = "features",
		.rare = true,
		.type = OPT_CALL,
		.set = set_features,
		.arg = "+X,-Y",
		.help = "offer feature X, do not offer Y",
		.man = MAN("Features to offer (+) or not to offer (-), by name or bit number: the device's, the ring's "
			   "and "
			   "those of the protocol. The names are those --print-capabilities shows. Offered only when "
			   "asked for: "
			   "+access_platform (guests behind an IOMMU, not Xen's), +gpa_addresses (rings named by guest "
			   "addresses), +in_order (not by devices whose "
			   "buffers wait for an event each), +inband_notifications (for User-Mode Linux' time travel; "
			   "slower), +log_all (live "
			   "migration), +pagefault (postcopy migration; who brings the guest's pages decides how long "
			   "vdevd waits for them, and it "
			   "needs the right to userfaultfd(2)), +ring_packed (packed virtqueues), +ring_reset, "
			   "+notification_data."),
	},
	{
		.name = "quirks",
		.rare = true,
		.type = OPT_CALL,
		.set = set_quirks,
		.arg = "LIST",
		.help = "put up with faults of a front-end",
		.man = MAN("Faults of front-ends to put up with, separated by commas. There is shmem-bit-21: "
			   "front-ends built on "
			   "rust-vmm's vhost 0.16 or older have the protocol feature shmem as bit 21, which is "
			   "gpa_addresses now; "
			   "the one is offered in its place, the other not at all."),
	},
#if VDEVD_HAVE_XEN
	{
		.name = "xen",
		.rare = true,
		.type = OPT_WORD,
		.words =
			(const char *const[]){
				[COMMON_XEN_AUTO] = "auto", [COMMON_XEN_ON] = "on", [COMMON_XEN_OFF] = "off", NULL},
		.off = AT(xen),
		.arg = "WHEN",
		.def = "auto",
		.help = "serve Xen guests: auto, on or off",
		.man = MAN(
			"Whether a front-end may give the memory of another Xen domain: on, off, or auto, which is on "
			"where the machine has /dev/xen/privcmd or /dev/xen/gntdev. See XEN in vdevd(1)."),
	},
	{
		.name = "xen-grant-cache",
		.rare = true,
		.type = OPT_UINT,
		.off = AT(xen_grant_cache),
		.arg = "N",
		.def = "0",
		.max = UINT32_MAX,
		.help = "granted pages to keep mapped after use",
		.man = MAN(
			"How many pages of a region whose grants are mapped on demand stay mapped after their use, so "
			"that they cost nothing when they are used again. The guest cannot take such a page back, and "
			"Linux guests then give the device up: only for guests that never take grants back. See XEN "
			"in vdevd(1)."),
	},
	{
		.name = "xen-domid",
		.rare = true,
		.type = OPT_UINT,
		.off = AT(xen_domid),
		.arg = "N",
		.min = 1,
		.max = XEN_DOMID_RESERVED - 1,
		.help = "the one Xen domain whose memory is served",
		.man = MAN("Only memory of the Xen domain with this number is taken from a front-end; the kernel is "
			   "told so for "
			   "/dev/xen/privcmd (IOCTL_PRIVCMD_RESTRICT). Without it memory of any domain is."),
	},
#else
	{.name = "xen", .type = OPT_CALL, .set = set_no_xen, .arg = "WHEN"},
	{.name = "xen-domid", .type = OPT_CALL, .set = set_no_xen, .arg = "N"},
	{.name = "xen-grant-cache", .type = OPT_CALL, .set = set_no_xen, .arg = "N"},
#endif
	{
		.name = "control",
		.type = OPT_CALL,
		.set = set_control,
		.once = true,
		.arg = "PATH",
		.help = "listen here for the operator's commands",
		.man = MAN("Listen on a UNIX socket at this path for commands to the running device: help lists them, "
			   "stat shows what is "
			   "served. vdevd ctl PATH WORD... gives one. The socket has the permissions that the umask "
			   "leaves. See CONTROL in "
			   "vdevd(1)."),
	},
	{
		.name = "realtime",
		.rare = true,
		.type = OPT_UINT,
		.off = AT(realtime),
		.arg = "PRIO",
		.min = 1,
		.max = 99,
		.help = "real-time priority, 1 to 99; memory is locked",
		.man = MAN("Run under the scheduling policy SCHED_FIFO with this priority, 1 (the least) to 99, and "
			   "lock memory, so that "
			   "neither other processes nor paging delay the device. Guest memory is locked as it is "
			   "touched. It takes "
			   "CAP_SYS_NICE or a limit RLIMIT_RTPRIO as high as the priority (LimitRTPRIO= of a systemd "
			   "unit), and unlimited locked "
			   "memory: RLIMIT_MEMLOCK (LimitMEMLOCK=infinity), or CAP_SYS_RESOURCE, by which vdevd lifts "
			   "the limit. They are needed "
			   "only at the beginning."),
	},
	{
		.name = "log-level",
		.type = OPT_WORD,
		.words = log_level_names,
		.off = AT(log_level),
		.arg = "LEVEL",
		.def = "info",
		.help = "error, warn, info or debug",
		.man = MAN("The least important lines to write on standard error: error, warn, info or debug."),
	},
	{
		.name = "sandbox",
		.rare = true,
		.type = OPT_CALL,
		.set = set_sandbox,
		.arg = "LIST",
		.def = VDEVD_INSTRUMENTED ? "none" : "all",
		.help = "what is taken away before serving",
		.man = MAN(
			"The layers of the sandbox, separated by commas: limits, namespaces, root, ids, capabilities, "
			"no-new-privs, landlock, "
			"mdwe, dumpable, seccomp; or all, or none. With - before it a layer is left out. A layer "
			"that the kernel, the build or "
			"the rights of the caller do not allow is told in one line and left out; with strict in the "
			"list that is an "
			"error. With seccomp:log a system call that is not allowed is told in the kernel's log and "
			"made all the same. See "
			"SECURITY CONSIDERATIONS."),
	},
	{
		.name = "user",
		.rare = true,
		.type = OPT_CALL,
		.set = set_user,
		.arg = "USER[:GROUP]",
		.help = "serve as this user: a name or a number",
		.man = MAN("Become this user once the host's resources are open, with the groups it has in /etc/group "
			   "and those of device "
			   "nodes that are opened again. Names are those of /etc/passwd and /etc/group. The socket "
			   "stays the caller's: "
			   "it is not removed at the end where its folder does not allow that."),
	},
	{
		.name = "oom-score-adj",
		.rare = true,
		.type = OPT_CALL,
		.set = set_oom,
		.arg = "N",
		.help = "when memory is short: -1000 to 1000, 1000 goes first",
		.man = MAN("The process's oom_score_adj (proc(5)), from -1000, never to be killed, to 1000. Without it "
			   "that of the caller "
			   "stays."),
	},
	{
		.name = "print-sandbox",
		.rare = true,
		.type = OPT_CALL,
		.set = set_print_sandbox,
		.arg = "HOW",
		.help = "show what that leaves, as text or json, and exit",
		.man = MAN("Show the system calls, files, ports and capabilities that these options leave, each with "
			   "its reason, and "
			   "exit: text, for people, or json. Nothing of the host is opened."),
	},
	{
		.name = "print-frontend",
		.type = OPT_WORD,
		.words = frontend_forms,
		.off = AT(print_frontend),
		.arg = "VMM",
		.help = "what to tell qemu, libvirt, uml, xl, ...; and exit",
		.man = MAN(
			"Show the lines by which a front-end is told of this device, and exit: qemu (options), libvirt "
			"(XML), cloud-hypervisor, crosvm, libkrun (C), openvmm, uml (an argument of the kernel) or xl "
			"(its configuration file); with --vfio-user qemu-vfio-user or cloud-hypervisor-vfio-user. Forms that nobody has tried say so. vdevd probe shows the same of a "
			"device "
			"that runs. Nothing of the host is opened."),
	},
	{
		.name = "print-capabilities",
		.rare = true,
		.type = OPT_FLAG,
		.off = AT(print_capabilities),
		.help = "describe the device in JSON and exit",
		.man = MAN("Write a JSON object that describes the device (type, features, queues, options) and exit. "
			   "Nothing "
			   "of the host is opened."),
	},
#if VDEVD_HAVE_MAN
	{
		.name = "print-man",
		.type = OPT_FLAG,
		.off = AT(print_man),
	},
#endif
	{
		.name = "help",
		.letter = 'h',
		.type = OPT_FLAG,
		.off = AT(help),
		.help = "show this and exit",
		.man = MAN("Show the options in short and exit: those that are wanted most."),
	},
	{
		.name = "help-all",
		.rare = true,
		.type = OPT_FLAG,
		.off = AT(help_all),
		.help = "show all options and exit",
		.man = MAN("Show all the options in short and exit."),
	},
	{
		.name = "version",
		.letter = 'V',
		.type = OPT_FLAG,
		.off = AT(version),
		.help = "show the version and exit",
		.man = MAN("Show the version and exit."),
	},
	{.name = "v", .letter = 'v', .type = OPT_FLAG, .off = AT(version)},
	{0},
};

/* What a replaced daemon knows beyond; from the second on for those that serve one socket only. */
static const struct opt compat_opts[] = {
	{
		.name = "socket-count",
		.letter = 'c',
		.type = OPT_UINT,
		.off = AT(count),
		.arg = "N",
		.def = "1",
		.min = 1,
		.max = 1024,
		.help = "instances, each with a socket and a process",
		.compat = "c,socket-count",
	},
	{
		.name = "no-suffix",
		.type = OPT_FLAG,
		.off = AT(no_suffix),
		.help = "do not append the instance's number to PATH",
	},
	{0},
};

int common_init(struct common *c, struct vdev *d, bool compat)
{
	const struct vdev_compat *vc = d->class->compat;
	struct opt_group *g = c->groups;

	memset(c, 0, sizeof(*c));
	c->d = d;
	c->count = 1;
	c->socket.protocol = &vu_protocol;
	c->socket.mode = UINT64_MAX;
	sandbox_opts_init(&c->sandbox);

	if (d->class->opts)
		*g++ = (struct opt_group){"Device options", d->class->opts, d};
	*g++ = (struct opt_group){"Common options", common_opts, c};
	if (compat && (vc->count || vc->suffix))
		*g++ = (struct opt_group){"Replaced daemon's options", compat_opts + (vc->count ? 0 : 1), c};
	*g = (struct opt_group){0};

	for (g = c->groups; g->opts; g++) {
		int ret = g->obj == c ? opt_defaults(g) : 0;

		if (ret < 0)
			return ret;
	}
	return 0;
}

bool common_offers_xen(const struct common *c)
{
#if VDEVD_HAVE_XEN
	return c->xen == COMMON_XEN_ON || (c->xen == COMMON_XEN_AUTO && gmem_xen_present());
#else
	return false;
#endif
}

int common_choose_protocol(struct common *c)
{
	if (!c->vfio_user)
		return 0;
	if (c->socket.path) {
		log_usage(&c->d->log, "--socket-path and --vfio-user: exactly one socket is wanted");
		return -EINVAL;
	}
	if (c->xen == COMMON_XEN_ON) {
		log_usage(&c->d->log, "--xen=on: goes with vhost-user only, not with --vfio-user");
		return -EINVAL;
	}
	c->xen = COMMON_XEN_OFF;
	c->socket.path = c->vfio_user;
	c->socket.protocol = &vfu_protocol;
	return 0;
}

int common_take_socket(struct common *c)
{
	struct front_socket_opts *s = &c->socket;
	const struct {
		bool given;
		const char *name;
	} ways[] = {
		{s->path, c->vfio_user ? "--vfio-user" : "--socket-path"},
		{s->fd >= 0, "--fd"},
		{s->listen_fd >= 0, "--socket-fd"},
		{s->connect, "--connect"},
	};
	const char *first = NULL;
	int passed;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (ways[i].given && first) {
			log_usage(&c->d->log, "%s and %s: exactly one socket is wanted", first, ways[i].name);
			return -EINVAL;
		}
		if (ways[i].given)
			first = ways[i].name;
	}
	if (s->has_group && !s->path) {
		log_usage(&c->d->log, "--socket-group: goes with --socket-path or --vfio-user only");
		return -EINVAL;
	}
	if (s->mode != UINT64_MAX && !s->path) {
		log_usage(&c->d->log, "--socket-mode: goes with --socket-path or --vfio-user only");
		return -EINVAL;
	}
	if (c->xen == COMMON_XEN_OFF && c->xen_domid) {
		log_usage(&c->d->log, "--xen-domid=%u: goes with --xen=on or auto only", (unsigned int)c->xen_domid);
		return -EINVAL;
	}
	if (first)
		return 0;
	passed = service_listen_fds();
	if (passed == 1) {
		s->fd = SERVICE_LISTEN_FD;
		return 0;
	}
	if (passed > 1)
		log_usage(&c->d->log, "%d sockets from the service manager: exactly one is wanted", passed);
	else
		log_usage(&c->d->log,
			  "no socket: --socket-path=PATH, --fd=FD, --socket-fd=FD, --connect=PATH or --vfio-user=PATH is wanted");
	return -EINVAL;
}
