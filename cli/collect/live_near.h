/*
 * live_near.h - searches of the live table, inlined where every event passes.
 *
 * For live.c, blocks.c and plain.h alone. A way is worked out some time before it is
 * taken, and asks for the memory that it leads to. Whatever happens to the table
 * meanwhile: it counts when pages and groups come to lie elsewhere, and the way knows what
 * the count was.
 */
#pragma once

#include "cli/collect/live.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LIVE_EMPTY UINT64_MAX /* as `when` */
#define LIVE_BORN_MASK ((1ull << LIVE_BORN_BITS) - 1)
#define LIVE_NOWHERE UINT32_MAX

static inline unsigned live_place(uint64_t address)
{
	return (unsigned)(address >> 3) % (1u << LIVE_PLACE_BITS);
}

/* The page's number in its shard; LIVE_NOWHERE: not there. */
static inline uint32_t live_page_at(const struct live_shard *s, uint64_t page,
				    uint64_t mixed)
{
	uint32_t at = live_first(mixed, s->room);

	if (!s->room)
		return LIVE_NOWHERE;
	for (uint32_t end = at + LIVE_PROBE; at < end; at++) {
		if (s->pages[at].page1 == page + 1)
			return at;
		if (!s->pages[at].page1)
			break;
	}
	return LIVE_NOWHERE;
}

static inline struct live_group *live_groups(const struct live *l,
					     const struct live_page *p)
{
	return l->sized[p->size].groups + p->at;
}

/* The number of the group that an entry of this place belongs to, of so many. */
static inline unsigned live_home(unsigned count, unsigned place)
{
	return place * count >> LIVE_PLACE_BITS;
}

/* And of the one where it lies if that is full. */
static inline unsigned live_behind(unsigned count, unsigned i)
{
	return i + 1 < count ? i + 1 : 0;
}

/* The eighth of a page that a place is in: a bit of live_page.spills. */
static inline uint8_t live_eighth(unsigned place)
{
	return (uint8_t)(1u << (place >> (LIVE_PLACE_BITS - 3)));
}

/* Which of a group's entries are of this place, and which are empty: a bit each. */
static inline unsigned live_match(const struct live_group *g, unsigned place,
				  unsigned *ret_empty)
{
#if defined(__SSE2__)
	const __m128 *when = (const __m128 *)(const void *)g->when;
	__m128i upper = _mm_castps_si128(
		_mm_shuffle_ps(when[0], when[1], _MM_SHUFFLE(3, 1, 3, 1)));
	__m128i is = _mm_cmpeq_epi32(_mm_srli_epi32(upper, LIVE_BORN_BITS - 32),
				     _mm_set1_epi32((int)place));
	__m128i none = _mm_cmpeq_epi32(upper, _mm_set1_epi32(-1));

	*ret_empty = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(none));
	return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_andnot_si128(none, is)));
#else
	unsigned set = 0;

	*ret_empty = 0;
	for (int i = 0; i < LIVE_GROUP; i++) {
		*ret_empty |= (unsigned)(g->when[i] == LIVE_EMPTY) << i;
		set |= (unsigned)(g->when[i] >> LIVE_BORN_BITS == place) << i;
	}
	return set & ~*ret_empty;
#endif
}

/* The second group of a place, behind its own. */
static inline struct live_group *live_next(const struct live *l,
					   const struct live_page *p,
					   const struct live_group *home)
{
	struct live_group *groups = live_groups(l, p);

	return groups + live_behind(live_sizes[p->size], (unsigned)(home - groups));
}

static inline struct live_group *live_home_of(const struct live *l,
					      const struct live_page *p, unsigned place)
{
	return live_groups(l, p) + live_home(live_sizes[p->size], place);
}

/* Where a place's entry is, if it is there, or may be. home: its own group. */
static inline __attribute__((always_inline)) struct live_spot
live_search(const struct live *l, const struct live_page *p, struct live_group *home,
	    unsigned place)
{
	struct live_spot spot = {.of = home}, next;

	spot.set = live_match(home, place, &spot.empty);
	if (spot.set || !(p->spills & live_eighth(place)))
		return spot;
	next.of = live_next(l, p, home);
	next.set = live_match(next.of, place, &next.empty);
	return next.set || !spot.empty ? next : spot;
}

