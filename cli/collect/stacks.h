/*
 * stacks.h - private, checked copies of the stack tree's nodes.
 *
 * A wire node is read once, when an event first names it or a node above it. Equal
 * nodes (the wire may hold several) share one copy. Copies are numbered as
 * profile.stacks will be: 0 is the root, parents come first.
 *
 * A node's first children are chained behind it, where they are found without a hash of
 * what they are: most nodes have few. The others are in a table.
 *
 * A pair of a native and a Python stack (wire.h) is copied as the one stack that it
 * stands for. What lies outside of its innermost frame is, mostly, a pair that was put
 * together before: so that is looked for first, frame by frame.
 */
#pragma once

#include "cli/base/table.h"
#include "cli/collect/python_stack.h"
#include "preload/wire.h"

struct stacks_node {
	uint64_t pc;
	uint32_t parent;
	uint32_t module; /* number of a wire module, below WIRE_MODULES; 0: none */
	uint32_t flags;	 /* enum profile_stack_flag, and STACKS_PYTHON */
	uint32_t child;	 /* the first of the chain; 0: none */
	uint32_t next;	 /* in the parent's chain; 0: the last */
};

/* A Python frame: module is the number of a wire code, pc an offset into it. */
#define STACKS_PYTHON (1u << 8)

struct stacks {
	void *base;	  /* the wire */
	uint32_t
		*copies; /* of wire nodes: number of the copy + 1; WIRE_NODES of them */
	struct stacks_node *nodes;
	size_t count, room;
	struct table known; /* contents -> number, of those that are in no chain */
	struct stacks_step *path; /* room for the way up to a node that is known */
	size_t path_room;
	struct wire_node *frames; /* likewise, for pairs; NULL at first */
	struct stacks_pair *pairs; /* put together lately; NULL at first */
	struct wire_loop *loops; /* copies of those that are ready */
	uint32_t loop_count, loops_seen;
	bool has_python;
};

/* 0 or -ENOMEM. */
int stacks_open(struct stacks *s, void *base);
void stacks_done(struct stacks *s);

/* The copy of a wire node; of the root, if the number is none that the target has
 * handed out, or its parents do not descend. 0 or -ENOMEM. */
int stacks_copy(struct stacks *s, uint32_t node, uint32_t *ret);
