/*
 * cmd_churn.c - heapline churn [OPTIONS] [PROFILE]
 */
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/churn.h"

static bool sort(void *own, const char *word)
{
	struct churn_options *o = own;

	return churn_parse_sort(word, &o->sort);
}

const struct reader_spec churn_spec = {
	.verb = "churn",
	.about = "Shows the lines that allocate most often: how many of their blocks "
		 "are "
		 "temporary, how\nlong they live, and what could be done, where the "
		 "numbers say so.",
	.sorts = "allocations (the default), temporary or allocated",
	.sort = sort,
	.sort_words = "allocations temporary allocated",
	.counts = "sites (10)",
};

int cmd_churn(int argc, char **argv)
{
	struct churn_options o = {0};
	struct reader r;
	int status;

	if (!reader_open(&r, &churn_spec, argc, argv, &o, &status))
		return status;
	o.scope = r.scope;
	o.limit = r.limit;
	o.bytes = r.bytes;
	o.colour = r.colour;
	o.columns = text_columns();
	return reader_close(&r, r.json ? churn_json(r.profile, &o, r.out)
				       : churn_text(r.profile, &o, r.out));
}
