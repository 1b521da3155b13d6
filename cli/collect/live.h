/*
 * live.h - the live table of one process: which block lies at an address.
 *
 * 64 shards, by the hash's high bits. A shard is an array that is sorted by key:
 *
 *	home(key) = key * homes / 2^39		(monotone in the key)
 *	position(key) >= home(key), with no empty entry between the two
 *
 * So a search runs from the key's home until the first key that is not smaller, and
 * an array grows by one sweep from left to right, by a sixth at a time, in place:
 * 16 bytes an entry and a load between 0.68 and 0.8 make at most 24 bytes a block.
 * Keys are addresses / 8, mixed one-to-one, so that nothing else need be stored.
 * Blocks of 4 GiB and more, and odd addresses, live in a side table.
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
	LIVE_TIME_BITS = 64 - LIVE_KEY_BITS,
	LIVE_SHARDS = 1 << LIVE_SHARD_BITS,
};

struct live_block {
	uint64_t size;
	uint64_t born_ns; /* comes back rounded down, see live_shard.shift */
	uint32_t site;	  /* not 0 */
};

struct live_entry {
	uint64_t key_time;  /* key above, moment of birth >> shift below; ~0: empty */
	uint64_t size_site; /* size above, site below; 0: empty */
};

struct live_shard {
	struct live_entry *entries; /* homes + tail of them */
	uint32_t homes, room;
	uint32_t used;
	uint8_t shift; /* moments are kept in units of 1 << shift ns */
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

/* Is there a block at address (48 bits)? */
bool live_has(const struct live *l, uint64_t address);

/* Adds a block; none may be there. 0 or -ENOMEM. */
int live_add(struct live *l, uint64_t address, const struct live_block *b);

/* Takes the block at address out. False: there is none, *ret is untouched. */
bool live_take(struct live *l, uint64_t address, struct live_block *ret);

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

/* Asks for the memory that a search for address will look at. */
static inline void live_prefetch(const struct live *l, uint64_t address)
{
	uint64_t mixed = live_mix(address);
	const struct live_shard *s = &l->shard[mixed >> LIVE_KEY_BITS];
	uint64_t key = mixed & ((1ull << LIVE_KEY_BITS) - 1);

	const struct live_entry *home = s->entries;

	if (!home)
		return;
	home += (key * s->homes) >> LIVE_KEY_BITS;
	__builtin_prefetch(home, 1);
	__builtin_prefetch(home + 4, 1); /* most searches end here or before */
	__builtin_prefetch(home + 8, 1); /* and most insertions */
	/* Or gcc takes this for a pure function, whose calls may go: they did. */
	__asm__ volatile("");
}

/* The site of the block at address, if it stands in the shards; else 0. */
uint32_t live_peek(const struct live *l, uint64_t address);
