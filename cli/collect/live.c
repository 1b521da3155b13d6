#include "cli/collect/live.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define KEY_MASK ((1ull << LIVE_KEY_BITS) - 1)
#define TIME_MASK ((1u << LIVE_TIME_BITS) - 1)
#define HASH_MASK ((1ull << LIVE_HASH_BITS) - 1)
#define EMPTY UINT32_MAX /* as rest: moments are below TIME_MASK */

enum {
	FIRST_SHIFT = 6,  /* 64 ns: two seconds before the first rounding */
	MAPPED = 1 << 17, /* bytes from which an array is a mapping of its own */
};

struct live_odd {
	uint64_t address1; /* + 1; 0: free */
	struct live_block block;
};

/* The two buckets that a key may be in; they differ if there are two. */
struct homes {
	struct live_bucket *of[2];
};

static inline struct homes homes_of(const struct live_shard *s, uint64_t key)
{
	size_t first = live_first(s, key), second = live_second(s, key);

	return (struct homes){{s->buckets + first, s->buckets + second}};
}

/* ---- a bucket ------------------------------------------------------------ */

/* Bit i: word i is `what`. */
static inline unsigned which(const uint32_t word[LIVE_BUCKET], uint32_t what)
{
#if defined(__SSE2__)
	const __m128i *four = (const __m128i *)(const void *)word;
	__m128i all = _mm_set1_epi32((int)what);
	__m128i low = _mm_cmpeq_epi32(_mm_load_si128(four), all);
	__m128i high = _mm_cmpeq_epi32(_mm_load_si128(four + 1), all);
	__m128i bytes = _mm_packs_epi16(_mm_packs_epi32(low, high), low);

	return (unsigned)_mm_movemask_epi8(bytes) & 0xff;
#else
	unsigned set = 0;

	for (int i = 0; i < LIVE_BUCKET; i++)
		set |= (unsigned)(word[i] == what) << i;
	return set;
#endif
}

static uint64_t key_at(const struct live_bucket *b, int i)
{
	return (uint64_t)(b->rest[i] >> LIVE_TIME_BITS) << LIVE_TAG_BITS | b->tag[i];
}

/* Where the key is: 0..7 in its first bucket, 8..15 in its second; -1: nowhere. An
 * empty slot's tag is what it was. */
static inline int find(const struct homes *h, uint64_t key)
{
	unsigned set = which(h->of[0]->tag, (uint32_t)key) |
		       which(h->of[1]->tag, (uint32_t)key) << LIVE_BUCKET;

	for (; set; set &= set - 1) {
		int i = __builtin_ctz(set);
		uint32_t rest = h->of[i / LIVE_BUCKET]->rest[i % LIVE_BUCKET];

		if (rest >> LIVE_TIME_BITS == key >> LIVE_TAG_BITS && rest != EMPTY)
			return i;
	}
	return -1;
}

/* Room for another entry, numbered alike: in the emptier bucket. -1: both are full. */
static inline int room(const struct homes *h)
{
	unsigned first = which(h->of[0]->rest, EMPTY);
	unsigned second = which(h->of[1]->rest, EMPTY);
	unsigned n = first | second << 16;

	if (!n)
		return -1;
	/* The bits of both, counted at once. */
	n -= n >> 1 & 0x550055;
	n = (n & 0x330033) + (n >> 2 & 0x330033);
	n = (n + (n >> 4)) & 0x0f000f;
	return n >> 16 > (n & 0xf) ? LIVE_BUCKET + __builtin_ctz(second)
				   : __builtin_ctz(first);
}

static inline void copy(struct live_bucket *to, int at, const struct live_bucket *from,
			int i)
{
	to->tag[at] = from->tag[i];
	to->rest[at] = from->rest[i];
	to->size[at] = from->size[i];
	to->site[at] = from->site[i];
}

/* Both are full: one of the entries there goes to its other bucket. */
static int make_room(const struct live_shard *s, const struct homes *h)
{
	for (int i = 0; i < 2 * LIVE_BUCKET; i++) {
		struct live_bucket *b = h->of[i / LIVE_BUCKET];
		struct homes others = homes_of(s, key_at(b, i % LIVE_BUCKET));
		int at = room(&others);

		if (at < 0)
			continue;
		copy(others.of[at / LIVE_BUCKET], at % LIVE_BUCKET, b, i % LIVE_BUCKET);
		b->rest[i % LIVE_BUCKET] = EMPTY;
		return i;
	}
	return -1;
}

