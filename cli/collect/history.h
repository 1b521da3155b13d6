/*
 * history.h - what each site had counted by the end of each epoch of the recording.
 *
 * An epoch is [n << shift, (n + 1) << shift) ns, n < HISTORY_EPOCHS. A site's first
 * event in a later epoch than its last one writes what it had counted until then to the
 * end of a log: one row, of counters that the event is about to touch anyway. So
 *
 *	counts of an epoch = until of the site's row of it - until of its row before
 *	counts of its last epoch (site.epoch) = its counters - until of its last row
 *	kept of its last epoch = live at the end - sum of kept over its rows
 *
 * An event costs one comparison, and a row where there are enough events to bear it.
 * The width doubles when time runs out of epochs, when an epoch has had a row for less
 * than HISTORY_EVENTS events, and when the rows are too many. That is lazy: numbers of
 * epochs are kept in units of 1 << unit ns, and compared without their lowest `bits`;
 * rows that are of one epoch by now are joined when the log is full, and by its
 * readers.
 *
 * `kept` counts blocks by the epoch that they were born in, at the end of their
 * process: so what an epoch has allocated and nobody ever freed is known too. Where
 * processes are counted together some end while others go on: of a site's last epoch,
 * of which there is no row, that waits beside it (sites_left.kept).
 */
#pragma once

#include "cli/profile/profile.h"

enum {
	HISTORY_EPOCHS = 128,
	HISTORY_FIRST_SHIFT = 20, /* 1 ms */
	HISTORY_BITS = 16,	  /* at most; so numbers of epochs have 7 more */
	HISTORY_EVENTS = 16,
	HISTORY_FREE = 1024,
	HISTORY_ROWS = 1 << 19, /* of 128 bytes */
};

struct site;
struct sites;
struct sites_process;

/* Of a site, since the beginning. */
struct history_counts {
	uint64_t allocs, allocated_bytes, frees, freed_bytes;
	uint64_t freed_here, freed_here_bytes;
	struct profile_amount temporary;
	uint64_t last_rank, last_live_bytes;
	struct profile_amount left; /* as of profile_share */
};

struct history_row {
	struct history_counts until; /* the end of the epoch */
	struct profile_amount kept;  /* of those born in it; 0 before the end */
	uint32_t site, epoch;
	uint32_t before; /* the site's row before this one, from 1; 0: none */
};

struct history {
	uint32_t epoch; /* the current one, in units; its lowest `bits` are 0 */
	uint8_t unit, bits;
	uint64_t start_ns, end_ns;
	struct history_row *rows;
	size_t count, room;
	size_t most; /* of rows, and one more for two sites */
	size_t free; /* rows of an epoch, however few its events are */

	/* Of the current epoch: rows, and sites.rank at its start. */
	size_t written;
	uint64_t rank;
};

/* Rows of one process by site and epoch. */
struct history_index {
	uint32_t *slots; /* open addressing: numbers of rows; 0: free */
	size_t room;	 /* a power of two; 0: there are no rows */
};

void history_start(struct history *h);
void history_done(struct history *h);

/* log2 of the width of an epoch in ns. */
static inline unsigned history_shift(const struct history *h)
{
	return (unsigned)h->unit + h->bits;
}

/* The number of an epoch, from 0, among those of the present width. */
static inline uint32_t history_number(const struct history *h, uint32_t epoch)
{
	return epoch >> h->bits;
}

/* ns is past the current epoch: makes its epoch the current one. Returns ns, or what
 * stands for a moment that is centuries away. */
uint64_t history_open(struct sites *s, uint64_t ns);

/* A site that was last touched in another epoch is about to be. */
void history_turn(struct sites *s, struct site *site);

/* A free of the site's blocks, or by code there, that was counted at a moment did not
 * happen after all. */
void history_unfree(struct sites *s, const struct site *site, uint64_t ns,
		    uint32_t blocks, uint64_t bytes);
void history_unfree_here(struct sites *s, const struct site *site, uint64_t ns,
			 uint32_t blocks, uint64_t bytes);

/* Before the first history_keep() for a process's blocks. 0 or -ENOMEM. */
int history_index_open(struct history_index *x, const struct sites *s,
		       const struct sites_process *p);
void history_index_done(struct history_index *x);

/* So much of what a site of that process had been given at born_ns outlived it. */
void history_keep(struct sites *s, const struct history_index *x, uint32_t site,
		  uint64_t born_ns, struct profile_amount sum);

/* The same, at the end of one of several processes that it counts the blocks of. */
void history_leave(struct sites *s, uint32_t site, uint64_t born_ns,
		   struct profile_amount sum);

/* All that the site has counted up to now. */
struct history_counts history_now(const struct sites *s, const struct site *site);

/* The rows of a site with different epochs, by ascending ones, and none of its last
 * epoch; `kept` of those that are left out is in them. At most HISTORY_EPOCHS. */
size_t history_rows(const struct sites *s, const struct site *site,
		    struct history_row *ret);
