/*
 * live_near.h - searches of the live table, inlined where every event passes.
 *
 * For live.c, blocks.c and plain.h alone. A way is worked out some time before it is
 * taken, and asks for the memory that it leads to. Whatever happens to the table
 * meanwhile: a page tells itself whether it is still there.
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

static inline struct live_entry live_entry(struct live_group *g, unsigned set)
{
	return (struct live_entry){set ? g : NULL, (unsigned)__builtin_ctz(set | 16)};
}

/* The entry of this place; if there is none, *ret_room is an empty one for it, if there
 * is any. */
static inline __attribute__((always_inline)) struct live_entry
live_find(const struct live *l, const struct live_page *p, unsigned place,
	  struct live_entry *ret_room)
{
	unsigned count = live_sizes[p->size], i = live_home(count, place), empty, set;
	struct live_group *groups = live_groups(l, p);

	if (__builtin_expect(!count, 0)) {
		*ret_room = live_find_few(l, p, place, true);
		return live_find_few(l, p, place, false);
	}
	set = live_match(&groups[i], place, &empty);
	*ret_room = live_entry(&groups[i], empty);
	if (set || !p->spills)
		return live_entry(&groups[i], set);
	i = live_behind(count, i);
	set = live_match(&groups[i], place, &empty);
	if (!ret_room->of)
		*ret_room = live_entry(&groups[i], empty);
	return live_entry(&groups[i], set);
}

static inline bool live_same_page(uint64_t a, uint64_t b)
{
	return (a ^ b) >> LIVE_PAGE_SHIFT == 0;
}

/* Before live_way(): asks for the memory that that will look at. The last one that this was
 * done for is likely to lie beside it. */
static inline void live_hint(const struct live *l, uint64_t address, uint64_t last)
{
	uint64_t mixed = live_mix(address >> LIVE_PAGE_SHIFT);
	const struct live_shard *s = &l->shard[live_shard_of(mixed)];

	if (!live_same_page(address, last) && s->room)
		__builtin_prefetch(&s->pages[live_first(mixed, s->room)], 1);
	__asm__ volatile(""); /* see live_ask() */
}

/* Asks for the memory that a search at the end of the way will look at. */
static inline void live_ask(const struct live *l, const struct live_way *way)
{
	const struct live_page *p = &l->shard[way->shard].pages[way->at];

	__builtin_prefetch(live_groups(l, p) + live_home(live_sizes[p->size],
							 live_place(way->address)),
			   1);
	/* Or gcc takes this for a pure function, whose calls may go: they did. */
	__asm__ volatile("");
}

/* The way to an address; asks for memory as above. */
static inline struct live_way live_way(const struct live *l, uint64_t address)
{
	uint64_t page = address >> LIVE_PAGE_SHIFT, mixed = live_mix(page);
	struct live_way way = {address, live_shard_of(mixed), LIVE_NOWHERE, l->made};

	if (!live_is_odd(address))
		way.at = live_page_at(&l->shard[way.shard], page, mixed);
	if (way.at != LIVE_NOWHERE)
		live_ask(l, &way);
	return way;
}

/* The same, behind another one, to what is likely to lie on the same page. */
static inline struct live_way live_way_behind(const struct live *l, uint64_t address,
					      const struct live_way *last)
{
	struct live_way way = *last;

	if (!live_same_page(address, last->address) || last->at == LIVE_NOWHERE ||
	    live_is_odd(address))
		return live_way(l, address);
	way.address = address;
	live_ask(l, &way);
	return way;
}

/* To its end: the page; NULL: there is none. */
static inline __attribute__((always_inline)) struct live_page *
live_go(const struct live *l, const struct live_way *way)
{
	const struct live_shard *s = &l->shard[way->shard];
	uint64_t page = way->address >> LIVE_PAGE_SHIFT;

	/* (Since then the table may have been emptied, too.) */
	if (way->at < s->end && s->pages[way->at].page1 == page + 1)
		return &s->pages[way->at];
	/* Did it come, or go to another place, since the way was worked out? */
	return way->at == LIVE_NOWHERE && way->made == l->made ? NULL
							       : live_page(l, page);
}

static inline void live_fill(struct live *l, struct live_page *p, struct live_entry e,
			     unsigned place, const struct live_block *b)
{
	uint64_t born = b->born_ns < LIVE_BORN_MOST ? b->born_ns : LIVE_BORN_MOST;

	e.of->when[e.i] = (uint64_t)place << LIVE_BORN_BITS | born;
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

/* live_add() of a block on the way to its address. False: there is one, or it takes more
 * than this; nothing was done. */
static inline __attribute__((always_inline)) bool
live_add_near(struct live *l, const struct live_way *way,
	      const struct live_block *block)
{
	struct live_page *p = live_go(l, way);
	unsigned place = live_place(way->address);
	struct live_entry room = {0};

	if ((p && live_find(l, p, place, &room).of) || block->size > UINT32_MAX ||
	    live_is_odd(way->address) || live_is_aside(l, way->address) ||
	    (!room.of && live_make_room(l, way->address, block->size, &p, &room) < 0))
		return false;
	live_fill(l, p, room, place, block);
	return true;
}

/* The entry that the way leads to; none, as far as this can see. */
static inline __attribute__((always_inline)) struct live_entry
live_seek(const struct live *l, const struct live_way *way, struct live_page **ret)
{
	struct live_entry room;

	*ret = live_go(l, way);
	return *ret ? live_find(l, *ret, live_place(way->address), &room)
		    : (struct live_entry){0};
}

/* live_take() of what the way leads to, unless it was born behind `last_ns`. False:
 * nothing, as far as this can see. */
static inline __attribute__((always_inline)) bool
live_take_near(struct live *l, const struct live_way *way, uint64_t last_ns,
	       struct live_block *ret)
{
	struct live_page *p;
	struct live_entry e = live_seek(l, way, &p);

	if (!e.of || (e.of->when[e.i] & LIVE_BORN_MASK) > last_ns)
		return false;
	live_empty(l, p, e, ret);
	return true;
}

/* Whether there is no block at the address; false: or it takes more to find out. */
static inline __attribute__((always_inline)) bool
live_lacks_near(struct live *l, const struct live_way *way)
{
	struct live_page *p;

	return !live_seek(l, way, &p).of && !live_is_odd(way->address) &&
	       !live_is_aside(l, way->address);
}

/* The site of what the way leads to; 0: nothing, as far as this can see. */
static inline uint32_t live_peek(const struct live *l, const struct live_way *way)
{
	struct live_page *p;
	struct live_entry e = live_seek(l, way, &p);

	return e.of ? e.of->site[e.i] & ~LIVE_IGNORED : 0;
}
