#include "cli/heap/cpython.h"

#include "cli/base/array.h"
#include "cli/heap/cpython_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As the headers of 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1, 3.13.0, 3.14.10 and 3.15.2
 * have it. */
static const struct cpython_shape shapes[] = {
	/* version; text; type: qualified name, keys; function's, code's name; old;
	 * code: names, count, stack; frame: code, locals; generator's frame;
	 * frame's words; tuple's items */
	{0x308, 48, 72, 864, 872, 104, 112, true, 72, 28, 32, 32, 360, 0, 0, 24},
	{0x309, 48, 72, 856, 864, 104, 112, true, 72, 28, 32, 32, 360, 0, 0, 24},
	{0x30a, 48, 72, 864, 872, 40, 112, true, 72, 28, 32, 32, 352, 0, 0, 24},
	{0x30b, 48, 72, 864, 872, 40, 120, false, 96, 76, 68, 32, 72, 80, 9, 24},
	{0x30c, 40, 56, 872, 880, 40, 120, false, 96, 72, 64, 0, 72, 72, 9, 24},
	{0x30d, 40, 56, 872, 880, 40, 120, false, 96, 72, 64, 0, 72, 72, 9, 24},
	{0x30e, 40, 56, 872, 880, 40, 120, false, 96, 72, 64, 0, 72, 72, 10, 32},
	{0x30f, 40, 56, 880, 888, 40, 120, false, 96, 72, 64, 0, 72, 72, 10, 32},
};

enum {
	META_MAX = 8,	     /* types of types */
	BASIC_MAX = 1 << 24, /* bytes of an object, without items */
	ITEM_MAX = 1 << 20,
	SLACK = 16,	       /* a block may be larger than its object by that */
	VALUES_MAX = 512,      /* bytes of values at an object's end, 3.13 */
	MANY_COUNTS = 1 << 16, /* a count above may be an address */
};
#define COUNT_FLAGS (0xffull << 48)

static const struct cpython_shape *shape_of(uint32_t version)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		if (shapes[i].version == version)
			return &shapes[i];
	return NULL;
}

bool heap_cpython_knows(uint32_t version)
{
	return shape_of(version) != NULL;
}

/* ---- types --------------------------------------------------------------- */

/* Whether a type may be at an address: in a module's data, or in a block that has room
 * for one. Most words fail here. */
static bool may_be_type(const struct cpython_scan *s, uint64_t address)
{
	const struct heap_modules *m = s->modules;
	uint64_t into;
	uint32_t block;

	if (address % WORD || address < 4096)
		return false;
	block = cpython_block(s, address, &into);
	if (block != HEAP_NONE)
		return into <= 2 * GC_HEAD && into % GC_HEAD == 0 &&
		       s->g->blocks.items[block].size - into >= TYPE_BYTES;
	for (size_t i = 0; i < m->segment_count; i++)
		if (address >= m->segments[i].start && address < m->segments[i].end)
			return true;
	return false;
}

static uint64_t type_of(struct cpython_scan *s, uint64_t object)
{
	return heap_peek_word(s->memory, object + 8);
}

uint64_t cpython_flags_of(struct cpython_scan *s, uint64_t object)
{
	uint64_t type = type_of(s, object);

	return type && may_be_type(s, type)
		       ? heap_peek_word(s->memory, type + TYPE_FLAGS)
		       : 0;
}

/* Whether the type's own type leads to `type` itself, by types of types. */
static bool is_type(struct cpython_scan *s, uint64_t address)
{
	uint64_t meta = type_of(s, address);

	for (int i = 0; i < META_MAX && meta; i++) {
		if (meta == s->type_type)
			return true;
		if (!may_be_type(s, meta) ||
		    !(heap_peek_word(s->memory, meta + TYPE_FLAGS) & CPYTHON_TYPE))
			return false;
		meta = type_of(s, meta);
	}
	return false;
}

uint32_t cpython_name(struct cpython_scan *s, const char *text)
{
	uint32_t count = (uint32_t)s->names->count, number;

	if (s->text_bytes > CPYTHON_NAMES_MAX)
		return 0;
	number = strings_add(s->names, text);
	if (number != UINT32_MAX && number >= count)
		s->text_bytes += strlen(text) + 1;
	return number;
}

