/*
 * strings.h - each distinct string once, named by a small number. Number 0 is "".
 * Strings may come from anywhere: none can be made to collide (hash.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct strings {
	char **items; /* owned, NUL-terminated, count of them */
	size_t count, room;
	uint32_t *slots; /* hash table of numbers + 1 */
	size_t slots_room;
};

/* Frees all strings. */
void strings_done(struct strings *s);

/* The number of a string of len bytes (no NUL among them), added if new. Returns
 * UINT32_MAX without memory. */
uint32_t strings_add_n(struct strings *s, const char *text, size_t len);
uint32_t strings_add(struct strings *s, const char *text); /* NULL counts as "" */

/* The number of a string that is there; UINT32_MAX: it is not. */
uint32_t strings_find(const struct strings *s, const char *text);

/* The string of a number; "" for one that was never handed out. Valid until
 * strings_done(). */
const char *strings_get(const struct strings *s, uint32_t number);
