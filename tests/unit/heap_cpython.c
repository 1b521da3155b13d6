#include "cli/heap/cpython.h"

#include "tests/unit/heap_make.h"

#include <errno.h>

/*
 * A memory with a module [DATA, ...), where types lie that are no blocks, and a heap
 * [HEAP, ...). Offsets of objects are as offsetof() says in the headers of each version
 * (3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1, 3.13.0, 3.14.10): they are written down here
 * anew.
 */
#define DATA 0x10000000ull
#define HEAP 0x7f0000000000ull

enum { DATA_BYTES = 64 << 10, HEAP_BYTES = 64 << 10 };

struct version {
	uint32_t number;
	unsigned ascii;			   /* where the characters of a str begin */
	unsigned qualname, keys;	   /* of a class */
	bool old, managed, tagged, inside; /* how it keeps attributes */
};

static const struct version versions[] = {
	{0x308, 48, 864, 872, true, false, false, false},
	{0x309, 48, 856, 864, true, false, false, false},
	{0x30a, 48, 864, 872, true, false, false, false},
	{0x30b, 48, 864, 872, false, true, false, false},
	{0x30c, 40, 872, 880, false, true, true, false},
	{0x30d, 40, 872, 880, false, true, false, true},
	{0x30e, 40, 872, 880, false, true, false, true},
};
enum { VERSIONS = sizeof(versions) / sizeof(*versions) };

struct world {
	const struct version *v;
	unsigned char data[DATA_BYTES], heap[HEAP_BYTES];
	uint64_t data_end, heap_end; /* addresses */
	struct heap_graph g;
	struct strings names;
	struct heap_modules modules;
	struct heap_segment segment;
	uint64_t type, text, number, dict, list, tuple, module, node; /* types */
	uint64_t cache, link;					      /* of results */
	uint64_t task;
	uint64_t gc; /* the chain */
};

static unsigned char *memory(struct world *w, uint64_t at, size_t len)
{
	if (at >= DATA && at - DATA <= DATA_BYTES - len)
		return w->data + (at - DATA);
	if (at >= HEAP && at - HEAP <= HEAP_BYTES - len)
		return w->heap + (at - HEAP);
	return NULL;
}

static bool get(void *context, uint64_t address, void *to, size_t len)
{
	unsigned char *from = memory(context, address, len);

	if (from)
		memcpy(to, from, len);
	return from;
}

static ssize_t read_words(void *context, uint64_t address, void *to, size_t len,
			  uint64_t *ret_skip)
{
	*ret_skip = len;
	return get(context, address, to, len) ? (ssize_t)len : 0;
}

static void put(struct world *w, uint64_t at, uint64_t word)
{
	memcpy(memory(w, at, 8), &word, 8);
}

static uint64_t take(uint64_t *end, uint64_t bytes)
{
	uint64_t at = *end;

	*end += (bytes + 31) & ~15ull; /* one word is nobody's, at least */
	return at;
}

static uint64_t block(struct world *w, uint64_t bytes)
{
	uint64_t at = take(&w->heap_end, bytes);

	make_block(&w->g, at, bytes);
	return at;
}

/* An object that the collector of garbage chains to the one before. */
static uint64_t object(struct world *w, uint64_t type, uint64_t front, uint64_t bytes)
{
	uint64_t at = block(w, front + bytes) + front;

	if (front) {
		put(w, at - 16, w->gc);
		put(w, at - 8, w->gc);
		w->gc = at - 16;
	}
	put(w, at, 1);
	put(w, at + 8, type);
	return at;
}

static uint64_t c_text(struct world *w, const char *text)
{
	uint64_t at = take(&w->data_end, strlen(text) + 1);

	memcpy(memory(w, at, strlen(text) + 1), text, strlen(text) + 1);
	return at;
}

static void make_type(struct world *w, uint64_t at, const char *name, uint64_t size,
		      uint64_t item, uint64_t flags)
{
	put(w, at, 1000);
	put(w, at + 8, w->type);
	put(w, at + 24, c_text(w, name));
	put(w, at + 32, size);
	put(w, at + 40, item);
	put(w, at + 168, flags | 1 << 12);
}