/* "module.Class.Inner" of a class, whose own name is the last part alone. */
static bool class_name(struct cpython_scan *s, uint64_t type, char *buffer, size_t room)
{
	char module[CPYTHON_NAME_MAX] = "", name[CPYTHON_NAME_MAX];
	uint64_t dict = heap_peek_word(s->memory, type + TYPE_DICT), value = 0;
	uint64_t qualname = heap_peek_word(s->memory, type + s->shape->type_qualname);
	struct cpython_keys keys;

	if (!qualname || !cpython_text(s, qualname, name, sizeof(name)) || !*name)
		return false;
	if (cpython_flags_of(s, dict) & CPYTHON_DICT &&
	    cpython_keys_read(s, heap_peek_word(s->memory, dict + 32), &keys))
		value = cpython_keys_find(s, &keys, "__module__");
	if (!value || !cpython_text(s, value, module, sizeof(module)) ||
	    !strcmp(module, "builtins"))
		*module = '\0';
	snprintf(buffer, room, "%s%s%s", module, *module ? "." : "", name);
	return true;
}

static bool type_name(struct cpython_scan *s, uint64_t type, uint64_t flags,
		      char *buffer, size_t room)
{
	uint64_t at = heap_peek_word(s->memory, type + TYPE_NAME);

	if (!at || !cpython_c_text(s, at, buffer, room))
		return false;
	if (flags & CPYTHON_HEAP_TYPE && !strchr(buffer, '.'))
		class_name(s, type, buffer, room);
	return true;
}

/* What its insides are as, by its flags, else by the static type that it is based on. */
static enum cpython_family family_of(struct cpython_scan *s, uint64_t type,
				     uint64_t flags)
{
	static const struct {
		const char *name;
		enum cpython_family family;
	} known[] = {{"frozendict", CPYTHON_A_DICT}, /* 3.15; its hash is behind it */
		     {"set", CPYTHON_A_SET},
		     {"frozenset", CPYTHON_A_SET},
		     {"module", CPYTHON_A_MODULE},
		     {"function", CPYTHON_A_FUNCTION},
		     {"code", CPYTHON_A_CODE},
		     {"weakref", CPYTHON_A_WEAKREF},
		     {"weakref.ReferenceType", CPYTHON_A_WEAKREF},
		     {"weakref.ProxyType", CPYTHON_A_WEAKREF},
		     {"weakref.CallableProxyType", CPYTHON_A_WEAKREF},
		     {"weakproxy", CPYTHON_A_WEAKREF},
		     {"weakcallableproxy", CPYTHON_A_WEAKREF},
		     {"collections.deque", CPYTHON_A_DEQUE},
		     {"functools._lru_cache_wrapper", CPYTHON_A_CACHE},
		     {"frame", CPYTHON_A_FRAME},
		     {"generator", CPYTHON_A_GENERATOR},
		     {"coroutine", CPYTHON_A_GENERATOR},
		     {"async_generator", CPYTHON_A_GENERATOR},
		     {"_asyncio.Task", CPYTHON_A_TASK},
		     {"bytearray", CPYTHON_A_BYTEARRAY},
		     {"array.array", CPYTHON_AN_ARRAY}};
	char name[CPYTHON_NAME_MAX];

	if (flags & CPYTHON_TYPE)
		return CPYTHON_A_TYPE;
	if (flags & CPYTHON_LIST)
		return CPYTHON_A_LIST;
	if (flags & CPYTHON_TUPLE)
		return CPYTHON_A_TUPLE;
	if (flags & CPYTHON_DICT)
		return CPYTHON_A_DICT;
	if (flags & CPYTHON_TEXT)
		return CPYTHON_A_TEXT;
	if (flags & CPYTHON_LONG)
		return CPYTHON_A_LONG;
	if (flags & CPYTHON_EXCEPTION)
		return CPYTHON_AN_EXCEPTION;
	for (int i = 0; i < CPYTHON_BASES && type && may_be_type(s, type); i++) {
		uint64_t at = heap_peek_word(s->memory, type + TYPE_NAME);

		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			if (at && cpython_c_text(s, at, name, sizeof(name)) &&
			    !strcmp(name, known[k].name))
				return known[k].family;
		type = heap_peek_word(s->memory, type + TYPE_BASE);
	}
	return CPYTHON_PLAIN;
}

