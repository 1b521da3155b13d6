#include "cli/symbol/remap.h"

#include "cli/base/array.h"
#include "cli/base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "/a/b//" and "/a/b" are one. */
static void drop_slashes(char *path)
{
	for (size_t len = strlen(path); len && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
}

int remap_add(struct remap *r, const char *rule)
{
	const char *sign = strchr(rule, '=');
	struct remap_rule new;

	if (!sign || sign == rule || !sign[1])
		return -EINVAL;
	if (array_reserve(&r->rules, &r->room, r->count + 1))
		return -ENOMEM;
	new.from = strndup(rule, (size_t)(sign - rule));
	new.to = strdup(sign + 1);
	if (!new.from || !new.to) {
		free(new.from);
		free(new.to);
		return -ENOMEM;
	}
	drop_slashes(new.from);
	r->rules[r->count++] = new;
	return 0;
}

int remap_add_lines(struct remap *r, const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");
		_cleanup_(freep) char *rule = strndup(lines, len);
		int err = rule ? remap_add(r, rule) : -ENOMEM;

		if (err)
			return err;
		lines += len + (lines[len] == '\n');
	}
	return 0;
}

void remap_done(struct remap *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->rules[i].from);
		free(r->rules[i].to);
	}
	free(r->rules);
	*r = (struct remap){0};
}

/* What of the path is behind the rule's FROM; NULL if it does not begin so. */
static const char *rest_of(const struct remap_rule *rule, const char *path)
{
	size_t len = strlen(rule->from);

	if (!strcmp(rule->from, ".")) {
		if (*path == '/')
			return NULL;
		return strncmp(path, "./", 2) ? path : path + 2;
	}
	if (strncmp(path, rule->from, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path + len + (path[len] == '/');
}

size_t remap_apply(const struct remap *r, size_t n, const char *path,
		   char ret[PATH_MAX_BYTES])
{
	const char *rest = rest_of(&r->rules[n], path);
	int len;

	if (!rest)
		return 0;
	len = snprintf(ret, PATH_MAX_BYTES, "%s%s%s", r->rules[n].to, *rest ? "/" : "",
		       rest);
	return len > 0 && len < PATH_MAX_BYTES ? (size_t)len : 0;
}

bool remap_applies(const struct remap *r, const char *path)
{
	for (size_t i = 0; i < r->count; i++)
		if (rest_of(&r->rules[i], path))
			return true;
	return false;
}
