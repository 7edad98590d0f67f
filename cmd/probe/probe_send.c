/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * probe_send.c - `vdevd probe --send`: requests the user spells out, and what the device answers.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/probe/probe.h"

static int digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* One request: hexadecimal bytes the device reads, and after a slash how many it may write. */
int probe_send_parse(const char *text, struct probe_send *send, char *why, size_t why_size)
{
	const char *slash = strchr(text, '/');
	size_t digits = strspn(text, "0123456789abcdefABCDEF");
	uint64_t room = 0;

	if (text[digits] != '\0' && text + digits != slash)
		snprintf(why, why_size, "hexadecimal digits, and /ROOM where an answer is wanted");
	else if (digits % 2 || digits / 2 > sizeof(send->bytes))
		snprintf(why, why_size, "two digits for each of at most %zu bytes are wanted", sizeof(send->bytes));
	else if (slash && (opt_parse_number(slash + 1, false, &room) || room > PROBE_MAX_PART))
		snprintf(why, why_size, "room for at most %d bytes is wanted", PROBE_MAX_PART);
	else if (!digits && !room)
		snprintf(why, why_size, "bytes, or room for an answer, are wanted");
	else {
		for (size_t i = 0; i < digits / 2; i++)
			send->bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
		send->len = digits / 2;
		send->room = (size_t)room;
		return 0;
	}
	return -EINVAL;
}

static void print_bytes(const char *head, const uint8_t *bytes, size_t len)
{
	fputs(head, stdout);
	for (size_t i = 0; i < len; i++)
		printf(" %02x", bytes[i]);
	putchar('\n');
}

int probe_send(struct probe *p)
{
	const struct frontend_queue_opts opts = frontend_queue_defaults(PROBE_RING);
	unsigned int q = (unsigned int)p->queue;
	int err = probe_resume(p);

	if (!err)
		err = frontend_queue_start(p->fe, q, &opts);
	for (unsigned int i = 0; !err && i < p->nsends; i++) {
		const struct probe_send *send = &p->sends[i];
		uint8_t answer[PROBE_MAX_PART];
		uint32_t used = 0;

		err = frontend_request(p->fe, q, send->bytes, send->len, answer, send->room, &used, NULL);
		if (err)
			break;
		print_bytes(">", send->bytes, send->len);
		print_bytes("<", answer, used);
	}
	if (err)
		probe_failed(p);
	return err;
}
