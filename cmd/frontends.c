/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frontends.c - the lines by which a front-end is told of a device; see frontends.h.
 *
 * vhost-user has no message by which a back end says what it is, so each front-end has to be told: by a device of its
 * own for the kind, or by id, queues and size of the configuration space.  With vfio-user a socket says it all.
 */
#include "cmd/frontends.h"

#include <stdio.h>

/* Front-ends that have a device for the kind: their name for it. */
static const struct {
	uint32_t id;	   /* VIRTIO 1.4, section 5 "Device Types" */
	const char *qemu;  /* without its bus; NULL: the generic one serves */
	const char *needs; /* what QEMU's wants besides a chardev, with a comma before it */
	const char *crosvm;
} kinds[] = {
	{2, "vhost-user-blk", "", "block"},	   {3, NULL, "", "console"},
	{4, "vhost-user-rng", "", NULL},	   {8, "vhost-user-scsi", "", NULL},
	{17, "vhost-user-rtc", "", NULL},	   {18, "vhost-user-input", "", "input"},
	{19, "vhost-user-vsock", "", "vsock"},	   {25, "vhost-user-snd", "", "sound"},
	{26, "vhost-user-fs", ",tag=share", "fs"}, {32, "vhost-user-scmi", "", NULL},
	{34, "vhost-user-i2c", "", NULL},	   {41, "vhost-user-gpio", "", NULL},
	{45, "vhost-user-spi", "", NULL},	   {48, NULL, "", "media"},
};

void frontend_of_instance(const struct vdev *d, const char *path, bool listens, struct frontend_facts *out)
{
	*out = (struct frontend_facts){
		.name = d->class->name,
		.path = path,
		.listens = listens,
		.virtio_id = d->class->virtio_id,
		.nqueues = d->face.nqueues,
		.config_size = d->face.config_size,
		.shmem = d->face.nshmem,
	};
	for (unsigned int q = 0; q < out->nqueues; q++)
		out->queue_size[q] = d->face.queues[q].size;
}

/* The socket, as given or by the rule of the manual's examples. */
static void print_path(const struct frontend_facts *f)
{
	if (f->path)
		fputs(f->path, stdout);
	else
		printf("/run/vdevd/%s.sock", f->name);
}

/* The largest of the queues. */
static unsigned int largest_queue(const struct frontend_facts *f)
{
	unsigned int size = 0;

	for (unsigned int q = 0; q < f->nqueues; q++)
		size = f->queue_size[q] > size ? f->queue_size[q] : size;
	return size;
}

/* The sizes of all queues, with commas between. */
static void print_sizes(const struct frontend_facts *f)
{
	for (unsigned int q = 0; q < f->nqueues; q++)
		printf("%s%u", q ? "," : "", f->queue_size[q]);
}

/* QEMU's -device and -chardev, each behind before; what is between an option and its value is between. */
static void print_qemu_device(const struct frontend_facts *f, const char *before, const char *between,
			      const char *after)
{
	size_t kind = 0;

	while (kind < ARRAY_SIZE(kinds) && kinds[kind].id != f->virtio_id)
		kind++;
	printf("%s-chardev%ssocket,id=%s,path=", before, between, f->name);
	print_path(f);
	printf("%s%s%s-device%s", f->listens ? ",server=on,wait=off" : "", after, before, between);
	if (kind < ARRAY_SIZE(kinds) && kinds[kind].qemu)
		printf("%s-pci,chardev=%s%s%s", kinds[kind].qemu, f->name, kinds[kind].needs, after);
	else
		printf("vhost-user-test-device-pci,chardev=%s,virtio-id=%u,num_vqs=%u,vq_size=%u,config_size=%zu%s",
		       f->name, f->virtio_id, f->nqueues, largest_queue(f), f->config_size, after);
}

/* What QEMU is told once. */
static void print_qemu_memory(void)
{
	puts("# once a machine, where guest memory is not shared yet (512M: its size)\n"
	     "-object memory-backend-memfd,id=mem,size=512M,share=on -machine memory-backend=mem");
}

static void print_qemu(const struct frontend_facts *f)
{
	print_qemu_memory();
	print_qemu_device(f, "", " ", "\n");
}

static void print_libvirt(const struct frontend_facts *f)
{
	puts("<!-- in <domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>, once -->\n"
	     "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>\n"
	     "<qemu:commandline>");
	print_qemu_device(f, "  <qemu:arg value='", "'/>\n  <qemu:arg value='", "'/>\n");
	puts("</qemu:commandline>");
}

