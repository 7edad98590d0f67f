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

int i2c_addr_parse(const char *text, uint16_t *addr)
{
	uint64_t v;

	if (opt_parse_number(text, false, &v) < 0)
		return -EINVAL;
	if (v >= I2C_ADDR_7BIT && (v < I2C_TEN_BIT || v >= I2C_TEN_BIT + I2C_ADDR_10BIT))
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

/* Reads "0x48", "0x48-0x4f" or one of these with ":ro" or ":ro16"; the text is taken to pieces. */
static int add_range(struct i2c_setup *setup, char *text, char *why, size_t why_size)
{
	char *mode = strchr(text, ':'), *dash;
	enum i2c_access access = I2C_ACCESS_FULL;
	uint16_t first, last;

	if (mode) {
		*mode++ = '\0';
		access = strcmp(mode, "ro") == 0     ? I2C_ACCESS_READ
			 : strcmp(mode, "ro16") == 0 ? I2C_ACCESS_READ16
						     : I2C_ACCESS_NONE;
		if (access == I2C_ACCESS_NONE) {
			snprintf(why, why_size, "'%.20s': ro or ro16 is wanted", mode);
			return -EINVAL;
		}
	}
	dash = strchr(text, '-');
	if (dash)
		*dash++ = '\0';
	if (i2c_addr_parse(text, &first) < 0 || i2c_addr_parse(dash ? dash : text, &last) < 0 ||
	    i2c_addr_is_ten_bit(first) != i2c_addr_is_ten_bit(last) || last < first) {
		snprintf(why, why_size,
			 "'%.20s%s%.20s': no address (0x48 or 0x48-0x4f is wanted, at most 0x7f, or 0xa000 plus a "
			 "10-bit address)",
			 text, dash ? "-" : "", dash ? dash : "");
		return -EINVAL;
	}
	for (unsigned int i = i2c_addr_index(first); i <= i2c_addr_index(last); i++) {
		int err = add_addr(setup, i, access, why, why_size);

		if (err)
			return err;
	}
	return 0;
}

/* Hands each of the words, parted by the given sign, to add; words are copied first. */
static int each_word(struct i2c_setup *setup, const char *words, size_t len, char sign, char *why, size_t why_size)
{
	char word[64];

	for (size_t n; len; words += n, len -= n) {
		const char *end = memchr(words, sign, len);
		int err;

		n = end ? (size_t)(end - words) : len;
		snprintf(word, sizeof(word), "%.*s", (int)min_size(n, sizeof(word)), words);
		err = add_range(setup, word, why, why_size);
		if (err)
			return err;
		n += end != NULL;
	}
	return 0;
}

int i2c_setup_addr(struct i2c_setup *setup, const char *value, char *why, size_t why_size)
{
	return each_word(setup, value, strlen(value), ',', why, why_size);
}

int i2c_setup_device_list(struct i2c_setup *setup, const char *value, char *why, size_t why_size)
{
	for (size_t n; *value; value += n) {
		const char *colon = strchr(value, ':');
		int err;

		n = strcspn(value, ",");
		if (!colon || colon > value + n || colon + 1 == value + n) {
			snprintf(why, why_size, "BUS:ADDR[:ADDR...] is wanted, several parted by commas");
			return -EINVAL;
		}
		err = add_bus(setup, value, (size_t)(colon - value), why, why_size);
		if (!err)
			err = each_word(setup, colon + 1, (size_t)(value + n - colon - 1), ':', why, why_size);
		if (err)
			return err;
		n += value[n] == ',';
	}
	return 0;
}

void i2c_setup_ruled(const struct i2c_setup *setup, bool ruled[static I2C_BUSES_MAX])
{
	memset(ruled, 0, I2C_BUSES_MAX * sizeof(*ruled));
	for (unsigned int i = 0; i < I2C_ADDR_INDICES; i++)
		ruled[setup->rules[i].bus] |= setup->rules[i].access != I2C_ACCESS_NONE;
}
