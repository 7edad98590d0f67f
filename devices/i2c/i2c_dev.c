/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_dev.c - the host's I2C adapters through i2c-dev: Linux, Documentation/i2c/dev-interface.rst; SMBus commands through
 * libi2c.
 *
 * An adapter that can make any transfer (I2C_FUNC_I2C) is given the segments as they are; others the SMBus command
 * that is the transfer (i2c_smbus.h).
 *
 * Transfers are made on the worker thread, always: a target may hold the clock, and then the adapter's timeout (often a second)
 * is what the call takes.  The two switches cost about as much as a request of another device.  On a wire that is little: a
 * byte is read in 200 us at 100 kHz.  A driver without a wire (i2c-stub) shows it: there a request takes twice as long.  Telling such
 * drivers by the time they take was tried; under User-Mode Linux, where a call takes as long as a transfer, it cost more than it gave.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <i2c/smbus.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>

#include "core/opt.h"
#include "devices/i2c/i2c_smbus.h"

#define SYSFS_DEVICES "/sys/bus/i2c/devices"

/* What stands before the number in the names of adapters and of their nodes. */
#define NODE_NAME "i2c-"

/* Room for a list of adapters, bytes. */
#define TOLD_SIZE 400

/* The major number of i2c-dev's nodes: Linux, Documentation/admin-guide/devices.txt. */
#define I2C_DEV_MAJOR 89

struct dev_bus {
	int fd;              /* -1: not open */
	unsigned int number; /* of the adapter */
	unsigned long funcs; /* I2C_FUNCS */
	int slave;           /* the address that SMBus commands go to; -1: none yet */
};

struct dev {
	unsigned int nbuses;
	struct dev_bus buses[I2C_BUSES_MAX];
};

/* ---- transfers as they are */

static int rdwr_transfer(const struct dev_bus *b, struct i2c_segment *segs, unsigned int n)
{
	struct i2c_msg msgs[I2C_SEGMENTS_MAX];
	struct i2c_rdwr_ioctl_data data = {.msgs = msgs, .nmsgs = n};

	for (unsigned int i = 0; i < n; i++) {
		bool ten = i2c_addr_is_ten_bit(segs[i].addr);

		msgs[i].addr = ten ? segs[i].addr & (I2C_ADDR_10BIT - 1) : segs[i].addr;
		msgs[i].flags = (uint16_t)((segs[i].read ? I2C_M_RD : 0) | (ten ? I2C_M_TEN : 0));
		msgs[i].len = segs[i].len;
		msgs[i].buf = segs[i].buf;
	}
	int done = ioctl(b->fd, I2C_RDWR, &data);

	return done < 0 ? -errno : done;
}

/* ---- transfers as SMBus commands */

/* SMBus commands from now on go to this address; also where a driver of the host has it, as I2C_RDWR does. */
static int select_slave(struct dev_bus *b, uint16_t addr)
{
	if (b->slave == addr)
		return 0;
	if (ioctl(b->fd, I2C_SLAVE_FORCE, (unsigned long)addr) < 0)
		return -errno;
	b->slave = addr;
	return 0;
}

static int smbus_transfer(struct dev_bus *b, struct i2c_segment *segs, unsigned int n)
{
	struct smbus_call call;
	int err = smbus_plan(b->funcs, segs, n, &call);

	if (!err)
		err = select_slave(b, segs->addr);
	if (!err)
		err = i2c_smbus_access(b->fd, call.dir, call.command, call.size, &call.data);
	if (!err && segs[n - 1].read)
		err = smbus_take(&call, &segs[n - 1]);
	return err ? err : (int)n;
}

static int dev_transfer(void *host, unsigned int bus, struct i2c_segment *segs, unsigned int n)
{
	struct dev_bus *b = &((struct dev *)host)->buses[bus];
	/* Many adapters that can make any transfer can make an empty one only as this command. */
	bool quick = n == 1 && segs->len == 0 && !i2c_addr_is_ten_bit(segs->addr) && (b->funcs & I2C_FUNC_SMBUS_QUICK);

	if ((b->funcs & I2C_FUNC_I2C) && !quick)
		return rdwr_transfer(b, segs, n);
	return smbus_transfer(b, segs, n);
}

/* ---- finding adapters */

