#include "cli/cmd/source_paths.h"

#include <string.h>

const char *source_paths_add(struct source_paths *s, const char *rule)
{
	const char *sign = strchr(rule, '=');
	size_t len = strlen(rule);

	if (!sign || sign == rule || !sign[1])
		return "write FROM=TO: where sources were, and where they are";
	if (strchr(rule, '\n'))
		return "no line breaks in paths";
	if (len + 2 > sizeof(s->rules) - s->len)
		return "too much for all of them together";
	memcpy(s->rules + s->len, rule, len);
	s->len += len;
	s->rules[s->len++] = '\n';
	s->rules[s->len] = '\0';
	return NULL;
}