static uint64_t static_type(struct world *w, const char *name, uint64_t size,
			    uint64_t item, uint64_t flags)
{
	uint64_t at = take(&w->data_end, 416);

	w->type = w->type ? w->type : at;
	make_type(w, at, name, size, item, flags);
	return at;
}

static uint64_t text(struct world *w, const char *value)
{
	uint64_t at = object(w, w->text, 0, w->v->ascii + strlen(value) + 1);

	put(w, at + 16, strlen(value));
	put(w, at + 32, 1 << 2 | 1 << 5 | 1 << 6); /* of bytes, compact, ASCII */
	memcpy(memory(w, at + w->v->ascii, 1), value, strlen(value));
	return at;
}

static uint64_t number(struct world *w, uint32_t value)
{
	uint64_t at = object(w, w->number, 0, 28);

	put(w, at + 16, w->v->number >= 0x30c ? 1 << 3 : 1);
	memcpy(memory(w, at + 24, 4), &value, 4);
	return at;
}

/* A table of keys of 8 slots; values: in the same entries, or NULL: they are elsewhere.
 * general: entries with hashes. */
static uint64_t keys(struct world *w, size_t n, const uint64_t *key,
		     const uint64_t *value, bool general)
{
	uint64_t head = w->v->old ? 40 : 32, stride = general || w->v->old ? 24 : 16;
	uint64_t at = block(w, head + 8 + 5 * stride), entry = at + head + 8;

	put(w, at, 1);
	if (w->v->old) {
		put(w, at + 8, 8);
		put(w, at + 32, n);
	} else {
		put(w, at + 8, 3 | 3 << 8 | (general ? 0ull : value ? 1 : 2) << 16);
		put(w, at + 24, n);
	}
	for (size_t i = 0; i < n; i++, entry += stride) {
		put(w, entry + stride - 16, key[i]);
		put(w, entry + stride - 8, value ? value[i] : 0);
	}
	return at;
}

static uint64_t dict(struct world *w, uint64_t table, uint64_t values)
{
	uint64_t at = object(w, w->dict, 16, 48);

	put(w, at + 32, table);
	put(w, at + 40, values);
	return at;
}

static uint64_t list(struct world *w, size_t n, const uint64_t *items)
{
	uint64_t at = object(w, w->list, 16, 40), buffer = block(w, 8 * n + 16);

	put(w, at + 16, n);
	put(w, at + 24, buffer);
	for (size_t i = 0; i < n; i++)
		put(w, buffer + 8 * i, items[i]);
	return at;
}

/* class Node, in a module called app; its objects have `items`. */
static void make_class(struct world *w)
{
	const struct version *v = w->v;
	uint64_t names[] = {text(w, "__module__"), text(w, "__doc__")};
	uint64_t values[] = {text(w, "app"), text(w, "says nothing")};
	uint64_t shared[] = {text(w, "items")};
	uint64_t flags = 1 << 9 | 1 << 14;

	flags |= v->managed ? 1 << 4 : 0;
	flags |= v->inside ? 1 << 2 : 0;
	w->node = object(w, w->type, 16, 928);
	make_type(w, w->node, "Node", v->managed ? 16 : 24, 0, flags);
	put(w, w->node + 264, dict(w, keys(w, 2, names, values, false), 0));
	put(w, w->node + 288, v->managed ? 0 : 16);
	put(w, w->node + v->qualname, text(w, "Outer.Node"));
	put(w, w->node + v->keys, keys(w, 1, shared, NULL, false));
}

