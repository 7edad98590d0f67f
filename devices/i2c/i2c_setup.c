/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * i2c_setup.c - from the options to buses and the addresses on them that the guest may use (VIRTIO 1.4, section 5.16);
 * see i2c_setup.h.
 */
#include "devices/i2c/i2c_setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/opt.h"
#include "core/policy.h"

int i2c_addr_parse(const char *text, uint16_t *addr)
{
	uint64_t v;

	if (opt_parse_number(text, false, &v) < 0 || !i2c_addr_sound(v))
		return -EINVAL;
	*addr = (uint16_t)v;
	return 0;
}

/* Adds a bus, of a name of len bytes. */
static int add_bus(struct i2c_setup *setup, const char *name, size_t len, char *why, size_t why_size)
{
	if (!len || len >= I2C_SPEC_MAX) {
		snprintf(why, why_size, "no bus (/dev/i2c-1, 1, or an adapter's name is wanted)");
		return -EINVAL;
	}
	if (setup->nbuses == I2C_BUSES_MAX) {
		snprintf(why, why_size, "one too many (%d are possible)", I2C_BUSES_MAX);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < setup->nbuses; i++) {
		if (strlen(setup->buses[i]) == len && strncmp(setup->buses[i], name, len) == 0) {
			snprintf(why, why_size, "given twice");
			return -EINVAL;
		}
	}
	memcpy(setup->buses[setup->nbuses], name, len);
	setup->buses[setup->nbuses++][len] = '\0';
	return 0;
}

int i2c_setup_bus(struct i2c_setup *setup, const char *value, char *why, size_t why_size)
{
	bool late = setup->ntargets > 0;

	for (unsigned int i = 0; i < I2C_ADDR_INDICES; i++)
		late |= setup->rules[i].access != I2C_ACCESS_NONE;
	if (late && !setup->nbuses) {
		snprintf(why, why_size, "must stand before the --addr and --sim that belong to it");
		return -EINVAL;
	}
	return add_bus(setup, value, strlen(value), why, why_size);
}

unsigned int i2c_setup_last_bus(const struct i2c_setup *setup)
{
	return setup->nbuses ? setup->nbuses - 1 : 0;
}

/* Gives the guest an address on the last bus. */
static int add_addr(struct i2c_setup *setup, unsigned int index, enum i2c_access access, char *why, size_t why_size)
{
	struct i2c_rule *rule = &setup->rules[index];

	if (rule->access != I2C_ACCESS_NONE) {
		snprintf(why, why_size,
			 "0x%02x is given already%s%s (a guest sees one bus, so an address stands for one target)",
			 i2c_index_addr(index), setup->nbuses ? ", on --bus=" : "",
			 setup->nbuses ? setup->buses[rule->bus] : "");
		return -EINVAL;
	}
	*rule = (struct i2c_rule){.access = (uint8_t)access, .bus = (uint8_t)i2c_setup_last_bus(setup)};
	return 0;
}

/* What stands behind an address.  Returns 0 or -EINVAL. */
static int read_access(const struct word *mode, enum i2c_access *access, char *why, size_t why_size)
{
	*access = word_is(mode, "ro16") ? I2C_ACCESS_READ16 : I2C_ACCESS_READ;
	if (word_is(mode, "ro16") || word_is(mode, "ro"))
		return 0;
	snprintf(why, why_size, "'%.*s': ro or ro16 is wanted", WORD_SHOWN(*mode));
	return -EINVAL;
}

/* Reads addresses of one length: one, a range, those of a mask, or all of 7 bits.  Returns 0 or -EINVAL. */
static int read_addrs(const struct word *w, struct policy_item *item)
{
	char unsaid[1];

	if (policy_item_parse(w, I2C_ADDR_MAX, item, unsaid, sizeof(unsaid)) < 0)
		return -EINVAL;
	if (word_is(w, "all"))
		item->last = I2C_ADDR_7BIT - 1;
	if (!i2c_addr_sound(item->first) || !i2c_addr_sound(item->last) ||
	    i2c_addr_is_ten_bit((uint16_t)item->first) != i2c_addr_is_ten_bit((uint16_t)item->last))
		return -EINVAL;
	return 0;
}

/* Gives the guest what a word says: addresses, and perhaps ":ro" or ":ro16" behind them. */
static int add_addrs(void *arg, struct word w, char *why, size_t why_size)
{
	struct i2c_setup *setup = arg;
	enum i2c_access access = I2C_ACCESS_FULL;
	struct policy_item item;
	struct word mode;
	int err = 0;

	if (word_cut(&w, ':', &mode))
		err = read_access(&mode, &access, why, why_size);
	if (err)
		return err;
	if (read_addrs(&w, &item) < 0) {
		snprintf(why, why_size,
			 "'%.*s': no address (0x48, 0x48-0x4f, 0x50/0x7c or all is wanted, at most 0x7f, or 0xa000 plus a "
			 "10-bit address)",
			 WORD_SHOWN(w));
		return -EINVAL;
	}
	for (unsigned int i = 0; i < I2C_ADDR_INDICES && !err; i++) {
		uint16_t addr = i2c_index_addr(i);

		if (i2c_addr_is_ten_bit(addr) == i2c_addr_is_ten_bit((uint16_t)item.first) && policy_item_has(&item, addr))
			err = add_addr(setup, i, access, why, why_size);
	}
	return err;
}

int i2c_setup_addr(struct i2c_setup *setup, const char *value, char *why, size_t why_size)
{
	return words_each(value, ',', add_addrs, setup, why, why_size);
}

/* "4:0x48:0x50" */
static int add_listed(void *arg, struct word bus, char *why, size_t why_size)
{
	struct i2c_setup *setup = arg;
	struct word addr, rest;
	int err;

	if (!word_cut(&bus, ':', &rest) || !rest.len) {
		snprintf(why, why_size, "BUS:ADDR[:ADDR...] is wanted, several parted by commas");
		return -EINVAL;
	}
	err = add_bus(setup, bus.text, bus.len, why, why_size);
	while (!err && rest.len) {
		addr = rest;
		word_cut(&addr, ':', &rest);
		err = add_addrs(setup, addr, why, why_size);
	}
	return err;
}

int i2c_setup_device_list(struct i2c_setup *setup, const char *value, char *why, size_t why_size)
{
	return words_each(value, ',', add_listed, setup, why, why_size);
}

void i2c_setup_ruled(const struct i2c_setup *setup, bool ruled[static I2C_BUSES_MAX])
{
	memset(ruled, 0, I2C_BUSES_MAX * sizeof(*ruled));
	for (unsigned int i = 0; i < I2C_ADDR_INDICES; i++)
		ruled[setup->rules[i].bus] |= setup->rules[i].access != I2C_ACCESS_NONE;
}
