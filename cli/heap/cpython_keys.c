/*
 * cpython_keys.c - the tables of keys that Python's dictionaries have.
 */
#include "cli/heap/cpython_scan.h"

#include <string.h>

enum {
	OLD_INDICES = 40, /* up to 3.10: dk_size at 8, dk_nentries at 32 */
	OLD_SIZE = 8,
	OLD_COUNT = 32,
	INDICES = 32, /* then: log2 of the size, of the bytes of indices, kind */
	COUNT = 24,
	LOG_SIZE = 8,
	LOG_INDICES = 9,
	KIND = 10,
	GENERAL = 0,
	SPLIT = 2,
	LOOKED_AT = 4096, /* entries, for one key */
};

/* Indices are as wide as the number of slots needs. */
static bool read_old(struct cpython_scan *s, uint64_t at, struct cpython_keys *ret)
{
	uint64_t slots = heap_peek_word(s->memory, at + OLD_SIZE), width;

	if (!slots || slots & (slots - 1) || slots > 1ull << 40)
		return false;
	width = slots <= 0xff ? 1 : slots <= 0xffff ? 2 : slots <= 0xffffffff ? 4 : 8;
	*ret = (struct cpython_keys){.at = at,
				     .entries = at + OLD_INDICES + slots * width,
				     .count = heap_peek_word(s->memory, at + OLD_COUNT),
				     .stride = 24,
				     .key = 8,
				     .value = 16};
	return ret->count <= slots;
}

bool cpython_keys_read(struct cpython_scan *s, uint64_t at, struct cpython_keys *ret)
{
	unsigned char head[INDICES];

	if (!at || at % 8)
		return false;
	if (s->shape->old_keys)
		return read_old(s, at, ret);
	if (!heap_peek(s->memory, at, head, sizeof(head)) || head[LOG_SIZE] > 40 ||
	    head[LOG_INDICES] > 44 || head[KIND] > SPLIT)
		return false;
	*ret = (struct cpython_keys){.at = at,
				     .entries =
					     at + INDICES + (1ull << head[LOG_INDICES]),
				     .stride = head[KIND] == GENERAL ? 24 : 16};
	ret->key = head[KIND] == GENERAL ? 8 : 0;
	ret->value = head[KIND] == SPLIT ? 0 : ret->key + 8;
	memcpy(&ret->count, head + COUNT, sizeof(ret->count));
	return ret->count <= 1ull << head[LOG_SIZE];
}

uint64_t cpython_keys_key(struct cpython_scan *s, const struct cpython_keys *k,
			  uint64_t i)
{
	return i < k->count
		       ? heap_peek_word(s->memory, k->entries + i * k->stride + k->key)
		       : 0;
}

uint64_t cpython_keys_find(struct cpython_scan *s, const struct cpython_keys *k,
			   const char *key)
{
	char text[CPYTHON_NAME_MAX];

	for (uint64_t i = 0; k->value && i < k->count && i < LOOKED_AT; i++) {
		uint64_t at = cpython_keys_key(s, k, i);

		if (at && cpython_text(s, at, text, sizeof(text)) && !strcmp(text, key))
			return heap_peek_word(s->memory,
					      k->entries + i * k->stride + k->value);
	}
	return 0;
}
