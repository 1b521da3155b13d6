#include "cli/collect/divisions.h"

#include "cli/base/array.h"
#include "cli/collect/counting.h"

#include <stdlib.h>
#include <string.h>

/* ---- the sites' parts ------------------------------------------------------ */

void divisions_start(struct divisions *d, unsigned dimensions)
{
	*d = (struct divisions){.shares_most = DIVISIONS_SHARES,
				.shares_lost = !(dimensions & PROFILE_SIZES),
				.dimensions = dimensions};
	owners_start(&d->owners);
	d->owners.lost = !(dimensions & PROFILE_OWNERS);
}

static void lose_shares(struct divisions *d)
{
	d->shares_lost = true;
	for (size_t i = 0; i < d->room; i++) {
		free(d->of[i].classes);
		d->of[i].classes = NULL;
	}
}

void divisions_done(struct divisions *d)
{
	lose_shares(d);
	free(d->of);
	owners_done(&d->owners);
	*d = (struct divisions){0};
}

/* A division for each site. false: no memory, nothing more is known by parts. */
static bool ready(struct sites *s)
{
	struct divisions *d = &s->divisions;

	if (s->count <= d->room || array_reserve(&d->of, &d->room, s->count) == 0)
		return true;
	lose_shares(d);
	d->owners.lost = true;
	return false;
}

const struct division *divisions_of(const struct divisions *d, uint32_t site)
{
	return site < d->room ? &d->of[site] : NULL;
}

struct share divisions_whole(const struct site *site)
{
	return (struct share){
		.allocs = site->allocs,
		.allocated_bytes = site->allocated_bytes,
		.frees = site->frees,
		.freed_bytes = site->freed_bytes,
		.freed_here = site->freed_here,
		.freed_here_bytes = site->freed_here_bytes,
		.peak_in = site->peak.saved_in,
		.peak = site->peak.saved,
		.tree_peak_in = site->tree_peak.saved_in,
		.tree_peak = site->tree_peak.saved,
		.temporary = site->temporary,
	};
}

/* ---- size classes ---------------------------------------------------------- */

/* Gives the site a share for each class from its lowest to its highest one. NULL:
 * there is no room. */
static struct share *widen(struct sites *s, uint32_t number, uint8_t class)
{
	struct divisions *d = &s->divisions;
	struct division *of = &d->of[number];
	uint8_t low = of->low < class ? of->low : class;
	uint8_t last = (uint8_t)(of->low + of->span - 1);
	uint8_t span = (uint8_t)((last > class ? last : class) - low + 1);
	size_t had = of->classes ? of->span : 0;
	struct share *more = NULL;

	if (d->shares + span - had <= d->shares_most + s->count)
		more = aligned_alloc(64, span * sizeof(*more));
	if (!more) {
		lose_shares(d);
		return NULL;
	}
	d->shares += span - had;
	memset(more, 0, span * sizeof(*more));
	if (of->classes)
		memcpy(&more[of->low - low], of->classes, had * sizeof(*more));
	else
		more[of->low - low] = divisions_whole(&s->items[number]);
	free(of->classes);
	of->classes = more;
	of->low = low;
	of->span = span;
	return &more[class - low];
}

/* The share of blocks of a class, before the event is counted. NULL: the whole site is
 * of that class, or it has no shares. */
static struct share *class_share(struct sites *s, uint32_t number, uint8_t class)
{
	struct division *of = &s->divisions.of[number];

	if (s->divisions.shares_lost || s->items[number].domain != PROFILE_MALLOC)
		return NULL;
	if ((uint8_t)(class - of->low) < of->span)
		return of->classes ? &of->classes[class - of->low] : NULL;
	if (of->span)
		return widen(s, number, class);
	of->low = class;
	of->span = 1;
	return NULL;
}

/* ---- threads --------------------------------------------------------------- */

/* The owner of the thread's blocks, before the event is counted. 0: the whole site is
 * of that thread, or nothing is known by threads. */
static uint32_t owner_of(struct sites *s, struct sites_process *p, uint32_t number,
			 uint32_t thread)
{
	struct owners *o = &s->divisions.owners;
	struct division *of = &s->divisions.of[number];
	struct share all;
	uint32_t owner;

	if (!of->thread)
		of->thread = thread;
	if (o->lost || (!of->owned && of->thread == thread))
		return 0;
	if (!of->owned) {
		all = divisions_whole(&s->items[number]);
		of->owned =
			owners_add(o, number, of->thread, &all, &p->first_owner) > 0;
	}
	owner = owners_find(o, number, thread);
	if (!owner && owners_full(o, s->count)) {
		owners_mix(o, thread);
		thread = OWNERS_OTHERS;
		owner = owners_find(o, number, thread);
	}
	return owner ? owner : owners_add(o, number, thread, NULL, &p->first_owner);
}

uint32_t divisions_owner(struct sites *s, struct sites_process *p, uint32_t site,
			 uint32_t thread)
{
	uint32_t owner = 0;

	if (ready(s))
		owner = owner_of(s, p, site, thread ? thread : OWNERS_OTHERS);
	return owner ? owner | OWNERS_BIT : site;
}

