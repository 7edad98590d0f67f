/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ctl.h - a command to a running vdevd, and its answer; see core/control.h.
 */
#ifndef VDEVD_CMD_CTL_H
#define VDEVD_CMD_CTL_H

/*
 * Gives the vdevd whose control socket is at path the command, and hands take each line of its answer, which it may cut; not the last,
 * "ok" or an error.  prefix: of error lines, not copied.  Returns the exit status; where it is not CMD_OK a line has told why.
 */
int ctl_ask(const char *prefix, const char *path, const char *command, void (*take)(void *arg, char *line), void *arg);

#endif
