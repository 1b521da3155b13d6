/*
 * cmd_diff.c - heapline diff [OPTIONS] A B
 */
#include "cli/cmd/reader.h"
#include "cli/cmd/verb.h"
#include "cli/report/diff.h"

enum option { BY };

static const struct option_spec options[] = {
	[BY] = {.name = "by",
		.argument = "WORD",
		.help = "rows: line (the default), function, site or module",
		.words = "line function site module"},
	{0},
};

static const char *take(void *own, size_t i, const char *value)
{
	struct diff_options *o = own;

	(void)i;
	return diff_parse_by(value, &o->by) ? NULL : "line, function, site or module";
}

static bool sort(void *own, const char *word)
{
	struct diff_options *o = own;

	return diff_parse_metric(word, &o->metric);
}

const struct reader_spec diff_spec = {
	.verb = "diff",
	.about = "Compares two recordings: the code whose part of a metric is new, "
		 "gone, "
		 "grown or\nshrunk in B, matched by name, so that a rebuilt program "
		 "aligns with its former self.",
	.sorts = "peak (the default), leaked, allocated, allocations or temporary",
	.sort_words = "peak leaked allocated allocations temporary",
	.sort = sort,
	.options = options,
	.take = take,
	.counts = "rows (20; of JSON all, unless by site)",
	.lacks = "pd",
	.profiles = 2,
};

/* Takes the sites' figures and lets the sites go, which are most of a profile. */
static int take_sides(struct reader *r, const struct diff_options *o,
		      struct diff_side *sides)
{
	int result = 0;

	for (int k = 0; !result && k < 2; k++) {
		result = diff_side_take(r->files[k].profile, o, &sides[k]);
		profile_drop_sites(r->files[k].profile);
	}
	return result;
}

int cmd_diff(int argc, char **argv)
{
	struct diff_options o = {0};
	struct diff_side sides[2] = {{.count = 0}, {.count = 0}};
	const struct profile *a, *b;
	struct reader r;
	int status;

	if (!reader_open(&r, &diff_spec, argc, argv, &o, &status))
		return status;
	o.scope = r.scope;
	o.limit = r.limit;
	o.bytes = r.bytes;
	o.colour = r.colour;
	for (int k = 0; k < 2; k++)
		o.paths[k] = r.files[k].path;
	a = r.files[0].profile;
	b = r.files[1].profile;
	status = take_sides(&r, &o, sides);
	o.sides = sides;
	if (!status)
		status = r.json ? diff_json(a, b, &o, r.out)
				: diff_text(a, b, &o, r.out);
	for (int k = 0; k < 2; k++)
		diff_side_done(&sides[k]);
	return reader_close(&r, status);
}