static uint16_t before_of(const struct cpython_scan *s, uint64_t flags)
{
	uint64_t in_front = 0;

	if (s->shape->version >= 0x30b)
		in_front |= CPYTHON_MANAGED_DICT;
	if (s->shape->version >= 0x30c)
		in_front |= CPYTHON_MANAGED_WEAKREF;
	return (uint16_t)((flags & CPYTHON_GC ? GC_HEAD : 0) +
			  (flags & in_front ? 2 * WORD : 0));
}

/* What is at an offset of the objects has a name. */
static int add_field(struct cpython_scan *s, const struct cpython_kind *k,
		     int64_t offset, const char *text)
{
	struct heap_field f = {.type = k->type,
			       .part = k->family == CPYTHON_A_TUPLE ? HEAP_TUPLE
								    : HEAP_WHOLE};
	int64_t at = offset + k->before;

	if (at < 0 || at > BASIC_MAX)
		return 0;
	for (size_t i = s->g->types.field_count; i-- > 0;) {
		const struct heap_field *x = &s->g->types.fields[i];

		if (x->type != k->type)
			break;
		if (x->offset == (uint64_t)at)
			return 0; /* the class's own, before its base's */
	}
	f.offset = (uint32_t)at;
	f.name = cpython_name(s, text);
	return f.name == UINT32_MAX ? -ENOMEM
	       : f.name		    ? heap_types_add_field(&s->g->types, &f)
				    : 0;
}

/* The table of a type's members: slots of classes, and what C says of its objects. */
static int add_members(struct cpython_scan *s, const struct cpython_kind *k,
		       uint64_t type)
{
	enum { ENTRY = 40, OBJECT = 6, OBJECT_EX = 16 };
	uint64_t at = heap_peek_word(s->memory, type + TYPE_MEMBERS), name, entry[3];
	char text[CPYTHON_NAME_MAX];
	int r = 0;

	for (int i = 0; !r && at && i < CPYTHON_MEMBERS; i++, at += ENTRY) {
		if (!heap_peek(s->memory, at, entry, sizeof(entry)) || !entry[0])
			break;
		name = entry[0];
		entry[1] &= UINT32_MAX;
		if ((entry[1] == OBJECT || entry[1] == OBJECT_EX) &&
		    cpython_c_text(s, name, text, sizeof(text)))
			r = add_field(s, k, (int64_t)entry[2], text);
	}
	return r;
}

static const struct {
	enum cpython_family family;
	uint16_t version, until; /* first, last; 0: any */
	uint16_t offset;
	const char *name;
} own_fields[] = {
	{CPYTHON_A_TYPE, 0, 0, TYPE_DICT, "__dict__"},
	{CPYTHON_A_TYPE, 0, 0, 256, "__base__"},
	{CPYTHON_A_TYPE, 0, 0, 336, "__bases__"},
	{CPYTHON_A_TYPE, 0, 0, 344, "__mro__"},
	{CPYTHON_A_MODULE, 0, 0, 16, "__dict__"},
	{CPYTHON_AN_EXCEPTION, 0, 0, 24, "args"},
	{CPYTHON_AN_EXCEPTION, 0, 0x30a, 32, "__traceback__"},
	{CPYTHON_AN_EXCEPTION, 0, 0x30a, 40, "__context__"},
	{CPYTHON_AN_EXCEPTION, 0, 0x30a, 48, "__cause__"},
	{CPYTHON_AN_EXCEPTION, 0x30b, 0, 40, "__traceback__"},
	{CPYTHON_AN_EXCEPTION, 0x30b, 0, 48, "__context__"},
	{CPYTHON_AN_EXCEPTION, 0x30b, 0, 56, "__cause__"},
	{CPYTHON_A_FRAME, 0, 0x30a, 24, "f_back"},
	{CPYTHON_A_FRAME, 0, 0x30a, 48, "f_globals"},
	{CPYTHON_A_FUNCTION, 0, 0x309, 16, "__code__"},
	{CPYTHON_A_FUNCTION, 0, 0x309, 32, "__defaults__"},
	{CPYTHON_A_FUNCTION, 0, 0x309, 40, "__kwdefaults__"},
	{CPYTHON_A_FUNCTION, 0, 0x309, 96, "__annotations__"},
	{CPYTHON_A_FUNCTION, 0x30a, 0, 48, "__code__"},
	{CPYTHON_A_FUNCTION, 0x30a, 0, 56, "__defaults__"},
	{CPYTHON_A_FUNCTION, 0x30a, 0, 64, "__kwdefaults__"},
	{CPYTHON_A_FUNCTION, 0x30a, 0, 112, "__annotations__"},
	{CPYTHON_A_FUNCTION, 0x30c, 0x30d, 120, "__type_params__"},
	{CPYTHON_A_FUNCTION, 0x30e, 0, 120, "__annotate__"},
	{CPYTHON_A_FUNCTION, 0x30e, 0, 128, "__type_params__"},
	{CPYTHON_A_CACHE, 0, 0, 72, "cache"},
	{CPYTHON_A_CACHE, 0, 0, 88, "__wrapped__"},
};

