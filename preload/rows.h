/*
 * rows.h - a frame's row in one word, and the cache of rows.
 *
 * For a return address (or an interrupted pc) a row says where the caller's frame is:
 * CFA from rsp or rbp, the return address at CFA-8, rbp unchanged or saved at CFA+n.
 * It needs no other register than pc, rsp and rbp, which is why frames can be stepped
 * by rows alone.
 *
 *	row	tag (12) | module (12) | kind (3) | CFA offset / 8 (21) | rbp slot / 8
 *(16) key	generation (16) | interrupted (1) | pc (47)
 *
 * The cache is shared by all threads of a process and takes no lock. It is a cascade
 * of tables as the wire's tree index: slots fill once, a window of 8 is looked at in
 * each table, a free slot ends the search. A slot is claimed by its key; its row
 * follows. The row's tag is a hash of the key, so that a row is not taken for another
 * key's when tables were emptied in between.
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
	ROW_SP,		 /* CFA = rsp + offset */
	ROW_FP,		 /* CFA = rbp + offset */
	ROW_FP_WORD,	 /* CFA = the word at rbp + offset */
	ROW_END,	 /* the outermost frame */
	ROW_FULL,	 /* no row: needs all registers */
	ROW_GUESS,	 /* no tables: by frame pointer, perhaps */
};

enum row_field {
	ROW_FP_BITS = 16,
	ROW_CFA_SHIFT = 16,
	ROW_CFA_BITS = 21,
	ROW_KIND_SHIFT = 37,
	ROW_MODULE_SHIFT = 40,
	ROW_TAG_SHIFT = 52,
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
	return ((int64_t)(row << (64 - ROW_CFA_SHIFT - ROW_CFA_BITS)) >>
		(64 - ROW_CFA_BITS)) * 8;
}

/* Bytes from the CFA to the saved rbp; 0: rbp is unchanged. */
static inline int64_t row_fp_slot(uint64_t row)
{
	return ((int64_t)(row << (64 - ROW_FP_BITS)) >> (64 - ROW_FP_BITS)) * 8;
}

/* The row without its tag. cfi NULL: the module has no tables for the pc. */
uint64_t row_pack(const struct cfi_row *cfi, uint32_t module);

/* ---- the cache ----------------------------------------------------------- */

enum rows_limit {
	ROWS_LEVELS = 4,
	ROWS_FIRST_BITS = 12, /* slots of the first table, log2; +3 for each further */
	ROWS_WINDOW = 8,
	ROWS_WIPE_AFTER = 64, /* generations */
};

struct rows_slot {
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint64_t row; /* ROW_UNKNOWN: its claimer has not come so far */
};

struct rows {
	struct rows_slot *table[ROWS_LEVELS]; /* NULL from some level on */
};

/* Reserves the tables (address space only). 0 or -ENOMEM. */
int rows_init(struct rows *r);

/* Gives the tables back: for tests, nobody may be using them. */
void rows_done(struct rows *r);

/* Empties the tables, whoever is using them. */
void rows_wipe(struct rows *r);

static inline uint64_t rows_key(uint32_t generation, uintptr_t pc, bool interrupted)
{
	return (uint64_t)generation << 48 |
	       (uint64_t)interrupted << ARCH_ADDRESS_BITS | pc;
}

static inline uint64_t rows_hash(uint64_t key)
{
	return (key ^ key >> 32) * 0x9e3779b97f4a7c15ull;
}

static inline uint64_t rows_tag(uint64_t hash)
{
	return (hash >> 20 & 0xfff) << ROW_TAG_SHIFT;
}

/* The table's group of slots that a key may be in: 8, from a multiple of 8. */
static inline struct rows_slot *rows_group(const struct rows *r, size_t level,
					   uint64_t hash)
{
	unsigned bits = ROWS_FIRST_BITS + 3 * (unsigned)level;

	return r->table[level] + (hash >> (64 - bits) & ~(uint64_t)(ROWS_WINDOW - 1));
}

/* Continues rows_get() behind the slot that the hash names. */
uint64_t rows_search(const struct rows *r, uint64_t key);

/* The row of a key with its tag, or 0. */
static inline uint64_t rows_get(const struct rows *r, uint64_t key)
{
	uint64_t hash = rows_hash(key), row;
	struct rows_slot *slot =
		rows_group(r, 0, hash) + (hash >> 49 & (ROWS_WINDOW - 1));

	/* relaxed: the row names its key by itself (tag). */
	if (__builtin_expect(
		    atomic_load_explicit(&slot->key, memory_order_relaxed) != key, 0))
		return rows_search(r, key);
	/* acquire: pairs with rows_put()'s release. Whoever hands on the row's module
	 * hands on its published record as well. */
	row = atomic_load_explicit(&slot->row, memory_order_acquire);
	return (row ^ rows_tag(hash)) >> ROW_TAG_SHIFT ? 0 : row;
}

/* Caches a row (without tag) if there is room. */
void rows_put(struct rows *r, uint64_t key, uint64_t row);
