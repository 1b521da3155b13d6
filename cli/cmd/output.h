/*
 * output.h - profiles that a verb writes: whole in their place, or not at all.
 */
#pragma once

#include "cli/profile/profile.h"

struct output_profile {
	struct profile *p;
	struct profile *const *more; /* as of profile_writer_update_with() */
	size_t more_count;
	/* Asked before it takes its place: 0, or the -errno that forbids it. May be
	 * NULL. */
	int (*check)(const void *context);
	const void *context;
};

/* Writes it, all sites, as a new file or with `replace` in the place of one that is
 * there (base/draft.h). 0 or -errno: -EEXIST if one is there that is to stay. */
int output_write(const char *path, bool replace, const struct output_profile *what);

/* Says what went wrong; cause: what err means here, or NULL. */
void output_say(const char *path, int err, const char *cause);
