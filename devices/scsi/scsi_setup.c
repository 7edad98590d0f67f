/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scsi_setup.c - what an operator says of a logical unit; see scsi_setup.h.
 */
#include "devices/scsi/scsi_setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/opt.h"
#include "core/words.h"

/* How long a command of a device of the host may take, usually. */
#define TIMEOUT_MS 60000

/* Reads a number, bytes where it may have a suffix.  Returns 0 or -EINVAL. */
static int read_bytes(const char *key, const struct word *w, uint64_t min, uint64_t max, uint64_t *n, char *why,
		      size_t why_size)
{
	char text[24];

	if (word_copy(w, text, sizeof(text)) && opt_parse_number(text, true, n) == 0 && *n >= min && *n <= max &&
	    *n % DISK_SECTOR == 0)
		return 0;
	snprintf(why, why_size, "%s=%.*s: bytes from %llu to %llu are wanted, a multiple of 512", key, WORD_SHOWN(*w),
		 (unsigned long long)min, (unsigned long long)max);
	return -EINVAL;
}

/* Copies text of printable ASCII.  Returns 0 or -EINVAL. */
static int read_text(const char *key, const struct word *w, char *buf, size_t size, char *why, size_t why_size)
{
	bool good = w->len && word_copy(w, buf, size);

	for (size_t i = 0; good && i < w->len; i++)
		good = buf[i] >= 0x20 && buf[i] < 0x7f;
	if (good)
		return 0;
	snprintf(why, why_size, "%s=%.*s: 1 to %zu letters of ASCII are wanted", key, WORD_SHOWN(*w), size - 1);
	return -EINVAL;
}

static bool read_flag(struct scsi_lun *lun, const struct word *key)
{
	if (word_is(key, "ro"))
		lun->read_only = true;
	else if (word_is(key, "thick"))
		lun->thick = true;
	else if (word_is(key, "thin"))
		lun->thick = false;
	else if (word_is(key, "removable"))
		lun->removable = true;
	else if (word_is(key, "rotational"))
		lun->rotational = true;
	else
		return false;
	return true;
}

static int read_timeout(struct scsi_lun *lun, const struct word *w, char *why, size_t why_size)
{
	uint64_t seconds;

	if (word_number(w, &seconds) == 0 && seconds >= 1 && seconds <= 86400) {
		lun->timeout_ms = (unsigned int)seconds * 1000;
		return 0;
	}
	snprintf(why, why_size, "timeout=%.*s: seconds from 1 to 86400 are wanted", WORD_SHOWN(*w));
	return -EINVAL;
}

static int read_key(void *arg, struct word w, char *why, size_t why_size)
{
	struct scsi_lun *lun = arg;
	struct word key = w, v;
	bool has = word_cut(&key, '=', &v);

	if (!has && read_flag(lun, &key))
		return 0;
	if (has && word_is(&key, "path")) {
		lun->path = lun->path_room;
		if (v.len && word_copy(&v, lun->path_room, sizeof(lun->path_room)))
			return 0;
		snprintf(why, why_size, "path=%.*s: a path of 1 to %zu bytes is wanted", WORD_SHOWN(v),
			 sizeof(lun->path_room) - 1);
		return -EINVAL;
	}
	if (has && word_is(&key, "sg")) {
		lun->path = lun->path_room;
		lun->passthrough = true;
		if (v.len && word_copy(&v, lun->path_room, sizeof(lun->path_room)))
			return 0;
		snprintf(why, why_size, "sg=%.*s: a path of 1 to %zu bytes is wanted", WORD_SHOWN(v),
			 sizeof(lun->path_room) - 1);
		return -EINVAL;
	}
	if (has && word_is(&key, "timeout"))
		return read_timeout(lun, &v, why, why_size);
	if (has && word_is(&key, "reservations")) {
		if (v.len && word_copy(&v, lun->kept_path, sizeof(lun->kept_path)))
			return 0;
		snprintf(why, why_size, "reservations=%.*s: a path of 1 to %zu bytes is wanted", WORD_SHOWN(v),
			 sizeof(lun->kept_path) - 1);
		return -EINVAL;
	}
	if (has && word_is(&key, "sim"))
		return read_bytes("sim", &v, 4096, SIZE_MAX / 8, &lun->sim_size, why, why_size);
	if (has && word_is(&key, "serial"))
		return read_text("serial", &v, lun->serial, sizeof(lun->serial), why, why_size);
	if (has && word_is(&key, "vendor"))
		return read_text("vendor", &v, lun->vendor, sizeof(lun->vendor), why, why_size);
	if (has && word_is(&key, "product"))
		return read_text("product", &v, lun->product, sizeof(lun->product), why, why_size);
	if (has && word_is(&key, "block-size") &&
	    read_bytes("block-size", &v, 512, 4096, &lun->block_option, why, why_size) == 0 &&
	    (lun->block_option == 512 || lun->block_option == 4096))
		return 0;
	snprintf(
		why, why_size,
		"'%.*s': path=FILE, sim=BYTES, sg=PATH, timeout=, ro, serial=, vendor=, product=, block-size=512|4096, "
		"reservations=FILE, rotational, thin, thick or removable is wanted",
		WORD_SHOWN(w));
	return -EINVAL;
}

/* Whether something is said of a unit that a device of the host says itself. */
static bool is_described(const struct scsi_lun *lun)
{
	return lun->serial[0] || lun->kept_path[0] || lun->block_option || lun->thick || lun->removable ||
	       lun->rotational || strcmp(lun->vendor, "VDEVD") != 0 || strcmp(lun->product, "DISK") != 0;
}

int scsi_setup_parse(struct scsi_lun *lun, const char *value, char *why, size_t why_size)
{
	struct word number = word_of(value), keys;
	const char *rest = word_cut(&number, ':', &keys) ? strchr(value, ':') + 1 : NULL;
	uint64_t n;

	if (!rest || word_number(&number, &n) < 0 || n > SCSI_LUN_LAST) {
		snprintf(why, why_size, "'%.*s': a number from 0 to %d and a colon are wanted: 0:path=disk.img",
			 WORD_SHOWN(number), SCSI_LUN_LAST);
		return -EINVAL;
	}
	lun->number = (unsigned int)n;
	snprintf(lun->vendor, sizeof(lun->vendor), "VDEVD");
	snprintf(lun->product, sizeof(lun->product), "DISK");
	if (words_each(rest, ',', read_key, lun, why, why_size) < 0)
		return -EINVAL;
	if (!lun->path == !lun->sim_size) {
		snprintf(why, why_size, "unit %u: one of path=FILE, sim=BYTES and sg=PATH is wanted", lun->number);
		return -EINVAL;
	}
	if (lun->passthrough ? is_described(lun) : lun->timeout_ms != 0) {
		snprintf(why, why_size, "unit %u: with sg=PATH go timeout= and ro alone, and timeout= with that alone",
			 lun->number);
		return -EINVAL;
	}
	if (!lun->timeout_ms)
		lun->timeout_ms = TIMEOUT_MS;
	return 0;
}
