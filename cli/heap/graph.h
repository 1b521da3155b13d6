/*
 * graph.h - the heap graph of one process at one moment: its live blocks, the words in
 * them that point at blocks (edges), and the words elsewhere that do (roots).
 *
 * Edges of block b are first[b] .. first[b + 1] - 1, in the order of their words; an
 * edge takes ten bytes in three arrays. Roots name an area (a thread's registers, its
 * stack, a global variable, ...), and are in the order of the blocks that they hold
 * once the graph is sealed. Referrers are found through in_edge, made when first asked
 * for.
 *
 *	first[0] = 0, first[b] <= first[b + 1], first[blocks.count] = edge_count
 *	to[e] < blocks.count, roots[r].to < blocks.count, roots[r].area < area_count
 */
#pragma once

#include "cli/heap/blocks.h"
#include "cli/heap/ranges.h"
#include "cli/heap/types.h"

#include <sys/types.h>

#define HEAP_WORD 8 /* bytes; words lie at their multiples */

enum heap_kind {		  /* what holds a root, the surest first */
		 HEAP_GLOBAL = 0, /* writable data of a module */
		 HEAP_TLS = 1, /* a thread's variables, static and dynamic; its keys */
		 HEAP_STACK = 2,    /* from the stack pointer up */
		 HEAP_REGISTER = 3, /* general registers */
		 HEAP_MAPPING =
			 4,	  /* memory that is neither heap nor module nor stack */
		 HEAP_VECTOR = 5, /* floating point and vector registers */
		 HEAP_EXITED = 6, /* stack and registers of who ended the process */
		 HEAP_REGION = 7, /* memory that the program said to be a root */
		 HEAP_KERNEL = 8, /* what the kernel keeps of the process's */
		 HEAP_KINDS
};

struct heap_area {
	uint64_t start, end; /* addresses; of registers: 0 and their bytes */
	uint32_t kind;	     /* enum heap_kind */
	uint32_t name;	     /* the caller's string: variable, or what it is */
	uint32_t owner;	     /* the caller's string: module, or thread's name; 0 none */
	int32_t tid;	     /* of a thread's; 0: nobody's */
	uint32_t function;   /* the caller's string: whose frame it is of; 0 none */
};

struct heap_root {
	uint64_t at; /* the word; of registers: its offset in them */
	uint32_t to, area;
	uint16_t how; /* as heap_graph.how */
};

struct heap_edges { /* what edges are made of, array by array */
	uint32_t *to;
	uint32_t *word; /* of the referrer, from its first; saturates */
	uint16_t *how;	/* enum heap_how | bytes into the target << 3; saturates */
};

enum {
	HEAP_NEAR = 64,
	HEAP_HOW_BITS = 3,
	HEAP_HOW_MASK = (1 << HEAP_HOW_BITS) - 1,
	HEAP_INTO_MAX = (1 << (16 - HEAP_HOW_BITS)) - 1, /* or more */
};

struct heap_graph {
	struct heap_blocks blocks;
	uint32_t *first; /* blocks.count + 1 */
	struct heap_edges edges;
	size_t edge_count, edge_room;
	struct heap_area *areas;
	size_t area_count, area_room;
	struct heap_root *roots;
	size_t root_count, root_room;
	/* Of each block: 1 + the caller's number of the thread that allocated it; 0:
	 * not known. NULL: of none. */
	uint32_t *threads;
	struct heap_types types; /* of blocks, as far as they are known */
	uint8_t *inherited; /* of each block: 1, the parent's at the fork; NULL: none */

	uint32_t *in_first; /* NULL: not made yet; blocks.count + 1 */
	uint32_t *in_edge;  /* edge_count: edges by target, then by number */
	uint32_t *in_near;  /* the block of each HEAP_NEARth edge */

	/* Set by the caller before the scan, if anything is: memory of blocks whose
	 * pointers are HEAP_DEAD. Tidy, not owned. */
	const struct heap_ranges *dead;
	const struct heap_ranges
		*unused;    /* alike: memory whose words are no pointers */
	uint64_t block_max; /* bytes of each block that are looked at; 0: all */
	bool chunks;	    /* some blocks are HEAP_CHUNK */

