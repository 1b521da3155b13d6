/*
 * cmd_report.c - heapline report [OPTIONS] [PROFILE [B]]
 */
#include "cli/base/quantity.h"
#include "cli/cmd/page.h"
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/summary.h"

enum option { HTML, HTML_LIMIT };

static const struct option_spec options[] = {
	[HTML] = {.name = "html",
		  .argument = "FILE",
		  .help = "all of the profile as one page for browsers, to look at "
			  "offline; of two: and what changed from the first to the "
			  "second"},
	[HTML_LIMIT] = {.name = "html-limit",
			.argument = "SIZE",
			.help = "keep the page below about SIZE (50M): what is "
				"smallest is folded"},
	{0},
};

struct own {
	struct summary_options options;
	const char *html; /* NULL: a text */
	uint64_t limit;	  /* of the page; 0: the usual one */
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	switch ((enum option)i) {
	case HTML:
		o->html = *value ? value : NULL;
		return o->html ? NULL : "name a file";
	case HTML_LIMIT:
		return quantity_parse_size(value, &o->limit) || !o->limit
			       ? "a size is a number above 0 and K, M or G"
			       : NULL;
	}
	return NULL;
}

static bool silent(const void *own)
{
	return ((const struct own *)own)->html;
}

static unsigned needs(const void *own)
{
	return ((const struct own *)own)->html ? PROFILE_TIMES : 0;
}

static const char *alone(const void *own)
{
	return ((const struct own *)own)->html
		       ? NULL
		       : "two profiles are compared by `heapline diff A B`, and on a "
			 "page (--html=FILE A B)";
}

static bool sort(void *own, const char *word)
{
	struct own *o = own;

	return summary_parse_sort(word, &o->options.sort);
}

const struct reader_spec report_spec = {
	.verb = "report",
	.about = "Summarises a profile: how the program ended, its peak, what it never "
		 "freed, where\nboth came from, and what the recording missed.",
	.sorts = "peak, leaked, allocated or temporary",
	.sort_words = "peak leaked allocated temporary",
	.sort = sort,
	.options = options,
	.take = take,
	.silent = silent,
	.needs = needs,
	.counts = "sites, and processes",
	.lacks = "d",
	.most = 2,
	.alone = alone,
};

int cmd_report(int argc, char **argv)
{
	struct own own = {0};
	struct summary_options *o = &own.options;
	struct reader r;
	int status;

	if (!reader_open(&r, &report_spec, argc, argv, &own, &status))
		return status;
	if (own.html) {
		status = page_write(&r, own.html, (size_t)own.limit);
		reader_close(&r, 0);
		return status;
	}
	o->scope = r.scope;
	o->limit = r.limit;
	o->bytes = r.bytes;
	o->colour = r.colour;
	o->path = r.path;
	return reader_close(&r, r.json ? summary_json(r.profile, o, r.out)
				       : summary_text(r.profile, o, r.out));
}
