/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * scmi_scan.c - samples of an IIO buffer; see scmi_scan.h.
 */
#include "devices/scmi/scmi_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Reads a number behind a letter that must be there.  Returns false where it is not. */
static bool number_take(const char **text, const char *mark, unsigned int *n)
{
	unsigned long value;
	char *end;

	if (strncmp(*text, mark, strlen(mark)) != 0 || (*text)[strlen(mark)] < '0' || (*text)[strlen(mark)] > '9')
		return false;
	value = strtoul(*text + strlen(mark), &end, 10);
	*text = end;
	*n = value > 1024 ? 1024 : (unsigned int)value;
	return true;
}

int scmi_scan_parse(const char *text, struct scmi_scan_type *t)
{
	*t = (struct scmi_scan_type){.repeat = 1};
	if (strncmp(text, "be:", 3) == 0)
		t->big_endian = true;
	else if (strncmp(text, "le:", 3) != 0)
		return -EINVAL;
	text += 3;
	t->is_signed = *text == 's';
	if ((*text != 's' && *text != 'u') || !number_take(&text, t->is_signed ? "s" : "u", &t->bits) ||
	    !number_take(&text, "/", &t->storage))
		return -EINVAL;
	if (*text == 'X' && (!number_take(&text, "X", &t->repeat) || !t->repeat || t->repeat > 16))
		return -EINVAL;
	if (*text == '>' && !number_take(&text, ">>", &t->shift))
		return -EINVAL;
	if (*text && *text != '\n')
		return -EINVAL;
	if (t->storage != 8 && t->storage != 16 && t->storage != 32 && t->storage != 64)
		return -EINVAL;
	return t->bits && t->bits + t->shift <= t->storage ? 0 : -EINVAL;
}

int scmi_scan_add(struct scmi_scan *s, const struct scmi_scan_element *e)
{
	unsigned int at = s->n;

	if (s->n == SCMI_SCAN_ELEMENTS)
		return -ENOSPC;
	for (; at && s->elements[at - 1].index > e->index; at--)
		s->elements[at] = s->elements[at - 1];
	s->elements[at] = *e;
	s->n++;
	return 0;
}

static size_t align_to(size_t at, size_t size)
{
	return (at + size - 1) / size * size;
}

/* A value with repetitions is aligned to all of it. */
static size_t element_size(const struct scmi_scan_element *e)
{
	return (size_t)e->type.storage / 8 * e->type.repeat;
}

void scmi_scan_finish(struct scmi_scan *s)
{
	size_t largest = 1;

	s->size = 0;
	for (unsigned int i = 0; i < s->n; i++) {
		size_t size = element_size(&s->elements[i]);

		s->size = align_to(s->size, size) + size;
		largest = size > largest ? size : largest;
	}
	s->size = align_to(s->size, largest);
}

static int64_t value_take(const struct scmi_scan_type *t, const uint8_t *bytes)
{
	unsigned int n = t->storage / 8;
	uint64_t v = 0;

	for (unsigned int i = 0; i < n; i++)
		v = v << 8 | bytes[t->big_endian ? i : n - 1 - i];
	v >>= t->shift;
	if (t->bits < 64) {
		v &= (UINT64_C(1) << t->bits) - 1;
		if (t->is_signed && v >> (t->bits - 1))
			v |= ~UINT64_C(0) << t->bits;
	}
	return (int64_t)v;
}

void scmi_scan_take(const struct scmi_scan *s, const uint8_t *sample, int64_t *axes, unsigned int naxes)
{
	size_t at = 0;

	for (unsigned int i = 0; i < s->n; i++) {
		const struct scmi_scan_element *e = &s->elements[i];

		at = align_to(at, element_size(e));
		if (e->axis >= 0 && (unsigned int)e->axis < naxes)
			axes[e->axis] = value_take(&e->type, sample + at);
		at += element_size(e);
	}
}