/* ---- one shard ----------------------------------------------------------- */

/* False: no room, or none that is found in a few steps. */
static inline bool place(struct live_shard *s, uint64_t key,
			 const struct live_bucket *from, int i)
{
	struct homes h = homes_of(s, key);
	int at = room(&h);

	if (at < 0)
		at = make_room(s, &h);
	if (at < 0)
		return false;
	copy(h.of[at / LIVE_BUCKET], at % LIVE_BUCKET, from, i);
	return true;
}

static size_t bytes_of(size_t buckets)
{
	return buckets * sizeof(struct live_bucket);
}

/* Large ones apart from the heap, whose holes they would not fit when they grow. */
static struct live_bucket *buckets_new(size_t n)
{
	struct live_bucket *b;

	if (bytes_of(n) >= MAPPED) {
		b = mmap(NULL, bytes_of(n), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (b == MAP_FAILED)
			return NULL;
	} else {
		b = aligned_alloc(_Alignof(struct live_bucket), bytes_of(n));
		if (!b)
			return NULL;
	}
	for (size_t i = 0; i < n; i++)
		memset(b[i].rest, 0xff, sizeof(b[i].rest));
	return b;
}

static void buckets_free(struct live_bucket *b, size_t n)
{
	if (b && bytes_of(n) >= MAPPED)
		munmap(b, bytes_of(n));
	else
		free(b);
}

static bool place_all(struct live_shard *to, const struct live_shard *from)
{
	for (uint32_t at = 0; at < from->homes; at++)
		for (int i = 0; i < LIVE_BUCKET; i++) {
			const struct live_bucket *b = &from->buckets[at];

			if (b->rest[i] != EMPTY && !place(to, key_at(b, i), b, i))
				return false;
		}
	return true;
}

/* 0, -ENOMEM, or -EXFULL: the keys are such that a larger array would be no help. */
static int grow(struct live_shard *s)
{
	struct live_shard grown = *s;

	do {
		if (s->used < grown.homes * LIVE_BUCKET / 2)
			return -EXFULL;
		grown.homes += grown.homes / 6 > 2 ? grown.homes / 6 : 2;
		if (grown.homes >= 1u << 24)
			return -ENOMEM;
		grown.buckets = buckets_new(grown.homes);
		if (!grown.buckets)
			return -ENOMEM;
		if (place_all(&grown, s))
			break;
		buckets_free(grown.buckets, grown.homes);
	} while (true);
	if (!s->buckets)
		grown.shift = FIRST_SHIFT;
	grown.most = grown.homes * LIVE_BUCKET / 5 * 4;
	buckets_free(s->buckets, s->homes);
	*s = grown;
	return 0;
}

/* Halves the resolution of moments until `ns` fits. */
static void coarsen(struct live_shard *s, uint64_t ns)
{
	uint8_t more = 0;

	while (ns >> (s->shift + more) >= TIME_MASK)
		more++;
	for (uint32_t at = 0; more && at < s->homes; at++)
		for (int i = 0; i < LIVE_BUCKET; i++) {
			uint32_t *rest = &s->buckets[at].rest[i];

			if (*rest != EMPTY)
				*rest = (*rest & ~TIME_MASK) |
					(*rest & TIME_MASK) >> more;
		}
	s->shift = (uint8_t)(s->shift + more);
}

/* Is that free, and in one of the two buckets? */
static inline bool is_room(const struct live_shard *s, const struct homes *h,
			   uint32_t room)
{
	const struct live_bucket *b = s->buckets + (room - 1) / LIVE_BUCKET;

	return (b == h->of[0] || b == h->of[1]) &&
	       b->rest[(room - 1) % LIVE_BUCKET] == EMPTY;
}

static inline int shard_add(struct live_shard *s, uint64_t key, uint32_t seen,
			    const struct live_block *b)
{
	struct live_bucket one;
	struct homes h = homes_of(s, key);
	uint32_t room = seen & ~LIVE_ROOM;
	int r;

	if (s->buckets && find(&h, key) >= 0)
		return -EEXIST;
	if (s->used >= s->most) {
		r = grow(s);
		if (r < 0)
			return r;
		room = 0;
	}
	if (b->born_ns >> s->shift >= TIME_MASK)
		coarsen(s, b->born_ns);
	one.tag[0] = (uint32_t)key;
	one.rest[0] = (uint32_t)(key >> LIVE_TAG_BITS) << LIVE_TIME_BITS |
		      (uint32_t)(b->born_ns >> s->shift);
	one.size[0] = (uint32_t)b->size;
	one.site[0] = b->site;
	s->used++;
	if (room && is_room(s, &h, room)) {
		copy(s->buckets + (room - 1) / LIVE_BUCKET, (room - 1) % LIVE_BUCKET,
		     &one, 0);
		return 0;
	}
	while (!place(s, key, &one, 0)) {
		r = grow(s);
		if (r < 0) {
			s->used--;
			return r;
		}
	}
	return 0;
}

static void unpack(const struct live_shard *s, const struct live_bucket *b, int i,
		   struct live_block *ret)
{
	*ret = (struct live_block){
		.size = b->size[i],
		.site = b->site[i],
		.born_ns = (uint64_t)(b->rest[i] & TIME_MASK) << s->shift,
		.shift = s->shift,
	};
}

static bool shard_has(const struct live_shard *s, uint64_t key)
{
	struct homes h = homes_of(s, key);

	return s->buckets && find(&h, key) >= 0;
}

static inline bool is_at(const struct live_bucket *b, int i, uint64_t key)
{
	return b->rest[i] != EMPTY && key_at(b, i) == key;
}

static inline bool shard_take(struct live_shard *s, uint64_t key, uint32_t seen,
			      struct live_block *ret)
{
	struct live_bucket *b = s->buckets + (seen - 1) / LIVE_BUCKET;
	int i = (int)((seen - 1) % LIVE_BUCKET);