/* Reads the first line of a file in sysfs.  Returns false when there is none. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, (int)size, f);

	if (f)
		fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

/* An adapter, as i2cdetect -l shows it. */
struct adapter {
	unsigned int number;
	char name[128];
};

/* Reads "7" or "i2c-7".  Returns whether it is that. */
static bool read_number(const char *text, unsigned int *number)
{
	uint64_t v;

	text += strncmp(text, NODE_NAME, strlen(NODE_NAME)) == 0 ? strlen(NODE_NAME) : 0;
	if (!*text || text[strspn(text, "0123456789")] || opt_parse_number(text, false, &v) < 0 || v > UINT_MAX)
		return false;
	*number = (unsigned int)v;
	return true;
}

/* The next adapter in the folder.  Returns false at the end. */
static bool next_adapter(DIR *dir, struct adapter *a)
{
	for (struct dirent *e; dir && (e = readdir(dir));) {
		char path[sizeof(SYSFS_DEVICES) + 300];

		if (strncmp(e->d_name, NODE_NAME, strlen(NODE_NAME)) != 0 || !read_number(e->d_name, &a->number))
			continue;
		snprintf(path, sizeof(path), SYSFS_DEVICES "/%.40s/name", e->d_name);
		if (read_line(path, a->name, sizeof(a->name)))
			return true;
	}
	return false;
}

/* The number of the adapter with this name.  Returns 0; -ENODEV; -ENOTUNIQ: several have it. */
static int find_name(const char *name, unsigned int *number)
{
	DIR *dir = opendir(SYSFS_DEVICES);
	struct adapter a;
	int err = -ENODEV;

	while (next_adapter(dir, &a)) {
		if (strcmp(a.name, name) != 0)
			continue;
		err = err == -ENODEV ? 0 : -ENOTUNIQ;
		*number = a.number;
	}
	if (dir)
		closedir(dir);
	return err;
}

/* Writes which adapters there are, as many as there is room for: "are i2c-0 (SMBus stub driver), ...", or "is none". */
static void tell_adapters(char *buf, size_t size)
{
	DIR *dir = opendir(SYSFS_DEVICES);
	struct adapter a;
	size_t len = 0;

	snprintf(buf, size, "is none");
	while (next_adapter(dir, &a)) {
		char text[sizeof(a.name) + 40];
		int n = snprintf(text, sizeof(text), "%s " NODE_NAME "%u (%s)", len ? "," : "are", a.number, a.name);

		if (n > 0 && len + (size_t)n < size) {
			memcpy(buf + len, text, (size_t)n + 1);
			len += (size_t)n;
		}
	}
	if (dir)
		closedir(dir);
}

/* Writes the path of the device node that spec names.  Returns 0 or as find_name. */
static int find_node(const char *spec, char *path, size_t size)
{
	unsigned int number;
	int err = 0;

	if (spec[0] == '/') {
		snprintf(path, size, "%s", spec);
		return 0;
	}
	if (!read_number(spec, &number))
		err = find_name(spec, &number);
	if (!err)
		snprintf(path, size, "/dev/" NODE_NAME "%u", number);
	return err;
}

/* Opens the node and asks what its adapter can.  Returns 0 or -errno; -ENOTTY: it is no adapter's. */
static int open_node(struct dev_bus *b, const char *path)
{
	struct stat st;

	b->fd = open(path, O_RDWR | O_CLOEXEC);
	if (b->fd < 0 || fstat(b->fd, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) || major(st.st_rdev) != I2C_DEV_MAJOR)
		return -ENOTTY;
	b->number = minor(st.st_rdev);
	return ioctl(b->fd, I2C_FUNCS, &b->funcs) < 0 ? -errno : 0;
}

static int open_bus(struct dev_bus *b, const char *spec, struct log *log)
{
	char path[I2C_SPEC_MAX], told[TOLD_SIZE];
	int err = find_node(spec, path, sizeof(path));

	b->fd = b->slave = -1;
	if (err == -ENOTUNIQ) {
		log_error(log, "--bus=%s: several adapters have this name; use a number or a device node", spec);
		return err;
	}
	if (!err)
		err = open_node(b, path);
	if (!err)
		return 0;
	tell_adapters(told, sizeof(told));
	if (err == -ENODEV || err == -ENOENT)
		log_error(log, "--bus=%s: no such adapter; there %s (i2c-dev may have to be loaded)", spec, told);
	else
		log_error(log, "--bus=%s: %s: %s", spec, path, err == -ENOTTY ? "not an I2C adapter" : strerror(-err));
	return err;
}

