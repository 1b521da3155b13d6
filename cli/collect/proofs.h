/*
 * proofs.h - blocks that a snapshot found held by nothing, followed until they are
 * freed: whoever frees one had its address, so it was not lost. For each process.
 *
 * A scan goes on for a while after the moment that it is of: what leaves its address
 * meanwhile is kept in `gone` (proofs_begin() to proofs_end()). From then on those that
 * it found (proofs_suspect()) are watched, by address: as one that leaves is watched no
 * more, a later block there is not taken for it.
 *
 * Addresses are the ledger's, with POOLS_CHUNK.
 */
#pragma once

#include "cli/base/table.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROOFS_FILTER = 1 << 20, /* bits */
	PROOFS_MOST = 1 << 18,	 /* suspects at a time, and addresses of a scan */
	PROOFS_ROWS = 1 << 16,
};

struct proofs_row {
	uint64_t address, lost_ns, freed_ns;
};

struct proofs {
	bool watching; /* frees are of interest */
	bool scanning;
	bool lost; /* there was not enough room: not all are followed */
	uint64_t scan_ns;
	struct table gone;     /* address -> when + 1, or that it is noted */
	struct table suspects; /* address -> when it was found first + 1; 0: freed */
	size_t live;	       /* of the suspects */
	/* By hash of the address: 0, it is no suspect. NULL: nobody knows. */
	uint64_t *filter;
	struct proofs_row *rows;
	size_t count, room;
};

void proofs_done(struct proofs *p);

/* The blocks of now are looked at. */
void proofs_begin(struct proofs *p, uint64_t ns);

/* Whether it is of interest that a block leaves that address. Every free asks. */
static inline bool proofs_watches(const struct proofs *p, uint64_t address)
{
	uint64_t bit = (address >> 3) * 0x9e3779b97f4a7c15ull >> 44;

	static_assert(PROOFS_FILTER == 1 << (64 - 44), "as many bits");
	return p->watching &&
	       (p->scanning || !p->filter || p->filter[bit / 64] >> bit % 64 & 1);
}

/* A block has left that address, or is about to be moved. Call where that is watched. */
void proofs_left(struct proofs *p, uint64_t address, uint64_t ns);

/* That one was held by nothing. Between begin and end. */
void proofs_suspect(struct proofs *p, uint64_t address);
void proofs_end(struct proofs *p);