/* Who allocated a block, for its site and for another one. */
static uint32_t thread_of(const struct sites *s, uint32_t named)
{
	uint32_t thread = named & OWNERS_BIT
				  ? s->divisions.owners.keys[named ^ OWNERS_BIT].thread
				  : s->divisions.of[named].thread;

	return thread ? thread : OWNERS_OTHERS;
}

uint32_t divisions_thread(const struct sites *s, uint32_t named)
{
	const struct divisions *d = &s->divisions;

	if (d->owners.lost || sites_number(s, named) >= d->room)
		return OWNERS_OTHERS;
	return thread_of(s, named);
}

/* The owner of a block; a site that had one thread when it came has owners now? */
static uint32_t block_owner(const struct sites *s, uint32_t named)
{
	const struct division *of = &s->divisions.of[sites_number(s, named)];

	if (named & OWNERS_BIT)
		return named ^ OWNERS_BIT;
	return of->owned ? owners_find(&s->divisions.owners, named, of->thread) : 0;
}

/* NULL for 0, and once owners are lost. */
static struct share *owner_share(struct sites *s, uint32_t owner)
{
	struct owners *o = &s->divisions.owners;

	return owner && !o->lost ? &o->shares[owner] : NULL;
}

/* ---- events ---------------------------------------------------------------- */

/* Sums as they will be. */
static void save_peaks(struct sites *s, const struct sites_process *p,
		       struct share *share, uint64_t live, uint64_t tree_live)
{
	share_save(&p->peak[PROFILE_MALLOC], &share->peak_in, &share->peak,
		   share_live(share), live);
	share_save(&s->tree_peak, &share->tree_peak_in, &share->tree_peak,
		   share_live(share), tree_live);
}

static void share_alloc(struct sites *s, const struct sites_process *p,
			struct share *share, struct profile_amount sum)
{
	if (!share)
		return;
	save_peaks(s, p, share, p->live[PROFILE_MALLOC].bytes + sum.bytes,
		   s->tree_live.bytes + sum.bytes);
	share->allocs += sum.blocks;
	share->allocated_bytes += sum.bytes;
}

static void share_free(struct sites *s, const struct sites_process *p,
		       struct share *share, struct profile_amount sum)
{
	if (!share)
		return;
	save_peaks(s, p, share, p->live[PROFILE_MALLOC].bytes - sum.bytes,
		   s->tree_live.bytes - sum.bytes);
	share->frees += sum.blocks;
	share->freed_bytes += sum.bytes;
}

static void share_free_here(struct share *share, struct profile_amount sum)
{
	if (!share)
		return;
	share->freed_here += sum.blocks;
	share->freed_here_bytes += sum.bytes;
}

void divisions_alloc(struct sites *s, const struct sites_process *p, uint32_t number,
		     uint64_t size, struct profile_amount sum)
{
	uint32_t site = sites_number(s, number);

	if (s->items[site].domain != PROFILE_MALLOC || !ready(s))
		return;
	share_alloc(s, p, class_share(s, site, counting_class(size)), sum);
	share_alloc(s, p, owner_share(s, block_owner(s, number)), sum);
}

void divisions_free(struct sites *s, struct sites_process *p,
		    const struct sites_block *b, uint32_t by, struct profile_amount sum)
{
	uint32_t site = sites_number(s, b->site);
	uint8_t class = counting_class(b->size);

	if (s->items[site].domain != PROFILE_MALLOC || !ready(s))
		return;
	/* The site's anew: the second may have widened it, or have lost all. */
	class_share(s, site, class);
	share_free_here(class_share(s, by, class), sum);
	share_free(s, p, class_share(s, site, class), sum);
	share_free_here(owner_share(s, owner_of(s, p, by, thread_of(s, b->site))), sum);
	share_free(s, p, owner_share(s, block_owner(s, b->site)), sum);
}

static void share_temporary(struct share *share, uint64_t size)
{
	if (!share)
		return;
	share->temporary.blocks++;
	share->temporary.bytes += size;
}

void divisions_temporary(struct sites *s, const struct sites_block *b)
{
	if (!ready(s))
		return;
	share_temporary(
		class_share(s, sites_number(s, b->site), counting_class(b->size)),
		b->size);
	share_temporary(owner_share(s, block_owner(s, b->site)), b->size);
}

void divisions_leave(struct sites *s, const struct sites_process *p)
{
	struct divisions *d = &s->divisions;

	for (uint32_t i = p->first_site; i; i = s->items[i].next) {
		const struct division *of = divisions_of(d, i);

		for (uint8_t k = 0; of && of->classes && k < of->span; k++)
			share_save(&s->tree_peak, &of->classes[k].tree_peak_in,
				   &of->classes[k].tree_peak,
				   share_live(&of->classes[k]), 0);
	}
	for (uint32_t i = p->first_owner; i; i = d->owners.keys[i].next) {
		struct share *share = &d->owners.shares[i];

		share_save(&s->tree_peak, &share->tree_peak_in, &share->tree_peak,
			   share_live(share), 0);
	}
}
