/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * describe.c - what a personality says of itself: --help, --print-capabilities (QEMU docs/interop/vhost-user.rst,
 * "Back-end program conventions") and --print-man (mdoc(7)).
 */
#include "cmd/common.h"

#include <ctype.h>
#include <stdlib.h>

#include "cmd/drop.h"
#include "cmd/frontends.h"
#include "config.h"
#include "core/json.h"
#include "transport/vhost_user/vhost_user.h"
#include "transport/vu_msg.h"

/* The day of the release the pages are of: the same table gives the same page on every day. */
#define MAN_DATE "November 22, 2026"

void print_help(const struct common *c)
{
	const struct vdev_class *class = c->d->class;

	printf("Usage: vdevd %s --socket-path=PATH [OPTION]...\nServes a virtio device over vhost-user: %s.\n",
	       class->name, class->summary);
	opt_print_help(stdout, c->groups, c->help_all);
	if (c->help_all)
		printf("\nman vdevd-%s: in full\n", class->name);
	else
		printf("\n--help-all shows the others, too; man vdevd-%s: in full\n", class->name);
}

/* A device or ring feature bit's name. */
static const char *feature_name(const struct vdev_class *class, unsigned int bit)
{
	const char *name = vdev_feature_name(class, bit);

	return name ? name : vu_feature_name(bit);
}

static const char *protocol_feature_name(const struct vdev_class *class, unsigned int bit)
{
	return vu_protocol_feature_name(bit);
}

/* Writes the names of the bits that are set, as an array. */
static void print_bits(struct json *j, const struct vdev_class *class, const char *member, uint64_t bits,
		       const char *(*name_of)(const struct vdev_class *class, unsigned int bit), const char *const *more)
{
	json_array(j, member, false);
	for (unsigned int bit = 0; bit < 64; bit++) {
		const char *name = name_of(class, bit);
		char number[8];

		snprintf(number, sizeof(number), "%u", bit);
		if (bits & BIT(bit))
			json_text(j, NULL, name ? name : number);
	}
	for (const char *const *w = more; w && *w; w++)
		json_text(j, NULL, *w);
	json_end(j);
}

static void print_queues(struct json *j, const struct vdev_class *class)
{
	json_array(j, "queues", false);
	for (unsigned int q = 0; q < class->face.nqueues; q++) {
		const struct vdev_queue_desc *desc = &class->face.queues[q];

		json_object(j, NULL, false);
		json_text(j, "name", desc->name);
		json_uint(j, "size", desc->size);
		json_uint(j, "max-size", desc->max);
		json_end(j);
	}
	json_end(j);
}

void print_capabilities(const struct common *c)
{
	const struct vdev_class *class = c->d->class;
	struct json j;

	json_begin(&j, stdout);
	json_object(&j, NULL, true);
	json_text(&j, "type", class->backend_type ? class->backend_type : class->name);
	print_bits(&j, class, "features", vu_offered_features(c->d), feature_name,
		   class->compat ? class->compat->says : NULL);
	print_bits(&j, class, "protocol-features",
		   vu_offered_protocol_features(c->d) | (common_offers_xen(c) ? vu_offered_xen_features(c->d) : 0),
		   protocol_feature_name, NULL);
	json_uint(&j, "virtio-id", class->virtio_id);
	print_queues(&j, class);
	json_uint(&j, "config-size", class->face.config_size);
	opt_print_json(&j, "options", c->groups);
	json_end(&j);
	putchar('\n');
}

void print_sandbox(const struct common *c)
{
	struct sandbox *s = drop_needs(c, &c->socket);

	if (!s)
		return;
	if (c->print_sandbox == COMMON_PRINT_JSON)
		sandbox_print_json(s, &c->sandbox, stdout);
	else
		sandbox_print(s, &c->sandbox, stdout);
	sandbox_free(s);
}

void print_frontend(const struct common *c)
{
	const char *connect = c->socket.connect;
	struct frontend_facts facts;

	frontend_of_instance(c->d, connect ? connect : c->socket.path, connect, &facts);
	facts.vfio_user = c->vfio_user;
	frontend_print(&facts, c->print_frontend);
}

