/*
 * sessions.h - the recordings that are under way on this machine: collectors of the
 * same user (root finds all), asked over their sockets.
 */
#pragma once

#include "cli/collect/control.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Asks every collector for its status: *ret, malloc'ed, of *ret_count. Those of other
 * users and network namespaces are not seen. 0 or -errno. */
int sessions_list(struct control_status **ret, size_t *ret_count);

/* The same for a verb: false after saying why it cannot look. */
bool sessions_look(struct control_status **ret, size_t *ret_count);

/* Which recordings a word of the command line names: -1 for "all", else a pid; 0: it is
 * neither. */
int32_t sessions_parse_pid(const char *word);

/* Has a collector that sessions_list() told of scan a process of its recording; pid 0:
 * the program. 0 with *ret filled, or -errno. */
int sessions_snapshot(const struct control_status *which, int32_t pid, const char *name,
		      bool contents, struct control_snapshot *ret);

/* Has a collector that sessions_list() told of bring its profile up to date: *ret is
 * its status then. 0; -errno, also of its writing; -ESRCH: it has ended. */
int sessions_update(const struct control_status *which, struct control_status *ret);

/* Ends the recording of a collector that sessions_list() told of, and waits until its
 * profile is written: *ret is its last status. 0 or -errno. */
int sessions_stop(const struct control_status *which, struct control_status *ret);
