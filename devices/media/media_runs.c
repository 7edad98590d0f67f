/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * media_runs.c - pictures packed by runs; see media_runs.h.
 *
 * Both sides may be memory that a guest writes to at the same time: bytes that are looked at are read by way of
 * volatile.  When they are looked at again they may be others.  So how long the result is at most rests on what was
 * decided, not on what is there.
 */
#include "devices/media/media_runs.h"

#include <string.h>

/* How many times the byte at *in stands, at most 128. */
static size_t run_of(const volatile uint8_t *in, size_t n, uint8_t *byte)
{
	size_t len = 1;

	*byte = in[0];
	while (len < n && len < 128 && in[len] == *byte)
		len++;
	return len;
}

/* How many bytes there are before three that are the same, at most 128, at least 1.  *run: whether those are there. */
static size_t literal_of(const volatile uint8_t *in, size_t n, bool *run)
{
	size_t len = 1;

	for (*run = false; len < n && len < 128; len++) {
		*run = len + 2 < n && in[len] == in[len + 1] && in[len] == in[len + 2];
		if (*run)
			break;
	}
	return len;
}

size_t media_runs_pack(const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t *begin = out;
	bool run = false; /* here are three bytes that were the same: what ends a short literal pays for it */

	for (size_t at = 0; at < n;) {
		uint8_t byte;
		size_t len = run_of(in + at, n - at, &byte);

		if (run && len < 3)
			len = 3;
		if (len > 2) {
			run = false;
			*out++ = (uint8_t)(257 - len);
			*out++ = byte;
		} else {
			len = literal_of(in + at, n - at, &run);
			*out++ = (uint8_t)(len - 1);
			memcpy(out, in + at, len);
			out += len;
		}
		at += len;
	}
	return (size_t)(out - begin);
}

bool media_runs_unpack(const uint8_t *in, size_t n, uint8_t *out, size_t size)
{
	size_t done = 0;

	for (size_t at = 0; at < n;) {
		const uint8_t head = *(const volatile uint8_t *)(in + at++);
		const bool run = head > 128;
		size_t len = run ? 257u - head : head + 1u, take = run ? 1 : len;

		if (head == 128)
			continue;
		if (take > n - at || len > size - done)
			return false;
		if (run)
			memset(out + done, *(const volatile uint8_t *)(in + at), len);
		else
			memcpy(out + done, in + at, len);
		at += take;
		done += len;
	}
	return done == size;
}