/* The same where the group is not known. */
static inline __attribute__((always_inline)) struct live_spot
live_find(const struct live *l, const struct live_page *p, unsigned place)
{
	if (__builtin_expect(!live_sizes[p->size], 0))
		return live_find_few(l, p, place);
	return live_search(l, p, live_home_of(l, p, place), place);
}

/* The first of a group's entries that are meant, of which there is one. */
static inline struct live_entry live_first_of(struct live_group *of, unsigned set)
{
	return (struct live_entry){of, (unsigned)__builtin_ctz(set)};
}

static inline bool live_same_page(uint64_t a, uint64_t b)
{
	return (a ^ b) >> LIVE_PAGE_SHIFT == 0;
}

/* Before live_way_ahead(): asks for the memory that that will look at. The last one that
 * this was done for is likely to lie beside it. */
static inline void live_hint(const struct live *l, uint64_t address, uint64_t last)
{
	uint64_t mixed = live_mix(address >> LIVE_PAGE_SHIFT);
	const struct live_shard *s = &l->shard[live_shard_of(mixed)];

	if (!live_same_page(address, last) && s->room)
		__builtin_prefetch(&s->pages[live_first(mixed, s->room)], 1);
	__asm__ volatile(""); /* see live_ask() */
}

/* Asks for the memory that a search at the end of the way will look at. */
static inline void live_ask(const struct live_group *home)
{
	__builtin_prefetch(home, 1);
	/* Or gcc takes this for a pure function, whose calls may go: they did. */
	__asm__ volatile("");
}

/* Are pages where they were? Groups may be elsewhere. */
static inline bool live_stays(const struct live *l, const struct live_way *way)
{
	return (way->moved ^ l->moved) < LIVE_GROWN;
}

/* What ways to addresses of the same page have in common, worked out for the last one. All
 * zeroes at first, and whenever the table has changed. */
struct live_ahead {
	uint64_t last;
	struct live_page *page; /* NULL: there is none */
	struct live_group *groups;
	unsigned count; /* of groups; 0: the page has none of its own */
	uint64_t moved; /* see live_way */
};

static inline __attribute__((always_inline)) void
live_turn(const struct live *l, uint64_t address, struct live_ahead *ahead)
{
	uint64_t page = address >> LIVE_PAGE_SHIFT, mixed = live_mix(page);
	const struct live_shard *s = &l->shard[live_shard_of(mixed)];
	uint32_t at =
		live_is_odd(address) ? LIVE_NOWHERE : live_page_at(s, page, mixed);

	ahead->last = address;
	ahead->page = NULL;
	ahead->moved = LIVE_UNMADE | l->made;
	if (at == LIVE_NOWHERE)
		return;
	ahead->page = &s->pages[at];
	ahead->groups = live_groups(l, ahead->page);
	ahead->count = live_sizes[ahead->page->size];
	ahead->moved = l->moved - !ahead->count;
}

/* The way to an address, which is likely to lie on the page of the one before; asks for
 * memory as above. */
static inline __attribute__((always_inline)) struct live_way
live_way_ahead(const struct live *l, uint64_t address, struct live_ahead *ahead)
{
	struct live_way way;

	if (!live_same_page(address, ahead->last) || !ahead->page ||
	    live_is_odd(address))
		live_turn(l, address, ahead);
	way = (struct live_way){ahead->page, ahead->groups, ahead->moved};
	if (!way.page)
		return way;
	way.home += live_home(ahead->count, live_place(address));
	live_ask(way.home);
	return way;
}

static inline struct live_way live_way(const struct live *l, uint64_t address)
{
	struct live_ahead ahead = {0};

	return live_way_ahead(l, address, &ahead);
}

