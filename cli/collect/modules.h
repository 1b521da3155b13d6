/*
 * modules.h - private, checked copies of the modules that the shim has published.
 */
#pragma once

#include "preload/wire.h"

#include <stdbool.h>
#include <stddef.h>

struct modules_item {
	char *path; /* owned; as the loader had it, "" is the executable */
	char build_id[2 * WIRE_BUILD_ID_BYTES + 1]; /* lower-case hex */
	uint64_t start, end;			    /* in the file */
	uint32_t process_serial; /* the process that saw it first */
};

struct modules {
	struct modules_item *items; /* in the order in which they became ready */
	size_t count, room;
	uint16_t number[WIRE_MODULES]; /* of wire modules: index of the item + 1 */
	uint32_t first_unready;	       /* all below are in items, or were refused */
	uint32_t python;	       /* index of PROFILE_PYTHON's item + 1; 0: none */
};

void modules_done(struct modules *m);

/* Adds what Python frames are in, PROFILE_PYTHON, if it is not there. 0 or -ENOMEM. */
int modules_add_python(struct modules *m);

/* Copies those that are ready and not yet here, at the end of items. 0 or -ENOMEM. */
int modules_poll(struct modules *m, void *base);
