/*
 * live.h - the live table of one process: which block lies at an address.
 *
 *	a page of the program's memory (4 KiB)	has a place among the pages of its shard
 *	a page's blocks				lie side by side, in groups of four
 *
 * So blocks that are near each other, which programs make and free together, are found in
 * the same few lines and pages of the collector's memory, where a hash of the address
 * would strew them. A group is a cache line; which one of its page's an entry belongs to
 * follows from its place in the page, and where that is full it lies in the next one.
 *
 * A page has 1, 2, 3, 4, 6 .. 128 groups; where they have no room any more it gets the
 * next number of them. All pages' groups of one number are one array without holes: what
 * a page leaves there is taken by the last one. So 16 bytes an entry make at most 24
 * bytes a block, where pages have four blocks or more.
 *
 * Pages are found by hashing, in 64 shards so that none takes long to grow. Blocks of
 * 4 GiB and more, odd addresses, and pages that somebody made to meet in the same places
 * live in a side table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum live_bits {
	LIVE_ADDRESS_BITS = 48,
	LIVE_PAGE_SHIFT = 12,
	LIVE_PLACE_BITS = 9, /* of an address / 8 in its page */
	LIVE_BORN_BITS = 64 - LIVE_PLACE_BITS,
	LIVE_SHARD_BITS = 6,
	LIVE_SHARDS = 1 << LIVE_SHARD_BITS,
	LIVE_GROUP = 4,
	LIVE_PROBE = 32, /* places of a shard that a page may have, from its first on */
	LIVE_SIZES = 18, /* numbers of groups that a page may have */
};

struct live_block {
	uint64_t size;
	uint64_t
		born_ns; /* below LIVE_BORN_MOST, which is a year, or comes back as that */
	uint32_t site; /* not 0, below LIVE_IGNORED; or an owner, see sites_owner() */
	bool ignored;  /* live_ignore() */
};

struct live_group { /* a cache line */
	_Alignas(64)
		uint64_t when[LIVE_GROUP]; /* place in the page, moment; ~0: empty */
	uint32_t size[LIVE_GROUP];
	uint32_t site[LIVE_GROUP]; /* and LIVE_IGNORED */
};

struct live_entry {
	struct live_group *of; /* NULL: there is none */
	unsigned i;
};

#define LIVE_IGNORED (1u << 31)
/* Above all moments: the upper half of an empty entry's is no other's. */
#define LIVE_BORN_MOST ((1ull << LIVE_BORN_BITS) - (1ull << 32))

struct live_page {
	uint64_t page1; /* address >> LIVE_PAGE_SHIFT, + 1; 0: free */
	uint32_t at;	/* of its first group among those of its size */
	uint16_t used;	/* entries */
	uint8_t size;	/* of live_sizes; LIVE_SIZES: it has no groups */
	bool spills;	/* an entry may lie behind its own group */
};

/* How many groups; and 0. */
extern const uint8_t live_sizes[LIVE_SIZES + 1];

struct live_sized {		   /* the groups of all pages that have so many */
	struct live_group *groups; /* a mapping */
	uint64_t *owner;	   /* page1 of each page */
	size_t count, room;	   /* pages */
	size_t touched;		   /* that the mapping has memory for */
};

struct live_shard {
	struct live_page *pages; /* `end` of them; NULL: 0 */
	uint32_t room, end;	 /* a power of two; that, and LIVE_PROBE more */
	uint32_t used;
};

struct live_way { /* to an address: see live_near.h */
	uint64_t address;
	uint32_t shard,
		at;    /* of the page, if it is still there; ~0: it leads nowhere */
	uint32_t made; /* live.made then */
};

struct live_side {
	struct live_odd *slots; /* linear probing; room is a power of two */
	size_t room, used;
};

struct live {
	struct live_sized sized[LIVE_SIZES + 1]; /* the last one stays empty */
	size_t used, pages;			 /* entries of pages; pages */
	uint32_t made;				 /* pages that ever were, modulo 2^32 */
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

/* Of a page, mixed: the shard by its upper bits, the place there by others. */
static inline uint64_t live_mix(uint64_t page)
{
	uint64_t x = page * 0x9e3779b97f4a7c15ull;

	return x ^ x >> 32;
}

static inline uint32_t live_shard_of(uint64_t mixed)
{
	return (uint32_t)(mixed >> (64 - LIVE_SHARD_BITS));
}

/* Not for pages: in the side table, whatever its size. */
static inline bool live_is_odd(uint64_t address)
{
	return address & (7 | ~0ull << LIVE_ADDRESS_BITS);
}

/* Makes the page of an address, if it is not odd and there is none: a way that is worked
 * out from now on leads there. (Without memory it does not.) */
void live_open(struct live *l, uint64_t address);

/* The page of that number (address >> LIVE_PAGE_SHIFT); NULL: there is none. */
struct live_page *live_page(const struct live *l, uint64_t page);

/* An empty entry for a block that is not there, in its page, made if need be. 0, -ENOMEM,
 * or -EXFULL: it is one for the side table. The address is not odd. */
int live_make_room(struct live *l, uint64_t address, struct live_page **ret,
		   struct live_entry *ret_room);

/* Is there a block at address in the side table? */
bool live_side_has(const struct live *l, uint64_t address);

static inline bool live_is_aside(const struct live *l, uint64_t address)
{
	return l->side.used && live_side_has(l, address);
}