/* To its end: the page; NULL: there is none. */
static inline __attribute__((always_inline)) struct live_page *
live_go(const struct live *l, const struct live_way *way, uint64_t address)
{
	if (way->page ? live_stays(l, way) : way->moved == (LIVE_UNMADE | l->made))
		return way->page;
	/* Did it come, or go to another place, since the way was worked out? */
	return live_is_odd(address) ? NULL : live_page(l, address >> LIVE_PAGE_SHIFT);
}

/* To what is there: an empty spot, of no group, if the page is not. */
static inline __attribute__((always_inline)) struct live_spot
live_seek(const struct live *l, const struct live_way *way, uint64_t address,
	  struct live_page **ret)
{
	unsigned place = live_place(address);

	*ret = way->page;
	if (__builtin_expect(way->moved == l->moved, 1))
		return live_search(l, way->page, way->home, place);
	*ret = live_go(l, way, address);
	return *ret ? live_find(l, *ret, place) : (struct live_spot){0};
}

static inline void live_fill(struct live *l, struct live_page *p, struct live_entry e,
			     unsigned place, const struct live_block *b)
{
	e.of->when[e.i] = (uint64_t)place << LIVE_BORN_BITS | b->born_ns;
	e.of->size[e.i] = (uint32_t)b->size;
	e.of->site[e.i] = b->site | (b->ignored ? LIVE_IGNORED : 0);
	p->used++;
	l->used++;
}

static inline void live_unpack(struct live_entry e, struct live_block *ret)
{
	*ret = (struct live_block){
		.size = e.of->size[e.i],
		.site = e.of->site[e.i] & ~LIVE_IGNORED,
		.ignored = e.of->site[e.i] & LIVE_IGNORED,
		.born_ns = e.of->when[e.i] & LIVE_BORN_MASK,
	};
}

static inline void live_empty(struct live *l, struct live_page *p, struct live_entry e,
			      struct live_block *ret)
{
	live_unpack(e, ret);
	e.of->when[e.i] = LIVE_EMPTY;
	p->used--;
	l->used--;
}

/* live_add() of a block, born before LIVE_BORN_MOST, on the way to its address. False:
 * there is one, or it takes more than this; nothing was done. */
static inline __attribute__((always_inline)) bool
live_add_near(struct live *l, const struct live_way *way, uint64_t address,
	      const struct live_block *block)
{
	struct live_page *p;
	struct live_spot spot = live_seek(l, way, address, &p);

	if (spot.set || block->size > UINT32_MAX || live_is_aside(l, address))
		return false;
	if (__builtin_expect(!spot.empty, 0)) {
		struct live_page *page; /* (Copies: those above stay in registers.) */
		struct live_spot room;

		if (live_is_odd(address) ||
		    live_make_room(l, address, block->size, &page, &room) < 0)
			return false;
		p = page;
		spot = room;
	}
	live_fill(l, p, live_first_of(spot.of, spot.empty), live_place(address), block);
	return true;
}

/* live_take() of what the way leads to, unless it was born behind `last_ns`. False:
 * nothing, as far as this can see. */
static inline __attribute__((always_inline)) bool
live_take_near(struct live *l, const struct live_way *way, uint64_t address,
	       uint64_t last_ns, struct live_block *ret)
{
	struct live_page *p;
	struct live_spot spot = live_seek(l, way, address, &p);
	struct live_entry e;

	if (!spot.set)
		return false;
	e = live_first_of(spot.of, spot.set);
	if ((e.of->when[e.i] & LIVE_BORN_MASK) > last_ns)
		return false;
	live_empty(l, p, e, ret);
	return true;
}

/* Whether there is no block at the address; false: or it takes more to find out. */
static inline __attribute__((always_inline)) bool
live_lacks_near(struct live *l, const struct live_way *way, uint64_t address)
{
	struct live_page *p;

	return !live_seek(l, way, address, &p).set && !live_is_aside(l, address);
}

/* The site of what the way leads to; 0: nothing, as far as this can see. */
static inline uint32_t live_peek(const struct live *l, const struct live_way *way,
				 uint64_t address)
{
	struct live_page *p;
	struct live_spot spot = live_seek(l, way, address, &p);

	return spot.set ? spot.of->site[__builtin_ctz(spot.set)] & ~LIVE_IGNORED : 0;
}
