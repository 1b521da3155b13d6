#include "cli/base/strings.h"

#include "cli/base/array.h"
#include "cli/base/hash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static uint32_t *seek(const struct strings *s, const char *text, size_t len)
{
	for (size_t i = hash_bytes(text, len);; i++) {
		uint32_t *slot = &s->slots[i & (s->slots_room - 1)];

		if (!*slot || (!strncmp(s->items[*slot - 1], text, len) &&
			       !s->items[*slot - 1][len]))
			return slot;
	}
}

static bool grow(struct strings *s)
{
	uint32_t *old = s->slots;
	size_t room = s->slots_room ? s->slots_room * 2 : 64;

	s->slots = calloc(room, sizeof(*s->slots));
	if (!s->slots) {
		s->slots = old;
		return false;
	}
	s->slots_room = room;
	for (size_t i = 0; i < s->count; i++)
		*seek(s, s->items[i], strlen(s->items[i])) = (uint32_t)i + 1;
	free(old);
	return true;
}

static uint32_t add(struct strings *s, const char *text, size_t len)
{
	uint32_t *slot;
	char *copy;

	if (s->count >= UINT32_MAX - 1 ||
	    (s->count >= s->slots_room / 2 && !grow(s)))
		return UINT32_MAX;
	slot = seek(s, text, len);
	if (*slot)
		return *slot - 1;
	if (array_reserve(&s->items, &s->room, s->count + 1) < 0)
		return UINT32_MAX;
	copy = strndup(text, len);
	if (!copy)
		return UINT32_MAX;
	s->items[s->count++] = copy;
	*slot = (uint32_t)s->count;
	return *slot - 1;
}

void strings_done(struct strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
	free(s->slots);
	*s = (struct strings){0};
}

uint32_t strings_add_n(struct strings *s, const char *text, size_t len)
{
	if (!s->count && add(s, "", 0) == UINT32_MAX)
		return UINT32_MAX;
	return add(s, text, len);
}

uint32_t strings_add(struct strings *s, const char *text)
{
	return strings_add_n(s, text ? text : "", text ? strlen(text) : 0);
}

uint32_t strings_find(const struct strings *s, const char *text)
{
	uint32_t slot = s->slots_room ? *seek(s, text, strlen(text)) : 0;

	return slot ? slot - 1 : UINT32_MAX;
}

const char *strings_get(const struct strings *s, uint32_t number)
{
	return number < s->count ? s->items[number] : "";
}
