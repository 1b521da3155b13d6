/*
 * unpack.h - a chunk out of a file: read, checked, and inflated.
 *
 * Every chunk is there by itself, so that several threads can do it at once, ahead of
 * what the chunks' rows are put into, which is one thread's (load.h).
 */
#pragma once

#include "cli/base/bytes.h"
#include "cli/profile/format.h"

#include <zlib.h>

struct load;

struct unpacked {
	uint64_t at;		/* of the chunk, in the file */
	struct format_header h; /* which was checked */
	struct bytes stored, raw;
	z_stream inflate;
	bool open; /* inflate is */

	/* What came of it: 0, and `payload`, in one of the two above; or -errno. */
	enum { UNPACK_READ, UNPACK_CHECK, UNPACK_INFLATE } step; /* which failed */
	int failed;
	struct bytes_reader payload;
};

/* Unpacks the chunk at u->at, whose header is u->h. */
void unpack(const struct load *l, struct unpacked *u);

void unpacked_done(struct unpacked *u);
