/*
 * parts.h - what a profile's file is made of, and how much room each part takes.
 */
#pragma once

#include <stdint.h>

enum { PROFILE_PARTS = 40 };

struct profile_part {
	const char *name; /* plural, for people; "other" for what is unknown */
	uint64_t chunks, stored_bytes,
		raw_bytes; /* with headers, in the file; inflated */
};

struct profile_parts {
	struct profile_part part[PROFILE_PARTS];
	unsigned count;
	uint64_t file_bytes;
	uint64_t updates;    /* commits */
	uint64_t rest_bytes; /* behind the last whole commit: an update cut off */
};

/* Looks at the headers alone of a profile that loads; up to where they make no sense
 * if it has become another since. 0; or -errno of open and read; -EINVAL for what is
 * no regular file. */
int profile_parts(const char *path, struct profile_parts *ret);
