/*
 * python_deep.h - python_walk.c's part for stacks that are cut, and for those that are
 * deeper than there is room for: see python_walk.h.
 */
#pragma once

#include "preload/python_frame.h"
#include "preload/python_walk.h"

/* The node of the stack, where the kept one is cut or this one is; 0: no room. */
uint32_t python_deep_take(struct python_walk *w, void *base, uintptr_t first);

/* python_is_as_before() for a kept stack that is cut: f is one of the frames that are
 * told. */
bool python_deep_is_as_before(layout l, const struct python_walk *w,
			      const struct python_frame *f);

/* ---- python_walk.c's ----------------------------------------------------- */

/* What the frame is now; caller: the number of the code outside of it. */
void python_walk_read(layout l, struct python_frame *f, uint32_t caller);

uint32_t python_walk_node(layout l, struct python_walk *w, void *base,
			  const struct python_frame *f, bool link_outside,
			  uint32_t outside);

/* The number of the code outside of a kept frame. */
uint32_t python_walk_caller(const struct python_walk *w, uint32_t frame);

static inline uint16_t *python_walk_index(struct python_walk *w, uintptr_t frame)
{
	return &w->index[(frame >> 4 ^ frame >> 13) & (PYTHON_INDEX - 1)];
}

/* Where the frame is kept, or -1. */
static inline int python_walk_find(struct python_walk *w, uintptr_t frame)
{
	uint32_t i = *python_walk_index(w, frame);

	return i < w->count && w->frames[i].frame == frame ? (int)i : -1;
}