/* A Node with that list. */
static uint64_t node(struct world *w, uint64_t items)
{
	const struct version *v = w->v;
	uint64_t at = object(w, w->node, v->managed ? 32 : 16,
			     v->inside	  ? 16 + 8 + 64
			     : v->managed ? 16
					  : 24);
	uint64_t values;

	if (v->inside) {
		put(w, at + 16 + 8, items);
		return at;
	}
	values = block(w, 64) + (v->managed ? 24 : 0);
	put(w, values, items);
	if (!v->managed) { /* a dictionary that shares its keys */
		uint64_t shared = *(uint64_t *)memory(w, w->node + v->keys, 8);

		put(w, at + 16, dict(w, shared, values));
	} else if (v->tagged) {
		put(w, at - 24, values - 1);
	} else {
		put(w, at - 32, values);
	}
	return at;
}

/* From 3.14 on behind its hash. */
static uint64_t tuple_items(const struct world *w)
{
	return w->v->number >= 0x30e ? 32 : 24;
}

static void make_types(struct world *w)
{
	uint64_t gc = 1 << 14;

	w->type = 0;
	w->type = static_type(w, "type", 920, 40, gc | 1ull << 31);
	w->text = static_type(w, "str", 80, 0, 1 << 28);
	w->number = static_type(w, "int", 24, 4, 1 << 24);
	w->dict = static_type(w, "dict", 48, 0, gc | 1 << 29);
	w->list = static_type(w, "list", 40, 0, gc | 1 << 25);
	w->tuple = static_type(w, "tuple", tuple_items(w), 8, gc | 1 << 26);
	w->module = static_type(w, "module", 56, 0, gc);
	w->cache = static_type(w, "functools._lru_cache_wrapper", 136, 0, gc);
	w->link = static_type(w, "functools._lru_list_elem", 56, 0, 0);
	w->task = static_type(w, "_asyncio.Task", 64, 0, gc);
}

/* A cache of n results, each a list of the cache itself; nobody else has it. */
static uint64_t cache(struct world *w, size_t n)
{
	uint64_t at = object(w, w->cache, 16, 136), last = at;
	uint64_t names[5], links[5];

	for (size_t i = 0; i < n; i++) {
		names[i] = text(w, "argument");
		links[i] = object(w, w->link, 0, 56);
		put(w, last + 24, links[i]);
		put(w, links[i] + 16, last);
		put(w, links[i] + 40, names[i]);
		put(w, links[i] + 48, list(w, 1, &at));
		last = links[i];
	}
	put(w, last + 24, at);
	put(w, at + 16, last);
	put(w, at + 72, dict(w, keys(w, n, names, links, true), 0));
	put(w, at, n); /* as often as lists have it */
	return at;
}

/* app.cache = {"k": Node(items=[3, "two", (1,), Node]), 7: ...}; what is at the end of
 * that comes back. */
static uint64_t make_world(struct world *w, const struct version *v)
{
	uint64_t one, tuple, target, cache, module, head;

	*w = (struct world){.v = v, .data_end = DATA + 64, .heap_end = HEAP};
	strings_add(&w->names, "");
	make_types(w);
	head = take(&w->data_end, 16);
	w->gc = head;
	make_class(w);
	one = number(w, 1);
	tuple = object(w, w->tuple, 16, tuple_items(w) + 8);
	put(w, tuple + 16, 1);
	put(w, tuple + tuple_items(w), one);
	target = node(w, 0);
	one = node(w, list(w, 4,
			   (uint64_t[]){number(w, 3), text(w, "two"), tuple, target}));
	cache = dict(w,
		     keys(w, 2, (uint64_t[]){text(w, "k"), number(w, 7)},
			  (uint64_t[]){one, tuple}, true),
		     0);
	module = object(w, w->module, 16, 56);
	put(w, module + 16,
	    dict(w,
		 keys(w, 1, (uint64_t[]){text(w, "cache")}, (uint64_t[]){cache}, false),
		 0));
	put(w, module + 48, text(w, "app"));
	put(w, head, w->gc);
	return target;
}

