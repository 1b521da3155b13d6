#include "cli/heap/blocks.h"

#include "cli/base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	GAP = 64 << 10, /* between two blocks of an extent, at most */
	FEW = 32,	/* sorted by insertion */
	LINEAR = 8,	/* looked at one by one */
	SPARSE = 32,	/* blocks to a bucket */
};

#define USER_BITS 48 /* what an address has; tags are above */

void heap_blocks_done(struct heap_blocks *b)
{
	free(b->items);
	free(b->extents);
	free(b->buckets);
	free(b->nests);
	free(b->holders);
	free(b->within);
	*b = (struct heap_blocks){0};
}

int heap_blocks_add(struct heap_blocks *b, const struct heap_block *block)
{
	if (b->count >= HEAP_NONE - 1)
		return -EOVERFLOW;
	if (b->count == b->room) {
		int r = array_reserve(&b->items, &b->room, b->count + 1);

		if (r < 0)
			return r;
	}
	b->items[b->count++] = *block;
	return 0;
}

/* ---- sorting ------------------------------------------------------------- */

static void sort_few(struct heap_block *a, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct heap_block x = a[i];
		size_t k = i;

		for (; k && a[k - 1].address > x.address; k--)
			a[k] = a[k - 1];
		a[k] = x;
	}
}

/* In place, a byte of the address at a time, the highest first: recursion is no deeper
 * than an address has bytes. */
static void sort_by(struct heap_block *a, size_t n, unsigned shift)
{
	size_t at[256] = {0}, end[256], sum = 0;

	if (n <= FEW) {
		sort_few(a, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		at[(a[i].address >> shift) & 255]++;
	for (unsigned d = 0; d < 256; d++) {
		size_t here = at[d];

		at[d] = sum;
		sum += here;
		end[d] = sum;
	}
	for (unsigned d = 0; d < 256; d++)
		while (at[d] < end[d]) {
			struct heap_block x = a[at[d]];
			unsigned to = (x.address >> shift) & 255;

			/* Each step puts one block where it belongs. */
			while (to != d) {
				struct heap_block y = a[at[to]];

				a[at[to]++] = x;
				x = y;
				to = (x.address >> shift) & 255;
			}
			a[at[d]++] = x;
		}
	for (unsigned d = 0; shift && d < 256; d++) {
		size_t start = d ? end[d - 1] : 0;

		if (end[d] - start > 1)
			sort_by(a + start, end[d] - start, shift - 8);
	}
}

/* The highest byte in which addresses differ: sorting begins there. */
static unsigned highest_shift(const struct heap_blocks *b)
{
	uint64_t differ = 0;

	for (size_t i = 1; i < b->count; i++)
		differ |= b->items[i].address ^ b->items[0].address;
	return differ ? (63 - (unsigned)__builtin_clzll(differ)) / 8 * 8 : 0;
}

/* As tidy() leaves them. */
static bool is_tidy(const struct heap_blocks *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct heap_block *x = &b->items[i];

		if ((i && x->address <= x[-1].address) ||
		    x->size > UINT64_MAX - x->address)
			return false;
	}
	return true;
}

static void tidy(struct heap_blocks *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->count; i++) {
		struct heap_block x = b->items[i];

		if (x.size > UINT64_MAX - x.address)
			x.size = UINT64_MAX - x.address;
		if (kept && b->items[kept - 1].address == x.address)
			kept--;
		b->items[kept++] = x;
	}
	b->count = kept;
}

/* ---- the look-up --------------------------------------------------------- */

/* One past its end, or its start with any tag. */
static uint64_t end_of(const struct heap_block *x)
{
	uint64_t tagged = x->address < UINT64_MAX - 7 ? x->address + 7 : UINT64_MAX;

	return x->address + x->size > tagged ? x->address + x->size : tagged;
}

/* Cuts the extent of the blocks first..end-1 into buckets. */
static int cut(struct heap_blocks *b, uint32_t first, uint32_t end, uint64_t stop)
{
	struct heap_extent e = {
		.start = b->items[first].address, .end = stop, .first = first};
	uint64_t blocks = end - first, span = stop - e.start;
	uint64_t most = (b->sparse ? blocks / SPARSE : 2 * blocks) + 2;
	uint32_t block = first;
	size_t n;
	int r;

	e.shift = 4;
	while (span >> e.shift >= most)
		e.shift++;
	n = (size_t)(span >> e.shift) + 2; /* one more, that ends the last */
	if (b->bucket_count > HEAP_NONE - n)
		return -EOVERFLOW;
	e.bucket = (uint32_t)b->bucket_count;
	r = array_reserve(&b->buckets, &b->bucket_room, b->bucket_count + n);
	if (!r)
		r = array_reserve(&b->extents, &b->extent_room, b->extent_count + 1);
	if (r < 0)
		return r;
	for (size_t k = 0; k < n; k++) {
		while (block < end &&
		       (b->items[block].address - e.start) >> e.shift < k)
			block++;
		b->buckets[b->bucket_count++] = block;
	}
	b->extents[b->extent_count++] = e;
	return 0;
}

