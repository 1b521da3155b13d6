/*
 * cpython_parts.c - blocks that are parts of Python's objects, and what their pointers
 * are called.
 */
#include "cli/heap/cpython_scan.h"

#include <errno.h>
#include <stdio.h>

enum {			/* offsets in objects, of all these versions */
       TUPLE_HASH = 24, /* in front of the items, since 3.14 */
       LIST_COUNT = 16,
       LIST_ITEMS = 24,
       DICT_KEYS = 32,
       DICT_VALUES = 40,
       SET_TABLE = 40,
       SET_SMALL = 64,
       BYTEARRAY_BYTES = 32,
       BYTEARRAY_OBJECT = 56, /* of its bytes, since 3.15 */
       ARRAY_ITEMS = 24,
       MODULE_DICT = 16,
       MODULE_NAME = 48, /* since 3.15: a word before */
       DEQUE_LEFT = 24,	 /* blocks */
       DEQUE_RIGHT = 32,
       DEQUE_FIRST = 40, /* items */
       DEQUE_LAST = 48,
       DEQUE_ITEMS = 64, /* of a block, behind a link; another is behind them */
       DEQUE_LINK = 520,
       DEQUE_BLOCKS = 1 << 20,
       CACHE_NEXT = 24, /* of a cache of results, and of each link of its ring */
       LINK_BEFORE = 16,
       LINK_KEY = 40,
       LINK_RESULT = 48,
       LINK_BYTES = 56,
       LINKS_MAX = 1 << 24,
       INLINE_VALUES = 8, /* behind the object's end */
       SHARED_MAX = 64,	  /* keys that a class's objects share */
};

/* ---- parts --------------------------------------------------------------- */

/* What the block around an address is; NULL: there is none, or it begins before and not
 * `inside`. *ret: its number, *ret_into: how far before. */
static struct heap_what *what_at(struct cpython_scan *s, uint64_t address, bool inside,
				 uint32_t *ret, uint64_t *ret_into)
{
	*ret_into = 0;
	*ret = address ? cpython_block(s, address, ret_into) : HEAP_NONE;
	if (*ret == HEAP_NONE || (*ret_into && !inside))
		return NULL;
	return &s->g->types.what[*ret];
}

/* The block around an address is part of an object of the type, if it is nothing else
 * yet. inside: it may begin before. Its number, or HEAP_NONE. */
static uint32_t claim(struct cpython_scan *s, uint32_t type, uint64_t address,
		      enum heap_part part, bool inside)
{
	uint32_t block;
	uint64_t into;
	struct heap_what *w = what_at(s, address, inside, &block, &into);

	if (!w || into > UINT16_MAX || w->type)
		return HEAP_NONE;
	*w = (struct heap_what){
		.type = type, .at = (uint16_t)into, .part = (uint8_t)part};
	return block;
}

static uint64_t word_of(struct cpython_scan *s, uint64_t object, int64_t offset)
{
	return heap_peek_word(s->memory, object + (uint64_t)offset);
}

/* What was taken for an object, but has another one's items, has an old object's header
 * where nothing is yet. inside: they may begin behind the block's first word. */
static void disown(struct cpython_scan *s, uint64_t address, bool inside)
{
	uint32_t block;
	uint64_t into;
	struct heap_what *w = what_at(s, address, inside, &block, &into);

	if (w && (w->at != into || w->state & HEAP_UNUSED))
		*w = (struct heap_what){0};
}

/* Where a bytearray's bytes are. */
static uint64_t bytes_of(struct cpython_scan *s, uint64_t object)
{
	return word_of(s, object,
		       s->shape->version >= 0x30f ? BYTEARRAY_OBJECT : BYTEARRAY_BYTES);
}

/* They are a part, also where they are an object, unless somebody else has it too. */
static void disown_bytes(struct cpython_scan *s, uint64_t object)
{
	uint32_t block;
	uint64_t into;
	struct heap_what *w = what_at(s, bytes_of(s, object), true, &block, &into);

	if (w && (w->at != into || w->count <= 1))
		*w = (struct heap_what){0};
}

/* Where the values of an instance or a dictionary are: in a block of their own, but
 * those of 3.13 that are in their object. */
