/*
 * fill_times.c - what sites counted by epochs, into the profile. There may be a million
 * rows: several threads make them, each those of some sites that follow each other.
 */
#include "cli/collect/fill.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"
#include "cli/base/relay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { SPAN_ROWS = 16384 }; /* at least, of a thread's turn */

/* What lies between two moments of a site; died is not known here. */
static struct profile_share between(const struct history_counts *a,
				    const struct history_counts *b)
{
	return (struct profile_share){
		.allocs = b->allocs - a->allocs,
		.allocated_bytes = b->allocated_bytes - a->allocated_bytes,
		.frees = b->frees - a->frees,
		.freed_bytes = b->freed_bytes - a->freed_bytes,
		.freed_here = b->freed_here - a->freed_here,
		.freed_here_bytes = b->freed_here_bytes - a->freed_here_bytes,
		.temporary = {b->temporary.blocks - a->temporary.blocks,
			      b->temporary.bytes - a->temporary.bytes},
		.left = {b->left.blocks - a->left.blocks,
			 b->left.bytes - a->left.bytes},
		.last_rank = b->last_rank,
		.last_live_bytes = b->last_live_bytes,
	};
}

/* false: more is kept than was allocated, so that the process has not ended. */
static bool add_share(const struct sites *s, const struct site *site, uint32_t epoch,
		      struct profile_share part, struct profile_amount kept,
		      struct profile_share **to)
{
	part.process_serial = s->processes[site->process]->serial;
	part.stack = site->stack;
	part.domain = site->domain;
	part.value = epoch;
	part.died.blocks = part.allocs - kept.blocks;
	part.died.bytes = part.allocated_bytes - kept.bytes;
	*(*to)++ = part;
	return kept.blocks <= part.allocs && kept.bytes <= part.allocated_bytes;
}

/* Its rows, and the last epoch, which is what they leave of it. */
static bool add_shares(const struct sites *s, const struct site *site,
		       struct profile_share **to)
{
	const struct history *h = &s->history;
	struct history_row rows[HISTORY_EPOCHS];
	struct history_counts before = {0}, now = history_now(s, site);
	struct profile_amount left = sites_live(site);
	size_t count = history_rows(s, site, rows);
	struct profile_share part;

	for (size_t i = 0; i < count; i++) {
		const struct history_row *row = &rows[i];

		part = between(&before, &row->until);
		if (!add_share(s, site, history_number(h, row->epoch), part, row->kept,
			       to))
			return false;
		before = row->until;
		left.blocks -= row->kept.blocks;
		left.bytes -= row->kept.bytes;
	}
	part = between(&before, &now);
	return add_share(s, site, history_number(h, site->epoch), part, left, to);
}

/* How many rows a site has. */
struct tally {
	uint32_t rows; /* 0: nothing happened there */
	uint32_t last; /* number of its last epoch */
	uint32_t seen; /* + 1, of the row before; 0: none */
};

/* As history_rows() will find them, and the last epoch's; of all sites. */
static size_t count_rows(const struct sites *s, struct tally *tally)
{
	const struct history *h = &s->history;
	size_t rows = 0;

	for (size_t i = 1; i < s->count; i++) {
		const struct site *site = &s->items[i];

		tally[i].rows = site->allocs || site->last_rank;
		tally[i].last = history_number(h, site->epoch);
		rows += tally[i].rows;
	}
	for (size_t i = 0; i < h->count; i++) {
		struct tally *t = &tally[h->rows[i].site];
		uint32_t number = history_number(h, h->rows[i].epoch);

		if (!t->rows || number == t->last || number + 1 == t->seen)
			continue;
		t->seen = number + 1;
		t->rows++;
		rows++;
	}
	return rows;
}

struct span { /* sites that follow each other, and where their rows go */
	const struct sites *sites;
	const struct tally *tally;
	size_t from, to;
	struct profile_share *rows;
	bool whole;
};

static void make_span(void *context, void *item)
{
	struct span *span = item;
	struct profile_share *to = span->rows;

	(void)context;
	span->whole = true;
	for (size_t i = span->from; i < span->to && span->whole; i++)
		if (span->tally[i].rows)
			span->whole =
				add_shares(span->sites, &span->sites->items[i], &to);
}

static int end_span(void *context, void *item)
{
	const struct span *span = item;
	bool *whole = context;

	*whole = *whole && span->whole;
	return 0;
}

/* Has the rows from *site on worked out, so many at least. How many they are. */
static size_t go_span(struct relay *relay, const struct sites *s,
		      const struct tally *tally, size_t *site,
		      struct profile_share *rows, size_t least)
{
	struct span *span;
	void *item;
	size_t n = 0;

	relay_next(relay, &item);
	span = item;
	*span = (struct span){s, tally, *site, *site, rows, true};
	for (; span->to < s->count && n < least; span->to++)
		n += tally[span->to].rows;
	*site = span->to;
	if (n < SPAN_ROWS)
		relay_do(relay);
	else
		relay_go(relay);
	return n;
}

/* False: some process has not ended. */
static bool make_rows(const struct sites *s, const struct tally *tally,
		      struct profile_share *rows, size_t count)
{
	size_t least = count / RELAY_THREADS + 1, site = 1, done = 0;
	struct span spans[RELAY_THREADS];
	struct relay relay;
	bool whole = true;

	relay_init(&relay, make_span, end_span, &whole);
	for (size_t i = 0; i < RELAY_THREADS; i++)
		relay.item[i] = &spans[i];
	relay_use_threads(&relay, count / SPAN_ROWS);
	if (least < SPAN_ROWS)
		least = SPAN_ROWS;
	while (site < s->count)
		done += go_span(&relay, s, tally, &site, rows + done, least);
	relay_flush(&relay);
	relay_done(&relay);
	assert(done == count);
	return whole;
}

int fill_history(const struct sites *s, struct profile *p)
{
	size_t epochs = history_number(&s->history, s->history.epoch) + 1ul, count;
	_cleanup_(freep) struct tally *tally = calloc(s->count, sizeof(*tally));

	p->time_count = p->epoch_count = 0;
	if (!tally)
		return -ENOMEM;
	count = count_rows(s, tally);
	if (fill_room(&p->times, &p->time_room, count) < 0 ||
	    array_reserve(&p->epochs, &p->epoch_room, epochs) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < epochs; i++)
		p->epochs[i].at_ns = (uint64_t)i << history_shift(&s->history);
	if (make_rows(s, tally, p->times, count)) {
		p->dimensions |= PROFILE_TIMES;
		p->epoch_count = epochs;
		p->time_count = count;
	}
	p->shares_new = true;
	return 0;
}
