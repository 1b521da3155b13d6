/*
 * live_bucket.h - searches of the live table, inlined where every event passes.
 *
 * For live.c, blocks.c and plain.h alone. A way is worked out some time before it is
 * taken, and asks for the memory that it leads to: two buckets, until the shard grows,
 * which its number of homes tells.
 */
#pragma once

#include "cli/collect/live.h"

#include <assert.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LIVE_KEY_MASK ((1ull << LIVE_KEY_BITS) - 1)
#define LIVE_TIME_MASK ((1u << LIVE_TIME_BITS) - 1)
#define LIVE_EMPTY UINT32_MAX	 /* as rest: moments are below LIVE_TIME_MASK */
#define LIVE_NO_HOMES UINT32_MAX /* more than there ever are */

/* The two buckets that a key may be in; they differ if there are two. */
struct live_homes {
	struct live_bucket *of[2];
};

static inline struct live_bucket *live_bucket_of(const struct live_homes *h, int i)
{
	return i < LIVE_BUCKET ? h->of[0] : h->of[1];
}

/* Which of eight words and another eight are what was looked for: all bits of a byte
 * each. */
struct live_which {
#if defined(__SSE2__)
	__m128i bytes;
#else
	uint64_t bytes[2];
#endif
};

static inline struct live_which live_which(const uint32_t first[LIVE_BUCKET],
					   const uint32_t second[LIVE_BUCKET],
					   uint32_t what)
{
#if defined(__SSE2__)
	const __m128i *a = (const __m128i *)(const void *)first;
	const __m128i *b = (const __m128i *)(const void *)second;
	__m128i all = _mm_set1_epi32((int)what);
	__m128i low = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(a), all),
				      _mm_cmpeq_epi32(_mm_load_si128(a + 1), all));
	__m128i high = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(b), all),
				       _mm_cmpeq_epi32(_mm_load_si128(b + 1), all));

	return (struct live_which){_mm_packs_epi16(low, high)};
#else
	struct live_which w = {0};

	for (int i = 0; i < LIVE_BUCKET; i++) {
		w.bytes[0] |= (first[i] == what ? 0xffull : 0) << 8 * i;
		w.bytes[1] |= (second[i] == what ? 0xffull : 0) << 8 * i;
	}
	return w;
#endif
}

/* A bit each. */
static inline unsigned live_bits(struct live_which w)
{
#if defined(__SSE2__)
	return (unsigned)_mm_movemask_epi8(w.bytes);
#else
	unsigned set = 0;

	for (int i = 0; i < 2 * LIVE_BUCKET; i++)
		set |= (unsigned)(w.bytes[i / LIVE_BUCKET] >> i % LIVE_BUCKET * 8 & 1)
		       << i;
	return set;
#endif
}

/* Are there more of them among the second eight? */
static inline bool live_more_behind(struct live_which w)
{
#if defined(__SSE2__)
	__m128i sums = _mm_sad_epu8(w.bytes, _mm_setzero_si128());

	return _mm_extract_epi16(sums, 4) > _mm_cvtsi128_si32(sums);
#else
	return __builtin_popcountll(w.bytes[1]) > __builtin_popcountll(w.bytes[0]);
#endif
}

static inline uint64_t live_key_at(const struct live_bucket *b, size_t i)
{
	return (uint64_t)(b->rest[i] >> LIVE_TIME_BITS) << LIVE_TAG_BITS | b->tag[i];
}

/* Where the key is: 0..7 in its first bucket, 8..15 in its second; -1: nowhere. An
 * empty slot's tag is what it was. */
static inline int live_find(const struct live_homes *h, uint64_t key)
{
	unsigned set =
		live_bits(live_which(h->of[0]->tag, h->of[1]->tag, (uint32_t)key));

	for (; set; set &= set - 1) {
		int i = __builtin_ctz(set);
		uint32_t rest = live_bucket_of(h, i)->rest[i % LIVE_BUCKET];

		if (rest >> LIVE_TIME_BITS == key >> LIVE_TAG_BITS &&
		    rest != LIVE_EMPTY)
			return i;
	}
	return -1;
}

/* Room for another entry, numbered alike: in the emptier bucket. -1: both are full. */
static inline int live_room(const struct live_homes *h)
{
	struct live_which empty =
		live_which(h->of[0]->rest, h->of[1]->rest, LIVE_EMPTY);
	unsigned set = live_bits(empty);

	if (!set)
		return -1;
	return __builtin_ctz(live_more_behind(empty) ? set & 0xff00 : set);
}

/* The bucket so many bytes from the first one. */
static inline struct live_bucket *live_at(const struct live_shard *s, uint32_t offset)
{
	static_assert(sizeof(*s->buckets) << (LIVE_HOME_BITS - 1) <= UINT32_MAX,
		      "all of them");
	return (struct live_bucket *)(void *)((char *)s->buckets + offset);
}

