#include "cli/collect/live.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MASK ((1ull << LIVE_KEY_BITS) - 1)
#define TIME_MASK ((1ull << LIVE_TIME_BITS) - 1)
#define HASH_MASK ((1ull << LIVE_HASH_BITS) - 1)

enum {
	FIRST_HOMES = 16,
	TAIL = 16,	 /* entries behind the last home, at least */
	FIRST_SHIFT = 6, /* 64 ns: two seconds before the first rounding */
};

struct live_odd {
	uint64_t address1; /* + 1; 0: free */
	struct live_block block;
};

static const struct live_entry empty = {.key_time = UINT64_MAX};

static bool is_empty(const struct live_entry *e)
{
	return !e->size_site;
}

static uint64_t key_of(const struct live_entry *e)
{
	return e->key_time >> LIVE_TIME_BITS;
}

/* key < 2^39 and homes < 2^25: no overflow. */
static size_t home(const struct live_shard *s, uint64_t key)
{
	return (size_t)((key * s->homes) >> LIVE_KEY_BITS);
}

/* ---- one shard ----------------------------------------------------------- */

/* Where the key is, or where it belongs: the first position from its home on that
 * holds no smaller key. An empty entry has the greatest key. May be s->room. */
static size_t seek(const struct live_shard *s, uint64_t key)
{
	size_t at = home(s, key);

	while (at < s->room && key_of(&s->entries[at]) < key)
		at++;
	return at;
}

static bool is_at(const struct live_shard *s, size_t at, uint64_t key)
{
	return at < s->room && key_of(&s->entries[at]) == key &&
	       !is_empty(&s->entries[at]);
}

/* Entries a sweep over `homes` homes would fill, counted from the first home. */
static size_t span(const struct live_shard *s, uint32_t homes)
{
	struct live_shard wanted = {.homes = homes};
	size_t next = 0;

	for (uint32_t i = 0; i < s->room; i++) {
		size_t at;

		if (is_empty(&s->entries[i]))
			continue;
		at = home(&wanted, key_of(&s->entries[i]));
		next = (at > next ? at : next) + 1;
	}
	return next;
}

static void pack_at_end(struct live_shard *s, size_t old_room)
{
	size_t to = s->room;

	for (size_t from = old_room; from-- > 0;)
		if (!is_empty(&s->entries[from]))
			s->entries[--to] = s->entries[from];
}

/* Entries, packed at the array's end, go to their places. Writing never overtakes
 * reading: if it did, the entries still to come would not fit, and span() made sure
 * that they do. */
static void spread(struct live_shard *s)
{
	size_t next = 0;

	for (size_t from = s->room - s->used; from < s->room; from++) {
		struct live_entry e = s->entries[from];
		size_t at = home(s, key_of(&e));

		while (next < at)
			s->entries[next++] = empty;
		s->entries[next++] = e;
	}
	while (next < s->room)
		s->entries[next++] = empty;
}

static int grow(struct live_shard *s)
{
	uint32_t homes = s->homes + s->homes / 6, old_room = s->room;
	struct live_entry *grown;
	size_t room;

	if (homes < s->homes + FIRST_HOMES)
		homes = s->homes + FIRST_HOMES;
	if (homes >= 1u << 24)
		return -ENOMEM;
	room = span(s, homes) + TAIL;
	if (room < homes + TAIL)
		room = homes + TAIL;
	grown = realloc(s->entries, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	if (!s->entries)
		s->shift = FIRST_SHIFT;
	s->entries = grown;
	s->homes = homes;
	s->room = (uint32_t)room;
	pack_at_end(s, old_room);
	spread(s);
	return 0;
}

/* Halves the resolution of moments until `ns` fits. */
static void coarsen(struct live_shard *s, uint64_t ns)
{
	uint8_t more = 0;

	while (ns >> (s->shift + more) > TIME_MASK)
		more++;
	if (!more)
		return;
	for (uint32_t i = 0; i < s->room; i++) {
		struct live_entry *e = &s->entries[i];
		uint64_t time = (e->key_time & TIME_MASK) >> more;

		if (!is_empty(e))
			e->key_time = (e->key_time & ~TIME_MASK) | time;
	}
	s->shift = (uint8_t)(s->shift + more);
}

static int shard_add(struct live_shard *s, uint64_t key, const struct live_block *b)
{
	size_t at, end;
	int r;

	if (s->used >= s->homes / 5 * 4) {
		r = grow(s);
		if (r < 0)
			return r;
	}
	if (b->born_ns >> s->shift > TIME_MASK)
		coarsen(s, b->born_ns);
	for (;;) {
		at = seek(s, key);
		end = at;
		while (end < s->room && !is_empty(&s->entries[end]))
			end++;
		if (end < s->room)
			break;
		r = grow(s);
		if (r < 0)
			return r;
	}
	memmove(&s->entries[at + 1], &s->entries[at], (end - at) * sizeof(*s->entries));
	s->entries[at] = (struct live_entry){
		.key_time = (key << LIVE_TIME_BITS) | (b->born_ns >> s->shift),
		.size_site = (b->size << 32) | b->site,
	};
	s->used++;
	return 0;
}

static void unpack(const struct live_shard *s, const struct live_entry *e,
		   struct live_block *ret)
{
	ret->size = e->size_site >> 32;
	ret->site = (uint32_t)e->size_site;
	ret->born_ns = (e->key_time & TIME_MASK) << s->shift;
}

static bool shard_take(struct live_shard *s, uint64_t key, struct live_block *ret)
{
	size_t at = seek(s, key), end = at + 1;

	if (!is_at(s, at, key))
		return false;
	unpack(s, &s->entries[at], ret);
	while (end < s->room && !is_empty(&s->entries[end]) &&
	       home(s, key_of(&s->entries[end])) < end)
		end++;
	memmove(&s->entries[at], &s->entries[at + 1],
		(end - at - 1) * sizeof(*s->entries));
	s->entries[end - 1] = empty;
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

static bool odd(uint64_t address)
{
	return address & 7 || address >> LIVE_ADDRESS_BITS;
}

void live_done(struct live *l)
{
	for (int i = 0; i < LIVE_SHARDS; i++)
		free(l->shard[i].entries);
	free(l->side.slots);
	*l = (struct live){0};
}

bool live_has(const struct live *l, uint64_t address)
{
	uint64_t mixed = live_mix(address), key = mixed & KEY_MASK;
	const struct live_shard *s = &l->shard[mixed >> LIVE_KEY_BITS];

	if (!odd(address) && is_at(s, seek(s, key), key))
		return true;
	return side_has(&l->side, address);
}

int live_add(struct live *l, uint64_t address, const struct live_block *b)
{
	uint64_t mixed = live_mix(address);

	assert(b->site);
	if (odd(address) || b->size > UINT32_MAX)
		return side_add(&l->side, address, b);
	return shard_add(&l->shard[mixed >> LIVE_KEY_BITS], mixed & KEY_MASK, b);
}

bool live_take(struct live *l, uint64_t address, struct live_block *ret)
{
	uint64_t mixed = live_mix(address);
	struct live_shard *s = &l->shard[mixed >> LIVE_KEY_BITS];

	if (!odd(address) && shard_take(s, mixed & KEY_MASK, ret))
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
		for (size_t at = 0; at < l->shard[i].room; at++) {
			const struct live_entry *e = &l->shard[i].entries[at];

			if (is_empty(e))
				continue;
			unpack(&l->shard[i], e, &b);
			see(context, unmix((i << LIVE_KEY_BITS) | key_of(e)), &b);
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
		bytes += l->shard[i].room * sizeof(struct live_entry);
	return bytes;
}
