/*
 * rows.h - a frame's row in one word, and the cache of rows.
 *
 * For a return address (or an interrupted pc) a row says where the caller's frame is:
 * CFA from the stack or the frame pointer, the frame pointer unchanged or saved at
 * CFA+n, the return address at CFA-8 (x86-64) or behind the saved frame pointer
 * (aarch64). It needs no other register than pc, sp and fp, which is why frames can be
 * stepped by rows alone. (Comments say rsp and rbp, as on x86-64.)
 *
 *	row	CFA offset / 8 (21) | module (12) | kind (3) | tag (12) | fp slot / 8
 *		(16)
 *	key	generation (16) | pc (48), with ARCH_INTERRUPTED
 *
 * The cache is shared by all threads of a process and takes no lock. It is a cascade
 * of tables as the wire's tree index, one behind the other: slots fill once, a window
 * of 8 is looked at in each table, a free slot ends the search. A slot is claimed by
 * its key; its row follows. The row's tag is the key's low bits and its generation, so
 * that a row is not taken for another key's when tables were emptied in between.
 *
 * What a pc means may change when a module goes. Then a new generation starts, whose
 * keys match no old row; now and then the tables are emptied.
 */
#pragma once

#include "preload/cfi.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum row_kind {
	ROW_UNKNOWN = 0, /* the row 0: not in the cache */
	ROW_SP,		 /* CFA = rsp + offset > rsp; rbp, if saved, is in between */
	ROW_SP_ANY,	 /* CFA = rsp + offset, without these bounds */
	ROW_FP,		 /* CFA = rbp + offset; rbp, if saved, is below */
	ROW_FP_WORD, /* CFA = the word at rbp + offset; rbp is saved at rbp + slot */
	ROW_END,     /* the outermost frame */
	ROW_FULL,    /* no row: needs all registers */
	ROW_GUESS,   /* no tables: by frame pointer, perhaps */
};

enum row_field {
	ROW_FP_BITS = 16,
	ROW_TAG_SHIFT = 16,
	ROW_TAG_BITS = 12,
	ROW_KIND_SHIFT = ROW_TAG_SHIFT + ROW_TAG_BITS,
	ROW_KIND_BITS = 3,
	ROW_MODULE_SHIFT = 31,
	ROW_CFA_SHIFT = 43, /* on top: one shift on the way from frame to frame */
};

static inline enum row_kind row_kind(uint64_t row)
{
	return (enum row_kind)(row >> ROW_KIND_SHIFT & 7);
}

static inline uint32_t row_module(uint64_t row)
{
	return (uint32_t)(row >> ROW_MODULE_SHIFT) & 0xfff;
}

/* Bytes. */
static inline int64_t row_cfa_offset(uint64_t row)
{
	return ((int64_t)row >> ROW_CFA_SHIFT) * ARCH_WORD;
}

/* Bytes from the CFA to the saved rbp; 0: rbp is unchanged. */
static inline int64_t row_fp_slot(uint64_t row)
{
	return ((int64_t)(row << (64 - ROW_FP_BITS)) >> (64 - ROW_FP_BITS)) * ARCH_WORD;
}

/* The row without its tag. cfi NULL: the module has no tables for the pc. */
uint64_t row_pack(const struct cfi_row *cfi, uint32_t module);

/* What needs all registers. */
static inline uint64_t row_full(uint32_t module)
{
	return (uint64_t)module << ROW_MODULE_SHIFT | (uint64_t)ROW_FULL
							      << ROW_KIND_SHIFT;
}

/* ---- the cache ----------------------------------------------------------- */

enum rows_limit {
	ROWS_LEVELS = 4,
	ROWS_FIRST_BITS = 12, /* slots of the first table, log2; +3 for each further */
	ROWS_WINDOW = 8,
	ROWS_WIPE_AFTER = 64,		/* generations */
	ROWS_READABLE = UINT16_MAX + 1, /* slots may be looked at, be they no table's */
};

struct rows_slot {
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint64_t row; /* ROW_UNKNOWN: its claimer has not come so far */
};

struct rows {
	struct rows_slot *slots; /* of all tables */
	size_t levels;		 /* tables */
};

/* Reserves the tables (address space only). 0 or -ENOMEM. */
int rows_init(struct rows *r);

/* Gives the tables back: for tests, nobody may be using them. */
void rows_done(struct rows *r);

/* Empties the tables, whoever is using them. */
void rows_wipe(struct rows *r);

static inline uint64_t rows_key(uint32_t generation, uintptr_t pc, bool interrupted)
{
	return (uint64_t)generation << 48 | (interrupted ? ARCH_INTERRUPTED : 0) | pc;
}

static inline uint64_t rows_hash(uint64_t key)
{
	return (key ^ key >> 32) * 0x9e3779b97f4a7c15ull;
}

/* key: generation and pc, in one word or in two. */
static inline uint64_t rows_tag(uint64_t key, uint64_t generation)
{
	return (key ^ generation >> 48) & ((1u << ROW_TAG_BITS) - 1);
}

static inline bool rows_matches(uint64_t row, uint64_t key, uint64_t generation)
{
	uint64_t mask = (1u << ROW_TAG_BITS) - 1;

	return (row >> ROW_TAG_SHIFT & mask) == rows_tag(key, generation);
}

/* Kind and tag, which lie side by side, the tag below. */
static inline uint64_t row_signature(uint64_t row)
{
	return row >> ROW_TAG_SHIFT & ((1u << (ROW_TAG_BITS + ROW_KIND_BITS)) - 1);
}

/* The slots before a table's. */
static inline size_t rows_begin(size_t level)
{
	return (((size_t)1 << (ROWS_FIRST_BITS + 3 * level)) -
		((size_t)1 << ROWS_FIRST_BITS)) /
	       7;
}

/* The slot of a table where a key is looked for first; then in the rest of its group of
 * 8, from a multiple of 8. */
static inline size_t rows_first(size_t level, uint64_t hash)
{
	return rows_begin(level) + (hash >> (64 - ROWS_FIRST_BITS - 3 * level));
}

#define ROWS_NOWHERE SIZE_MAX

/* Continues rows_find() behind the slot that the hash names. */
size_t rows_search(const struct rows *r, uint64_t key);

static inline bool rows_is_at(const struct rows *r, size_t slot, uint64_t key)
{
	/* relaxed: the row names its key by itself (tag). */
	return atomic_load_explicit(&r->slots[slot].key, memory_order_relaxed) == key;
}

/* The slot of a key, or ROWS_NOWHERE. */
static inline size_t rows_find(const struct rows *r, uint64_t key)
{
	size_t slot = rows_first(0, rows_hash(key));

	return __builtin_expect(rows_is_at(r, slot, key), 1) ? slot
							     : rows_search(r, key);
}

/* What is in a slot: a key's row if the tag is the key's. */
static inline uint64_t rows_row(const struct rows *r, size_t slot)
{
	/* acquire: pairs with rows_put()'s release. Whoever hands on the row's module
	 * hands on its published record as well. */
	return atomic_load_explicit(&r->slots[slot].row, memory_order_acquire);
}

/* The row of a key with its tag, or 0. */
static inline uint64_t rows_get(const struct rows *r, uint64_t key)
{
	size_t slot = rows_find(r, key);
	uint64_t row = slot == ROWS_NOWHERE ? 0 : rows_row(r, slot);

	return rows_matches(row, key, key) ? row : 0;
}

/* Caches a row (without tag) if there is room. */
void rows_put(struct rows *r, uint64_t key, uint64_t row);
