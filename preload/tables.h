/*
 * tables.h - what Python's object allocators have of malloc for themselves.
 *
 * A hook of hooks_python.c is at work, and its allocator calls malloc: mostly for the
 * object's own block, which counts once, as the object. But where arenas are it keeps in
 * tables, which it makes, and makes larger, in the middle of a call: those are blocks as
 * any other, and are freed as such when a sub-interpreter ends (3.14). Which of both a new
 * block is, the object's address tells once the allocator has returned. Until then it is
 * noted in the thread.
 *
 * Its callers are the hooks of hooks_malloc.c, where hook_enter() said no. In sampled
 * recordings nothing of this is done: a free that belongs to nothing recorded is no event
 * there.
 */
#pragma once

#include "preload/hook.h"

enum tables_is {
	TABLES_NONE,	 /* not a table, or not now: none of our business */
	TABLES_NOTED,	 /* it was noted, and is so no more */
	TABLES_RECORDED, /* the hook is entered: record what happens to it */
};

/* The block p was allocated (NULL: or was not). Returns p. */
void *tables_new(struct hook_call call, void *p, size_t size);

/* The block p is about to be freed or resized. */
enum tables_is tables_leave(struct hook *h, struct hook_call call, const void *p);

/* The hook's allocator has returned the object (NULL: or none): the noted blocks that it is
 * not in are recorded. */
void tables_put(struct hook *h, const void *object);