/* The way to an address; asks for the memory that a search will look at. */
static inline struct live_way live_way(const struct live *l, uint64_t address)
{
	uint64_t mixed = live_mix(address), key = mixed & LIVE_KEY_MASK;
	const struct live_shard *s = &l->shard[mixed >> LIVE_KEY_BITS];
	struct live_way way = {.mixed = mixed, .homes = LIVE_NO_HOMES};

	if (s->homes && !live_is_odd(address)) {
		way.homes = s->homes;
		way.first = live_first(s, key) * (uint32_t)sizeof(*s->buckets);
		way.second = live_second(s, key) * (uint32_t)sizeof(*s->buckets);
		__builtin_prefetch(live_at(s, way.first)->tag, 1);
		__builtin_prefetch(live_at(s, way.first)->size, 1);
		__builtin_prefetch(live_at(s, way.second)->tag, 1);
		__builtin_prefetch(live_at(s, way.second)->size, 1);
	}
	/* Or gcc takes this for a pure function, whose calls may go: they did. */
	__asm__ volatile("");
	return way;
}

/* To its end: the shard, or NULL if the way leads nowhere. */
static inline struct live_shard *live_go(struct live *l, const struct live_way *way,
					 struct live_homes *ret)
{
	struct live_shard *s = &l->shard[way->mixed >> LIVE_KEY_BITS];

	if (way->homes != s->homes)
		return NULL;
	ret->of[0] = live_at(s, way->first);
	ret->of[1] = live_at(s, way->second);
	return s;
}

static inline void live_fill(struct live_shard *s, struct live_bucket *b, size_t i,
			     uint64_t key, const struct live_block *block)
{
	b->tag[i] = (uint32_t)key;
	b->rest[i] = (uint32_t)(key >> LIVE_TAG_BITS) << LIVE_TIME_BITS |
		     (uint32_t)(block->born_ns >> s->shift);
	b->size[i] = (uint32_t)block->size;
	b->site[i] = block->site | (block->ignored ? LIVE_IGNORED : 0);
	s->used++;
}

static inline void live_unpack(const struct live_shard *s, const struct live_bucket *b,
			       size_t i, struct live_block *ret)
{
	*ret = (struct live_block){
		.size = b->size[i],
		.site = b->site[i] & ~LIVE_IGNORED,
		.ignored = b->site[i] & LIVE_IGNORED,
		.born_ns = (uint64_t)(b->rest[i] & LIVE_TIME_MASK) << s->shift,
		.shift = s->shift,
	};
}

static inline void live_empty(struct live_shard *s, struct live_bucket *b, size_t i,
			      struct live_block *ret)
{
	live_unpack(s, b, i, ret);
	b->rest[i] = LIVE_EMPTY;
	s->used--;
}

/* live_add() of a block on the way to its address, if it takes no more than this.
 * False: it does, or there is one; nothing was done. */
static inline bool live_add_near(struct live *l, uint64_t address,
				 const struct live_way *way,
				 const struct live_block *block)
{
	uint64_t key = way->mixed & LIVE_KEY_MASK;
	struct live_homes h;
	struct live_shard *s = live_go(l, way, &h);
	int i;

	if (!s || s->used >= s->most || live_find(&h, key) >= 0 ||
	    block->size > UINT32_MAX || block->born_ns >> s->shift >= LIVE_TIME_MASK ||
	    live_is_aside(l, address))
		return false;
	i = live_room(&h);
	if (i < 0)
		return false;
	live_fill(s, live_bucket_of(&h, i), (size_t)i % LIVE_BUCKET, key, block);
	return true;
}

/* live_take() of what the way leads to. False: nothing, as far as this can see. */
static inline bool live_take_near(struct live *l, const struct live_way *way,
				  struct live_block *ret)
{
	struct live_homes h;
	struct live_shard *s = live_go(l, way, &h);
	int i = s ? live_find(&h, way->mixed & LIVE_KEY_MASK) : -1;

	if (i < 0)
		return false;
	live_empty(s, live_bucket_of(&h, i), (size_t)i % LIVE_BUCKET, ret);
	return true;
}

/* Whether there is no block at the address; false: or it takes more to find out. */
static inline bool live_lacks_near(struct live *l, uint64_t address,
				   const struct live_way *way)
{
	struct live_homes h;

	return live_go(l, way, &h) && live_find(&h, way->mixed & LIVE_KEY_MASK) < 0 &&
	       !live_is_aside(l, address);
}

/* The site of what the way leads to; 0: nothing, as far as this can see. */
static inline uint32_t live_peek(struct live *l, const struct live_way *way)
{
	struct live_homes h;
	int i = live_go(l, way, &h) ? live_find(&h, way->mixed & LIVE_KEY_MASK) : -1;

	return i < 0 ? 0 : live_bucket_of(&h, i)->site[i % LIVE_BUCKET] & ~LIVE_IGNORED;
}
