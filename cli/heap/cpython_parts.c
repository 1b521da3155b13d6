/*
 * cpython_parts.c - blocks that are parts of Python's objects, and what their pointers
 * are called.
 */
#include "cli/heap/cpython_scan.h"

#include <errno.h>

enum { /* offsets in objects, of all these versions */
       LIST_ITEMS = 24,
       DICT_KEYS = 32,
       DICT_VALUES = 40,
       SET_TABLE = 40,
       BYTEARRAY_BYTES = 32,
       ARRAY_ITEMS = 24,
       MODULE_NAME = 48,
       INLINE_VALUES = 8, /* behind the object's end */
       SHARED_MAX = 64,	  /* keys that a class's objects share */
};

/* ---- parts --------------------------------------------------------------- */

/* The block around an address is part of an object of the type, if it is nothing else
 * yet. inside: it may begin before. Its number, or HEAP_NONE. */
static uint32_t claim(struct cpython_scan *s, uint32_t type, uint64_t address,
		      enum heap_part part, bool inside)
{
	struct heap_what *w;
	uint64_t into = 0;
	uint32_t block = address ? cpython_block(s, address, &into) : HEAP_NONE;

	if (block == HEAP_NONE || (into && !inside) || into > UINT16_MAX)
		return HEAP_NONE;
	w = &s->g->types.what[block];
	if (w->type)
		return HEAP_NONE;
	*w = (struct heap_what){
		.type = type, .at = (uint16_t)into, .part = (uint8_t)part};
	return block;
}

static uint64_t word_of(struct cpython_scan *s, uint64_t object, int64_t offset)
{
	return heap_peek_word(s->memory, object + (uint64_t)offset);
}

/* ---- labels -------------------------------------------------------------- */

static int label(struct cpython_scan *s, uint32_t edge, enum heap_label_kind kind,
		 const char *text)
{
	struct heap_label l = {.edge = edge, .kind = (uint8_t)kind};

	l.name = cpython_name(s, text);
	if (l.name == UINT32_MAX)
		return -ENOMEM;
	return l.name || kind == HEAP_THE_KEY ? heap_types_add_label(&s->g->types, &l)
					      : 0;
}

/* The pointer is what an entry's key leads to. */
static int label_by_key(struct cpython_scan *s, uint32_t edge,
			const struct cpython_keys *k, uint64_t entry)
{
	uint64_t key = cpython_keys_key(s, k, entry);
	char text[2 * CPYTHON_NAME_MAX + 8];
	bool is_text;

	if (!key || !cpython_key(s, key, text, sizeof(text), &is_text))
		return 0;
	return label(s, edge, is_text ? HEAP_KEY : HEAP_LITERAL, text);
}

/* Pointers in the block of a table of keys. */
static int label_keys(struct cpython_scan *s, uint32_t block,
		      const struct cpython_keys *k)
{
	const struct heap_graph *g = s->g;
	uint64_t start = g->blocks.items[block].address;
	int r = 0;

	for (uint32_t e = g->first[block]; !r && e < g->first[block + 1]; e++) {
		uint64_t at = start + (uint64_t)g->edges.word[e] * HEAP_WORD;
		uint64_t entry = (at - k->entries) / k->stride;
		uint64_t into = (at - k->entries) % k->stride;

		if (at < k->entries || entry >= k->count)
			continue;
		if (k->value && into == k->value)
			r = label_by_key(s, e, k, entry);
		else if (into == k->key)
			r = label(s, e, HEAP_THE_KEY, "");
	}
	return r;
}

/* Pointers in the block of values whose keys are elsewhere. */
static int label_values(struct cpython_scan *s, uint32_t block,
			const struct cpython_keys *k)
{
	const struct heap_graph *g = s->g;
	uint32_t before = g->types.what[block].at;
	int r = 0;

	for (uint32_t e = g->first[block]; !r && e < g->first[block + 1]; e++) {
		uint64_t at = (uint64_t)g->edges.word[e] * HEAP_WORD;

		if (at >= before)
			r = label_by_key(s, e, k, (at - before) / WORD);
	}
	return r;
}

static int see_dict(struct cpython_scan *s, uint32_t type, uint64_t object)
{
	uint64_t at = word_of(s, object, DICT_KEYS);
	struct cpython_keys k;
	uint32_t block;
	int r = 0;

	if (!cpython_keys_read(s, at, &k))
		return 0;
	block = claim(s, type, at, HEAP_KEYS, false);
	if (block != HEAP_NONE)
		r = label_keys(s, block, &k);
	block = claim(s, type, word_of(s, object, DICT_VALUES), HEAP_VALUES, true);
	if (!r && block != HEAP_NONE)
		r = label_values(s, block, &k);
	return r;
}

/* ---- what a class's objects share ---------------------------------------- */

