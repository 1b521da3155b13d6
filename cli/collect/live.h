/*
 * live.h - the live table of one process: which block lies at an address.
 *
 * 64 shards, by the hash's high bits. A shard is an array of buckets, each with eight
 * entries in two cache lines, and
 *
 *	an entry lies in one of the two buckets of its key
 *
 * in the one that had more room when it came, or where it was moved to since, to make
 * room for another. So every search looks at two cache lines, which do not depend on
 * each other; and an array is full to seven tenths, with few entries moved, before it
 * grows by a thirty-second: 16 bytes an entry make at most 24 bytes a block.
 *
 * It grows where it stands, a bucket at a time (linear hashing): a hash of which one
 * more bit counts tells apart bucket n / 2 and what of it goes to the new bucket n. So
 * an entry is looked at once while the table doubles, and none needs a new search.
 *
 *	homes <= mask < 2 * homes, mask + 1 a power of two
 *	home of a hash = hash & mask, or that & mask / 2 where no bucket is yet
 *
 * Keys are addresses / 8, mixed one-to-one, so that nothing else need be stored. Blocks
 * of 4 GiB and more, odd addresses, and keys that somebody made to meet in the same
 * buckets live in a side table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum live_bits {
	LIVE_ADDRESS_BITS = 48,
	LIVE_HASH_BITS = 45, /* of address / 8 */
	LIVE_SHARD_BITS = 6,
	LIVE_KEY_BITS = LIVE_HASH_BITS - LIVE_SHARD_BITS,
	LIVE_TAG_BITS = 32,
	LIVE_TIME_BITS = LIVE_TAG_BITS + 32 - LIVE_KEY_BITS,
	LIVE_HOME_BITS = 25, /* of a hash; there are fewer buckets */
	LIVE_SHARDS = 1 << LIVE_SHARD_BITS,
	LIVE_BUCKET = 8,
};

struct live_block {
	uint64_t size;
	uint64_t born_ns; /* comes back rounded down to units of 1 << shift */
	uint32_t site; /* not 0, below LIVE_IGNORED; or an owner, see sites_owner() */
	uint8_t shift; /* set by live_take() */
	bool ignored;  /* live_ignore() */
};

/* In columns, so that all eight tags are compared
 * at once; a tag alone is nearly always enough. */
struct live_bucket {
	_Alignas(64) uint32_t tag[LIVE_BUCKET]; /* the key's low bits */
	uint32_t rest[LIVE_BUCKET]; /* the key's high bits, moment; ~0: empty */
	uint32_t size[LIVE_BUCKET];
	uint32_t site[LIVE_BUCKET]; /* and LIVE_IGNORED */
};

#define LIVE_IGNORED (1u << 31)

struct live_shard {
	struct live_bucket *buckets;
	uint32_t homes, mask; /* how many; see above */
	uint32_t room;	      /* and so many there is memory for */
	uint32_t used, most;  /* entries; as many as make it grow */
	uint8_t shift;	      /* moments are kept in units of 1 << shift ns */
};

struct live_way {		/* to an address: see live_bucket.h */
	uint64_t mixed;		/* live_mix() of it */
	uint32_t first, second; /* buckets, by their offsets in bytes, ... */
	uint32_t homes;		/* ... of a shard of so many; ~0: it leads nowhere */
};

struct live_side {
	struct live_odd *slots; /* linear probing; room is a power of two */
	size_t room, used;
};

struct live {
	struct live_shard shard[LIVE_SHARDS];
	struct live_side side;
};

/* Frees what the table holds; it may be used again as an empty one. */
void live_done(struct live *l);

/* The same; but a large table's memory is given back by a thread of its own, while the
 * caller goes on. Ending the process meanwhile is fine. */
void live_leave(struct live *l);

/* Is there a block at address (48 bits)? */
bool live_has(const struct live *l, uint64_t address);

/* Adds a block: 0, -EEXIST if one is there, or -ENOMEM. */
int live_add(struct live *l, uint64_t address, const struct live_block *b);

/* Takes the block at address out. False: there is none, *ret is untouched. */
bool live_take(struct live *l, uint64_t address, struct live_block *ret);

/* Notes about the block at address that it is no leak. False: there is none. */
bool live_ignore(struct live *l, uint64_t address);

/* Calls see() for every block, in no order. */
void live_each(const struct live *l,
	       void (*see)(void *context, uint64_t address, const struct live_block *b),
	       void *context);

size_t live_count(const struct live *l);

/* Bytes of memory that the table holds. */
size_t live_footprint(const struct live *l);

/* address / 8 mixed one-to-one over LIVE_HASH_BITS. */
static inline uint64_t live_mix(uint64_t address)
{
	const uint64_t mask = (1ull << LIVE_HASH_BITS) - 1;
	uint64_t x = ((address >> 3) * 0x9e3779b97f4a7c15ull) & mask;

	x ^= x >> 23;
	return (x * 0xd6e8feb86659fd93ull) & mask;
}

static inline uint32_t live_home(const struct live_shard *s, uint32_t hash)
{
	uint32_t at = hash & s->mask;

	return at < s->homes ? at : at & s->mask >> 1;
}

/* Of a key: its upper bits, which are mixed best. */
static inline uint32_t live_hash(uint64_t key)
{
	return (uint32_t)(key >> (LIVE_KEY_BITS - LIVE_HOME_BITS));
}

static inline uint32_t live_other_hash(uint64_t key)
{
	return (uint32_t)((key * 0xa0761d6478bd642full) >> 32);
}

static inline uint32_t live_first(const struct live_shard *s, uint64_t key)
{
	return live_home(s, live_hash(key));
}

static inline uint32_t live_second(const struct live_shard *s, uint64_t key)
{
	return live_home(s, live_other_hash(key));
}

/* In the side table, whatever its size. */
static inline bool live_is_odd(uint64_t address)
{
	return address & (7 | ~0ull << LIVE_ADDRESS_BITS);
}

/* Is there a block at address in the side table? */
bool live_side_has(const struct live *l, uint64_t address);

static inline bool live_is_aside(const struct live *l, uint64_t address)
{
	return l->side.used && live_side_has(l, address);
}