/* Fields of a type, its own before those of what it is based on. */
static int add_fields(struct cpython_scan *s, const struct cpython_kind *k)
{
	uint64_t type = k->address;
	char name[CPYTHON_NAME_MAX];
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(own_fields) / sizeof(*own_fields); i++)
		if (own_fields[i].family == k->family &&
		    own_fields[i].version <= s->shape->version &&
		    (!own_fields[i].until || own_fields[i].until >= s->shape->version))
			r = add_field(s, k, own_fields[i].offset, own_fields[i].name);
	if (!r && k->dict)
		r = add_field(s, k, k->dict, "__dict__");
	for (int i = 0; !r && i < CPYTHON_BASES && type && may_be_type(s, type); i++) {
		r = add_members(s, k, type);
		if (!r && heap_peek_word(s->memory, type + TYPE_NAME) &&
		    cpython_c_text(s, heap_peek_word(s->memory, type + TYPE_NAME), name,
				   sizeof(name)) &&
		    !strcmp(name, "cell"))
			r = add_field(s, k, 16, "cell_contents");
		type = heap_peek_word(s->memory, type + TYPE_BASE);
	}
	return r;
}

/* Where objects have their dictionary; those that count from the end are none of ours.
 */
static int64_t dict_offset(const struct cpython_scan *s, const struct cpython_kind *k,
			   uint64_t raw)
{
	if (s->shape->version >= 0x30b && k->flags & CPYTHON_MANAGED_DICT)
		return -3 * WORD;
	return (int64_t)raw > 0 && raw < BASIC_MAX ? (int64_t)raw : 0;
}

/* Looks at a type; false: there is none. */
static bool examine(struct cpython_scan *s, uint64_t address, struct cpython_kind *ret,
		    char *name, size_t room)
{
	unsigned char raw[TYPE_BYTES];
	uint64_t weak, dict;

	if (!is_type(s, address) || !heap_peek(s->memory, address, raw, sizeof(raw)))
		return false;
	*ret = (struct cpython_kind){.address = address};
	memcpy(&ret->flags, raw + TYPE_FLAGS, 8);
	memcpy(&ret->basic_size, raw + TYPE_BASIC_SIZE, 8);
	memcpy(&ret->item_size, raw + TYPE_ITEM_SIZE, 8);
	memcpy(&weak, raw + TYPE_WEAK_LIST, 8);
	memcpy(&dict, raw + TYPE_DICT_OFFSET, 8);
	/* (That it is ready is taken back as the interpreter is taken down.) */
	if (ret->basic_size < 16 || ret->basic_size > BASIC_MAX ||
	    ret->item_size > ITEM_MAX || !type_name(s, address, ret->flags, name, room))
		return false;
	ret->before = before_of(s, ret->flags);
	ret->family = family_of(s, address, ret->flags);
	ret->dict = dict_offset(s, ret, dict);
	ret->weak_list =
		(int64_t)weak > 0 && weak < ret->basic_size ? (int64_t)weak : 0;
	if (s->shape->version >= 0x30c && ret->flags & CPYTHON_MANAGED_WEAKREF)
		ret->weak_list = -4 * WORD;
	if (ret->flags & CPYTHON_HEAP_TYPE)
		ret->keys = heap_peek_word(s->memory, address + s->shape->type_keys);
	return true;
}

