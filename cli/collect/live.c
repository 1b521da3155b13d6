#include "cli/collect/live.h"

#include "cli/collect/live_bucket.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HASH_MASK ((1ull << LIVE_HASH_BITS) - 1)

enum {
	FIRST_SHIFT = 6,  /* 64 ns: two seconds before the first rounding */
	MAPPED = 1 << 15, /* bytes from which an array is a mapping of its own */
	LARGE = 8 << 20,  /* of a table: bytes that take a millisecond to give back */
	HOMES_MAX = 1 << (LIVE_HOME_BITS - 1),
};

struct live_odd {
	uint64_t address1; /* + 1; 0: free */
	struct live_block block;
};

static inline struct live_homes homes_of(const struct live_shard *s, uint64_t key)
{
	uint32_t first = live_first(s, key), second = live_second(s, key);

	return (struct live_homes){{s->buckets + first, s->buckets + second}};
}

/* ---- a bucket ------------------------------------------------------------ */

static inline void copy(struct live_bucket *to, int at, const struct live_bucket *from,
			int i)
{
	to->tag[at] = from->tag[i];
	to->rest[at] = from->rest[i];
	to->size[at] = from->size[i];
	to->site[at] = from->site[i];
}

/* Both are full: one of the entries there goes to its other bucket. */
static int make_room(const struct live_shard *s, const struct live_homes *h)
{
	for (int i = 0; i < 2 * LIVE_BUCKET; i++) {
		struct live_bucket *b = live_bucket_of(h, i);
		struct live_homes others = homes_of(s, live_key_at(b, i % LIVE_BUCKET));
		int at = live_room(&others);

		if (at < 0)
			continue;
		copy(live_bucket_of(&others, at), at % LIVE_BUCKET, b, i % LIVE_BUCKET);
		b->rest[i % LIVE_BUCKET] = LIVE_EMPTY;
		return i;
	}
	return -1;
}

/* ---- one shard ----------------------------------------------------------- */

/* False: no room, or none that is found in a few steps. */
static inline bool place(struct live_shard *s, uint64_t key,
			 const struct live_bucket *from, int i)
{
	struct live_homes h = homes_of(s, key);
	int at = live_room(&h);

	if (at < 0)
		at = make_room(s, &h);
	if (at < 0)
		return false;
	copy(live_bucket_of(&h, at), at % LIVE_BUCKET, from, i);
	return true;
}

static size_t bytes_of(size_t buckets)
{
	return buckets * sizeof(struct live_bucket);
}

static bool is_mapped(size_t buckets)
{
	return bytes_of(buckets) >= MAPPED;
}

