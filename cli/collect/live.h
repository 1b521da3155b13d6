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
 * A page has 1, 2, 3, 4, 6 .. 128 groups, or an entry or two of a group that it shares;
 * where they have no room any more it gets the next number of them. All pages' groups of
 * one number are one array without holes: what a page leaves there is taken by the last
 * one. Where pages have far more room than blocks, some are looked at before an array
 * gets more memory, and have less from then on.
 *
 *	bytes of a block	16, and what groups have free: up to a third or so
 *	of its page		8 for who owns the groups, and 21 to 43 in its shard
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
	LIVE_PAGE_MASK = (1 << LIVE_PAGE_SHIFT) - 1,
	LIVE_PLACE_BITS = 9, /* of an address / 8 in its page */
	LIVE_BORN_BITS = 64 - LIVE_PLACE_BITS,
	LIVE_SHARD_BITS = 6,
	LIVE_SHARDS = 1 << LIVE_SHARD_BITS,
	LIVE_GROUP = 4,
	LIVE_PROBE = 64, /* places of a shard that a page may have, from its first on */
	LIVE_SHARED = 2, /* sizes of pages that share groups: one entry, two */
	LIVE_SIZES = 20, /* those, and numbers of groups that a page may have */
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

struct live_spot {	       /* in a group, of all entries that are its page's */
	struct live_group *of; /* NULL: there is none */
	unsigned set, empty; /* those of a place, and those that are free: a bit each */
};

#define LIVE_IGNORED (1u << 31)
/* Above all moments: the upper half of an empty entry's is no other's. */
#define LIVE_BORN_MOST ((1ull << LIVE_BORN_BITS) - (1ull << 32))

struct live_page {
	uint64_t page1; /* address >> LIVE_PAGE_SHIFT, + 1; 0: free */
	uint32_t at;	/* of its first group among those of its size */
	uint16_t used;	/* entries */
	uint8_t size;	/* of live_sizes; LIVE_SIZES: it has no groups */
	union {
		uint8_t spills; /* see live_eighth(): of which one lies behind its group */
		uint8_t first; /* of its entries, in a group that it shares */
	};
};

/* How many groups; 0 where they are shared, and where there are none. */
extern const uint8_t live_sizes[LIVE_SIZES + 1];

struct live_sized {		   /* the groups of all pages that have so many */
	struct live_group *groups; /* a mapping */
	uint64_t *owner;	   /* page1 of each page */
	size_t count, room;	   /* pages */
	size_t touched;		   /* that the mapping has memory for */
};

struct live_hand {
	int size;
	size_t at; /* of the pages of that size */
};

struct live_shard {
	struct live_page *pages; /* `end` of them; NULL: 0 */
	uint32_t room, end;	 /* a power of two; that, and LIVE_PROBE more */
	uint32_t used;
};

struct live_way {		 /* to an address: see live_near.h */
	struct live_page *page;	 /* NULL: there is none */
	struct live_group *home; /* of the address */
	/* live.moved then; less where no group is known; LIVE_UNMADE and live.made where
	 * there was no page. */
	uint64_t moved;
};

#define LIVE_UNMADE (UINT64_MAX << 32)
/* In live.moved: a shard's pages came to lie elsewhere. */
#define LIVE_GROWN (1ull << 32)

struct live_side {
	struct live_odd *slots; /* linear probing; room is a power of two */
	size_t room, used;
};

struct live {
	struct live_sized sized[LIVE_SIZES + 1]; /* the last one stays empty */
	size_t used, pages;			 /* entries of pages; pages */
	size_t room;				 /* for entries, in pages' groups */
	struct live_hand hand;			 /* what is looked at next */
	/* For ways to tell whether they still lead there: how often groups came to lie
	 * elsewhere, and LIVE_GROWN for each time that pages did. */
	uint64_t moved;
	uint32_t made; /* pages that ever were, modulo 2^32 */
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

/* The block at address, which stays. False: there is none, *ret is untouched. */
bool live_look(const struct live *l, uint64_t address, struct live_block *ret);

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

/* The first place that a page may have, of so many. */
static inline uint32_t live_first(uint64_t mixed, uint32_t room)
{
	return (uint32_t)mixed & (room - 1);
}

/* Not for pages: in the side table, whatever its size. */
static inline bool live_is_odd(uint64_t address)
{
	return address & (7 | ~0ull << LIVE_ADDRESS_BITS);
}

/* Makes the page of a block of so many bytes, with room for more, if the address is not
 * odd and there is none: a way that is worked out from now on leads there. (Without memory
 * it does not.) */
void live_open(struct live *l, uint64_t address, uint64_t size);

/* The page of that number (address >> LIVE_PAGE_SHIFT); NULL: there is none. */
struct live_page *live_page(const struct live *l, uint64_t page);

/* Empty entries for a block of so many bytes that is not there, in its page, made if need
 * be. 0, -ENOMEM, or -EXFULL: it is one for the side table. The address is not odd. */
int live_make_room(struct live *l, uint64_t address, uint64_t size,
		   struct live_page **ret, struct live_spot *ret_room);

/* Of a page that has no group of its own. */
struct live_spot live_find_few(const struct live *l, const struct live_page *p,
			       unsigned place);

/* Is there a block at address in the side table? */
bool live_side_has(const struct live *l, uint64_t address);

static inline bool live_is_aside(const struct live *l, uint64_t address)
{
	return l->side.used && live_side_has(l, address);
}
