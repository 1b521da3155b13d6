/*
 * array.h - growing C arrays: a pointer, a count and a capacity kept by the caller.
 */
#pragma once

#include <stddef.h>

/* Makes room for at least `need` items of item_bytes each in *items (malloc'ed, the
 * caller frees it; NULL at first), doubling *room. New room is zeroed. 0, -ENOMEM,
 * or -EOVERFLOW; nothing changed on failure. */
int array_reserve_(void **items, size_t *room, size_t need, size_t item_bytes);

/* The same, and new room is not touched: what it holds is anything. */
int array_room_(void **items, size_t *room, size_t need, size_t item_bytes);

#define array_reserve(items, room, need)                                               \
	array_reserve_((void **)(items), (room), (need), sizeof(**(items)))
#define array_room(items, room, need)                                                  \
	array_room_((void **)(items), (room), (need), sizeof(**(items)))
