/*
 * tree.h - the stack tree in shared memory: stacks become small numbers.
 *
 * A lock-free prefix tree, shared by all threads of all processes of a session
 * (layout in wire.h). A node is looked up by (parent, pc, flags, module) and never
 * changes once its number is in the index. Safe in signal handlers; a thread that
 * dies half-way leaves at most a node that nothing refers to.
 */
#pragma once

#include "preload/unwind.h"

/* The node of a stack of n frames, innermost first. Where the tree is full the
 * innermost frames are left out and the cut is counted in the header. */
uint32_t tree_intern(void *base, const struct unwind_frame *frames, size_t n);

/* The node of the child `key`, made if it is new; 0: there is no room, and
 * tree_count_cut() counts the stack that is cut. */
uint32_t tree_child(void *base, const struct wire_node *key);
void tree_count_cut(void *base);