static int find(struct world *w)
{
	struct heap_source source = {w, read_words};
	struct heap_peek peek = {w, get, NULL};
	int r;

	w->segment = (struct heap_segment){DATA, DATA + DATA_BYTES, 0};
	w->modules = (struct heap_modules){.segments = &w->segment, .segment_count = 1};
	assert_int_equal(heap_blocks_seal(&w->g.blocks), 0);
	assert_int_equal(heap_graph_scan(&w->g, &source), 0);
	r = heap_cpython_find(&w->g, &w->names, &w->modules, &peek, w->v->number);
	heap_peek_done(&peek);
	heap_graph_seal(&w->g);
	return r;
}

static void done(struct world *w)
{
	heap_graph_done(&w->g);
	strings_done(&w->names);
}

/* Of the block around an address. */
static const char *type_name(const struct world *w, uint64_t at)
{
	const struct heap_what *what =
		heap_types_what(&w->g.types, heap_blocks_around(&w->g.blocks, at));

	return what->type ? strings_get(&w->names, w->g.types.items[what->type].name)
			  : "";
}

static const char *block_name(const struct world *w, uint32_t block)
{
	return type_name(w, w->g.blocks.items[block].address);
}

static size_t count(const struct world *w, const char *name, bool parts)
{
	size_t n = 0;

	for (size_t i = 0; i < w->g.blocks.count; i++) {
		uint64_t at = w->g.blocks.items[i].address;
		const struct heap_what *what =
			heap_types_what(&w->g.types, (uint32_t)i);

		n += !strcmp(type_name(w, at), name) &&
		     (what->part > HEAP_TUPLE) == parts;
	}
	return n;
}

static void objects_of_each_version_are_known(void **state)
{
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		const struct version *v = &versions[i];
		uint64_t target = make_world(&w, v);

		assert_int_equal(find(&w), 0);
		assert_string_equal(type_name(&w, target), "app.Outer.Node");
		assert_int_equal(count(&w, "app.Outer.Node", false), 2);
		assert_int_equal(count(&w, "list", false), 1);
		assert_int_equal(count(&w, "list", true), 1);
		assert_int_equal(count(&w, "tuple", false), 1);
		assert_int_equal(count(&w, "type", false), 1);
		assert_int_equal(count(&w, "module", false), 1);
		assert_int_equal(count(&w, "int", false), 3);
		assert_int_equal(count(&w, "str", false), 9 + 1);
		assert_int_equal(count(&w, "dict", false), v->managed ? 3 : 5);
		/* Every block is something. */
		assert_int_equal(count(&w, "", false), 0);
		assert_true(heap_graph_is_sound(&w.g));
		done(&w);
	}
}

/* The name of the only pointer to a block from what holds it. */
static const char *called(const struct world *w, uint64_t at, uint64_t *ret_from)
{
	uint32_t to = heap_blocks_around(&w->g.blocks, at);
	const char *name = NULL;

	for (uint32_t b = 0; b < w->g.blocks.count; b++)
		for (uint32_t e = w->g.first[b]; e < w->g.first[b + 1]; e++) {
			const struct heap_label *l = heap_types_label(&w->g.types, e);
			const struct heap_field *f = heap_types_field(
				&w->g.types, b, w->g.edges.word[e] * 8ull);

			if (w->g.edges.to[e] != to ||
			    heap_how(w->g.edges.how[e]) != HEAP_START)
				continue;
			assert_null(name);
			name = strings_get(&w->names, l ? l->name : f ? f->name : 0);
			*ret_from = w->g.blocks.items[b].address;
		}
	return name ? name : "nobody";
}

static bool is_node(const struct world *w, uint64_t at)
{
	uint32_t block = heap_blocks_around(&w->g.blocks, at);

	return !strcmp(type_name(w, at), "app.Outer.Node") &&
	       heap_types_what(&w->g.types, block)->part == HEAP_WHOLE;
}

