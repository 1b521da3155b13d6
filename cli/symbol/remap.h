/*
 * remap.h - where sources are on this machine, for code that was compiled elsewhere:
 * the rules of --source-path FROM=TO.
 *
 * FROM is the beginning of paths as debug information has them, whole components of it;
 * "." stands for all relative ones. The original path comes after all rules.
 */
#pragma once

#include "cli/symbol/path.h"

#include <stdbool.h>

struct remap_rule {
	char *from; /* without a slash at its end: "" is the root directory */
	char *to;
};

struct remap {
	struct remap_rule *rules; /* in the order given */
	size_t count, room;
};

/* Adds a rule. 0; -EINVAL: it is not of the form FROM=TO; -ENOMEM. */
int remap_add(struct remap *r, const char *rule);

/* The same for several, each ended by a newline. */
int remap_add_lines(struct remap *r, const char *lines);

void remap_done(struct remap *r);

/* Applies rule number n. The length of what it makes of the path; 0: it does not apply,
 * or the result would not fit. */
size_t remap_apply(const struct remap *r, size_t n, const char *path,
		   char ret[PATH_MAX_BYTES]);

/* True if any rule applies. */
bool remap_applies(const struct remap *r, const char *path);
