/*
 * values.h - whether the objects that a site makes say the same again and again.
 *
 * Of some objects that are freed the shim tells what they say (WIRE_VALUE). For each site
 * the last few values are kept: how many were sampled, and how many of them were among
 * those before, is what a profile has of it. Bounded: sites behind the first VALUES_SITES
 * that have any are not looked at.
 */
#pragma once

#include "cli/base/table.h"

enum {
	VALUES_RECENT = 8,
	VALUES_SITES = 1 << 16,
};

struct values_site {
	uint64_t sampled, repeated;
	uint32_t used;
	uint32_t recent[VALUES_RECENT]; /* used of them, the latest first */
};

struct values { /* all zeroes at first */
	struct values_site *items;
	size_t count, room;
	struct table of; /* site -> index in items */
};

void values_done(struct values *v);

/* An object that was made at the site said this. Without memory it is not looked at. */
void values_note(struct values *v, uint32_t site, uint64_t value);

/* What is known of the site; NULL: nothing. */
const struct values_site *values_of(const struct values *v, uint32_t site);
