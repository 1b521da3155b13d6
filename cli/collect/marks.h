/*
 * marks.h - the moments that programs have given names (heapline_mark()): how many of
 * each name and process, and when, as evenly as there is room for.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/collect/recording.h"
#include "cli/profile/profile.h"

enum {
	MARKS_NAMES = 16384, /* of all processes together; more are not kept */
	MARKS_MOMENTS = 64,  /* of one */
};

struct marks { /* zero at first */
	struct marks_name *items;
	size_t count, room;
	struct table known; /* process, name -> item + 1 */
};

void marks_done(struct marks *m);

/* name: number of a wire_name, 0 none. Moments of one process and name come in their
 * order. 0 or -ENOMEM. */
int marks_add(struct marks *m, uint32_t serial, uint32_t name, uint64_t ns);

/* Brings the profile's up to date. 0 or -ENOMEM. */
int marks_fill(const struct marks *m, const struct recording *names, struct profile *p);