/* For that many buckets, which are what memory there is then. */
static void *array_new(size_t n)
{
	void *p;

	if (!is_mapped(n))
		return aligned_alloc(_Alignof(struct live_bucket), bytes_of(n));
	p = mmap(NULL, bytes_of(n), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void array_free(struct live_bucket *b, size_t n)
{
	if (b && is_mapped(n))
		munmap(b, bytes_of(n));
	else
		free(b);
}

/* Memory for n buckets. Large arrays are mappings: room that nobody has touched costs
 * nothing there, and no bucket is copied. */
static int reserve(struct live_shard *s, uint32_t n)
{
	uint32_t room = is_mapped(n) ? 2 * n : n + n / 8;
	void *more;

	if (n <= s->room)
		return 0;
	if (is_mapped(s->room)) {
		more = mremap(s->buckets, bytes_of(s->room), bytes_of(room),
			      MREMAP_MAYMOVE);
		if (more == MAP_FAILED)
			return -ENOMEM;
	} else {
		more = array_new(room);
		if (!more)
			return -ENOMEM;
		if (s->homes)
			memcpy(more, s->buckets, bytes_of(s->homes));
		array_free(s->buckets, s->room);
	}
	s->buckets = more;
	s->room = room;
	return 0;
}

/* One bucket more. What goes there comes from one other, where it was because of one
 * of its two hashes, and goes because of the same. */
static void split(struct live_shard *s)
{
	uint32_t here = s->homes, there = here & s->mask >> 1;
	struct live_bucket *from = &s->buckets[there], *to = &s->buckets[here];
	int n = 0;

	memset(to->rest, 0xff, sizeof(to->rest));
	for (int i = 0; here > 0 && i < LIVE_BUCKET; i++) {
		uint64_t key = live_key_at(from, (size_t)i);
		uint32_t first = live_hash(key) & s->mask;
		uint32_t second = live_other_hash(key) & s->mask;

		if (from->rest[i] == LIVE_EMPTY ||
		    (first != here && (first == there || second != here)))
			continue;
		copy(to, n++, from, i);
		from->rest[i] = LIVE_EMPTY;
	}
	s->homes++;
	if (s->homes > s->mask)
		s->mask = 2 * s->mask + 1;
}

/* 0, -ENOMEM, or -EXFULL: the keys are such that more room would be no help. */
static int grow(struct live_shard *s)
{
	uint32_t n = s->homes + (s->homes / 32 > 2 ? s->homes / 32 : 2);
	int r;

	if (s->used < s->homes * LIVE_BUCKET / 2)
		return -EXFULL;
	if (n >= HOMES_MAX)
		return -ENOMEM;
	r = reserve(s, n);
	if (r < 0)
		return r;
	if (!s->homes)
		s->shift = FIRST_SHIFT;
	while (s->homes < n)
		split(s);
	s->most = s->homes * (LIVE_BUCKET * 7) / 10; /* never below a half */
	return 0;
}

/* Halves the resolution of moments until `ns` fits. */
static void coarsen(struct live_shard *s, uint64_t ns)
{
	uint8_t more = 0;

	while (ns >> (s->shift + more) >= LIVE_TIME_MASK)
		more++;
	for (uint32_t at = 0; more && at < s->homes; at++)
		for (int i = 0; i < LIVE_BUCKET; i++) {
			uint32_t *rest = &s->buckets[at].rest[i];

			if (*rest != LIVE_EMPTY)
				*rest = (*rest & ~LIVE_TIME_MASK) |
					(*rest & LIVE_TIME_MASK) >> more;
		}
	s->shift = (uint8_t)(s->shift + more);
}

static int shard_add(struct live_shard *s, uint64_t key, const struct live_block *b)
{
	struct live_bucket one;
	struct live_shard of = *s; /* for moments alone */
	struct live_homes h = homes_of(s, key);
	int r;

	if (s->buckets && live_find(&h, key) >= 0)
		return -EEXIST;
	if (s->used >= s->most) {
		r = grow(s);
		if (r < 0)
			return r;
	}
	if (b->born_ns >> s->shift >= LIVE_TIME_MASK)
		coarsen(s, b->born_ns);
	of.shift = s->shift;
	live_fill(&of, &one, 0, key, b);
	s->used++;
	while (!place(s, key, &one, 0)) {
		r = grow(s);
		if (r < 0) {
			s->used--;
			return r;
		}
	}
	return 0;
}

static bool shard_has(const struct live_shard *s, uint64_t key)
{
	struct live_homes h = homes_of(s, key);

	return s->buckets && live_find(&h, key) >= 0;
}

static bool shard_take(struct live_shard *s, uint64_t key, struct live_block *ret)
{
	struct live_homes h = homes_of(s, key);
	int i = s->buckets ? live_find(&h, key) : -1;

	if (i < 0)
		return false;
	live_empty(s, live_bucket_of(&h, i), (size_t)i % LIVE_BUCKET, ret);
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

void live_done(struct live *l)
{
	for (int i = 0; i < LIVE_SHARDS; i++)
		array_free(l->shard[i].buckets, l->shard[i].room);
	free(l->side.slots);
	*l = (struct live){0};
}

static void *give_back(void *arg)
{
	struct live *l = arg;

	live_done(l);
	free(l);
	return NULL;
}

static bool start_giving_back(struct live *l)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int err = pthread_attr_init(&attr);

	if (err)
		return false;
	/* Signals are for the thread that called. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, give_back, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return !err;
}

void live_leave(struct live *l)
{
	struct live *own = live_footprint(l) < LARGE ? NULL : malloc(sizeof(*own));

	if (own) {
		*own = *l;
		*l = (struct live){0};
	}
	if (!own)
		live_done(l);
	else if (!start_giving_back(own))
		give_back(own);
}

bool live_side_has(const struct live *l, uint64_t address)
{
	return side_has(&l->side, address);
}

bool live_has(const struct live *l, uint64_t address)
{
	uint64_t mixed = live_mix(address);

	if (!live_is_odd(address) &&
	    shard_has(&l->shard[mixed >> LIVE_KEY_BITS], mixed & LIVE_KEY_MASK))
		return true;
	return side_has(&l->side, address);
}

int live_add(struct live *l, uint64_t address, const struct live_block *b)
{
	uint64_t mixed = live_mix(address), key = mixed & LIVE_KEY_MASK;
	struct live_shard *s = &l->shard[mixed >> LIVE_KEY_BITS];
	int r = -EXFULL;

	assert(b->site);
	if (side_has(&l->side, address))
		return -EEXIST;
	if (!live_is_odd(address) && b->size <= UINT32_MAX)
		r = shard_add(s, key, b);
	else if (!live_is_odd(address) && shard_has(s, key))
		r = -EEXIST;
	return r == -EXFULL ? side_add(&l->side, address, b) : r;
}

bool live_take(struct live *l, uint64_t address, struct live_block *ret)
{
	uint64_t mixed = live_mix(address);

	if (!live_is_odd(address) &&
	    shard_take(&l->shard[mixed >> LIVE_KEY_BITS], mixed & LIVE_KEY_MASK, ret))
		return true;
	return side_take(&l->side, address, ret);
}

bool live_ignore(struct live *l, uint64_t address)
{
	uint64_t mixed = live_mix(address), key = mixed & LIVE_KEY_MASK;
	struct live_shard *s = &l->shard[mixed >> LIVE_KEY_BITS];
	struct live_homes h = homes_of(s, key);
	int i = live_is_odd(address) || !s->buckets ? -1 : live_find(&h, key);

	if (i >= 0)
		live_bucket_of(&h, i)->site[i % LIVE_BUCKET] |= LIVE_IGNORED;
	else if (side_has(&l->side, address))
		l->side.slots[side_seek(&l->side, address)].block.ignored = true;
	else
		return false;
	return true;
}

/* live_mix()'s factors, and what undoes them. */
_Static_assert(0x9e3779b97f4a7c15ull * 0xf1de83e19937733dull == 1, "mod 2^64");
_Static_assert(0xd6e8feb86659fd93ull * 0xcfee444d8b59a89bull == 1, "mod 2^64");

static uint64_t unmix(uint64_t mixed)
{
	uint64_t x = (mixed * 0xcfee444d8b59a89bull) & HASH_MASK;

	x ^= x >> 23; /* its own inverse: 2 * 23 > 45 */
	return ((x * 0xf1de83e19937733dull) & HASH_MASK) << 3;
}

/* What there is in a shard is all found before its last bucket, as a rule: an emptied
 * one is not looked at. */
static void shard_each(const struct live_shard *s, uint64_t number,
		       void (*see)(void *context, uint64_t address,
				   const struct live_block *b),
		       void *context)
{
	size_t left = s->used;

	for (size_t at = 0; left && at < s->homes; at++)
		for (size_t i = 0; i < LIVE_BUCKET; i++) {
			const struct live_bucket *bucket = &s->buckets[at];
			struct live_block b;

			if (bucket->rest[i] == LIVE_EMPTY)
				continue;
			live_unpack(s, bucket, i, &b);
			see(context,
			    unmix(number << LIVE_KEY_BITS | live_key_at(bucket, i)),
			    &b);
			left--;
		}
}

void live_each(const struct live *l,
	       void (*see)(void *context, uint64_t address, const struct live_block *b),
	       void *context)
{
	for (uint64_t i = 0; i < LIVE_SHARDS; i++)
		shard_each(&l->shard[i], i, see, context);
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
		bytes += bytes_of(is_mapped(l->shard[i].room) ? l->shard[i].homes
							      : l->shard[i].room);
	return bytes;
}