static void print_cloud_hypervisor(const struct frontend_facts *f)
{
	fputs("# untried here; once a machine: --memory size=512M,shared=on\n--generic-vhost-user socket=", stdout);
	print_path(f);
	printf(",device_type=%u,queue_sizes=[", f->virtio_id);
	print_sizes(f);
	puts("]");
}

static void print_crosvm(const struct frontend_facts *f)
{
	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		if (kinds[kind].id != f->virtio_id || !kinds[kind].crosvm)
			continue;
		printf("# untried here\n--vhost-user type=%s,socket=", kinds[kind].crosvm);
		print_path(f);
		putchar('\n');
		return;
	}
	printf("# crosvm serves the kinds of device it knows, and %s is none of them\n", f->name);
}

static void print_libkrun(const struct frontend_facts *f)
{
	printf("/* untried here */\nuint16_t %s_sizes[] = {", f->name);
	print_sizes(f);
	printf("};\nkrun_add_vhost_user_device(ctx, %u, \"", f->virtio_id);
	print_path(f);
	printf("\", \"%s\", %u, %s_sizes);\n", f->name, f->nqueues, f->name);
}

static void print_openvmm(const struct frontend_facts *f)
{
	fputs("# untried here: what a VhostUserGenericHandle is told\nsocket: ", stdout);
	print_path(f);
	printf("\ndevice_id: %u\nqueue_sizes: [", f->virtio_id);
	print_sizes(f);
	puts("]");
}

static void print_uml(const struct frontend_facts *f)
{
	fputs("virtio_uml.device=", stdout);
	print_path(f);
	printf(":%u\n", f->virtio_id);
}

/* Types are virtio,deviceN, N in hexadecimal: xl.cfg(5). */
static void print_xl(const struct frontend_facts *f)
{
	printf("# Xen 4.18 or later, Arm; untried here.  vhost-user front-end: the socket is ");
	print_path(f);
	printf("\nvirtio = [ \"type=virtio,device%x,transport=mmio\" ]\n", f->virtio_id);
}

/* A socket's path is a text of JSON there; a shell would take the braces apart. */
static void print_qemu_vfio_user(const struct frontend_facts *f)
{
	print_qemu_memory();
	fputs("-device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"", stdout);
	print_path(f);
	puts("\"}}'");
}

static void print_cloud_hypervisor_vfio_user(const struct frontend_facts *f)
{
	fputs("# untried here; once a machine: --memory size=512M,shared=on\n--user-device socket=", stdout);
	print_path(f);
	putchar('\n');
}

static const struct {
	void (*print)(const struct frontend_facts *f);
	bool no_shmem;	    /* it has none of VHOST_USER_PROTOCOL_F_SHMEM */
	bool connects_only; /* to a socket that the device listens on */
	bool vfio_user;	    /* it speaks that */
} forms[] = {
	{NULL, false, false, false},
	{print_qemu, false, false, false},
	{print_libvirt, false, false, false},
	{print_cloud_hypervisor, true, true, false},
	{print_crosvm, false, true, false},
	{print_libkrun, true, true, false},
	{print_openvmm, true, true, false},
	{print_uml, true, true, false},
	{print_xl, true, true, false},
	{print_qemu_vfio_user, true, true, true},
	{print_cloud_hypervisor_vfio_user, true, true, true},
};

const char *const frontend_forms[] = {"none", "qemu", "libvirt", "cloud-hypervisor", "crosvm", "libkrun", "openvmm",
				      "uml",  "xl",   "qemu-vfio-user", "cloud-hypervisor-vfio-user", NULL};

_Static_assert(ARRAY_SIZE(forms) + 1 == ARRAY_SIZE(frontend_forms), "a form has a name");

void frontend_print(const struct frontend_facts *f, unsigned int form)
{
	if (!forms[form].print)
		return;
	if (f->shmem && forms[form].no_shmem)
		printf("# %s uses shared memory regions, which this front-end does not have\n", f->name);
	if (f->listens && forms[form].connects_only)
		printf("# this front-end connects: %s= in --connect's place\n", forms[form].vfio_user ? "--vfio-user" : "--socket-path");
	else if (forms[form].vfio_user && !f->vfio_user)
		puts("# this front-end speaks vfio-user: --vfio-user= in --socket-path's place");
	else if (!forms[form].vfio_user && f->vfio_user)
		puts("# this front-end speaks vhost-user: --socket-path= in --vfio-user's place");
	forms[form].print(f);
}
