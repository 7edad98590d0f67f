/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * status.c - `vdevd status`: how the devices of `vdevd run` are, as a table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/ctl.h"
#include "core/log.h"

#define CONTROL_PATH "/run/vdevd/run.ctl"

/* Columns of an answer to "status": see run_control.c. */
enum {
	NAME,
	DEVICE,
	STATE,
	PID,
	RESTARTS,
	SOCKET,
	CONTROL,
	SAYS,
	LAST,
	COLUMNS,
};

/* The rows, which are asked more about when all have come. */
struct rows {
	char **lines;
	size_t n;
	bool lost; /* there was no memory for one */
};

static void keep_row(void *arg, char *line)
{
	struct rows *r = arg;
	char **more = realloc(r->lines, (r->n + 1) * sizeof(*more));

	if (more) {
		r->lines = more;
		r->lines[r->n] = strdup(line);
	}
	if (!more || !r->lines[r->n])
		r->lost = true;
	else
		r->n++;
}

/* What a device's own "stat" says of use here. */
struct device_stat {
	uint64_t requests;
	bool front_end;
};

static void take_stat(void *arg, char *line)
{
	struct device_stat *s = arg;
	char *value = strchr(line, ' ');
	const char *name;

	if (!value)
		return;
	*value++ = '\0';
	name = strrchr(line, '.');
	if (strncmp(line, "queue.", 6) == 0 && name && strcmp(name, ".requests") == 0)
		s->requests += strtoull(value, NULL, 10);
	else if (strcmp(line, "front-end") == 0)
		s->front_end = strcmp(value, "connected") == 0;
}

static void print_row(char *line)
{
	char *columns[COLUMNS] = {0}, requests[24] = "-";
	const char *front_end = "-";
	unsigned int n = 0;

	for (char *word = strtok(line, " "); word && n < COLUMNS; word = strtok(NULL, " "))
		columns[n++] = word;
	if (n < COLUMNS)
		return;
	if (strcmp(columns[STATE], "ready") == 0) {
		struct device_stat s = {0};

		if (ctl_ask("status", columns[CONTROL], "stat", take_stat, &s) == CMD_OK) {
			snprintf(requests, sizeof(requests), "%ju", (uintmax_t)s.requests);
			front_end = s.front_end ? "yes" : "no";
		}
	}
	printf("%-16s %-8s %-8s %7s %-9s %10s %8s %-20s %s\n", columns[NAME], columns[DEVICE], columns[STATE], columns[PID], front_end,
	       requests, columns[RESTARTS], columns[LAST], columns[SOCKET]);
}

int cmd_status(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : CONTROL_PATH;
	struct log log = {.prefix = "status"};
	struct rows rows = {0};
	int status;

	if (argc > 2 || (argc == 2 && *path == '-')) {
		if (argc == 2 && (strcmp(path, "--help") == 0 || strcmp(path, "-h") == 0)) {
			puts("Usage: vdevd status [PATH]\n"
			     "Shows how the devices of a vdevd run are; PATH is its --control [" CONTROL_PATH "].");
			return CMD_OK;
		}
		log_usage(&log, "%s: the path of the control socket of vdevd run is wanted, or nothing", argv[argc - 1]);
		return CMD_USAGE;
	}
	status = ctl_ask("status", path, "status", keep_row, &rows);
	if (status == CMD_OK)
		printf("%-16s %-8s %-8s %7s %-9s %10s %8s %-20s %s\n", "NAME", "DEVICE", "STATE", "PID", "FRONT-END", "REQUESTS", "RESTARTS",
		       "LAST-END", "SOCKET");
	for (size_t i = 0; i < rows.n; i++) {
		print_row(rows.lines[i]);
		free(rows.lines[i]);
	}
	free(rows.lines);
	if (rows.lost)
		log_error(&log, "out of memory");
	return rows.lost ? CMD_FAILED : status;
}