/* ---- settings */

/* Says so when a driver of the host uses an address that the guest is given. */
static void report_driver(const struct dev_bus *b, uint16_t addr, struct log *log)
{
	char path[128], driver[256];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), SYSFS_DEVICES "/%u-%04x/driver", b->number, addr);
	n = readlink(path, driver, sizeof(driver) - 1);
	if (n < 0)
		return;
	driver[n] = '\0';
	name = strrchr(driver, '/');
	log_warn(log, "0x%02x on i2c-%u is used by the host's driver %s, too", addr, b->number, name ? name + 1 : driver);
}

/* Looks at the addresses of a bus.  Returns 0, or -EOPNOTSUPP when its adapter cannot reach one. */
static int check_addrs(const struct dev_bus *b, const struct i2c_setup *setup, unsigned int bus, struct log *log)
{
	for (unsigned int i = 0; i < I2C_ADDR_INDICES; i++) {
		uint16_t addr = i2c_index_addr(i);

		if (setup->rules[i].access == I2C_ACCESS_NONE || setup->rules[i].bus != bus)
			continue;
		if (i2c_addr_is_ten_bit(addr) && (~b->funcs & (I2C_FUNC_I2C | I2C_FUNC_10BIT_ADDR))) {
			log_error(log, "--addr=0x%02x: the adapter of --bus=%s has no 10-bit addresses", addr, setup->buses[bus]);
			return -EOPNOTSUPP;
		}
		report_driver(b, addr, log);
	}
	return 0;
}

static int set_limits(const struct dev_bus *b, const struct i2c_setup *setup, const char *spec, struct log *log)
{
	int err = 0;

	if (setup->timeout && ioctl(b->fd, I2C_TIMEOUT, (unsigned long)(setup->timeout + 9) / 10) < 0)
		err = -errno;
	if (!err && setup->retries && ioctl(b->fd, I2C_RETRIES, (unsigned long)setup->retries) < 0)
		err = -errno;
	if (err)
		log_error(log, "--bus=%s: cannot set --timeout-ms or --retries: %s", spec, strerror(-err));
	return err;
}

static void dev_close(void *host, bool busy)
{
	struct dev *dev = host;

	/* A descriptor that hangs in a call closes with the process. */
	if (busy)
		return;
	for (unsigned int i = 0; i < dev->nbuses; i++) {
		if (dev->buses[i].fd >= 0)
			close(dev->buses[i].fd);
	}
	free(dev);
}

static int dev_open(struct i2c_setup *setup, struct log *log, struct ev_loop *loop, void **host)
{
	struct dev *dev;
	int err = 0;

	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		log_error(log, "out of memory");
		return -ENOMEM;
	}
	for (; !err && dev->nbuses < setup->nbuses; dev->nbuses++) {
		struct dev_bus *b = &dev->buses[dev->nbuses];
		const char *spec = setup->buses[dev->nbuses];

		err = open_bus(b, spec, log);
		if (!err)
			err = check_addrs(b, setup, dev->nbuses, log);
		if (!err)
			err = set_limits(b, setup, spec, log);
		if (!err)
			log_info(log, "i2c-%u: %s", b->number, b->funcs & I2C_FUNC_I2C ? "any transfer" : "SMBus commands only");
	}
	if (err) {
		dev_close(dev, false);
		return err;
	}
	*host = dev;
	return 0;
}

static const struct sandbox_call dev_calls[] = {
	{.name = "ioctl", .why = "a transfer", .checks = {{1, SANDBOX_IS, I2C_RDWR}}},
	{.name = "ioctl",
	 .why = "a transfer of an adapter that knows SMBus commands alone",
	 .checks = {{1, SANDBOX_IS, I2C_SMBUS}}},
	{.name = "ioctl", .why = "the address of SMBus commands", .checks = {{1, SANDBOX_IS, I2C_SLAVE_FORCE}}},
	{0},
};

static void dev_needs(const struct i2c_setup *setup, struct sandbox *s)
{
	sandbox_calls(s, dev_calls);
}

const struct i2c_host_ops i2c_dev_ops = {
	.name = "i2c-dev",
	.needs = dev_needs,
	.open = dev_open,
	.transfer = dev_transfer,
	.close = dev_close,
};