static void pointers_have_the_names_of_keys_and_attributes(void **state)
{
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		uint64_t at = make_world(&w, &versions[i]);
		static const char *const want[] = {"",	"", "items", NULL,
						   "k", "", "cache"};

		assert_int_equal(find(&w), 0);
		for (size_t k = 0; k < sizeof(want) / sizeof(*want); k++) {
			const char *got;

			/* To the object whose attribute it is. */
			for (int far = 0; !want[k] && far < 4 && !is_node(&w, at);
			     far++)
				called(&w, at, &at);
			if (!want[k]) {
				assert_true(is_node(&w, at));
				continue;
			}
			got = called(&w, at, &at);
			assert_string_equal(got, want[k]);
		}
		done(&w);
	}
}

/* Of what the chain of all objects holds nothing is left. */
static void links_are_cut(void **state)
{
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		make_world(&w, &versions[i]);
		assert_int_equal(find(&w), 0);
		for (size_t e = 0; e < w.g.edge_count; e++) {
			const struct heap_what *to =
				heap_types_what(&w.g.types, w.g.edges.to[e]);

			assert_false(to->type && to->state & HEAP_COLLECTED &&
				     heap_into(w.g.edges.how[e]) + 16 == to->at);
		}
		done(&w);
	}
}

/* An immortal count, or a small one, before what is no type, or an object of a size that
 * its type does not have. */
static void what_looks_like_an_object_is_none(void **state)
{
	static const uint64_t counts[] = {1, 0, UINT32_MAX};
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		for (int what = 0; what < 6; what++) {
			uint64_t at, where, bytes = what == 3 ? 400 : 64;

			make_world(&w, &versions[i]);
			where = what < 3 ? take(&w.data_end, 416) : w.list;
			at = block(&w, bytes);
			/* Behind the collector's head is where a list is. */
			put(&w, at + (what == 4 ? 0 : 16), counts[what % 3]);
			put(&w, at + (what == 4 ? 8 : 24), where + (what == 5 ? 8 : 0));
			assert_int_equal(find(&w), 0);
			assert_string_equal(type_name(&w, at), "");
			done(&w);
		}
}

/* Items, and not the hash in front of them, though it be an address. */
static void items_of_a_tuple_are_held(void **state)
{
	static struct world w;

	(void)state;
	for (size_t i = 0; i < VERSIONS; i++) {
		uint64_t tuple, items[2], at, from;

		make_world(&w, &versions[i]);
		at = tuple_items(&w);
		tuple = object(&w, w.tuple, 16, at + 16);
		put(&w, tuple + 16, 2);
		for (size_t k = 0; k < 2; k++) {
			items[k] = number(&w, 3);
			put(&w, tuple + at + 8 * k, items[k]);
		}
		if (at > 24)
			put(&w, tuple + 24, items[0]);
		assert_int_equal(find(&w), 0);
		for (size_t k = 0; k < 2; k++) {
			assert_string_equal(called(&w, items[k], &from), "");
			assert_int_equal(from, tuple - 16);
		}
		for (uint32_t b = 0; b < w.g.blocks.count; b++)
			if (w.g.blocks.items[b].address == tuple - 16)
				assert_int_equal(heap_tuple_items(heap_types_what(
							 &w.g.types, b)),
						 16 + at);
		done(&w);
	}
}

/* Freed ones that are kept for later are in a list by the word of their count, from 3.14
 * on. The last one has no next. */
static void kept_objects_are_unused(void **state)
{
	static struct world w;

	(void)state;
	for (size_t i = 0; i < VERSIONS; i++) {
		uint64_t one, other, held;
		const struct heap_what *what;

		make_world(&w, &versions[i]);
		held = list(&w, 0, NULL);
		one = list(&w, 1, &held);
		other = list(&w, 1, &held);
		put(&w, one - 16, 0); /* and not tracked */
		put(&w, other - 16, 0);
		put(&w, one, other);
		put(&w, other, 0);
		assert_int_equal(find(&w), 0);
		what = heap_types_what(&w.g.types,
				       heap_blocks_around(&w.g.blocks, one));
		assert_string_equal(type_name(&w, one),
				    w.v->number >= 0x30e ? "list" : "");
		assert_int_equal(!!(what->state & HEAP_UNUSED), w.v->number >= 0x30e);
		what = heap_types_what(&w.g.types,
				       heap_blocks_around(&w.g.blocks, other));
		assert_int_equal(what->state & (HEAP_UNUSED | HEAP_TRACKED),
				 HEAP_UNUSED);
		done(&w);
	}
}

