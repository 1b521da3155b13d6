/*
 * cpython_scan.h - what the parts of the search for Python's objects share. For
 * cpython*.c alone.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/heap/cpython.h"

struct cpython_shape { /* offsets, bytes */
	uint16_t version;
	uint16_t text_short, text_long; /* str: its characters, ASCII or not */
	uint16_t type_qualname, type_keys;
	uint16_t function_qualname;
	uint16_t code_name;
	bool old_keys; /* keys tables, and frames, as up to 3.10 */
	uint16_t code_names, code_count, code_stack;
	uint16_t frame_code, frame_locals;
	uint16_t generator_frame; /* since 3.11 */
	uint16_t frame_words;	  /* a frame's own, in front of its variables */
	uint16_t tuple_items;
};

enum cpython_flag { /* tp_flags, since 3.8 but where it is said */
		    CPYTHON_INLINE_VALUES = 1 << 2,   /* 3.13 */
		    CPYTHON_MANAGED_WEAKREF = 1 << 3, /* 3.12 */
		    CPYTHON_MANAGED_DICT = 1 << 4,    /* 3.11 */
		    CPYTHON_HEAP_TYPE = 1 << 9,
		    CPYTHON_GC = 1 << 14,
		    CPYTHON_LONG = 1 << 24,
		    CPYTHON_LIST = 1 << 25,
		    CPYTHON_TUPLE = 1 << 26,
		    CPYTHON_TEXT = 1 << 28,
		    CPYTHON_DICT = 1 << 29,
		    CPYTHON_EXCEPTION = 1 << 30,
};
#define CPYTHON_TYPE (1ull << 31)

enum { /* PyTypeObject, of all these versions */
       TYPE_NAME = 24,
       TYPE_BASIC_SIZE = 32,
       TYPE_ITEM_SIZE = 40,
       TYPE_FLAGS = 168,
       TYPE_WEAK_LIST = 208,
       TYPE_MEMBERS = 240,
       TYPE_BASE = 256,
       TYPE_DICT = 264,
       TYPE_DICT_OFFSET = 288,
       TYPE_BYTES = 408,
       GC_HEAD = 16,
       WORD = 8,
};

enum cpython_family { /* whose insides are known */
		      CPYTHON_PLAIN,
		      CPYTHON_A_TYPE,
		      CPYTHON_A_DICT,
		      CPYTHON_A_LIST,
		      CPYTHON_A_TUPLE,
		      CPYTHON_A_TEXT,
		      CPYTHON_A_LONG,
		      CPYTHON_A_SET,
		      CPYTHON_A_MODULE,
		      CPYTHON_A_FUNCTION,
		      CPYTHON_A_CODE,
		      CPYTHON_A_WEAKREF,
		      CPYTHON_A_BYTEARRAY,
		      CPYTHON_AN_ARRAY,
		      CPYTHON_A_DEQUE,
		      CPYTHON_A_CACHE,
		      CPYTHON_A_FRAME,
		      CPYTHON_A_GENERATOR,
		      CPYTHON_A_TASK,
		      CPYTHON_AN_EXCEPTION,
};

struct cpython_kind { /* a type of the program's */
	uint64_t address, flags;
	uint64_t basic_size, item_size;
	int64_t weak_list, dict; /* offsets; 0: none */
	uint32_t type;		 /* of heap_types */
	uint16_t before;	 /* bytes in front of an object */
	enum cpython_family family;
	uint64_t keys; /* the table that instances share; 0: none */
};

struct cpython_stack { /* a piece of a thread's frames */
	uint32_t block;
	uint64_t top; /* from its beginning */
};

struct cpython_scan {
	struct heap_graph *g;
	struct strings *names;
	const struct heap_modules *modules;
	struct heap_peek *memory;
	const struct cpython_shape *shape;
	uint64_t type_type;
	struct table known; /* address of a type -> number in kinds; 0: it is none */
	struct cpython_kind *kinds; /* the first is none */
	size_t kind_count, kind_room;
	uint32_t *kind_of; /* of types, once all blocks were seen */
	struct cpython_stack *stacks;
	size_t stack_count, stack_room;
	size_t text_bytes; /* of names taken from the program */
};

