/*
 * cmd_diff.c - heapline diff [OPTIONS] A B
 */
#include "cli/cmd/graph.h"
#include "cli/cmd/verb.h"
#include "cli/report/diff.h"
#include "cli/report/types.h"

#include <string.h>

enum option { BY };

static const struct option_spec options[] = {
	[BY] = {.name = "by",
		.argument = "WORD",
		.help = "rows: line (the default), function, site, module or type",
		.words = "line function site module type"},
	{0},
};

struct own {
	struct diff_options options;
	bool by_type; /* of objects in each one's last snapshot */
};

static const char *take(void *own, size_t i, const char *value)
{
	struct own *o = own;

	(void)i;
	o->by_type = !strcmp(value, "type");
	return o->by_type || diff_parse_by(value, &o->options.by)
		       ? NULL
		       : "line, function, site, module or type";
}

static bool sort(void *own, const char *word)
{
	struct own *o = own;

	return diff_parse_metric(word, &o->options.metric);
}

/* A snapshot is of a moment of its own. */
static const char *refuse(const void *own, const struct slice_options *o)
{
	bool cut = o->has_range || o->moment != SLICE_AT_DEFAULT || o->threads ||
		   o->has_sizes;

	return ((const struct own *)own)->by_type && cut
		       ? "types are of all blocks at the moment of their snapshot"
		       : NULL;
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
	.refuse = refuse,
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

static int report_types(const struct reader *r, const struct held *a,
			const struct held *b, void *own)
{
	struct types_options o = {
		.limit = r->limit, .bytes = r->bytes, .colour = r->colour};

	(void)own;
	return r->json ? types_growth_json(a, b, &o, r->out)
		       : types_growth_text(a, b, &o, r->out);
}

static int diff_types(struct reader *r)
{
	int unread;
	int result = graph_read_pair(r, NULL, NULL, NULL, report_types, &unread);
	int status = reader_close(r, result);

	return unread ? unread : status;
}

int cmd_diff(int argc, char **argv)
{
	struct own own = {.by_type = false};
	struct diff_options o;
	struct diff_side sides[2] = {{.count = 0}, {.count = 0}};
	const struct profile *a, *b;
	struct reader r;
	int status;

	if (!reader_open(&r, &diff_spec, argc, argv, &own, &status))
		return status;
	if (own.by_type)
		return diff_types(&r);
	o = own.options;
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