/* Its number in kinds; 0: it is none, -ENOMEM. */
static int64_t new_kind(struct cpython_scan *s, uint64_t address)
{
	char name[2 * CPYTHON_NAME_MAX + 2];
	struct heap_type type = {.origin = HEAP_BY_PYTHON, .address = address};
	struct cpython_kind k;
	int64_t number;

	if (!examine(s, address, &k, name, sizeof(name)))
		return 0;
	type.name = cpython_name(s, name);
	if (type.name == UINT32_MAX || !(k.type = heap_types_add(&s->g->types, &type)))
		return -ENOMEM;
	number = (int64_t)(s->kind_count ? s->kind_count : 1);
	if (array_reserve(&s->kinds, &s->kind_room, (size_t)number + 1) < 0 ||
	    add_fields(s, &k) < 0)
		return -ENOMEM;
	s->kinds[number] = k;
	s->kind_count = (size_t)number + 1;
	return number;
}

const struct cpython_kind *cpython_kind(struct cpython_scan *s, uint64_t address)
{
	uint64_t *known;
	int64_t number;

	known = table_get(&s->known, (struct table_key){address, 0});
	if (known)
		return *known ? &s->kinds[*known] : NULL;
	if (!may_be_type(s, address))
		return NULL;
	known = table_put(&s->known, (struct table_key){address, 0}, NULL);
	if (!known)
		return NULL;
	number = new_kind(s, address); /* which asks for no other kind */
	*known = number > 0 ? (uint64_t)number : 0;
	return *known ? &s->kinds[*known] : NULL;
}

/* ---- objects ------------------------------------------------------------- */

/* Whether an object of the kind can be so large. */
static bool fits(const struct cpython_scan *s, const struct cpython_kind *k,
		 uint64_t size, uint64_t items)
{
	uint64_t most = k->basic_size + SLACK;

	if (k->family == CPYTHON_A_TEXT)
		return size >= s->shape->text_short;
	if (size < k->basic_size)
		return false;
	if (k->family == CPYTHON_A_TUPLE && k->item_size == WORD)
		return items <= (size - k->basic_size) / WORD;
	if (s->shape->version >= 0x30d && k->flags & CPYTHON_INLINE_VALUES)
		most += VALUES_MAX;
	return k->item_size || size <= most;
}

/* From 3.14 on what is freed and kept begins with the address of the next such one, of
 * the same type. */
static bool is_kept(struct cpython_scan *s, const uint64_t *object)
{
	struct heap_hit hit;

	return s->shape->version >= 0x30e && object[0] >= MANY_COUNTS &&
	       heap_blocks_hit(&s->g->blocks, object[0], &hit) &&
	       type_of(s, object[0]) == object[1];
}

/* A count that is an address belongs to no object. From 3.12 on one whose 32 bits have
 * the highest set is never counted; from 3.14 on it has flags beside. */
static bool count_of(struct cpython_scan *s, const uint64_t *object, uint32_t *ret)
{
	uint64_t word = object[0];
	struct heap_hit hit;

	if (is_kept(s, object)) {
		*ret = 0;
		return true;
	}
	if (s->shape->version >= 0x30e)
		word &= ~COUNT_FLAGS;
	if (s->shape->version >= 0x30c && (uint32_t)word >> 31) {
		*ret = HEAP_UNCOUNTED;
		return word >> 32 == 0;
	}
	*ret = word < HEAP_UNCOUNTED ? (uint32_t)word : HEAP_UNCOUNTED;
	return word < HEAP_UNCOUNTED &&
	       (word < MANY_COUNTS || !heap_blocks_hit(&s->g->blocks, word, &hit));
}

