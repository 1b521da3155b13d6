/*
 * strangers.h - the programs of a recording that were executed and not followed, each
 * with the reason, in the order in which that became known.
 */
#pragma once

#include "cli/profile/profile.h"
#include "preload/wire.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stranger {
	uint32_t parent_serial; /* who executed it, of the recorded; 0: unknown */
	pid_t pid;
	char *program; /* owned */
	enum wire_exec why;
	uint64_t at_ns;
};

struct strangers { /* zero at first */
	struct stranger *items;
	size_t count, room;
};

void strangers_done(struct strangers *s);

/* Takes the program over, also where there is no memory to list it. */
void strangers_add(struct strangers *s, const struct stranger *stranger);

/* The program that was last listed of this pid as one that did not come has come, after
 * all: it was slow, or its machine. */
void strangers_withdraw(struct strangers *s, pid_t pid);

/* Brings the profile's list up to date. 0, -ENOMEM. */
int strangers_fill(const struct strangers *s, struct profile *p);
