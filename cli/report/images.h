/*
 * images.h - programs and processes: an exec gives a process another program, and a
 * profile has a row for each program that a process was.
 */
#pragma once

#include "cli/profile/profile.h"

struct images {
	const struct profile *profile;
	uint32_t *next; /* by index: index of the program that it became; or NONE */
	bool *first;	/* by index: not what another one became */
};

enum { IMAGES_NONE = UINT32_MAX };

/* Looks at p->processes, which must stay as they are. 0 or -ENOMEM. */
int images_init(struct images *m, const struct profile *p);
void images_done(struct images *m);

/* What a process became by exec, over and over: its last program that was recorded. */
const struct profile_process *images_last(const struct images *m, size_t process);