	size_t edge_max;       /* the scan ends with -EOVERFLOW beyond; 0: 2^32 - 2 */
	uint64_t unread_bytes; /* of blocks and areas: there was nothing to be read */
	uint64_t read_bytes;
};

void heap_graph_done(struct heap_graph *g);

/* ---- making one ---------------------------------------------------------- */

struct heap_source { /* the memory of the process */
	void *context;
	/* Reads up to len bytes at an address, a multiple of 8 both. Bytes read, a
	 * multiple of 8; 0: none can be, and the next *ret_skip neither (a multiple
	 * of 8, >= 8); -errno: it is all over (the process is gone). */
	ssize_t (*read)(void *context, uint64_t address, void *to, size_t len,
			uint64_t *ret_skip);
};

/* Finds the edges of all blocks, which are sealed. 0, -ENOMEM, -EOVERFLOW, or the
 * source's failure; then the graph is good for nothing but heap_graph_done(). */
int heap_graph_scan(struct heap_graph *g, const struct heap_source *source);

/* Adds an area and the roots in [from, to) of it (addresses). 0 or as above. */
int heap_graph_scan_area(struct heap_graph *g, const struct heap_source *source,
			 const struct heap_area *area, uint64_t from, uint64_t to);

/* Adds an area that has no address: its words are given. */
int heap_graph_add_words(struct heap_graph *g, const struct heap_area *area,
			 const uint64_t *words, size_t count);

/* Adds an area without any root; its number goes to *ret. 0 or -ENOMEM. */
int heap_graph_add_area(struct heap_graph *g, const struct heap_area *area,
			uint32_t *ret);

/* Makes room for that many edges. 0 or -ENOMEM. */
int heap_graph_reserve(struct heap_graph *g, size_t edges);

/* Adds a root in an area. 0, -ENOMEM, -EOVERFLOW. */
int heap_graph_add_root(struct heap_graph *g, uint32_t area, uint64_t at,
			const struct heap_hit *hit);

/* Says which thread allocated a block: see heap_graph.threads. false: no memory. */
bool heap_graph_set_thread(struct heap_graph *g, size_t block, uint32_t thread);

/* After the last root: sorts them. */
void heap_graph_seal(struct heap_graph *g);

/* Whether the invariants above hold, of a graph that came from outside. */
bool heap_graph_is_sound(const struct heap_graph *g);

/* ---- asking one ---------------------------------------------------------- */

/* Makes the way back from targets to referrers. 0 or -ENOMEM. */
int heap_graph_invert(struct heap_graph *g);

/* The blocks with a flag, ascending: of HEAP_IGNORED, seeds for heap_reach(). *ret is
 * malloc'ed. 0 or -ENOMEM. */
int heap_graph_flagged(const struct heap_graph *g, enum heap_block_flag flag,
		       uint32_t **ret, size_t *ret_count);

/* The block that an edge is in. The graph is inverted, or this takes long. */
uint32_t heap_graph_from(const struct heap_graph *g, uint32_t edge);

/* The first edge of a block at an offset of it or behind; that of the next block: none. */
uint32_t heap_graph_edge_at(const struct heap_graph *g, uint32_t block,
			    uint64_t offset);

/* The first root of a block, and the first behind them. */
size_t heap_graph_roots_of(const struct heap_graph *g, uint32_t block, size_t *ret_end);

static inline enum heap_how heap_how(uint16_t how)
{
	return (enum heap_how)(how & HEAP_HOW_MASK);
}

static inline uint16_t heap_how_pack(const struct heap_hit *hit)
{
	uint64_t into = hit->into < HEAP_INTO_MAX ? hit->into : HEAP_INTO_MAX;

	return (uint16_t)((uint64_t)hit->how | into << HEAP_HOW_BITS);
}

/* Bytes into the target; HEAP_INTO_MAX: that or more. */
static inline uint32_t heap_into(uint16_t how)
{
	return (uint32_t)how >> HEAP_HOW_BITS;
}