	if ((seen - 1) / LIVE_BUCKET >= s->homes || !is_at(b, i, key)) {
		struct homes h = homes_of(s, key);

		i = s->buckets ? find(&h, key) : -1;
		if (i < 0)
			return false;
		b = h.of[i / LIVE_BUCKET];
		i %= LIVE_BUCKET;
	}
	unpack(s, b, i, ret);
	b->rest[i] = EMPTY;
	s->used--;
	return true;
}

/* ---- the side table ------------------------------------------------------ */

static size_t side_hash(const struct live_side *t, uint64_t address)
{
	uint64_t h = address * 0x9e3779b97f4a7c15ull;

	return (size_t)(h ^ (h >> 32)) & (t->room - 1);
}

static size_t side_seek(const struct live_side *t, uint64_t address)
{
	size_t at = side_hash(t, address);

	while (t->slots[at].address1 && t->slots[at].address1 != address + 1)
		at = (at + 1) & (t->room - 1);
	return at;
}

static int side_grow(struct live_side *t)
{
	struct live_side more = {.room = t->room ? t->room * 2 : 16, .used = t->used};

	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].address1)
			more.slots[side_seek(&more, t->slots[i].address1 - 1)] =
				t->slots[i];
	free(t->slots);
	*t = more;
	return 0;
}

static int side_add(struct live_side *t, uint64_t address, const struct live_block *b)
{
	int r = t->used >= t->room / 2 ? side_grow(t) : 0;

	if (r < 0)
		return r;
	t->slots[side_seek(t, address)] = (struct live_odd){address + 1, *b};
	t->used++;
	return 0;
}

static bool side_has(const struct live_side *t, uint64_t address)
{
	return t->used && t->slots[side_seek(t, address)].address1;
}

static bool side_take(struct live_side *t, uint64_t address, struct live_block *ret)
{
	size_t mask = t->room - 1, hole, at;

	if (!side_has(t, address))
		return false;
	hole = side_seek(t, address);
	*ret = t->slots[hole].block;
	for (at = (hole + 1) & mask; t->slots[at].address1; at = (at + 1) & mask) {
		size_t from = side_hash(t, t->slots[at].address1 - 1);

		if (((at - from) & mask) < ((at - hole) & mask))
			continue; /* its home lies behind the hole: it stays */
		t->slots[hole] = t->slots[at];
		hole = at;
	}
	t->slots[hole].address1 = 0;
	t->used--;
	return true;
}

/* ---- the table ----------------------------------------------------------- */

static bool is_odd(uint64_t address)
{
	return address & 7 || address >> LIVE_ADDRESS_BITS;
}

void live_done(struct live *l)
{
	for (int i = 0; i < LIVE_SHARDS; i++)
		buckets_free(l->shard[i].buckets, l->shard[i].homes);
	free(l->side.slots);
	*l = (struct live){0};
}