static uint64_t values_of(struct cpython_scan *s, const struct cpython_kind *k,
			  uint64_t object)
{
	uint64_t at;

	if (k->family == CPYTHON_A_DICT)
		return word_of(s, object, DICT_VALUES);
	if (!(k->flags & CPYTHON_MANAGED_DICT) || s->shape->version > 0x30c)
		return 0;
	if (s->shape->version == 0x30b)
		return word_of(s, object, -4 * WORD);
	at = word_of(s, object, -3 * WORD); /* or its dictionary */
	return at & 1 ? at + 1 : 0;
}

/* Of a deque's blocks the first and the last have places where nothing is. */
static void disown_ends(struct cpython_scan *s, uint64_t object)
{
	disown(s, word_of(s, object, DEQUE_LEFT), false);
	disown(s, word_of(s, object, DEQUE_RIGHT), false);
}

void cpython_disown(struct cpython_scan *s)
{
	const struct heap_blocks *b = &s->g->blocks;

	for (uint32_t i = 0; i < b->count; i++) {
		struct heap_what w = s->g->types.what[i];
		const struct cpython_kind *k = &s->kinds[s->kind_of[w.type]];
		uint64_t object = b->items[i].address + w.at;

		if (!w.type || w.state & HEAP_UNUSED)
			continue;
		if (k->family == CPYTHON_A_LIST)
			disown(s, word_of(s, object, LIST_ITEMS), false);
		else if (k->family == CPYTHON_A_SET)
			disown(s, word_of(s, object, SET_TABLE), false);
		else if (k->family == CPYTHON_A_BYTEARRAY)
			disown_bytes(s, object);
		else if (k->family == CPYTHON_AN_ARRAY)
			disown(s, word_of(s, object, ARRAY_ITEMS), false);
		else if (k->family == CPYTHON_A_DICT)
			disown(s, word_of(s, object, DICT_KEYS), false);
		else if (k->family == CPYTHON_A_DEQUE)
			disown_ends(s, object);
		disown(s, values_of(s, k, object), s->shape->version < 0x30d);
	}
}

/* ---- labels -------------------------------------------------------------- */