#if VDEVD_HAVE_MAN
static void print_man_head(const struct vdev_class *class)
{
	printf(".\\\" Written by \"vdevd %s --print-man\" from the option tables in the sources.\n.Dd %s\n.Dt VDEVD-",
	       class->name, MAN_DATE);
	for (const char *p = class->name; *p; p++)
		putchar(toupper((unsigned char)*p));
	printf(" 1\n.Os\n.Sh NAME\n.Nm vdevd-%s\n.Nd %s for virtual machines, over vhost-user\n", class->name,
	       class->summary);
	printf(".Sh SYNOPSIS\n.Nm vdevd Cm %s\n.Fl Fl socket-path Ns = Ns Ar PATH\n.Op Ar option ...\n", class->name);
	printf(".Nm vdevd-%s\n.Fl Fl socket-path Ns = Ns Ar PATH\n.Op Ar option ...\n", class->name);
	puts(".Sh DESCRIPTION");
	man_print_text(stdout, class->about ? class->about : class->summary);
}

/* How the daemon this device replaces is called, where that differs. */
static void print_man_compat(const struct common *c)
{
	const struct vdev_class *class = c->d->class;
	const struct vdev_compat *vc = class->compat;
	const struct opt *socket = opt_find(c->groups, "socket-path");

	printf(".Sh COMPATIBILITY\nCalled by the name\n.Nm vhost-device-%s ,\nfor instance through a symbolic link, it "
	       "takes the "
	       "place of the daemon of that\nname.\nThese spellings are then accepted, and win:\n.Bl -tag -width Ds\n",
	       class->name);
	man_print_item(stdout, socket, socket->compat, true);
	if (vc->suffix)
		puts("Listen on this path with the number of the instance, from 0 on, appended to it,\nalso when there "
		     "is one "
		     "instance only.\n.It Fl Fl no-suffix\nListen on the path as it is given.");
	else
		puts("Listen on this path.");
	if (vc->count)
		puts(".It Fl c Ar N , Fl Fl socket-count Ns = Ns Ar N\nServe\n.Ar N\nsockets, each in a process of its "
		     "own.\nThe "
		     "parent only waits and passes\n.Dv SIGTERM ,\n.Dv SIGINT\nand\n.Dv SIGHUP\non.");
	for (const struct opt *o = class->opts; o && o->name; o++) {
		if (man_print_item(stdout, o, o->compat, false))
			printf("The same as\n.Fl Fl %s .\n", o->name);
	}
	puts(".El");
}

/* What remains possible with the options as they are when none is given. */
static void print_man_security(const struct common *c)
{
	const struct front_socket_opts socket = {.protocol = &vu_protocol, .path = "/run/vdevd/socket", .fd = -1, .listen_fd = -1};
	struct common plain = *c;
	struct sandbox *s;

	/* The page is the same wherever it is made. */
	plain.xen = COMMON_XEN_OFF;
	unsetenv("NOTIFY_SOCKET");
	s = drop_needs(&plain, &socket);
	puts(".Sh SECURITY CONSIDERATIONS");
	man_print_text(stdout, "The guest is taken for hostile. Once the host's resources are open and the socket "
			       "listens, everything is taken "
			       "away that serving does not need: see --sandbox, and SANDBOX in vdevd(1). Another "
			       "system call ends the process; "
			       "memory never becomes executable, no program can be run and no other process be "
			       "signalled or looked at. Files "
			       "are those that --print-sandbox shows for the options given; capabilities are none, "
			       "unless it shows some.");
	if (s)
		sandbox_print_man(s, stdout);
	sandbox_free(s);
}

void print_man_page(const struct common *c)
{
	const struct vdev_class *class = c->d->class;

	print_man_head(class);
	puts(".Sh OPTIONS\nA value is given as\n.Fl Fl option Ns = Ns Ar VALUE\nor\n.Fl Fl option Ar VALUE .");
	opt_print_man(stdout, c->groups);
	/* A device may have a use of its own for SIGHUP, which its text tells. */
	printf(".Sh EXIT STATUS\n0 after\n%s\nafter the command\n.Cm quit ,\nor when the front-end of a connected\n"
	       ".Fl Fl fd\nhas gone; 1 when the host refuses something; 2 for a wrong call.\n",
	       class->hangup ? ".Dv SIGTERM\nor\n.Dv SIGINT ," : ".Dv SIGTERM ,\n.Dv SIGINT\nor\n.Dv SIGHUP ,");
	if (class->examples) {
		puts(".Sh EXAMPLES\n.Bd -literal -offset indent");
		for (const char *const *e = class->examples; *e; e++)
			man_print_literal(stdout, *e);
		puts(".Ed");
	}
	if (class->compat)
		print_man_compat(c);
	puts(".Sh SEE ALSO\n.Xr vdevd 1");
	print_man_security(c);
}
#endif
