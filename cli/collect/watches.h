/*
 * watches.h - the watches of a recording, by process.
 */
#pragma once

#include "cli/collect/engine.h"
#include "cli/collect/watch.h"

enum { WATCHES = 256 }; /* processes at once; others are not watched */

struct watches {
	struct watches_item {
		uint32_t serial;
		pid_t pid;
		struct watch *watch;
		bool told; /* that it is dying */
	} items[WATCHES];
	size_t count;
	bool on;
	int bell;
	uint32_t wait_ms;
};

/* Watches the process, if that can be; one that has executed another program goes on
 * to be. */
void watches_add(struct watches *w, const struct engine_process *p);

/* The next process that is dying, once each: true, and its serial. Forgets those that
 * have gone. */
bool watches_next(struct watches *w, uint32_t *ret_serial);

/* Its watch, or NULL. */
struct watch *watches_find(const struct watches *w, uint32_t serial);

/* Lets it go, for good or for a while: whether it was watched. */
bool watches_leave(struct watches *w, uint32_t serial);

void watches_done(struct watches *w);