static int label(struct cpython_scan *s, uint32_t edge, enum heap_label_kind kind,
		 const char *text)
{
	struct heap_label l = {.edge = edge, .kind = (uint8_t)kind};

	l.name = cpython_name(s, text);
	if (l.name == UINT32_MAX)
		return -ENOMEM;
	return l.name || !*text ? heap_types_add_label(&s->g->types, &l) : 0;
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

/* Pointers in the block of a table of keys; what is not in its entries is left over
 * from who had the memory before. A hash is no pointer, though it be an id(). */
static int label_keys(struct cpython_scan *s, uint32_t block,
		      const struct cpython_keys *k)
{
	struct heap_graph *g = s->g;
	uint64_t start = g->blocks.items[block].address;
	int r = 0;

	for (uint32_t e = g->first[block]; !r && e < g->first[block + 1]; e++) {
		uint64_t at = start + (uint64_t)g->edges.word[e] * HEAP_WORD;
		uint64_t entry = (at - k->entries) / k->stride;
		uint64_t into = (at - k->entries) % k->stride;

		if (at < k->entries || entry >= k->count)
			cpython_bury(s->g, e);
		else if (k->value && into == k->value)
			r = label_by_key(s, e, k, entry);
		else if (into == k->key)
			r = label(s, e, HEAP_THE_KEY, "");
		else
			cpython_bury(s->g, e);
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

		if (at < before || (at - before) / WORD >= k->count)
			cpython_bury(s->g, e);
		else
			r = label_by_key(s, e, k, (at - before) / WORD);
	}
	return r;
}

/* Pointers in a block outside of [from, to) of it. */
static void bury_others(struct cpython_scan *s, uint32_t block, uint64_t from,
			uint64_t to)
{
	const struct heap_graph *g = s->g;

	for (uint32_t e = g->first[block]; e < g->first[block + 1]; e++) {
		uint64_t at = (uint64_t)g->edges.word[e] * HEAP_WORD;

		if (at < from || at >= to)
			cpython_bury(s->g, e);
	}
}

/* Behind a list's last item are those that it had before. */
static void see_list(struct cpython_scan *s, uint32_t type, uint64_t object)
{
	uint32_t block =
		claim(s, type, word_of(s, object, LIST_ITEMS), HEAP_ITEMS, false);
	uint64_t count = word_of(s, object, LIST_COUNT);

	if (block != HEAP_NONE && count <= UINT32_MAX)
		bury_others(s, block, 0, count * WORD);
}

/* A hash is no pointer. */
static void see_tuple(struct cpython_scan *s, uint32_t block)
{
	const struct heap_what *w = &s->g->types.what[block];
	uint32_t e = heap_graph_edge_at(s->g, block, w->at + TUPLE_HASH);

	if (w->state & HEAP_HASHED && e < s->g->first[block + 1] &&
	    (uint64_t)s->g->edges.word[e] * HEAP_WORD == w->at + (uint64_t)TUPLE_HASH)
		cpython_bury(s->g, e);
}

/* Of pairs of a member and its hash, from an offset of a block on. */
static void bury_hashes(struct cpython_scan *s, uint32_t block, uint64_t from)
{
	const struct heap_graph *g = s->g;

	for (uint32_t e = g->first[block]; e < g->first[block + 1]; e++) {
		uint64_t at = (uint64_t)g->edges.word[e] * HEAP_WORD;

		if (at >= from && (at - from) % (2 * WORD))
			cpython_bury(s->g, e);
	}
}

static int see_set(struct cpython_scan *s, uint32_t own, const struct cpython_kind *k,
		   uint64_t object)
{
	uint32_t block =
		claim(s, k->type, word_of(s, object, SET_TABLE), HEAP_TABLE, false);
	int r = 0;

	bury_hashes(s, own, (uint64_t)k->before + SET_SMALL);
	for (uint32_t e = heap_graph_edge_at(s->g, own, k->before + SET_SMALL);
	     !r && e < s->g->first[own + 1]; e++)
		if (heap_how(s->g->edges.how[e]) != HEAP_DEAD)
			r = label(s, e, HEAP_MEMBER, "");
	if (block != HEAP_NONE)
		bury_hashes(s, block, 0);
	return r;
}

/* Its blocks, each with a link at either end; items from the first one's left index to
 * the last one's right. */
static void see_deque(struct cpython_scan *s, const struct cpython_kind *k,
		      uint64_t object)
{
	uint64_t at = word_of(s, object, DEQUE_LEFT);
	uint64_t last = word_of(s, object, DEQUE_RIGHT);
	uint64_t from = word_of(s, object, DEQUE_FIRST), to;

	for (int i = 0; i < DEQUE_BLOCKS; i++) {
		uint32_t block = claim(s, k->type, at, HEAP_TABLE, false);

		if (block == HEAP_NONE ||
		    s->g->blocks.items[block].size < DEQUE_LINK + WORD)
			return;
		to = at == last ? word_of(s, object, DEQUE_LAST) + 1 : DEQUE_ITEMS;
		from = from < DEQUE_ITEMS ? from : 0;
		to = to < DEQUE_ITEMS ? to : DEQUE_ITEMS;
		bury_others(s, block, (1 + from) * WORD, (1 + to) * WORD);
		if (at == last)
			return;
		at = word_of(s, at, DEQUE_LINK);
		from = 0;
	}
}

/* The link at an address of a cache's ring, behind another one: objects by their
 * headers, but ones that no collector knows of; it finds what they hold by their cache.
 */
static uint32_t claim_link(struct cpython_scan *s, uint32_t type, uint64_t address,
			   uint64_t before)
{
	uint64_t into;
	uint32_t block = cpython_block(s, address, &into);
	struct heap_what *w;

	if (block == HEAP_NONE || into || s->g->blocks.items[block].size < LINK_BYTES ||
	    word_of(s, address, LINK_BEFORE) != before)
		return HEAP_NONE;
	w = &s->g->types.what[block];
	if (!w->type || w->type == type || w->part || w->state & HEAP_COLLECTED)
		return HEAP_NONE;
	*w = (struct heap_what){0};
	return claim(s, type, address, HEAP_TABLE, false);
}

static void borrow(struct cpython_scan *s, uint32_t edge)
{
	uint16_t *how = &s->g->edges.how[edge];

	*how = (uint16_t)((*how & ~HEAP_HOW_MASK) | HEAP_BORROWED);
}

/* Of the ring's pointers in the block that one of it begins in at an offset: the way
 * back, and from the last one to the cache, are no references. */
static void borrow_ring(struct cpython_scan *s, uint32_t block, uint32_t start,
			uint64_t cache)
{
	const struct heap_graph *g = s->g;
	uint64_t address = g->blocks.items[block].address + start;
	bool last = word_of(s, address, CACHE_NEXT) == cache;

	for (uint32_t e = g->first[block]; e < g->first[block + 1]; e++) {
		uint64_t at = (uint64_t)g->edges.word[e] * HEAP_WORD - start;

		if (at == LINK_BEFORE || (at == CACHE_NEXT && last))
			borrow(s, e);
	}
}

static void see_cache(struct cpython_scan *s, uint32_t own,
		      const struct cpython_kind *k, uint64_t object)
{
	uint64_t before = object, at = word_of(s, object, CACHE_NEXT);

	borrow_ring(s, own, k->before, object);
	for (uint32_t i = 0; i < LINKS_MAX && at != object; i++) {
		uint32_t block = claim_link(s, k->type, at, before);

		if (block == HEAP_NONE)
			return;
		borrow_ring(s, block, 0, object);
		before = at;
		at = word_of(s, at, CACHE_NEXT);
	}
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

/* What a cache's links hold. */
static int add_links(struct cpython_scan *s, const struct cpython_kind *k)
{
	struct heap_field key = {k->type, HEAP_TABLE, LINK_KEY, 0};
	struct heap_field result = {k->type, HEAP_TABLE, LINK_RESULT, 0};
	int r;

	key.name = cpython_name(s, "key");
	result.name = cpython_name(s, "result");
	if (key.name == UINT32_MAX || result.name == UINT32_MAX)
		return -ENOMEM;
	r = key.name ? heap_types_add_field(&s->g->types, &key) : 0;
	return r || !result.name ? r : heap_types_add_field(&s->g->types, &result);
}

static int see_kind(struct cpython_scan *s, const struct cpython_kind *k)
{
	const struct heap_types *t = &s->g->types;
	struct cpython_keys keys;
	uint64_t into;
	uint32_t own = cpython_block(s, k->address, &into), block;
	int r = k->family == CPYTHON_A_CACHE ? add_links(s, k) : 0;

	if (r || !k->keys || !cpython_keys_read(s, k->keys, &keys))
		return r;
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
	struct cpython_keys keys;
	uint32_t block;
	uint64_t at = values_of(s, k, object);

	block = claim(s, k->type, at, HEAP_VALUES, true);
	if (block != HEAP_NONE && cpython_keys_read(s, k->keys, &keys))
		bury_others(s, block, s->g->types.what[block].at,
			    s->g->types.what[block].at + keys.count * WORD);
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

/* Its dictionary, by which frames hold it, is called so as well. */
static int see_module(struct cpython_scan *s, uint32_t block, uint64_t object)
{
	int64_t at = s->shape->version >= 0x30f ? MODULE_NAME - WORD : MODULE_NAME;
	uint64_t into, text = word_of(s, object, at);
	char name[CPYTHON_NAME_MAX], dict[CPYTHON_NAME_MAX + 16];
	struct heap_called c;
	int r = see_name(s, block, text);

	c.block = cpython_block(s, word_of(s, object, MODULE_DICT), &into);
	if (r || c.block == HEAP_NONE || !text ||
	    into != s->g->types.what[c.block].at ||
	    !cpython_text(s, text, name, sizeof(name)))
		return r;
	snprintf(dict, sizeof(dict), "%s.__dict__", name);
	c.name = cpython_name(s, dict);
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
	case CPYTHON_A_TUPLE:
		see_tuple(s, block);
		return 0;
	case CPYTHON_A_LIST:
		see_list(s, k->type, object);
		return 0;
	case CPYTHON_A_SET:
		return see_set(s, block, k, object);
	case CPYTHON_A_BYTEARRAY:
		claim(s, k->type, bytes_of(s, object), HEAP_BUFFER, false);
		return 0;
	case CPYTHON_AN_ARRAY:
		claim(s, k->type, word_of(s, object, ARRAY_ITEMS), HEAP_BUFFER, false);
		return 0;
	case CPYTHON_A_DEQUE:
		see_deque(s, k, object);
		return 0;
	case CPYTHON_A_CACHE:
		see_cache(s, block, k, object);
		return 0;
	case CPYTHON_A_FRAME:
		return cpython_see_frame(s, block, object);
	case CPYTHON_A_GENERATOR:
		return cpython_see_generator(s, block, object);
	case CPYTHON_A_TYPE:
		return see_class(s, block, object);
	case CPYTHON_A_MODULE:
		return see_module(s, block, object);
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
	for (size_t i = 0; !r && i < s->stack_count; i++)
		r = cpython_see_stack(s, s->stacks[i].block, s->stacks[i].top);
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
