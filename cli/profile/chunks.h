/*
 * chunks.h - chunks of a profile on their way into a file: made by several threads at
 * once, put out in their order by the one that calls (relay.h).
 *
 *	r = chunks_next(c, &chunk);	// may put out one that was made meanwhile
 *	chunk->make = ..., chunk->items = ...
 *	r = chunks_go(c, chunk);
 *	...
 *	r = chunks_flush(c);		// all are out
 *
 * Without threads, which is the collector's way, as the program needs the processors,
 * a chunk is made and put out by chunks_go() itself. A failure stays until
 * chunks_drop(); nobody else may use a struct chunks meanwhile, and what a chunk refers
 * to stays as it is until it is out.
 */
#pragma once

#include "cli/base/relay.h"
#include "cli/profile/format.h"

#include <zlib.h>

/* Less than this many numbers are made at once: a tenth of a millisecond or two, which
 * it takes until another thread is awake. */
enum { CHUNKS_FEW = 4096 };

struct chunk {
	uint16_t type; /* enum format_chunk */
	bool plain;    /* is not deflated, as what lies in payload would gain nothing */
	/* Appends to payload, in any thread; NULL: it is all there. The rest is what it
	 * works on. */
	void (*make)(struct chunk *chunk);
	const struct profile *profile;
	const void *items;
	const struct profile_piece *piece; /* it is this, stored as it is; or NULL */
	const struct bytes *was; /* a payload that need not be put out again, or NULL */
	void *scratch; /* rows or numbers of rows; owned, of scratch_room bytes */
	size_t scratch_room, first, count;
	bool goes_on; /* its last row and what is behind it are of one site */
	struct bytes payload;

	/* What came of it: a header's place, and the payload, deflated or not. */
	struct bytes stored;
	bool same; /* as `was`: nothing is stored */
	bool deflated;
	uint32_t raw; /* bytes once inflated */

	z_stream deflate;
	bool open; /* deflate is */
	int level; /* of it */
};

struct chunks {
	/* Writes what came of a chunk: 0 or -errno. */
	int (*put)(void *context, struct chunk *chunk);
	void *context;
	int level; /* zlib's; 0: nothing is deflated */

	struct chunk ring[RELAY_THREADS];
	struct relay relay; /* of them */
};

void chunks_init(struct chunks *c, int (*put)(void *, struct chunk *), void *context,
		 int level);

/* From now on by as many threads as there are processors. Before the first chunk. */
void chunks_use_threads(struct chunks *c);

/* Ends the threads. Nothing is put out any more. */
void chunks_done(struct chunks *c);

/* The next chunk, empty. 0, or -errno of an earlier one. */
int chunks_next(struct chunks *c, enum format_chunk type, struct chunk **ret);

/* count rows of room in chunk->scratch; NULL without memory. */
void *chunks_scratch(struct chunk *chunk, size_t count, size_t row_bytes);

/* Makes and puts out the chunk that chunks_next() gave, now or later: by the thread that
 * calls where that is less work than to wake another. */
int chunks_go(struct chunks *c, const struct chunk *chunk);

/* Puts out all that are under way. 0, or -errno of the first that failed. */
int chunks_flush(struct chunks *c);

/* Forgets all that are under way, and the failure. */
void chunks_drop(struct chunks *c);
