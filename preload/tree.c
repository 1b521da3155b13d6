#include "preload/tree.h"

/* A slot of the index: a node's number, and bits of its key's hash, so that others'
 * nodes, each a line of memory far away, need not be looked at. 0: free. */
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

uint32_t tree_child(void *base, const struct wire_node *key)
{
	_Atomic uint32_t *level = wire_index(base);
	uint64_t h = hash(key);
	uint32_t fresh = 0, tag = tag_of(h);

	for (int l = 0; l < WIRE_INDEX_LEVELS; l++) {
		uint32_t slots = 1u << (WIRE_INDEX_FIRST_BITS + 3 * l);
		uint32_t at = (uint32_t)(h >> (64 - WIRE_INDEX_FIRST_BITS - 3 * l));

		for (uint32_t i = 0; i < WIRE_PROBE; i++) {
			_Atomic uint32_t *slot = &level[(at + i) & (slots - 1)];
			/* acquire: pairs with the release below; the node that the
			 * number names is whole. */
			uint32_t word =
				atomic_load_explicit(slot, memory_order_acquire);

			if (!word) {
				if (!fresh && !(fresh = node_new(base, key)))
					return 0;
				/* release: the node's contents, then its number. */
				if (atomic_compare_exchange_strong_explicit(
					    slot, &word, tag | fresh,
					    memory_order_acq_rel, memory_order_acquire))
					return fresh;
			}
			if ((word & ~NUMBER_MASK) == tag &&
			    same(wire_node(base, word & NUMBER_MASK), key))
				return word & NUMBER_MASK;
		}
		level += slots;
	}
	return 0;
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