/* The attributes of its objects, where they lie in the order of shared keys. */
static int add_attributes(struct cpython_scan *s, const struct cpython_kind *k,
			  const struct cpython_keys *keys)
{
	bool is_inline = s->shape->version >= 0x30d && k->flags & CPYTHON_INLINE_VALUES;
	int r = 0;

	for (uint64_t i = 0; !r && i < keys->count && i < SHARED_MAX; i++) {
		struct heap_field f = {.type = k->type, .offset = (uint32_t)(i * WORD)};
		uint64_t key = cpython_keys_key(s, keys, i);
		char text[CPYTHON_NAME_MAX];

		if (!key || !cpython_text(s, key, text, sizeof(text)))
			continue;
		f.part = is_inline ? HEAP_WHOLE : HEAP_VALUES;
		if (is_inline)
			f.offset += k->before + (uint32_t)k->basic_size + INLINE_VALUES;
		f.name = cpython_name(s, text);
		if (f.name == UINT32_MAX)
			return -ENOMEM;
		if (f.name)
			r = heap_types_add_field(&s->g->types, &f);
	}
	return r;
}

static int see_kind(struct cpython_scan *s, const struct cpython_kind *k)
{
	const struct heap_types *t = &s->g->types;
	struct cpython_keys keys;
	uint64_t into;
	uint32_t own = cpython_block(s, k->address, &into), block;
	int r = 0;

	if (!k->keys || !cpython_keys_read(s, k->keys, &keys))
		return 0;
	/* They are the class's, whose own type is that of its block. */
	block = own == HEAP_NONE || !t->what[own].type
			? HEAP_NONE
			: claim(s, t->what[own].type, k->keys, HEAP_KEYS, false);
	if (block != HEAP_NONE)
		r = label_keys(s, block, &keys);
	return r ? r : add_attributes(s, k, &keys);
}

/* ---- objects ------------------------------------------------------------- */

/* An instance's values, where they have a block of their own. */
static void see_values(struct cpython_scan *s, const struct cpython_kind *k,
		       uint64_t object)
{
	uint64_t at;

	if (s->shape->version == 0x30b) {
		at = word_of(s, object, -4 * WORD);
	} else if (s->shape->version == 0x30c) {
		at = word_of(s, object, -3 * WORD); /* or its dictionary */
		at = at & 1 ? at + 1 : 0;
	} else {
		return;
	}
	claim(s, k->type, at, HEAP_VALUES, true);
}

static int see_name(struct cpython_scan *s, uint32_t block, uint64_t text)
{
	char name[CPYTHON_NAME_MAX];
	struct heap_called c = {.block = block};

	if (!text || !cpython_text(s, text, name, sizeof(name)))
		return 0;
	c.name = cpython_name(s, name);
	if (c.name == UINT32_MAX)
		return -ENOMEM;
	return c.name ? heap_types_add_called(&s->g->types, &c) : 0;
}

/* A class is called as its objects' type is. */
static int see_class(struct cpython_scan *s, uint32_t block, uint64_t object)
{
	const struct cpython_kind *k = cpython_kind(s, object);
	struct heap_called c = {.block = block};

	if (!k)
		return 0;
	c.name = s->g->types.items[k->type].name;
	return heap_types_add_called(&s->g->types, &c);
}

static int see_object(struct cpython_scan *s, uint32_t block,
		      const struct cpython_kind *k, uint64_t object)
{
	if (k->flags & CPYTHON_MANAGED_DICT)
		see_values(s, k, object);
	switch (k->family) {
	case CPYTHON_A_DICT:
		return see_dict(s, k->type, object);
	case CPYTHON_A_LIST:
		claim(s, k->type, word_of(s, object, LIST_ITEMS), HEAP_ITEMS, false);
		return 0;
	case CPYTHON_A_SET:
		claim(s, k->type, word_of(s, object, SET_TABLE), HEAP_TABLE, false);
		return 0;
	case CPYTHON_A_BYTEARRAY:
		claim(s, k->type, word_of(s, object, BYTEARRAY_BYTES), HEAP_BUFFER,
		      false);
		return 0;
	case CPYTHON_AN_ARRAY:
		claim(s, k->type, word_of(s, object, ARRAY_ITEMS), HEAP_BUFFER, false);
		return 0;
	case CPYTHON_A_TYPE:
		return see_class(s, block, object);
	case CPYTHON_A_MODULE:
		return see_name(s, block, word_of(s, object, MODULE_NAME));
	case CPYTHON_A_FUNCTION:
		return see_name(s, block,
				word_of(s, object, s->shape->function_qualname));
	case CPYTHON_A_CODE:
		return see_name(s, block, word_of(s, object, s->shape->code_name));
	default:
		return 0;
	}
}

int cpython_parts(struct cpython_scan *s)
{
	struct heap_types *t = &s->g->types;
	const struct heap_blocks *b = &s->g->blocks;
	int r = 0;

	for (size_t i = 1; !r && i < s->kind_count; i++) {
		struct cpython_kind k = s->kinds[i]; /* which may move */

		r = see_kind(s, &k);
	}
	for (uint32_t i = 0; !r && i < b->count; i++) {
		struct heap_what w = t->what[i];
		struct cpython_kind k;

		if (!w.type || w.part > HEAP_TUPLE || w.state & HEAP_UNUSED)
			continue;
		k = s->kinds[s->kind_of[w.type]];
		r = see_object(s, i, &k, b->items[i].address + w.at);
	}
	return r;
}
