#include "preload/names.h"

#include "preload/wire.h"

#include <stdbool.h>
#include <string.h>

static uint32_t hash(const char *text, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return h;
}

/* Whether it is there now. One that is being written counts as another. */
static bool is(const struct wire_name *n, const char *text, size_t len)
{
	/* acquire: pairs with take()'s release; the text is whole. */
	return atomic_load_explicit(&n->state, memory_order_acquire) ==
		       WIRE_NAME_READY &&
	       !memcmp(n->text, text, len) && !n->text[len];
}

static bool take(struct wire_name *n, const char *text, size_t len)
{
	uint32_t state = WIRE_NAME_FREE;

	/* relaxed: the place alone is taken here. */
	if (!atomic_compare_exchange_strong_explicit(
		    &n->state, &state, WIRE_NAME_CLAIMED, memory_order_relaxed,
		    memory_order_relaxed))
		return false;
	memcpy(n->text, text, len);
	n->text[len] = '\0';
	/* release: the text, then READY; pairs with is(), and with the collector. */
	atomic_store_explicit(&n->state, WIRE_NAME_READY, memory_order_release);
	return true;
}

uint32_t names_number(void *base, const char *text)
{
	size_t len = text ? strnlen(text, WIRE_NAME_BYTES - 1) : 0;
	uint32_t first = hash(text, len);

	for (uint32_t i = 0; len && i < WIRE_NAMES - 1; i++) {
		uint32_t number = 1 + (first + i) % (WIRE_NAMES - 1);
		struct wire_name *n = wire_name(base, number);

		if (is(n, text, len) || take(n, text, len))
			return number;
	}
	return 0;
}