/* What is never counted: from 3.12 on the highest bit of 32 says so, from 3.14 on with
 * flags beside. */
static void counts_have_their_own_bits(void **state)
{
	static const struct {
		uint64_t word;
		uint32_t from, count;
	} counts[] = {
		{7, 0x308, 7},
		{0xffffffff, 0x30c, HEAP_UNCOUNTED},
		{0xc0000000, 0x30c, HEAP_UNCOUNTED},
		{0xc0000000 | 5ull << 48, 0x30e, HEAP_UNCOUNTED},
		{7 | 1ull << 48, 0x30e, 7},
		{7 | 1ull << 40, UINT32_MAX, 0},
	};
	static struct world w;

	(void)state;
	for (size_t i = 0; i < VERSIONS; i++)
		for (size_t k = 0; k < sizeof(counts) / sizeof(*counts); k++) {
			const struct heap_what *what;
			uint64_t at;
			bool is = versions[i].number >= counts[k].from;

			make_world(&w, &versions[i]);
			at = list(&w, 0, NULL);
			put(&w, at, counts[k].word);
			assert_int_equal(find(&w), 0);
			what = heap_types_what(&w.g.types,
					       heap_blocks_around(&w.g.blocks, at));
			if (is || counts[k].word >> 32)
				assert_string_equal(type_name(&w, at),
						    is ? "list" : "");
			if (is)
				assert_int_equal(what->count, counts[k].count);
			done(&w);
		}
}

/* Which the collector goes through as if they were the cache's own: so it frees one that
 * its results alone hold, and none that something else does. */
static void results_in_a_cache_are_the_caches(void **state)
{
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		for (uint64_t n = 0; n < 6; n++)
			for (uint64_t others = 0; others < 2; others++) {
				uint8_t *fate;
				uint64_t at, count_garbage = 0;

				make_world(&w, &versions[i]);
				at = cache(&w, n);
				put(&w, at, n + others);
				assert_int_equal(find(&w), 0);
				assert_int_equal(
					count(&w, "functools._lru_list_elem", false),
					0);
				assert_int_equal(
					count(&w, "functools._lru_cache_wrapper", true),
					n);
				fate = malloc(w.g.blocks.count + 1);
				assert_int_equal(heap_cpython_garbage(&w.g, fate), 0);
				for (size_t b = 0; b < w.g.blocks.count; b++)
					count_garbage += fate[b] == HEAP_GARBAGE;
				/* It, its dictionary, and the lists. (One that nobody
				 * counts on at all has been freed.) */
				assert_int_equal(count_garbage,
						 others || !n ? 0 : 2 + n);
				free(fate);
				done(&w);
			}
}

/* Tasks that wait for each other, in the list that a thread has of all by links inside
 * of them: these hold none. */
static void links_of_tasks_are_cut(void **state)
{
	static struct world w;

	(void)state;
	for (size_t i = 0; i < VERSIONS; i++) {
		uint64_t thread, task[3];
		uint8_t *fate;

		make_world(&w, &versions[i]);
		thread = block(&w, 64);
		for (size_t k = 0; k < 3; k++)
			task[k] = object(&w, w.task, 16, 64);
		for (size_t k = 0; k < 3; k++) {
			put(&w, task[k] + 16, task[k ? k - 1 : 2]);
			put(&w, task[k] + 40, k < 2 ? task[k + 1] + 40 : thread + 8);
			put(&w, task[k] + 48, k ? task[k - 1] + 40 : thread + 8);
		}
		put(&w, thread + 8, task[0] + 40);
		put(&w, thread + 16, task[2] + 40);
		assert_int_equal(find(&w), 0);
		fate = malloc(w.g.blocks.count + 1);
		assert_int_equal(heap_cpython_garbage(&w.g, fate), 0);
		for (size_t k = 0; k < 3; k++) {
			uint32_t b = heap_blocks_around(&w.g.blocks, task[k]);
			uint64_t from;

			called(&w, task[k], &from);
			assert_int_equal(from, task[(k + 1) % 3] - 16);
			assert_int_equal(fate[b], HEAP_GARBAGE);
		}
		for (size_t e = 0; e < w.g.edge_count; e++)
			assert_string_not_equal(
				heap_how(w.g.edges.how[e]) == HEAP_INTERIOR
					? block_name(&w, w.g.edges.to[e])
					: "",
				"_asyncio.Task");
		free(fate);
		done(&w);
	}
}

