#include "cli/cmd/keep.h"

#include "cli/profile/profile.h"

#include <string.h>

static uint32_t dimension(const char *word, size_t len)
{
	if (len == 4 && !memcmp(word, "size", len))
		return PROFILE_SIZES;
	return len == 6 && !memcmp(word, "thread", len) ? PROFILE_OWNERS : 0;
}

const char *keep_take(uint32_t *keep, const char *value)
{
	uint32_t all = 0, one;
	const char *at = value - 1;

	do {
		size_t len = strcspn(++at, ",");

		one = dimension(at, len);
		all |= one;
		at += len;
	} while (one && *at);
	if (!one)
		return "size, thread, or both with a comma between them";
	*keep |= all;
	return NULL;
}
