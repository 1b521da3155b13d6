#include "cli/base/table.h"

#include "cli/base/hash.h"

#include <stdlib.h>

struct table_entry {
	struct table_key key;
	uint64_t value;
	bool used;
};

/* The key's entry, or the free one where it belongs. room > count. */
static struct table_entry *seek(const struct table *t, struct table_key key)
{
	for (size_t i = hash_pair(key.a, key.b);; i++) {
		struct table_entry *e = &t->entries[i & (t->room - 1)];

		if (!e->used || (e->key.a == key.a && e->key.b == key.b))
			return e;
	}
}

static bool grow(struct table *t)
{
	struct table more = {.room = t->room ? t->room * 2 : 64, .count = t->count};

	more.entries = calloc(more.room, sizeof(*more.entries));
	if (!more.entries)
		return false;
	for (size_t i = 0; i < t->room; i++)
		if (t->entries[i].used)
			*seek(&more, t->entries[i].key) = t->entries[i];
	free(t->entries);
	*t = more;
	return true;
}

void table_done(struct table *t)
{
	free(t->entries);
	*t = (struct table){0};
}

uint64_t *table_get(const struct table *t, struct table_key key)
{
	struct table_entry *e = t->room ? seek(t, key) : NULL;

	return e && e->used ? &e->value : NULL;
}

uint64_t *table_put(struct table *t, struct table_key key, bool *ret_new)
{
	struct table_entry *e;

	if (t->count >= t->room - t->room / 4 && !grow(t))
		return NULL;
	e = seek(t, key);
	if (ret_new)
		*ret_new = !e->used;
	if (!e->used) {
		*e = (struct table_entry){.key = key, .used = true};
		t->count++;
	}
	return &e->value;
}

bool table_next(const struct table *t, size_t *at, struct table_key *ret_key,
		uint64_t *ret_value)
{
	while (*at < t->room) {
		const struct table_entry *e = &t->entries[(*at)++];

		if (!e->used)
			continue;
		*ret_key = e->key;
		*ret_value = e->value;
		return true;
	}
	return false;
}
