/*
 * table.h - a hash table from 128-bit keys to 64-bit values, for everything that is
 * not hot enough to deserve a table of its own. Open addressing; nothing is removed.
 * Keys may come from anywhere: none can be made to collide (hash.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_key {
	uint64_t a, b;
};

struct table {
	struct table_entry *entries; /* room of them, a power of two; NULL at first */
	size_t room, count;
};

/* Frees what the table holds; it may be used again as an empty one. */
void table_done(struct table *t);

/* The value of a key, or NULL. Valid until the next table_put(). */
uint64_t *table_get(const struct table *t, struct table_key key);

/* Goes through the table: the next key and its value from *at on, which begins at 0.
 * False: there is no more. Nothing is put meanwhile. */
bool table_next(const struct table *t, size_t *at, struct table_key *ret_key,
		uint64_t *ret_value);

/* The value of a key, made 0 if it was not there (*ret_new tells, may be NULL).
 * NULL without memory. Valid until the next table_put(). */
uint64_t *table_put(struct table *t, struct table_key key, bool *ret_new);