/* Whether words, from the block's first, are an object that begins at `at`. */
static bool is_object(struct cpython_scan *s, const struct heap_block *b,
		      const uint64_t *words, uint16_t at, struct heap_what *ret)
{
	const uint64_t *object = words + at / WORD;
	const struct cpython_kind *k;
	uint32_t count;

	if (b->size < at + 16u || !count_of(s, object, &count))
		return false;
	k = cpython_kind(s, object[1]);
	if (!k || k->before != at || !fits(s, k, b->size - at, object[2]))
		return false;
	*ret = (struct heap_what){.type = k->type,
				  .count = count,
				  .at = at,
				  .part = k->family == CPYTHON_A_TUPLE ? HEAP_TUPLE
								       : HEAP_WHOLE};
	if (k->flags & CPYTHON_GC) {
		ret->state |= HEAP_COLLECTED;
		ret->state |= words[at / WORD - 2] ? HEAP_TRACKED : 0;
	}
	if (k->family == CPYTHON_A_TUPLE && s->shape->version >= 0x30e)
		ret->state |= HEAP_HASHED;
	ret->state |= count ? 0 : HEAP_UNUSED;
	return true;
}

static void find_objects(struct cpython_scan *s)
{
	const struct heap_blocks *b = &s->g->blocks;

	for (size_t i = 0; i < b->count; i++) {
		const struct heap_block *x = &b->items[i];
		uint64_t words[2 * GC_HEAD / WORD + 3] = {0};
		size_t len = x->size < sizeof(words) ? x->size & ~7ull : sizeof(words);

		if (len < 16 || x->flags & HEAP_MAPPED || x->address % WORD ||
		    !heap_peek(s->memory, x->address, words, len))
			continue;
		for (uint16_t at = 0; at <= 2 * GC_HEAD; at += GC_HEAD)
			if (is_object(s, x, words, at, &s->g->types.what[i]))
				break;
	}
}

/* `type` is its own type. It is found by what blocks have where an object's type would
 * be, and by its name. */
static bool is_type_type(struct cpython_scan *s, uint64_t at)
{
	char name[CPYTHON_NAME_MAX];

	return may_be_type(s, at) && type_of(s, at) == at &&
	       heap_peek_word(s->memory, at + TYPE_FLAGS) & CPYTHON_TYPE &&
	       cpython_c_text(s, heap_peek_word(s->memory, at + TYPE_NAME), name,
			      sizeof(name)) &&
	       !strcmp(name, "type");
}

static bool find_type_type(struct cpython_scan *s)
{
	const struct heap_blocks *b = &s->g->blocks;

	for (size_t i = 0; i < b->count; i++)
		for (uint64_t at = 0; at <= 2 * GC_HEAD; at += GC_HEAD) {
			uint64_t type, meta;

			if (b->items[i].size < at + 16 || b->items[i].address % WORD)
				break;
			type = type_of(s, b->items[i].address + at);
			meta = may_be_type(s, type) ? type_of(s, type) : 0;
			if (meta && is_type_type(s, meta)) {
				s->type_type = meta;
				return true;
			}
		}
	return false;
}

/* ---- all of it ----------------------------------------------------------- */

/* The way from types to kinds. */
static int number_kinds(struct cpython_scan *s)
{
	s->kind_of = calloc(s->g->types.count + 1, sizeof(*s->kind_of));
	if (!s->kind_of || array_reserve(&s->kinds, &s->kind_room, 1) < 0)
		return -ENOMEM;
	for (size_t i = 1; i < s->kind_count; i++)
		s->kind_of[s->kinds[i].type] = (uint32_t)i;
	return 0;
}

static int find(struct cpython_scan *s)
{
	int r;

	if (!find_type_type(s))
		return 0;
	s->g->types.what = calloc(s->g->blocks.count + 1, sizeof(*s->g->types.what));
	if (!s->g->types.what)
		return -ENOMEM;
	find_objects(s);
	r = number_kinds(s);
	if (r)
		return r;
	cpython_disown(s);
	r = cpython_cut(s);
	if (!r)
		r = cpython_parts(s);
	heap_types_seal(&s->g->types);
	return r ? r : cpython_count(s);
}

int heap_cpython_find(struct heap_graph *g, struct strings *names,
		      const struct heap_modules *modules, struct heap_peek *memory,
		      uint32_t version)
{
	struct cpython_scan s = {.g = g,
				 .names = names,
				 .modules = modules,
				 .memory = memory,
				 .shape = shape_of(version)};
	int r;

	if (!s.shape || !g->blocks.count)
		return 0;
	r = find(&s);
	table_done(&s.known);
	free(s.kinds);
	free(s.kind_of);
	free(s.stacks);
	return r;
}
