#include "preload/rows.h"

#include <errno.h>
#include <sys/mman.h>

static size_t level_slots(size_t level)
{
	return (size_t)1 << (ROWS_FIRST_BITS + 3 * level);
}

static size_t level_bytes(size_t level)
{
	return level_slots(level) * sizeof(struct rows_slot);
}

/* ---- packing ------------------------------------------------------------- */

/* Words as a field of that many bits; false if it does not fit. */
static bool put_words(uint64_t *row, int64_t bytes, unsigned bits, unsigned shift)
{
	int64_t words = bytes / ARCH_WORD, limit = (int64_t)1 << (bits - 1);

	if (bytes % ARCH_WORD || words < -limit || words >= limit)
		return false;
	*row |= ((uint64_t)words & ((1ull << bits) - 1)) << shift;
	return true;
}

static bool is_same(uint8_t kind)
{
	return kind == CFI_UNSPECIFIED || kind == CFI_SAME;
}

static enum row_kind cfa_kind(const struct cfi_row *cfi, int32_t *ret_offset)
{
	*ret_offset = cfi->rules.cfa_offset;
	if (cfi->rules.cfa_kind == CFI_REGISTER && cfi->rules.cfa_register == ARCH_SP)
		return ROW_SP;
	if (cfi->rules.cfa_kind == CFI_REGISTER && cfi->rules.cfa_register == ARCH_FP)
		return ROW_FP;
	return cfi_cfa_is_at_fp(cfi, ret_offset) ? ROW_FP_WORD : ROW_FULL;
}

static bool is_plain(const struct cfi_row *cfi)
{
	const struct cfi_rules *r = &cfi->rules;

	return !cfi->signal && cfi->ra == ARCH_RA && r->kind[ARCH_RA] == CFI_OFFSET &&
	       r->value[ARCH_RA] == -ARCH_WORD &&
	       (r->kind[ARCH_SP] == CFI_UNSPECIFIED ||
		(r->kind[ARCH_SP] == CFI_VAL_OFFSET && r->value[ARCH_SP] == 0)) &&
	       (is_same(r->kind[ARCH_FP]) ||
		(r->kind[ARCH_FP] == CFI_OFFSET && r->value[ARCH_FP] != 0));
}

uint64_t row_pack(const struct cfi_row *cfi, uint32_t module)
{
	uint64_t row = (uint64_t)module << ROW_MODULE_SHIFT;
	uint64_t plain = row;
	enum row_kind kind;
	int32_t offset;

	if (!cfi)
		return row | (uint64_t)ROW_GUESS << ROW_KIND_SHIFT;
	if (cfi->rules.kind[cfi->ra] == CFI_UNDEFINED && !cfi->signal)
		return row | (uint64_t)ROW_END << ROW_KIND_SHIFT;
	kind = is_plain(cfi) ? cfa_kind(cfi, &offset) : ROW_FULL;
	if (kind != ROW_FULL && put_words(&plain, offset, ROW_CFA_BITS, ROW_CFA_SHIFT) &&
	    (is_same(cfi->rules.kind[ARCH_FP]) ||
	     put_words(&plain, cfi->rules.value[ARCH_FP], ROW_FP_BITS, 0)))
		return plain | (uint64_t)kind << ROW_KIND_SHIFT;
	return row | (uint64_t)ROW_FULL << ROW_KIND_SHIFT;
}

/* ---- the cache ----------------------------------------------------------- */

int rows_init(struct rows *r)
{
	for (size_t i = 0; i < ROWS_LEVELS; i++) {
		void *p = mmap(NULL, level_bytes(i), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		/* Where address space is scarce, fewer tables do: see rows_put(). */
		if (p == MAP_FAILED)
			return i ? 0 : -ENOMEM;
		r->table[i] = p;
	}
	return 0;
}

void rows_done(struct rows *r)
{
	for (size_t i = 0; i < ROWS_LEVELS; i++) {
		if (r->table[i])
			munmap(r->table[i], level_bytes(i));
		r->table[i] = NULL;
	}
}

/* Zeroes appear under readers and writers: a reader finds nothing; a writer between
 * its key and its row leaves a row without key, which the next claimer overwrites, or
 * which spoils that slot: its tag then matches no key. */
void rows_wipe(struct rows *r)
{
	for (size_t i = 0; i < ROWS_LEVELS && r->table[i]; i++)
		arch_syscall4(ARCH_SYS_MADVISE, (uintptr_t)r->table[i], level_bytes(i),
			      MADV_DONTNEED, 0);
}

/* The key's slot, or a free one if it may be claimed there; NULL: full. */
static struct rows_slot *find(const struct rows *r, uint64_t key, uint64_t hash,
			      bool *ret_found)
{
	*ret_found = false;
	for (size_t level = 0; level < ROWS_LEVELS && r->table[level]; level++) {
		size_t first = rows_first(level, hash);

		for (size_t i = 0; i < ROWS_WINDOW; i++) {
			struct rows_slot *slot = r->table[level] + (first ^ i);
			/* relaxed: see rows_get(). */
			uint64_t k = atomic_load_explicit(&slot->key,
							  memory_order_relaxed);

			*ret_found = k == key;
			if (k == key || !k)
				return slot;
		}
	}
	return NULL;
}

uint64_t rows_search(const struct rows *r, uint64_t key)
{
	uint64_t hash = rows_hash(key), row;
	bool found;
	struct rows_slot *slot = find(r, key, hash, &found);

	if (!found)
		return 0;
	/* acquire: see rows_get(). */
	row = atomic_load_explicit(&slot->row, memory_order_acquire);
	return rows_has_tag(row, key, hash) ? row : 0;
}

void rows_put(struct rows *r, uint64_t key, uint64_t row)
{
	uint64_t hash = rows_hash(key);

	/* A lost race for a slot starts the search again behind the winner: slots fill
	 * only, so this ends. */
	for (size_t i = 0; i < (size_t)ROWS_LEVELS * ROWS_WINDOW; i++) {
		uint64_t none = 0;
		bool found;
		struct rows_slot *slot = find(r, key, hash, &found);

		if (!slot || found)
			return;
		/* relaxed: nothing is read on the strength of a key alone. */
		if (!atomic_compare_exchange_strong_explicit(&slot->key, &none, key,
							     memory_order_relaxed,
							     memory_order_relaxed))
			continue;
		/* release: pairs with rows_get()'s acquire. */
		atomic_store_explicit(&slot->row, row | rows_tag(key, hash),
				      memory_order_release);
		return;
	}
}
