#include "preload/rows.h"
#include "preload/sys.h"

#include <errno.h>
#include <sys/mman.h>

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

/* Where the caller's rbp is: `slot` bytes from the CFA, or (at_fp) from rbp. */
struct saved_fp {
	int32_t slot; /* from the CFA: 0 if it is unchanged */
	bool at_fp;
};

static bool find_fp(const struct cfi_row *cfi, struct saved_fp *ret)
{
	*ret = (struct saved_fp){0};
	if (is_same(cfi->rules.kind[ARCH_FP]))
		return true;
	if (cfi->rules.kind[ARCH_FP] == CFI_OFFSET) {
		ret->slot = cfi->rules.value[ARCH_FP];
		return ret->slot != 0;
	}
	ret->at_fp = true;
	return cfi_fp_is_at_fp(cfi, &ret->slot);
}

static enum row_kind plain_kind(const struct cfi_row *cfi, const struct saved_fp *fp,
				int32_t *ret_offset)
{
	const struct cfi_rules *r = &cfi->rules;
	bool simple = r->cfa_kind == CFI_REGISTER && !fp->at_fp;
	bool below = fp->slot <= ARCH_ROW_FP_MAX;

	*ret_offset = r->cfa_offset;
	if (simple && r->cfa_register == ARCH_SP)
		return r->cfa_offset > 0 && below && fp->slot >= -r->cfa_offset
			       ? ROW_SP
			       : ROW_SP_ANY;
	if (simple && r->cfa_register == ARCH_FP && below)
		return ROW_FP;
	return fp->at_fp && cfi_cfa_is_at_fp(cfi, ret_offset) ? ROW_FP_WORD : ROW_FULL;
}

static bool is_plain(const struct cfi_row *cfi, const struct saved_fp *fp)
{
	const struct cfi_rules *r = &cfi->rules;

	return !cfi->signal && cfi->ra == ARCH_RA && r->kind[ARCH_RA] == CFI_OFFSET &&
	       arch_row_has_return(r->value[ARCH_RA], fp->slot, fp->at_fp) &&
	       (r->kind[ARCH_SP] == CFI_UNSPECIFIED ||
		(r->kind[ARCH_SP] == CFI_VAL_OFFSET && r->value[ARCH_SP] == 0));
}

uint64_t row_pack(const struct cfi_row *cfi, uint32_t module)
{
	uint64_t row = (uint64_t)module << ROW_MODULE_SHIFT;
	uint64_t plain = row;
	struct saved_fp fp;
	enum row_kind kind;
	int32_t offset;

	if (!cfi)
		return row | (uint64_t)ROW_GUESS << ROW_KIND_SHIFT;
	if (cfi->rules.kind[cfi->ra] == CFI_UNDEFINED && !cfi->signal)
		return row | (uint64_t)ROW_END << ROW_KIND_SHIFT;
	kind = find_fp(cfi, &fp) && is_plain(cfi, &fp) ? plain_kind(cfi, &fp, &offset)
						       : ROW_FULL;
	if (kind != ROW_FULL &&
	    put_words(&plain, offset, 64 - ROW_CFA_SHIFT, ROW_CFA_SHIFT) &&
	    put_words(&plain, fp.slot, ROW_FP_BITS, 0))
		return plain | (uint64_t)kind << ROW_KIND_SHIFT;
	return row_full(module);
}

/* ---- the cache ----------------------------------------------------------- */

static size_t bytes(size_t levels)
{
	size_t slots = rows_begin(levels);

	return (slots < ROWS_READABLE ? ROWS_READABLE : slots) *
	       sizeof(struct rows_slot);
}

int rows_init(struct rows *r)
{
	/* Where address space is scarce, fewer tables do: see rows_put(). */
	for (size_t levels = ROWS_LEVELS; levels; levels--) {
		void *p = mmap(NULL, bytes(levels), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			continue;
		*r = (struct rows){.slots = p, .levels = levels};
		return 0;
	}
	return -ENOMEM;
}

void rows_done(struct rows *r)
{
	if (r->slots)
		munmap(r->slots, bytes(r->levels));
	*r = (struct rows){0};
}

/* Zeroes appear under readers and writers: a reader finds nothing; a writer between
 * its key and its row leaves a row without key, which the next claimer overwrites, or
 * which spoils that slot: its tag then matches no key. */
void rows_wipe(struct rows *r)
{
	sys_call3(SYS_madvise, r->slots, bytes(r->levels), MADV_DONTNEED);
}

/* The key's slot, or a free one if it may be claimed there, or ROWS_NOWHERE: full. */
static size_t find(const struct rows *r, uint64_t key, bool *ret_found)
{
	uint64_t hash = rows_hash(key);

	*ret_found = false;
	for (size_t level = 0; level < r->levels; level++) {
		size_t first = rows_first(level, hash) - rows_begin(level);

		for (size_t i = 0; i < ROWS_WINDOW; i++) {
			size_t slot = rows_begin(level) + (first ^ i);
			/* relaxed: see rows_is_at(). */
			uint64_t k = atomic_load_explicit(&r->slots[slot].key,
							  memory_order_relaxed);

			*ret_found = k == key;
			if (k == key || !k)
				return slot;
		}
	}
	return ROWS_NOWHERE;
}

size_t rows_search(const struct rows *r, uint64_t key)
{
	bool found;
	size_t slot = find(r, key, &found);

	return found ? slot : ROWS_NOWHERE;
}

void rows_put(struct rows *r, uint64_t key, uint64_t row)
{
	/* A lost race for a slot starts the search again behind the winner: slots fill
	 * only, so this ends. */
	for (size_t i = 0; i < (size_t)ROWS_LEVELS * ROWS_WINDOW; i++) {
		uint64_t none = 0;
		bool found;
		size_t slot = find(r, key, &found);

		if (slot == ROWS_NOWHERE || found)
			return;
		/* relaxed: nothing is read on the strength of a key alone. */
		if (!atomic_compare_exchange_strong_explicit(&r->slots[slot].key, &none,
							     key, memory_order_relaxed,
							     memory_order_relaxed))
			continue;
		/* release: pairs with rows_row()'s acquire. */
		atomic_store_explicit(&r->slots[slot].row,
				      row | rows_tag(key, key) << ROW_TAG_SHIFT,
				      memory_order_release);
		return;
	}
}
