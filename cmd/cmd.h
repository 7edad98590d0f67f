/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cmd.h - the commands of the executable.  Each takes its name in argv[0] and its arguments after it, and
 * returns the exit status.
 */
#ifndef VDEVD_CMD_CMD_H
#define VDEVD_CMD_CMD_H

#include "core/device.h"

enum cmd_status {
	CMD_OK = 0,
	CMD_FAILED = 1, /* the host would not */
	CMD_USAGE = 2,	/* wrong call */
};

/* Serves a device.  compat: called by the name of the daemon it replaces, whose rules then hold. */
int cmd_serve(const struct vdev_class *class, bool compat, int argc, char **argv);

/* Lists the devices there are, for people or (--json) for programs. */
int cmd_list(int argc, char **argv);

/* Asks a running back end what it is and whether it keeps the protocol. */
int cmd_probe(int argc, char **argv);

/* Stands between a front-end and a back end that may end and begin anew. */
int cmd_relay(int argc, char **argv);

/* Gives a running device a command over its control socket. */
int cmd_ctl(int argc, char **argv);

/* Serves the devices of a file, a process each. */
int cmd_run(int argc, char **argv);

/* Shows how the devices of `vdevd run` are. */
int cmd_status(int argc, char **argv);

/* The command or device argv[0], as main would run it, argv ending with NULL. */
int cmd_call(int argc, char **argv);

/* "--install-links DIR [-s]": makes DIR/vdevd-NAME for each device built in, links to this executable. */
int cmd_links(int argc, char **argv);

/* "--print-completion=SHELL": what a shell completes calls by, on standard output. */
int cmd_completion(int argc, char **argv);

/* The options of the commands that have any. */
extern const struct opt list_opts[], probe_opts[], relay_opts[], run_opts[], ctl_opts[];

/* Writes the devices as lines of a table on standard output. */
void list_devices(void);

#endif
