/*
 * cmd_top.c - heapline top [OPTIONS] [PROFILE]
 */
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/top.h"

#include <string.h>

enum option { BY, DOMAIN };

static const struct reader_option options[] = {
	[BY] = {"by", "WHAT", TOP_WORDS},
	[DOMAIN] = {"domain", "NAME", "malloc (the default), or mmap"},
	{NULL, NULL, NULL},
};

struct own {
	struct top_options options;
	enum profile_domain domain;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case BY:
		return top_parse_by(value, &o->options.by) ? NULL : TOP_WORDS;
	case DOMAIN:
		if (strcmp(value, "malloc") && strcmp(value, "mmap"))
			return "malloc or mmap";
		o->domain = strcmp(value, "mmap") ? PROFILE_MALLOC : PROFILE_MMAP;
		return NULL;
	}
	return NULL;
}

static bool sort(void *own, const char *word)
{
	struct own *o = own;

	return view_parse_metric(word, &o->options.sort);
}

static const struct reader_spec spec = {
	.verb = "top",
	.about =
		"Shows who has most, in one table: by the lines that asked for memory, "
		"or by\nfunction, file, module, size, thread, lifetime, domain or "
		"process.",
	.sorts = VIEW_SORTS,
	.sort = sort,
	.options = options,
	.take = take,
	.counts = "rows (20)",
};

int cmd_top(int argc, char **argv)
{
	struct own own = {0};
	struct reader r;
	int status;

	if (!reader_open(&r, &spec, argc, argv, &own, &status))
		return status;
	own.options.scope = r.scope;
	own.options.scope.domain = own.domain;
	own.options.limit = r.limit;
	own.options.bytes = r.bytes;
	own.options.colour = r.colour;
	own.options.columns = text_columns();
	return reader_close(&r, r.json ? top_json(r.profile, &own.options, r.out)
				       : top_text(r.profile, &own.options, r.out));
}
