/*
 * types.h - what blocks are: the types that a program's own memory tells of, and what
 * its pointers are called.
 *
 * A type has a name and an origin: who told it. Python's objects tell theirs by their
 * headers (cpython.h); whoever finds others (vtables, debug information) adds them to
 * the same table. A block is an object of a type, or part of one: a list's items lie in
 * a block of their own, which is the list's type too, and a part.
 *
 *	what[b].type < count, items[0] is no type; what is NULL or of all blocks
 *	fields ascend by (type, part, offset), labels by edge, called by block
 *
 * Names are strings of whoever has the graph (heap_roots.names).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum heap_origin { HEAP_BY_NOBODY, HEAP_BY_PYTHON, HEAP_ORIGINS };

struct heap_type {
	uint32_t name, origin;
	uint64_t address; /* of what describes it in the process; 0: unknown */
};

enum heap_part {		  /* what a block is of its object */
		 HEAP_WHOLE = 0,  /* the object itself */
		 HEAP_TUPLE = 1,  /* itself, with items at its end */
		 HEAP_ITEMS = 2,  /* its items, from the block's first word */
		 HEAP_KEYS = 3,	  /* a dictionary's keys, often with their values */
		 HEAP_VALUES = 4, /* values of keys that others share */
		 HEAP_TABLE = 5,  /* a set's members */
		 HEAP_BUFFER = 6, /* bytes */
		 HEAP_PARTS
};

enum heap_state {
	HEAP_TRACKED = 1,   /* by its collector of garbage, which knows of it */
	HEAP_COLLECTED = 2, /* its type is one that such a collector may track */
	HEAP_UNUSED = 4,    /* freed by the program, and kept for its next one */
	HEAP_HASHED = 8,    /* a tuple that has a hash in front of its items (3.14) */
	HEAP_STATES = 16,
};

#define HEAP_UNCOUNTED UINT32_MAX /* as many, or more, or none is counted */

struct heap_what {
	uint32_t type;	/* 0: not known */
	uint32_t count; /* references, as the object counts them; of parts 0 */
	uint16_t at;	/* where in the block the object begins, or its values */
	uint8_t part;	/* enum heap_part */
	uint8_t state;	/* enum heap_state */
};

/* A pointer at an offset of all blocks of a type; of values, from the first one. */
struct heap_field {
	uint32_t type, part, offset, name;
};

enum heap_label_kind {
	HEAP_KEY = 0,	  /* a text that is a key: ['name'], .name of a module */
	HEAP_LITERAL = 1, /* another key, as it is written: [3] */
	HEAP_ATTRIBUTE = 2,
	HEAP_THE_KEY = 3, /* this is a key itself; no name */
	HEAP_MEMBER = 4,  /* of a set; no name */
	HEAP_LOCAL = 5,	  /* a frame's variable */
	HEAP_LABEL_KINDS
};

struct heap_label {
	uint32_t edge, name;
	uint8_t kind;
};

struct heap_called { /* a block with a name: a module, a function, a class */
	uint32_t block, name;
};

struct heap_types {
	struct heap_type *items;
	size_t count, room;
	struct heap_what *what;
	struct heap_field *fields;
	size_t field_count, field_room;
	struct heap_label *labels;
	size_t label_count, label_room;
	struct heap_called *called;
	size_t called_count, called_room;
};

/* The number of a new type; 0 without memory. */
uint32_t heap_types_add(struct heap_types *t, const struct heap_type *type);

/* 0 or -ENOMEM; in any order. */
int heap_types_add_field(struct heap_types *t, const struct heap_field *field);
int heap_types_add_label(struct heap_types *t, const struct heap_label *label);
int heap_types_add_called(struct heap_types *t, const struct heap_called *called);

/* Sorts fields, labels and names; of several in one place one stays. */
void heap_types_seal(struct heap_types *t);

/* Whether the invariants above hold, of types that came from outside. */
bool heap_types_are_sound(const struct heap_types *t, size_t blocks, size_t edges);

/* What is known of a block; never NULL. */
const struct heap_what *heap_types_what(const struct heap_types *t, uint32_t block);

/* Where in its block a tuple's items begin. */
static inline uint64_t heap_tuple_items(const struct heap_what *w)
{
	return w->at + (w->state & HEAP_HASHED ? 32u : 24u);
}

/* The field of the block at an offset of it, or NULL. */
const struct heap_field *heap_types_field(const struct heap_types *t, uint32_t block,
					  uint64_t offset);

/* The label of an edge, or NULL. */
const struct heap_label *heap_types_label(const struct heap_types *t, uint32_t edge);

/* The string that a block is called by; 0: none. */
uint32_t heap_types_called(const struct heap_types *t, uint32_t block);

void heap_types_done(struct heap_types *t);
