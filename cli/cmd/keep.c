#include "cli/cmd/keep.h"

#include "cli/collect/control.h"
#include "cli/profile/profile.h"

#include <string.h>

static uint32_t one_of(const char *word, size_t len)
{
	if (len == 4 && !memcmp(word, "size", len))
		return PROFILE_SIZES;
	if (len == 6 && !memcmp(word, "thread", len))
		return PROFILE_OWNERS;
	return len == 8 && !memcmp(word, "contents", len) ? CONTROL_KEEP_CONTENTS : 0;
}

const char *keep_take(uint32_t *keep, const char *value)
{
	uint32_t all = 0, one;
	const char *at = value - 1;

	do {
		size_t len = strcspn(++at, ",");

		one = one_of(at, len);
		all |= one;
		at += len;
	} while (one && *at);
	if (!one)
		return "size, thread, contents, or several with commas between them";
	*keep |= all;
	return NULL;
}