/* A ring that does not lead back, or not to links, is the cache's as far as it is one. */
static void a_broken_ring_has_an_end(void **state)
{
	static const uint64_t words[] = {0, 8, DATA, HEAP, HEAP + 8, UINT64_MAX};
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (uint64_t offset = 0; offset < 56; offset += 8) {
			uint64_t at, next;

			make_world(&w, &versions[3]);
			at = cache(&w, 5);
			memcpy(&next, memory(&w, at + 24, 8), 8);
			put(&w, next + offset, words[i]);
			assert_int_equal(find(&w), 0);
			assert_true(heap_graph_is_sound(&w.g));
			assert_true(count(&w, "functools._lru_cache_wrapper", true) <=
				    5);
			done(&w);
		}
}

/* Any word may be any other. */
static void forged_objects_are_bounded_and_sound(void **state)
{
	static struct world w;

	(void)state;
	for (int round = 0; round < 6000; round++) {
		uint8_t *garbage;

		make_world(&w, &versions[make_below(VERSIONS)]);
		cache(&w, make_below(6));
		for (uint32_t n = 1 + make_below(40); n--;) {
			bool heap = make_below(2);
			uint64_t end = heap ? w.heap_end - HEAP : w.data_end - DATA;
			uint64_t at = 8 * make_below((uint32_t)(end / 8));
			uint64_t word = make_random();

			switch (make_below(5)) {
			case 0:
				word = HEAP + 8 * make_below(HEAP_BYTES / 8);
				break;
			case 1:
				word = DATA + 8 * make_below(DATA_BYTES / 8);
				break;
			case 2:
				word = make_below(100);
				break;
			case 3: /* another's word */
				memcpy(&word,
				       (heap ? w.heap : w.data) +
					       8 * make_below((uint32_t)(end / 8)),
				       8);
				break;
			}
			memcpy((heap ? w.heap : w.data) + at, &word, 8);
		}
		if (make_below(4) == 0) /* names without an end */
			memset(w.data + (w.data_end - DATA), 'x',
			       DATA_BYTES - (w.data_end - DATA));
		assert_int_equal(find(&w), 0);
		assert_true(heap_graph_is_sound(&w.g));
		garbage = malloc(w.g.blocks.count + 1);
		assert_int_equal(heap_cpython_garbage(&w.g, garbage), 0);
		free(garbage);
		for (size_t i = 1; i < w.g.types.count; i++)
			assert_true(strlen(strings_get(&w.names,
						       w.g.types.items[i].name)) < 600);
		done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_of_each_version_are_known),
		cmocka_unit_test(pointers_have_the_names_of_keys_and_attributes),
		cmocka_unit_test(links_are_cut),
		cmocka_unit_test(what_looks_like_an_object_is_none),
		cmocka_unit_test(items_of_a_tuple_are_held),
		cmocka_unit_test(kept_objects_are_unused),
		cmocka_unit_test(counts_have_their_own_bits),
		cmocka_unit_test(results_in_a_cache_are_the_caches),
		cmocka_unit_test(links_of_tasks_are_cut),
		cmocka_unit_test(a_broken_ring_has_an_end),
		cmocka_unit_test(forged_objects_are_bounded_and_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
