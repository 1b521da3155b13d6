#include "preload/tree.h"

/*
 * Who walks stacks that differ from each other comes from a node to its children much as
 * when they were made, one behind the other; so a node's children are chained, in the
 * order in which they were made, from words beside it:
 *
 *	node	| first child	| next of its parent's
 *
 * The first CHAIN_MAX of a chain are all in it, those behind them are in the index, which
 * has them anywhere. (By more chains of a node they would be found in fewer steps, but in
 * more memory.) A pair is a child of its Python stack here; where that has many native
 * ones, of the native one, and where that has many of Python too, in the index.
 *
 * A word of either: a node's number, and bits of its key's hash, so that others' nodes,
 * each a line of memory far away, need not be looked at. 0: free.
 */
enum { FIRST, NEXT, CHAIN_MAX = 8 };
enum { TAG_BITS = 9, NUMBER_BITS = 32 - TAG_BITS };
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
_Static_assert(WIRE_NODES <= 1u << NUMBER_BITS, "a number fits");

/* Bits that no level's place is made of. */
static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 16) << NUMBER_BITS;
}

static uint64_t hash(const struct wire_node *key)
{
	uint64_t h = key->pc_flags * 0x9e3779b97f4a7c15ull;

	h ^= (((uint64_t)key->module << 32) | key->parent) * 0xc2b2ae3d27d4eb4full;
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15ull;
}

static bool same(const struct wire_node *a, const struct wire_node *b)
{
	return a->pc_flags == b->pc_flags && a->parent == b->parent &&
	       a->module == b->module;
}

/* A fresh node with key's contents, or 0. */
static uint32_t node_new(void *base, const struct wire_node *key)
{
	struct wire_header *header = base;
	uint32_t id;

	/* relaxed: the number alone is taken here; the contents are published by
	 * the release in slot_take(). Looked at first so that it never wraps. */
	if (atomic_load_explicit(&header->nodes_used, memory_order_relaxed) >=
	    WIRE_NODES)
		return 0;
	id = atomic_fetch_add_explicit(&header->nodes_used, 1, memory_order_relaxed);
	if (id >= WIRE_NODES)
		return 0;
	*wire_node(base, id) = *key;
	return id;
}

/* Sets a word that may be free to the key's node, which is made if need be. False: it is
 * another node's, *ret_word. fresh: a node of the key that is nobody's yet, or 0. */
static inline bool take(void *base, const struct wire_node *key, uint32_t tag,
			_Atomic uint32_t *at, uint32_t *fresh, uint32_t *ret_word)
{
	/* acquire: pairs with the release below; the node that the number names is
	 * whole. */
	uint32_t word = atomic_load_explicit(at, memory_order_acquire);

	if (!word) {
		if (!*fresh && !(*fresh = node_new(base, key))) {
			*ret_word = 0;
			return true;
		}
		/* release: the node's contents, then its number. */
		if (atomic_compare_exchange_strong_explicit(at, &word, tag | *fresh,
							    memory_order_acq_rel,
							    memory_order_acquire)) {
			*ret_word = tag | *fresh;
			return true;
		}
	}
	*ret_word = word;
	return (word & ~NUMBER_MASK) == tag &&
	       same(wire_node(base, word & NUMBER_MASK), key);
}

/* By the index. h: key's hash. */
static __attribute__((noinline)) uint32_t find(void *base, const struct wire_node *key,
					       uint64_t h, uint32_t fresh)
{
	_Atomic uint32_t *level = wire_index(base);
	uint32_t word;

	for (int l = 0; l < WIRE_INDEX_LEVELS; l++) {
		uint32_t slots = 1u << (WIRE_INDEX_FIRST_BITS + 3 * l);
		uint32_t at = (uint32_t)(h >> (64 - WIRE_INDEX_FIRST_BITS - 3 * l));

		for (uint32_t i = 0; i < WIRE_PROBE; i++)
			if (take(base, key, tag_of(h), &level[(at + i) & (slots - 1)],
				 &fresh, &word))
				return word & NUMBER_MASK;
		level += slots;
	}
	return 0;
}

/* Is the key's node in the chain of `from`, or is now? */
static inline bool follow(void *base, uint32_t from, const struct wire_node *key,
			  uint64_t h, uint32_t *fresh, uint32_t *ret_word)
{
	_Atomic uint32_t *link = wire_links(base, from & NUMBER_MASK) + FIRST;

	for (int i = 0; i < CHAIN_MAX; i++) {
		if (take(base, key, tag_of(h), link, fresh, ret_word))
			return true;
		link = wire_links(base, *ret_word & NUMBER_MASK) + NEXT;
	}
	return false;
}

uint32_t tree_child(void *base, const struct wire_node *key)
{
	bool is_pair = key->pc_flags >> WIRE_PC_BITS & WIRE_NODE_PAIR;
	uint64_t h = hash(key);
	uint32_t fresh = 0, word;

	if ((is_pair && follow(base, (uint32_t)key->pc_flags, key, h, &fresh, &word)) ||
	    follow(base, key->parent, key, h, &fresh, &word))
		return word & NUMBER_MASK;
	return find(base, key, h, fresh);
}

void tree_count_cut(void *base)
{
	struct wire_header *header = base;

	/* relaxed: a count that is read after the end. */
	atomic_fetch_add_explicit(&header->cut_stacks, 1, memory_order_relaxed);
}

uint32_t tree_intern(void *base, const struct unwind_frame *frames, size_t n)
{
	uint32_t node = 0;

	while (n-- > 0) {
		struct wire_node key = {frames[n].pc_flags, node, frames[n].module};
		uint32_t id = tree_child(base, &key);

		if (!id) {
			tree_count_cut(base);
			break;
		}
		node = id;
	}
	return node;
}
