#include "cli/symbol/path.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Length without the last component, for ".."; or the same length if there is none to
 * drop: at the root, and where a relative path already climbs. */
static size_t parent(const char *path, size_t len)
{
	size_t at = len;

	while (at && path[at - 1] != '/')
		at--;
	if (len - at == 2 && !memcmp(path + at, "..", 2))
		return len;
	return at > 1 ? at - 1 : at;
}

/* Appends one component to path, which has room for it: it is written where it was
 * read from, or before. */
static size_t step(char *path, size_t len, const char *part, size_t part_len)
{
	bool dots = part_len == 2 && !memcmp(part, "..", 2);

	if (part_len == 0 || (part_len == 1 && *part == '.'))
		return len;
	if (dots && len) {
		size_t up = parent(path, len);

		if (up < len || !strcmp(path, "/"))
			return up;
	}
	if (len && path[len - 1] != '/')
		path[len++] = '/';
	memmove(path + len, part, part_len);
	return len + part_len;
}

size_t path_normalise(const char *dir, const char *file, char ret[PATH_MAX_BYTES])
{
	char joined[PATH_MAX_BYTES];
	bool join = *file != '/' && *dir;
	int joined_len = snprintf(joined, sizeof(joined), "%s%s%s", join ? dir : "",
				  join ? "/" : "", file);
	size_t len = 0;

	if (!*file || joined_len < 0 || (size_t)joined_len >= sizeof(joined))
		return 0;
	if (*joined == '/')
		ret[len++] = '/';
	for (const char *at = joined; *at;) {
		size_t part = strcspn(at, "/");

		ret[len] = '\0';
		len = step(ret, len, at, part);
		at += part + (at[part] == '/');
	}
	ret[len] = '\0';
	return len;
}
