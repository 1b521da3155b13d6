#include "cli/heap/glibc.h"

#include "cli/base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum {
	PAGE = 4096,
	TCB_LOOK = 4 * PAGE, /* at the top of a stack */
	BIN_WORDS = 254,     /* glibc's malloc_state: bins ... */
	BIN_PAIRS_LEAST = 8, /* empty ones, for it to be recognised */
	BEFORE_BINS = 112,   /* bytes of it before them ... */
	BEHIND_BINS = 64,    /* ... and behind */
};

#define ARENA (64ull << 20) /* glibc's HEAP_MAX_SIZE */

/* Reads words, and zeroes for what cannot be read, or was never touched. */
static bool read_words(const struct heap_source *source, uint64_t start,
		       uint64_t *words, size_t n)
{
	uint64_t at = start, end = start + n * 8;

	memset(words, 0, n * 8);
	while (at < end) {
		uint64_t skip = 0;
		ssize_t got = source->read(source->context, at,
					   words + (at - start) / 8, end - at, &skip);

		if (got < 0)
			return false;
		if (!got && (skip < 8 || skip > end - at))
			return true;
		at += got ? (uint64_t)got : skip;
	}
	return true;
}

/* glibc's main_arena, in its data: an empty bin is a pair of words that point 16 bytes
 * before themselves, and the last of the 127 bins is always empty. */
bool glibc_main_arena(const struct heap_source *source, uint64_t start, uint64_t end,
		      uint64_t *ret_start, uint64_t *ret_end)
{
	size_t n, pairs = 0, last = 0;
	_cleanup_(freep) uint64_t *words = NULL;

	start = (start + 7) & ~7ull;
	if (end <= start || end - start > 1 << 20)
		return false;
	n = (size_t)(end - start) / 8;
	words = malloc(n * 8 + 8);
	if (!words || !read_words(source, start, words, n))
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		if (words[i] == start + i * 8 - 16 && words[i + 1] == words[i]) {
			pairs++;
			last = i + 2;
		}
	if (pairs < BIN_PAIRS_LEAST || last < BIN_WORDS + BEFORE_BINS / 8)
		return false;
	*ret_start = start + (last - BIN_WORDS) * 8 - BEFORE_BINS;
	*ret_end = start + last * 8 + BEHIND_BINS;
	return *ret_end <= end;
}

/* Heaps of glibc's further arenas begin at a multiple of their greatest size, with the
 * arena's address, the heap before, and its size. */
int glibc_arenas(struct heap_memory *memory, const struct heap_map *map,
		 struct heap_ranges *taken)
{
	uint64_t at = (map->start + ARENA - 1) & ~(ARENA - 1);
	int r = 0;

	for (; !r && at < map->end; at += ARENA) {
		uint64_t head[3];

		if (!heap_memory_get(memory, at, head, sizeof(head)))
			continue;
		if (!head[0] || head[0] % ARENA > PAGE || !head[2] || head[2] > ARENA ||
		    head[2] % PAGE)
			continue;
		r = heap_ranges_add(taken, at, at + head[2]);
	}
	return r;
}

/* What a block at that address tells: the two words before it do. */
static int large_at(struct heap_memory *memory, const struct heap_map *map,
		    uint64_t address, struct heap_ranges *taken)
{
	uint64_t head[2], at = address - 16, start, end;

	if (!heap_memory_get(memory, at, head, sizeof(head)))
		return 0;
	if (!(head[1] & 2) || head[0] > at)
		return 0;
	start = at - head[0];
	end = at + (head[1] & ~7ull);
	if (start % PAGE || end % PAGE || start < map->start || end > map->end)
		return 0;
	return heap_ranges_add(taken, start, end);
}

/* Large blocks that glibc made mappings of. */
int glibc_large(struct heap_memory *memory, const struct heap_blocks *b,
		const struct heap_map *map, struct heap_ranges *taken)
{
	uint32_t i = heap_blocks_after(b, map->start);
	int r = 0;

	for (; !r && i < b->count && b->items[i].address < map->end; i++)
		if (!(b->items[i].flags & (HEAP_MAPPED | HEAP_CHUNK)))
			r = large_at(memory, map, b->items[i].address, taken);
	/* Those whose beginning their chunks have. */
	for (size_t k = 0; !r && k < b->holder_count; k++)
		if (b->holders[k].was >= map->start && b->holders[k].was < map->end)
			r = large_at(memory, map, b->holders[k].was, taken);
	return r;
}

/* A stack that glibc keeps for the next thread: libc's thread is still at its top, and
 * points at itself twice. */
bool glibc_is_left_over(struct heap_memory *memory, const struct heap_map *map)
{
	uint64_t words[TCB_LOOK / 8];
	uint64_t len =
		map->end - map->start < TCB_LOOK ? map->end - map->start : TCB_LOOK;
	uint64_t from = map->end - len;

	if (!heap_memory_get(memory, from, words, len))
		return false;
	for (size_t i = 0; i + 2 < len / 8; i++)
		if (words[i] == from + i * 8 && words[i + 2] == words[i])
			return true;
	return false;
}