enum {
	CPYTHON_TEXT_MAX = 64,	      /* characters of a key or an object's name */
	CPYTHON_NAME_MAX = 256,	      /* bytes of a type's */
	CPYTHON_NAMES_MAX = 64 << 20, /* bytes of all of them */
	CPYTHON_BASES = 32,
	CPYTHON_MEMBERS = 256,
};

/* The block that an address is in, and how far; HEAP_NONE. */
static inline uint32_t cpython_block(const struct cpython_scan *s, uint64_t address,
				     uint64_t *ret_into)
{
	uint32_t i = heap_blocks_around(&s->g->blocks, address);

	if (i != HEAP_NONE)
		*ret_into = address - s->g->blocks.items[i].address;
	return i;
}

/* The type at an address, or NULL: there is none. Valid until the next call. */
const struct cpython_kind *cpython_kind(struct cpython_scan *s, uint64_t address);

/* Flags of the type of the object at an address; 0: none. */
uint64_t cpython_flags_of(struct cpython_scan *s, uint64_t object);

/* A name in the graph; 0 for "", too many or too long ones, UINT32_MAX: no memory. */
uint32_t cpython_name(struct cpython_scan *s, const char *text);

/* ---- cpython_text.c ---- */

/* The text of a str in UTF-8, cut to CPYTHON_TEXT_MAX characters. False: it is none, or
 * has characters that are no text. */
bool cpython_text(struct cpython_scan *s, uint64_t object, char *buffer, size_t room);

/* A NUL-terminated one of bytes, as C has it; cut with "...". */
bool cpython_c_text(struct cpython_scan *s, uint64_t at, char *buffer, size_t room);

/* What a key is written as, and whether it is a text. */
bool cpython_key(struct cpython_scan *s, uint64_t object, char *buffer, size_t room,
		 bool *ret_text);

/* ---- cpython_keys.c ---- */

struct cpython_keys { /* a dictionary's table of keys */
	uint64_t at, entries, count;
	uint32_t stride, key, value; /* of an entry; value 0: it has none */
};

/* False: there is none. */
bool cpython_keys_read(struct cpython_scan *s, uint64_t at, struct cpython_keys *ret);

/* The value of a text key, of a table that is not split; 0: it has none. */
uint64_t cpython_keys_find(struct cpython_scan *s, const struct cpython_keys *k,
			   const char *key);

/* The key of an entry; 0. */
uint64_t cpython_keys_key(struct cpython_scan *s, const struct cpython_keys *k,
			  uint64_t i);

/* ---- cpython_cut.c ---- */

/* With all objects known: pointers that hold nothing are cut, or doubted. 0, -ENOMEM. */
int cpython_cut(struct cpython_scan *s);

/* The pointer of an edge is one of what is no more. */
static inline void cpython_bury(struct heap_graph *g, uint32_t edge)
{
	g->edges.how[edge] =
		(uint16_t)((g->edges.how[edge] & ~HEAP_HOW_MASK) | HEAP_DEAD);
}

/* With all parts known: where an object counts as many references as other objects are
 * known to hold, any other pointer to it is borrowed, or left over. 0 or -ENOMEM. */
int cpython_count(struct cpython_scan *s);

/* ---- cpython_frames.c ---- */

/* Label the variables of a frame object, of a generator and its kin, and of all frames
 * of a stack's piece. 0 or -ENOMEM. */
int cpython_see_frame(struct cpython_scan *s, uint32_t block, uint64_t object);
int cpython_see_generator(struct cpython_scan *s, uint32_t block, uint64_t object);
int cpython_see_stack(struct cpython_scan *s, uint32_t block, uint64_t top);

/* ---- cpython_parts.c ---- */

/* Before anything is cut: what is a part after all is no object. */
void cpython_disown(struct cpython_scan *s);

/* With all objects known: blocks that are parts of theirs, and labels. */
int cpython_parts(struct cpython_scan *s);
