/*
 * codes.h - private, checked copies of the Python code objects that the shim has
 * published, and what their instructions are in the profile.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/profile/profile.h"
#include "preload/wire.h"

struct code {
	char *file, *name;    /* owned */
	unsigned char *lines; /* owned */
	uint32_t lines_len;
	uint32_t version, first_line, last_line;
};

struct codes {
	struct code *items;
	size_t count, room;
	struct table known;  /* number in the wire -> index of the item + 1 */
	struct table places; /* (number in the wire, line) -> profile code */
	struct table instructions; /* (number, offset) -> the same: no line looked up */
};

void codes_done(struct codes *c);

/* The number of the profile's code for an instruction of a code object; 0: nothing is
 * known of the object. p is always the same. 0 or -ENOMEM. */
int codes_place(struct codes *c, void *base, uint32_t number, uint64_t offset,
		struct profile *p, uint32_t *ret);