/* Which lies in which. */
static int nest(struct heap_blocks *b)
{
	free(b->within);
	b->within = malloc(b->count * sizeof(*b->within));
	if (!b->within)
		return -ENOMEM;
	memset(b->within, 0xff, b->count * sizeof(*b->within));
	for (size_t i = 0; i < b->nest_count; i++) {
		uint32_t chunk = heap_blocks_at(b, b->nests[i].chunk);

		if (chunk != HEAP_NONE)
			b->within[chunk] = heap_blocks_at(b, b->nests[i].holder);
	}
	return 0;
}

int heap_blocks_seal(struct heap_blocks *b)
{
	uint32_t first = 0, n;
	uint64_t stop = 0; /* the highest end of the extent so far */
	int r = 0;

	if (!is_tidy(b)) {
		sort_by(b->items, b->count, highest_shift(b));
		tidy(b);
	}
	b->extent_count = b->bucket_count = 0;
	n = (uint32_t)b->count;
	for (uint32_t i = 0; i < n && !r; i++) {
		const struct heap_block *x = &b->items[i];

		if (i > first && x->address > stop && x->address - stop > GAP) {
			r = cut(b, first, i, stop);
			first = i;
			stop = 0;
		}
		stop = end_of(x) > stop ? end_of(x) : stop;
	}
	if (!r && n)
		r = cut(b, first, n, stop);
	if (!r && b->nest_count)
		r = nest(b);
	return r;
}

static const struct heap_extent *extent_of(const struct heap_blocks *b, uint64_t at)
{
	size_t low = 0, high = b->extent_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->extents[middle].start <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low && at <= b->extents[low - 1].end ? &b->extents[low - 1] : NULL;
}

size_t heap_blocks_prefetch(const struct heap_blocks *b, uint64_t address)
{
	const struct heap_extent *e = extent_of(b, address);
	size_t k;

	if (!e)
		return SIZE_MAX;
	k = e->bucket + (size_t)((address - e->start) >> e->shift);
	__builtin_prefetch(&b->buckets[k]);
	return k;
}

uint32_t heap_blocks_before(const struct heap_blocks *b, uint64_t address)
{
	const struct heap_extent *e = extent_of(b, address);
	uint32_t low, high;
	size_t k;

	if (!e)
		return HEAP_NONE;
	k = e->bucket + (size_t)((address - e->start) >> e->shift);
	low = b->buckets[k];
	high = b->buckets[k + 1];
	while (high - low > LINEAR) {
		uint32_t middle = low + (high - low) / 2;

		if (b->items[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < high && b->items[low].address <= address)
		low++;
	return low - 1; /* the extent's first block begins where it does */
}

uint32_t heap_blocks_after(const struct heap_blocks *b, uint64_t address)
{
	size_t low = 0, high = b->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->items[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low;
}

uint32_t heap_blocks_at(const struct heap_blocks *b, uint64_t address)
{
	uint32_t i = heap_blocks_before(b, address);

	return i != HEAP_NONE && b->items[i].address == address ? i : HEAP_NONE;
}

/* Behind the end of a chunk, what it lies in goes on. */
static uint32_t out_of(const struct heap_blocks *b, uint32_t i, uint64_t address)
{
	while (b->within && i != HEAP_NONE &&
	       (address < b->items[i].address ||
		address - b->items[i].address >= b->items[i].size))
		i = b->within[i];
	return i;
}

uint32_t heap_blocks_around(const struct heap_blocks *b, uint64_t address)
{
	uint32_t i = heap_blocks_before(b, address);

	if (i == HEAP_NONE || b->items[i].address == address)
		return i;
	i = out_of(b, i, address);
	return i != HEAP_NONE && address - b->items[i].address < b->items[i].size
		       ? i
		       : HEAP_NONE;
}

/* ---- words --------------------------------------------------------------- */

/* Without bits above an address's. */
static bool hit_plain(const struct heap_blocks *b, uint64_t word, struct heap_hit *ret)
{
	uint32_t i = heap_blocks_before(b, word);
	const struct heap_block *x;
	uint64_t into;

	if (i == HEAP_NONE)
		return false;
	x = &b->items[i];
	if (b->within && word - x->address > x->size && word - x->address >= 8) {
		i = out_of(b, i, word);
		if (i == HEAP_NONE)
			return false;
		x = &b->items[i];
	}
	into = word - x->address;
	*ret = (struct heap_hit){i, HEAP_START, into};
	if (!into)
		return true;
	if (into < 8 && (word & ~7ull) == x->address)
		ret->how = HEAP_TAG_LOW;
	else if (into < x->size)
		ret->how = HEAP_INTERIOR;
	else if (into == x->size)
		ret->how = HEAP_PAST_END;
	else
		return false;
	return true;
}

bool heap_blocks_hit(const struct heap_blocks *b, uint64_t word, struct heap_hit *ret)
{
	uint32_t i;

	if (!(word >> USER_BITS))
		return hit_plain(b, word, ret);
	i = heap_blocks_at(b, word & ((1ull << USER_BITS) - 1));
	if (i == HEAP_NONE)
		return false;
	*ret = (struct heap_hit){i, HEAP_TAG_HIGH, 0};
	return true;
}

void heap_blocks_span(const struct heap_blocks *b, uint64_t *ret_low,
		      uint64_t *ret_high)
{
	*ret_low = b->extent_count ? b->extents[0].start : 0;
	*ret_high = b->extent_count ? b->extents[b->extent_count - 1].end : 0;
}
