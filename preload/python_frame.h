/*
 * python_frame.h - what is read of an interpreter's frames, where they were seen to be:
 * for python_walk.c, and for recall.c.
 */
#pragma once

#include "preload/probe.h"
#include "preload/python_layout.h"
#include "preload/python_walk.h"

#include <stdbool.h>
#include <stdint.h>

typedef const struct python_layout *layout;

enum { OWNER_LOOP = 3 }; /* from here on: a frame runs no code */

static inline uintptr_t python_load(uintptr_t at, int16_t offset)
{
	return probe_load(at + (uintptr_t)offset);
}

static inline uintptr_t python_outside(layout l, uintptr_t frame)
{
	return python_load(frame, l->frame_outside);
}

static inline uintptr_t python_code(layout l, uintptr_t frame)
{
	uintptr_t code = python_load(frame, l->frame_code);

	return l->version >= 0x30d ? code & ~7ul : code;
}

/* Where in its code a frame is: an address, or up to 3.10 an index. */
static inline uintptr_t python_at(layout l, uintptr_t frame)
{
	if (l->code_start >= 0)
		return python_load(frame, l->frame_at);
	return (uintptr_t)(intptr_t) *
	       (const volatile int32_t *)(frame + (uintptr_t)l->frame_at);
}

static inline uint8_t python_byte(uintptr_t frame, int16_t offset)
{
	return offset < 0 ? 0 : *(const volatile uint8_t *)(frame + (uintptr_t)offset);
}

static inline uintptr_t python_innermost(layout l, uintptr_t state)
{
	uintptr_t at = python_load(state, l->state_frame);

	return at && l->link_frame >= 0 ? python_load(at, l->link_frame) : at;
}

static inline bool python_is_link(layout l, uintptr_t frame)
{
	return l->version >= 0x30c && python_byte(frame, l->frame_owner) >= OWNER_LOOP;
}

/* Is the frame what it was, but for where it is in its code? */
static inline bool python_is_same(layout l, uintptr_t frame, uintptr_t code,
				  uint8_t entry)
{
	return python_code(l, frame) == code &&
	       python_byte(frame, l->frame_entry) == entry;
}

static inline bool python_is_unchanged(layout l, const struct python_frame *f)
{
	return python_is_same(l, f->frame, f->code, f->entry) &&
	       python_at(l, f->frame) == f->at;
}

/* Are the kept frames from `f` outwards, which is not below `first`, what they were, and
 * the chain? Of each the address that it was kept by is read, not the one that was just
 * compared with it: then none is waited for. */
static inline __attribute__((always_inline)) bool
python_is_as_before(layout l, const struct python_frame *first,
		    const struct python_frame *f)
{
	for (;; f--) {
		uintptr_t outside = python_outside(l, f->frame);

		if (!python_is_unchanged(l, f))
			return false;
		if (f == first)
			return !outside;
		if (f[-1].frame != outside)
			return false;
	}
}