bool live_has(const struct live *l, uint64_t address)
{
	uint64_t mixed = live_mix(address);

	if (!is_odd(address) &&
	    shard_has(&l->shard[mixed >> LIVE_KEY_BITS], mixed & KEY_MASK))
		return true;
	return side_has(&l->side, address);
}

uint32_t live_look(const struct live *l, uint64_t address)
{
	uint64_t mixed = live_mix(address);
	const struct live_shard *s = &l->shard[mixed >> LIVE_KEY_BITS];
	struct homes h = homes_of(s, mixed & KEY_MASK);
	const struct live_bucket *b;
	uint32_t what = 0;
	int i;

	if (is_odd(address) || !s->buckets)
		return 0;
	i = find(&h, mixed & KEY_MASK);
	if (i < 0) {
		what = LIVE_ROOM;
		i = room(&h);
	}
	if (i < 0)
		return 0;
	b = h.of[i / LIVE_BUCKET];
	__builtin_prefetch(b->size, 1);
	return what | ((uint32_t)(b - s->buckets) * LIVE_BUCKET + i % LIVE_BUCKET + 1);
}

uint32_t live_peek(const struct live *l, uint64_t address, uint32_t seen)
{
	const struct live_shard *s = &l->shard[live_mix(address) >> LIVE_KEY_BITS];

	return s->buckets[(seen - 1) / LIVE_BUCKET].site[(seen - 1) % LIVE_BUCKET];
}

int live_add(struct live *l, uint64_t address, uint32_t seen,
	     const struct live_block *b)
{
	uint64_t mixed = live_mix(address), key = mixed & KEY_MASK;
	struct live_shard *s = &l->shard[mixed >> LIVE_KEY_BITS];
	int r = -EXFULL;

	assert(b->site);
	if (side_has(&l->side, address))
		return -EEXIST;
	if (!is_odd(address) && b->size <= UINT32_MAX)
		r = shard_add(s, key, seen, b);
	else if (!is_odd(address) && shard_has(s, key))
		r = -EEXIST;
	return r == -EXFULL ? side_add(&l->side, address, b) : r;
}

bool live_take(struct live *l, uint64_t address, uint32_t seen, struct live_block *ret)
{
	uint64_t mixed = live_mix(address);

	if (!is_odd(address) &&
	    shard_take(&l->shard[mixed >> LIVE_KEY_BITS], mixed & KEY_MASK, seen, ret))
		return true;
	return side_take(&l->side, address, ret);
}

/* x with x * of == 1 mod 2^64, for odd `of` (Newton; each step doubles the bits). */
static uint64_t inverse(uint64_t of)
{
	uint64_t x = of;

	for (int i = 0; i < 6; i++)
		x *= 2 - of * x;
	return x;
}

static uint64_t unmix(uint64_t mixed)
{
	uint64_t x = (mixed * inverse(0xd6e8feb86659fd93ull)) & HASH_MASK;

	x ^= x >> 23; /* its own inverse: 2 * 23 > 45 */
	return ((x * inverse(0x9e3779b97f4a7c15ull)) & HASH_MASK) << 3;
}

void live_each(const struct live *l,
	       void (*see)(void *context, uint64_t address, const struct live_block *b),
	       void *context)
{
	struct live_block b;

	for (uint64_t i = 0; i < LIVE_SHARDS; i++)
		for (size_t at = 0; at < l->shard[i].homes * LIVE_BUCKET; at++) {
			const struct live_bucket *bucket =
				&l->shard[i].buckets[at / LIVE_BUCKET];
			uint64_t key = key_at(bucket, at % LIVE_BUCKET);

			if (bucket->rest[at % LIVE_BUCKET] == EMPTY)
				continue;
			unpack(&l->shard[i], bucket, at % LIVE_BUCKET, &b);
			see(context, unmix((i << LIVE_KEY_BITS) | key), &b);
		}
	for (size_t at = 0; at < l->side.room; at++)
		if (l->side.slots[at].address1)
			see(context, l->side.slots[at].address1 - 1,
			    &l->side.slots[at].block);
}

size_t live_count(const struct live *l)
{
	size_t count = l->side.used;

	for (int i = 0; i < LIVE_SHARDS; i++)
		count += l->shard[i].used;
	return count;
}

size_t live_footprint(const struct live *l)
{
	size_t bytes = sizeof(*l) + l->side.room * sizeof(*l->side.slots);

	for (int i = 0; i < LIVE_SHARDS; i++)
		bytes += bytes_of(l->shard[i].homes);
	return bytes;
}
