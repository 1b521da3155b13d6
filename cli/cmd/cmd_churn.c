/*
 * cmd_churn.c - heapline churn [OPTIONS] [PROFILE]
 */
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/churn.h"

#include <string.h>

static const struct reader_option options[] = {
	{"domain", "NAME", "malloc (the default), or mmap"},
	{NULL, NULL, NULL},
};

struct own {
	struct churn_options options;
	enum profile_domain domain;
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	(void)i;
	if (strcmp(value, "malloc") && strcmp(value, "mmap"))
		return "malloc or mmap";
	o->domain = strcmp(value, "mmap") ? PROFILE_MALLOC : PROFILE_MMAP;
	return NULL;
}

static bool sort(void *own, const char *word)
{
	struct own *o = own;

	return churn_parse_sort(word, &o->options.sort);
}

static const struct reader_spec spec = {
	.verb = "churn",
	.about = "Shows the lines that allocate most often: how many of their blocks "
		 "are "
		 "temporary, how\nlong they live, and what could be done, where the "
		 "numbers say so.",
	.sorts = "allocations (the default), temporary or allocated",
	.sort = sort,
	.options = options,
	.take = take,
	.counts = "sites (10)",
};

int cmd_churn(int argc, char **argv)
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
	return reader_close(&r, r.json ? churn_json(r.profile, &own.options, r.out)
				       : churn_text(r.profile, &own.options, r.out));
}
