/*
 * cmd_report.c - heapline report [OPTIONS] [PROFILE]
 */
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/summary.h"

static bool sort(void *own, const char *word)
{
	struct summary_options *o = own;

	return summary_parse_sort(word, &o->sort);
}

const struct reader_spec report_spec = {
	.verb = "report",
	.about = "Summarises a profile: how the program ended, its peak, what it never "
		 "freed, where\nboth came from, and what the recording missed.",
	.sorts = "peak, leaked, allocated or temporary",
	.sort_words = "peak leaked allocated temporary",
	.sort = sort,
	.counts = "sites, and processes",
	.lacks = "d",
};

int cmd_report(int argc, char **argv)
{
	struct summary_options o = {0};
	struct reader r;
	int status;

	if (!reader_open(&r, &report_spec, argc, argv, &o, &status))
		return status;
	o.scope = r.scope;
	o.limit = r.limit;
	o.bytes = r.bytes;
	o.colour = r.colour;
	o.path = r.path;
	return reader_close(&r, r.json ? summary_json(r.profile, &o, r.out)
				       : summary_text(r.profile, &o, r.out));
}
